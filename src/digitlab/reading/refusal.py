"""Which digits are refused, and why: the one rule, used by the recogniser and by evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from digitlab.boxes import overlaps
from digitlab.reading.types import NO_DIGIT, UNSURE, Box, Digit

DIGITS = 10
EVEN = 0.5  # what is less likely than this to be right is refused by default

# Times the temperature, of a glyph beside which something was taken away (`Glyph.disturbed`): the
# ratio of the temperatures that fit made pictures of either sort (docs/benchmarks.md).
DISTURBED = 1.4

# Of 300 validation digits, 12 % were read wrongly at 5 pixels, 5 % at 6 and 3 % at 8.
SMALLEST = 6  # pixels of the longer side

# Chosen on made pictures of validation digits, single, broken and in numbers (docs/benchmarks.md).
SURE, LIKELY = 0.7, 0.5  # of two rivals, where the picture's digit is read or is none
UPRIGHT = 0.6  # of the digit's height: lower parts of it are pieces of strokes
PIECES = 4  # a broken digit has no more
DOUBTFUL = 0.98  # a digit in a large picture that is less sure may be no writing
UNLIKELY = 0.9  # a digit in a small picture that is less sure may be a page
MANY = 3  # digits, surely read, that such a page has at least
SAME = 0.4  # of two boxes that overlap

TALL = 1.9  # times the width: hardly a digit is so high, but a 1


def refused(
    probabilities: npt.NDArray[np.floating], reject: float | str | None
) -> npt.NDArray[np.bool_]:
    """Return which of N answers, the best of ten digits, are refused: bool [N].

    Args:
        probabilities: float [N, 10], or [N, 11] where the eleventh is "no digit".
        reject: None refuses, with eleven, what is wrong, or no digit, as likely as not; "none"
            refuses nothing; a number R between 0 and 1 refuses what is wrong with a probability
            above R, and what is most likely no digit.
    """
    if reject == "none":
        return np.zeros(len(probabilities), bool)
    best = probabilities[:, :DIGITS].max(axis=1).astype(np.float64)
    if reject is None:
        knows_no_digit = probabilities.shape[1] > DIGITS
        return np.asarray(best < EVEN) if knows_no_digit else np.zeros(len(probabilities), bool)
    return np.asarray(_is_none(probabilities) | (1 - best > float(reject)))


def _is_none(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return which of N answers are most likely no digit, bool [N]."""
    best = probabilities[:, :DIGITS].max(axis=1, keepdims=True)
    return np.asarray((probabilities[:, DIGITS:] > best).any(axis=1))


def reasons(
    probabilities: npt.NDArray[np.floating], reject: float | str | None
) -> list[str | None]:
    """Return why each of N answers is refused; None where it is not.

    Args:
        probabilities, reject: as of `refused`.
    """
    return [
        (NO_DIGIT if is_none else UNSURE) if is_refused else None
        for is_refused, is_none in zip(
            refused(probabilities, reject).tolist(), _is_none(probabilities).tolist(), strict=True
        )
    ]


def may_be_a_page(digit: Digit, is_large: bool) -> bool:
    """Whether what was read as one digit may be more than one, or none.

    Args:
        digit: read in a picture as if it were alone.
        is_large: whether the picture is large enough for one of a sheet.
    """
    unsure = digit.confidence is not None and digit.confidence < DOUBTFUL
    return digit.reason is not None or (unsure and is_large)


def is_hardly_one(digit: Digit) -> bool:
    """Whether what was read as one digit would not be, if there were many."""
    return digit.confidence is not None and digit.confidence < UNLIKELY


def is_many(digits: Iterable[Digit]) -> bool:
    """Whether so many digits are surely read that they are no pieces of one."""
    sure = sum(one.confidence is not None and one.confidence >= UNLIKELY for one in digits)
    return sure >= MANY


def confirmed(digit: Digit, written: Sequence[Box]) -> Digit:
    """Return a digit, refused where it is doubtful and nothing like writing stands there.

    So folds, shadows and stains of a large sheet are no digits.

    Args:
        digit: read in a picture as if it were alone.
        written: what was found in it as on a page.
    """
    if digit.reason is not None or digit.confidence is None or digit.confidence >= DOUBTFUL:
        return digit
    boxes = np.array(written, np.float32).reshape(-1, 4)
    there = overlaps(boxes, np.repeat(np.array([digit.box], np.float32), len(boxes), axis=0))
    return digit if (there > SAME).any() else replace(digit, reason=NO_DIGIT)


def several(digit: Digit, rivals: Sequence[Digit]) -> tuple[Digit, ...]:
    """Return the rivals that are digits, where a picture of one digit shows more; else none.

    It shows more where two of them are. Where all are parts of what was taken, two digits may have
    been joined, or one is broken: then both must be surer than the whole and high enough for a
    digit. A model without probabilities takes each rival for a digit.

    Args:
        digit: what was taken.
        rivals: the answers for the rivals of its glyph (`preparation.Glyph`).
    """
    parts = all(_within(rival.box, digit.box) for rival in rivals)
    _, _, width, height = digit.box
    stacked = height > TALL * width and any(rival.digit != 1 for rival in rivals)
    pieces = parts and len(rivals) <= PIECES and not stacked
    lowest = UPRIGHT * height if pieces else 0
    seen = tuple(one for one in rivals if one.reason != NO_DIGIT and one.box[3] >= lowest)
    likely = sorted(1.0 if one.confidence is None else one.confidence for one in seen)
    whole = digit.confidence if parts and digit.confidence is not None else 0.0
    enough = LIKELY if digit.reason == NO_DIGIT else max(SURE, whole)
    return seen if len(seen) > 1 and likely[-2] >= enough else ()


def besides(digit: Digit, seen: Sequence[Digit]) -> tuple[Box, ...]:
    """Return the boxes of the digits that were seen, without that of the digit taken.

    Where several of them stand in what was taken, each has a box of its own.
    """
    boxes = [one.box for one in seen]
    inside = [box for box in boxes if _is_in_the_middle(box, digit.box)]
    return tuple(box for box in boxes if len(inside) > 1 or box not in inside)


def _is_in_the_middle(box: Box, outer: Box) -> bool:
    """Return whether the middle of a box lies in another."""
    left, top, width, height = box
    x, y, wide, high = outer
    return abs(2 * (left - x) + width - wide) <= wide and abs(2 * (top - y) + height - high) <= high


def _within(box: Box, outer: Box) -> bool:
    """Return whether a box lies in another, but for the soft edge of a stroke."""
    left, top, width, height = box
    x, y, wide, high = outer
    soft = 0.05 * max(wide, high)
    across = left >= x - soft and left + width <= x + wide + soft
    return across and top >= y - soft and top + height <= y + high + soft
