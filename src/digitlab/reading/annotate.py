"""A picture with what was read in it: a frame round each digit and mark, and a label beside it.

Where a digit is refused as more than one, the others that were seen have frames, too. On a page,
frames and labels show how certain each character is (certainty_levels.py).

Used by `digitlab read --annotate` and by the sheet of an explanation; drawn with Pillow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from digitlab.decoding import Picture
from digitlab.drawing import GREEN, Colour, Font, lettered
from digitlab.reading.certainty_levels import (
    REFUSED,
    SURE,
    Level,
    Sides,
    draw_frame,
    level_of,
    with_legend,
)
from digitlab.reading.types import UNSURE, Box, Digit, Mark, Reading, refusal
from digitlab.wording import certainty

LARGEST, SMALLEST = 1600, 480  # pixels of the longer side; others are shrunk or enlarged
LARGEST_PAGE = 2000
LEGIBLE = (
    44  # pixels; a page is enlarged until half its digits are as high, if that is not too large
)
PAGE_LETTERS = 0.5  # of a digit's height

RIVAL = GREEN
_NOTHING = (84, 84, 92)
_WHITE = (255, 255, 255)
_SHARES = (1.0, 0.7, 0.5, 0.35)  # of the size of letters, tried where labels have little room
_SMALLEST_LETTERS = 12  # pixels
_CROWDED = 30  # one in so many labels may lie on others before all become smaller

Words = Callable[[Digit | Mark], str]
Places = npt.NDArray[np.int_]


@dataclass(frozen=True)
class Tag:
    """What is drawn for a digit or a mark.

    Attributes:
        text: of the label, white on the colour of the level.
        letters: how high they are, in pixels.
        frame: drawn around what was read.
        label: a filled rectangle beside it.
        level: how certain it is.
    """

    text: str
    letters: int
    frame: Sides
    label: Sides
    level: Level


def annotated(picture: Picture, reading: Reading) -> Image.Image:
    """Draw what was read into a copy of a picture.

    Args:
        picture: uint8 [H, W] or [H, W, 3], upright.
        reading: its boxes are in pixels of that picture, which is drawn as it is, also where it was
            read turned.

    Returns:
        A picture in RGB, whose longer side is between `SMALLEST` and `LARGEST`; that of a page, of
        more than one character, up to `LARGEST_PAGE`, and below it a legend.
    """
    height, width = picture.shape[:2]
    written = [one for row in reading.rows for number in row.numbers for one in number.written]
    scale = _scale(max(height, width), written)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    is_page = len(written) > 1
    smooth = is_page or scale <= 1
    method = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    drawn = Image.fromarray(picture).convert("RGB").resize(size, method, reducing_gap=2.0)
    draw = ImageDraw.Draw(drawn)
    placed = tags(written, scale, size)
    for tag in placed:
        draw_frame(draw, tag.frame, tag.level.colour, _line(tag.letters), tag.level.dashed)
    for frame in _rivals(written, scale, size):
        draw.rectangle(frame, outline=RIVAL, width=_thin(size))
    for tag in placed:
        _draw_label(draw, tag.label, tag.text, tag.level.colour, tag.letters)
    if not written:
        letters = _letters(size)
        text = "no digit found"
        place = _label((0, 0), _extent(text, lettered("", letters)[1], letters), size)
        _draw_label(draw, place, text, _NOTHING, letters)
    return with_legend(drawn, max(16, round(max(size) / 60))) if is_page else drawn


def _scale(side: int, written: Sequence[Digit | Mark]) -> float:
    """Return how much larger to draw a picture, whose longer side is so many pixels."""
    scale = min(1.0, LARGEST / side)
    if side < SMALLEST:
        scale = math.ceil(SMALLEST / side)
    if len(written) > 1:
        scale = min(LARGEST_PAGE / side, max(scale, LEGIBLE / _high(written)))
    return scale


def _high(written: Sequence[Digit | Mark]) -> float:
    """Return how high the digits of a page are, in pixels of its picture."""
    digits = [one.box[3] for one in written if isinstance(one, Digit)]
    return median(digits or [one.box[3] for one in written])


def label(one: Digit | Mark) -> str:
    """Return `5  99.1 %`, or `? not a digit` for a digit that is refused."""
    if isinstance(one, Digit) and one.refused:
        return f"? {refusal(one)}"
    text = answer(one)
    return text if one.confidence is None else f"{text}  {certainty(one.confidence)}"


def answer(one: Digit | Mark) -> str:
    """Return `5`, `? 5` for a digit or mark that is unsure, or `?` for what is no one digit."""
    if isinstance(one, Digit) and one.reason not in (None, UNSURE):
        return "?"
    text = str(one.digit) if isinstance(one, Digit) else one.mark
    return f"? {text}" if one.refused else text


def page_label(one: Digit | Mark) -> str:
    """Return as `label` does, with the sign of its level: `~5  91.2 %`, or `? not a digit`."""
    return label(one) if one.refused else f"{level_of(one).sign}{label(one)}"


def page_answer(one: Digit | Mark) -> str:
    """Return `5`, `~5` for a digit that is less certain, or `?5` for one that is unsure."""
    return answer(one).replace(" ", "") if one.refused else f"{level_of(one).sign}{answer(one)}"


def tags(written: Sequence[Digit | Mark], scale: float, size: tuple[int, int]) -> list[Tag]:
    """Place a frame and a label for each digit and mark, so that all labels can be read.

    No label lies on another, nor on another's frame or, on a page, on another character. Where they
    are too close together for that, all labels become smaller, then shorter: the answers alone. Of
    the smallest any may overlap, and of many labels a few. The frame of a rival is spared as long
    as a label needs not become shorter for it.

    Args:
        written: what was read, with boxes in pixels of the picture; more than one are a page.
        scale: from those pixels to the ones that are drawn on.
        size: width and height of what is drawn on.
    """
    rivals = _rivals(written, scale, size)
    tries: tuple[tuple[Words, list[Sides], tuple[float, ...]], ...]
    if len(written) > 1:  # a short label in large letters is found sooner than a long one
        largest = round(min(_letters(size), PAGE_LETTERS * _high(written) * scale))
        tries = ((page_label, [], _SHARES[:2]), (page_answer, [], _SHARES))
    else:
        largest = _letters(size)
        tries = ((label, rivals, _SHARES), (label, [], _SHARES), (answer, [], _SHARES))
    for words, spared, shares in tries:
        for share in shares:
            letters = max(_SMALLEST_LETTERS, round(largest * share))
            placed = _tags(written, scale, size, words, letters, spared, len(written) // _CROWDED)
            if len(placed) == len(written):
                return placed
    return _tags(written, scale, size, tries[-1][0], _SMALLEST_LETTERS, [], len(written))


def _tags(
    written: Sequence[Digit | Mark],
    scale: float,
    size: tuple[int, int],
    words: Words,
    letters: int,
    spared: list[Sides],
    crowded: int,
) -> list[Tag]:
    """Place tags in turn, and stop where more than `crowded` have no room of their own."""
    is_page = len(written) > 1
    font = lettered("", letters)[1]
    line, gap = _line(letters), 1 if is_page else 2
    frames = [_frame(one.box, scale, size, line, gap) for one in written]
    # On a page frames of neighbours overlap; there, labels spare what is written.
    taken = [_frame(one.box, scale, size, 0, 0) for one in written] if is_page else frames
    others = np.array([*taken, *spared], int).reshape(-1, 4)
    labels = np.zeros((len(written), 4), int)
    placed: list[Tag] = []
    for at, one in enumerate(written):
        text = words(one)
        places = np.array(list(_places(frames[at], _extent(text, font, letters, is_page), size)))
        on_labels = _touching(places, labels[:at]).any(axis=1)
        hit = _touching(places, others)
        hit[:, at] = False
        ranks = np.where(on_labels, 2, 0) + hit.any(axis=1)
        best = int(ranks.argmin())
        crowded -= bool(ranks[best])
        if crowded < 0:
            break
        labels[at] = places[best]
        left, top, right, bottom = places[best].tolist()
        level = level_of(one) if is_page else (REFUSED if one.refused else SURE)
        placed.append(Tag(text, letters, frames[at], (left, top, right, bottom), level))
    return placed


def _rivals(written: Sequence[Digit | Mark], scale: float, size: tuple[int, int]) -> list[Sides]:
    """Return the frames of all digits for which some were refused as more than one."""
    digits = [one for one in written if isinstance(one, Digit)]
    line = _thin(size)
    return [_frame(box, scale, size, line, gap=0) for one in digits for box in one.rivals]


def _frame(box: Box, scale: float, size: tuple[int, int], line: int, gap: int = 2) -> Sides:
    """Return the frame of a box, whose line lies around the digit and a gap, not on them."""
    x, y, width, height = (round(side * scale) for side in box)
    away = line + gap
    left, top = max(0, x - away), max(0, y - away)
    right, bottom = x + width + away - 1, y + height + away - 1
    return left, top, min(size[0] - 1, right), min(size[1] - 1, bottom)


def _places(frame: Sides, extent: tuple[int, int], size: tuple[int, int]) -> Iterator[Sides]:
    """Yield where a label may lie, the best first: above or below, flush left or flush right."""
    left, top, right, bottom = frame
    wide, high = extent
    for x in (left, right - wide + 1):
        if top - high >= 0:
            yield _label((x, top - high), extent, size)
        yield _label((x, bottom), extent, size)


def _label(corner: tuple[int, int], extent: tuple[int, int], size: tuple[int, int]) -> Sides:
    """Return a label at its left upper corner, moved into the picture where it would leave it."""
    width, height = extent
    left = max(0, min(corner[0], size[0] - width))
    top = max(0, min(corner[1], size[1] - height))
    return left, top, left + width - 1, top + height - 1


def _extent(text: str, font: Font, letters: int, tight: bool = False) -> tuple[int, int]:
    wide = round(font.getlength(text))
    return (wide + 4, letters + 2) if tight else (wide + 12, letters + 8)


def _touching(places: Places, others: Places) -> npt.NDArray[np.bool_]:
    """Return which of N places touch which of M others, bool [N, M]."""
    left, top, right, bottom = places.T[:, :, None]
    across = (left <= others[:, 2]) & (others[:, 0] <= right)
    return np.asarray(across & (top <= others[:, 3]) & (others[:, 1] <= bottom))


def _letters(size: tuple[int, int]) -> int:
    return max(18, round(max(size) / 32))


def _line(letters: int) -> int:
    return max(2, letters // 8)


def _thin(size: tuple[int, int]) -> int:
    """Return how wide the line round a rival is, in pixels."""
    return max(2, _line(_letters(size)) // 2)


def _draw_label(
    draw: ImageDraw.ImageDraw, place: Sides, text: str, colour: Colour, letters: int
) -> None:
    """Write white on colour, in the middle of a place."""
    left, top, right, bottom = place
    draw.rectangle(place, fill=colour)
    font = lettered("", letters)[1]
    x = left + round((right + 1 - left - font.getlength(text)) / 2)
    draw.text((x, (top + bottom + 1) / 2), text, _WHITE, font, anchor="lm")
