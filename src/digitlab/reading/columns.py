"""Which numbers of a page stand above one another: the columns of its table.

Used where a page becomes lines of a table or files of its cells. It knows boxes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from digitlab.reading.types import Row

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int_]
Columns = tuple[tuple[int, ...], ...]

NEAR = 0.5  # heights of a number between two of a column, at most
STEEPEST = 0.5  # pixels across for each down; a table that leans more is none
ASKEW = 0.12  # pixels down for each to the right; rows of a page held straight slope by less


def columns_of(rows: Sequence[Row], turned: int = 0) -> Columns:
    """Return the columns of the numbers in each row, from 1.

    Numbers above one another have the same column, also in a table that leans; a row with an empty
    cell passes over that column. In every row columns rise from left to right. Where alignment does
    not give that, all rows are counted from the left.

    Args:
        rows: from top to bottom, of numbers from left to right.
        turned: by how many degrees, clockwise, their page was turned to be read so.
    """
    row_of = np.array([at for at, row in enumerate(rows) for _ in row.numbers], int)
    if not len(row_of):
        return tuple(() for _ in rows)
    boxes = np.array([number.box for row in rows for number in row.numbers], float)
    boxes = _upright(boxes, turned)
    near = NEAR * float(np.median(boxes[:, 3]))
    seen = [_seen(boxes, lean, row_of, near) for lean in _leans(boxes, row_of)]
    sides, pairs = max(seen, key=lambda one: one[1].shared)
    group = _grouped(pairs, row_of)
    names, group = np.unique(group, return_inverse=True)
    places = [float(np.median(sides[group == one, 1])) for one in range(len(names))]
    columns = np.argsort(np.argsort(places, kind="stable"), kind="stable")[group] + 1
    found = [columns[row_of == at].tolist() for at in range(len(rows))]
    if any(b <= a for row in found for a, b in pairwise(row)):
        found = [list(range(1, len(row) + 1)) for row in found]
    return tuple(map(tuple, found))


def _upright(boxes: Floats, turned: int) -> Floats:
    """Return boxes, float64 [N, 4], as they stand once their page is turned, but for its size."""
    x, y, width, height = boxes.T
    if turned == 90:
        return np.column_stack([-y - height, x, height, width])
    if turned == 180:
        return np.column_stack([-x - width, -y - height, width, height])
    if turned == 270:
        return np.column_stack([y, -x - width, height, width])
    return boxes


def _leans(boxes: Floats, row_of: Whole) -> list[float]:
    """Return how far columns may go to the right, in pixels for each down; the first is upright.

    Each other is a median, which few numbers without a partner do not move (after Theil, 1950, and
    Sen, 1968): over the left, the middle or the right of numbers that are each other's nearest in
    neighbouring rows, and over the two ends of the rows, which are all that a list may be flush by.
    The columns of a page that was held askew are at a right angle to its rows.
    """
    x = boxes[:, :1] + boxes[:, 2:3] * (0, 0.5, 1)
    y = boxes[:, 1] + boxes[:, 3] / 2
    found: list[list[float]] = [[] for _ in range(5)]

    def told(which: int, side: int, above: int, below: int) -> None:
        if (down := y[below] - y[above]) > 0:
            found[which].append((x[below, side] - x[above, side]) / down)

    for row in np.unique(row_of)[:-1]:
        above, below = np.flatnonzero(row_of == row), np.flatnonzero(row_of == row + 1)
        if not len(below):
            continue
        for side in range(3):
            away = np.abs(x[above, side][:, None] - x[below, side][None])
            nearest, back = away.argmin(axis=1), away.argmin(axis=0)
            for at, other in enumerate(nearest.tolist()):
                if back[other] == at:
                    told(side, side, above[at], below[other])
        told(3, 0, above[0], below[0])
        told(4, 2, above[-1], below[-1])
    medians = (float(np.median(leans)) for leans in found if leans)
    leans = [0.0, *(min(max(lean, -STEEPEST), STEEPEST) for lean in medians)]
    slope = _slope(boxes, row_of)
    return [*leans, -slope] if abs(slope) > ASKEW else leans


def _slope(boxes: Floats, row_of: Whole) -> float:
    """Return the slope of the rows, in pixels down for each to the right; 0 of single numbers."""
    x, y = boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2
    one = np.flatnonzero(row_of[1:] == row_of[:-1])
    across, down = x[one + 1] - x[one], y[one + 1] - y[one]
    slopes = down[across > 0] / across[across > 0]
    return float(np.median(slopes)) if len(slopes) else 0.0


class _Pairs(NamedTuple):
    """Numbers of two rows that may be of one column, and how well.

    Attributes:
        first, second: int [P], which two.
        strength: float [P], how many rows share the alignment that the two have, less where they
            have it but nearly.
        away: float [P], pixels between their nearest sides.
        shared: the sum, over all numbers, of how many rows share an alignment of theirs.
    """

    first: Whole
    second: Whole
    strength: Floats
    away: Floats
    shared: float


def _seen(boxes: Floats, lean: float, row_of: Whole, near: float) -> tuple[Floats, _Pairs]:
    """Return the sides of all numbers where columns lean so, and which may be of one column.

    Args:
        boxes: float [N, 4].
        lean: pixels to the right for each down.
        row_of: int [N].
        near: pixels between two of a column, at most.

    Returns:
        Left, middle and right, float [N, 3]; pairs.
    """
    left = boxes[:, 0] - lean * (boxes[:, 1] + boxes[:, 3] / 2)
    sides = left[:, None] + boxes[:, 2:3] * (0, 0.5, 1)
    gap = np.maximum(left[:, None], left[None])
    gap -= np.minimum(sides[:, None, 2], sides[None, :, 2])
    first, second = np.nonzero(np.triu((gap < near) & (row_of[:, None] != row_of[None]), 1))
    away = np.abs(sides[first] - sides[second])
    like = np.maximum(0, 1 - away / near)
    # Columns are flush left, centred or flush right, as their rows show together.
    rows = np.zeros((len(boxes), int(row_of.max()) + 1, 3))
    np.maximum.at(rows, (first, row_of[second]), like)
    np.maximum.at(rows, (second, row_of[first]), like)
    shared = rows.sum(axis=1)
    strength = (like * (shared[first] + shared[second])).max(axis=1, initial=0)
    total = float(shared.max(axis=1).sum())
    return sides, _Pairs(first, second, strength, away.min(axis=1), total)


def _grouped(pairs: _Pairs, row_of: Whole) -> Whole:
    """Return a group for each number: what most rows share first, and never two of one row."""
    group = np.arange(len(row_of))
    members = {at: {int(row)} for at, row in enumerate(row_of)}
    for at in np.lexsort((pairs.away, -pairs.strength)):
        one, other = int(group[pairs.first[at]]), int(group[pairs.second[at]])
        if one != other and not members[one] & members[other]:
            members[one] |= members.pop(other)
            group[group == other] = one
    return group
