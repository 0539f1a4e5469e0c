"""The sheet of paper in a photograph of a table, seen straight from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.glyph import Box
from digitlab.preparation.ground import shrunk

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

LOOK_SIDE = 320  # pixels; the sheet is sought on a copy of this size
SHARES = (0.12, 0.96)  # of the photograph that a sheet covers
FILLED = 0.9  # of its four-cornered outline that it fills, ink included
BESIDE = 0.08  # of the outline, that the sheet reaches beyond it: four corners are few
STRONGER = 22  # grey levels between sheet and table
INSET = 0.008  # of the sheet's side; along the edge lie shadows
CLOSED = 0.06  # of the copy's side: gaps that ink leaves in the sheet are narrower
EDGE = 4.0  # pixels of the copy: a side that is nearer runs along the picture's edge
MARGIN = 0.03  # of the longer side, around what is on a page that is turned
PAPER_SIDE, PAPER_WINDOW = 160, 31  # pixels; ink covers less than half of such a window
SQUARE = 35.0  # degrees that a corner is from a right angle at most


@dataclass(frozen=True)
class Sheet:
    """The part of a picture that is read, straightened.

    Attributes:
        pixels: uint8 [h, w, C].
        to_picture: float64 [3, 3], from its pixels to those of the picture.
        size: width and height of the picture.
    """

    pixels: Picture
    to_picture: Floats
    size: tuple[int, int]

    def box_in_picture(self, box: Box) -> Box:
        """Return the box, in the picture, around one in the sheet."""
        x, y, width, height = box
        corners = np.array(
            [(x, y), (x + width, y), (x, y + height), (x + width, y + height)], float
        )
        there = cv2.perspectiveTransform(corners[None], self.to_picture)[0]
        left, top = (
            np.floor(there.min(axis=0)).clip(0, np.array(self.size) - 1).astype(int).tolist()
        )
        right, bottom = np.ceil(there.max(axis=0)).clip(1, self.size).astype(int).tolist()
        return left, top, max(1, right - left), max(1, bottom - top)

    def turned(self, quarters: int) -> Sheet:
        """Return the sheet with its pixels turned clockwise, by so many times 90 degrees."""
        back = np.eye(3)
        high, wide = self.pixels.shape[:2]
        for _ in range(quarters % 4):
            back = back @ np.array([[0.0, 1, 0], [-1, 0, high], [0, 0, 1]])
            high, wide = wide, high
        pixels = np.ascontiguousarray(np.rot90(self.pixels, -quarters))
        return Sheet(pixels, self.to_picture @ back, self.size)

    def turned_back(self, degrees: float, surrounded: Sequence[Box]) -> Sheet:
        """Return the sheet with its pixels turned counterclockwise, as far as some boxes reach.

        What comes in at its corners is ground without ink.

        Args:
            degrees: of its rows, clockwise.
            surrounded: one box at least, in its pixels.
        """
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        high, wide = self.pixels.shape[:2]
        page = _corners_of([(0, 0, wide, high)]) @ turn.T
        inked = _corners_of(surrounded) @ turn.T
        margin = MARGIN * max(high, wide)
        left, top = np.maximum(page.min(axis=0), inked.min(axis=0) - margin)
        right, bottom = np.minimum(page.max(axis=0), inked.max(axis=0) + margin)
        matrix = np.column_stack([turn, (-left, -top)])
        size = max(8, round(right - left)), max(8, round(bottom - top))
        warped = cv2.warpAffine(self.pixels, matrix, size, flags=cv2.INTER_CUBIC)
        around = cv2.warpAffine(_paper(self.pixels), matrix, size, borderMode=cv2.BORDER_REPLICATE)
        whole = np.full((high, wide), 255, np.uint8)
        inside = np.asarray(cv2.warpAffine(whole, matrix, size)) == 255
        shape = (size[1], size[0], -1)
        pixels = np.where(inside[..., None], warped.reshape(shape), around.reshape(shape))
        back = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))
        return Sheet(pixels.astype(np.uint8), self.to_picture @ back, self.size)


def _corners_of(boxes: Sequence[Box]) -> Floats:
    """Return all corners of some boxes, float64 [4 N, 2]."""
    x, y, width, height = np.array(boxes, float).T
    pairs = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]
    return np.concatenate([np.stack(pair, axis=1) for pair in pairs])


def _paper(pixels: Picture) -> Picture:
    """Return the ground of a page, uint8 [H, W, C], roughly: most of what is around each pixel."""
    small = shrunk(pixels, PAPER_SIDE)
    ground = cv2.medianBlur(small, PAPER_WINDOW)
    large = cv2.resize(ground, (pixels.shape[1], pixels.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.uint8).reshape(pixels.shape)


def straightened(pixels: Picture, side: int) -> Sheet:
    """Return the sheet in a picture, or all of the picture where there is none, of at most `side`.

    Args:
        pixels: uint8 [H, W, C].
        side: pixels of the longer side.
    """
    high, wide = pixels.shape[:2]
    corners = _corners(pixels)
    if corners is None:
        small = shrunk(pixels, side)
        scale = np.diag([wide / small.shape[1], high / small.shape[0], 1.0])
        return Sheet(small, scale, (wide, high))
    lengths = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    width, height = (lengths[0] + lengths[2]) / 2, (lengths[1] + lengths[3]) / 2
    shrink = max(1.0, max(width, height) / side)
    size = max(8, round(width / shrink)), max(8, round(height / shrink))
    inset = INSET * max(size)
    target = np.array(
        [
            (-inset, -inset),
            (size[0] + inset, -inset),
            (size[0] + inset, size[1] + inset),
            (-inset, size[1] + inset),
        ]
    )
    matrix = cv2.getPerspectiveTransform(target.astype(np.float32), corners.astype(np.float32))
    if shrink > 1.5:
        pixels = np.asarray(cv2.blur(pixels, (round(shrink),) * 2), np.uint8).reshape(pixels.shape)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(pixels, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return Sheet(
        np.asarray(warped, np.uint8).reshape(size[1], size[0], -1), np.asarray(matrix), (wide, high)
    )


def _corners(pixels: Picture) -> Floats | None:
    """Return the corners of the sheet, float64 [4, 2], upper left first, clockwise, if any."""
    small = shrunk(pixels, LOOK_SIDE)
    grey = np.asarray(cv2.GaussianBlur(small.mean(axis=2).astype(np.uint8), (5, 5), 0), np.uint8)
    _, bright = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    window = max(3, int(CLOSED * max(grey.shape)) | 1)
    padded = cv2.copyMakeBorder(bright, window, window, window, window, cv2.BORDER_CONSTANT)
    whole = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((window, window), np.uint8))[
        window:-window, window:-window
    ]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(whole))
    if len(stats) < 2:
        return None
    mask = (labels == 1 + int(stats[1:, 4].argmax())).astype(np.uint8)
    outline = max(
        cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea
    )
    hull = cv2.convexHull(outline)
    four = _four(hull)
    if four is None:
        return None
    size = np.array([mask.shape[1], mask.shape[0]]) - 1
    sides = (four + np.roll(four, -1, axis=0)) / 2
    at_edge = (sides <= EDGE).any(axis=1) | (sides >= size - EDGE).any(axis=1)
    if at_edge.sum() > 1:  # the lit side of a shadow runs out of the picture twice
        return None
    filled = np.zeros_like(mask)
    cv2.fillConvexPoly(filled, np.rint(four).astype(np.int32), 1)
    area = cv2.countNonZero(filled)
    if not SHARES[0] <= area / mask.size <= SHARES[1]:
        return None
    if (
        cv2.countNonZero(mask & filled) < FILLED * area
        or cv2.countNonZero(mask & (1 - filled)) > BESIDE * area
    ):
        return None
    if not _stands_out(grey, filled):
        return None
    scale = np.array([pixels.shape[1] / grey.shape[1], pixels.shape[0] / grey.shape[0]])
    return np.asarray((four + 0.5) * scale, np.float64)


def _stands_out(grey: Picture, filled: Picture) -> bool:
    """Whether a sheet, uint8 [h, w] of 0 and 1, is brighter along its edge than what is around."""
    wide, narrow = np.ones((15, 15), np.uint8), np.ones((5, 5), np.uint8)
    around = (cv2.dilate(filled, wide) > 0) & (cv2.dilate(filled, narrow) == 0)
    rim = (filled > 0) & (cv2.erode(filled, wide) == 0)
    if not around.any() or not rim.any():
        return False
    return float(np.median(grey[rim])) - float(np.median(grey[around])) >= STRONGER


def _four(hull: npt.NDArray[np.int32]) -> Floats | None:
    """Return a hull as four corners, from the upper left clockwise; None where it has others."""
    length = cv2.arcLength(hull, True)
    for share in (0.015, 0.02, 0.03, 0.04, 0.06):
        corners = cv2.approxPolyDP(hull, share * length, True).reshape(-1, 2).astype(float)
        if len(corners) <= 4:
            break
    if len(corners) != 4:
        return None
    middle = corners.mean(axis=0)
    turn = np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0])
    corners = corners[np.argsort(turn)]  # clockwise, as y goes down
    first = int((corners.sum(axis=1)).argmin())
    corners = np.roll(corners, -first, axis=0)
    sides = np.roll(corners, -1, axis=0) - corners
    angles = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    turns = (np.roll(angles, -1) - angles) % 360
    return corners if np.all(np.abs(turns - 90) <= SQUARE) else None
