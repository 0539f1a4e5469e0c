"""Percentiles and sums over the pixels of small pictures, fast.

numpy's own are general, and on ten thousand pixels that costs more than the work: its percentiles
partition what can be counted, and an axis of three channels is walked pixel by pixel.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

FEW = 2048  # pixels; of fewer, numpy's counts are faster than OpenCV's


def counts(levels: Picture) -> npt.NDArray[np.int64]:
    """Return how many pixels of uint8 have each level, int64 [256]."""
    if levels.size < FEW:
        return np.bincount(levels.ravel(), minlength=256)
    return np.asarray(cv2.calcHist([levels], [0], None, [256], [0, 256]).ravel(), np.int64)


def percentiles(counted: npt.NDArray[np.int64], *shares: float) -> list[float]:
    """Return the levels below which shares, in %, of counted pixels lie, as numpy does.

    Args:
        counted: int64 [N], how many pixels have each level from 0 on; at least one has any.
        shares: from 0 to 100.
    """
    until = counted.cumsum()
    last = int(until[-1]) - 1
    places = [share / 100 * last for share in shares]
    ends = [end for place in places for end in (int(place), min(int(place) + 1, last))]
    values = until.searchsorted(ends, side="right").tolist()
    return [
        low + (high - low) * (place - int(place))
        for place, low, high in zip(places, values[::2], values[1::2], strict=True)
    ]


def percentiles_of(values: npt.NDArray[np.floating], *shares: float) -> list[float]:
    """Return the values below which shares, in %, of floats lie, as numpy does."""
    last = values.size - 1
    places = [share / 100 * last for share in shares]
    ends = [(int(place), min(int(place) + 1, last)) for place in places]
    parted = np.partition(values, sorted({end for pair in ends for end in pair}), axis=None)
    found = []
    for place, (low, high) in zip(places, ends, strict=True):
        found.append(float(parted[low]) + float(parted[high] - parted[low]) * (place - low))
    return found


def weighted_median(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Return the value at which half of the weight of all is reached; of one value at least."""
    ordered = np.argsort(values)
    until = np.cumsum(np.asarray(weights)[ordered])
    return float(np.asarray(values)[ordered][np.searchsorted(until, until[-1] / 2)])


def medians(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the medians along the last axis of [..., N], as numpy does."""
    half = values.shape[-1] // 2
    if values.shape[-1] % 2:
        return np.asarray(np.partition(values, half)[..., half])
    parted = np.partition(values, (half - 1, half))
    return np.asarray((parted[..., half - 1] + parted[..., half]) / 2)


def edge(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the first and the last row, then the first and the last column, of [H, W, ...]."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def plane_terms(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return 1, x and y of each pixel, both from -0.5 to 0.5, float64 [H W, 3]."""
    y, x = (at.ravel() - 0.5 for at in np.mgrid[: 1 : shape[0] * 1j, : 1 : shape[1] * 1j])
    return np.column_stack([np.ones(x.size), x, y])


def mean_of_channels(pixels: Picture | Floats) -> Floats:
    """Return the mean over the channels of [H, W, C], float32 [H, W]."""
    return along(pixels, np.full(pixels.shape[2], 1 / pixels.shape[2], np.float32))


def along(pixels: Picture | Floats, direction: Floats) -> Floats:
    """Return how far [H, W, C] reaches along a direction [C], float32 [H, W]."""
    if pixels.shape[2] == 1:
        return np.asarray(pixels[..., 0] * direction[0], np.float32)
    values: Floats = pixels.astype(np.float32, copy=False)
    return np.asarray(cv2.transform(values, direction[None]), np.float32)


def lit_columns(values: Floats, level: float, count: int) -> int:
    """Return how many columns of a smaller copy may have a value above a level, at most.

    It costs less than the copy, which averages over areas.

    Args:
        values: float32 [H, W].
        level: above 0.
        count: columns of the copy, at most W.
    """
    lit = values.max(axis=0) > 0.999 * level
    width = len(lit)
    if count == width:
        return int(np.count_nonzero(lit))
    edges = np.arange(count + 1) * (width / count)
    until = np.concatenate([[0], lit.cumsum()])
    first = np.floor(edges[:-1] - 0.001).astype(np.int64).clip(0)
    behind = np.ceil(edges[1:] + 0.001).astype(np.int64).clip(None, width)
    return int(np.count_nonzero(until[behind] > until[first]))


def inked_bands(inked: Picture, steps: int) -> npt.NDArray[np.int64]:
    """Return on how many columns a nearly horizontal line may lie that has each row in its middle.

    It is the most that lines can have which end at most so many rows above or below.

    Args:
        inked: uint8 [H, W], 0 or 1.
        steps: rows.

    Returns:
        int64 [H].
    """
    band = cv2.dilate(inked, np.ones((2 * steps + 1, 1), np.uint8))
    counted = cv2.reduce(band, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    # A line of slope 2 k / W falls between two rows at 2 k columns at most, and may be counted on
    # both: where 2 k has as many factors 2 as W.
    twos = inked.shape[1] & -inked.shape[1]
    halves = 2 * steps if 1 < twos <= 2 * steps else 0
    return np.asarray(counted, np.int64).ravel() + halves + 1


def near_rows(inked: Picture, rows: npt.NDArray[np.bool_], steps: int) -> Picture:
    """Return a mask, uint8 [H, W], where it is at most so many steps from some of its rows."""
    near = cv2.dilate(rows.view(np.uint8)[:, None], np.ones((2 * steps + 1, 1), np.uint8))
    return inked * np.reshape(near, (-1, 1))


def line_coverage(
    inked: Picture, rows: npt.NDArray[np.bool_], steps: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return on which part of the width each nearly horizontal line lies on ink (Hough, 1962).

    Args:
        inked: uint8 [H, W], 0 or 1.
        rows: bool [H]; of lines with another in their middle, less may be counted.
        steps: rows by which lines end above or below their middle, at most.

    Returns:
        float64 [S], slopes in pixels down for each across; float64 [S, H], of each slope and row
        in the middle of the picture.
    """
    tall, wide = inked.shape
    ys, xs = np.nonzero(near_rows(inked, rows, steps))
    slopes = np.arange(-steps, steps + 1) * (2 / wide)
    margin = steps + 2
    places = np.rint(ys[None] - slopes[:, None] * (xs - (wide - 1) / 2)[None]).astype(np.int64)
    places += margin + (tall + 2 * margin) * np.arange(len(slopes))[:, None]
    counted = np.bincount(places.ravel(), minlength=len(slopes) * (tall + 2 * margin))
    return slopes, counted.reshape(len(slopes), -1)[:, margin : margin + tall] / wide


def minus(pixels: Picture, colours: Floats) -> Floats:
    """Return uint8 [H, W, C] less colours, float32 [H, W, C] or [C]; float32 [H, W, C]."""
    if colours.ndim == 1:  # numpy walks short axes pixel by pixel
        height, width, _ = pixels.shape
        flat = pixels.reshape(height, -1) - np.tile(colours, width)
        return np.asarray(flat.reshape(pixels.shape), np.float32)
    return np.subtract(pixels, colours, dtype=np.float32)


def scaled(pixels: Floats, factors: Floats) -> Floats:
    """Return float32 [H, W, C] with each pixel multiplied by its own of float32 [H, W]."""
    if pixels.shape[2] == 1:
        return pixels * factors[..., None]
    return np.asarray(cv2.multiply(pixels, cv2.merge([factors] * pixels.shape[2])), np.float32)
