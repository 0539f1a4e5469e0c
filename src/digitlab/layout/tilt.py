"""By how much the rows of a page slope, as in a photograph that was held askew.

Across its rows, the middles of a page's digits lie close together on few lines, and in no other
direction do they so: there their projection profile is sharpest (Postl, 1986; Baird, 1987). Rules
and boxes tell it by themselves, and more finely, as they have to be straight to be known as such.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.layout.pieces import Piece

Ink = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

STEP = 0.5  # degrees between two directions that are tried
TILTED = 8.0  # degrees; rows that slope by less are followed as they are
STRAIGHT = 4.0  # degrees that the rows of a straight page slope
ASKEW = 2.0  # degrees; rules that slope by less are found as they are
FEWEST = 6  # digits; the lines of fewer are chance
MOST = 600  # digits that tell enough
BINS = 2.5  # to a digit's height
ALIKE = 2.0  # times as high or low as usual a digit may be
CLEARER = 1.15  # times as sharp as in all straight directions
PEAK = 1.7  # times as sharp as usually
SHEARED = 25.0  # degrees between lines that lie and those that stand, less a right angle, at most
NEAR = 2.0  # degrees by which rules differ, as in perspective
ALONG = 0.2  # of the squares of all lengths of straight lines: so much runs along rules


def tilt_of_digits(digits: Sequence[Piece]) -> float:
    """Return by how many degrees the rows of a page slope, clockwise; 0 where none do clearly.

    From -45 to 45: whether its rows or its columns run there is not told, as it is not known which
    way up a page is.

    Args:
        digits: pieces that may be some.
    """
    sizes = np.array([max(one.width, one.height) for one in digits], float)
    size = float(np.median(sizes)) if len(sizes) else 0.0
    alike = (sizes * ALIKE >= size) & (sizes <= ALIKE * size)
    middles = np.array([one.middle for one in digits], float)[alike]
    if len(middles) < FEWEST:
        return 0.0
    middles = _some(middles, MOST)
    tilt = _sharpest(middles, size / BINS)
    return tilt if tilt and _is_along(middles, tilt) else 0.0


def tilts_of_lines(strength: Ink) -> tuple[float, float]:
    """Return the tilt of the straight lines in ink that lie, and of those that stand.

    In degrees as of `tilt_of_digits`. Both are the same where only one of them is told, where they
    cross far from a right angle, and where one runs at about 45 degrees; 0 where most of what is
    straight runs other ways, as strokes do, and where rules are found as they are. Lines are found
    as by Grompone von Gioi et al. (2010).

    Args:
        strength: float32 [H, W], of the ink of a page, with its rules.
    """
    grey = (255 * strength.clip(0, 1)).astype(np.uint8)
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    if found is None:
        return 0.0, 0.0
    ends = np.asarray(found, float).reshape(-1, 2, 2)
    across, down = (ends[:, 1] - ends[:, 0]).T
    weight = np.square(across) + np.square(down)  # rules are straight for longer than strokes
    tilt = (np.degrees(np.arctan2(down, across)) + 45) % 90 - 45
    lie = np.abs(across) >= np.abs(down)
    least = ALONG * float(weight.sum())
    lying, standing = (_heaviest(tilt[on], weight[on], least) for on in (lie, ~lie))
    lying = standing if lying is None else lying
    if lying is None:
        return 0.0, 0.0
    if standing is None or abs(standing - lying) > SHEARED:
        standing = lying
    return (lying, standing) if max(abs(lying), abs(standing)) >= ASKEW else (0.0, 0.0)


def _heaviest(tilt: Floats, weight: Floats, least: float) -> float | None:
    """Return about which of some tilts is most weight; None where that is less than a least."""
    ways = np.arange(-45, 45, STEP)
    away = (tilt - ways[:, None] + 45) % 90 - 45
    near = weight * (np.abs(away) <= NEAR)
    along = near.sum(axis=1)
    best = int(along.argmax())
    if along[best] < max(least, 1e-9):
        return None
    mean = float(ways[best] + (near[best] * away[best]).sum() / along[best])
    return (mean + 45) % 90 - 45


def _is_along(points: Floats, tilt: float) -> bool:
    """Whether the nearest other of points lies along lines of a tilt rather than straight ones.

    As a digit's nearest does in its row (O'Gorman, 1993). Where the rows of a list begin further
    and further to the right, its columns are tilted and its rows are not.

    Args:
        points: float64 [N, 2], x and y.
        tilt: degrees.
    """
    apart = points[None] - points[:, None]
    away = np.square(apart).sum(axis=2)
    np.fill_diagonal(away, np.inf)
    x, y = apart[np.arange(len(points)), away.argmin(axis=1)].T
    angle = np.arctan2(y, x)
    # Four times an angle is the same for rows and columns, either way.
    return bool(np.cos(4 * (angle - np.radians(tilt))).sum() > np.cos(4 * angle).sum())


def _some(points: Floats, most: int) -> Floats:
    """Return points evenly chosen, `most` at most."""
    at = np.linspace(0, len(points) - 1, min(len(points), most)).astype(int)
    return np.asarray(points[at])


def _sharpest(points: Floats, width: float) -> float:
    """Return the tilt by which the profile of points is sharpest; 0 where none is clearly so.

    Or where straight lines may be as sharp.

    Args:
        points: float64 [N, 2], x and y.
        width: of a bin, in pixels.
    """
    degrees = np.arange(-90, 90, STEP)
    sharp = sharpness(points, width, degrees)
    tilts = (degrees + 45) % 90 - 45
    best = int(sharp.argmax())
    tilt = float(tilts[best])
    if sharp[best] < PEAK * float(np.median(sharp)):
        return 0.0
    straight = float(sharp[np.abs(tilts) <= STRAIGHT].max())
    return tilt if abs(tilt) >= TILTED and sharp[best] >= CLEARER * straight else 0.0


def sharpness(points: Floats, width: float, degrees: Floats) -> Floats:
    """Return how sharp the profile of points is along each direction, float64 [A].

    That is how many points lie on the line of one, as a mean.

    Args:
        points: float64 [N, 2], x and y.
        width: of a bin, in pixels; a point counts for the two that are nearest.
        degrees: float64 [A], of the lines: clockwise, as y goes down.
    """
    angle = np.radians(degrees)
    places = points @ np.stack([-np.sin(angle), np.cos(angle)]) / width  # [N, A]
    places -= places.min(axis=0)
    first = places.astype(int)
    part = places - first
    count = int(first.max()) + 2
    at = (first + count * np.arange(len(degrees))).ravel()
    total = count * len(degrees)
    filled = np.bincount(at, 1 - part.ravel(), total) + np.bincount(at + 1, part.ravel(), total)
    return np.asarray(np.square(filled.reshape(-1, count)).sum(axis=1) / len(points))
