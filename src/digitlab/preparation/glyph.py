"""From the ink of one digit to 28 x 28, as the makers of MNIST did it.

Used by the preparation of pictures and of datasets, and by training for digits that it draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Box = tuple[int, int, int, int]

SIDE = 28
GLYPH_SIDE = 20
STROKE_WIDTH = 1.9  # pixels of the 20, thinner strokes are thickened
INKED = 0.3  # more counts as a stroke
FINE_SIDE = 160  # pixels; finer ink has nothing more to say about 20, unless it is thin
FINEST_SIDE = 640  # pixels; even of thin strokes


def normalise(ink: Floats) -> Picture:
    """Return the ink of one digit as the network wants it.

    Empty margins are cropped, strokes that would vanish are thickened, the longer side becomes 20
    pixels and the centre of mass the centre of the image (LeCun, Bottou, Bengio and Haffner, 1998).

    Args:
        ink: float32 [H, W] in [0, 1], ink high, of any size.

    Returns:
        uint8 [28, 28], ink bright; black where there is no ink.
    """
    left, top, width, height = ink_box(ink)
    if width == 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    ink = _thickened(_coarser(ink[top : top + height, left : left + width]))
    height, width = ink.shape
    scale = GLYPH_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(ink, size, interpolation=method)
    return _centred(np.rint(small * (255 / small.max())).astype(np.uint8))


def framed(ink: Floats, box: Box, side: int = SIDE) -> Floats:
    """Return the ink in a box and around it: what it shows in its place, uncut.

    The box's longer side becomes 20 of 28 pixels, and its middle the middle of the image.

    Args:
        ink: float32 [H, W] in [0, 1], ink high.
        box: x, y, width and height in it, at least a pixel each way; it may reach over the edge.
        side: of what is returned, in pixels.

    Returns:
        float32 [side, side] in [0, 1].
    """
    x, y, width, height = box
    reach = round(max(width, height) * SIDE / GLYPH_SIDE)
    left, top = x + (width - reach) // 2, y + (height - reach) // 2
    part = ink[max(0, top) : max(0, top + reach), max(0, left) : max(0, left + reach)]
    above, before = min(reach, max(0, -top)), min(reach, max(0, -left))
    frame = np.zeros((reach, reach), np.float32)
    frame[above : above + part.shape[0], before : before + part.shape[1]] = part
    method = cv2.INTER_AREA if reach > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, (side, side), interpolation=method), np.float32)


def greys(ink: Floats) -> Picture:
    """Return ink as uint8 of the same shape, its strongest as 255; black where there is none."""
    grey: Picture = np.rint(ink * (255 / max(float(ink.max()), INKED))).astype(np.uint8)
    return grey


def ink_box(ink: Floats) -> Box:
    """Return x, y, width and height of where there is ink, all 0 where there is none."""
    left, top, width, height = cv2.boundingRect((ink > INKED / 2).view(np.uint8))
    return int(left), int(top), int(width), int(height)


def surrounding(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around others, of which there is one at least."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[0] + box[2] for box in boxes)
    bottom = max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def stroke_width(mask: Picture) -> float:
    """Return how wide the strokes of a mask, uint8 [H, W] of 0 and 1, are on average, in pixels."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    # Over a strip w pixels wide, the distance to its edge has the mean w / 4 + 1 / 2.
    return max(1.0, 4 * cv2.mean(inside, padded)[0] - 2)


def _coarser(ink: Floats) -> Floats:
    """Return ink with no more pixels than it takes, in which thin strokes are not fainter."""
    side = max(ink.shape)
    if side <= FINE_SIDE:
        return ink
    width = stroke_width((ink > 0.5).view(np.uint8))
    factor = max(min(side / FINE_SIDE, width / 2), side / FINEST_SIDE)
    if factor <= 1:
        return ink
    if width < 2 * factor:  # a stroke thinner than two new pixels would lose its strength
        reach = math.ceil(factor - width / 2)
        round_pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        ink = np.asarray(cv2.dilate(np.pad(ink, reach), round_pen), np.float32)
    size = tuple(max(1, round(side / factor)) for side in ink.shape[::-1])
    return np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.float32)


def _thickened(ink: Floats) -> Floats:
    """Widen strokes that would vanish when the longer side becomes 20 pixels.

    A loop is never filled: three quarters of the depth of every hole stay free. Widening that would
    close an open stroke into a loop is halved until it does not.
    """
    mask = (ink > 0.5).view(np.uint8)
    if not mask.any():
        return ink
    radius = (STROKE_WIDTH * max(ink.shape) / GLYPH_SIDE - stroke_width(mask)) / 2
    if radius <= 0.25:
        return ink
    border = math.ceil(radius) + 1
    padded = cv2.copyMakeBorder(ink, border, border, border, border, cv2.BORDER_CONSTANT)
    bare = (padded <= 0.5).view(np.uint8)
    outside = np.asarray(cv2.distanceTransform(bare, cv2.DIST_L2, 5), np.float32)
    count, labels = cv2.connectedComponents(bare, connectivity=4)
    wide = np.clip(radius + 1 - outside, 0, 1)
    if count > 2:
        wide[_free(outside, np.asarray(labels, np.int32), count)] = 0
    while cv2.connectedComponents((wide <= 0.5).view(np.uint8), connectivity=4)[0] > count:
        radius /= 2
        if radius <= 0.25:
            return ink
        np.minimum(wide, np.clip(radius + 1 - outside, 0, 1), out=wide)
    thick = np.maximum(padded, wide)[1:-1, 1:-1]
    return np.asarray(thick, np.float32)


def _free(outside: Floats, labels: Labels, count: int) -> npt.NDArray[np.bool_]:
    """Return which pixels of holes stay free: all but the quarter that is nearest to ink."""
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel(), outside.ravel())
    # Label 0 is ink, and the label of the corner is what surrounds it.
    deepest[[0, labels[0, 0]]] = np.inf
    free: npt.NDArray[np.bool_] = outside > deepest[labels] / 4
    return free


def _centred(glyph: Picture) -> Picture:
    """Put the centre of mass of a glyph, at most 20 x 20, into the centre of uint8 [28, 28]."""
    height, width = glyph.shape
    moments = cv2.moments(glyph)
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    left = min(max(round(SIDE / 2 - x), 0), SIDE - width)
    top = min(max(round(SIDE / 2 - y), 0), SIDE - height)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = glyph
    return image
