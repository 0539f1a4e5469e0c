"""How certain a character of a page is, in three levels that colour, sign and frame all show.

So whoever does not tell the colours apart sees the levels, too. Used by annotate.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from digitlab.drawing import BLUE, ORANGE, PAPER, PURPLE, TEXT, Colour, lettered
from digitlab.reading.types import Digit, Mark

SURELY = 0.99  # the confidence of what is sure, at least

Sides = tuple[int, int, int, int]  # left, top, right, bottom; the last pixels belong to it


@dataclass(frozen=True)
class Level:
    """How certain something is.

    Attributes:
        sign: before its answer.
        colour: of its frame and its label.
        dashed: whether its frame is.
        meaning: in words, for a legend.
    """

    sign: str
    colour: Colour
    dashed: bool
    meaning: str


SURE = Level("", BLUE, False, "99 % certain or more")
READ = Level("~", PURPLE, True, "read, less certain")
REFUSED = Level("?", ORANGE, False, "refused")
LEVELS = (SURE, READ, REFUSED)


def level_of(one: Digit | Mark) -> Level:
    """Return how certain a character of a page is; one without confidence is not called sure."""
    if one.refused:
        return REFUSED
    return SURE if one.confidence is not None and one.confidence >= SURELY else READ


def draw_frame(
    draw: ImageDraw.ImageDraw, frame: Sides, colour: Colour, line: int, dashed: bool = False
) -> None:
    """Draw a frame with a line inside its sides.

    Args:
        draw: on what.
        frame: its sides.
        colour: red, green and blue.
        line: how wide, in pixels.
        dashed: whether only every other piece of it, three lines long.
    """
    if not dashed:
        draw.rectangle(frame, outline=colour, width=line)
        return
    left, top, right, bottom = frame
    dash = 3 * line
    for x in range(left, right + 1, 2 * dash):
        end = min(x + dash - 1, right)
        draw.rectangle((x, top, end, min(top + line - 1, bottom)), colour)
        draw.rectangle((x, max(top, bottom - line + 1), end, bottom), colour)
    for y in range(top, bottom + 1, 2 * dash):
        end = min(y + dash - 1, bottom)
        draw.rectangle((left, y, min(left + line - 1, right), end), colour)
        draw.rectangle((max(left, right - line + 1), y, right, end), colour)


def with_legend(picture: Image.Image, letters: int) -> Image.Image:
    """Return a picture with a line below it that says what the levels are.

    Args:
        picture: in RGB.
        letters: how high letters are, in pixels; where the line is too long, it is broken.
    """
    font, gap = lettered("", letters)[1], letters // 2
    box = round(1.4 * letters)
    places: list[tuple[int, int]] = []
    x, y = gap, gap
    for level in LEVELS:
        wide = box + gap + round(font.getlength(level.meaning))
        if x > gap and x + wide > picture.width:
            x, y = gap, y + box + gap
        places.append((x, y))
        x += wide + 2 * gap
    shown = Image.new("RGB", (picture.width, picture.height + y + box + gap), PAPER)
    shown.paste(picture, (0, 0))
    draw = ImageDraw.Draw(shown)
    for level, (left, below) in zip(LEVELS, places, strict=True):
        top = picture.height + below
        frame = (left, top, left + box - 1, top + box - 1)
        draw_frame(draw, frame, level.colour, max(2, letters // 8), level.dashed)
        middle = top + box / 2
        draw.text((left + box / 2, middle), level.sign, level.colour, font, anchor="mm")
        draw.text((left + box + gap, middle), level.meaning, TEXT, font, anchor="lm")
    return shown
