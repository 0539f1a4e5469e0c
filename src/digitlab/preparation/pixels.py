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
    """Return the values below which shares, in %, of float32 lie; numpy sorts quickly."""
    ordered = np.sort(values, axis=None)
    places = [share / 100 * (len(ordered) - 1) for share in shares]
    ends = [
        (ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]) for place in places
    ]
    return [
        float(low) + float(high - low) * (place - int(place))
        for (low, high), place in zip(ends, places, strict=True)
    ]


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
