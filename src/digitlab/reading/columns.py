"""Which numbers of a page stand above one another: the columns of its table.

Used where a page becomes lines of a table or files of its cells. It knows boxes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from digitlab.reading.types import Row

Floats = npt.NDArray[np.float64]
Columns = tuple[tuple[int, ...], ...]

NEAR = 0.5  # heights of a number between two of a column, at most
STEEPEST = 0.5  # pixels across for each down; a table that leans more is none


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
    middle = boxes[:, 1] + boxes[:, 3] / 2
    left = boxes[:, 0] - _lean(boxes[:, 0] + boxes[:, 2] / 2, middle, row_of) * middle
    sides = np.stack([left, left + boxes[:, 2] / 2, left + boxes[:, 2]], axis=1)
    group = _grouped(sides, row_of, NEAR * float(np.median(boxes[:, 3])))
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


def _lean(x: Floats, y: Floats, row_of: npt.NDArray[np.int_]) -> float:
    """Return how far columns go to the right, in pixels for each down.

    That is the median over the numbers that are each other's nearest in neighbouring rows, which
    few that have no partner do not move (after Theil, 1950, and Sen, 1968).
    """
    leans = []
    for row in np.unique(row_of)[:-1]:
        above, below = np.flatnonzero(row_of == row), np.flatnonzero(row_of == row + 1)
        if not len(below):
            continue
        away = np.abs(x[above][:, None] - x[below][None])
        nearest, back = away.argmin(axis=1), away.argmin(axis=0)
        for at, other in enumerate(nearest.tolist()):
            down = y[below[other]] - y[above[at]]
            if back[other] == at and down > 0:
                leans.append((x[below[other]] - x[above[at]]) / down)
    return float(np.clip(np.median(leans), -STEEPEST, STEEPEST)) if leans else 0.0


def _grouped(sides: Floats, row_of: npt.NDArray[np.int_], near: float) -> npt.NDArray[np.int_]:
    """Return a group for each number: the nearest first, and never two of one row.

    Args:
        sides: float [N, 3], left, middle and right of each.
        row_of: int [N].
        near: pixels between two of a group, at most.
    """
    gap = np.maximum(sides[:, None, 0], sides[None, :, 0])
    gap -= np.minimum(sides[:, None, 2], sides[None, :, 2])
    first, second = np.nonzero(np.triu((gap < near) & (row_of[:, None] != row_of[None]), 1))
    # Columns are flush left, centred or flush right.
    away = np.abs(sides[first] - sides[second]).min(axis=1)
    group = np.arange(len(sides))
    members = {at: {int(row)} for at, row in enumerate(row_of)}
    for at in np.argsort(away, kind="stable"):
        one, other = int(group[first[at]]), int(group[second[at]])
        if one != other and not members[one] & members[other]:
            members[one] |= members.pop(other)
            group[group == other] = one
    return group
