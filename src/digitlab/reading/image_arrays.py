"""Arrays of images of single digits, as a caller has them, made what a model wants.

Used by the recogniser, for `probabilities`, `values` and `predict`.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt

from digitlab.errors import PictureError
from digitlab.preparation import SIDE, prepare, prepare_images

Images = npt.NDArray[np.uint8] | npt.NDArray[np.floating]


def check_images(images: Images, prepared: bool) -> None:
    """Raise PictureError for what is no uint8 or float [N, H, W] of pixels.

    Args:
        images: uint8, or float from 0 to 1.
        prepared: they must be [N, 28, 28].
    """
    if not isinstance(images, np.ndarray):
        raise PictureError(
            f"images are a {type(images).__name__}: expected an array, uint8 or float [N, H, W]"
        )
    floating = np.issubdtype(images.dtype, np.floating)
    if images.ndim != 3 or 0 in images.shape[1:] or not (floating or images.dtype == np.uint8):
        raise PictureError(
            f"images are {images.dtype} {list(images.shape)}: "
            "expected uint8 (0 to 255) or float (0 to 1) [N, height, width]"
        )
    if floating and images.size and not (images.min() >= 0 and images.max() <= 1):
        raise PictureError("images of floats have values outside 0 to 1: divide bytes by 255")
    if prepared and images.shape[1:] != (SIDE, SIDE):
        raise PictureError(f"prepared images are {list(images.shape)}: expected [N, 28, 28]")


def prepared_images(images: Images, preparation: str) -> Images:
    """Return images as a model wants them, uint8 or float [N, 28, 28]; blank ones as 0.

    Args:
        images: uint8, or float from 0 to 1, [N, H, W].
        preparation: the model's property, which speaks of images of a dataset alone; others are
            pictures.
    """
    alike = images.shape[1:] == (SIDE, SIDE)
    if alike and preparation == "none":
        return images
    floating = images.dtype != np.uint8
    levels = np.rint(images * 255).astype(np.uint8) if floating else images.astype(np.uint8)
    if alike:
        return _dataset_like(levels, preparation)
    prepared = np.zeros((len(levels), SIDE, SIDE), np.uint8)
    for picture, place in zip(levels, prepared, strict=True):
        with suppress(PictureError):  # blank, which is all that can be wrong with it
            place[:] = prepare(picture)
    return prepared


def _dataset_like(images: npt.NDArray[np.uint8], preparation: str) -> npt.NDArray[np.uint8]:
    """Prepare uint8 [N, 28, 28]: as images of a dataset, or, on light ground, as pictures."""
    border = np.concatenate(
        [images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1
    )
    prepared = prepare_images(images, preparation)
    for at in np.flatnonzero(np.median(border, axis=1) > 127):
        with suppress(PictureError):  # all white: blank
            prepared[at] = 0
            prepared[at] = prepare(images[at])
    return prepared
