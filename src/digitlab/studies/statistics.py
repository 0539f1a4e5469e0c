"""Whether a difference between runs is larger than chance: functions of figures, and nothing else.

The seed is the unit. Two variants that were trained with the same seeds are compared in pairs, by
Student's t test of the differences (Student, 1908), and the p values of all pairs of variants are
corrected by Holm's method (Holm, 1979), so that the whole study claims a difference where there is
none at most once in 20 times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

MNIST_TEST = 10_000  # images
LEVEL = 0.05  # how often a study may call chance a difference
_HALVINGS = 200  # more than the bits of a float


@dataclass(frozen=True)
class Comparison:
    """Two variants of a study.

    Attributes:
        first, second: their names.
        seeds: which both were trained with.
        differences: accuracy of the first less that of the second, seed by seed; fractions.
        difference: their mean; None where there is no seed.
        interval: 95 % interval of the mean, by the spread over seeds and not corrected for how many
            are compared; None with one seed.
        images_interval: 95 % interval of the mean, by the spread over the images, for these trained
            networks; None where it is not known which images they told right.
        p: of the paired t test, corrected for all comparisons of the study; None with one seed.
        larger_than_chance: whether `p` is below 0.05; None where nothing can be said.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    difference: float | None
    p: float | None
    larger_than_chance: bool | None
    interval: tuple[float, float] | None = None
    images_interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def compare_all(
    accuracies: Mapping[str, Mapping[int, float]], images: int = MNIST_TEST
) -> list[Comparison]:
    """Compare each variant with each other.

    Args:
        accuracies: fractions, by seed, by the variant's name.
        images: of which they are the fractions: no difference is known more finely.
    """
    pairs = []
    for first, second in combinations(accuracies, 2):
        seeds = tuple(sorted(accuracies[first].keys() & accuracies[second].keys()))
        differences = tuple(accuracies[first][seed] - accuracies[second][seed] for seed in seeds)
        pairs.append((first, second, seeds, differences))
    values = [paired_p(differences, images) for *_, differences in pairs]
    corrected = iter(holm([value for value in values if value is not None]))
    found = []
    for (first, second, seeds, differences), value in zip(pairs, values, strict=True):
        p = None if value is None else next(corrected)
        mean = math.fsum(differences) / len(differences) if differences else None
        larger = None if p is None else p < LEVEL
        found.append(
            Comparison(first, second, seeds, differences, mean, p, larger, spread(differences))
        )
    return found


def paired_p(differences: Sequence[float], images: int = MNIST_TEST) -> float | None:
    """Return the two-sided p value of the mean of paired differences; None for fewer than two.

    Args:
        differences: fractions.
        images: see `compare_all`. Accuracies are multiples of 1 / images, and rounding has a
            variance of a twelfth of that squared, twice in a difference. Without it, differences
            that are equal by chance would count as certain.
    """
    count = len(differences)
    if count < 2:
        return None
    mean = math.fsum(differences) / count
    variance = math.fsum((one - mean) ** 2 for one in differences) / (count - 1)
    variance += 1 / (6 * images**2)
    return t_beyond(abs(mean) / math.sqrt(variance / count), count - 1)


def holm(values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number, in their order (Holm, 1979)."""
    corrected = [0.0] * len(values)
    largest = 0.0
    order = sorted(range(len(values)), key=values.__getitem__)
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, values[index] * (len(values) - place)))
        corrected[index] = largest
    return corrected


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of fractions, by t; None for fewer than two."""
    interval = spread(values)
    return None if interval is None else (max(0.0, interval[0]), min(1.0, interval[1]))


def spread(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of the mean of figures, by Student's t; None for fewer than two."""
    count = len(values)
    if count < 2:
        return None
    mean = math.fsum(values) / count
    variance = math.fsum((one - mean) ** 2 for one in values) / (count - 1)
    half = t_quantile(level, count - 1) * math.sqrt(variance / count)
    return mean - half, mean + half


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
