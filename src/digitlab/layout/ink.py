"""How much ink lies on each pixel of a page, whatever its paper, light and pens.

A page differs from a picture of one digit: its strokes are fine beside it, so that the ground is
followed closely, and one page may be written with several pens.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.ground import opened, shrunk
from digitlab.preparation.pixels import counts, percentiles, weighted_median

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

WORK_SIDE = 1600  # pixels; larger pages are shrunk
LOOK_SIDE = 512  # pixels; what is decided for the whole page is decided on a small copy
WINDOWS = (0.025, 0.045, 0.07, 0.11, 0.18)  # of the longer side: strokes are narrower than one
STRIP = 0.6  # of the shorter side: no window but the first two is wider
MORE = 0.05  # of what a window finds; where the next finds less than that more, it is wide enough
# Times what that window finds: what finds more may find the strokes, and that only grain.
MOST = 2.0
WHOLE = 0.5  # of the strength of ink; what is weaker is shadow
VOTE_SIDE = 320  # pixels; which channels show the ink, and which way, is voted on a smaller one
# Of the longer side: strokes cover less than half of the one, but where a few digits fill the page,
# and of the other. Shadows and tables are more in the wider one.
VOTE_WINDOWS = (0.08, 0.3)
STROKES = 6.0  # widths of a stroke: a window that is wider than whatever strokes make
PENS = (0.4, 0.7)  # what is stronger is ink, and the strongest pen, which rules are not
THICKER = 1.5  # times as wide as what else is ink: so strokes of that pen are between rules
FEWEST = 3.0  # widths of a stroke between rules, at least, is a window
TINY = 160  # pixels
LIGHT = 16.0  # grey levels that are added to both sides of a ratio, so that black is not divided by
FAINTEST_INK = 0.1  # of the light of the paper; less is blank
OPPOSED = 0.02  # of the ink in a channel: if more is the other way, it is left out
NOISES = 5.0  # standard deviations of the ground; what is less is noise

# Shadow divides light, so that it takes the same from all logarithms of it.
LEVELS = np.rint(90 * np.log(np.arange(256) / LIGHT + 1)).astype(np.uint8)


def page_inks(pixels: Picture) -> list[Floats]:
    """Return the strength of the ink on a page; about 1 where the strongest pen wrote.

    There are several, the likeliest first, where it cannot be told by light alone what is ink: the
    dark or the bright, the fine or the broad. Where only the channels of ink are in doubt, those of
    the narrower vote are taken.

    Args:
        pixels: uint8 [H, W, C], grey or RGB, no larger than WORK_SIDE; dark ink on light ground or
            light on dark.

    Returns:
        Each float32 [H, W], from 0; all 0 where nothing stands out from the ground.
    """
    small = shrunk(pixels, LOOK_SIDE)
    voting = shrunk(small, VOTE_SIDE)
    likely, other = (_channels(voting, window) for window in VOTE_WINDOWS)
    inks = []
    for kept, bright in [likely] if likely[1] == other[1] else [likely, other]:
        shown, looked = pixels, small
        if len(kept) < pixels.shape[2]:
            shown, looked = (np.ascontiguousarray(one[..., kept]) for one in (pixels, small))
        if bright:
            shown, looked = 255 - shown, 255 - looked
        inks += [_ink(shown, window) for window in _windows(looked)]
    return inks


def _ink(pixels: Picture, window: float) -> Floats:
    """Return the strength of dark ink, with a window of a share of the longer side or a better one.

    A better one is that which the strokes ask for that are found.
    """
    strength = _strength(pixels, window)
    longest = max(pixels.shape[:2])
    thin, thick = (_stroke_width(strength, level) for level in PENS)
    width = max(thin, thick)
    # What is thin is no pen, but rules that hold what it wrote together.
    is_narrow = thick > THICKER * thin and window * longest < FEWEST * width
    if width and (is_narrow or STROKES * width < 0.6 * window * longest):
        strength = _strength(pixels, STROKES * width / longest)
    return strength


def _strength(pixels: Picture, window: float) -> Floats:
    """Return the strength of dark ink, with a window of a share of the longer side."""
    ground = _ground(pixels, window)
    ratio = (pixels + np.float32(LIGHT)) / (ground + np.float32(LIGHT))
    absorbed = np.maximum(np.float32(1) - ratio, 0)
    strength = (
        np.sqrt(np.square(absorbed).mean(axis=2)) if pixels.shape[2] > 1 else absorbed[..., 0]
    )
    return _scaled(np.asarray(strength, np.float32))


def _stroke_width(strength: Floats, level: float) -> float:
    """Return how wide strokes stronger than a level are, in pixels; 0 where no piece is one."""
    inked = (strength > level).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inked)
    width, height, area = stats[:, 2], stats[:, 3], stats[:, 4]
    like = (
        (height >= 8) & (height <= 0.3 * max(strength.shape)) & (width <= 2 * height) & (area >= 12)
    )
    like[0] = False
    if not like.any():
        return 0.0
    inside = np.asarray(cv2.distanceTransform(inked, cv2.DIST_L2, 3), np.float32)
    sums = np.bincount(np.asarray(labels).ravel(), inside.ravel(), len(stats))
    # Over a strip w pixels wide, the distance to its edge has the mean w / 4 + 1 / 2.
    widths = 4 * sums[like] / area[like] - 1
    return max(1.0, weighted_median(widths, height[like]))


def _scaled(strength: Floats) -> Floats:
    """Return strength less its noise, where 1 is that of the strongest pen; 0 for a blank page."""
    step = max(1, max(strength.shape) // 400)
    seen = np.sort(strength[::step, ::step], axis=None)
    # Strokes cover little of a page, so that its lower half is ground.
    middle = float(seen[len(seen) // 2])
    noise = (middle - float(seen[len(seen) // 10])) / 1.28 + 1e-4
    peak, level = strongest(strength)
    if peak - middle < max(FAINTEST_INK, NOISES * noise) or not level:
        return np.zeros_like(strength)
    floor = middle + 2 * noise
    return np.asarray(((strength - floor) / max(level - floor, 1e-3)).clip(0, 2), np.float32)


def strongest(strength: Floats) -> tuple[float, float]:
    """Return how strong ink is at its peak, and usually where the strongest pen wrote; 0 of none.

    Args:
        strength: float32 [H, W].
    """
    smooth = np.asarray(cv2.blur(strength, (3, 3)), np.float32)
    peak = float(np.partition(smooth, -20, axis=None)[-20] if smooth.size > 20 else smooth.max())
    strong = strength[smooth > max(peak / 2, FAINTEST_INK)]
    return peak, float(np.percentile(strong, 80)) if len(strong) else 0.0


def _ground(pixels: Picture, window: float) -> Floats:
    """Return the ground, float32 [H, W, C], by closing strokes over on a copy of half the size."""
    half = shrunk(pixels, max(LOOK_SIDE, max(pixels.shape[:2]) // 2))
    if max(half.shape) > TINY:  # else strokes are as fine as noise
        half = np.asarray(cv2.medianBlur(half, 3), np.uint8).reshape(half.shape)
    side = _odd(window, max(half.shape[:2]))
    closed = _closed(half, side)
    smooth = cv2.blur(closed, (side // 4 * 2 + 1,) * 2)  # what closing leaves has edges
    smooth = np.asarray(smooth, np.uint8).reshape(closed.shape)
    # Where the light changes suddenly, an average would lie beside both.
    ground = smooth if side < 5 else np.minimum(closed, smooth)
    # Halving blurs a sharp edge, beside which the ground of the light would lie on the shadow.
    ground = np.asarray(cv2.erode(ground, np.ones((3, 3), np.uint8)), np.uint8)
    height, width = pixels.shape[:2]
    large = cv2.resize(ground, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32).reshape(pixels.shape)


def _closed(level: Picture, side: int) -> Picture:
    """Close dark strokes that are narrower than a square window; uint8 [H, W, C]."""
    reach = side // 2 + 1
    around = cv2.copyMakeBorder(level, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    around = np.asarray(around, np.uint8).reshape(*around.shape[:2], -1)
    return opened(around, side, reach, bright=False).reshape(level.shape)


def _windows(small: Picture) -> list[float]:
    """Return the windows, of the longer side, that may be wider than strokes (Matheron, 1975).

    Wider windows find more; the first is taken after which little more is found that is as strong
    as ink. Where a later one finds more than `MOST` times as much, the first such after which
    little more is found is a second.
    """
    grey = small.min(axis=2)
    longest = max(grey.shape)
    widest = max(WINDOWS[1], STRIP * min(grey.shape) / longest)
    shares = [share for share in WINDOWS if share <= widest]
    windows = {_odd(share, longest): share for share in shares}  # of tiny pictures, some are one
    hats = [cv2.subtract(_closed(grey[..., None], side)[..., 0], grey) for side in windows]
    strong = WHOLE * percentiles(counts(np.asarray(hats[-1], np.uint8)), 99.7)[0]
    found = [
        float(cv2.sumElems(cv2.threshold(hat, strong, 0, cv2.THRESH_TOZERO)[1])[0]) for hat in hats
    ]
    enough = [more - mass <= MORE * mass for mass, more in pairwise(found)] + [True]
    chosen = [
        (share, mass)
        for share, mass, is_it in zip(windows.values(), found, enough, strict=True)
        if is_it
    ]
    first, least = chosen[0]
    return [first, *(share for share, mass in chosen[1:] if mass > MOST * least)][:2]


def _channels(small: Picture, window: float) -> tuple[list[int], bool]:
    """Return the channels that show the ink one way, and whether it is brighter there.

    Blue ink on yellow paper is darker than it in red and green, and brighter in blue, where the
    gaps between strokes would be taken for ink. Strokes cover little of what is around them, gaps
    between them much, so that few pixels are far from the median around them but those of ink.
    """
    levels = np.asarray(cv2.LUT(small, LEVELS), np.uint8).reshape(small.shape)
    side = min(_odd(window, max(levels.shape)), 255)
    around = np.asarray(cv2.medianBlur(levels, side), np.float32)
    away = (levels - around.reshape(small.shape)).reshape(-1, small.shape[2])
    sums = np.square(away).sum(axis=1) @ away
    strongest = int(np.abs(sums).argmax())
    bright = float(sums[strongest]) > 0
    toward = away if bright else -away
    weights = np.square(np.maximum(toward[:, strongest], 0))
    with_it, against = weights @ np.maximum(toward, 0), weights @ np.maximum(-toward, 0)
    return np.flatnonzero(against <= OPPOSED * with_it).tolist(), bright


def _odd(share: float, longest: int) -> int:
    return max(3, int(share * longest) | 1)
