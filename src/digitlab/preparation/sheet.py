"""The sheet of paper in a photograph of which it is but a part; used by version 3."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.ground import shrunk

Picture = npt.NDArray[np.uint8]
Affine = npt.NDArray[np.float64]

LOOK_SIDE = 128  # pixels; the sheet is sought on a copy of this size
SMALLEST = 40  # pixels; smaller pictures are no photographs of a table
LARGEST_PART = 1024  # pixels of the sheet's longer side that are kept
SHARES = (0.06, 0.8)  # of the photograph that a sheet covers
STRONGER = 30  # grey levels between table and sheet
RECTANGULAR = 0.86  # of its rectangle that it fills, ink included
CORNERED = 0.6  # of each corner of the rectangle that it fills, as no digit does
INK = (0.003, 0.3)  # of the sheet that is darker
ELSEWHERE = 0.12  # of the rest of the photograph that is as bright
INSET = 0.02  # of its side; along the edge lie shadows
STRAIGHT = 1.0  # degree; turned less, it is not turned back


@dataclass(frozen=True)
class Sheet:
    """A sheet found in a photograph.

    Attributes:
        picture: uint8 [h, w, C], the sheet alone, upright.
        matrix: float64 [2, 3], from its pixels to the photograph's.
    """

    picture: Picture
    matrix: Affine

    def box_in_photograph(
        self, box: tuple[int, int, int, int], size: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """Return the box, in a photograph of a width and height, around one in the sheet."""
        x, y, width, height = box
        corners = np.array([(x, y), (x + width, y), (x, y + height), (x + width, y + height)])
        there = corners @ self.matrix[:, :2].T + self.matrix[:, 2]
        left, top = np.floor(there.min(axis=0).clip(0)).astype(int).tolist()
        right, bottom = np.ceil(np.minimum(there.max(axis=0), size)).astype(int).tolist()
        return left, top, max(1, right - left), max(1, bottom - top)


def find_sheet(pixels: Picture, seen: Picture) -> Sheet | None:
    """Return the bright sheet with ink in a photograph; None for none.

    Args:
        pixels: uint8 [H, W, C], from which it is cut out.
        seen: the same or a smaller copy, uint8 [h, w, C], in which it is sought.
    """
    if min(pixels.shape[:2]) < SMALLEST:
        return None
    small = shrunk(seen, LOOK_SIDE)
    grey = (
        small[..., 0]
        if small.shape[2] == 1
        else np.asarray(
            cv2.transform(small, np.full((1, small.shape[2]), 1 / small.shape[2], np.float32)),
            np.uint8,
        ).reshape(small.shape[:2])
    )
    bright = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]
    share = cv2.countNonZero(bright) / bright.size
    if not SHARES[0] / 2 <= share <= SHARES[1]:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(bright, np.uint8))
    sheet = 1 + int(stats[1:, 4].argmax())
    left, top, width, height, _ = stats[sheet].tolist()
    edges = (left <= 1) + (top <= 1)
    edges += (left + width >= small.shape[1] - 1) + (top + height >= small.shape[0] - 1)
    if edges > 2:  # the lit side of a shadow runs out of the picture three times
        return None
    mask = (labels == sheet).view(np.uint8)
    outline = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    points = max(outline, key=len)
    hull = cv2.convexHull(points)
    filled = np.zeros_like(mask)
    cv2.fillConvexPoly(filled, hull, 1)
    area = cv2.countNonZero(filled)
    if not SHARES[0] <= area / mask.size <= SHARES[1]:
        return None
    (x, y), (wide, tall), angle = cv2.minAreaRect(hull)
    middle, size = (float(x), float(y)), (float(wide), float(tall))
    if min(size) < 8 or area < RECTANGULAR * (size[0] + 1) * (size[1] + 1):
        return None
    ink = 1 - cv2.countNonZero(mask & filled) / area
    if not INK[0] <= ink <= INK[1]:
        return None
    outside = filled == 0
    if np.count_nonzero(bright[outside]) > ELSEWHERE * np.count_nonzero(outside):
        return None
    if cv2.mean(grey, mask)[0] - cv2.mean(grey, outside.view(np.uint8))[0] < STRONGER:
        return None
    while abs(angle) > 45:  # versions of OpenCV count it from different sides
        angle, size = angle - math.copysign(90, angle), (size[1], size[0])
    return _cut_out(pixels, filled, middle, size, angle, max(pixels.shape) / max(small.shape))


def _cut_out(
    pixels: Picture,
    filled: Picture,
    middle: tuple[float, float],
    size: tuple[float, float],
    angle: float,
    scale: float,
) -> Sheet | None:
    """Return the sheet upright, from where it is on the small copy; None where it is round."""
    angle = angle if abs(angle) > STRAIGHT else 0.0
    turn = math.radians(angle)
    linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    whole = np.array(size) + 1
    offset = np.array(middle) - linear @ (np.array(size) / 2)
    upright = cv2.warpAffine(
        filled,
        np.column_stack([linear, offset]),
        (math.ceil(whole[0]), math.ceil(whole[1])),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
    )
    rows, columns = max(1, len(upright) // 8), max(1, upright.shape[1] // 8)
    for part in (upright[:rows], upright[-rows:]):
        if min(part[:, :columns].mean(), part[:, -columns:].mean()) < CORNERED:
            return None
    inset = INSET * whole.max() + 1
    size_there = (whole - 2 * inset) * scale
    if size_there.min() < 8:
        return None
    shrink = max(1.0, size_there.max() / LARGEST_PART)
    corner = (np.array(middle) + 0.5) * scale - linear @ size_there / 2
    matrix = np.column_stack([linear * shrink, corner])
    shape = tuple(max(1, round(side / shrink)) for side in size_there.tolist())
    if angle == 0 and shrink == 1:
        left, top = np.rint(corner).astype(int).clip(0).tolist()
        part = pixels[top : top + shape[1], left : left + shape[0]]
        return Sheet(part, np.array([[1.0, 0, left], [0, 1.0, top]]))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if shrink > 1:
        pixels = np.asarray(cv2.blur(pixels, (math.ceil(shrink), math.ceil(shrink))), np.uint8)
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    part = cv2.warpAffine(pixels, matrix, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return Sheet(np.asarray(part, np.uint8).reshape(shape[1], shape[0], -1), matrix)
