"""Which samples a step sees, in which order and in which shards; used by the training loop.

Everything here is a function of (seed, epoch, sample), never of a generator that was advanced, so
that the global step is the whole position of a run (docs/design.md, invariant 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PURPOSES = {"order": 1, "augment": 2, "chance": 3, "pixels": 4, "camera": 5}
_Choice = TypeVar("_Choice")


def hashed(
    seed: int, purpose: str, *coordinates: int | npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return 64 random-looking bits for each point of the (broadcast) coordinates.

    The finaliser of SplitMix64 (Steele, Lea and Flood, 2014) is applied after each coordinate. Our
    own few lines, because numpy promises no stable stream of its generators across versions
    (NEP 19), and a run must be repeatable next year.

    Args:
        seed: of the run, 0 to 2**63 - 1.
        purpose: what the bits are for; different purposes give unrelated bits.
        coordinates: integers or int64 arrays, at least 0, that broadcast together.
    """
    state = _mix(np.asarray([seed], np.uint64))
    for coordinate in (_PURPOSES[purpose], *coordinates):
        state = _mix(state ^ _mix(np.asarray(coordinate, np.uint64)))
    return state


def uniform(
    seed: int, purpose: str, *coordinates: int | npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return float64 in [0, 1) for each point of the coordinates; see `hashed`."""
    bits = hashed(seed, purpose, *coordinates) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


class Draws:
    """Chance for one sample, used up in order: a function of the numbers that it is given."""

    def __init__(self, numbers: Sequence[float]) -> None:
        """Give independent numbers in [0, 1), more than will be drawn."""
        self._numbers: Iterator[float] = iter(numbers)

    def next(self) -> float:
        """Return the next number in [0, 1)."""
        return next(self._numbers)

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return low + (high - low) * next(self._numbers)

    def chance(self, probability: float) -> bool:
        """Return true with a probability."""
        return next(self._numbers) < probability

    def choice(self, choices: Sequence[_Choice]) -> _Choice:
        """Return one of several, each as likely."""
        return choices[int(next(self._numbers) * len(choices))]


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = np.atleast_1d(state) + _GOLDEN  # at least one dimension: scalars would warn of overflow
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


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
