"""Pages that were photographed askew: they are read as if they had been straight."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab import Recogniser
from digitlab.evaluation import score
from digitlab.layout.page import look_at
from digitlab.layout.pieces import Piece
from digitlab.layout.tilt import tilt_of_digits, tilts_of_lines
from digitlab.reading.columns import columns_of
from digitlab.reading.types import Reading
from digitlab.synthesis.pages import made_page
from written_digits import TEST, digit_ink

Picture = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

READER = Recogniser()
PAPER = 232
ROWS = ("47205 3186", "90412 5573", "2864 71905")


def page(rows: tuple[str, ...] = ROWS, tall: int = 40) -> tuple[Picture, list[tuple[int, ...]]]:
    """Return a page of test digits, and the box of each."""
    paper = np.full((130 + 2 * tall * len(rows), 700), PAPER, np.uint8)
    boxes = []
    for at, row in enumerate(rows):
        x, y = 60, 90 + 2 * tall * at
        for one in row:
            if one != " ":
                cover = digit_ink(one, 3, tall) / 255
                width = cover.shape[1]
                part = paper[y : y + tall, x : x + width]
                part[:] = np.rint(part * (1 - 0.85 * cover))
                boxes.append((x, y, width, tall))
                x += width
            x += tall // 3 if one != " " else tall
    return paper, boxes


def askew(paper: Picture, degrees: float, leaning: float | None = None) -> tuple[Picture, Matrix]:
    """Return a page turned clockwise on paper that goes on, and where its pixels went.

    Args:
        paper: uint8 [H, W] or [H, W, 3].
        degrees: by which what lies on it is turned.
        leaning: by which what stands is, where it is other than that.
    """
    high, wide = paper.shape[:2]
    lying, standing = np.radians((degrees, degrees if leaning is None else leaning))
    across, down = (np.cos(lying), np.sin(lying)), (-np.sin(standing), np.cos(standing))
    matrix = np.column_stack([across, down, (0, 0)])
    reach = np.array([(0, 0), (wide, 0), (0, high), (wide, high)]) @ matrix[:, :2].T
    matrix[:, 2] = -reach.min(axis=0)
    size = np.rint(np.ptp(reach, axis=0)).astype(int).tolist()
    ground = np.median(paper, axis=(0, 1)).reshape(-1).tolist()
    turned = cv2.warpAffine(paper, matrix, size, borderValue=ground)
    return np.asarray(turned, np.uint8), np.asarray(matrix)


def digits_of(reading: Reading) -> list[tuple[int, ...]]:
    return [digit.box for row in reading.rows for number in row.numbers for digit in number.digits]


@settings(max_examples=6, deadline=None)
@given(st.floats(-44, 44))
def test_a_page_held_askew_is_read_as_if_it_had_been_straight(degrees: float) -> None:
    turned, _ = askew(page()[0], degrees)
    assert READER.read(turned).text.splitlines() == list(ROWS)


@pytest.mark.parametrize("degrees", [65, 120, 205, 300])
def test_a_page_at_any_angle_is_read(degrees: float) -> None:
    turned, _ = askew(page()[0], degrees)
    reading = READER.read(turned)
    assert reading.text.splitlines() == list(ROWS)
    assert reading.turned == round(-degrees / 90) % 4 * 90


@pytest.mark.parametrize("degrees", [-32, 25, 118])
def test_boxes_lie_around_the_turned_digits(degrees: float) -> None:
    paper, boxes = page()
    turned, matrix = askew(paper, degrees)
    found = digits_of(READER.read(turned))
    assert len(found) == len(boxes)
    for (x, y, wide, tall), box in zip(boxes, found, strict=True):
        corners = np.array([(x, y), (x + wide, y), (x, y + tall), (x + wide, y + tall)])
        there = corners @ matrix[:, :2].T + matrix[:, 2]
        sides = np.array([*there.min(axis=0), *there.max(axis=0)])
        left, top, width, height = box
        away = np.abs(sides - (left, top, left + width, top + height))
        assert away.max() <= 4


@pytest.mark.parametrize("degrees", [-40, 40])
def test_columns_of_a_table_held_askew_are_those_of_the_table(degrees: float) -> None:
    rows = ["47 38 52 90", "95 57 26 84", "28 79 40 37", "64 32 75 58", "53 28 97 62"]
    paper, _ = page(tuple(rows))
    paper[165:215, 50:160] = PAPER  # an empty cell
    reading = READER.read(askew(paper, degrees)[0])
    assert reading.text.splitlines() == [rows[0], rows[1][3:], *rows[2:]]
    whole = (1, 2, 3, 4)
    assert columns_of(reading.rows, reading.turned) == (whole, whole[1:], *[whole] * 3)


def test_ruled_lines_tell_how_a_page_is_held() -> None:
    paper, _ = page()
    paper[137::80] = paper[138::80] = 120  # through the feet of all digits
    reading = READER.read(askew(paper, 28)[0], reject="none")
    assert len(reading.rows) == len(ROWS)
    right = sum(
        one == two
        for row, truth in zip(reading.text.splitlines(), ROWS, strict=True)
        for one, two in zip(row, truth, strict=False)
    )
    assert right >= 0.8 * sum(map(len, ROWS))


@pytest.mark.parametrize("tilts", [(6, None), (-9, None), (8, 1), (-12, 3)])
@pytest.mark.parametrize(
    ("kind", "sample"), [("boxes", 2), ("boxes", 4), ("table", 2), ("ruled", 4), ("ruled", 6)]
)
def test_no_rule_holds_digits_together_where_it_is_askew(
    kind: str, sample: int, tilts: tuple[float, float | None]
) -> None:
    made = made_page(TEST.images, TEST.labels, kind, 31, sample)
    total = score(made.text, READER.read(askew(made.picture, *tilts)[0]))
    assert total.right >= 0.93 * total.digits
    assert total.extra <= 0.03 * total.digits


@settings(max_examples=40, deadline=None)
@given(st.floats(-40, 40), st.floats(-15, 15), st.integers(1, 5))
def test_the_tilt_of_lines_is_told_of_those_that_lie_and_those_that_stand(
    lying: float, more: float, wide: int
) -> None:
    ink = np.zeros((600, 800), np.uint8)
    ink[100:501:80, 100:700] = ink[100:500, 100:701:120] = 255
    ink = cv2.dilate(ink, np.ones((wide, wide), np.uint8))
    standing = float(np.clip(lying + more, -42, 42))
    turned, _ = askew(ink, lying, standing)
    found = np.array(tilts_of_lines(turned.astype(np.float32) / 255))
    if max(abs(lying), abs(standing)) > 2.2:
        assert np.abs(found - (lying, standing)).max() < 0.5
    else:
        assert np.abs(found).max() < 2.5


def test_lines_that_make_no_grid_are_no_reason_to_shear_a_page() -> None:
    ink = np.zeros((700, 700), np.uint8)
    for at in range(-700, 1400, 60):
        cv2.line(ink, (0, at), (700, at + 255), 255, 2)  # 20 degrees
        cv2.line(ink, (at, 0), (at + 405, 700), 255, 2)  # -30 degrees from upright
    lying, standing = tilts_of_lines(ink.astype(np.float32) / 255)
    assert abs(lying - 20) < 0.5
    assert standing == lying
    READER.read(255 - ink)


def test_a_fold_across_a_straight_page_tilts_nothing() -> None:
    paper, _ = page()
    for tilt in (5, 12):
        fold = np.full(paper.shape, 255, np.uint8)
        cv2.line(fold, (0, 60), (700, 60 + round(700 * np.tan(np.radians(tilt)))), 190, 3)
        creased = np.minimum(paper, cv2.GaussianBlur(fold, (0, 0), 1))
        assert look_at(creased, READER.networks).sheet.pixels.shape[:2] == paper.shape


def test_a_straight_page_is_not_touched() -> None:
    paper, _ = page()
    look = look_at(paper, READER.networks)
    assert np.array_equal(look.sheet.pixels[..., 0], paper)


def pieces_at(places: list[tuple[float, float]]) -> list[Piece]:
    mask = np.ones((20, 12), bool)
    return [Piece((round(x), round(y), 12, 20), mask, 1.0) for x, y in places]


def test_three_digits_that_go_down_tell_nothing() -> None:
    digits = pieces_at([(100, 100), (120, 108), (140, 116)])
    assert tilt_of_digits(digits) == 0


def test_a_list_that_drifts_to_the_right_has_straight_rows() -> None:
    places = [(50 + 18 * x + 14 * y, 50 + 40 * y) for y in range(10) for x in range(3)]
    digits = pieces_at([(x, float(y)) for x, y in places])
    assert tilt_of_digits(digits) == 0


def test_digits_here_and_there_have_no_rows() -> None:
    for seed in range(20):
        places = np.random.default_rng(seed).uniform(0, 900, (30, 2)).tolist()
        digits = pieces_at([(x, y) for x, y in places])
        assert tilt_of_digits(digits) == 0
