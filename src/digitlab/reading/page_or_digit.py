"""Whether a picture shows one digit or a page of them, and what is read in it.

Used by the recogniser. One digit is looked for first, as its preparation finds it; where that says
that there may be more, or none, the picture is read as a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from digitlab.decoding import Picture
from digitlab.errors import ConfigError
from digitlab.layout.page import EVEN, PageRow
from digitlab.layout.upright import read_upright
from digitlab.layout.words import without_words
from digitlab.preparation import Glyph
from digitlab.reading.assembly import assemble, assemble_page
from digitlab.reading.glyphs import find_glyphs
from digitlab.reading.refusal import (
    SMALLEST,
    besides,
    confirmed,
    is_hardly_one,
    is_many,
    may_be_a_page,
    several,
)
from digitlab.reading.types import NO_DIGIT, SEVERAL, TOO_SMALL, Box, Digit, Row
from digitlab.reading.writing import is_soft

if TYPE_CHECKING:
    from digitlab.reading.recogniser import Recogniser

UPRIGHT = ("auto", "no")
PAGE_SIDE = 512  # pixels; larger pictures may be of sheets
HARDLY, SURELY = 0.3, 0.9  # a character; what is less certain may be a stain
SMALL, LITTLE = 0.1, 0.2  # of the side of a picture: one digit that fills it is larger


def read_picture(
    recogniser: Recogniser,
    picture: Picture,
    name: str | None = None,
    reject: float | str | None = None,
    upright: str = "auto",
) -> tuple[tuple[Row, ...], int]:
    """Return what is read in a picture: the one digit in it, or the rows of a page.

    And by how many degrees a page has to be turned clockwise to be upright.

    Args:
        recogniser: answers what each glyph is.
        picture: uint8 [H, W] or [H, W, 3].
        name: what to call it in an error.
        reject, upright: as of `Recogniser.read`.

    Raises:
        ConfigError: for another `upright`.
        PictureError: as `find_glyphs` does.
    """
    check_upright(upright)
    glyphs = find_glyphs(picture, name or "the picture", None, recogniser.model.preparation)
    digits = _alone(recogniser, glyphs, recogniser.classify(glyphs))
    is_large = max(picture.shape[:2]) > PAGE_SIDE
    found: list[PageRow] | None = None
    doubtful = not glyphs or any(glyph.printed or glyph.signed for glyph in glyphs)
    doubtful = doubtful or any(may_be_a_page(digit, is_large) for digit in digits)
    doubtful = doubtful or (is_large and any(_is_among_others(one, picture) for one in glyphs))
    hardly = any(map(is_hardly_one, digits))
    hardly = hardly or (is_large and any(_share(one, picture) < LITTLE for one in glyphs))
    hardly = hardly and not doubtful
    if (doubtful or hardly) and recogniser.model.output == "logits":
        found, turned = read_upright(picture, recogniser.networks, upright == "auto")
        rows = assemble_page(without_words(found), reject)
        if is_many(_digits_of(rows)) if hardly else _is_page(rows):
            return rows, turned
    if reject == "none":
        return assemble(recogniser.classify(glyphs, reject)), 0
    if reject is not None:
        digits = _alone(recogniser, glyphs, recogniser.classify(glyphs, reject))
    if found is not None and not hardly:
        digits = [confirmed(digit, _written(found, digit.digit)) for digit in digits]
    if is_large:
        digits = [_unless_soft(digit, picture) for digit in digits]
    return assemble(digits), 0


def _written(rows: Sequence[PageRow], digit: int) -> list[Box]:
    """Return the boxes of what looks like writing on a page, but not surely like another digit.

    A stain may look like one digit by itself, and like another to what reads pages.
    """
    return [
        one.box
        for row in rows
        for number, likely in zip(row.numbers, row.likely, strict=True)
        for one in number
        if one.certainty > HARDLY
        and (likely > EVEN or one.digit == digit or one.certainty < SURELY)
    ]


def _is_among_others(glyph: Glyph, picture: Picture) -> bool:
    """Whether a glyph is small in its picture, and not the only one that may be a digit."""
    return bool(glyph.rivals) and _share(glyph, picture) < SMALL


def _share(glyph: Glyph, picture: Picture) -> float:
    """Return how much of the longer side of a picture a glyph takes."""
    return max(glyph.box[2:]) / float(max(picture.shape[:2]))


def _digits_of(rows: Sequence[Row]) -> Iterator[Digit]:
    return (digit for row in rows for number in row.numbers for digit in number.digits)


def _is_page(rows: Sequence[Row]) -> bool:
    """Whether rows are more than one digit that may have specks beside it: a minus is none."""
    numbers = [number for row in rows for number in row.numbers]
    if len(numbers) == 1 and len(numbers[0].digits) == 1:
        marks = numbers[0].marks
        return len(marks) == 1 and marks[0].mark == "-" and marks[0].place == 0
    return bool(numbers)


def check_upright(upright: str) -> None:
    """Raise ConfigError where a picture cannot be read that way up."""
    if upright not in UPRIGHT:
        raise ConfigError(f"upright = {upright!r}: expected one of {', '.join(UPRIGHT)}")


def _alone(recogniser: Recogniser, glyphs: Sequence[Glyph], digits: Sequence[Digit]) -> list[Digit]:
    """Return the digits read in glyphs, refused where more or too little stands there."""
    answers = []
    for glyph, digit in zip(glyphs, digits, strict=True):
        if glyph.rivals and (seen := several(digit, recogniser.classify(glyph.rivals))):
            answers.append(replace(digit, reason=SEVERAL, rivals=besides(digit, seen)))
        elif max(glyph.box[2:]) < SMALLEST:
            answers.append(replace(digit, reason=TOO_SMALL))
        else:
            answers.append(digit)
    return answers


def _unless_soft(digit: Digit, picture: Picture) -> Digit:
    """Return a digit, refused where it is a stain."""
    if digit.reason is not None or not is_soft(picture, digit.box):
        return digit
    return replace(digit, reason=NO_DIGIT)
