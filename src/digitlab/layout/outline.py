"""Where the four corners of a sheet are that lies on something darker, in whatever shadows.

Used by sheet.py. Shadow divides light, so that paper is brighter than the table along all of its
edge, in the sun and out of it, while the edge of a shadow closes no quadrilateral. Straight edges
are found by a Hough transform of gradients (Duda and Hart, 1972; Ballard, 1981), each with its
bright side, and of four that close a sheet those are taken along which most stands out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.layout.ink import LEVELS

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LOOKED, LONGEST = 320 * 240, 1000  # pixels of the copy on which the sheet is sought, and a side
STROKE = 7  # pixels of the copy; strokes and rules are narrower
STEEP = 20, 40  # of a gradient, as Sobel gives it of levels: where an edge goes on, and begins
VOTES = 8  # degrees to either side of its own for which a pixel of an edge votes
PEAKS, SIDES = 80, 24  # edges that are looked at, and those that may be sides
SHORTEST = 0.1  # of the copy's shorter side
FEWEST = 0.05  # of that side in votes: a peak has about half as many as its edge has pixels
ON, ALONG = 2.5, 20.0  # pixels from an edge, and degrees, by which a pixel of it misses
SAME = 0.998  # of the cosine between two edges: they are one
NEAR, WIDE = 2, 5  # pixels from an edge to what is beside it, and how wide that is
STRONGER = 9.0  # levels between sheet and table
SHARES = (0.02, 0.96)  # of the photograph that a sheet covers
BEYOND = 0.1  # of the photograph's longer side, by which a corner lies outside
VISIBLE = 0.4  # of a side that is in the photograph
SQUARE = 35.0  # degrees that a corner is from a right angle at most
# Of one side, and of all, that stands out; and where one side is the edge of the picture.
SEEN, ALL_SEEN = 0.6, 0.75
SEEN_CUT, ALL_SEEN_CUT = 0.85, 0.93
OPEN = 8  # how much less a sheet counts whose sides stand out in part
CUT = (1.0, 0.8, 0.64, 0.3)  # how much it counts of which so many sides are cut


@dataclass(frozen=True)
class Outline:
    """The outline of a sheet.

    Attributes:
        corners: float64 [4, 2], upper left first, clockwise.
        cut: how many of its sides are the border of the picture, out of which it runs.
    """

    corners: Floats
    cut: int


@dataclass(frozen=True)
class _Edges:
    """Straight edges, each with the bright on one side.

    Attributes:
        normal: float64 [N, 2], the direction of the bright side.
        away: float64 [N], pixels from the middle of the picture along it.
    """

    normal: Floats
    away: Floats

    @classmethod
    def of_all(cls, some: Sequence[_Edges]) -> _Edges:
        """Return them together."""
        return cls(
            np.concatenate([one.normal for one in some]), np.concatenate([one.away for one in some])
        )

    @property
    def along(self) -> Floats:
        """The direction of each, with the bright on its right, as y goes down; float64 [N, 2]."""
        return self.normal[:, ::-1] * (1, -1)

    def crossings(self) -> Floats:
        """Return where two cross, float64 [N, N, 2], from the middle; infinite for parallels."""
        one, other = self.normal[:, None], self.normal[None]
        cross = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
        cross[np.abs(cross) < 1e-6] = np.nan
        away, others = self.away[:, None], self.away[None]
        x = away * other[..., 1] - others * one[..., 1]
        y = one[..., 0] * others - other[..., 0] * away
        return np.nan_to_num(np.stack([x / cross, y / cross], axis=-1), nan=np.inf)


def outline_of_sheet(pixels: Picture) -> Outline | None:
    """Return where a sheet is in a picture, uint8 [H, W, C]; None where none is found."""
    high, wide = pixels.shape[:2]
    scale = min(1.0, (LOOKED / (high * wide)) ** 0.5, LONGEST / max(high, wide))
    size = max(8, round(wide * scale)), max(8, round(high * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    # Coloured wood may be as light as paper; in one of its colours it is darker.
    lights = small.mean(axis=2).astype(np.uint8), small.min(axis=2)
    papers = [_without_strokes(np.asarray(cv2.LUT(one, LEVELS), np.uint8)) for one in lights]
    edges = _Edges.of_all([_straight_edges(one) for one in papers])
    if not len(edges.away):
        return None
    inside = _inside(edges, size)
    stands_out = (_stands_out(papers[0], edges) | _stands_out(papers[1], edges)) & inside
    longest = _longest(edges, stands_out.sum(axis=1), SHORTEST * min(size))
    edges = _with_borders(_Edges(edges.normal[longest], edges.away[longest]), size)
    whole = np.ones((4, stands_out.shape[1]), bool)  # a border of the picture
    shown, there = (np.concatenate([one[longest], whole]) for one in (stands_out, inside))
    four = _four(edges, shown, there, size)
    if four is None:
        return None
    corners = (four.corners + np.array(size) / 2) * np.array((wide / size[0], high / size[1]))
    corners = np.roll(corners, -int(corners.sum(axis=1).argmin()), axis=0)
    return Outline(corners, four.cut)


def _without_strokes(light: Picture) -> Picture:
    """Return a picture, uint8 [H, W], with dark strokes closed over, but not along its border."""
    side = cv2.BORDER_REPLICATE
    around = cv2.copyMakeBorder(light, STROKE, STROKE, STROKE, STROKE, side)
    closed = cv2.morphologyEx(around, cv2.MORPH_CLOSE, np.ones((STROKE, STROKE), np.uint8))
    return np.ascontiguousarray(np.asarray(closed, np.uint8)[STROKE:-STROKE, STROKE:-STROKE])


def _reach(size: tuple[int, ...]) -> int:
    """Return how far from the middle of a picture its corners are, in whole pixels."""
    return int(math.hypot(*size) / 2) + 2


def _straight_edges(paper: Picture) -> _Edges:
    """Return the straight edges between dark and bright, those of most pixels first."""
    soft = cv2.GaussianBlur(paper, (0, 0), 1.0)
    across, down = cv2.Sobel(soft, cv2.CV_16S, 1, 0), cv2.Sobel(soft, cv2.CV_16S, 0, 1)
    y, x = np.nonzero(cv2.Canny(across, down, *STEEP, L2gradient=True))
    angle = np.degrees(np.arctan2(down[y, x].astype(float), across[y, x].astype(float))) % 360
    places = np.stack([x, y], axis=1) - (np.array(paper.shape[::-1]) - 1) / 2
    normals, aways = [], []
    for degrees, away in _peaks(places, angle, paper.shape):
        normal = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        on = np.abs(places @ normal - away) <= ON
        on &= np.abs((angle - degrees + 180) % 360 - 180) <= ALONG
        if on.sum() < 2:
            continue
        dx, dy, at_x, at_y = cv2.fitLine(
            places[on].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01
        ).ravel()
        fitted = np.array([-dy, dx], float)
        fitted *= np.sign(fitted @ normal) or 1.0
        normals.append(fitted)
        aways.append(float(fitted @ (at_x, at_y)))
    return _Edges(np.array(normals).reshape(-1, 2), np.array(aways))


def _peaks(places: Floats, angle: Floats, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the edges for which most pixels vote: the degrees of their bright side, and how far.

    Args:
        places: float64 [N, 2], x and y of each pixel of an edge, from the middle.
        angle: float64 [N], degrees of the direction in which it gets brighter there.
        shape: of the picture.
    """
    reach = _reach(shape)
    size = 2 * reach + 1
    degrees = (np.rint(angle).astype(int)[:, None] + np.arange(-VOTES, VOTES + 1)) % 360
    turn = np.radians(degrees)
    away = np.rint(places[:, :1] * np.cos(turn) + places[:, 1:] * np.sin(turn)).astype(int) + reach
    count = np.bincount((degrees * size + away).ravel(), minlength=360 * size)
    circle = count.reshape(360, size).astype(np.float32)
    seam = VOTES
    closed = np.concatenate([circle[-seam:], circle, circle[:seam]])
    votes = np.asarray(cv2.GaussianBlur(closed, (3, 3), 0), np.float32)
    top = votes == cv2.dilate(votes, np.ones((11, 9), np.uint8))
    found = np.argwhere(top & (votes >= FEWEST * min(shape)))
    found = found[(found[:, 0] >= seam) & (found[:, 0] < 360 + seam)]
    best = np.argsort(-votes[found[:, 0], found[:, 1]], kind="stable")[:PEAKS]
    return [(int(row) - seam, int(column) - reach) for row, column in found[best]]


def _line(edges: _Edges, size: tuple[int, ...]) -> Floats:
    """Return each pixel of each edge, x and y, float64 [N, L, 2].

    From as far before its foot from the middle of the picture as that reaches.
    """
    reach = _reach(size)
    steps = np.arange(-reach, reach + 1)[:, None]
    on = (edges.normal * edges.away[:, None])[:, None]
    return np.asarray(on + edges.along[:, None] * steps + (np.array(size) - 1) / 2)


def _inside(edges: _Edges, size: tuple[int, int]) -> Mask:
    """Return which pixels of edges are in a picture of some width and height: bool [N, L]."""
    line = _line(edges, size)
    return np.asarray(((line >= 0) & (line <= np.array(size) - 1)).all(axis=2))


def _stands_out(paper: Picture, edges: _Edges) -> Mask:
    """Return where along each edge its one side is brighter than its other: bool [N, L]."""
    line = _line(edges, paper.shape[::-1])
    beside = []
    for sign in (1, -1):
        total = np.zeros(line.shape[:2], np.float32)
        for away in range(NEAR, NEAR + WIDE):
            x, y = np.moveaxis(line + sign * away * edges.normal[:, None], 2, 0).astype(np.float32)
            total += cv2.remap(paper, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        beside.append(total / WIDE)
    return np.asarray(beside[0] - beside[1] >= STRONGER)


def _longest(edges: _Edges, length: npt.NDArray[np.int_], least: float) -> list[int]:
    """Return the places of the edges that stand out along most pixels, each only once.

    Args:
        edges: in which some are there twice, from two colours.
        length: int [N], of pixels that stand out.
        least: of these.
    """
    chosen: list[int] = []
    for one in np.argsort(-length, kind="stable").tolist():
        if length[one] < least or len(chosen) == SIDES:
            break
        same = edges.normal[chosen] @ edges.normal[one] > SAME
        if not (same & (np.abs(edges.away[chosen] - edges.away[one]) <= ON)).any():
            chosen.append(one)
    return chosen


def _with_borders(edges: _Edges, size: tuple[int, int]) -> _Edges:
    """Return edges and, behind them, the four of the picture."""
    normal = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], float)
    away = -np.array([size[0], size[1], size[0], size[1]]) / 2
    return _Edges(np.concatenate([edges.normal, normal]), np.concatenate([edges.away, away]))


def _four(edges: _Edges, stands_out: Mask, inside: Mask, size: tuple[int, int]) -> Outline | None:
    """Return the outline that edges make, its corners from the middle; or None.

    Args:
        edges: the last four are those of the picture.
        stands_out, inside: bool [N, L], of the pixels of each, as of `_line`.
        size: width and height of the picture.
    """
    count, reach = len(edges.away), _reach(size)
    angle = np.degrees(np.arctan2(edges.normal[:, 1], edges.normal[:, 0]))
    turn = (angle - angle[:, None]) % 360
    follows = np.abs(turn - 90) <= SQUARE
    closed = follows[:, :, None, None] & follows[None, :, :, None] & follows[None, None]
    sides = np.argwhere(closed & follows.T[:, None, None, :])
    cut = (sides >= count - 4).sum(axis=1)
    sides = sides[(sides[:, 0] == sides.min(axis=1)) & (cut < 4)]
    ends = edges.crossings()[sides, np.roll(sides, -1, axis=1)]  # of each side
    begins = np.roll(ends, 1, axis=1)
    near = (np.abs(ends) <= np.array(size) / 2 + BEYOND * max(size) + 2).all(axis=(1, 2))
    sides, begins, ends = sides[near], begins[near], ends[near]
    first, last = (
        (places * edges.along[sides]).sum(axis=2).clip(-reach, reach) for places in (begins, ends)
    )
    x, y = np.moveaxis(ends, 2, 0)
    area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) / 2
    share = area / (size[0] * size[1])
    kept = (last - first >= SHORTEST * min(size)).all(axis=1)
    kept &= (share >= SHARES[0]) & (share <= SHARES[1])
    since, to = (np.rint(one).astype(int) + reach for one in (first, last))
    seen, there = (
        (summed[sides, to] - summed[sides, since]).astype(float)
        for summed in (
            np.cumsum(np.pad(one, ((0, 0), (1, 0))), axis=1) for one in (stands_out, inside)
        )
    )
    kept &= (there >= VISIBLE * (last - first)).all(axis=1)
    seen /= np.maximum(1, there)
    length = np.where(sides < count - 4, there, 0)
    all_seen = (seen * length).sum(axis=1) / np.maximum(1, length.sum(axis=1))
    cut = (sides >= count - 4).sum(axis=1)
    kept &= seen.min(axis=1) >= np.where(cut > 0, SEEN_CUT, SEEN)
    kept &= all_seen >= np.where(cut > 0, ALL_SEEN_CUT, ALL_SEEN)
    if not kept.any():
        return None
    worth = share * all_seen**OPEN * np.array(CUT)[cut]
    best = int(np.where(kept, worth, -1).argmax())
    return Outline(np.asarray(ends[best]), int(cut[best]))
