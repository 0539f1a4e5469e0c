"""The interface between the training loop and whatever computes the gradient of a batch.

The loop asks for one gradient a step and never learns how it came about; each strategy is a file of
its own beside this one, and build.py chooses among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from digitlab.config import Recipe
from digitlab.data.batches import Batch, Batches
from digitlab.data.dataset import Images, Split
from digitlab.objectives import Objective


class AlreadyFinishedError(Exception):
    """The other workers have finished the run while this one was away."""


# What one worker owns of a network: by the name of a parameter or buffer, which numbers of it, as a
# slice for each of its first dimensions; () is all of it, (slice(None), slice(0, 50)) its first
# fifty columns. None in place of a part: everything.
Index = tuple[slice, ...]
Part = Mapping[str, Index]


@dataclass(frozen=True)
class Piece:
    """What one worker holds of a tensor.

    Attributes:
        values: the numbers.
        index: which of the whole they are.
        shape: of the whole.
    """

    values: Tensor
    index: Index
    shape: torch.Size


@dataclass(frozen=True)
class Held:
    """Bytes that a process holds during steps.

    Attributes:
        parameters: of the network, frozen ones included.
        optimizer: of what the optimizer remembers.
    """

    parameters: int
    optimizer: int


@dataclass(frozen=True)
class Wish:
    """What one worker asks for; it is granted to all after the same step.

    Attributes:
        stop: the number of the signal that asked to stop, or 0.
        save: whether a checkpoint is due.
    """

    stop: int = 0
    save: bool = False


class Push(NamedTuple):
    """A step of the rule that a server took by what one worker pushed to it.

    Attributes:
        server, worker: their slots.
        step: of the run, from 1, of whose batch the worker computed its part.
        read: how many steps of the rule the weights held that it computed with.
        taken: how many they hold with this one.
        ahead: how many steps of the run the worker was ahead of the slowest when it got them.
    """

    server: int
    worker: int
    step: int
    read: int
    taken: int
    ahead: int


@dataclass(frozen=True)
class BatchGradient:
    """What a strategy gives for one batch.

    Attributes:
        vector: float32 [P], the gradient of the batch's mean loss, parameters in the network's
            order, those that are frozen left out; where a worker owns a part, of that part.
        loss: mean over the batch.
        correct: how many samples were answered right.
        buffers: the network's buffers after this batch (running statistics), in its order; of
            these, too, only those that are owned.
        granted: what any worker wished for.
        work: which worker computed which samples of which shard, for the ledger.
        finite: whether the gradients of all are finite, where each knows only its own; None: this
            one is the whole.
        samples: of how many samples loss and hits are; None: of the batch.
        taken: where servers take steps as they come (`Run.move`), how many of the rule's this
            process knows of; None: this gradient is one, to be taken.
        pushes: which ones they took, for the ledger.
    """

    vector: Tensor
    loss: float
    correct: int
    buffers: tuple[Tensor, ...] = ()
    granted: Wish = Wish()
    work: Mapping[str, Mapping[int, Sequence[int]]] = field(default_factory=dict)
    finite: bool | None = None
    samples: int | None = None
    taken: int | None = None
    pushes: Sequence[Push] = ()

    def is_finite(self) -> bool:
        """Whether loss and gradient hold neither infinity nor NaN."""
        finite = all_finite(self.vector) if self.finite is None else self.finite
        return abs(self.loss) < float("inf") and finite


def all_finite(vector: Tensor) -> bool:
    """Whether a vector holds neither infinity nor NaN."""
    # A finite sum has finite terms only, and is four times as fast; one that is not may have
    # overflowed.
    return bool(vector.sum().isfinite()) or bool(vector.isfinite().all())


def values_of(pieces: Mapping[str, Piece]) -> dict[str, Tensor]:
    """Return the tensors of pieces that are whole."""
    return {name: piece.values for name, piece in pieces.items()}


class Run(Protocol):
    """The run that a strategy serves: what of it has to be the same for all workers."""

    def found(self) -> None:
        """Begin the run, or go on from its newest checkpoint; called in one worker only."""
        ...

    def give(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that changes, as tensors by name and plain JSON values, between two steps."""
        ...

    def take(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Be where the worker is that gave these."""
        ...

    def warn(self, text: str) -> None:
        """Tell the user what happened to the workers."""
        ...

    def keep(self, part: Part) -> None:
        """Let go of all but a part: parameters, buffers, optimizer's state and moving average."""
        ...

    def pieces(self) -> dict[str, Piece]:
        """Return copies of what this worker holds of all tensors, as a checkpoint names them."""
        ...

    def move(self, vector: Tensor, step: int, parts: int) -> None:
        """Take a step of the rule by a gradient of what is held, one of `parts` of a batch.

        At the learning rate of the run's step `step`, divided by `parts`.
        """
        ...

    def taken(self) -> int:
        """Return how many steps of the rule were taken."""
        ...

    def hold(self, tensors: Mapping[str, Tensor]) -> None:
        """Hold the whole again, of tensors as `Strategy.whole` gives them."""
        ...

    def held(self) -> Held:
        """Return how many bytes this process holds."""
        ...


class Strategy(Protocol):
    """Computes gradients of batches, and outputs for evaluation."""

    @property
    def leads(self) -> bool:
        """Whether this worker is the one that writes; another's loss can make it so."""
        ...

    def begin(self, run: Run) -> None:
        """Bring this worker to where the run is: by `found` in one, by `take` in all others.

        Raises:
            AlreadyFinishedError: where it is finished.
        """
        ...

    def gradient(self, batch: Batch, wish: Wish) -> BatchGradient:
        """Return the ordered sum over the batch's shards; parameters and buffers stay."""
        ...

    def outputs(self, images: Images, after: Callable[[int], None] | None = None) -> Tensor:
        """Return float32 [N, outputs] for uint8 [N, 28, 28], in evaluation mode.

        Between `begin` and `finish` all workers call it alike and share the work. `after` is called
        with the number of images done, from time to time.
        """
        ...

    def finish(self, action: Callable[[], None]) -> None:
        """Have one worker, which then holds the whole, do what ends the run; return in all after.

        Where that worker is lost, another does it from the beginning.
        """
        ...

    def whole(self) -> dict[str, Tensor]:
        """Return, where this worker leads, all tensors of the run, for a checkpoint; else nothing.

        Called by all alike, between two steps.
        """
        ...

    def held(self) -> Sequence[Held]:
        """Return, in the worker that does what ends the run, what each process held before."""
        ...

    def memory(self) -> dict[str, Tensor]:
        """Return, in all workers alike, what the strategy itself must find again after a resume."""
        ...

    def remember(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `memory` gave, before `begin` ends."""
        ...

    def close(self) -> None:
        """Let go of threads, processes and connections."""
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
