"""Other hands, pens and cameras: what the recipe photo makes of each digit before learning it.

Used by whoever makes the pictures of a shard. A sample is restyled or drawn anew, or turned into
something that is no digit; bent, stretched and given another pen; spoilt as cameras and scanners
spoil; and then goes through the same `preparation.normalise` as a picture that is read. All of it
is a function of (seed, epoch, sample): docs/design.md, invariant 1.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws, uniform
from digitlab.config import HandwritingConfig
from digitlab.data.dataset import Images, Labels, Split
from digitlab.preparation import normalise
from digitlab.synthesis.drawings import CANVAS, drawn_digit, drawn_other, scribble
from digitlab.synthesis.hands import INKED, NO_DIGIT, Field, spoilt, warped, with_pen
from digitlab.synthesis.in_number import in_number
from digitlab.synthesis.remains import corner, with_remains
from digitlab.synthesis.styles import enlarged, restyled

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

_NUMBERS = 256  # of chance for a sample, more than any path through here draws
_BLOT = 0.68  # of its box that ink covers; a digit covers less, but for a 1 that stands straight
# Turns (degrees) and mirrors after which a digit is none: not 0, 1 and 8, nor a 6 on its head.
_TURNS = {2: (90,), 3: (90, 180, 270), 4: (90, 180), 5: (90,), 6: (90, 270), 7: (90, 180), 9: (90,)}
_MIRRORED = (3, 4, 6, 7, 9)


def vary(
    split: Split, samples: npt.NDArray[np.int64], epoch: int, seed: int, config: HandwritingConfig
) -> tuple[Images, Labels]:
    """Return samples as other hands and cameras make them, and what they show.

    Args:
        split: whose images are uint8 [M, 28, 28], ink bright.
        samples: int64 [N], indices in the split.
        epoch: from 0.
        seed: of the run.
        config: how often and how strongly, see `HandwritingConfig`.

    Returns:
        uint8 [N, 28, 28], prepared; int64 [N], 10 where there is no digit any more.
    """
    numbers = uniform(seed, "augment", epoch, samples[:, None], np.arange(_NUMBERS))
    images = np.zeros((len(samples), 28, 28), np.uint8)
    labels = split.labels[samples]
    for at, sample in enumerate(samples.tolist()):
        draws = Draws(numbers[at].tolist())

        def field(side: int, sample: int = sample) -> Floats:
            cells = np.arange(side * side)
            return uniform(seed, "pixels", epoch, sample, cells).reshape(side, side).astype("f4")

        def beside(digit: int, sample: int = sample) -> Draws:
            chance = uniform(seed, "number", epoch, sample, digit, np.arange(_NUMBERS))
            return Draws(chance.tolist())

        if config.in_number and draws.chance(config.in_number):
            images[at], labels[at] = in_number(split, sample, draws, beside, field, config)
        else:
            images[at], labels[at] = _alone(split, sample, draws, field, config)
    return images, labels


def _alone(
    split: Split, sample: int, draws: Draws, field: Field, config: HandwritingConfig
) -> tuple[Picture, int]:
    """Return a digit by itself, or what is none, prepared, and what it shows."""
    label = int(split.labels[sample])
    if draws.chance(config.no_digit):
        ink = _no_digit(split, sample, draws, field, config.remains)
        label = NO_DIGIT
    elif draws.chance(config.drawn):
        ink = drawn_digit(label, draws)
    else:
        ink = restyled(split.images[sample], label, draws, config.styles)
    written = with_pen(warped(ink, draws, config), draws, config)
    if label != NO_DIGIT and config.remains:
        left = with_remains(written, draws, config.remains)
        # A gap makes two pieces of one, and remains are more than a line.
        written = left if _is_seen(left, written) else written
    seen = spoilt(written, draws, config, field)
    if not _is_readable(seen, written):
        seen = written
    if not _is_readable(seen, ink):
        seen = ink
    if seen.max() <= INKED:  # a blank image has nothing to show
        return np.zeros((28, 28), np.uint8), label
    return normalise(seen), label


def _is_readable(spoilt: Floats, before: Floats) -> bool:
    """Whether a line is left, no crumbs and no blot: a person should still read it."""
    if spoilt.max() <= INKED:
        return False
    pieces, area, solid = _line_of(spoilt)
    pieces_before, area_before, solid_before = _line_of(before)
    is_blot = solid > _BLOT and solid > solid_before + 0.2
    return pieces <= pieces_before + 2 and area >= area_before / 4 and not is_blot


def _is_seen(left: Floats, before: Floats) -> bool:
    """Whether most of a digit is still there: of its ink, not of its remains."""
    kept = np.minimum(left, before).sum()
    return bool(left.max() > INKED and kept >= 0.6 * before.sum())


def _line_of(ink: Floats) -> tuple[int, float, float]:
    """Return in how many pieces ink lies, and which part of the canvas and its box it covers."""
    mask = (ink > INKED * ink.max()).view(np.uint8)
    _, _, width, height = cv2.boundingRect(mask)
    area = cv2.countNonZero(mask)
    return int(cv2.connectedComponents(mask)[0]), area / mask.size, area / max(1, width * height)


def _no_digit(split: Split, sample: int, draws: Draws, field: Field, remains: float) -> Floats:
    """Return what is no digit: a letter, a turned digit, two digits, a scribble, a blot.

    With remains, also the lines of an empty cell.
    """
    kind = draws.next()
    if remains and draws.chance(0.1 * remains):
        return corner(draws)
    digit = int(split.labels[sample])
    if kind < 0.5:
        return drawn_other(draws)
    if kind < 0.65 and digit in _TURNS:
        ink = enlarged(split.images[sample])
        if digit in _MIRRORED and draws.chance(0.4):
            return np.ascontiguousarray(ink[:, ::-1])
        return np.ascontiguousarray(np.rot90(ink, draws.choice(_TURNS[digit]) // 90))
    if kind < 0.8:
        return _two(split, sample, int(draws.next() * len(split)), draws)
    if kind < 0.9:
        return scribble(draws)
    return _blot(draws, field)


def _two(split: Split, sample: int, other: int, draws: Draws) -> Floats:
    """Return two digits, side by side, above each other or across each other."""
    left, right = enlarged(split.images[sample]), enlarged(split.images[other])
    apart = draws.between(18, 34) if draws.chance(0.9) else draws.between(4, 8)
    angle = draws.between(-0.4, 0.4) if draws.chance(0.7) else draws.between(0, math.pi)
    x, y = apart / 2 * math.cos(angle), apart / 2 * math.sin(angle)
    size = 0.7 if apart > 10 else 1.0
    ink = np.zeros((CANVAS, CANVAS), np.float32)
    for part, sign in ((left, -1), (right, 1)):
        centre = (1 - size) * CANVAS / 2
        matrix = np.array([[size, 0, centre + sign * x], [0, size, centre + sign * y]])
        ink = np.maximum(ink, cv2.warpAffine(part, matrix, (CANVAS, CANVAS)))
    return ink


def _blot(draws: Draws, field: Field) -> Floats:
    """Return spots, textures and edges, as photographs of things leave them."""
    cells = 4 + int(draws.next() * 13)
    smooth = cv2.resize(field(cells), (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
    level = draws.between(0.45, 0.75)
    ink = np.clip((smooth - level) * draws.between(4, 20), 0, 1).astype(np.float32)
    if draws.chance(0.5):  # only around the middle
        rows, columns = np.mgrid[-1 : 1 : CANVAS * 1j, -1 : 1 : CANVAS * 1j]
        reach = draws.between(0.3, 0.8) ** 2
        ink[rows**2 * draws.between(0.7, 2) + columns**2 > reach] = 0
    if not ink.max() > INKED:
        cv2.circle(ink, (CANVAS // 2, CANVAS // 2), 4 + int(draws.next() * 12), 1.0, -1)
    return np.asarray(ink, np.float32)
