"""Chance as a function: numbers that look random, of a seed, a purpose and coordinates.

Used wherever a run varies anything. Nothing here is a generator that is advanced, so that what is
drawn depends on what it is for and never on what was drawn before (docs/design.md, invariant 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PURPOSES = {
    "order": 1,
    "augment": 2,
    "chance": 3,
    "pixels": 4,
    "camera": 5,
    "pages": 6,
    "number": 7,
}
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
