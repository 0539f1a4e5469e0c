"""Digits of MNIST's test split as ink that tests put on paper."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digitlab import load_dataset

Picture = npt.NDArray[np.uint8]

TEST = load_dataset("mnist").splits["test"]


def digit_ink(digit: str, which: int, tall: int, width: int | None = None) -> Picture:
    """Return the ink of a test digit without its margins, bright, uint8 [tall, width].

    Args:
        digit: "0" to "9".
        which: of the test digits of that kind, from 0.
        tall: pixels.
        width: in its own shape, at least 8 pixels, where it is None.
    """
    image = TEST.images[np.flatnonzero(TEST.labels == int(digit))[which]]
    image = image[image.max(axis=1) > 60][:, image.max(axis=0) > 60]
    if width is None:
        width = max(8, round(image.shape[1] * tall / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, tall), interpolation=cv2.INTER_CUBIC), np.uint8)
