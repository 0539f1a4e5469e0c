"""The sheet that shows an explanation: the picture, each step, what was seen, where it looked.

Used by explain.py; drawn with Pillow, readable in print and by people who do not tell red from
green.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from digitlab.decoding import Picture
from digitlab.drawing import (
    BLUE,
    CAPTION,
    FRAME,
    HEADING,
    PALE,
    PAPER,
    SOFT,
    TEXT,
    TITLE,
    Colour,
    lettered,
    write,
)
from digitlab.preparation.choice import RIVALS
from digitlab.reading.annotate import RIVAL, annotated
from digitlab.reading.certainty_levels import REFUSED
from digitlab.reading.types import Digit, refusal, refusals
from digitlab.wording import certainty, percent, printable

if TYPE_CHECKING:
    from digitlab.reading.explain import ExplainedDigit, Explanation

_FOR, _AGAINST = (200, 40, 20), BLUE

_WIDTH, _MARGIN, _GAP = 1120, 40, 24  # pixels
_CONTENT = _WIDTH - 2 * _MARGIN
_STEPS_A_ROW, _STEPS_A_ROW_OF_A_PAGE = 5, 2
_GLYPH_SCALE = 11
_GLYPH_SIDE = 28 * _GLYPH_SCALE
_PICTURE_HEIGHT, _PAGE_HEIGHT = 380, 1200
_ANSWER_HEIGHT = 2 * (HEADING + 14) + _GLYPH_SIDE + 8 + 2 * (CAPTION + 5) + _GAP
_MOST_ANSWERS = 60  # programs that show pictures give up at 32,767 pixels


class _Page:
    """A page that grows downwards; it is cut to what was used."""

    def __init__(self, height: int) -> None:
        self.image = Image.new("RGB", (_WIDTH, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.top = _MARGIN

    def write(self, x: float, y: float, text: str, size: int, colour: Colour) -> None:
        """Write a line, its left upper corner at x, y."""
        write(self.draw, (x, y), text, size, colour, _WIDTH - _MARGIN - x)

    def heading(self, text: str) -> None:
        """Write a heading and go below it."""
        self.write(_MARGIN, self.top, text, HEADING, TEXT)
        self.top += HEADING + 14

    def paste(self, image: Image.Image, x: int, y: int) -> None:
        """Paste an image with a thin frame."""
        self.draw.rectangle((x - 1, y - 1, x + image.width, y + image.height), outline=FRAME)
        self.image.paste(image, (x, y))

    def cut(self) -> Image.Image:
        """Return what was used of the page."""
        return self.image.crop((0, 0, _WIDTH, self.top + _MARGIN - _GAP))


def explanation_sheet(explanation: Explanation) -> Image.Image:
    """Draw an explanation as one picture in RGB, `_WIDTH` pixels wide.

    Each digit has a block of its own, up to `_MOST_ANSWERS` of them.
    """
    a_row, side = _steps_a_row(explanation)
    rows = math.ceil(len(explanation.steps) / a_row)
    digits = explanation.digits[:_MOST_ANSWERS]
    page = _Page(820 + _PAGE_HEIGHT + rows * (side + 80) + len(digits) * _ANSWER_HEIGHT)
    _draw_title(page, explanation)
    if explanation.steps:
        page.heading("How the picture was prepared")
        _draw_steps(page, explanation)
    for number, one in enumerate(digits, 1):
        if one.place:
            page.heading(f"{one.place.capitalize()}: {_said(one.digit)}")
        elif len(explanation.digits) > 1:
            page.heading(f"Digit {number}: {_said(one.digit)}")
        _draw_answer(page, one)
    if left_out := len(explanation.digits) - len(digits):
        page.heading(f"and {left_out:,} more digits, which explanation.json has, too")
    elif left_out := _count(explanation) - len(digits):
        page.heading(f"and {left_out:,} more digits, which are more certain")
    return page.cut()


def _count(explanation: Explanation) -> int:
    """Return how many digits were read."""
    rows = explanation.reading.rows
    return sum(len(number.digits) for row in rows for number in row.numbers)


def _draw_title(page: _Page, explanation: Explanation) -> None:
    reading = explanation.reading
    page.write(_MARGIN, page.top, title(explanation), TITLE, TEXT)
    number = "" if reading.page is None else f", page {reading.page}"
    page.write(_MARGIN, page.top + TITLE + 12, f"{reading.file or ''}{number}", CAPTION, SOFT)
    page.top += TITLE + CAPTION + 30
    picture = annotated(explanation.picture, reading)
    height = _PAGE_HEIGHT if _is_page(explanation) else _PICTURE_HEIGHT
    picture.thumbnail((_CONTENT, height), Image.Resampling.LANCZOS)
    page.paste(picture, _MARGIN, page.top)
    page.top += picture.height + 8
    for line, colour in _frames(explanation):
        page.write(_MARGIN, page.top, line, CAPTION, colour)
        page.top += CAPTION + 5
    page.top += _GAP


def _frames(explanation: Explanation) -> list[tuple[str, Colour]]:
    """Return what the frames in the picture are, where some are of more than one digit."""
    if not any(one.digit.rivals for one in explanation.digits):
        return []
    among = f"among the {RIVALS} things with the most ink"
    return [
        ("orange: what was taken, and is explained below", REFUSED.colour),
        (f"green: what looks like a digit of its own, {among}", RIVAL),
    ]


def title(explanation: Explanation) -> str:
    """Return what was read: `read as 5, 99.1 % certain`, or `refused as not a digit`."""
    numbers = [number for row in explanation.reading.rows for number in row.numbers]
    if not explanation.digits:
        return "no digit found"
    if len(numbers) == 1:
        (number,) = numbers
        if number.written == number.digits[:1]:
            return _said(number.digits[0])
        why = refusals(number.written)
        how = f" ({why})" if why else _certain(number.confidence)
        return f"read as {_cut(number.text)}{how}"
    return f"read as {_cut(' / '.join(row.text for row in explanation.reading.rows))}"


def _said(digit: Digit) -> str:
    if digit.refused:
        return f"refused as {refusal(digit)}"
    return f"read as {digit.digit}{_certain(digit.confidence)}"


def _certain(confidence: float | None) -> str:
    return "" if confidence is None else f", {certainty(confidence)} certain"


def _is_page(explanation: Explanation) -> bool:
    return any(one.place for one in explanation.digits)


def _steps_a_row(explanation: Explanation) -> tuple[int, int]:
    """Return how many steps stand side by side, and how large, in pixels; writing is fine."""
    count = _STEPS_A_ROW_OF_A_PAGE if _is_page(explanation) else _STEPS_A_ROW
    return count, (_CONTENT - (count - 1) * _GAP) // count


def _draw_steps(page: _Page, explanation: Explanation) -> None:
    a_row, side = _steps_a_row(explanation)
    for first in range(0, len(explanation.steps), a_row):
        tallest = 0
        row = explanation.steps[first : first + a_row]
        shown = [_fitted(step.image, side) for step in row]
        height = max(image.height for image in shown)
        for at, (step, image) in enumerate(zip(row, shown, strict=True)):
            x = _MARGIN + at * (side + _GAP)
            page.paste(image, x, page.top + (height - image.height) // 2)
            lines = _wrapped(f"{first + at + 1}. {printable(step.name)}", side)
            for line_at, line in enumerate(lines):
                y = page.top + height + 8 + line_at * (CAPTION + 4)
                page.write(x, y, line, CAPTION, TEXT)
            tallest = max(tallest, len(lines))
        page.top += height + 8 + tallest * (CAPTION + 4) + _GAP


def _draw_answer(page: _Page, one: ExplainedDigit) -> None:
    """Draw side by side what the network saw, where it looked, and what it answered."""
    columns = [_MARGIN + at * (_GLYPH_SIDE + 40) for at in range(3)]
    headings = ("What the network saw", "Where it looked", "What it answered")
    for x, text in zip(columns, headings, strict=True):
        page.write(x, page.top, text, HEADING, TEXT)
    page.top += HEADING + 14
    side = (_GLYPH_SIDE, _GLYPH_SIDE)
    seen = Image.fromarray(one.image).convert("RGB").resize(side, Image.Resampling.NEAREST)
    page.paste(seen, columns[0], page.top)
    page.paste(_heat_map(one.image, one.attention), columns[1], page.top)
    _draw_bars(page, one, columns[2])
    below = page.top + _GLYPH_SIDE + 8
    page.write(columns[0], below, "28 x 28 pixels, ink bright", CAPTION, SOFT)
    for at, (line, colour) in enumerate(_legend(one)):
        page.write(columns[1], below + at * (CAPTION + 5), line, CAPTION, colour)
    page.top = below + 2 * (CAPTION + 5) + _GAP


def _heat_map(image: Picture, attention: npt.NDArray[np.float32]) -> Image.Image:
    """Draw ink in grey on white, and over it in red what speaks for the answer, in blue against."""
    side = (_GLYPH_SIDE, _GLYPH_SIDE)
    ink = np.asarray(Image.fromarray(image).resize(side, Image.Resampling.NEAREST), np.float32)
    smooth = Image.fromarray(attention.astype(np.float32)).resize(side, Image.Resampling.BICUBIC)
    strength = np.asarray(smooth) / max(float(np.abs(attention).max()), 1e-6)
    share = 0.85 * np.clip(np.abs(strength), 0, 1)[..., None]
    colour = np.where((strength > 0)[..., None], np.array(_FOR), np.array(_AGAINST))
    paper = np.repeat((255 - 0.6 * ink)[..., None], 3, axis=2)
    return Image.fromarray(np.rint(paper * (1 - share) + colour * share).astype(np.uint8))


def _legend(one: ExplainedDigit) -> list[tuple[str, Colour]]:
    falls, rises = float(one.attention.max()), float(-one.attention.min())
    if one.digit.confidence is None:
        return [(f"red: covered, the value changes by up to {falls:.2f}", _FOR)]
    digit = one.digit.digit
    lines = [(f"red: covered, {digit} loses up to {percent(falls, 1)}", _FOR)]
    if rises > 0.0005:
        lines.append((f"blue: covered, {digit} gains up to {percent(rises, 1)}", _AGAINST))
    return lines


def _draw_bars(page: _Page, one: ExplainedDigit, left: int) -> None:
    digit = one.digit
    if digit.probabilities is None:
        text = "a value, trained with square error: no probabilities"
        for at, line in enumerate(_wrapped(text, _GLYPH_SIDE)):
            page.write(left, page.top + at * (CAPTION + 4), line, CAPTION, SOFT)
        return
    bars = [(str(at), likely) for at, likely in enumerate(digit.probabilities)]
    if one.no_digit is not None:
        bars.append(("none", one.no_digit))
    height = _GLYPH_SIDE / len(bars)
    room = _GLYPH_SIDE - 48 - 70
    for at, (name, likely) in enumerate(bars):
        top = page.top + at * height
        middle = top + height / 2
        colour = BLUE if name == str(digit.digit) else PALE
        font = lettered("", CAPTION)[1]
        page.draw.text((left + 40, middle), name, TEXT, font, anchor="rm")
        right = left + 48 + max(1, round(room * likely))
        page.draw.rectangle((left + 48, top + 4, right, top + height - 4), fill=colour)
        page.draw.text((right + 8, middle), certainty(likely), TEXT, font, anchor="lm")


def _fitted(picture: Picture, side: int) -> Image.Image:
    """Return a picture in RGB whose longer side is `side`; small ones keep their pixels visible."""
    image = Image.fromarray(picture).convert("RGB")
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.resize(size, method)


def _wrapped(text: str, width: int) -> list[str]:
    font = lettered("", CAPTION)[1]
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(text: str) -> str:
    return text if len(text) <= 36 else f"{text[:33]}..."
