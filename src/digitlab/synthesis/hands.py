"""What another hand, another pen, and then a camera or scanner make of the ink of a digit.

Used by handwriting.py and in_number.py. Ink is float32 [CANVAS, CANVAS], 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.config import HandwritingConfig
from digitlab.synthesis.drawings import CANVAS

Floats = npt.NDArray[np.float32]
Field = Callable[[int], Floats]  # float32 [side, side] of a sample's noise, 0 to 1

NO_DIGIT = 10  # the answer where there is none
INKED = 0.4  # of full ink; more counts as a stroke
_GRID = 5
_BOXED = 0.15  # of the stretched


def warped(ink: Floats, draws: Draws, config: HandwritingConfig) -> Floats:
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
    rows, columns = (ink > INKED).any(axis=1).sum(), (ink > INKED).any(axis=0).sum()
    return max(float(columns) / max(float(rows), 1.0), 0.1)


def _bell(draws: Draws) -> float:
    """Return a number in -1..1, the middle likelier than the ends."""
    return draws.next() + draws.next() - 1


def with_pen(ink: Floats, draws: Draws, config: HandwritingConfig) -> Floats:
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


def spoilt(ink: Floats, draws: Draws, config: HandwritingConfig, field: Field) -> Floats:
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
