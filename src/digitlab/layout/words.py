"""What on a page is no number: words, print, scribbles, and what folds, holes and stains look like.

What tells them is said in evidence.py, and how much each of it says was learned from pages of
numbers and words (benchmarks/words.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from digitlab.layout.lattice import Character
from digitlab.layout.page import EVEN, PageRow

LIKELY = 0.15  # a number: among words, what is less likely one is left out
NEARLY, HARDLY = 0.85, 0.03  # of what is on a page are numbers: there, what is less likely one
SURELY_ONE = 0.9  # what is less likely one has digits that are less certain
SURELY = 0.8  # a digit at least
PLAIN = 0.1  # of a page's digits are neither 0 nor 1, at least
TOGETHER = 0.65  # the mean of how likely ones and zeros are numbers, where fewer others are
WRITTEN = 0.5  # of a page's digits are sure, at least
POINTS = (".", ",", ":")

SAME = 0.04  # of its size, by which a printed ring is another size, or is not round
MOSTLY = 0.6  # of the zeros that stand alone are such rings
FEWEST = 3  # such rings, and digits of a list of ones and zeros
LISTED = 0.85  # of a list of ones and zeros are sure, at least
ALIKE = 1.35  # times as high: digits of one hand that stand below one another
IN_COLUMN = 1.5  # heights of a digit: so near one another such rows begin, or end


def without_words(found: Sequence[PageRow]) -> list[PageRow]:
    """Return the rows of a page without what is no number; none where nobody wrote digits on it.

    What may be a word has digits that are less certain.
    """
    rings = _printed_rings(found)
    rows = _chosen(found, HARDLY if _are_numbers(found) else LIKELY, rings)
    if not _is_written(_chosen(rows, EVEN), _chosen(found, 0, rings)):
        return []
    return [PageRow(tuple(map(_doubted, row.numbers, row.likely)), row.likely) for row in rows]


def _are_numbers(found: Sequence[PageRow]) -> bool:
    """Whether nearly all that was read are numbers: what else is there may be a blotted one."""
    likely = [value for row in found for value in row.likely if value > 0]
    return sum(value > EVEN for value in likely) >= NEARLY * max(1, len(likely))


def _chosen(found: Sequence[PageRow], least: float, rings: Collection[int] = ()) -> list[PageRow]:
    """Return rows with what is likely enough a number, and no ring, by its identity."""
    rows = []
    for row in found:
        pairs = zip(row.numbers, row.likely, strict=True)
        kept = [one for one in pairs if one[1] >= least and id(one[0]) not in rings]
        if kept:
            rows.append(PageRow(*zip(*kept, strict=True)))
    return rows


def _doubted(number: tuple[Character, ...], likely: float) -> tuple[Character, ...]:
    """Return a number whose digits are less certain where it may be a word.

    Of what is less likely a number than not, none is read.
    """
    factor = min(1.0, likely / SURELY_ONE) if likely >= EVEN else likely
    return tuple(replace(one, confidence=factor * one.confidence) for one in number)


def _printed_rings(found: Sequence[PageRow]) -> set[int]:
    """Return the identity of what was read as a 0 and is a ring to be ticked, as forms have them.

    Such rings are round, and each is as large as the others; no hand writes so.
    """
    alone = [number for row in found for number in row.numbers if _is_zero(number)]
    if len(alone) < FEWEST:
        return set()
    sizes = np.array([number[0].box[2:] for number in alone], float)
    usual = np.median(sizes, axis=0)
    same = (np.abs(sizes - usual) <= np.maximum(1, SAME * usual)).all(axis=1)
    same &= np.abs(sizes[:, 0] - sizes[:, 1]) <= np.maximum(1, SAME * sizes[:, 1])
    if same.sum() < max(FEWEST, MOSTLY * len(alone)):
        return set()
    return {id(number) for number, is_ring in zip(alone, same.tolist(), strict=True) if is_ring}


def _is_zero(number: Sequence[Character]) -> bool:
    return len(number) == 1 and number[0].mark is None and number[0].digit == 0


def _is_written(rows: Sequence[PageRow], found: Sequence[PageRow]) -> bool:
    """Whether somebody wrote digits: whether enough are sure, and not ones and zeros alone.

    Folds, edges and rules look like ones, holes and stains like zeros: those have to stand in a
    row, or to be as a list is, and few like them may be no numbers.

    Args:
        rows: with what is more likely a number than not.
        found: with all that was read, but printed rings.
    """
    digits = [one for row in rows for one in chain(*row.numbers) if one.mark is None]
    sure = [one.digit for one in digits if one.certainty > SURELY]
    others = sum(digit not in (0, 1) for digit in sure)
    if others < PLAIN * len(digits):
        if _of_ones_and_zeros(found) < TOGETHER:
            return False
        if len(rows) == 1:
            return len(sure) == len(digits)
        return len(sure) >= LISTED * len(digits) and _is_list(rows)
    specks = sum(_specks(number) for row in rows for number in row.numbers)
    return len(sure) >= WRITTEN * (len(digits) + specks)


def _of_ones_and_zeros(found: Sequence[PageRow]) -> float:
    """Return the mean of how likely what was read as ones and zeros is a number; 0 of none."""
    likely = [
        value
        for row in found
        for number, value in zip(row.numbers, row.likely, strict=True)
        if {one.digit for one in number if one.mark is None} in ({0}, {1}, {0, 1})
    ]
    return float(np.mean(likely or [0.0]))


def _specks(number: Sequence[Character]) -> int:
    """Return how many points and commas no digit stands before: so specks look."""
    before = [None, *number[:-1]]
    return sum(
        one.mark in POINTS and (last is None or last.mark is not None)
        for last, one in zip(before, number, strict=True)
    )


def _is_list(rows: Sequence[PageRow]) -> bool:
    """Whether rows of ones and zeros are of one hand: as high as one another, and in a column."""
    digits = [one for row in rows for one in chain(*row.numbers) if one.mark is None]
    if len(digits) < FEWEST:  # two folds of a sheet are as two ones
        return False
    high = np.array([one.box[3] for one in digits])
    usual = float(np.median(high))
    alike = (high > usual / ALIKE) & (high < usual * ALIKE)
    ends = np.array([_ends(row) for row in rows])
    return bool(alike.all()) and float(np.ptp(ends, axis=0).min()) <= IN_COLUMN * usual


def _ends(row: PageRow) -> tuple[float, float]:
    """Return the middles of the first and the last character of a row, in pixels across."""
    first, last = row.numbers[0][0].box, row.numbers[-1][-1].box
    return first[0] + first[2] / 2, last[0] + last[2] / 2
