"""Pages that were photographed askew: they are read as if they had been straight."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab import Recogniser
from digitlab.layout.page import look_at
from digitlab.layout.pieces import Piece
from digitlab.layout.tilt import tilt_of
from digitlab.reading.columns import columns_of
from digitlab.reading.types import Reading
from written_digits import digit_ink

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


def askew(paper: Picture, degrees: float) -> tuple[Picture, Matrix]:
    """Return a page turned clockwise on paper that goes on, and where its pixels went."""
    high, wide = paper.shape
    matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), -degrees, 1)
    cos, sin = np.abs(matrix[0, :2])
    size = round(wide * cos + high * sin), round(wide * sin + high * cos)
    matrix[:, 2] += (size[0] - wide) / 2, (size[1] - high) / 2
    turned = cv2.warpAffine(paper, matrix, size, borderValue=PAPER)
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


def test_a_straight_page_is_not_touched() -> None:
    paper, _ = page()
    look = look_at(paper, READER.networks)
    assert np.array_equal(look.sheet.pixels[..., 0], paper)


def pieces_at(places: list[tuple[float, float]]) -> list[Piece]:
    mask = np.ones((20, 12), bool)
    return [Piece((round(x), round(y), 12, 20), mask, 1.0) for x, y in places]


def test_three_digits_that_go_down_tell_nothing() -> None:
    digits = pieces_at([(100, 100), (120, 108), (140, 116)])
    assert tilt_of(digits, digits, (400, 400)) == 0


def test_a_list_that_drifts_to_the_right_has_straight_rows() -> None:
    places = [(50 + 18 * x + 14 * y, 50 + 40 * y) for y in range(10) for x in range(3)]
    digits = pieces_at([(x, float(y)) for x, y in places])
    assert tilt_of(digits, digits, (500, 500)) == 0


def test_digits_here_and_there_have_no_rows() -> None:
    for seed in range(20):
        places = np.random.default_rng(seed).uniform(0, 900, (30, 2)).tolist()
        digits = pieces_at([(x, y) for x, y in places])
        assert tilt_of(digits, digits, (1000, 1000)) == 0
