"""The ground that ink lies on: paper, board, canvas; used by ink.py.

Four kinds of pictures have grounds of four kinds: a drawing has one colour, a tiny array one level,
an imitation of transparency two colours in squares, and a photograph light that changes over it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.pixels import (
    along,
    counts,
    edge,
    mean_of_channels,
    minus,
    percentiles,
    percentiles_of,
    plane_terms,
)

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Extreme = Callable[[Picture, Picture], npt.ArrayLike]

ARRAY_SIDE = 24  # pixels; no larger pictures are arrays of levels, without light and noise
FLAT = 0.25  # of such an array has one level, the ground
THICKEST = 0.5  # of the longer side; no stroke is wider
LOOK_SIDE = 64  # pixels; what is decided once for the whole picture is decided on a small copy
COLOUR_SIDE = 32  # pixels; the colours of ink and ground are seen on a smaller one
MEDIAN_WINDOW = 0.45  # of the longer side; strokes cover less than half of it
STROKES = (0.15, 0.25, 0.4, 0.6)  # of the longer side: strokes are narrower than one of these
FINE_STROKES = (0.03, 0.06, 0.1)  # of the longer side: what speaks for strokes, not for gaps
MISSED = 0.05  # of the strokes that a window finds; if it misses more, it is too narrow
WHOLE = 0.6  # of the strength of ink; what is weaker is shadow
DARK_INK = 0.5  # a vote; of what photographs show, more is written dark on light
SPARE = 1.3  # strokes so thick have crossings that are thicker
LIGHT = 24  # grey levels; along the border, light differs by less and strokes by more
RIM = 0.5  # of the longer side; strokes touch the border over less than this
WIDE = 1_500_000  # pixels in all windows, from which on doubling is faster
PAPER = 6.0  # grey levels, by which paper may be darker than a plane
BRIGHTEST_GAIN = 3.0  # ink in deep shadow is weaker, but so is everything else there


@dataclass(frozen=True)
class Ground:
    """The ground of a picture.

    Attributes:
        colours: float32 [H, W, C], or [C] where it is the same everywhere.
        kind: "even", "array", "checkerboard" or "photograph".
        gain: float32 [H, W]: what makes ink in shadow as strong as in light; None for 1.
        bright_ink: whether what is brighter is taken for ink, in a photograph.
    """

    colours: Floats
    kind: str
    gain: Floats | None = None
    bright_ink: bool = False


def find_ground(pixels: Picture) -> Ground:
    """Return the ground of a picture, uint8 [H, W, C]."""
    level = array_ground(pixels)
    if level is not None:
        return Ground(level, "array")
    even = _even_ground(pixels)
    if even is not None:
        return Ground(even, "even")
    squares = _checkerboard(pixels)
    if squares is not None:
        return Ground(squares, "checkerboard")
    return _photographed(pixels)


def shrunk(pixels: Picture, side: int) -> Picture:
    """Return a picture of at most `side` pixels, averaging over areas; uint8 [h, w, C]."""
    height, width, channels = pixels.shape
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8).reshape(size[1], size[0], channels)


def bright_plane(pixels: Picture) -> Floats:
    """Return bright paper in light that changes evenly, as a plane in each channel.

    No line is too wide and no stroke too thick for it, and print does not make it uneven; where
    light is uneven, `find_ground` tells more.

    Args:
        pixels: uint8 [H, W, C].

    Returns:
        float32 [H, W, C].
    """
    small = shrunk(pixels, LOOK_SIDE).astype(np.float32)
    terms, light = plane_terms(small.shape), mean_of_channels(small).ravel()
    paper = light >= np.median(light)
    for _ in range(4):
        away = light - terms @ np.linalg.lstsq(terms[paper], light[paper])[0]
        paper = away > -max(PAPER, 3 * float(np.median(np.abs(away[paper]))))
    planes = np.linalg.lstsq(terms[paper], small.reshape(-1, small.shape[2])[paper])[0].astype(
        np.float32
    )
    tall, wide = pixels.shape[:2]
    y, x = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in (tall, wide))
    return np.asarray(planes[0] + planes[1] * x[None, :, None] + planes[2] * y[:, None, None])


def below_paper(pixels: Picture) -> Floats:
    """Return how much darker than `bright_plane` each pixel is, float32 [H, W]; at most 1 or so."""
    darker = mean_of_channels(bright_plane(pixels) - pixels)
    return darker / np.float32(max(percentiles_of(darker, 99.5)[0], 1.0))


def array_ground(pixels: Picture) -> Floats | None:
    """Return the darkest or the brightest colour of an array of levels, float32 [C].

    It is the one that ink covers less: strokes may touch the border everywhere, so that corners,
    border and inside vote. None where the picture is too large, or its ground not flat: a
    photograph.
    """
    if max(pixels.shape[:2]) > ARRAY_SIDE:
        return None
    levels = pixels.mean(axis=2)
    low, high = float(levels.min()), float(levels.max())
    share = (levels - low) / max(high - low, 1.0)
    border = edge(share)
    corners = share[[0, 0, -1, -1], [0, -1, 0, -1]]
    bright = (2 * share.mean() + border.mean() + corners.mean()) / 4 > 0.5
    alike = share >= share.max() - 0.01 if bright else share <= share.min() + 0.01
    if alike.mean() < FLAT:
        return None
    return np.asarray(pixels[alike].mean(axis=0), np.float32)


def _even_ground(pixels: Picture) -> Floats | None:
    """Return the one colour, float32 [C], on which a drawing lies; None for other pictures.

    Either the frame of the picture has one colour, or strokes are cut by it and half of it has
    exactly one; and what differs from that colour is no thicker than strokes are.
    """
    frame = edge(pixels)
    each = [percentiles(counts(frame[:, channel]), 5, 50, 95) for channel in range(frame.shape[1])]
    low, colour, high = np.array(each, np.float32).T
    framed = bool(np.all(high - low <= 12))
    if not framed and np.mean(np.all(np.abs(frame - colour) <= 2, axis=1)) < 0.5:
        return None
    reach = 16 if framed else 2
    lowest, highest = np.clip(colour - reach, 0, 255), np.clip(colour + reach, 0, 255)
    near = np.asarray(cv2.inRange(pixels, lowest, highest), np.uint8)
    if np.count_nonzero(near) < (0.5 if framed else 0.3) * near.size:
        return None
    depth = cv2.distanceTransform(255 - near, cv2.DIST_L2, 3).max()
    return colour if 2 * depth <= THICKEST * max(near.shape) else None


def _checkerboard(pixels: Picture) -> Floats | None:
    """Return the ground, float32 [H, W, C], of squares of two colours; None for other pictures.

    Programs that show transparency paint them, and what is saved from a screen has kept them.
    """
    grey, *others = (np.asarray(plane, np.uint8) for plane in cv2.split(pixels))
    for plane in others:
        grey = np.asarray(cv2.max(grey, plane), np.uint8)
    counted = counts(grey)
    near = np.convolve(counted, np.ones(9, np.int64), "same")
    first = int(near.argmax())
    near[max(0, first - 9) : first + 10] = 0
    second = int(near.argmax())
    low, high = sorted((first, second))
    shares = [float(counted[max(0, at - 5) : at + 6].sum()) / grey.size for at in (low, high)]
    if min(shares) < 0.15 or sum(shares) < 0.5:
        return None
    lower, upper = ((np.abs(grey.astype(np.int16) - at) <= 5).view(np.uint8) for at in (low, high))
    if not _everywhere(lower, upper):
        return None
    squares = np.concatenate([_components(mask) for mask in (lower, upper)])
    side = float(np.median(squares[:, 2:4])) if len(squares) >= 12 else 0.0
    whole = np.all(np.abs(squares[:, 2:4] - side) <= 0.15 * side + 1, axis=1)
    whole &= squares[:, 4] >= 0.7 * side * side
    covered = squares[whole, 4].sum() / (sum(shares) * grey.size)
    if not 3 < side < 0.25 * max(grey.shape) or covered < 0.4:
        return None
    # Both colours are everywhere, unlike those of squared paper in uneven light.
    window = (2 * round(side), 2 * round(side))
    mixture = cv2.blur(upper.astype(np.float32), window) - cv2.blur(
        lower.astype(np.float32), window
    )
    if np.median(np.abs(mixture[::2, ::2])) > 0.25:
        return None
    ends = [np.median(pixels[mask > 0], axis=0).astype(np.float32) for mask in (lower, upper)]
    # Edges between squares are mixtures: the ground of a pixel is the nearest of all of them.
    axis = ends[1] - ends[0]
    along = ((pixels - ends[0]) @ axis / float(axis @ axis)).clip(0, 1)
    return np.asarray(ends[0] + along[..., None] * axis, np.float32)


def _everywhere(lower: Picture, upper: Picture) -> bool:
    """Whether each quarter of a picture has both of two colours, as that of a checkerboard has."""
    middle_y, middle_x = lower.shape[0] // 2, lower.shape[1] // 2
    for rows in (slice(None, middle_y), slice(middle_y, None)):
        for columns in (slice(None, middle_x), slice(middle_x, None)):
            few, many = sorted(np.count_nonzero(mask[rows, columns]) for mask in (lower, upper))
            if few < 0.1 * many:
                return False
    return True


def _components(mask: Picture) -> npt.NDArray[np.int32]:
    """Return left, top, width, height and area of all components but specks, int32 [N, 5]."""
    stats = cv2.connectedComponentsWithStats(mask, connectivity=4)[2][1:]
    return np.asarray(stats[stats[:, 4] >= 12], np.int32)


def _photographed(pixels: Picture) -> Ground:
    """Return the ground of a photograph by closing strokes over (morphology; Serra, 1982).

    A closing follows light and keeps the edges of shadows and of paper where they are: only what
    is narrower than its window, as strokes are, differs from it.
    """
    small = shrunk(pixels, LOOK_SIDE)
    direction = _ink_direction(small)
    direction, share = _stroke_scale(small, direction)
    side = _odd(share, max(pixels.shape[:2]))
    bright = (direction > 0).tolist()
    smooth = np.asarray(cv2.medianBlur(pixels, 3), np.uint8).reshape(pixels.shape)
    if len(set(bright)) == 1:
        closed = _without_strokes(smooth, side, bright[0]).reshape(pixels.shape)
    else:
        planes = zip(cv2.split(smooth), bright, strict=True)
        closed = np.dstack(
            [_without_strokes(np.asarray(plane, np.uint8), side, way) for plane, way in planes]
        )
    # Noise lifts what is the most of a window.
    lift = cv2.split(cv2.subtract(closed[::2, ::2], pixels[::2, ::2], dtype=cv2.CV_16S))
    biases = [_bias(np.asarray(one), way) for one, way in zip(lift, bright, strict=True)]
    colours = minus(closed, np.array(biases, np.float32))
    if direction.sum() > 0:
        return Ground(colours, "photograph", bright_ink=True)
    light = mean_of_channels(colours)
    gain = np.float32(percentiles_of(light[::4, ::4], 95)[0]) / np.maximum(light, 20)
    return Ground(colours, "photograph", np.clip(gain, 1, BRIGHTEST_GAIN))


def _bias(lift: npt.NDArray[np.int16], bright: bool) -> float:
    """Return the median lift of the ground alone, of which a quarter of all pixels is.

    What is farther than halfway from there to the farthest is ink.
    """
    counted = np.bincount((255 - lift if bright else 255 + lift).ravel(), minlength=511)
    near, far = percentiles(counted, 25, 99)
    bias = percentiles(counted[: int((near + far) / 2) + 1], 50)[0] - 255
    return -bias if bright else bias


def _ink_direction(small: Picture) -> Floats:
    """Return the unit vector, float32 [C], from the colour of the ground to that of the ink."""
    small = shrunk(small, COLOUR_SIDE)
    window = _odd(MEDIAN_WINDOW, max(small.shape[:2]))
    ground = cv2.medianBlur(small, window).reshape(small.shape)
    difference = small.astype(np.float32) - ground
    distance = np.sqrt(np.square(difference).sum(axis=2))
    strong = distance > distance.max() / 2
    direction = (difference[strong] * distance[strong, None]).sum(axis=0)
    length = float(np.linalg.norm(direction))
    if length < 1e-6:
        return np.full(small.shape[2], -1 / np.sqrt(small.shape[2]), np.float32)
    return np.asarray(direction / length, np.float32)


def _stroke_scale(small: Picture, direction: Floats) -> tuple[Floats, float]:
    """Return the direction of ink, and a window (of the longer side) that is wider than strokes.

    Wider windows find more, until all strokes are found (granulometry; Matheron, 1975): the first
    that finds nearly as much as the next is taken. The gaps between strokes look like ink, too, but
    they are wider, they cover more, and it takes wider windows to find all of them.
    """
    if np.all(direction > 0) or np.all(direction < 0):
        light = along(small, np.abs(direction))
        # Shadow divides light, so that dark ink in it counts as much as other ink by logarithms.
        levels = _stretched(light), 255 - _stretched(np.log(light + 16))
        levels = levels if direction[0] > 0 else levels[::-1]
    else:
        level = _stretched(along(small, direction))
        levels = level, 255 - level
    one, other = _Look(levels[0]), _Look(levels[1])
    shares = one.scale(), other.scale()
    votes = float(np.clip(one.narrowness() - other.narrowness(), -3, 3))
    votes += math.log(shares[1] / shares[0]) + (_bareness(levels[0]) - _bareness(levels[1])) / 2
    votes -= DARK_INK * float(np.sign(direction.sum()))
    return (direction, shares[0]) if votes >= 0 else (-direction, shares[1])


def _stretched(values: npt.NDArray[np.floating]) -> Picture:
    """Return values stretched to 0 to 255."""
    low, high = float(values.min()), float(values.max())
    level: Picture = np.rint((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    return level


def _bareness(level: Picture) -> float:
    """Return the logarithm of how much more lies near the lowest than near the highest level."""
    low, high = percentiles(counts(np.asarray(cv2.blur(level, (3, 3)))), 0.5, 99.5)
    bright = np.count_nonzero(level > high - (high - low) / 3) / level.size
    dark = np.count_nonzero(level < low + (high - low) / 3) / level.size
    return math.log((dark + 0.03) / (bright + 0.03))


class _Look:
    """What windows of all widths find on a small copy of a picture, if its ink is bright."""

    def __init__(self, level: Picture) -> None:
        self.widths = np.array((*FINE_STROKES, *STROKES))
        longest = max(level.shape)
        reach = _odd(STROKES[-1], longest) // 2 + 1
        around = _surrounded(level, reach, _odd(RIM, longest), bright=True)
        sides = [_odd(width, longest) for width in self.widths]
        grounds = {}
        for side in set(sides):
            # A window sees twice its half; the widest sees all that is around.
            spare = max(0, reach - side + 1)
            part = around[spare : len(around) - spare, spare : around.shape[1] - spare]
            grounds[side] = opened(part, side, reach - spare, bright=True)
        self.grounds = [grounds[side] for side in sides]
        hats = [np.asarray(cv2.subtract(level, ground), np.uint8) for ground in self.grounds]
        strong = [percentiles(counts(hats[at]), 99.7)[0] for at in (len(FINE_STROKES), -1)]
        self.least = max(0.35 * strong[0], 0.15 * strong[1])
        self.whole = WHOLE * strong[0]
        strokes = [cv2.threshold(hat, self.least, 0, cv2.THRESH_TOZERO)[1] for hat in hats]
        self.masses = [cv2.sumElems(stroke)[0] for stroke in strokes]

    def narrowness(self) -> float:
        """Return the logarithm of how much speaks for bright ink.

        Each pixel speaks the more, the narrower the window that finds it.
        """
        found = np.diff(self.masses, prepend=0).clip(0)
        return math.log(1 + float((found / self.widths**2).sum()))

    def scale(self) -> float:
        """Return the window, of the longer side, that finds whole strokes.

        A wider one finds little more that is as strong as ink; shadows are weaker.
        """
        for index in range(len(FINE_STROKES), len(self.widths) - 1):
            more = cv2.subtract(self.grounds[index], self.grounds[index + 1])
            missed = cv2.threshold(more, self.whole, 0, cv2.THRESH_TOZERO)[1]
            if cv2.sumElems(missed)[0] <= MISSED * self.masses[index]:
                first = index == len(FINE_STROKES)
                return float(self.widths[index]) * (1.0 if first else SPARE)
        return STROKES[-1]


def _odd(share: float, longest: int) -> int:
    """Return a share of the longer side as a window, at least 3 and odd."""
    return max(3, int(share * longest) | 1)


def _without_strokes(level: Picture, side: int, bright: bool) -> Picture:
    """Open bright strokes, or close dark ones, that are narrower than a square window.

    Around the picture goes on what is along its border, without the strokes that run out there.
    """
    reach = side // 2 + 1
    around = _surrounded(level, reach, 2 * side, bright)
    return opened(around, side, reach, bright)


def opened(around: Picture, side: int, reach: int, bright: bool) -> Picture:
    """Open a picture, or close it, by a square window, and take so many pixels off all around.

    These are more than half of the window. OpenCV takes the longer, the wider the window is.
    """
    if side * around.size < WIDE:
        how = cv2.MORPH_OPEN if bright else cv2.MORPH_CLOSE
        whole = cv2.morphologyEx(around, how, np.ones((side, side), np.uint8))
        return np.asarray(whole[reach:-reach, reach:-reach], np.uint8)
    first, second = (cv2.min, cv2.max) if bright else (cv2.max, cv2.min)
    half, spare = side // 2, reach - side // 2
    nothing = (255,) * 4 if bright else (0,) * 4
    wide = cv2.copyMakeBorder(around, half, half, half, half, cv2.BORDER_CONSTANT, value=nothing)
    level = np.asarray(wide, np.uint8)
    for extreme in (first, second):
        level = _extremes(_extremes(level, side, extreme, 0), side, extreme, 1)
    return np.asarray(level[spare:-spare, spare:-spare], np.uint8)


def _extremes(level: Picture, side: int, extreme: Extreme, axis: int) -> Picture:
    """Return the least or the most of each `side` pixels along an axis, by doubling windows."""
    window = 1
    while window < side:
        step = min(window, side - window)
        count = level.shape[axis] - step
        both = (level[:count], level[step:]) if axis == 0 else (level[:, :count], level[:, step:])
        level = np.asarray(extreme(*both), np.uint8)
        window += step
    return level


def _surrounded(level: Picture, reach: int, side: int, bright: bool) -> Picture:
    """Return a picture with what is along its border around it, without strokes that end there."""
    how = cv2.MORPH_OPEN if bright else cv2.MORPH_CLOSE
    rim = level.copy()
    for edges in (rim[:: max(1, len(rim) - 1)], rim.swapaxes(0, 1)[:: max(1, rim.shape[1] - 1)]):
        seen = np.ascontiguousarray(edges)
        if int(seen.max()) - int(seen.min()) <= LIGHT:
            continue
        window = np.ones((1, min(edges.shape[1], side)), np.uint8)
        bare = np.asarray(cv2.morphologyEx(seen, how, window)).reshape(seen.shape)
        strokes = np.asarray(cv2.absdiff(seen, bare)).reshape(seen.shape) > LIGHT
        np.copyto(edges, bare, where=strokes)
    around = cv2.copyMakeBorder(rim, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    around = around.reshape(*around.shape[:2], *level.shape[2:])
    around[reach:-reach, reach:-reach] = level
    return np.asarray(around, np.uint8)
