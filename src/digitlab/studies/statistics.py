"""Whether a difference between runs is larger than chance: functions of figures, and nothing else.

The seed is the unit: two variants that were trained with the same seeds are compared in pairs, by
Student's t (1908) of the differences of the log odds of being right. There a seed changes good and
bad networks alike, so that all pairs of a study together say how large chance is, as in a two-way
analysis of variance. A pair that varies more has its own variance, and one that varies twice as
much is judged by itself. p is multiplied by the number of comparisons (Bonferroni). So a study
claims a difference where there is none at most once in 20 times where variants vary alike, and
somewhat more often where one varies many times as much as the others. docs/benchmarks.md says how
often, and what else was tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from operator import mul, sub
from typing import Any

LEVEL = 0.05  # how often a study may call chance a difference
_RESTLESS = 2.0  # a pair whose variance is so many times that of all is judged by itself
_HALVINGS = 200  # more than the bits of a float


@dataclass(frozen=True)
class Comparison:
    """Two variants of a study.

    Attributes:
        first, second: their names.
        seeds: which both were trained with.
        differences: accuracy of the first less that of the second, seed by seed; fractions.
        difference: their mean; None where there is no seed.
        images_interval: 95 % interval of the mean, by the spread over the images, for these trained
            networks; None where it is not known which images they told right.
        p: of the t test, corrected for all comparisons of the study; None where nothing can be
            said, as with one seed.
        larger_than_chance: whether `p` is below 0.05; None where nothing can be said.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    difference: float | None
    p: float | None
    larger_than_chance: bool | None
    images_interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def compare_all(
    accuracies: Mapping[str, Mapping[int, float]], images: int | None
) -> list[Comparison]:
    """Compare each variant with each other.

    Args:
        accuracies: fractions, by seed, by the variant's name.
        images: of which they are the fractions: no difference is known more finely. None where
            that is not known, nor then what is chance.
    """
    pairs = [
        _Pair.of(first, second, accuracies[first], accuracies[second], images or 1)
        for first, second in combinations(accuracies, 2)
    ]
    told = [pair for pair in pairs if len(pair.seeds) > 1 and images is not None]
    variances = [pair.variance for pair in told]
    weights = [len(pair.seeds) - 1 for pair in told]
    pooled = math.fsum(map(mul, variances, weights)) / max(1, sum(weights))
    known = {name for pair in told for name in (pair.first, pair.second)}
    runs = [seed for name in known for seed in accuracies[name]]
    freedom = len(runs) - len(known) - len(set(runs)) + 1  # of a two-way layout
    found = []
    for pair in pairs:
        differences = tuple(
            accuracies[pair.first][seed] - accuracies[pair.second][seed] for seed in pair.seeds
        )
        mean = math.fsum(differences) / len(differences) if differences else None
        p = None
        if pair in told:
            count, variance = len(pair.seeds), max(pair.variance, pooled)
            by_itself = pair.variance > _RESTLESS * pooled
            degrees = count - 1 if by_itself else max(freedom, count - 1)
            t = abs(math.fsum(pair.log_odds)) / count / math.sqrt(variance / count)
            p = min(1.0, len(told) * t_beyond(t, degrees))
        larger = None if p is None else p < LEVEL
        found.append(Comparison(pair.first, pair.second, pair.seeds, differences, mean, p, larger))
    return found


@dataclass(frozen=True)
class _Pair:
    """Two variants, and the differences of their log odds by the seeds that both have."""

    first: str
    second: str
    seeds: tuple[int, ...]
    log_odds: tuple[float, ...]
    rounding: float  # the variance of a difference by that of two accuracies

    @classmethod
    def of(
        cls,
        first: str,
        second: str,
        ours: Mapping[int, float],
        theirs: Mapping[int, float],
        images: int,
    ) -> _Pair:
        seeds = tuple(sorted(ours.keys() & theirs.keys()))
        odds = [[_log_odds(one[seed], images) for seed in seeds] for one in (ours, theirs)]
        # An accuracy is a multiple of 1 / images, so it has a variance of a twelfth of that squared
        # by rounding. Without it, differences that are equal by chance would count as certain.
        slopes = [math.cosh(value / 2) ** 2 * 4 for part in odds for value in part]
        rounding = sum(slope**2 for slope in slopes) / max(1, len(seeds)) / (12 * images**2)
        return cls(first, second, seeds, tuple(map(sub, *odds)), rounding)

    @property
    def variance(self) -> float:
        """Of the differences, of two seeds at least."""
        mean = math.fsum(self.log_odds) / len(self.log_odds)
        squares = math.fsum((one - mean) ** 2 for one in self.log_odds)
        return squares / (len(self.log_odds) - 1) + self.rounding


def _log_odds(accuracy: float, images: int) -> float:
    """Return the log odds of being right, of all or none right as of half an image less or more."""
    right = min(max(accuracy * images, 0.5), images - 0.5)
    return math.log(right / (images - right))


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of the mean of fractions, by t; None for fewer than two."""
    count = len(values)
    if count < 2:
        return None
    mean = math.fsum(values) / count
    variance = math.fsum((one - mean) ** 2 for one in values) / (count - 1)
    half = t_quantile(level, count - 1) * math.sqrt(variance / count)
    return max(0.0, mean - half), min(1.0, mean + half)


def t_beyond(t: float, freedom: int) -> float:
    """Return the probability that Student's t lies farther from 0 than `t`, on either side.

    By the finite series for whole degrees of freedom (Abramowitz and Stegun, Handbook of
    Mathematical Functions, 1964, 26.7.3 and 26.7.4).
    """
    angle = math.atan2(abs(t), math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = total = 0.0
    if freedom > 1:
        term = total = math.cos(angle) if odd else 1.0
        for step in range(1, freedom // 2):
            low = 2 * step + odd
            term *= (low - 1) / low * square
            total += term
    inside = (angle + sine * total) * 2 / math.pi if odd else sine * total
    return min(1.0, max(0.0, 1.0 - inside))


def t_quantile(level: float, freedom: int) -> float:
    """Return what Student's t stays within, on both sides, with a probability of `level`."""
    low, high = 0.0, 1.0
    while t_beyond(high, freedom) > 1 - level:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if t_beyond(middle, freedom) > 1 - level:
            low = middle
        else:
            high = middle
    return high
