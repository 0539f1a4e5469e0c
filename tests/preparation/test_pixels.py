"""What the preparation counts and sums fast is what numpy and OpenCV give."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from digitlab.preparation.ground import opened
from digitlab.preparation.pixels import (
    along,
    counts,
    inked_bands,
    lit_columns,
    mean_of_channels,
    medians,
    minus,
    near_rows,
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


def test_many_pixels_are_counted_as_few_are() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (60, 70)).astype(np.uint8)
    assert (
        counts(levels[::2, ::3]).tolist()
        == np.bincount(levels[::2, ::3].ravel(), minlength=256).tolist()
    )
    assert counts(levels).tolist() == np.bincount(levels.ravel(), minlength=256).tolist()


@pytest.mark.parametrize("count", [1, 2, 7, 48])
def test_medians_are_those_of_numpy_to_the_bit(count: int) -> None:
    values = np.random.default_rng(0).normal(size=(5, count)).astype(np.float32)
    assert np.array_equal(medians(values), np.median(values, axis=1))


def test_colours_are_subtracted_alike_whether_one_or_many() -> None:
    numbers = np.random.default_rng(0)
    for shape in SHAPES:
        pixels = numbers.integers(0, 256, shape).astype(np.uint8)
        colours = numbers.uniform(0, 255, shape).astype(np.float32)
        assert np.array_equal(minus(pixels, colours), pixels.astype(np.float32) - colours)
        assert np.array_equal(
            minus(pixels, colours[0, 0]), pixels.astype(np.float32) - colours[0, 0]
        )


def test_no_column_of_a_smaller_copy_is_missed() -> None:
    numbers = np.random.default_rng(0)
    for tall, wide, count in ((60, 47, 31), (40, 90, 13), (9, 64, 16), (30, 30, 30)):
        for _ in range(20):
            values = (numbers.random((tall, wide)) ** 30).astype(np.float32)
            small = cv2.resize(values, (count, tall), interpolation=cv2.INTER_AREA)
            seen = np.count_nonzero(np.asarray(small).max(axis=0) > 0.1)
            assert seen <= lit_columns(values, 0.1, count) <= count
    lone = np.zeros((20, 40), np.float32)
    lone[3, 17] = 1
    assert lit_columns(lone, 0.1, 10) == 1


@pytest.mark.parametrize("wide", [14, 20, 48, 53, 100, 128])
def test_no_line_covers_more_than_its_band(wide: int) -> None:
    steps = max(1, wide // 20)
    inked = np.zeros((40, wide), np.uint8)
    inked[14:25] = 1
    bands = inked_bands(inked, steps)
    ys, xs = np.nonzero(inked)
    for slope in np.arange(-steps, steps + 1) * (2 / wide):
        rows = np.rint(ys - slope * (xs - (wide - 1) / 2)).astype(int)
        assert np.all(np.bincount(rows, minlength=40) <= bands)


def test_lines_are_sought_near_the_rows_of_which_the_band_is_covered() -> None:
    inked = np.zeros((40, 128), np.uint8)
    inked[::3, ::9] = inked[18] = 1
    bands = inked_bands(inked, 4)
    assert np.flatnonzero(bands >= 128).tolist() == list(range(14, 23))
    near = near_rows(inked, bands >= 128, 4)
    assert np.flatnonzero(near.any(axis=1)).tolist() == [12, 15, 18, 21, 24]
    assert np.array_equal(near[10:27], inked[10:27])


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("shape", [(150, 130), (170, 120, 3)])
def test_wide_windows_open_as_those_of_opencv_do(shape: tuple[int, ...], bright: bool) -> None:
    level = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    level = np.asarray(cv2.blur(level, (3, 3)), np.uint8)
    how = cv2.MORPH_OPEN if bright else cv2.MORPH_CLOSE
    for side in (3, 77, 81, 101):
        reach = side // 2 + 1
        whole = cv2.morphologyEx(level, how, np.ones((side, side), np.uint8))
        assert np.array_equal(opened(level, side, reach, bright), whole[reach:-reach, reach:-reach])
