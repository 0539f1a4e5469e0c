"""How the runs of a variant went: loss and accuracy as lines of few points, mean and range.

A run has a value a step; a line has `POINTS` at most, each the mean of the steps since the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from digitlab.studies.study import Curves

POINTS = 60
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A figure over the steps or the seconds of training, of all runs of a variant.

    Attributes:
        x: float64 [P], steps or seconds, rising.
        runs: float64 [R, P], of each run; NaN where it is not defined.
    """

    x: Floats
    runs: Floats

    @property
    def mean(self) -> Floats:
        """Over the runs, float64 [P]; NaN where any run has no value."""
        return np.asarray(self.runs.mean(axis=0))

    @property
    def low(self) -> Floats:
        """The least of the runs, float64 [P]."""
        return np.asarray(self.runs.min(axis=0))

    @property
    def high(self) -> Floats:
        """The greatest of the runs, float64 [P]."""
        return np.asarray(self.runs.max(axis=0))

    def leaves(self, bound: float) -> float | None:
        """Return from where on a run is above a bound; None where none ever is."""
        above = np.flatnonzero((self.runs > bound).any(axis=0))
        return float(self.x[above[0]]) if len(above) else None


_NOTHING = Line(np.empty(0), np.empty((1, 0)))


def over_steps(curves: Sequence[Curves], figure: str) -> Line:
    """Return `loss` or `accuracy` of training batches over the steps.

    Runs that differ in the seed alone have as many steps. Where they have not, what all have is
    taken, of those that have any.
    """
    parts = [_binned(one, figure) for one in curves if one.steps]
    if not parts:
        return _NOTHING
    count = min(len(steps) for steps, _, _ in parts)
    return Line(parts[0][0][:count], np.stack([values[:count] for *_, values in parts]))


def over_seconds(curves: Sequence[Curves], figure: str) -> Line:
    """Return `loss` or `accuracy` over the seconds, as far as all runs went."""
    parts = [_binned(one, figure) for one in curves if one.steps]
    if not parts:
        return _NOTHING
    first = max(seconds[0] for _, seconds, _ in parts)
    last = min(seconds[-1] for _, seconds, _ in parts)
    grid = np.linspace(first, max(first, last), max(len(seconds) for _, seconds, _ in parts))
    return Line(grid, np.stack([np.interp(grid, at, values) for _, at, values in parts]))


def over_validation(curves: Sequence[Curves], figure: str) -> tuple[Floats, Floats, Floats]:
    """Return when the validation split was measured, and the means over the runs.

    Returns:
        steps, seconds and `loss` or `accuracy`, each float64 [V].
    """
    curves = [one for one in curves if one.valid_steps]
    if not curves:
        return np.empty(0), np.empty(0), np.empty(0)
    count = min(len(one.valid_steps) for one in curves)
    steps = np.array(curves[0].valid_steps[:count], np.float64)
    seconds = [_at(one, steps) for one in curves]
    values = [_floats(getattr(one, f"valid_{figure}")[:count]) for one in curves]
    return steps, np.mean(seconds, axis=0), np.mean(values, axis=0)


def _at(curves: Curves, steps: Floats) -> Floats:
    """Return the seconds at which steps were done."""
    if not curves.steps:
        return np.zeros(len(steps))
    return np.interp(steps, _floats(curves.steps), _floats(curves.seconds))


def _binned(curves: Curves, figure: str) -> tuple[Floats, Floats, Floats]:
    """Return the last step, the last second and the mean of each part of a run."""
    values = _floats(getattr(curves, figure))
    steps, seconds = _floats(curves.steps), _floats(curves.seconds)
    parts = list(_parts(len(values)))
    ends = [part.stop - 1 for part in parts]
    means = np.array([values[part].mean() for part in parts], np.float64)
    return steps[ends], seconds[ends], means


def _parts(count: int) -> Iterator[slice]:
    edges = np.linspace(0, count, min(count, POINTS) + 1).round().astype(int).tolist()
    return (slice(low, high) for low, high in pairwise(edges))


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if one is None else one for one in values], np.float64)
