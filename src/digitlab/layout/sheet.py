"""The sheet of paper in a photograph of a table, seen straight from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.layout.outline import outline_of_sheet
from digitlab.preparation.glyph import Box
from digitlab.preparation.ground import shrunk

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

# Of the picture, and in pixels: what covers less may be a part of the sheet, or bright ink.
LITTLE, FEW = 0.5, 320 * 240
INSET = 0.01  # of the longer side of what is read; along the edge of a sheet lie shadows
MARGIN = 0.03  # of the longer side, around what is on a page that is turned
PAPER_SIDE, PAPER_WINDOW = 160, 31  # pixels; ink covers less than half of such a window
PAPER_INK = 17  # pixels; strokes are narrower


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

    def straightened(self, lying: float, standing: float, surrounded: Sequence[Box]) -> Sheet:
        """Return the sheet with its lines straight, as far as some boxes reach.

        What comes in at its corners is ground without ink.

        Args:
            lying, standing: by how many degrees lines slope, clockwise, that shall lie and stand.
            surrounded: one box at least, in its pixels.
        """
        across, down = np.radians(lying), np.radians(standing)
        turn = np.linalg.inv([[np.cos(across), -np.sin(down)], [np.sin(across), np.cos(down)]])
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


def sheets(pixels: Picture, side: int) -> list[Sheet]:
    """Return what may be read in a picture, of at most `side` pixels.

    That is the sheet in it, straightened. Where there is none, it is all of the picture; where the
    sheet is little, or runs out of the picture, this first. What runs out is then read without what
    is beside it, and straightened where three of its sides are seen, as what is little is.

    Args:
        pixels: uint8 [H, W, C].
        side: pixels of the longer side.
    """
    outline = outline_of_sheet(pixels)
    high, wide = pixels.shape[:2]
    views = []
    if outline is not None and outline.cut < 2:
        views = [_straightened(pixels, outline.corners, side)]
        area = cv2.contourArea(outline.corners.astype(np.float32))
        if not outline.cut and area > max(LITTLE * high * wide, FEW):
            return views
    small = shrunk(pixels, side)
    scale = np.array((wide / small.shape[1], high / small.shape[0]))
    whole = Sheet(small, np.diag([*scale, 1.0]), (wide, high))
    if outline is not None and outline.cut:
        views = [replace(whole, pixels=_alone(small, outline.corners / scale)), *views]
    return [whole, *views]


def _straightened(pixels: Picture, corners: Floats, side: int) -> Sheet:
    """Return the sheet with corners, float64 [4, 2], straightened, of at most `side` pixels."""
    high, wide = pixels.shape[:2]
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


def _alone(pixels: Picture, corners: Floats) -> Picture:
    """Return a picture, uint8 [H, W, C], in which the paper of a sheet goes on beside it.

    Args:
        pixels: uint8 [H, W, C].
        corners: float64 [4, 2], of the sheet.
    """
    high, wide = pixels.shape[:2]
    inset = INSET * max(high, wide)
    small = shrunk(pixels, PAPER_SIDE)
    window = np.ones((PAPER_INK, PAPER_INK), np.uint8)
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, window)
    paper: Picture = np.asarray(closed, np.uint8).reshape(small.shape)
    scale = np.array((small.shape[1] / wide, small.shape[0] / high))
    inside = _filled(paper.shape[:2], corners * scale, inset * float(scale.max()) + 2)
    if not inside.any():
        return pixels
    _, nearest = cv2.distanceTransformWithLabels(
        1 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, *paper.shape[2:]), np.uint8)
    colours[nearest[inside > 0]] = paper[inside > 0]
    beside = cv2.resize(cv2.blur(colours[nearest], (3, 3)), (wide, high)).reshape(pixels.shape)
    on_sheet = _filled((high, wide), corners, inset)
    return np.where(on_sheet[..., None] > 0, pixels, beside).astype(np.uint8)


def _filled(shape: tuple[int, int], corners: Floats, inset: float) -> Picture:
    """Return where a quadrilateral is, uint8 [H, W] of 0 and 1, less a rim inside the picture."""
    high, wide = shape
    rim = int(np.ceil(inset))
    filled = np.zeros((high + 2 * rim, wide + 2 * rim), np.uint8)
    cv2.fillConvexPoly(filled, np.rint(corners + rim).astype(np.int32), 1)
    around = np.ones(filled.shape, np.uint8)  # the picture's border is none of the sheet's
    around[rim : rim + high, rim : rim + wide] = 0
    kept = cv2.erode(filled | around, np.ones((2 * rim + 1,) * 2, np.uint8))
    return np.asarray(kept, np.uint8)[rim : rim + high, rim : rim + wide]
