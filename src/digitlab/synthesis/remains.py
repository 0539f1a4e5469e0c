"""What the preparation leaves beside a digit, or takes from it: lines, neighbours, print, gaps.

Used by handwriting.py, on drawings of CANVAS pixels; camera.py has code of its own for pictures, so
that no model is measured on what it learned from.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.synthesis.drawings import CANVAS, drawn_digit

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]


def with_remains(ink: Floats, draws: Draws, strength: float) -> Floats:
    """Return a digit, float32 [CANVAS, CANVAS], with some remains, each as often as is usual."""
    usual = (
        (0.1, _gaps),
        (0.06, _fainter_part),
        (0.1, _border),
        (0.06, _painted_over),
        (0.08, _neighbour),
        (0.04, _underline),
        (0.03, _circle),
        (0.05, _print),
        (0.06, _specks),
    )
    for often, left in usual:
        if draws.chance(often * strength):
            ink = left(ink, draws)
    return ink


def corner(draws: Draws) -> Floats:
    """Return the lines that are left of an empty cell, float32 [CANVAS, CANVAS]: two or three."""
    ink = np.zeros((CANVAS, CANVAS), np.float32)
    width, tilt = draws.between(1, 5), draws.between(-0.06, 0.06)
    first = int(draws.next() * 4)
    for side in range(first, first + 2 + draws.chance(0.3)):
        at = draws.between(3, 20)
        at = at if side % 4 < 2 else CANVAS - at
        lean = tilt * CANVAS / 2
        ends = _through(at, -lean, True) if side % 2 else _through(at, lean, False)
        ink = np.maximum(ink, _line(ends, width))
    return ink


def _box(ink: Floats) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what has ink, all 0 where there is none."""
    left, top, width, height = cv2.boundingRect((ink > 0.4).view(np.uint8))
    return int(left), int(top), int(left + width), int(top + height)


def _through(at: float, lean: float, across: bool) -> Points:
    """Return the ends of a line through the canvas, float64 [2, 2], that leans by 2 `lean`."""
    ends = np.array([(at - lean, -4.0), (at + lean, CANVAS + 4.0)])
    return ends[:, ::-1] if across else ends


def _line(points: Points, width: float) -> Floats:
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    fixed = np.rint(points * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed[:, None]], False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / np.float32(255)


def _gaps(ink: Floats, draws: Draws) -> Floats:
    """Cut a digit through, at one to three places: across a stroke or from side to side."""
    rows, columns = np.nonzero(ink > 0.5)
    left = ink
    for _ in range(1 + int(draws.next() * 3)):
        at, angle = draws.next(), draws.between(0, math.pi)
        reach = CANVAS if draws.chance(0.3) else draws.between(4, 9)
        width = draws.between(1, 4)
        if not len(rows):
            continue
        middle = np.array([columns[int(at * len(rows))], rows[int(at * len(rows))]], np.float64)
        way = reach * np.array([math.cos(angle), math.sin(angle)])
        left = left * (1 - _line(np.array([middle - way, middle + way]), width))
    return np.asarray(left, np.float32)


def _fainter_part(ink: Floats, draws: Draws) -> Floats:
    """Let a side of a digit be fainter than the other."""
    angle, depth = draws.between(0, 2 * math.pi), draws.between(0.4, 0.85)
    at = np.arange(CANVAS, dtype=np.float32) - CANVAS / 2
    along = at[None] * math.cos(angle) + at[:, None] * math.sin(angle) + draws.between(-12, 8)
    fade = np.clip(along / draws.between(3, 20), 0, 1)
    return np.asarray(ink * (1 - depth * fade), np.float32)


def _border(ink: Floats, draws: Draws) -> Floats:
    """Leave a piece of a straight border, beside the digit or across its end; at times two."""
    left, top, right, bottom = _box(ink)
    for _ in range(1 + draws.chance(0.3)):
        side, width = int(draws.next() * 4), draws.between(1, 5)
        away, tilt, strength = draws.between(-3, 9), draws.between(-0.05, 0.05), draws.next()
        begin, length = draws.between(-0.3, 0.8), draws.between(0.15, 1.6)
        if side % 2:  # above, below
            level = top - away if side == 1 else bottom + away
            start = left + begin * (right - left)
            end = start + length * (right - left)
            ends = [(start, level), (end, level + tilt * (end - start))]
        else:
            # What is as high as the digit could be a 1 beside it.
            length = length if length < 0.5 else 1.3 + length
            level = left - away if side == 0 else right + away
            start = top + (begin if length < 0.5 else -0.5) * (bottom - top)
            end = start + length * (bottom - top)
            ends = [(level, start), (level + tilt * (end - start), end)]
        ink = np.maximum(ink, _line(np.array(ends), width) * (0.35 + 0.65 * strength))
    return np.asarray(ink, np.float32)


def _painted_over(ink: Floats, draws: Draws) -> Floats:
    """Lose what a border hid that was painted over: a straight band through an outer part."""
    left, top, right, bottom = _box(ink)
    side, width = int(draws.next() * 4), draws.between(2, 7)
    depth, tilt = draws.between(-0.05, 0.3), draws.between(-0.06, 0.06) * CANVAS / 2
    if side % 2:
        level = top + depth * (bottom - top) if side == 1 else bottom - depth * (bottom - top)
    else:
        level = left + depth * (right - left) if side == 0 else right - depth * (right - left)
    band = _line(_through(level, tilt, bool(side % 2)), width)
    rest = np.asarray(ink * (1 - band), np.float32)
    return rest if rest.sum() >= 0.8 * ink.sum() else ink  # most bars of a 7 are more than a fifth


def _neighbour(ink: Floats, draws: Draws) -> Floats:
    """Leave a part of another digit beside this one, cut off by what was a picture's edge."""
    left, top, right, bottom = _box(ink)
    other = drawn_digit(int(draws.next() * 10), draws)
    side, part, gap = int(draws.next() * 2), draws.between(2, 9), draws.between(1, 6)
    its_left, _, its_right, _ = _box(other)
    part = min(part, 0.45 * (its_right - its_left))
    drop = draws.between(-6, 6)
    if side:  # its left part stands at the right
        shift, edge = right + gap - its_left, right + gap + part
    else:
        shift, edge = left - gap - its_right, left - gap - part
    matrix = np.array([[1, 0, shift], [0, 1, drop + (top + bottom - CANVAS) / 2]])
    moved = cv2.warpAffine(other, matrix, (CANVAS, CANVAS))
    columns = np.arange(CANVAS)
    seen = columns < edge if side else columns >= edge
    return np.asarray(np.maximum(ink, moved * seen[None]), np.float32)


def _underline(ink: Floats, draws: Draws) -> Floats:
    """Draw a line below the digit."""
    left, _, right, bottom = _box(ink)
    half = max(right - left, 10) * draws.between(0.35, 1.0)
    level = min(bottom + draws.between(2, 10), CANVAS - 2)
    middle, tilt = (left + right) / 2 + draws.between(-4, 4), draws.between(-0.1, 0.1)
    sag, width = draws.between(-1.5, 1.5), draws.between(1, 4.5)
    points = [(middle - half, level - tilt * half), (middle, level + sag)]
    points.append((middle + half, level + tilt * half))
    return np.maximum(ink, _line(np.array(points), width))


def _circle(ink: Floats, draws: Draws) -> Floats:
    """Draw a circle around the digit, or nearly one, that may touch it."""
    left, top, right, bottom = _box(ink)
    size = draws.between(0.5, 0.75)
    matrix = np.array([[size, 0, 0.5 * (1 - size) * CANVAS], [0, size, 0.5 * (1 - size) * CANVAS]])
    small = cv2.warpAffine(ink, matrix, (CANVAS, CANVAS), flags=cv2.INTER_AREA)
    middle = np.array([left + right, top + bottom]) / 2 * size + 0.5 * (1 - size) * CANVAS
    radius = size * math.hypot(right - left, bottom - top) / 2 * draws.between(0.95, 1.25)
    at = np.linspace(0, 2 * math.pi * draws.between(0.93, 1.1), 40) + draws.between(0, 6.3)
    axes = radius * np.array([draws.between(0.85, 1.1), draws.between(0.9, 1.1)])
    points = middle + np.column_stack([np.cos(at), np.sin(at)]) * axes
    return np.asarray(np.maximum(small, _line(points, draws.between(1, 4))), np.float32)


def _print(ink: Floats, draws: Draws) -> Floats:
    """Lay fine waves under the ink, and leave what is stronger than a threshold."""
    angle, pitch, swing = draws.between(0, math.pi), draws.between(2.5, 11), draws.between(0, 5)
    at = np.arange(CANVAS, dtype=np.float32)
    across = at[None] * math.cos(angle) + at[:, None] * math.sin(angle)
    along = at[:, None] * math.cos(angle) - at[None] * math.sin(angle)
    waves = np.sin((along + swing * np.sin(across / draws.between(3, 12))) * 2 * math.pi / pitch)
    both = ink * draws.between(0.6, 1.0) + draws.between(0.1, 0.35) * waves
    low = draws.between(0.25, 0.5)
    return np.asarray(np.clip((both - low) / draws.between(0.15, 0.5), 0, 1), np.float32)


def _specks(ink: Floats, draws: Draws) -> Floats:
    """Leave dots and short strokes near the digit."""
    ink = ink.copy()
    for _ in range(1 + int(draws.next() * 4)):
        start = np.array([draws.between(6, CANVAS - 6), draws.between(6, CANVAS - 6)])
        way = np.array([draws.between(-4, 4), draws.between(-4, 4)])
        ink = np.maximum(ink, _line(np.array([start, start + way]), draws.between(1, 3)))
    return ink
