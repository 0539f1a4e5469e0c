"""Strokes that other hands add to a digit of MNIST: flags, feet, bars, hooks, slashes.

Used by handwriting.py. What is drawn follows the digit's own ink: where it begins and ends, and how
thick its pen is.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 64  # pixels; 28 of MNIST's are 56 of these, and 4 are left on each side
_SCALE = 2
_LEAST = 8  # pixels; what is less high is no digit that has a head and a foot


def restyled(image: Image, digit: int, draws: Draws, probability: float) -> Floats:
    """Return a digit, enlarged and with some strokes of other styles.

    Args:
        image: uint8 [28, 28], ink bright.
        digit: its label.
        draws: chance for this sample.
        probability: of a stroke that suits the digit.

    Returns:
        float32 [SIDE, SIDE], ink 0 to 1.
    """
    ink = _large(image)
    if digit == 4 and draws.chance(probability / 2):
        ink = _short_tailed(ink, draws)
    if digit in _STROKES and draws.chance(probability):
        rows, columns = np.nonzero(ink > 128)
        if len(rows) and np.ptp(rows) >= _LEAST:
            thick = _thickness(ink) * draws.between(0.7, 1.15)
            for points in _STROKES[digit](rows, columns, draws):
                pixels = np.rint(np.array(points) * 16).astype(np.int32)
                cv2.polylines(
                    ink, [pixels[:, None]], False, 255, max(1, round(thick)), cv2.LINE_AA, 4
                )
    return np.asarray(ink / 255, np.float32)


def enlarged(image: Image) -> Floats:
    """Return a digit of uint8 [28, 28] as float32 [SIDE, SIDE], ink 0 to 1, two pixels for one."""
    return np.asarray(_large(image) / 255, np.float32)


def _large(image: Image) -> Image:
    ink = np.zeros((SIDE, SIDE), np.uint8)
    edge = (SIDE - 28 * _SCALE) // 2
    ink[edge:-edge, edge:-edge] = cv2.resize(
        image, (28 * _SCALE, 28 * _SCALE), interpolation=cv2.INTER_CUBIC
    )
    return ink


def _thickness(ink: Image) -> float:
    """Return the width of the strokes in pixels: twice the mean depth at their middles."""
    depth = cv2.distanceTransform((ink > 128).astype(np.uint8), cv2.DIST_L2, 3)
    return 4 * float(depth[depth > 0].mean()) - 1


Ink = npt.NDArray[np.int64]
Lines = list[list[tuple[float, float]]]


def _one(rows: Ink, columns: Ink, draws: Draws) -> Lines:
    """A flag at the top, and sometimes a foot."""
    top, bottom = int(rows.min()), int(rows.max())
    height = bottom - top
    head = float(columns[rows <= top + 3].mean())
    foot = float(columns[rows >= bottom - 3].mean())
    lines: Lines = []
    if draws.chance(0.8):
        length, steep = draws.between(0.15, 0.65) * height, draws.between(0.5, 1.5)
        across = length / np.hypot(1, steep)
        tip = (head - across, top + 2 + across * steep)
        sag = (head - across / 2, top + 2 + across * steep * draws.between(0.4, 0.7))
        lines.append([(head, top + 2), sag, tip])
    if draws.chance(0.4):
        half, tilt = draws.between(0.15, 0.4) * height, draws.between(-2, 2)
        lines.append([(foot - half, bottom - 1 + tilt), (foot + half, bottom - 1 - tilt)])
    return lines


def _seven(rows: Ink, columns: Ink, draws: Draws) -> Lines:
    """A bar through the stem, and sometimes a hook at the left of the top."""
    top, bottom = int(rows.min()), int(rows.max())
    height = bottom - top
    lines: Lines = []
    if draws.chance(0.8):
        level = top + draws.between(0.4, 0.65) * height
        stem = columns[np.abs(rows - level) <= 1]
        middle = float(stem.mean()) if len(stem) else float(columns.mean())
        half, tilt = draws.between(0.14, 0.36) * height, draws.between(-0.25, 0.12) * height / 2
        lines.append([(middle - half, level - tilt), (middle + half, level + tilt)])
    if draws.chance(0.4):
        upper = rows <= top + height // 2
        left = int(columns[upper].min())
        level = float(rows[upper & (columns <= left + 2)].mean())
        drop = draws.between(0.1, 0.3) * height
        lines.append([(left + 1, level), (left + draws.between(-3, 2), level + drop)])
    return lines


def _nine(rows: Ink, columns: Ink, draws: Draws) -> Lines:
    """A foot that curls to the left, or to the right."""
    bottom, height = int(rows.max()), int(rows.max() - rows.min())
    tip = float(columns[rows >= bottom - 2].mean())
    out = draws.between(0.2, 0.75) * height * (1 if draws.chance(0.15) else -1)
    down, up = draws.between(0.0, 0.12) * height, draws.between(-0.02, 0.18) * height
    return [
        [
            (tip, bottom - 1),
            (tip + 0.3 * out, bottom + down),
            (tip + 0.7 * out, bottom + down - 0.2 * up),
            (tip + out, bottom + down - up),
        ]
    ]


def _zero(rows: Ink, columns: Ink, draws: Draws) -> Lines:
    """A slash from the upper right to the lower left, or a curl above."""
    left, right, top, bottom = columns.min(), columns.max(), rows.min(), rows.max()
    over = draws.between(-0.2, 0.15)
    across, down = (right - left) * over, (bottom - top) * over
    if draws.chance(0.6):
        return [[(right + across, top - down), (left - across, bottom + down)]]
    head = float(columns[rows <= top + 2].mean())
    out = draws.between(0.15, 0.4) * (right - left)
    return [[(head, top + 1), (head + out / 2, top - draws.between(0, 4)), (head + out, top - 3)]]


def _four(rows: Ink, columns: Ink, draws: Draws) -> Lines:
    """A roof that closes the open top, or a bar that goes on to the right."""
    top, height = int(rows.min()), int(rows.max() - rows.min())
    lines: Lines = []
    if draws.chance(0.5):
        upper = rows <= top + 0.3 * height
        left, right = columns[upper].min(), columns[upper].max()
        from_row = float(rows[upper & (columns <= left + 2)].min())
        to_row = float(rows[upper & (columns >= right - 2)].min())
        lines.append([(left + 1, from_row + 1), (right - 1, to_row + 1)])
    if draws.chance(0.5):
        counts = np.bincount(rows)
        level = int(counts[: top + int(0.8 * height)].argmax())
        right = columns[np.abs(rows - level) <= 1].max()
        lines.append([(right, level), (right + draws.between(0.1, 0.35) * height, level)])
    return lines


def _short_tailed(ink: Image, draws: Draws) -> Image:
    """End the stem of a 4 just below its bar."""
    rows = np.nonzero(ink > 128)[0]
    if not len(rows) or np.ptp(rows) < _LEAST:
        return ink
    top, height = int(rows.min()), int(np.ptp(rows))
    level = top + int(np.bincount(rows - top)[: int(0.85 * height) + 1].argmax())
    end = level + _thickness(ink) / 2 + draws.between(0.02, 0.3) * height
    shortened = ink.copy()
    shortened[round(end) :] = 0
    return shortened


_STROKES = {0: _zero, 1: _one, 4: _four, 7: _seven, 9: _nine}
