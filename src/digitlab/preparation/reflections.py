"""Reflections of lamps beside a digit, painted over with the ground around them; version 3."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.ground import shrunk
from digitlab.preparation.pixels import counts, edge, percentiles, plane_terms

Picture = npt.NDArray[np.uint8]

SMALLEST = 24  # pixels; smaller pictures are not looked at
BRIGHT = 190  # grey levels; a reflection is the lamp itself
BRIGHTER = 45  # grey levels than the ground
MOST = 0.2  # of the picture; what covers more is paper
SOLID = 0.85  # of its convex hull that a spot fills
ROUND = 5.0  # times as long as wide; streaks that are longer may be strokes of bright ink
STREAK = 14.0  # the same, where ink is dark
DARK = 0.15  # of the way from the spot to the ground, beyond the ground: ink that is darker
LEAST = 0.004  # of the picture that ink covers
ABOVE = 18  # grey levels by which a spot is brighter than bright ink
LOOK_SIDE = 128  # pixels; whether there is dark ink is seen on a copy of this size
STROKES = 0.25  # of the longer side; strokes are narrower
EVEN = 4  # grey levels; drawings have no reflections


def without_reflections(pixels: Picture) -> Picture:
    """Return a picture, uint8 [H, W, C], without bright spots beside darker or duller ink."""
    if min(pixels.shape[:2]) < SMALLEST:
        return pixels
    low, ground, peak = percentiles(counts(_darkest(pixels[::2, ::2])), 2, 50, 99.9)
    if peak < BRIGHT or peak - ground < BRIGHTER:
        return pixels
    grey = _darkest(pixels)
    if np.ptp(percentiles(counts(edge(grey)), 10, 90)) < EVEN:
        return pixels
    bright = (grey > (ground + peak) / 2).view(np.uint8)
    if cv2.countNonZero(bright) > MOST * bright.size:
        return pixels
    count, found, stats, _ = cv2.connectedComponentsWithStats(bright)
    labels = np.asarray(found, np.int32)
    if count > 60:
        return pixels
    dark = _has_dark_ink(grey, max(DARK * (peak - ground), 15))
    longest = STREAK if dark else ROUND
    large = [one for one in range(1, count) if stats[one, 4] >= 6]
    spots = [
        one for one in large if _is_spot(labels, np.asarray(stats[one], np.int32), one, longest)
    ]
    if not dark:  # then ink is bright, too, and not as bright
        # Along the edge, light may be bright.
        others = np.isin(labels, [0, *spots, *edge(labels)], invert=True)
        if np.count_nonzero(others) < LEAST * grey.size:
            return pixels
        dullest = np.percentile(grey[others], 75) + ABOVE
        spots = [one for one in spots if np.percentile(grey[labels == one], 60) > dullest]
    if not spots or low >= ground:
        return pixels
    mask = np.isin(labels, spots).view(np.uint8)
    reach = 2 * max(1, round(0.012 * max(grey.shape))) + 3
    wide = cv2.dilate(mask, np.ones((reach, reach), np.uint8))
    around = cv2.dilate(wide, np.ones((5, 5), np.uint8)) > wide
    around &= bright == 0
    if not dark:
        around &= grey < (ground + peak) / 2
    painted = pixels.copy()
    if around.any():
        painted[wide > 0] = np.median(pixels[around], axis=0).astype(np.uint8)
    return painted


def _has_dark_ink(grey: Picture, depth: float) -> bool:
    """Whether strokes are darker than what is around them, and than light that changes evenly.

    A dark corner is not the first, and a gap between bright strokes not the second.
    """
    small = shrunk(grey[..., None], LOOK_SIDE)[..., 0]
    window = np.ones((int(STROKES * max(small.shape)) | 1,) * 2, np.uint8)
    deep = np.asarray(cv2.morphologyEx(small, cv2.MORPH_BLACKHAT, window)) > depth
    terms = plane_terms(small.shape)
    away = small.ravel() - terms @ np.linalg.lstsq(terms, small.ravel().astype(float))[0]
    deep &= (away < np.median(away) - depth).reshape(small.shape)
    return bool(np.count_nonzero(deep) >= LEAST * deep.size)


def _darkest(pixels: Picture) -> Picture:
    """Return the darkest channel of each pixel, uint8 [H, W]."""
    planes = cv2.split(pixels)
    grey = planes[0]
    for plane in planes[1:]:
        grey = cv2.min(grey, plane)
    return np.asarray(grey, np.uint8)


def _is_spot(
    labels: npt.NDArray[np.int32], box: npt.NDArray[np.int32], one: int, longest: float
) -> bool:
    left, top, width, height, area = box.tolist()
    part = (labels[top : top + height, left : left + width] == one).view(np.uint8)
    points = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    hull = cv2.convexHull(max(points, key=len))
    filled = np.zeros_like(part)
    cv2.fillConvexPoly(filled, hull, 1)
    sides = cv2.minAreaRect(hull)[1]
    if max(sides) + 1 > longest * (min(sides) + 1):
        return False
    return bool(area >= SOLID * cv2.countNonZero(filled))
