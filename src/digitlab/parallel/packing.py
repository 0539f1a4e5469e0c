"""Results as bytes, as they go over the wire; used by the strategies of several workers.

A packed result is one uint8 tensor: numbers first, then tensors, each at a multiple of 8 bytes, so
that it can be looked at as its type without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from digitlab.parallel.shards import ShardGradient
from digitlab.parallel.strategy import Job

_ALIGNED = 8


@dataclass(frozen=True)
class Packing:
    """How the gradients of one network are packed: `kinds` are like its vector and buffers."""

    kinds: tuple[Tensor, ...]

    @classmethod
    def of(cls, job: Job) -> Packing:
        """Return how a job's gradients are packed."""
        vector = torch.cat([parameter.detach().reshape(-1) for parameter in job.parameters])
        return cls((vector, *(buffer.clone() for buffer in job.network.buffers())))

    @property
    def size(self) -> int:
        """Bytes of a packed gradient."""
        return 2 * _ALIGNED + sum(_room(kind) for kind in self.kinds)

    def pack(self, part: ShardGradient, into: Tensor) -> None:
        """Write a gradient into uint8 [size], which must begin at a multiple of 8 bytes."""
        into[:8].view(torch.float64)[0] = part.loss
        into[8:16].view(torch.int64)[0] = part.correct
        for view, tensor in zip(self._views(into), (part.vector, *part.buffers), strict=True):
            view.copy_(tensor)

    def unpack(self, packed: Tensor) -> ShardGradient:
        """Return what was packed; its tensors are views of `packed`."""
        loss, correct = packed[:8].view(torch.float64), packed[8:16].view(torch.int64)
        vector, *buffers = self._views(packed)
        return ShardGradient(vector, loss.item(), int(correct.item()), tuple(buffers))

    def _views(self, packed: Tensor) -> Iterator[Tensor]:
        start = 2 * _ALIGNED
        for kind in self.kinds:
            content = packed[start : start + kind.numel() * kind.element_size()]
            yield content.view(kind.dtype).view(kind.shape)
            start += _room(kind)


def packed_numbers(numbers: Sequence[int], device: torch.device) -> Tensor:
    """Return integers as uint8 [8 N]."""
    return torch.tensor(numbers, dtype=torch.int64, device=device).view(torch.uint8)


def unpacked_numbers(packed: Tensor) -> list[int]:
    """Return what `packed_numbers` was given."""
    return packed.view(torch.int64).tolist()


def _room(kind: Tensor) -> int:
    return -(-kind.numel() * kind.element_size() // _ALIGNED) * _ALIGNED
