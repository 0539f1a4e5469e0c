"""Digits of a dataset written again with another pen, thin or thick; used by camera.py."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Segments = npt.NDArray[np.float64]

_FINER = 3  # a skeleton in whole pixels of 28 would be too rough
# The eight neighbours in a circle, from the right one, each with a bit of its own.
_CIRCLE = ((1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2))


def thinned(image: Picture) -> Segments:
    """Return the middle lines of the strokes of an image.

    Args:
        image: uint8 [28, 28], ink bright.

    Returns:
        float64 [N, 2, 2]: x and y of both ends of short straight pieces, in pixels of the image.
    """
    mask = (_enlarged(image) > 0.45).astype(np.uint8)
    points = np.argwhere(_skeleton(mask))[:, ::-1]
    number = np.full(np.array(mask.shape) + 2, -1)
    number[points[:, 1], points[:, 0]] = np.arange(len(points))
    pairs = []
    for x, y in ((1, 0), (0, 1), (1, 1), (-1, 1)):
        other = number[points[:, 1] + y, points[:, 0] + x]
        pairs.append(np.column_stack([np.flatnonzero(other >= 0), other[other >= 0]]))
    joined = np.concatenate(pairs)
    if not len(joined):  # a single dot
        joined = np.zeros((1, 2), np.int64)
    smooth = points.astype(np.float64)
    for _ in range(3):  # whole pixels make stairs: each point moves to the mean of its neighbours
        total, count = 2 * smooth, np.full((len(points), 1), 2.0)
        for one, other in (joined.T, joined.T[::-1]):
            np.add.at(total, one, smooth[other])
            np.add.at(count, one, 1)
        smooth = total / count
    pieces: Segments = (smooth[joined] + 0.5) / _FINER - 0.5
    return pieces


def drawn(
    segments: Segments,
    matrix: npt.NDArray[np.float64],
    shape: tuple[int, int],
    width: int,
    smooth: bool,
) -> Floats:
    """Draw pieces of strokes with a round pen.

    Args:
        segments: float64 [N, 2, 2], see `thinned`.
        matrix: float64 [2, 3], from the image's pixels to the picture's.
        shape: height and width of the picture.
        width: of the pen, in pixels of the picture, at least 1.
        smooth: whether edges are soft, or of whole pixels.

    Returns:
        float32 [H, W] in [0, 1].
    """
    placed = segments @ matrix[:, :2].T + matrix[:, 2]
    ink = np.zeros(shape, np.uint8)
    kind = cv2.LINE_AA if smooth else cv2.LINE_8
    lines = np.rint(placed * 16).astype(np.int32)
    cv2.polylines(ink, list(lines), False, 255, width, kind, shift=4)
    return (ink / 255).astype(np.float32)


def brushed(image: Picture, radius: float) -> Picture:
    """Thicken strokes, at most by `radius` pixels on each side, without closing a loop or a gap.

    Half the depth of every loop stays free, and half of the bays that the strokes enclose.

    Args:
        image: uint8 [28, 28], ink bright.
        radius: in pixels of the image.

    Returns:
        uint8 [28, 28].
    """
    padded = np.pad(_enlarged(image), 3 * _FINER)
    mask = padded > 0.45
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    before, found = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    labels = found.astype(np.int32)
    deepest = np.zeros(before, np.float32)
    np.maximum.at(deepest, labels.ravel(), outside.ravel())
    free = (labels > 1) & (outside > 0.5 * deepest[labels])
    bays = _hull(mask) & ~mask
    for reach in _shorter(radius * _FINER):
        wide = np.where(free, 0, np.clip(reach + 1 - outside, 0, 1)).astype(np.float32)
        after = cv2.connectedComponents((wide <= 0.5).astype(np.uint8), connectivity=4)[0]
        if after == before and (bays & (wide <= 0.5)).sum() >= 0.5 * bays.sum():
            thick = np.maximum(wide, padded)
            small = cv2.resize(thick, (28 + 6, 28 + 6), interpolation=cv2.INTER_AREA)
            return np.rint(255 * small[3:-3, 3:-3]).astype(np.uint8)
    return image


def _hull(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return what lies within the convex hull of a mask."""
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    filled = cv2.fillConvexPoly(mask.astype(np.uint8), cv2.convexHull(points), 1)
    return np.asarray(filled, bool)


def _shorter(reach: float) -> Iterator[float]:
    while reach > 0.5:
        yield reach
        reach *= 0.7


def _enlarged(image: Picture) -> Floats:
    side = 28 * _FINER
    large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    return (large / 255).astype(np.float32)


def _skeleton(mask: Picture) -> Picture:
    """Peel strokes to lines one pixel thin (Zhang and Suen, 1984); uint8 [H, W] of 0 and 1."""
    mask = np.pad(mask, 1)
    tables = _peeling()
    kernel = np.zeros((3, 3), np.float32)
    for bit, (row, column) in enumerate(_CIRCLE):
        kernel[row, column] = 1 << bit
    while True:
        before = int(mask.sum())
        for table in tables:
            around = cv2.filter2D(mask, cv2.CV_8U, kernel, borderType=cv2.BORDER_CONSTANT)
            mask = mask & np.asarray(cv2.LUT(around, table), np.uint8)
        if int(mask.sum()) == before:
            return mask[1:-1, 1:-1]


def _peeling() -> tuple[Picture, Picture]:
    """Return for each of 256 surroundings whether a pixel stays, for both half steps."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    right, _, up, _, left, _, down, _ = bits.T
    count = bits.sum(axis=1)
    crossings = ((bits == 0) & (np.roll(bits, -1, axis=1) == 1)).sum(axis=1)
    edge = (count >= 2) & (count <= 6) & (crossings == 1)
    first = edge & (up * right * down == 0) & (right * down * left == 0)
    second = edge & (up * right * left == 0) & (up * down * left == 0)
    return (~first).astype(np.uint8), (~second).astype(np.uint8)
