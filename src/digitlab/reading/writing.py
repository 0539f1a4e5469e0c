"""Whether what looks like a digit was written, or is a stain: faint and without edges."""

from __future__ import annotations

import cv2
import numpy as np

from digitlab.decoding import Picture
from digitlab.preparation.ground import shrunk
from digitlab.preparation.pixels import mean_of_channels
from digitlab.reading.types import Box

SEEN_SIDE = 256  # pixels of the part of a picture that is looked at
FAINT = 0.2  # of the light of the paper: stains take less, pens more, or have edges
SOFT = 0.2  # of the range of light, a pixel: the edges of stains are softer, those of pens sharper


def is_soft(picture: Picture, box: Box) -> bool:
    """Whether what stands in a box is as faint as a stain, and as soft.

    Of 243 digits in large made pictures and photographs none is; photographs of a camera that is
    out of focus are as soft, but darker (docs/benchmarks.md).

    Args:
        picture: uint8 [H, W] or [H, W, 3].
        box: in its pixels.
    """
    x, y, width, height = box
    part = picture.reshape(*picture.shape[:2], -1)[y : y + height, x : x + width]
    light = mean_of_channels(shrunk(np.ascontiguousarray(part), SEEN_SIDE))
    low, middle, high = np.percentile(light, (1, 50, 99))
    contrast = max(middle - low, high - middle) / max(high, 1)
    if contrast >= FAINT:
        return False
    smooth = cv2.GaussianBlur(light, (0, 0), 0.8)
    steep = np.hypot(*np.gradient(smooth))
    return bool(np.percentile(steep, 99) < SOFT * max(high - low, 1))
