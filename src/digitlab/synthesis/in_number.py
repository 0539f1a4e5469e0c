"""A digit in its place in a number, whose neighbours touch it: what readers of pages must tell.

Used by handwriting.py. A page's reader cuts what touches in many ways, and asks of each part which
digit it is; it shows the part uncut, with what is around it. So are the pictures made here: the
place is a digit's, give or take, or a wrong one, which is no digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.config import HandwritingConfig
from digitlab.data.dataset import Split
from digitlab.preparation.glyph import SIDE, Box, framed, greys, ink_box, surrounding
from digitlab.synthesis.drawings import CANVAS, drawn_digit, drawn_other, scribble
from digitlab.synthesis.hands import INKED, NO_DIGIT, Field, spoilt, warped, with_pen
from digitlab.synthesis.styles import restyled

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

MOST = 3  # digits
TALL = 40.0  # pixels, of digits
WIDEST = 1.3  # heights; wider digits are made smaller
MOST_INK = 0.5  # of the picture; more is a blot
SLIM = 0.3  # heights; of what is slimmer, a half is like the whole
OTHER, SCRIBBLED = 0.25, 0.25  # of the wrong: letters and signs, and of these, scribbles
BESIDE = 0.05  # of the neighbours that are letters and signs


@dataclass(frozen=True)
class _Written:
    """A character in a number: its ink, float32 [h, w], the place of its box, and its digit."""

    ink: Floats
    left: int
    top: int
    digit: int

    @property
    def box(self) -> Box:
        height, width = self.ink.shape
        return self.left, self.top, width, height


def in_number(
    split: Split,
    sample: int,
    draws: Draws,
    beside: Callable[[int], Draws],
    field: Field,
    config: HandwritingConfig,
) -> tuple[Picture, int]:
    """Return a digit where it stands in a number, or a wrong place there, and what it shows.

    Args:
        split: whose images are uint8 [M, 28, 28], ink bright.
        sample: the digit's index in the split; its neighbours are others.
        draws: chance for this sample.
        beside: gives chance for each digit of the number, by its place.
        field: noise for this sample.
        config: how often and how strongly; `no_digit` is how often the place is wrong.

    Returns:
        uint8 [28, 28], the place's box in the middle, 20 pixels on its longer side, and around it
        what is there; and the digit, or 10 where the place is wrong.
    """
    wrong, other = draws.chance(config.no_digit), draws.chance(OTHER)
    number, chosen = _number(split, sample, draws, beside, config, wrong and other)
    canvas = _on_canvas(number)
    box = _wrong_place(canvas, number, chosen, draws) if wrong and not other else None
    label = number[chosen].digit if box is None else NO_DIGIT
    ink = framed(canvas, box or _place(canvas, number[chosen], draws), CANVAS)
    written = with_pen(ink, draws, config)
    seen = spoilt(written, draws, config, field)
    readable = next((one for one in (seen, written) if _is_readable(one, ink)), ink)
    # Few pixels make a smaller canvas, of the same place.
    method = cv2.INTER_AREA if len(readable) > SIDE else cv2.INTER_LINEAR
    shown = np.asarray(cv2.resize(readable, (SIDE, SIDE), interpolation=method), np.float32)
    return greys(shown), label


def _is_readable(spoilt_ink: Floats, before: Floats) -> bool:
    """Whether most of the ink is left, and it is no blot."""
    after = float((spoilt_ink > INKED).mean())
    then = float((before > INKED).mean())
    return 0.5 * then <= after <= max(then, MOST_INK)


def _number(
    split: Split,
    sample: int,
    draws: Draws,
    beside: Callable[[int], Draws],
    config: HandwritingConfig,
    other: bool,
) -> tuple[list[_Written], int]:
    """Return a number of one to three characters, and at which place in it the sample stands.

    With `other`, something that is no digit stands there.
    """
    count = 1 + int(draws.next() * MOST)
    chosen = int(draws.next() * count)
    touching = draws.choice((0.2, 0.7, 1.0))
    number: list[_Written] = []
    for at in range(count):
        own = beside(at)
        index = sample if at == chosen else int(own.next() * len(split))
        is_other = other if at == chosen else own.chance(BESIDE)
        digit = NO_DIGIT if is_other else int(split.labels[index])
        ink = _character(split, index, digit, own, config)
        height = len(ink)
        sunk = round(TALL * own.between(-0.25, 0.25) * own.next())
        if not number:
            left = 0
        elif own.chance(touching):
            left = _free(number[-1], ink, sunk) - round(TALL * 0.14 * own.next())
        else:
            left = _free(number[-1], ink, sunk) + round(TALL * own.between(0.02, 0.3))
        if number:
            before = number[-1]
            middle = before.left + before.ink.shape[1] / 2
            deepest = before.left + before.ink.shape[1] - 0.55 * TALL
            left = max(left, math.ceil(deepest), math.ceil(middle + 0.2 * TALL - ink.shape[1] / 2))
        number.append(_Written(ink, left, sunk - height, digit))
    return number, chosen


def _character(
    split: Split, index: int, digit: int, draws: Draws, config: HandwritingConfig
) -> Floats:
    """Return a digit, or what is none, of some height, cropped to its ink, float32 [h, w]."""
    if digit == NO_DIGIT:
        ink = scribble(draws) if draws.chance(SCRIBBLED) else drawn_other(draws)
    elif draws.chance(config.drawn):
        ink = drawn_digit(digit, draws)
    else:
        ink = restyled(split.images[index], digit, draws, config.styles)
    ink = _cropped(warped(ink, draws, config))
    scale = TALL * draws.between(0.75, 1.2) / len(ink)
    scale = min(scale, WIDEST * TALL / ink.shape[1])
    size = (max(2, round(ink.shape[1] * scale)), max(6, round(len(ink) * scale)))
    return _cropped(np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_LINEAR), np.float32))


def _cropped(ink: Floats) -> Floats:
    """Return ink without empty margins; all of it where it is faint."""
    left, top, width, height = ink_box(ink)
    return ink[top : top + height, left : left + width] if width else ink


def _free(before: _Written, ink: Floats, sunk: int) -> int:
    """Return how far to the left ink can stand until it meets the digit before it."""
    top = min(before.top, sunk - len(ink))
    tall = max(before.top + len(before.ink), sunk) - top
    right = np.full(tall, -10_000)
    mask = before.ink > INKED
    rows = before.top - top + np.flatnonzero(mask.any(axis=1))
    ends = before.left + mask.shape[1] - mask[:, ::-1].argmax(axis=1)
    right[rows] = ends[mask.any(axis=1)]
    right = np.maximum(right, np.maximum(np.roll(right, 1), np.roll(right, -1)))
    mask = ink > INKED
    inked = mask.any(axis=1)
    rows = sunk - len(ink) - top + np.flatnonzero(inked)
    needed = int(np.max(right[rows] - mask.argmax(axis=1)[inked], initial=-10_000))
    # Where they are above each other, nothing meets.
    return needed if needed > -5_000 else before.left + before.ink.shape[1]


def _on_canvas(number: list[_Written]) -> Floats:
    """Return the ink of a number; places in it are those of its digits, from its own corner."""
    x, y, width, height = surrounding([one.box for one in number])
    canvas = np.zeros((height, width), np.float32)
    for at, one in enumerate(number):
        left, top = one.left - x, one.top - y
        part = canvas[top : top + len(one.ink), left : left + one.ink.shape[1]]
        np.maximum(part, one.ink, out=part)
        number[at] = _Written(one.ink, left, top, one.digit)
    return canvas


def _place(canvas: Floats, one: _Written, draws: Draws) -> Box:
    """Return a digit's box as those who cut would have it: a little more or less at its sides."""
    left, top, width, height = one.box
    first = left + round(width * draws.between(-0.09, 0.09))
    last = left + width + round(width * draws.between(-0.09, 0.09))
    last = max(last, first + 1)
    if draws.chance(0.6):
        return first, top, last - first, height
    return _inked(canvas, first, last) or one.box


def _wrong_place(canvas: Floats, number: list[_Written], chosen: int, draws: Draws) -> Box | None:
    """Return the box of a part of a digit, of several, or of parts of two; None where all slim."""
    left, _, width, _ = number[chosen].box
    kind = draws.next()
    if kind < 0.4 or len(number) == 1:
        share, over = draws.between(0.3, 0.65), draws.between(-0.05, 0.05)
        if width < SLIM * TALL:
            return None
        if draws.chance(0.5):
            return _inked(canvas, left + round(over * width), left + round(share * width))
        return _inked(canvas, left + width - round(share * width), left + width)
    first = min(chosen, len(number) - 2)
    one, other = number[first], number[first + 1]
    if kind < 0.75:
        last = min(len(number) - 1, first + 1 + int(draws.next() * 1.3))
        end = number[last].left + number[last].ink.shape[1]
        return _inked(canvas, one.left, end)
    wide, next_wide = one.ink.shape[1], other.ink.shape[1]
    if min(wide, next_wide) < SLIM * TALL:
        return None
    begin = one.left + round(draws.between(0.3, 0.7) * wide)
    return _inked(canvas, begin, other.left + round(draws.between(0.3, 0.7) * next_wide))


def _inked(canvas: Floats, first: int, last: int) -> Box | None:
    """Return the box of the ink between two columns; None where there is none to speak of."""
    first = max(0, first)
    left, top, width, height = ink_box(canvas[:, first : max(first, last)])
    return (first + left, top, width, height) if height >= 0.2 * TALL else None
