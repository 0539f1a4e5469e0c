"""How training images are varied: shift, rotation, scale, shear, elastic and stroke width.

Used by whoever computes a shard. Each variation is a function of (seed, epoch, sample), so any
worker makes the same picture of the same sample (docs/design.md, invariant 1).
"""

from __future__ import annotations

import math
from dataclasses import astuple

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import uniform
from digitlab.config import AugmentConfig
from digitlab.data.dataset import Images

_GRID = 5  # control points each way of an elastic displacement; between them it is cubic
_CENTRE = 13.5  # of pixels 0..27
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def augment(
    images: Images, samples: npt.NDArray[np.int64], epoch: int, seed: int, strength: AugmentConfig
) -> Images:
    """Return varied copies of images.

    Args:
        images: uint8 [N, 28, 28], ink bright.
        samples: int64 [N], the images' indices in their split.
        epoch: from 0.
        seed: of the run.
        strength: how much, see `AugmentConfig`. Each amount is drawn uniformly from both sides of
            none. Affine and elastic distortions after Simard, Steinkraus and Platt (2003), with
            the displacement drawn on a coarse grid.

    Returns:
        uint8 [N, 28, 28]; the input itself where nothing is on.
    """
    if not any(astuple(strength)):
        return images
    only_shift = not any(astuple(strength)[1:])
    columns = np.arange(2 if only_shift else 6 + 2 * _GRID**2)
    draws = uniform(seed, "augment", epoch, samples[:, None], columns)
    shifts = np.floor(draws[:, :2] * (2 * strength.shift + 1)).astype(np.int64) - strength.shift
    if only_shift:
        return _shifted(images, shifts, strength.shift)
    signed = 2 * draws - 1
    varied = np.empty_like(images)
    for index, image in enumerate(images):
        if strength.stroke:
            image = _restroked(image, signed[index, 5] * strength.stroke)
        varied[index] = _warped(image, shifts[index], signed[index], strength)
    return varied


def _shifted(images: Images, shifts: npt.NDArray[np.int64], most: int) -> Images:
    """Move each image by whole pixels; what comes in at an edge is black."""
    count, height, width = images.shape
    padded = np.zeros((count, height + 2 * most, width + 2 * most), np.uint8)  # np.pad is slow
    padded[:, most : most + height, most : most + width] = images
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:], axis=(1, 2))
    chosen: Images = windows[np.arange(len(images)), most - shifts[:, 0], most - shifts[:, 1]]
    return chosen


def _warped(
    image: Images,
    shift: npt.NDArray[np.int64],
    signed: npt.NDArray[np.float64],
    strength: AugmentConfig,
) -> Images:
    """Turn, scale, shear, move and bend one image [28, 28] about its centre."""
    angle = math.radians(signed[2] * strength.rotation)
    scale = 1 + signed[3] * strength.scale
    shear = math.tan(math.radians(signed[4] * strength.shear))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    # Where each output pixel comes from: the inverse of move, then scale, shear and turn.
    inverse = np.linalg.inv(turn @ np.array([[1.0, shear], [0.0, 1.0]]) * scale)
    offset = np.array([_CENTRE, _CENTRE]) - inverse @ (_CENTRE + shift[::-1].astype(np.float64))
    matrix = np.column_stack([inverse, offset])
    if not strength.elastic:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(image, matrix, (28, 28), flags=flags), np.uint8)
    rows, columns = np.mgrid[0:28, 0:28].astype(np.float64)
    grids = signed[6:].reshape(2, _GRID, _GRID) * strength.elastic
    bend = [cv2.resize(grid, (28, 28), interpolation=cv2.INTER_CUBIC) for grid in grids]
    map_x = matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2] + bend[0]
    map_y = matrix[1, 0] * columns + matrix[1, 1] * rows + matrix[1, 2] + bend[1]
    warped = cv2.remap(
        image, map_x.astype(np.float32), map_y.astype(np.float32), interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(warped, np.uint8)


def _restroked(image: Images, amount: float) -> Images:
    """Thicken (amount > 0) or thin strokes by about `amount` pixels on each side."""
    change = cv2.dilate if amount > 0 else cv2.erode
    strokes = image.astype(np.float32)
    left = abs(amount)
    while left > 0:
        part = min(left, 1.0)
        strokes = (1 - part) * strokes + part * np.asarray(change(strokes, _CROSS))
        left -= part
    return np.rint(strokes).astype(np.uint8)
