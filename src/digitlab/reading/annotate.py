"""A picture with what was read in it: a frame round each digit and mark, and a label beside it.

Where a digit is refused as more than one, the others that were seen have frames, too.

Used by `digitlab read --annotate` and by the sheet of an explanation; drawn with Pillow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from digitlab.decoding import Picture
from digitlab.drawing import BLUE, GREEN, ORANGE, Font, lettered
from digitlab.reading.types import UNSURE, Box, Digit, Mark, Reading, refusal
from digitlab.wording import certainty

LARGEST, SMALLEST = 1600, 480  # pixels of the longer side; others are shrunk or enlarged

READ, REFUSED, RIVAL = BLUE, ORANGE, GREEN  # a refused digit has a "?", too
_NOTHING = (84, 84, 92)
_WHITE = (255, 255, 255)
_SHARES = (1.0, 0.7, 0.5, 0.35)  # of the size of letters, tried where labels have little room
_SMALLEST_LETTERS = 12  # pixels

Sides = tuple[int, int, int, int]  # left, top, right, bottom; the last pixels belong to it
Words = Callable[[Digit | Mark], str]


@dataclass(frozen=True)
class Tag:
    """What is drawn for a digit or a mark.

    Attributes:
        text: of the label, white on the colour.
        letters: how high they are, in pixels.
        frame: drawn around what was read.
        label: a filled rectangle beside it.
        colour: red, green and blue, of both.
    """

    text: str
    letters: int
    frame: Sides
    label: Sides
    colour: tuple[int, int, int]


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
    written = [one for row in reading.rows for number in row.numbers for one in number.written]
    placed = tags(written, scale, size)
    for tag in placed:
        draw.rectangle(tag.frame, outline=tag.colour, width=_line(tag.letters))
    for frame in _rivals(written, scale, size):
        draw.rectangle(frame, outline=RIVAL, width=_thin(size))
    for tag in placed:
        _draw_label(draw, tag.label, tag.text, tag.colour, tag.letters)
    if not written:
        letters = _letters(size)
        text = "no digit found"
        place = _label((0, 0), _extent(text, lettered("", letters)[1], letters), size)
        _draw_label(draw, place, text, _NOTHING, letters)
    return drawn


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


def tags(written: Sequence[Digit | Mark], scale: float, size: tuple[int, int]) -> list[Tag]:
    """Place a frame and a label for each digit and mark, so that all labels can be read.

    No label lies on another, nor on another's frame. Where they are too close together for that,
    all labels become smaller, then shorter: the answers alone. Only the smallest may overlap. The
    frame of a rival is spared as long as a label needs not become shorter for it.

    Args:
        written: what was read, with boxes in pixels of the picture.
        scale: from those pixels to the ones that are drawn on.
        size: width and height of what is drawn on.
    """
    rivals = _rivals(written, scale, size)
    for words, spared in ((label, rivals), (label, []), (answer, [])):
        for share in _SHARES:
            letters = max(_SMALLEST_LETTERS, round(_letters(size) * share))
            placed = _tags(written, scale, size, words, letters, spared)
            if len(placed) == len(written):
                return placed
    return _tags(written, scale, size, answer, _SMALLEST_LETTERS, [], crowded=True)


def _tags(
    written: Sequence[Digit | Mark],
    scale: float,
    size: tuple[int, int],
    words: Words,
    letters: int,
    spared: list[Sides],
    crowded: bool = False,
) -> list[Tag]:
    """Place tags in turn, and stop at the first that has no room unless they may be crowded."""
    font = lettered("", letters)[1]
    frames = [_frame(one.box, scale, size, _line(letters)) for one in written]
    placed: list[Tag] = []
    for at, one in enumerate(written):
        text = words(one)
        places = list(_places(frames[at], _extent(text, font, letters), size))
        others = [*frames[:at], *frames[at + 1 :], *spared]
        labels = [tag.label for tag in placed]
        free = [place for place in places if not _touches(place, labels)]
        best = [place for place in free if not _touches(place, others)]
        if crowded:
            best += [*free, *places]
        if not best:
            break
        colour = REFUSED if one.refused else READ
        placed.append(Tag(text, letters, frames[at], best[0], colour))
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


def _extent(text: str, font: Font, letters: int) -> tuple[int, int]:
    return round(font.getlength(text)) + 12, letters + 8


def _touches(place: Sides, others: list[Sides]) -> bool:
    left, top, right, bottom = place
    return any(
        left <= other[2] and other[0] <= right and top <= other[3] and other[1] <= bottom
        for other in others
    )


def _letters(size: tuple[int, int]) -> int:
    return max(18, round(max(size) / 32))


def _line(letters: int) -> int:
    return max(2, letters // 8)


def _thin(size: tuple[int, int]) -> int:
    """Return how wide the line round a rival is, in pixels."""
    return max(2, _line(_letters(size)) // 2)


def _draw_label(
    draw: ImageDraw.ImageDraw, place: Sides, text: str, colour: tuple[int, int, int], letters: int
) -> None:
    """Write white on colour."""
    left, top, _, _ = place
    draw.rectangle(place, fill=colour)
    height = letters + 8
    font = lettered("", letters)[1]
    draw.text((left + 6, top + height / 2), text, _WHITE, font, anchor="lm")
