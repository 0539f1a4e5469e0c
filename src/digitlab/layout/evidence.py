"""What tells a number on a page from words: figures of each, its row, its column and its page.

A letter alone may look like a digit, l and O above all; what stands around it tells more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from digitlab.layout.lattice import DIGITS, Character

Written = Sequence[Character]  # of a number, or of a word
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

SURELY = 0.8  # a digit at least
LETTERS = 0.3  # of "no digit", the mean: more is no number
FAR = 5.0  # heights of a digit; no gap is wider
ALIKE = 1.6  # times as high: what stands in one column
BESIDE = 0.3  # heights of a digit, by which characters of one column may miss each other
TALL = 85  # per cent of a row's characters, which are lower than its tall ones
LONG = 4.0  # heights: on what spans less, a line's slope cannot be seen
MANY = 9  # digits, numbers: more tell no more
BLOCK = 256  # numbers that are compared with all others at once, which bounds the memory

# What is said of each number, in the order of the network's inputs.
FIGURES = (
    "digits",
    "marks",
    "no digit, the mean",
    "no digit, the most",
    "certainty, the lowest",
    "certainty, the second lowest",
    "0 and 1, the share",
    "height, of the row's tall characters",
    "highest, of the row's tall characters",
    "lowest, of its highest",
    "foot, off the row's line",
    "feet, how far apart",
    "no digit, the mean of the page",
    "no digit, the mean of the row",
    "numbers in the row",
    "gap before",
    "gap after",
    "no digit, the mean of the one before",
    "no digit, the mean of the one after",
    "plain numbers in the column",
    "letters in the column",
    "plain numbers on the page",
    "plain numbers on the page, the share",
    "height, of the plain numbers on the page",
)


def likely_numbers(
    rows: Sequence[Sequence[Written]], is_number: Callable[[Floats], Floats]
) -> list[tuple[float, ...]]:
    """Return how likely each number of each row is one, and no word; what has no digit is none.

    Args:
        rows: of a page, as it lies upright.
        is_number: says it by what tells, as of `evidence_of`, one at least; float32 [N].
    """
    with_digits = [[one for one in row if _has_digits(one)] for row in rows]
    evidence = evidence_of([row for row in with_digits if row])
    answers = iter(is_number(evidence).tolist() if len(evidence) else ())
    return [tuple(next(answers) if _has_digits(one) else 0.0 for one in row) for row in rows]


def _has_digits(characters: Written) -> bool:
    return any(one.mark is None for one in characters)


def evidence_of(rows: Sequence[Sequence[Written]]) -> Floats:
    """Return what tells the numbers on a page from words: FIGURES of each, float32 [N, 24].

    Args:
        rows: the numbers of each, all of which have digits; in the order of the result.
    """
    lines = [_Line(chain(*row)) for row in rows]
    numbers = [_Number(at, one, lines[at]) for at, row in enumerate(rows) for one in row]
    if not numbers:
        return np.zeros((0, len(FIGURES)), np.float32)
    own = [one.figures for one in numbers]
    of = np.array([one.row for one in numbers])
    many = np.array([len(one.told) for one in numbers])
    told = np.array([one.told.sum() for one in numbers])
    of_rows = (np.bincount(of, told) / np.bincount(of, many))[of]
    of_page = np.full(len(numbers), told.sum() / many.sum())
    page = np.column_stack([of_page, of_rows, np.minimum(np.bincount(of)[of], MANY)])
    return np.column_stack(
        [own, page, _beside(numbers), _in_column(numbers), _on_page(numbers)]
    ).astype(np.float32)


class _Number:
    """A number as it is by itself, and on its line."""

    def __init__(self, row: int, characters: Written, line: _Line) -> None:
        self.row = row
        digits = [one for one in characters if one.mark is None]
        boxes = np.array([one.box for one in characters], float)
        self.left, self.right = boxes[:, 0].min(), (boxes[:, 0] + boxes[:, 2]).max()
        self.height = float(np.median([one.box[3] for one in digits]))
        self.told = np.array([_no_digit(one) for one in digits])
        certain = sorted(one.certainty for one in digits)
        ones = sum(one.digit in (0, 1) for one in digits)
        self.is_plain = certain[0] > SURELY and ones < len(digits)
        self.figures = (
            min(len(digits), MANY),
            min(len(characters) - len(digits), MANY),
            float(self.told.mean()),
            float(self.told.max()),
            certain[0],
            certain[min(1, len(certain) - 1)],
            ones / len(digits),
            *line.places(digits),
        )


def _no_digit(digit: Character) -> float:
    """Return how likely a digit is none; 0 where the network does not say."""
    told = digit.likely is not None and len(digit.likely) > DIGITS
    return float(digit.likely[DIGITS]) if told and digit.likely is not None else 0.0


class _Line:
    """Where a row's characters stand, and how high the tall ones are: its capitals, or digits."""

    def __init__(self, characters: Iterable[Character]) -> None:
        boxes = np.array([one.box for one in characters if one.mark is None], float)
        self._tall = float(np.percentile(boxes[:, 3], TALL))
        middles, feet = boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]
        is_long = np.ptp(middles) > LONG * self._tall
        self._slope = float(np.polyfit(middles, feet, 1)[0]) if is_long else 0.0
        self._foot = float(np.median(feet - self._slope * middles))

    def places(self, digits: Written) -> tuple[float, ...]:
        """Return how high digits are and how they stand on the line, in heights of its tall ones.

        Small letters are lower, as in "lazy", or some are, as in "Zoo".
        """
        boxes = np.array([one.box for one in digits], float)
        high = boxes[:, 3]
        line = self._foot + self._slope * (boxes[:, 0] + boxes[:, 2] / 2)
        feet = (boxes[:, 1] + high - line) / self._tall
        return (
            float(np.median(high)) / self._tall,
            float(high.max()) / self._tall,
            float(high.min() / high.max()),
            float(np.clip(np.median(feet), -1, 1)),
            min(float(np.ptp(feet)), 1.0),
        )


def _beside(numbers: Sequence[_Number]) -> Numbers:
    """Return the gaps before and after each number in its row, and what no digit is there; [N, 4].

    Gaps are in heights of its digits.
    """
    beside = np.tile((FAR, FAR, 0.0, 0.0), (len(numbers), 1))
    for at, (one, other) in enumerate(pairwise(numbers)):
        if one.row == other.row:
            gap = other.left - one.right
            beside[at, 1], beside[at, 3] = min(gap / one.height, FAR), other.told.mean()
            beside[at + 1, 0], beside[at + 1, 2] = min(gap / other.height, FAR), one.told.mean()
    return beside


def _in_column(numbers: Sequence[_Number]) -> Numbers:
    """Return how many numbers of other rows stand over or under each; plain ones, letters; [N, 2].

    As high as it is, or nearly.
    """
    row, left, right, height, told, plain = _columns(numbers)
    counts = np.zeros((len(numbers), 2))
    for first in range(0, len(numbers), BLOCK):
        some = np.s_[first : first + BLOCK, None]
        shared = np.minimum(right[some], right) - np.maximum(left[some], left)
        near = (shared > -BESIDE * height[some]) & (row[some] != row)
        near &= np.abs(np.log(height[some] / height)) < np.log(ALIKE)
        counts[first : first + BLOCK, 0] = (near & (plain > 0)).sum(axis=1)
        counts[first : first + BLOCK, 1] = (near & (told > LETTERS)).sum(axis=1)
    return np.asarray(np.minimum(counts, MANY))


def _on_page(numbers: Sequence[_Number]) -> Numbers:
    """Return of the others on the page how many are plain, and which share; its height in theirs.

    [N, 3].
    """
    _, _, _, height, _, plain = _columns(numbers)
    others = plain.sum() - plain
    usual = float(np.median(height[plain > 0])) if plain.any() else 0.0
    ratio = np.where(others > 0, height / usual if usual else 1.0, 1.0)
    share = others / max(1, len(numbers) - 1)
    return np.column_stack([np.minimum(others, MANY), share, np.clip(ratio, 1 / 3, 3)])


def _columns(numbers: Sequence[_Number]) -> Numbers:
    """Return row, left, right, height, mean of "no digit", and whether it is plain; [6, N]."""
    return np.array(
        [
            (one.row, one.left, one.right, one.height, one.told.mean(), one.is_plain)
            for one in numbers
        ],
        float,
    ).T
