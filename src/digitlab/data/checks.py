"""The checks that every source passes: shapes, counts, labels; used by each module of formats."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from digitlab.data.dataset import Images, Labels, Split
from digitlab.errors import DataError
from digitlab.wording import counted

SIDE = 28
_DIGITS = 10


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
        labels: [N] or [N, 1] of integers, of floats without a fraction or of texts such as "3";
            or one-hot, [N, 10] with a single 1 a row.
        where: the file (and key) that they come from, for the error.

    Raises:
        DataError: for another shape or type, or a label that is not 0..9; names the first.
    """
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim == 2 and flat.shape[1] == _DIGITS and flat.dtype.kind in "biuf":
        return _of_one_hot(flat, where)
    if flat.ndim != 1 or flat.dtype.kind not in "iufOSU":
        rows = "; numpy.argmax(labels, axis=1) makes digits of scores" if flat.ndim == 2 else ""
        raise DataError(
            f"{where}: labels of type {labels.dtype} and shape {list(labels.shape)}; "
            f"expected one integer from 0 to 9 an image{rows}"
        )
    numbers = np.array(list(map(_number, flat)), float) if flat.dtype.kind in "OSU" else flat
    wrong = np.flatnonzero(~np.isin(numbers, np.arange(_DIGITS)))
    if len(wrong):
        first = int(wrong[0])
        shown = repr(flat[first : first + 1].tolist()[0])[:40]
        raise DataError(f"{where}: label {first} is {shown}; expected an integer from 0 to 9")
    return numbers.astype(np.int64)


def _of_one_hot(rows: npt.NDArray[np.generic], where: str) -> Labels:
    ones = rows == 1
    wrong = np.flatnonzero((ones.sum(axis=1) != 1) | ((rows == 0).sum(axis=1) != _DIGITS - 1))
    if len(wrong):
        raise DataError(
            f"{where}: the labels have {_DIGITS} numbers an image, and not a single 1 among zeros "
            f"in row {int(wrong[0])}; numpy.argmax(labels, axis=1) makes digits of scores"
        )
    return np.asarray(ones.argmax(axis=1), np.int64)


def _number(label: object) -> float:
    """Return a number that may be written as a text; NaN for whatever else."""
    try:
        text = label.decode() if isinstance(label, bytes) else label
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


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
