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
from digitlab.synthesis.camera import KINDS, NOTHING, photograph, photograph_nothing
from digitlab.synthesis.pens import brushed, drawn, thinned

Bytes = npt.NDArray[np.uint8]

DIGITS = load_dataset("mnist").splits["test"].images[:100]
FIRST_SUMS = [
    12720919,
    12199668,
    2110348,
    12118599,
    6785684,
    23922272,
    26265631,
    12935904,
    32912763,
    9824892,
    8651525,
    428826,
]
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


def difference_in(kind: str, count: int = 30) -> list[tuple[Bytes, Bytes]]:
    """Pictures of a kind, and where each is darker than halfway to its median."""
    found = []
    for picture in taken(kind, count):
        grey = cv2.blur(picture, (2, 2)).min(axis=2).astype(np.float32)
        halfway = (np.percentile(grey, 0.5) + np.median(grey)) / 2
        found.append((picture, (grey < halfway).astype(np.uint8)))
    return found


def lines_in(dark: Bytes) -> int:
    """How many rows and columns of a picture are dark from side to side."""
    near = cv2.dilate(dark, np.ones((3, 3), np.uint8))
    return int((near.mean(axis=0) > 0.9).sum() + (near.mean(axis=1) > 0.9).sum())


def test_a_cell_has_lines_and_a_plain_picture_has_none() -> None:
    with_lines = {
        kind: np.mean([lines_in(dark) > 0 for _, dark in difference_in(kind)])
        for kind in ("plain", "cell")
    }
    assert with_lines["plain"] < 0.1
    assert with_lines["cell"] > 0.5


def test_print_covers_the_ground_of_a_pattern() -> None:
    rough = {}
    for kind in ("plain", "pattern"):
        corners = [picture[:8, :8].astype(float).std() for picture in taken(kind, 30)]
        rough[kind] = np.median(corners)
    assert rough["pattern"] > 3 * rough["plain"]


def test_a_broken_digit_is_in_more_pieces_and_neighbours_are_cut_by_the_edge() -> None:
    pieces, at_edge = {}, {}
    for kind in ("plain", "broken", "neighbours"):
        seen = difference_in(kind)
        pieces[kind] = np.mean(
            [cv2.connectedComponents(cv2.dilate(dark, np.ones((2, 2))))[0] for _, dark in seen]
        )
        at_edge[kind] = np.mean([dark[:, [0, -1]].max() > 0 for _, dark in seen])
    assert pieces["broken"] > pieces["plain"] + 0.3
    assert at_edge["plain"] < 0.3
    assert at_edge["neighbours"] > 0.6


def test_a_reflection_is_the_brightest_and_a_circle_surrounds() -> None:
    brightest = [np.percentile(picture.min(axis=2), 99.8) for picture in taken("reflection", 20)]
    assert np.median(brightest) > 220
    for kind, least, most in (("circled", 0.7, 1.0), ("plain", 0.0, 0.25)):
        closed = []
        for _, dark in difference_in(kind, 20):
            ways = [dark, dark[:, ::-1], dark.T, dark.T[:, ::-1]]
            # From the middle of each side, ink comes sooner than the middle of the picture.
            closed.append(all(way[len(way) // 2, : way.shape[1] // 3].any() for way in ways))
        assert least <= np.mean(closed) <= most


def test_an_underline_is_as_wide_as_the_digit_and_below_it() -> None:
    spread = {
        kind: np.median(
            [
                dark.sum(axis=1)[len(dark) // 2 :].max() / dark.sum(axis=1).mean()
                for _, dark in difference_in(kind)
            ]
        )
        for kind in ("plain", "underlined")
    }
    assert spread["underlined"] > 1.3 * spread["plain"]


def test_a_sheet_is_a_half_to_a_fifth_of_the_picture() -> None:
    for picture in taken("sheet", 20):
        grey = picture.mean(axis=2)
        level, _ = cv2.threshold(picture.max(axis=2), 0, 255, cv2.THRESH_OTSU)
        assert 0.1 < (grey > level * 0.9).mean() < 0.75
        # A table is darker than paper.
        assert np.percentile(grey, 99) > grey[[0, 0, -1, -1], [0, -1, 0, -1]].min() + 20


@pytest.mark.parametrize("kind", NOTHING)
def test_a_picture_of_nothing_is_always_the_same(kind: str) -> None:
    pictures = [photograph_nothing(kind, 3, sample) for sample in range(10)]
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures)
    assert np.array_equal(pictures[4], photograph_nothing(kind, 3, 4))
    assert not all(np.array_equal(pictures[0], other) for other in pictures[1:])
    changes = np.median([np.ptp(cv2.blur(picture, (5, 5))) for picture in pictures])
    assert changes < 90 if kind == "soiled" else changes > 60


def test_an_unknown_kind_of_nothing_is_named() -> None:
    with pytest.raises(ConfigError, match="kind = 'fog': expected one of empty-cell, soiled"):
        photograph_nothing("fog", 0, 0)


def test_the_kinds_that_came_first_stay_as_they_were() -> None:
    # The sums of these pictures are in the figures of the card of the model that ships.
    sums = [int(photograph(DIGITS[0], kind, 1, 0).sum(dtype=np.int64)) for kind in KINDS[:12]]
    assert sums == FIRST_SUMS


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
