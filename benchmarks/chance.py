"""How often a study would call chance a difference, and find one that is there, by the method.

Simulated accuracies of 10,000 test images, normal on the scale of log odds, in studies such as
those that ship. The method that digitlab uses is beside those that were tried and left.

    python benchmarks/chance.py --studies 1000
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt

from digitlab.studies.statistics import LEVEL, compare_all, t_beyond

IMAGES = 10_000
Floats = npt.NDArray[np.float64]
Method = Callable[[Floats], list[float]]

# Mean accuracy, and standard deviation of its log odds, of each variant.
SCENES = {
    "7 alike": [(0.97, 0.1)] * 7,
    "7 alike, that vary by 1 to 4": [
        (0.97, deviation) for deviation in (0.04, 0.04, 0.08, 0.08, 0.12, 0.16, 0.16)
    ],
    "2 alike and restless among 5": [
        *[(0.9, 0.16)] * 2,
        *((mean, 0.04) for mean in (0.96, 0.97, 0.975, 0.98, 0.985)),
    ],
    "the optimizers": [
        *((0.8731, 0.147), (0.9586, 0.03), (0.9646, 0.036), (0.9712, 0.175)),
        *((0.9592, 0.03), (0.9725, 0.124), (0.9676, 0.147)),
    ],
}


def holm(values: list[float]) -> list[float]:
    """Return p values corrected for their number (Holm, 1979)."""
    corrected, largest = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, values[index] * (len(values) - place)))
        corrected[index] = largest
    return corrected


def each_by_itself(accuracies: Floats) -> list[float]:
    """A paired t test of accuracies for each pair, corrected by Holm's method."""
    count = accuracies.shape[1]
    values = []
    for first, second in combinations(accuracies, 2):
        differences = first - second
        variance = differences.var(ddof=1) + 1 / (6 * IMAGES**2)
        t = abs(differences.mean()) / math.sqrt(variance / count)
        values.append(t_beyond(t, count - 1))
    return holm(values)


def pooled(accuracies: Floats) -> list[float]:
    """One variance for all pairs, on the scale of log odds; corrected by Holm's method."""
    variants, count = accuracies.shape
    right = np.clip(accuracies * IMAGES, 0.5, IMAGES - 0.5)
    odds = np.log(right / (IMAGES - right))
    differences = np.array([first - second for first, second in combinations(odds, 2)])
    variance = float(differences.var(axis=1, ddof=1).mean()) + 1e-12
    freedom = (variants - 1) * (count - 1)
    return holm(
        [t_beyond(abs(one.mean()) / math.sqrt(variance / count), freedom) for one in differences]
    )


def ours(accuracies: Floats) -> list[float]:
    """One variance for all pairs but those that vary more, log odds; Bonferroni."""
    found = compare_all(
        {str(place): dict(enumerate(row)) for place, row in enumerate(accuracies.tolist())}, IMAGES
    )
    return [one.p or 0.0 for one in found]


METHODS: dict[str, Method] = {
    "each pair by itself, Holm": each_by_itself,
    "pooled, Holm": pooled,
    "pooled or its own, Bonferroni (ours)": ours,
}


def main() -> None:
    """Print, by scene, seeds and method, what was claimed of 100 studies and differences."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=400, help="of each scene")
    studies = parser.parse_args().studies
    chance = np.random.default_rng(1)
    print(f"{'scene':30} seeds  {'method':38} claims chance  finds differences")
    for scene, variants in SCENES.items():
        means = np.array([math.log(mean / (1 - mean)) for mean, _ in variants])[:, None]
        deviations = np.array([deviation for _, deviation in variants])[:, None]
        alike = [one[0] == other[0] for one, other in combinations(variants, 2)]
        for seeds in (3, 5):
            wrong, right = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0)
            for _ in range(studies):
                odds = chance.normal(means, deviations, (len(variants), seeds))
                accuracies = np.round(1 / (1 + np.exp(-odds)), 4)
                for name, method in METHODS.items():
                    claimed = [p < LEVEL for p in method(accuracies)]
                    wrong[name] += any(c and a for c, a in zip(claimed, alike, strict=True))
                    right[name] += sum(c and not a for c, a in zip(claimed, alike, strict=True))
            differ = studies * (len(alike) - sum(alike))
            for name in METHODS:
                found = f"{100 * right[name] / differ:.0f} of 100" if differ else ""
                share = f"{100 * wrong[name] / studies:.1f} of 100" if any(alike) else ""
                print(f"{scene:30} {seeds:5}  {name:38} {share:13}  {found}")


if __name__ == "__main__":
    main()
