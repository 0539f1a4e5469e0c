"""What on a page is no number: words, print, scribbles, and what folds, holes and stains look like.

Each letter alone may look like a digit, l and O above all; so whole rows are judged, then numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from digitlab.layout.lattice import DIGITS, Character
from digitlab.layout.page import PageRow

SURELY = 0.8  # a digit at least
PLAIN = 0.1  # of a page's digits are neither 0 nor 1, at least
WRITTEN = 0.5  # of a page's digits are sure, at least
POINTS = (".", ",", ":")

# The mean probability of "no digit": on pages of words it is 0.29 to 0.6, and in their rows 0.12 to
# 0.75; on pages of numbers at most 0.07, and in their rows 0.33 (docs/benchmarks.md).
WORDS = 0.17  # of a row that has words in it
ROUND = 8  # characters of its page a row is judged with: few characters tell little
MOSTLY = 0.2  # of a page of words, in all rows of which there are words
OTHER = 0.5  # what is more likely no digit is none
RARE = 0.08  # of a page of words: so few digits are letters by chance, unless long numbers
WORD = 0.35  # of a word in a row of numbers
LONG = 3  # characters of such a word; among words, longer numbers may have one doubtful digit

EVEN, SUNK = 0.7, 0.3  # of the highest: digits of a number are as high, and stand as evenly
HANGING = 0.2  # of the tall characters' height
TALL, TALLEST = 0.8, 85  # of the row's tall characters, the highest but 15 %: and so are digits

FEWEST = 3  # digits of such a list
LISTED = 0.85  # of a list of ones and zeros are sure, at least
ALIKE = 1.35  # times as high: digits of one hand that stand below one another
IN_COLUMN = 1.5  # heights of a digit: so near one another such rows begin, or end


def without_words(found: Sequence[PageRow]) -> list[PageRow]:
    """Return the rows of a page without what is no number; none where nobody wrote digits on it."""
    told = [_told(chain(*row.numbers)) for row in found]
    many = sum(map(len, told))
    usual = sum(map(sum, told)) / (many + ROUND)
    rows = []
    for row, others in zip(found, told, strict=True):
        line = _Line(chain(*row.numbers))
        among_words = _has_words(others, usual)
        kept = tuple(one for one in row.numbers if _is_number(one, among_words, line))
        if kept:
            rows.append(PageRow(kept))
    few = 2 * len(rows) < len(found) and sum(map(_count, rows)) < RARE * many
    if usual > MOSTLY and few:
        rows = [row for row in rows if _count(row) >= LONG]
    return rows if _is_written(rows) else []


def _has_words(told: Sequence[float], usual: float) -> bool:
    """Whether a row has words in it.

    Args:
        told: how likely each of its digits is none.
        usual: the mean of that over the page.
    """
    if len(told) >= FEWEST and max(told) < OTHER:
        return False
    return usual > MOSTLY or sum(told) + ROUND * usual > WORDS * (len(told) + ROUND)


def _count(row: PageRow) -> int:
    return sum(one.mark is None for one in chain(*row.numbers))


def _is_number(characters: Sequence[Character], among_words: bool, line: _Line) -> bool:
    digits = [one for one in characters if one.mark is None]
    if not digits or (len(digits) == 1 and line.hangs(digits[0])):
        return False
    told = _told(digits)
    if not among_words:
        return not (len(digits) >= LONG and sum(told) > WORD * len(told))
    doubtful = sum(one.certainty <= SURELY for one in digits)
    plain = sum(one.digit not in (0, 1) for one in digits)
    few = 1 < len(digits) <= LONG  # as "10", "11" and "100"; "lo" does not stand evenly
    return (
        doubtful <= (len(digits) > LONG)
        and (plain >= PLAIN * len(digits) or few)
        and line.carries(digits)
    )


class _Line:
    """Where a row's characters stand, and how high the tall ones are: its capitals, or digits."""

    def __init__(self, characters: Iterable[Character]) -> None:
        found = [one.box for one in characters if one.mark is None]
        boxes = np.array(found or [(0, 0, 1, 1)], float)  # there may be marks alone
        self._count = len(found)
        self.tall = float(np.percentile(boxes[:, 3], TALLEST))
        middles, feet = boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]
        is_long = np.ptp(middles) > 4 * self.tall
        self._slope = float(np.polyfit(middles, feet, 1)[0]) if is_long else 0.0
        self._foot = float(np.median(feet - self._slope * middles))

    def _below(self, digit: Character) -> float:
        """Return how far a digit reaches below the line, in heights of the tall ones."""
        x, y, width, height = digit.box
        return (y + height - self._foot - self._slope * (x + width / 2)) / self.tall

    def hangs(self, digit: Character) -> bool:
        """Whether a 9 stands as far below the line as a g does, which looks like one."""
        if digit.digit != 9 or self._count < FEWEST or digit.box[3] > 1.15 * self.tall:
            return False
        return self._below(digit) > HANGING

    def carries(self, digits: Sequence[Character]) -> bool:
        """Whether digits stand on it, as high as one another and as the row's tall characters.

        Else they are small letters, as in "lazy", or such and capitals, as in "Zoo".
        """
        high = np.array([one.box[3] for one in digits])
        feet = np.array([self._below(one) for one in digits])
        even = high.min() >= EVEN * high.max() and np.ptp(feet) <= SUNK
        return bool(even and abs(np.median(feet)) <= SUNK and np.median(high) >= TALL * self.tall)


def _is_written(rows: Sequence[PageRow]) -> bool:
    """Whether somebody wrote digits: whether enough are sure, and not ones and zeros alone.

    Folds, edges and rules look like ones, holes and stains like zeros: those have to stand in a
    row, or to be as a list is.
    """
    digits = [one for row in rows for one in chain(*row.numbers) if one.mark is None]
    sure = [one.digit for one in digits if one.certainty > SURELY]
    others = [digit for digit in sure if digit not in (0, 1)]
    if len(others) < PLAIN * len(digits):
        if len(rows) == 1:
            return len(sure) == len(digits)
        return len(sure) >= LISTED * len(digits) and _is_list(rows)
    specks = sum(_specks(number) for row in rows for number in row.numbers)
    return len(sure) >= WRITTEN * (len(digits) + specks)


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


def _told(characters: Iterable[Character]) -> list[float]:
    """Return how likely digits among characters are none, where that is told."""
    likely = [one.likely for one in characters if one.mark is None and one.likely is not None]
    return [float(one[DIGITS]) for one in likely if len(one) > DIGITS]
