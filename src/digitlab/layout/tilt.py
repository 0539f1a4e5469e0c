"""By how much the rows of a page slope, as in a photograph that was held askew.

Across its rows, the middles of a page's digits lie close together on few lines, and in no other
direction do they so: there their projection profile is sharpest (Postl, 1986; Baird, 1987). The ink
of ruled lines tells it the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from digitlab.layout.pieces import Piece

Floats = npt.NDArray[np.float64]

STEP = 0.5  # degrees between two directions that are tried
TILTED = 8.0  # degrees; rows that slope by less are followed as they are
STRAIGHT = 4.0  # degrees that the rows of a straight page slope
FEWEST = 6  # digits; the lines of fewer are chance
MOST = 600, 1500  # digits, and pixels of lines, that tell enough
BINS = 2.5  # to a digit's height
ALIKE = 2.0  # times as high or low as usual a digit may be
CLEARER = 1.15  # times as sharp as in all straight directions
PEAK, RULED_PEAK = 1.7, 2.5  # times as sharp as usually, for digits and for lines
LINE = 3.0  # pixels that a ruled line is wide
LONG = 0.15  # of the page's longer side: no digit is so long, lines are


def tilt_of(digits: Sequence[Piece], pieces: Sequence[Piece], shape: tuple[int, ...]) -> float:
    """Return by how many degrees the writing on a page is tilted, clockwise; 0 where it is not.

    From -45 to 45: whether its rows or its columns run there is not told, as it is not known which
    way up a page is.

    Args:
        digits: pieces that may be digits.
        pieces: all of the page.
        shape: height and width of the page.
    """
    tilt = _tilt_of_digits(digits)
    return (_tilt_of_lines(pieces, shape) if tilt is None else tilt) or 0.0


def _tilt_of_digits(digits: Sequence[Piece]) -> float | None:
    """Return the tilt by the middles of digits; None where they do not tell."""
    sizes = np.array([max(one.width, one.height) for one in digits], float)
    size = float(np.median(sizes)) if len(sizes) else 0.0
    alike = (sizes * ALIKE >= size) & (sizes <= ALIKE * size)
    middles = np.array([one.middle for one in digits], float)[alike]
    if len(middles) < FEWEST:
        return None
    middles = _some(middles, MOST[0])
    tilt = _sharpest(middles, size / BINS, PEAK)
    return 0.0 if tilt and not _is_along(middles, tilt) else tilt


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


def _tilt_of_lines(pieces: Sequence[Piece], shape: tuple[int, ...]) -> float | None:
    """Return the tilt by the ink of long pieces; straight rules are no longer among them."""
    long = [one for one in pieces if max(one.width, one.height) > LONG * max(shape)]
    if not long:
        return None
    inked = [np.argwhere(one.mask)[:, ::-1] + one.box[:2] for one in long]
    return _sharpest(_some(np.concatenate(inked).astype(float), MOST[1]), LINE, RULED_PEAK)


def _some(points: Floats, most: int) -> Floats:
    """Return points evenly chosen, `most` at most."""
    at = np.linspace(0, len(points) - 1, min(len(points), most)).astype(int)
    return np.asarray(points[at])


def _sharpest(points: Floats, width: float, peak: float) -> float | None:
    """Return the tilt by which the profile of points is sharpest; None where none is clearly so.

    It is 0 where straight lines may be as sharp.

    Args:
        points: float64 [N, 2], x and y.
        width: of a bin, in pixels.
        peak: how many times as sharp as usually it has to be.
    """
    degrees = np.arange(-90, 90, STEP)
    sharp = sharpness(points, width, degrees)
    tilts = (degrees + 45) % 90 - 45
    best = int(sharp.argmax())
    tilt = float(tilts[best])
    if sharp[best] < peak * float(np.median(sharp)):
        return None
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
