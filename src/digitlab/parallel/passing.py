"""Tensors from worker to worker: of any shape, with their order in memory, and with autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from digitlab.parallel.sockets import Sockets

# What a tensor is announced by: its type, whether it needs a gradient, how many dimensions it has,
# the numbers from its first to its last in memory, and for each dimension its size and stride.
_TYPES = (
    *(torch.float32, torch.bfloat16, torch.float16, torch.float64),
    *(torch.int64, torch.uint8, torch.bool),
    *(torch.int32, torch.int16, torch.int8, torch.complex64, torch.complex128),
)
_DIMENSIONS = 8
_NOTHING = -1  # in place of the number of dimensions: there is no tensor
_HEAD = 4 + 2 * _DIMENSIONS


def pass_on(sockets: Sockets, tensor: Tensor | None, rank: int) -> None:
    """Post a tensor, or None, as it lies in memory: another order has other last bits."""
    if tensor is None:
        head = [0, 0, _NOTHING] + [0] * (_HEAD - 3)
        sockets.post(torch.tensor(head, device=sockets.device), rank)
        return
    values = tensor.detach().resolve_conj().resolve_neg()  # what torch puts off has no bytes
    span = 1 + sum((n - 1) * step for n, step in zip(values.shape, values.stride(), strict=True))
    span = span if values.numel() else 0
    room = [0] * (_DIMENSIONS - values.dim())
    head = [_TYPES.index(values.dtype), int(tensor.requires_grad), values.dim(), span]
    head += [*values.shape, *room, *values.stride(), *room]
    sockets.post(torch.tensor(head, device=sockets.device), rank)
    flat = values.as_strided((span,), (1,), values.storage_offset())
    sockets.post(flat.to(sockets.device), rank)


def take(sockets: Sockets, rank: int, device: torch.device) -> Tensor | None:
    """Return what a worker passed on, lying in memory as there; a leaf of autograd, on a device."""
    head = torch.empty(_HEAD, dtype=torch.int64, device=sockets.device)
    sockets.receive(head, rank)
    kind, needs_gradient, dimensions, span, *places = head.tolist()
    if dimensions == _NOTHING:
        return None
    flat = torch.empty(span, dtype=_TYPES[kind], device=sockets.device)
    sockets.receive(flat, rank)
    shape, strides = places[:dimensions], places[_DIMENSIONS:][:dimensions]
    values = flat.to(device).as_strided(shape, strides)
    return values.requires_grad_(bool(needs_gradient))


def both_ways(
    values: Tensor,
    anchor: Tensor | None,
    there: Callable[[Tensor], Tensor | None],
    back: Callable[[Tensor], Tensor | None],
) -> Tensor:
    """Return what one function makes of a tensor; another makes its gradient on the way back.

    Args:
        values: what goes there.
        anchor: any tensor that needs a gradient, where the result needs one though `values` does
            not, as another worker learns something; else None.
        there, back: send and receive.
    """
    result: Tensor = _BothWays.apply(values, anchor, there, back)  # type: ignore[no-untyped-call]
    return result


class _BothWays(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        anchor: Tensor | None,
        there: Callable[[Tensor], Tensor | None],
        back: Callable[[Tensor], Tensor | None],
    ) -> Tensor | None:
        del anchor
        ctx.back = back
        return there(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, None]:
        return (ctx.back(gradient) if ctx.needs_input_grad[0] else None), None, None, None
