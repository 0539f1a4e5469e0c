"""Percentiles and sums over the pixels of small pictures, fast; used by ground.py and ink.py.

numpy's own are general, and on ten thousand pixels that costs more than the work: its percentiles
partition what can be counted, and an axis of three channels is walked pixel by pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def counts(levels: Picture) -> npt.NDArray[np.int64]:
    """Return how many pixels of uint8 have each level, int64 [256]."""
    return np.bincount(levels.ravel(), minlength=256)


def percentiles(counted: npt.NDArray[np.int64], *shares: float) -> list[float]:
    """Return the levels below which shares, in %, of counted pixels lie, as numpy does.

    Args:
        counted: int64 [N], how many pixels have each level from 0 on; at least one has any.
        shares: from 0 to 100.
    """
    until = counted.cumsum()
    last = int(until[-1]) - 1
    found = []
    for share in shares:
        place = share / 100 * last
        before = int(place)
        low, high = np.searchsorted(until, (before, min(before + 1, last)), side="right").tolist()
        found.append(low + (high - low) * (place - before))
    return found


def percentiles_of(values: Floats, *shares: float) -> list[float]:
    """Return the values below which shares, in %, of float32 lie, as numpy does."""
    last = values.size - 1
    places = [share / 100 * last for share in shares]
    ends = [(int(place), min(int(place) + 1, last)) for place in places]
    parted = np.partition(values, sorted({end for pair in ends for end in pair}), axis=None)
    found = []
    for place, (low, high) in zip(places, ends, strict=True):
        found.append(float(parted[low]) + float(parted[high] - parted[low]) * (place - low))
    return found


def mean_of_channels(pixels: Floats) -> Floats:
    """Return the mean over the channels of float32 [H, W, C], float32 [H, W]."""
    return along(pixels, np.full(pixels.shape[2], 1 / pixels.shape[2], np.float32))


def along(pixels: Picture | Floats, direction: Floats) -> Floats:
    """Return how far [H, W, C] reaches along a direction [C], float32 [H, W]."""
    if pixels.shape[2] == 1:
        return np.asarray(pixels[..., 0] * direction[0], np.float32)
    values: Floats = pixels.astype(np.float32, copy=False)
    return np.asarray(cv2.transform(values, direction[None]), np.float32)


def scaled(pixels: Floats, factors: Floats) -> Floats:
    """Return float32 [H, W, C] with each pixel multiplied by its own of float32 [H, W]."""
    if pixels.shape[2] == 1:
        return pixels * factors[..., None]
    return np.asarray(cv2.multiply(pixels, cv2.merge([factors] * pixels.shape[2])), np.float32)
