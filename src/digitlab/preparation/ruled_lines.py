"""The lines of ruled and squared paper: found in the ink of a whole picture, and taken out.

Used by ink.py. A line is straight, thin, runs through the whole picture and has others beside it;
a stroke that crosses it is kept whole, as staff lines are taken
out of scores (Dalitz, Droettboom, Pranzas and Fujinaga, 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.pixels import inked_bands, line_coverage, lit_columns, medians

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LOOK_SIDE = 256  # pixels; lines are found on a copy of this size
FAINTEST = 0.15  # of the ink's strength
STEEPEST = 0.12  # pixels down for each across
SMALLEST = 48  # pixels; in smaller pictures, strokes look like lines
MOST = 0.7  # of the picture; what covers more is no lines
LONG = 0.7  # of the picture that a line must cover
MANY = 3  # no digit has so many parallel strokes from side to side
INKED = 0.35  # of the ink's strength; beside a line, a stroke that crosses it


@dataclass(frozen=True)
class _Line:
    """A nearly horizontal line: its height at the middle of the picture and its slope."""

    middle: float
    slope: float
    coverage: float


@dataclass(frozen=True)
class _Removal:
    """Ink without its nearly horizontal lines.

    Attributes:
        cleaned: float32 [H, W], the strength of the ink that is left.
        mask: bool [H, W], where the lines were.
        lines: how many; those that touch are one.
        through: whether all of them run from side to side.
    """

    cleaned: Floats
    mask: Mask
    lines: int
    through: bool


def without_lines(strength: Floats) -> tuple[Floats, Mask | None]:
    """Return the strength of ink, float32 [H, W], without lines, and where they were, if any."""
    for turns in ((False, True), (False,), (True,)):  # horizontal lines, vertical ones
        cleaned, masks, removals = strength, [], []
        for turn in turns:
            view = cleaned.T if turn else cleaned
            lines = _find_lines(view)
            removal = _removed(view, lines) if lines else None
            if removal is not None:
                cleaned = removal.cleaned.T if turn else removal.cleaned
                masks.append(removal.mask.T if turn else removal.mask)
                removals.append(removal)
        if not removals:  # then there are none one way either
            return strength, None
        if _are_lines(removals, strength > INKED, cleaned > INKED):
            return cleaned, np.logical_or.reduce(masks)
    return strength, None


def _are_lines(removals: list[_Removal], before: Mask, after: Mask) -> bool:
    """Whether what was taken out is paper's, and not strokes of a digit that fills the picture."""
    if after.sum() < 0.02 * before.sum():
        return False
    if not all(removal.lines >= MANY or removal.through for removal in removals):
        return False
    # One or two may be strokes of a digit: its other strokes end at the border, too.
    return max(removal.lines for removal in removals) >= MANY or not _at_border(after)


def _find_lines(strength: Floats) -> list[_Line]:
    """Return the nearly horizontal lines that run through a picture (Hough, 1962)."""
    height, width = strength.shape
    scale = min(1.0, LOOK_SIDE / max(height, width))
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    # No line covers more columns than all ink does.
    if min(tall, wide) < SMALLEST or lit_columns(strength, FAINTEST, wide) < LONG * wide:
        return []
    if scale < 1:
        strength = np.asarray(cv2.resize(strength, (wide, tall), interpolation=cv2.INTER_AREA))
    inked = (strength > FAINTEST).astype(np.uint8)
    near = cv2.dilate(inked, np.ones((3, 1), np.uint8))  # a row beside is still the line
    if cv2.countNonZero(near) > MOST * near.size:
        near = inked  # where lines are as close as that, rows beside would fill all gaps
    columns = cv2.reduce(near, 0, cv2.REDUCE_MAX)
    if cv2.countNonZero(columns) < LONG * wide or cv2.countNonZero(near) > MOST * near.size:
        return []
    steps = max(1, int(STEEPEST * wide / 2))
    bands = inked_bands(np.asarray(near, np.uint8), steps)
    if bands.max() < LONG * wide:
        return []
    # Rows that have less count for nothing below.
    rows = bands >= 0.8 * LONG * wide
    slopes, coverage = line_coverage(np.asarray(near, np.uint8), rows, steps)
    common = int((np.clip(coverage - 0.8 * LONG, 0, None) ** 2).sum(axis=1).argmax())
    first, last = max(0, common - 2), common + 3
    nearby = coverage[first:last]
    lines: list[_Line] = []
    best = nearby.max(axis=0)
    while len(lines) < 80:
        row = int(best.argmax())
        if best[row] < LONG:
            break
        slope = slopes[first + int(nearby[:, row].argmax())]
        lines.append(_Line((row + 0.5) / scale - 0.5, float(slope), float(best[row])))
        reach = 3
        while row + reach < tall and best[row + reach] >= LONG and reach < tall // 16:
            reach += 1
        best[max(0, row - reach) : row + reach + 1] = 0
    return lines


def _removed(strength: Floats, lines: list[_Line]) -> _Removal | None:
    """Take lines out where nothing crosses them; None where none of them is thin."""
    height, width = strength.shape
    cleaned = strength.copy()
    mask = np.zeros(strength.shape, bool)
    columns = np.arange(width)
    reach = max(5, height // 24)
    offsets = np.arange(-reach, reach + 1)
    through = []
    for line in lines:
        centre = line.middle + line.slope * (columns - (width - 1) / 2)
        rows = np.rint(centre).astype(np.int64)[None] + offsets[:, None]
        inside = (rows >= 0) & (rows < height)
        rows = rows.clip(0, height - 1)
        around = np.where(inside, strength[rows, columns], 0)
        profile = medians(around)
        peak = int(profile[reach - 4 : reach + 5].argmax()) + reach - 4
        level = float(profile[peak])
        top = bottom = peak
        while top > 0 and profile[top - 1] > max(0.2 * level, 0.04):
            top -= 1
        while bottom < 2 * reach and profile[bottom + 1] > max(0.2 * level, 0.04):
            bottom += 1
        if level < 0.05 or bottom - top + 1 > max(4, 0.07 * height):
            continue
        top, bottom = max(0, top - 1), min(2 * reach, bottom + 1)
        above = around[max(0, top - 2) : top].max(axis=0, initial=0) > INKED
        below = around[bottom + 1 : bottom + 3].max(axis=0, initial=0) > INKED
        crossed = above | below
        ends = around[max(0, top - 1) : bottom + 2] > 0.5 * level
        tip = max(2, width // 25)
        through.append(bool(ends[:, :tip].any() and ends[:, -tip:].any()))
        band = rows[top : bottom + 1]
        values = cleaned[band, columns]
        darker = values > 1.5 * level + 0.15
        cleaned[band, columns] = np.where(crossed | darker, values, 0)
        mask[band, columns] |= inside[top : bottom + 1]
    if not through:
        return None
    # A broad stroke is found as several lines, one against the other.
    middle = mask[:, width // 2].astype(np.int8)
    count = int(np.count_nonzero(np.diff(middle, prepend=0) == 1))
    return _Removal(cleaned, mask, count, all(through))


def _at_border(ink: Mask) -> bool:
    """Whether the largest part of the ink runs out of the picture."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8))
    left, top, width, height, _ = stats[1 + int(stats[1:, 4].argmax())]
    rim = max(1, min(ink.shape) // 50)
    right, bottom = ink.shape[1] - left - width, ink.shape[0] - top - height
    return bool(min(left, top, right, bottom) < rim)
