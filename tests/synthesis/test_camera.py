"""Made pictures: exact truth, the same picture each time, and each kind what it says."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab.data import load_dataset
from digitlab.errors import ConfigError
from digitlab.synthesis.camera import KINDS, photograph
from digitlab.synthesis.pens import brushed, drawn, thinned

Bytes = npt.NDArray[np.uint8]

DIGITS = load_dataset("mnist").splits["test"].images[:100]
QUICK = [kind for kind in KINDS if kind != "large"]


def taken(kind: str, count: int = 10) -> list[Bytes]:
    return [photograph(DIGITS[index], kind, 3, index) for index in range(count)]


@settings(max_examples=40)
@given(st.sampled_from(QUICK), st.integers(0, 99), st.integers(0, 2**40), st.integers(0, 2**40))
def test_any_arguments_give_a_picture_and_always_the_same(
    kind: str, index: int, seed: int, sample: int
) -> None:
    picture = photograph(DIGITS[index], kind, seed, sample)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.std() > 1
    assert np.array_equal(picture, photograph(DIGITS[index], kind, seed, sample))
    other = photograph(DIGITS[index], kind, seed, sample + 1)
    assert other.shape != picture.shape or not np.array_equal(other, picture)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ConfigError, match="kind = 'fog': expected one of plain, shadow"):
        photograph(DIGITS[0], "fog", 0, 0)


def test_sizes_are_what_the_kind_says() -> None:
    assert all(26 <= side <= 34 for picture in taken("small") for side in picture.shape[:2])
    assert all(2000 <= side <= 4000 for picture in taken("large", 2) for side in picture.shape[:2])
    smallest = [min(picture.shape[:2]) for picture in taken("low-resolution", 30)]
    assert min(smallest) < 40


def test_a_shadow_darkens_one_side_and_a_dark_picture_all_of_it() -> None:
    plain, shadow, dark = (
        np.mean([np.ptp(np.percentile(picture, (10, 90))) for picture in taken(kind)])
        for kind in ("plain", "shadow", "dark")
    )
    assert shadow > plain + 30
    assert dark < plain
    assert all(np.median(picture) < 130 for picture in taken("dark"))


def test_ruled_paper_has_more_edges_than_plain() -> None:
    rows, columns = {}, {}
    for kind in ("plain", "ruled", "squared"):
        pictures = taken(kind, 30)
        rows[kind] = np.mean([np.diff(picture.mean(axis=(1, 2))).std() for picture in pictures])
        columns[kind] = np.mean([np.diff(picture.mean(axis=(0, 2))).std() for picture in pictures])
    assert rows["ruled"] > 1.5 * rows["plain"]
    assert columns["squared"] > 1.5 * columns["ruled"]


def test_a_thin_pen_covers_less_and_a_brush_more() -> None:
    covered = {}
    for kind in ("plain", "thin", "brush"):
        shares = []
        for picture in taken(kind, 20):
            grey = picture.mean(axis=2)
            shares.append((grey < (grey.min() + np.median(grey)) / 2).mean())
        covered[kind] = np.mean(shares)
    assert covered["thin"] < 0.6 * covered["plain"] < 0.4 * covered["brush"]


def test_blur_softens_and_noise_roughens() -> None:
    steps = {}
    for kind in ("plain", "blur", "noise"):
        steps[kind] = np.mean(
            [np.abs(np.diff(p.astype(float), axis=1)).mean() for p in taken(kind)]
        )
    assert steps["blur"] < steps["plain"] < steps["noise"]


def test_thinned_strokes_lie_within_the_strokes() -> None:
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    for digit in DIGITS[:30]:
        lines = drawn(
            thinned(digit), 4 * identity + [[0, 0, 1.5], [0, 0, 1.5]], (112, 112), 1, True
        )
        inside = np.kron(digit, np.ones((4, 4)))[lines > 0.5]
        assert inside.mean() > 180
        assert 0.02 < (lines > 0.5).mean() / (digit > 127).mean() < 0.5


def test_a_brush_thickens_and_closes_no_loop_and_no_gap() -> None:
    def grounds(image: Bytes) -> int:
        enlarged = cv2.resize(image, (84, 84), interpolation=cv2.INTER_CUBIC)
        return cv2.connectedComponents((enlarged < 115).astype(np.uint8), connectivity=4)[0]

    thicker = [brushed(digit, 3) for digit in DIGITS[:40]]
    assert np.mean(thicker) > 1.4 * DIGITS[:40].mean()
    same = [grounds(a) == grounds(b) for a, b in zip(thicker, DIGITS[:40], strict=True)]
    assert np.mean(same) > 0.8  # a gap of one pixel may fall between the pixels of 28


def test_a_dot_can_be_thinned() -> None:
    dot = np.zeros((28, 28), np.uint8)
    dot[13:15, 13:15] = 255
    assert thinned(dot).shape[1:] == (2, 2)
