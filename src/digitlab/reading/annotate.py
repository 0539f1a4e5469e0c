"""A picture with what was read in it: a box round each digit, and a label with its confidence.

Used by `digitlab read --annotate` and by the sheet of an explanation; drawn with Pillow.
"""

from __future__ import annotations

import math

from PIL import Image, ImageDraw, ImageFont

from digitlab.decoding import Picture
from digitlab.reading.types import Digit, Reading
from digitlab.wording import certainty

LARGEST, SMALLEST = 1600, 480  # pixels of the longer side; others are shrunk or enlarged

# Blue and orange are told apart by nearly everybody; a refused digit has a "?", too.
_READ, _REFUSED, _NOTHING = (11, 97, 189), (186, 74, 0), (84, 84, 92)
_WHITE = (255, 255, 255)


def annotated(picture: Picture, reading: Reading) -> Image.Image:
    """Draw what was read into a copy of a picture.

    Args:
        picture: uint8 [H, W] or [H, W, 3], upright.
        reading: its boxes are in pixels of that picture.

    Returns:
        A picture in RGB, whose longer side is between `SMALLEST` and `LARGEST`.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, LARGEST / max(height, width))
    if max(height, width) < SMALLEST:
        scale = math.ceil(SMALLEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    drawn = Image.fromarray(picture).convert("RGB").resize(size, method, reducing_gap=2.0)
    draw = ImageDraw.Draw(drawn)
    font_size = max(18, round(max(size) / 32))
    digits = [digit for row in reading.rows for number in row.numbers for digit in number.digits]
    for digit in digits:
        _draw_digit(draw, digit, scale, font_size)
    if not digits:
        _draw_label(draw, (0, 0), "no digit found", _NOTHING, font_size)
    return drawn


def label(digit: Digit) -> str:
    """Return `5  99.1 %`, or `? 5  61.2 %` for a digit that is refused."""
    text = f"? {digit.digit}" if digit.refused else str(digit.digit)
    return text if digit.confidence is None else f"{text}  {certainty(digit.confidence)}"


def _draw_digit(draw: ImageDraw.ImageDraw, digit: Digit, scale: float, font_size: int) -> None:
    colour = _REFUSED if digit.refused else _READ
    line = max(2, font_size // 8)
    x, y, width, height = (round(side * scale) for side in digit.box)
    # The line lies around the digit, not on it.
    left, top = max(0, x - line - 2), max(0, y - line - 2)
    right = min(draw.im.size[0] - 1, x + width + line + 1)
    bottom = min(draw.im.size[1] - 1, y + height + line + 1)
    draw.rectangle((left, top, right, bottom), outline=colour, width=line)
    label_height = font_size + 8
    above = top - label_height
    _draw_label(draw, (left, above if above >= 0 else bottom), label(digit), colour, font_size)


def _draw_label(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    colour: tuple[int, int, int],
    font_size: int,
) -> None:
    """Write white on colour, moved into the picture where it would leave it."""
    font = ImageFont.load_default(font_size)
    width, height = round(font.getlength(text)) + 12, font_size + 8
    left = max(0, min(corner[0], draw.im.size[0] - width))
    top = max(0, min(corner[1], draw.im.size[1] - height))
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    draw.text((left + 6, top + height / 2), text, _WHITE, font, anchor="lm")
