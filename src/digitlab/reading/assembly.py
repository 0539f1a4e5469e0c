"""The last step of reading: digits become numbers, and numbers rows.

Used by the recogniser. It knows boxes and answers alone, neither pictures nor a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from digitlab.reading.types import Box, Digit, Number, Row


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


def _surrounding(boxes: list[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[0] + box[2] for box in boxes)
    bottom = max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def _all_right(digits: tuple[Digit, ...]) -> float | None:
    known = [digit.confidence for digit in digits if digit.confidence is not None]
    return math.prod(known) if len(known) == len(digits) else None
