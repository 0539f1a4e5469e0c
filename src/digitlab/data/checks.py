"""The checks that every source passes: shapes, counts, labels; used by each module of formats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from digitlab.data.dataset import Images, Labels, Split
from digitlab.errors import DataError
from digitlab.wording import counted

SIDE = 28


def checked_images(images: npt.NDArray[np.generic], where: str) -> Images:
    """Return images as a contiguous uint8 [N, 28, 28].

    Args:
        images: uint8 [N, 28, 28], [N, 784], [N, 28, 28, 1] or [N, 1, 28, 28].
        where: the file (and key) that they come from, for the error.

    Raises:
        DataError: for another shape, or no images at all.
    """
    count, shape = len(images), images.shape[1:]
    if shape == (SIDE, SIDE, 3):
        raise DataError(
            f"{where}: images in colour, {SIDE} x {SIDE} x 3; expected grey: "
            "take images.mean(axis=3).round().astype('uint8')"
        )
    if shape not in ((SIDE, SIDE), (SIDE * SIDE,), (SIDE, SIDE, 1), (1, SIDE, SIDE)):
        size = " x ".join(str(side) for side in shape) or "single numbers"
        raise DataError(
            f"{where}: images of {size}; expected {SIDE} x {SIDE} pixels: resize them first"
        )
    if not count:
        raise DataError(f"{where}: holds no images; expected at least one")
    square = images.reshape(count, SIDE, SIDE)
    return np.ascontiguousarray(square, dtype=np.uint8)


def checked_labels(labels: npt.NDArray[np.generic], where: str) -> Labels:
    """Return labels as int64 [N].

    Args:
        labels: any integers [N] or [N, 1].
        where: the file (and key) that they come from, for the error.

    Raises:
        DataError: for another shape or type, or a label that is not 0..9; names the first.
    """
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or not np.issubdtype(flat.dtype, np.integer):
        raise DataError(
            f"{where}: labels of type {labels.dtype} and shape {list(labels.shape)}; "
            "expected one integer from 0 to 9 an image"
        )
    wrong = np.flatnonzero(~np.isin(flat, np.arange(10)))
    if len(wrong):
        first = int(wrong[0])
        raise DataError(f"{where}: label {first} is {flat[first]}; expected an integer from 0 to 9")
    return flat.astype(np.int64)


def checked_split(
    images: npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic],
    images_where: str,
    labels_where: str,
) -> Split:
    """Return a split of images and labels that passed every check.

    Raises:
        DataError: see `checked_images` and `checked_labels`; or the counts differ.
    """
    if len(images) != len(labels):
        raise DataError(
            f"{labels_where}: {counted(len(labels), 'label')} for the "
            f"{counted(len(images), 'image')} of {images_where}; expected as many labels as images"
        )
    return Split(checked_images(images, images_where), checked_labels(labels, labels_where))
