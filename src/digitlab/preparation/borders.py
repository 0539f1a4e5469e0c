"""The printed lines of a cell around a digit: told from its strokes, and painted over; for ink.py.

A border is straight and even, and runs from one edge of the picture, or from another border, to the
next. Strokes do so only where the picture is cut close to the digit; then they are far inside, or
of the same pen as what they touch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.pixels import (
    inked_bands,
    line_coverage,
    lit_columns,
    medians,
    percentiles_of,
)

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_Seen = tuple[float, float, float]  # row at the middle of the picture, slope and thickness

MOST = 4  # borders of a cell one way; more are no cell's
LOOK_SIDE = 128  # pixels; borders are sought on a copy of this size
SMALLEST = 14  # pixels; what is smaller has no room for a cell
FAINTEST = 0.15  # of the ink's strength
STEEPEST = 0.1  # pixels down for each across
LONG = 0.6  # of the picture that a border covers
GAP = 0.08  # of the picture: strokes in a row have longer ones between them
DASHES = 3  # gaps of about one length, at least, are those of a dashed line
WIDEST = 0.2  # of the picture
CORNER = 0.08  # of the picture, by which lines may miss each other in a corner
BESIDE = 0.3  # of the picture: a 1 that fills its height is nearer to the middle
OUTER = 0.36  # of the picture: borders that touch ink are nearer to its edge
TIP = 0.03  # of the picture: ends that are nearer to its edge reach it
NEARLY = 0.08  # the same, for what need not
REACHED = 0.06  # the same, for lines of a cell together
LEFT = 0.25  # of the picture's shorter side: a digit between borders is longer
CROSSING = 0.2  # of the picture: strokes of a 4 cross farther from its edge
COLOURED = 40.0  # grey levels aside of what border and paper mix to: another ink
OTHER_PEN = 1.4  # times as dark or as wide: no stroke of the digit


@dataclass(eq=False)
class _Border:
    """A nearly horizontal border.

    Attributes:
        rows: int64 [B, W], its pixels' rows at each column, clipped to the picture.
        inside: bool [B, W], which of these are in the picture.
        level: the strength of its ink.
        thickness: in pixels, without soft edges.
        ends: first and last column that it covers.
        middle: its row at the middle of the picture.
        turned: whether it runs from top to bottom, in a picture that was transposed.
    """

    rows: Ints
    inside: Mask
    level: float
    thickness: float
    ends: tuple[int, int]
    middle: float
    turned: bool

    def at_edges(self, tip: float) -> tuple[bool, bool]:
        """Whether its first and its last end reach the picture's edge, or nearly."""
        length = self.rows.shape[1]
        tip = max(1, tip * length)
        return self.ends[0] <= tip, self.ends[1] >= length - 1 - tip

    def through(self, others: list[_Border]) -> bool:
        """Whether both ends reach the picture's edge, or a border across this one."""
        begins, goes_on = self.at_edges(NEARLY)
        half = self.rows.shape[1] / 2
        for other in others:
            reach = len(other.rows) / 2 + 1
            if other.middle < half:
                begins = begins or self.ends[0] <= other.middle + reach
            else:
                goes_on = goes_on or self.ends[1] >= other.middle - reach
        return begins and goes_on

    def stands_alone(self, others: list[_Border]) -> bool:
        """Whether it ends inside the picture, and no border across it ends at it: it is a 1."""
        if all(self.at_edges(TIP)):
            return False
        return not any(
            abs(end - self.middle) <= len(self.rows) / 2 + CORNER * other.rows.shape[1]
            for other in others
            for end in other.ends
        )


@dataclass(frozen=True)
class Cell:
    """The borders that are left of a cell.

    Attributes:
        borders: its lines.
        empty: whether nothing else is there.
    """

    borders: list[_Border]
    empty: bool

    def painted_over(self, pixels: Picture, strength: Floats) -> Picture:
        """Return a picture, uint8 [H, W, C], in which what is beside each border goes on over it.

        Args:
            pixels: uint8 [H, W, C], which stays as it is.
            strength: float32 [H, W], of the ink in it.
        """
        painted = pixels.copy()
        for one in self.borders * 2:  # what is beside a border may be another
            across = (painted.swapaxes(0, 1), strength.T) if one.turned else (painted, strength)
            _paint_over(one, *across)
        return painted


def find_cell(strength: Floats, noise: float) -> Cell | None:
    """Return the borders of a cell around a digit; None where there are none.

    Args:
        strength: float32 [H, W], 1 for ink.
        noise: the standard deviation of the ground.
    """
    if min(strength.shape) < SMALLEST:
        return None
    floor = min(max(FAINTEST, 4 * noise), 0.5)
    missing_across, missing_down = _open_ends(strength, floor), _open_ends(strength.T, floor)
    seen_across = _seen(strength, floor)
    if not seen_across and missing_down:
        return None
    seen_down = _seen(strength.T, floor)
    if not (seen_across and len(seen_down) >= missing_across) and not (
        seen_down and len(seen_across) >= missing_down
    ):
        return None
    across = _found(strength, seen_across, floor, turned=False)
    down = _found(strength.T, seen_down, floor, turned=True)
    across, down = (
        [one for one in across if one.through(down)],
        [one for one in down if one.through(across) and not one.stands_alone(across)],
    )
    found = across + down
    if not found or _are_strokes(found):
        return None
    part = _rest(strength, found, noise)
    if part is None:
        if len(found) == 1 and not _is_beside(found[0], strength.shape):  # a 1
            return None
        return Cell(found, True)
    # What is left of the digit begins two pixels beside a border.
    near = np.asarray(cv2.dilate(part.view(np.uint8), np.ones((5, 5), np.uint8)), bool)
    if any(_are_a_four(one, other, strength, part) for one in across for other in down):
        return None
    touching = [one for one in found if _touches(one, near)]
    apart = [one for one in found if one not in touching]
    # Where all touch the digit, and are of its pen, they are its strokes: a 4 cut out closely.
    kept = apart + [
        one
        for one in touching
        if _is_outer(one, strength.shape) and (apart or _is_of_another_pen(one, strength, part))
    ]
    return Cell(kept, False) if kept else None


def _open_ends(strength: Floats, floor: float) -> int:
    """Return at how many ends of nearly horizontal lines there is no ink near the picture's edge.

    Such an end has to lie on another line.
    """
    width = strength.shape[1]
    tip = int(max(1, NEARLY * width)) + 1
    ends = strength[:, :tip], strength[:, max(0, width - tip) :]
    return sum(float(end.max()) <= 0.5 * floor for end in ends)


def _found(strength: Floats, seen: list[_Seen], floor: float, turned: bool) -> list[_Border]:
    """Return at most four of the lines that were seen, as they are in the whole picture."""
    if not seen:
        return []
    strength = np.ascontiguousarray(strength)
    measured = (_measured(strength, *one, floor, turned) for one in seen)
    return list(itertools.islice((one for one in measured if one is not None), MOST))


def _seen(strength: Floats, floor: float) -> list[_Seen]:
    """Return what is nearly horizontal and long enough on a small copy (Hough, 1962)."""
    scale = min(1.0, LOOK_SIDE / max(strength.shape))
    tall, wide = (max(1, round(side * scale)) for side in strength.shape)
    if lit_columns(strength, floor, wide) < LONG * wide:  # no line covers more than all ink does
        return []
    small = np.ascontiguousarray(strength)
    if scale < 1:
        small = np.asarray(cv2.resize(small, (wide, tall), interpolation=cv2.INTER_AREA))
    # A row beside is still the line, where it falls between two.
    inked = (small > floor).view(np.uint8)
    near = np.asarray(cv2.dilate(inked, np.ones((3, 1), np.uint8)), np.uint8)
    steps = max(1, int(STEEPEST * wide / 2))
    # Lines are sought only where the ink of as many rows as one crosses covers enough columns.
    rows = inked_bands(near, steps) >= LONG * wide
    if not rows.any():
        return []
    slopes, coverage = line_coverage(near, rows, steps)
    seen: list[_Seen] = []
    best = coverage.max(axis=0)
    while best[row := int(best.argmax())] >= LONG:
        slope = float(slopes[int(coverage[:, row].argmax())])
        top = bottom = row
        while top > 0 and best[top - 1] >= LONG:
            top -= 1
        while bottom < tall - 1 and best[bottom + 1] >= LONG:
            bottom += 1
        best[max(0, top - 2) : bottom + 3] = 0
        if bottom - top - 1 > WIDEST * tall + 1:
            continue
        middle = ((top + bottom) / 2 + 0.5) / scale - 0.5
        seen.append((middle, slope, max(1, bottom - top - 1) / scale))
    return seen


def _measured(
    strength: Floats, middle: float, slope: float, thickness: float, floor: float, turned: bool
) -> _Border | None:
    """Return a border as it is in the whole picture; None where it is not straight and even."""
    height, width = strength.shape
    columns = np.arange(width)
    reach = int(thickness + 3)
    offsets = np.arange(-reach, reach + 1)
    centre = np.rint(middle + slope * (columns - (width - 1) / 2))
    for again in (True, False):  # the second time around what the first has fitted
        rows = centre.astype(np.int64)[None] + offsets[:, None]
        inside = (rows >= 0) & (rows < height)
        rows = np.minimum(np.maximum(rows, 0), height - 1)
        around = np.where(inside, strength[rows, columns], 0)
        profile = medians(around[:, :: max(1, width // 48)]).tolist()
        level = max(profile)
        if level < floor:
            return None
        peak = profile.index(level)
        least = float(np.float32(max(0.2 * level, 0.04)))
        top = bottom = peak
        while top > 0 and profile[top - 1] > least:
            top -= 1
        while bottom < 2 * reach and profile[bottom + 1] > least:
            bottom += 1
        wide = bottom - top + 1
        if wide > max(4, WIDEST * height + 3):
            return None
        band = np.maximum(around[top : bottom + 1], 0)
        covered = band.max(axis=0) > 0.5 * level
        if np.count_nonzero(covered) < LONG * width or not _is_whole(covered):
            return None
        # Where nothing crosses it, it is as wide and as high everywhere.
        mass = band.sum(axis=0)
        plain = covered & (mass < 1.5 * medians(mass[covered]))
        places = (band[:, plain] * offsets[top : bottom + 1, None]).sum(axis=0) / mass[plain]
        places = centre[plain] + places
        # The line of least squares, in closed form: numpy's own takes half of the time.
        there = columns[plain]
        at = there - there.mean()
        slope = float(at @ places) / max(float(at @ at), 1e-9)
        middle = float(places.mean()) - slope * float(there.mean())
        fitted = middle + slope * columns
        before, centre = centre, np.rint(fitted)
        if not again or np.array_equal(before, centre):
            break
    if percentiles_of(np.abs(places - middle - slope * there), 80)[0] > 0.35 + 0.02 * wide:
        return None
    ends = np.flatnonzero(covered)
    top, bottom = max(0, top - 1), min(2 * reach, bottom + 1)
    return _Border(
        rows[top : bottom + 1],
        inside[top : bottom + 1],
        level,
        max(1.0, float(medians(mass[plain])) / level),
        (int(ends[0]), int(ends[-1])),
        float(fitted.mean()),
        turned,
    )


def _is_whole(covered: Mask) -> bool:
    """Whether a line has no gaps but those between its dashes; strokes in a row have others."""
    changes = np.flatnonzero(np.diff(covered))
    first = 0 if covered[0] else 1  # where what is before the line, or after it, is no gap
    gaps = np.diff(changes[first:])[::2]
    if len(gaps) == 0:
        return True
    longest = float(gaps.max())
    if longest <= max(1.0, GAP * len(covered)):
        return True
    return len(gaps) >= DASHES and longest <= 2 * float(np.median(gaps))


def _view(array: npt.NDArray[np.generic], one: _Border) -> npt.NDArray[np.generic]:
    return array.T if one.turned else array


def _mark(mask: Mask, one: _Border) -> None:
    columns = np.broadcast_to(np.arange(one.rows.shape[1]), one.rows.shape)
    _view(mask, one)[one.rows[one.inside], columns[one.inside]] = True


def _is_beside(one: _Border, shape: tuple[int, ...]) -> bool:
    """Whether a single line is no 1: it lies on its side, or is cut at both ends off the middle."""
    if not one.turned:
        return True
    away = min(one.middle, shape[1] - 1 - one.middle)
    return all(one.at_edges(0)) and away < BESIDE * shape[1]


def _rest(strength: Floats, found: list[_Border], noise: float) -> Mask | None:
    """Return the largest part beside borders, bool [H, W]; None where none is a digit's.

    What is left may be much fainter than borders are.
    """
    mask = np.zeros(strength.shape, bool)
    for one in found:
        _mark(mask, one)
    # The soft edges of borders may be as dark as a faint digit.
    wide = cv2.dilate(mask.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    left = np.where(wide, 0, strength)
    level = float(
        np.partition(left, -max(1, left.size // 100), axis=None)[-max(1, left.size // 100)]
    )
    rest = left > max(level / 3, min(4 * noise, level / 1.6))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(rest.view(np.uint8), connectivity=8)
    if len(stats) < 2:
        return None
    best = 1 + int(stats[1:, 4].argmax())
    if max(stats[best, 2:4]) < LEFT * min(strength.shape):
        return None
    return np.asarray(labels == best)


def _touches(one: _Border, near: Mask) -> bool:
    """Whether a line touches what is near to the digit, bool [H, W]."""
    columns = np.arange(one.rows.shape[1])
    return bool(_view(near, one)[one.rows, columns].any())


def _are_a_four(one: _Border, other: _Border, strength: Floats, part: Mask) -> bool:
    """Whether two lines, of the pen of what is beside them, cross far inside the picture."""
    height, width = strength.shape
    inside = min(one.middle, height - 1 - one.middle) > CROSSING * height
    inside &= min(other.middle, width - 1 - other.middle) > CROSSING * width
    return bool(inside) and not (
        _is_of_another_pen(one, strength, part) and _is_of_another_pen(other, strength, part)
    )


def _are_strokes(found: list[_Border]) -> bool:
    """Whether fewer than the four lines of a frame run out of the picture at fewer than two ends.

    Those are bar and stem of a 7. A border without others does so at both of its ends, and of two
    that meet in a corner each at one.
    """
    return len(found) < MOST and sum(sum(one.at_edges(REACHED)) for one in found) < 2


def _is_outer(one: _Border, shape: tuple[int, ...]) -> bool:
    height = shape[1] if one.turned else shape[0]
    return min(one.middle, height - 1 - one.middle) < OUTER * height


def _is_of_another_pen(one: _Border, strength: Floats, part: Mask) -> bool:
    """Whether a line is much darker or paler, wider or finer than the strokes of the digit.

    That it is finer says nothing where the picture's edge cuts along it.
    """
    dark, width = float(np.percentile(strength[part], 80)), _width(part)
    if not one.inside.all():
        width = min(width, one.thickness)
    pairs = ((one.level, dark), (one.thickness, width))
    return any(max(pair) > OTHER_PEN * min(pair) for pair in pairs)


def _width(part: Mask) -> float:
    padded = cv2.copyMakeBorder(part.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    return max(1.0, 4 * cv2.mean(inside, padded)[0] - 2)


def _is_ink_on(one: _Border, there: Floats, between: Floats, strength: Floats) -> Mask:
    """Return which pixels of a border are a stroke's that crosses it: darker, or of a colour.

    Args:
        one: the border.
        there: float32 [B, W, C], its pixels.
        between: float32 [B, W, C], what is beside it.
        strength: float32 [B, W], of the ink in it.
    """
    paper = np.median(between, axis=(0, 1))
    ink = np.median(there[len(there) // 2], axis=0)
    way = (ink - paper) / max(float(np.linalg.norm(ink - paper)), 1e-6)
    away = there - paper
    aside = np.linalg.norm(away - (away @ way)[..., None] * way, axis=2)
    return np.asarray((strength > 1.5 * one.level + 0.15) | (aside > COLOURED))


def _paint_over(one: _Border, view: Picture, strength: Floats) -> None:
    """Let what is on both sides of a border go on over it, in place, but where ink lies on it.

    Args:
        one: the border, nearly horizontal in both arrays.
        view: uint8 [H, W, C].
        strength: float32 [H, W].
    """
    height, columns = len(view), np.arange(one.rows.shape[1])
    first, last = one.rows[0] - 1, one.rows[-1] + 1
    above, below = one.inside[0] & (first >= 0), one.inside[-1] & (last < height)
    share = (np.arange(len(one.rows), dtype=np.float32) + 1)[:, None] / (len(one.rows) + 1)
    share = np.where(~below, 0, np.where(~above, 1, share))[..., None]
    between = view[first.clip(0), columns] * (1 - share)
    between += view[last.clip(None, height - 1), columns] * share
    there = view[one.rows, columns].astype(np.float32)
    on_it = _is_ink_on(one, there, between, strength[one.rows, columns])
    taken = one.inside & (above | below) & ~on_it
    at = (one.rows[taken], np.broadcast_to(columns, one.rows.shape)[taken])
    view[at] = np.rint(between[taken])
