"""Where the ink of an image lies, as a box, and how well a box that was told fits.

Used by the objective that learns boxes, and by evaluation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.preparation.glyph import SIDE, ink_box

Floats = npt.NDArray[np.float32]

NUMBERS = 4  # of a box
MEANING = f"x, y, width and height of the ink, in pixels of the {SIDE} x {SIDE} image"


def ink_boxes(images: npt.NDArray[Any]) -> Floats:
    """Return the smallest box around the ink of each image, as the preparation finds it.

    Args:
        images: [N, 28, 28], ink bright, uint8 or floats from 0 to 1.

    Returns:
        float32 [N, 4]: x and y of the left upper corner, width and height, whole pixels; all 0
        where there is no ink.
    """
    levels = np.asarray(images, np.float32)
    if images.dtype == np.uint8:
        levels = levels / np.float32(255)
    found = np.array([ink_box(image) for image in levels], np.float32)
    return found.reshape(-1, NUMBERS)


def overlaps(boxes: Floats, truths: Floats) -> Floats:
    """Return the intersection over union (IoU) of pairs of boxes, float32 [N], from 0 to 1.

    Args:
        boxes: float32 [N, 4], as of `ink_boxes`; one without area, or not finite, overlaps nothing.
        truths: float32 [N, 4] likewise.
    """
    ends = [one[:, :2] + np.maximum(one[:, 2:], 0) for one in (boxes, truths)]
    with np.errstate(invalid="ignore", over="ignore"):
        sides = np.minimum(*ends) - np.maximum(boxes[:, :2], truths[:, :2])
        shared = np.maximum(sides, 0).prod(axis=1)
        areas = [np.maximum(one[:, 2:], 0).prod(axis=1) for one in (boxes, truths)]
        union = areas[0] + areas[1] - shared
        fractions = np.where(union > 0, shared / np.where(union > 0, union, 1), 0)
    return np.nan_to_num(fractions, nan=0.0).astype(np.float32)


def mean_iou(boxes: Floats, images: npt.NDArray[Any]) -> float | None:
    """Return the mean IoU of boxes with those of the ink; None where no image has any.

    Args:
        boxes: float32 [N, 4].
        images: as of `ink_boxes`; those without ink are not counted.
    """
    truths = ink_boxes(images)
    inked = truths[:, 2] > 0
    return float(overlaps(boxes[inked], truths[inked]).mean()) if inked.any() else None
