"""The last step of reading: digits become numbers, and numbers rows.

Used by the recogniser. It knows boxes and answers alone, neither pictures nor a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from digitlab.layout.lattice import Character
from digitlab.layout.page import PageRow
from digitlab.preparation.glyph import surrounding
from digitlab.reading.refusal import DIGITS, EVEN, reasons
from digitlab.reading.types import Digit, Mark, Number, Row


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
    box = surrounding([digit.box for digit in ordered])
    return (Row((Number(ordered, box, _all_right(ordered)),), box),)


def assemble_page(found: Sequence[PageRow], reject: float | str | None) -> tuple[Row, ...]:
    """Return the rows that were found on a page as those of a reading.

    Args:
        found: rows of numbers of characters, as `layout` gives them.
        reject: as `Recogniser.read` takes it.
    """
    rows = []
    for row in found:
        numbers = tuple(_number(one, reject) for one in row.numbers)
        rows.append(Row(numbers, surrounding([number.box for number in numbers])))
    return tuple(rows)


def _number(characters: Sequence[Character], reject: float | str | None) -> Number:
    digits: list[Digit] = []
    marks: list[Mark] = []
    for one in characters:
        if one.mark is not None or one.likely is None:
            most = 1.0 if reject == "none" else EVEN if reject is None else float(reject)
            refused = 1 - one.confidence > most
            marks.append(Mark(one.mark or "", one.confidence, refused, one.box, len(digits)))
            continue
        likely = one.likely * np.float32(one.confidence)
        ten = likely[:DIGITS].tolist()
        best = int(likely[:DIGITS].argmax())
        reason = reasons(likely[None], reject)[0]
        digits.append(Digit(best, ten[best], reason, one.box, tuple(ten)))
    written: list[Digit | Mark] = [*digits, *marks]
    box = surrounding([one.box for one in written])
    return Number(tuple(digits), box, _all_right(written), tuple(marks))


def _all_right(written: Sequence[Digit | Mark]) -> float | None:
    known = [one.confidence for one in written if one.confidence is not None]
    return math.prod(known) if len(known) == len(written) else None
