"""Arrays of images of single digits, as a caller has them, made what a model wants.

Used by the recogniser, for `probabilities`, `values` and `predict`.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt

from digitlab.array_likes import NOT_FINITE, as_array, levels
from digitlab.errors import PictureError
from digitlab.preparation import SIDE, prepare, prepare_images

Images = npt.NDArray[np.uint8] | npt.NDArray[np.floating]
ImagesLike = npt.ArrayLike  # tensors, too: whatever has `__array__`

_CHANNELS = (1, 3, 4)  # as a last axis they are none of pixels
_EXPECTED = "integers (0 to 255), floats (0 to 1) or truth values [N, height, width]"


def as_images(given: ImagesLike, prepared: bool) -> Images:
    """Return images of single digits as uint8 or float [N, H, W].

    Args:
        given: see `Recogniser.probabilities`.
        prepared: they must be [N, 28, 28].

    Raises:
        TypeError: for what is no array of numbers.
        PictureError: for another shape or other values.
    """
    images = as_array(given, "the images", _EXPECTED)
    shape = list(images.shape)
    if images.ndim == 2 and shape[1] != SIDE * SIDE:
        images = images[None]
    elif images.ndim == 4 and 1 in (shape[1], shape[3]):
        images = images[:, 0] if shape[1] == 1 else images[..., 0]
    if images.ndim != 3 or 0 in images.shape[1:] or images.shape[2] in _CHANNELS:
        raise PictureError(f"images are {images.dtype} {shape}: expected {_EXPECTED}{_hint(shape)}")
    if prepared and images.shape[1:] != (SIDE, SIDE):
        raise PictureError(f"prepared images are {shape}: expected [N, 28, 28]")
    if not np.issubdtype(images.dtype, np.floating):
        try:
            return levels(images)
        except ValueError as error:
            raise PictureError(f"images have {error}") from error
    if not np.isfinite(images).all():
        raise PictureError(f"images have {NOT_FINITE}; expected floats from 0 to 1")
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise PictureError(
            f"images of floats have values from {images.min():g} to {images.max():g}, expected 0 "
            "to 1: divide bytes by 255, or undo what normalises them"
        )
    floats: npt.NDArray[np.floating] = images.view()  # type: ignore[assignment]
    return floats


def _hint(shape: list[int]) -> str:
    """Return what may be meant by another shape."""
    if shape[1:] == [SIDE * SIDE]:
        return "; reshape(-1, 28, 28) makes images of rows of 784 pixels"
    if len(shape) in (3, 4) and {shape[-1], shape[-3]} & set(_CHANNELS):
        return "; images in colour are read one by one, by read()"
    return ""


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
    if alike:
        return _dataset_like(levels(images), preparation)
    prepared = np.zeros((len(images), SIDE, SIDE), np.uint8)
    for picture, place in zip(levels(images), prepared, strict=True):
        with suppress(PictureError):  # blank, which is all that can be wrong with it
            place[:] = prepare(picture, preparation)
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
            prepared[at] = prepare(images[at], preparation)
    return prepared
