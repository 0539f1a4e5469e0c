"""How a hand draws the forms of forms.py: no two alike, uneven, with any pen; and scribbles.

Used by handwriting.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.synthesis.forms import DIGITS, OTHERS

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

CANVAS = 64  # pixels; a digit is about 40 of them high, as 20 of 28
_HEIGHT = 40.0
_PIECES = 6  # of a curve between two points


@cache
def strokes_of(form: str) -> tuple[Points, ...]:
    """Return the strokes of a form as dense points in 0..1, curves resolved."""
    strokes = []
    for stroke in form.split("/"):
        straight = stroke.startswith("l ")
        pairs = stroke.removeprefix("l ").split()
        points = np.array([[int(pair[0]), int(pair[1])] for pair in pairs], np.float64) / 9
        strokes.append(points if straight else curve(points))
    return tuple(strokes)


def curve(points: Points) -> Points:
    """Return a smooth curve through points, float64 [N, 2] (Catmull and Rom, 1974)."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = ends[:-3, None], ends[1:-2, None], ends[2:-1, None], ends[3:, None]
    t = (np.arange(_PIECES) / _PIECES)[None, :, None]
    pieces = start + 0.5 * t * (
        end
        - before
        + t * (2 * before - 5 * start + 4 * end - after)
        + t * t * (3 * (start - end) + after - before)
    )
    return np.concatenate([pieces.reshape(-1, 2), points[-1:]])


def drawn_digit(digit: int, draws: Draws) -> Floats:
    """Return a drawn digit, float32 [CANVAS, CANVAS], ink 0 to 1."""
    return _drawn(strokes_of(draws.choice(DIGITS[digit])), draws)


def drawn_other(draws: Draws) -> Floats:
    """Return a drawn letter or sign, float32 [CANVAS, CANVAS], ink 0 to 1."""
    return _drawn(strokes_of(draws.choice(OTHERS)), draws)


def scribble(draws: Draws) -> Floats:
    """Return a line that wanders, float32 [CANVAS, CANVAS], ink 0 to 1."""
    count = 5 + int(draws.next() * 10)
    points = np.array([[draws.next(), draws.next()] for _ in range(count)])
    return _drawn((curve(points) if draws.chance(0.6) else points,), draws)


def _drawn(strokes: Sequence[Points], draws: Draws) -> Floats:
    """Draw strokes as a hand does: no two alike, ends too short or too long, uneven pressure."""
    width = draws.between(0.5, 0.85)
    wobble = draws.between(0.0, 0.06)
    phase = np.array([[draws.between(0, 6.3), draws.between(0, 6.3)] for _ in range(4)])
    bends = []
    for points in strokes:
        # A slow bend of the whole plane, so that strokes that meet go on meeting.
        bend = sum(
            np.sin((at + 1) * 2.2 * points[:, ::-1] + phase[at]) / (at + 1) for at in range(4)
        )
        shift = np.array([draws.between(-0.035, 0.035), draws.between(-0.035, 0.035)])
        bends.append((points + wobble * bend + shift) * (width, 1.0))
    middle = np.array([width / 2, 0.5])
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    thickness = 2 + int(draws.next() * 6)
    for points in bends:
        pixels = np.rint(((points - middle) * _HEIGHT + CANVAS / 2) * 16).astype(np.int32)
        cv2.polylines(canvas, [pixels[:, None]], False, 255, thickness, cv2.LINE_AA, 4)
    return np.asarray(canvas / 255, np.float32)
