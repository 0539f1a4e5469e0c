"""Straight lines in the ink of a page: rules, and what may be the side of a box.

Used by rules.py and sides.py. Lines that stand are those that lie in the turned picture.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

TILT = 0.08  # pixels down for each across by which a line may lie askew
DARKER, BY = 1.3, 0.08  # times as strong as its line, and stronger by that: ink on it


def lying_lines(
    strength: Floats, level: float, height: float, length: float, thickest: float
) -> Picture:
    """Return where straight lines lie, uint8 [H, W].

    Args:
        strength: float32 [H, W].
        level: what is stronger counts as ink.
        height: of digits.
        length: of a line, at least; in pixels, as all of these.
        thickest: of a digit's height; what is thicker is no line.
    """
    inked = (strength > level).view(np.uint8)
    size = max(12, round(length))
    slack = max(1, round(TILT * size / 2))
    thick = cv2.dilate(inked, np.ones((2 * slack + 1, 1), np.uint8))
    runs = cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, size), np.uint8))
    near = np.asarray(runs, np.uint8) & inked
    count, labels, stats, _ = cv2.connectedComponentsWithStats(near)
    band = np.zeros_like(inked)
    for one in range(1, count):
        left, top, width, tall, _ = stats[one].tolist()
        if width < 0.8 * size:
            continue
        part = np.s_[top : top + tall, left : left + width]
        on = _on_line(labels[part] == one, strength[part], height, thickest)
        if on is not None:
            band[part] |= on.view(np.uint8)
    return band


def _on_line(part: Mask, strength: Floats, height: float, thickest: float) -> Mask | None:
    """Return where in its box one line is, without strokes along it; None where it is too thick.

    Args:
        part: bool [h, w], the line and what of strokes is near to it.
        strength: float32 [h, w].
        height, thickest: as of `lying_lines`.
    """
    counted = part.sum(axis=0)
    thick = float(np.median(counted[counted > 0]))
    if thick > max(thickest * height, 3):
        return None
    rows, columns = np.arange(part.shape[0])[:, None], np.arange(part.shape[1])
    clean = (counted > 0) & (counted <= 1.3 * thick + 1)
    if clean.sum() < 4:
        return None
    middle = (part * rows).sum(axis=0)[clean] / counted[clean]
    window = max(1, int(height))
    padded = np.pad(middle, window // 2, mode="edge")
    smooth = np.median(
        np.lib.stride_tricks.sliding_window_view(padded, window // 2 * 2 + 1)[
            :: max(1, window // 4)
        ],
        axis=1,
    )
    centre = np.interp(columns, columns[clean][:: max(1, window // 4)], smooth)
    on = part & (np.abs(rows - centre) <= thick / 2 + 1)
    darkest = np.where(on, strength, 0).max(axis=0)  # along its edges, a line is weaker
    level = float(np.median(darkest[darkest > 0])) if on.any() else 0.0
    return np.asarray(on & (strength <= DARKER * level + BY))
