"""Which strokes of a number are slashes, by their looks and by what number that makes.

A slash and a slanted 1 may look alike. But numbers with a slash are few, and most are dates or
fractions; so all ways to read a number are weighed (Bayes), each stroke by the sum of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from digitlab.layout.lattice import Character

# How likely numbers of such parts are beside those without a slash, as logarithms, for the same
# number of characters. Chosen on made pages of validation digits (docs/benchmarks.md).
DATE = -0.5  # day, month and year
FRACTION = -3.0  # of one digit or two in both parts, as in 3/4; also a day and a month
ODD = -6.0  # of other parts
AMONG, CERTAIN = 1.5, 0.9  # for numbers of a page that has a slash, and how certain that one is
ALIKE, AWAY = 2.0, 0.12  # for two slashes that lean alike, in pixels across for each up

LONGEST_PART = 4  # digits
MOST = 8  # strokes of one number that are weighed: those that look most like slashes
LEAST = 1e-3  # no stroke is less likely a 1 to the network


def with_slashes(rows: Sequence[Sequence[Sequence[Character]]]) -> list[list[list[Character]]]:
    """Return a page's numbers in which each stroke that may be a slash is one, or a digit.

    Args:
        rows: of each its numbers, and of each number its characters, from left to right.
    """
    told = [[_number(number, 0.0) for number in row] for row in rows]
    marks = (one for row in told for number in row for one in number if one.mark == "/")
    if not any(one.confidence > CERTAIN for one in marks):
        return told
    return [[_number(number, AMONG) for number in row] for row in rows]


def _number(number: Sequence[Character], among: float) -> list[Character]:
    """Return a number with its slashes; what is between other marks is weighed by itself."""
    ends = [-1, *(at for at, one in enumerate(number) if one.mark is not None), len(number)]
    told = list(number)
    for before, after in pairwise(ends):
        told[before + 1 : after] = _told(number[before + 1 : after], among)
    return told


def _told(digits: Sequence[Character], among: float) -> list[Character]:
    ratios = {
        at: one.slash.ratio + math.log(max(float(one.likely[1]), LEAST))
        for at, one in enumerate(digits)
        if one.slash is not None and one.likely is not None
    }
    whole, each = 1.0, dict.fromkeys(ratios, 0.0)
    for slashes in _ways(ratios):
        prior = among + _prior(digits, slashes)
        weight = math.exp(prior + sum(ratios[at] for at in slashes))
        whole += weight
        for at in slashes:
            each[at] += weight
    return [_either(one, each[at] / whole) if at in each else one for at, one in enumerate(digits)]


def _ways(ratios: dict[int, float]) -> Iterator[tuple[int, ...]]:
    """Yield the places of one slash, and of two, in all ways."""
    likely = sorted(sorted(ratios, key=lambda at: -ratios[at])[:MOST])
    for count in (1, 2):
        yield from combinations(likely, count)


def _prior(digits: Sequence[Character], slashes: tuple[int, ...]) -> float:
    """Return the logarithm of how likely a number has slashes at some places, and only there."""
    parts = [after - before - 1 for before, after in pairwise([-1, *slashes, len(digits)])]
    if max(parts) > LONGEST_PART:
        return -math.inf
    if len(slashes) == 1:
        return FRACTION if set(parts) <= {1, 2} else ODD
    leans = [one.slash.lean for at, one in enumerate(digits) if at in slashes and one.slash]
    alike = ALIKE * max(-1.0, 1 - abs(leans[0] - leans[1]) / AWAY)
    is_date = set(parts[:2]) <= {1, 2} and parts[2] in (2, 4)
    return alike + (DATE if is_date else ODD)


def _either(one: Character, slash: float) -> Character:
    """Return a character as a slash, or as a digit, whichever is likelier."""
    if slash > 0.5:
        return replace(one, mark="/", confidence=one.confidence * slash)
    return replace(one, confidence=one.confidence * (1 - slash))
