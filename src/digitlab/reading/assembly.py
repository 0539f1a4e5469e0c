"""The last step of reading: digits become numbers, and numbers rows.

Used by the recogniser. It knows boxes and answers alone, neither pictures nor a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from digitlab.layout.page import PageRow
from digitlab.layout.segments import Character
from digitlab.reading.refusal import DIGITS, reasons
from digitlab.reading.types import NO_DIGIT, Box, Digit, Mark, Number, Row

SURELY = 0.8  # a digit at least
PLAIN = 0.1  # of a page's digits are neither 0 nor 1, at least


def assemble(digits: Iterable[Digit]) -> tuple[Row, ...]:
    """Return the rows that digits stand in: today one row with one number of all of them.

    That is the rule while a picture holds one digit. Which digits belong together by their
    distances is for whoever finds several; the boxes and confidences below stay.

    Args:
        digits: in any order, with boxes in pixels of one picture.

    Returns:
        No row where there is no digit. Else the digits stand from left to right by the middles of
        their boxes; the boxes of number and row are the smallest that surround them; the confidence
        of the number is the product of those of its digits, as if they were independent, or None
        where one has none.
    """
    ordered = tuple(sorted(digits, key=lambda digit: 2 * digit.box[0] + digit.box[2]))
    if not ordered:
        return ()
    box = _surrounding([digit.box for digit in ordered])
    return (Row((Number(ordered, box, _all_right(ordered)),), box),)


def assemble_page(found: Sequence[PageRow], reject: float | str | None) -> tuple[Row, ...]:
    """Return the rows that were found on a page, without what is no number.

    Args:
        found: rows of numbers of characters, as `layout.page.read_page` gives them.
        reject: as `Recogniser.read` takes it.
    """
    if not _is_written(found):
        return ()
    rows = []
    for row in found:
        numbers = [number for one in row.numbers if (number := _number(one, reject)) is not None]
        if numbers:
            rows.append(Row(tuple(numbers), _surrounding([number.box for number in numbers])))
    return tuple(rows)


def _is_written(found: Sequence[PageRow]) -> bool:
    """Whether somebody wrote digits on a page: whether more of them are sure than are not.

    Folds, edges and rules look like ones, holes and stains like zeros.
    """
    best = [
        (int(one.likely[:DIGITS].argmax()), float(one.likely[:DIGITS].max()) * one.confidence)
        for row in found
        for number in row.numbers
        for one in number
        if one.mark is None and one.likely is not None
    ]
    sure = [digit for digit, confidence in best if confidence > SURELY]
    others = [digit for digit in sure if digit not in (0, 1)]
    if len(others) < PLAIN * len(best):  # ones and zeros alone have to stand in a row
        return len(sure) == len(best) and len(found) == 1
    return 2 * len(sure) >= len(best)


def _number(characters: Sequence[Character], reject: float | str | None) -> Number | None:
    """Return a number; None where more than half of it is no digit, such as a word."""
    digits: list[Digit] = []
    marks: list[Mark] = []
    for one in characters:
        if one.mark is not None or one.likely is None:
            refused = reject != "none" and 1 - one.confidence > (0.5 if reject is None else float(reject))
            marks.append(Mark(one.mark or "", one.confidence, refused, one.box, len(digits)))
            continue
        likely = one.likely * np.float32(one.confidence)
        ten = likely[:DIGITS].tolist()
        best = int(likely[:DIGITS].argmax())
        reason = reasons(likely[None], reject)[0]
        digits.append(Digit(best, ten[best], reason, one.box, tuple(ten)))
    unlikely = sum(one.reason == NO_DIGIT for one in digits)
    if 2 * unlikely > len(digits) or not digits:
        return None
    box = _surrounding([one.box for one in (*digits, *marks)])
    return Number(tuple(digits), box, _all_right((*digits, *marks)), tuple(marks))


def _surrounding(boxes: list[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[0] + box[2] for box in boxes)
    bottom = max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def _all_right(written: Sequence[Digit | Mark]) -> float | None:
    known = [one.confidence for one in written if one.confidence is not None]
    return math.prod(known) if len(known) == len(written) else None
