"""Other hands, pens and cameras: what the recipe photo makes of each digit before learning it.

Used by whoever makes the pictures of a shard. A sample is restyled or drawn anew, or turned into
something that is no digit; bent, stretched and given another pen; spoilt as cameras and scanners
spoil; and then goes through the same `preparation.normalise` as a picture that is read. All of it
is a function of (seed, epoch, sample): docs/design.md, invariant 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws, uniform
from digitlab.config import HandwritingConfig
from digitlab.data.dataset import Images, Labels, Split
from digitlab.preparation import normalise
from digitlab.synthesis.drawings import CANVAS, drawn_digit, drawn_other, scribble
from digitlab.synthesis.remains import corner, with_remains
from digitlab.synthesis.styles import enlarged, restyled

Floats = npt.NDArray[np.float32]
Field = Callable[[int], Floats]  # float32 [side, side] of a sample's noise, 0 to 1

NO_DIGIT = 10
_NUMBERS = 256  # of chance for a sample, more than any path through here draws
_GRID = 5
_BOXED = 0.15  # of the stretched
_INKED = 0.4  # of full ink; more counts as a stroke
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

        if draws.chance(config.no_digit):
            ink = _no_digit(split, sample, draws, field, config.remains)
            labels[at] = NO_DIGIT
        elif draws.chance(config.drawn):
            ink = drawn_digit(int(labels[at]), draws)
        else:
            ink = restyled(split.images[sample], int(labels[at]), draws, config.styles)
        written = _with_pen(_warped(ink, draws, config), draws, config)
        if labels[at] != NO_DIGIT and config.remains:
            left = with_remains(written, draws, config.remains)
            # A gap makes two pieces of one, and remains are more than a line.
            written = left if _is_seen(left, written) else written
        spoilt = _spoilt(written, draws, config, field)
        if not _is_readable(spoilt, written):
            spoilt = written
        if not _is_readable(spoilt, ink):
            spoilt = ink
        if spoilt.max() > _INKED:  # a blank image has nothing to show
            images[at] = normalise(spoilt)
    return images, labels


def _is_readable(spoilt: Floats, before: Floats) -> bool:
    """Whether a line is left, no crumbs and no blot: a person should still read it."""
    if spoilt.max() <= _INKED:
        return False
    pieces, area, solid = _line_of(spoilt)
    pieces_before, area_before, solid_before = _line_of(before)
    is_blot = solid > _BLOT and solid > solid_before + 0.2
    return pieces <= pieces_before + 2 and area >= area_before / 4 and not is_blot


def _is_seen(left: Floats, before: Floats) -> bool:
    """Whether most of a digit is still there: of its ink, not of its remains."""
    kept = np.minimum(left, before).sum()
    return bool(left.max() > _INKED and kept >= 0.6 * before.sum())


def _line_of(ink: Floats) -> tuple[int, float, float]:
    """Return in how many pieces ink lies, and which part of the canvas and its box it covers."""
    mask = (ink > _INKED * ink.max()).view(np.uint8)
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
    if not ink.max() > _INKED:
        cv2.circle(ink, (CANVAS // 2, CANVAS // 2), 4 + int(draws.next() * 12), 1.0, -1)
    return np.asarray(ink, np.float32)


def _warped(ink: Floats, draws: Draws, config: HandwritingConfig) -> Floats:
    """Turn, slant, stretch unevenly, move and bend; see Simard, Steinkraus and Platt (2003)."""
    angle = math.radians(_bell(draws) * config.rotation)
    slant = _bell(draws) * config.slant
    stretch = math.exp(_bell(draws) * config.stretch)
    boxed, filled = draws.chance(_BOXED * config.stretch), draws.between(0.55, 1.05)
    if boxed:  # as scans are that are stretched until they fill a square
        stretch = min(max(filled / _shape_of(ink), 0.5), 3.0)
    size = draws.between(0.8, 1.1)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shape = np.array([[math.sqrt(stretch), slant], [0.0, 1 / math.sqrt(stretch)]]) * size
    inverse = np.linalg.inv(turn @ shape)
    middle = np.array([(CANVAS - 1) / 2] * 2)
    matrix = np.column_stack([inverse, middle - inverse @ middle])
    bends = draws.chance(0.6)
    amount = draws.next() * config.bend * CANVAS / 28
    grows = [_bell(draws) * config.bend * CANVAS / 28 for _ in range(2)]
    signed = np.array([draws.next() for _ in range(2 * _GRID**2)], np.float32) * 2 - 1
    if not bends:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(ink, matrix, (CANVAS, CANVAS), flags=flags), np.float32)
    grids = signed.reshape(2, _GRID, _GRID) * amount
    bend = [cv2.resize(grid, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC) for grid in grids]
    at = np.arange(CANVAS, dtype=np.float32)
    rows, columns = at[:, None], at[None]
    a, b = matrix.astype(np.float32)
    # Small heads on large bellies, and the reverse: one side grows at the cost of the other.
    swell = 1 - ((at - middle[0]) / (CANVAS / 2)).astype(np.float32) ** 2
    map_x = a[0] * columns + a[1] * rows + a[2] + bend[0] + grows[0] * swell[None]
    map_y = b[0] * columns + b[1] * rows + b[2] + bend[1] + grows[1] * swell[:, None]
    return np.asarray(cv2.remap(ink, map_x, map_y, cv2.INTER_LINEAR), np.float32)


def _shape_of(ink: Floats) -> float:
    """Return width by height of the ink, at least a tenth."""
    rows, columns = (ink > _INKED).any(axis=1).sum(), (ink > _INKED).any(axis=0).sum()
    return max(float(columns) / max(float(rows), 1.0), 0.1)


def _bell(draws: Draws) -> float:
    """Return a number in -1..1, the middle likelier than the ends."""
    return draws.next() + draws.next() - 1


def _with_pen(ink: Floats, draws: Draws, config: HandwritingConfig) -> Floats:
    """Write the same line with another pen: thinner or thicker, sharper or softer edges."""
    change, softness = draws.next(), draws.between(0.8, 3.0)
    thickest = 7.0 if draws.chance(0.12) else 3.0  # a brush, or any pen
    mask = (ink > 0.5).astype(np.uint8)
    if not draws.chance(config.pen) or mask.all():
        return ink
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
    outside = np.minimum(outside, 2 * CANVAS)  # it is endless where the warp has left no ink
    deepest = float(inside.max())
    radius = -0.75 * deepest + change * (0.75 * deepest + thickest)
    level = 0.5 + (inside - outside + radius) / softness
    return np.asarray(np.clip(level, 0, 1), np.float32)


def _spoilt(ink: Floats, draws: Draws, config: HandwritingConfig, field: Field) -> Floats:
    """Spoil a clean drawing as pens, paper, scanners and cameras do."""
    strength = config.spoil
    if draws.chance(0.12 * strength):  # a dry pen
        cells = 5 + int(draws.next() * 12)
        dry = cv2.resize(field(cells), (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
        ink = np.asarray(ink * np.clip(draws.between(0.4, 1.0) + dry, 0, 1), np.float32)
    if draws.chance(0.06 * strength):  # what is left of a ruled line
        ink = np.maximum(ink, _line(draws))
    if draws.chance(0.06 * strength):  # cut at an edge
        ink = _cut(ink, draws)
    if draws.chance(0.2 * strength):  # out of focus
        ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), draws.between(0.7, 2.6)), np.float32)
    if draws.chance(0.35 * strength):  # few pixels
        side = round(CANVAS / _high(ink) * draws.between(7, 20))
        small = cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA)
        ink = np.asarray(small, np.float32)
        if draws.chance(0.35):
            ink = (ink > draws.between(0.2, 0.5) * ink.max()).astype(np.float32)
    if draws.chance(0.2 * strength):  # noise, and the threshold that clears the paper of it
        noise = field(len(ink)) + field(len(ink)).T - 1
        noisy = np.asarray(ink + noise * draws.between(0.05, 0.3), np.float32)
        return _stretched(noisy, draws.between(0.1, 0.35), draws.between(0.6, 1.0))
    if draws.chance(0.5):  # how the ink's strength becomes grey
        return _stretched(ink, draws.between(0.0, 0.3), draws.between(0.55, 1.0))
    return ink


def _stretched(ink: Floats, low: float, high: float) -> Floats:
    """Make `low` and less no ink, and `high` and more full ink."""
    return np.asarray(np.clip((ink - low) / (high - low), 0, 1), np.float32)


def _high(ink: Floats) -> int:
    """Return how many rows or columns have ink, whichever is more, at least 1."""
    mask = ink > 0.3
    return max(int(mask.any(axis=1).sum()), int(mask.any(axis=0).sum()), 1)


def _line(draws: Draws) -> Floats:
    """Return a thin line through or beside the digit."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    level, tilt = draws.between(12, 56), draws.between(-2, 2)
    start, length = draws.between(8, 40), draws.between(8, 44)
    ends = np.rint(np.array([[start, level], [start + length, level + tilt]]) * 16)
    cv2.line(canvas, ends[0].astype(int), ends[1].astype(int), 255, 1, cv2.LINE_AA, 4)
    line = np.asarray(canvas * (draws.between(0.4, 1.0) / 255), np.float32)
    return line if draws.chance(0.7) else np.ascontiguousarray(line.T)


def _cut(ink: Floats, draws: Draws) -> Floats:
    """Return the ink without a strip at one side of the digit."""
    mask = ink > 0.3
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part, side = draws.between(0.03, 0.13), int(draws.next() * 4)
    if not len(rows):
        return ink
    cut = ink.copy()
    height, width = np.ptp(rows), np.ptp(columns)
    if side == 0:
        cut[: rows[0] + round(part * height)] = 0
    elif side == 1:
        cut[rows[-1] + 1 - round(part * height) :] = 0
    elif side == 2:
        cut[:, : columns[0] + round(part * width)] = 0
    else:
        cut[:, columns[-1] + 1 - round(part * width) :] = 0
    return cut
