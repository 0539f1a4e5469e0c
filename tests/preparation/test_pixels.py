"""The percentiles and sums of the preparation are those of numpy, to the rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from digitlab.preparation.pixels import (
    along,
    counts,
    mean_of_channels,
    percentiles,
    percentiles_of,
    scaled,
)

shares = st.floats(0, 100)
SHAPES = ((3, 4, 1), (5, 2, 3))


@given(arrays.arrays(np.uint8, st.integers(1, 60)), shares, shares)
def test_percentiles_of_levels_are_those_of_numpy(
    levels: npt.NDArray[np.uint8], one: float, other: float
) -> None:
    found = percentiles(counts(levels), one, other)
    assert np.allclose(found, np.percentile(levels, (one, other)), atol=1e-6)


@given(arrays.arrays(np.float32, st.integers(1, 60), elements=st.floats(-4, 4, width=32)), shares)
def test_percentiles_of_values_are_those_of_numpy(
    values: npt.NDArray[np.float32], share: float
) -> None:
    assert np.allclose(percentiles_of(values, share), np.percentile(values, share), atol=1e-5)


def test_sums_over_channels_are_those_of_numpy() -> None:
    numbers = np.random.default_rng(0)
    for shape in SHAPES:
        pixels = numbers.normal(size=shape).astype(np.float32)
        direction = numbers.normal(size=shape[2]).astype(np.float32)
        factors = numbers.normal(size=shape[:2]).astype(np.float32)
        assert np.allclose(mean_of_channels(pixels), pixels.mean(axis=2), atol=1e-6)
        assert np.allclose(along(pixels, direction), pixels @ direction, atol=1e-5)
        assert np.allclose(scaled(pixels, factors), pixels * factors[..., None], atol=1e-5)
        assert scaled(pixels, factors).shape == shape
    levels = numbers.integers(0, 256, SHAPES[1]).astype(np.uint8)
    assert np.allclose(along(levels, direction), levels @ direction, atol=1e-3)
