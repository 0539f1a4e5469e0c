"""Which samples a step sees, in which order and in which shards; used by the training loop.

Everything here is a function of (seed, epoch, sample), never of a generator that was advanced, so
that the global step is the whole position of a run (docs/design.md, invariant 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from digitlab.chance import hashed


class Share(NamedTuple):
    """One worker's part of all work.

    Attributes:
        rank: of the worker, from 0.
        size: how many workers there are.
    """

    rank: int
    size: int

    def of(self, count: int) -> range:
        """Return this share of `count` things, neighbours together: 8 to 3 are 3, 3 and 2."""
        return range(-(-count * self.rank // self.size), -(-count * (self.rank + 1) // self.size))


WHOLE = Share(0, 1)


@dataclass(frozen=True)
class Batch:
    """The samples of one step.

    Attributes:
        step: the global step, from 0.
        epoch: the pass over the data that it belongs to, from 0.
        samples: int64 [B], indices into the training split.
        shards: int64 arrays that joined are `samples`; they differ by a sample at most, and some
            are empty where a small last batch has fewer samples than there are shards.
    """

    step: int
    epoch: int
    samples: npt.NDArray[np.int64]
    shards: tuple[npt.NDArray[np.int64], ...]

    @property
    def filled(self) -> tuple[int, ...]:
        """The numbers of the shards that hold samples."""
        return tuple(number for number, shard in enumerate(self.shards) if len(shard))

    def part(self, share: Share) -> dict[int, npt.NDArray[np.int64]]:
        """Return a share of the filled shards: their samples by their numbers."""
        filled = self.filled
        return {filled[place]: self.shards[filled[place]] for place in share.of(len(filled))}


class Batches:
    """All batches of a run, by global step; the smaller last batch of an epoch is kept."""

    def __init__(self, count: int, batch_size: int, shards: int, epochs: float, seed: int) -> None:
        """Lay out a run over `count` samples; `epochs` may be a fraction."""
        self.count, self.batch_size, self.shards, self.seed = count, batch_size, shards, seed
        self.steps_per_epoch = -(-count // batch_size)
        self.total_steps = max(1, round(epochs * self.steps_per_epoch))
        self._epoch_order: tuple[int, npt.NDArray[np.int64]] | None = None

    def at(self, step: int) -> Batch:
        """Return the batch of a global step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        samples = self.order(epoch)[position * self.batch_size : (position + 1) * self.batch_size]
        bounds = [len(samples) * part // self.shards for part in range(self.shards + 1)]
        shards = tuple(samples[a:b] for a, b in pairwise(bounds))
        return Batch(step, epoch, samples, shards)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the permutation int64 [count] of an epoch."""
        if self._epoch_order is None or self._epoch_order[0] != epoch:
            keys = hashed(self.seed, "order", epoch, np.arange(self.count))
            self._epoch_order = epoch, np.argsort(keys, kind="stable")
        return self._epoch_order[1]

    def ends_epoch(self, step: int) -> bool:
        """Whether an epoch, or the run, ends with this step."""
        done = step + 1
        return done % self.steps_per_epoch == 0 or done == self.total_steps
