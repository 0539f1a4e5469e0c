"""The interface between the training loop and whatever computes the gradient of a batch.

The loop asks for one gradient a step and never learns how it came about; each strategy is a file of
its own beside this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

from digitlab.config import Recipe
from digitlab.data.batches import Batch, Batches
from digitlab.data.dataset import Images, Split
from digitlab.objectives import Objective


@dataclass(frozen=True)
class BatchGradient:
    """What a strategy gives for one batch.

    Attributes:
        vector: float32 [P], the gradient of the batch's mean loss, parameters in the network's
            order, those that are frozen left out.
        loss: mean over the batch.
        correct: how many samples were answered right.
        buffers: the network's buffers after this batch (running statistics), in its order.
    """

    vector: Tensor
    loss: float
    correct: int
    buffers: tuple[Tensor, ...] = ()

    def is_finite(self) -> bool:
        """Whether loss and gradient hold neither infinity nor NaN."""
        if not abs(self.loss) < float("inf"):
            return False
        # A finite sum has finite terms only, and is four times as fast; one that is not may have
        # overflowed.
        return bool(self.vector.sum().isfinite()) or bool(self.vector.isfinite().all())


class Strategy(Protocol):
    """Computes gradients of batches, and outputs for evaluation."""

    def gradient(self, batch: Batch) -> BatchGradient:
        """Return the ordered sum over the batch's shards; parameters and buffers stay."""
        ...

    def outputs(self, images: Images, after: Callable[[int], None] | None = None) -> Tensor:
        """Return float32 [N, outputs] for uint8 [N, 28, 28], in evaluation mode.

        `after` is called with the number of images done, from time to time.
        """
        ...

    def close(self) -> None:
        """Let go of threads or processes."""
        ...


@dataclass(frozen=True)
class Job:
    """What every strategy needs to know of a run."""

    recipe: Recipe
    network: nn.Module
    objective: Objective
    train: Split
    batches: Batches
    device: torch.device
    threads: int

    @cached_property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """The parameters that are trained, in the network's order."""
        return tuple(p for p in self.network.parameters() if p.requires_grad)


def build(job: Job) -> Strategy:
    """Return the strategy of a job: for now, all shards in this process."""
    from digitlab.parallel.shards import ShardPool

    return ShardPool(job)
