"""Sheets photographed on a table: in shadow, in part, and on wood as light as paper."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab import Recogniser
from digitlab.evaluation import score
from digitlab.layout.outline import outline_of_sheet
from digitlab.synthesis.pages import made_page
from written_digits import TEST, digit_ink

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

READER = Recogniser()
NUMBERS = ["140697", "372845", "918263"]
WHICH = (0, 0, 0, 0, 0, 1, 0, 0, 0, 0)  # of the test digits of each kind
TALL = 60  # pixels
WIDE, HIGH = 760, 480  # of the sheet
SIZE = (1200, 900)  # of the photograph
ASKEW = [(190, 180), (980, 140), (1040, 700), (150, 640)]
PAPER, WOOD, PINE = (232, 230, 224), (92, 66, 50), (240, 216, 150)


def sheet(numbers: list[str]) -> Picture:
    """Return a sheet with rows of digits on it, uint8 [HIGH, WIDE, 3]."""
    page = np.full((HIGH, WIDE, 3), PAPER, np.float64)
    for row, number in enumerate(numbers):
        for at, one in enumerate(number):
            ink = digit_ink(one, WHICH[int(one)], TALL)
            top, left = 70 + 130 * row, 120 + 88 * at
            cover = np.clip((ink / 255 - 0.35) * 3 + 0.3, 0, 1)[..., None]
            part = page[top : top + TALL, left : left + ink.shape[1]]
            part += cover * (np.array((40, 40, 60)) - part)
    return page.astype(np.uint8)


def laid(page: Picture, table: Colour, corners: list[tuple[int, int]] = ASKEW) -> Picture:
    """Return a photograph of a sheet on a table, its corners there, upper left first, clockwise."""
    high, wide = page.shape[:2]
    flat = np.array([(0, 0), (wide, 0), (wide, high), (0, high)], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, np.array(corners, np.float32))
    seen = cv2.warpPerspective(page, matrix, SIZE, flags=cv2.INTER_AREA)
    on = cv2.warpPerspective(np.full((high, wide), 255, np.uint8), matrix, SIZE)[..., None] / 255
    grain = np.random.default_rng(1).normal(0, 4, (SIZE[1], 1, 1))
    return np.rint(seen * on + (np.array(table) + grain) * (1 - on)).clip(0, 255).astype(np.uint8)


def shaded(picture: Picture, points: list[tuple[int, int]], light: float = 0.4) -> Picture:
    """Return a picture in which a shadow lies between some points, with a soft edge."""
    mask = np.zeros(picture.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.array(points, np.int32)], 1)
    soft = cv2.GaussianBlur(mask, (0, 0), 3)[..., None]
    grain = np.random.default_rng(2).normal(0, 3, picture.shape)
    return np.rint(picture * (1 - (1 - light) * soft) + grain).clip(0, 255).astype(np.uint8)


def text(picture: Picture) -> list[str]:
    return READER.read(picture).text.split("\n")


SHADOWS = {
    "of a hand": [(0, 900), (0, 500), (420, 380), (760, 620), (900, 900)],
    "of a head": [(600, 0), (1200, 0), (1200, 900), (760, 900), (480, 420)],
    "of a window": [(0, 0), (1200, 0), (1200, 300), (0, 480)],
}


@pytest.mark.parametrize("table", [WOOD, PINE])
@pytest.mark.parametrize("shadow", SHADOWS)
def test_a_shadow_across_sheet_and_table_hides_no_row(shadow: str, table: Colour) -> None:
    assert text(shaded(laid(sheet(NUMBERS), table), SHADOWS[shadow])) == NUMBERS


def test_a_dark_corner_is_part_of_the_sheet() -> None:
    numbers = ["140697", "372845", "918263", "650412"]
    page = cv2.copyMakeBorder(sheet(numbers[:3]), 0, 60, 0, 0, cv2.BORDER_CONSTANT, value=PAPER)
    last = sheet(numbers[3:])[60:160, 100:]
    page[-100:, : last.shape[1]] = last
    picture = laid(page, WOOD)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    away = np.hypot(x - 150, y - 640)
    light = 0.35 + 0.65 * np.clip(away / 500, 0, 1)
    assert text((picture * light[..., None]).astype(np.uint8)) == numbers


@pytest.mark.parametrize(
    "cut",
    [
        np.s_[165:, :],
        np.s_[:, 235:],
        np.s_[:640, 230:],
        np.s_[210:, :920],
        np.s_[200:640, 230:],
        np.s_[200:, 230:930],
    ],
)
def test_a_sheet_that_runs_out_of_the_photograph_is_read(cut: tuple[slice, slice]) -> None:
    picture = np.ascontiguousarray(laid(sheet(NUMBERS), WOOD)[cut])
    assert text(picture) == NUMBERS
    assert text(shaded(picture, [(0, 0), (500, 0), (330, 400), (0, 300)])) == NUMBERS


def test_a_strip_of_paper_is_a_sheet() -> None:
    strip = np.ascontiguousarray(sheet(["140697", ""])[40:160])
    corners = [(240, 20), (1180, 120), (1170, 190), (225, 90)]
    assert text(np.ascontiguousarray(laid(strip, WOOD, corners)[:220])) == ["140697"]


def test_of_a_long_strip_in_shadow_no_digit_is_taken_for_the_only_one() -> None:
    line = sheet(["140697"])[40:160]
    long = np.ascontiguousarray(np.concatenate([line, line, line, line], axis=1))
    small = cv2.resize(long, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    shadow = [(0, 0), (700, 0), (740, 60), (0, 60)]
    assert text(shaded(small, shadow, 0.5)) == [" ".join(4 * ["140697"])]


@pytest.mark.parametrize("right", range(150, 800, 50))
def test_the_edge_of_a_shadow_takes_no_digit_away(right: int) -> None:
    page = cv2.copyMakeBorder(sheet(NUMBERS[:1]), 60, 200, 60, 200, cv2.BORDER_REPLICATE)
    assert text(shaded(page, [(0, 0), (right, 0), (right - 60, 740), (0, 740)])) == NUMBERS[:1]


@pytest.mark.parametrize("table", [WOOD, PINE])
@pytest.mark.parametrize("left", [80, 900])
def test_a_little_sheet_on_a_large_table_is_read(left: int, table: Colour) -> None:
    corners = [(left, 330), (left + 250, 310), (left + 260, 470), (left + 6, 490)]
    grain = cv2.GaussianBlur(np.random.default_rng(4).normal(0, 60, (SIZE[1], SIZE[0])), (0, 0), 3)
    grain[300:500, left - 10 : left + 270] = 0
    picture = laid(sheet(NUMBERS), table, corners) + grain[..., None]
    assert text(picture.clip(0, 255).astype(np.uint8)) == NUMBERS


def test_two_sheets_on_a_table_are_read() -> None:
    others = ["650412", "738259"]
    one = laid(sheet(NUMBERS), WOOD, [(10, 100), (690, 100), (690, 560), (10, 560)])
    two = laid(sheet(others), WOOD, [(730, 585), (1170, 590), (1165, 880), (740, 870)])
    both = np.concatenate([one[:, :710], two[:, 710:]], axis=1)
    assert text(both) == [*NUMBERS, *others]


def test_holes_and_a_pen_at_the_edge_are_no_digits() -> None:
    page = np.ascontiguousarray(sheet(NUMBERS))
    for y in (100, 230, 360):
        cv2.circle(page, (60, y), 17, (25, 25, 25), -1, cv2.LINE_AA)
    scanned = cv2.copyMakeBorder(page, 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=(15, 15, 15))
    assert text(scanned) == NUMBERS
    cv2.line(page, (700, 0), (690, 120), (30, 60, 150), 16, cv2.LINE_AA)
    assert text(page) == NUMBERS


@pytest.mark.parametrize(("seed", "sample"), [(77, 63), (31, 5)])
def test_sheets_that_are_dark_at_a_corner_or_low_are_read_whole(seed: int, sample: int) -> None:
    page = made_page(TEST.images, TEST.labels, "perspective", seed, sample)
    total = score(page.text, READER.read(page.picture))
    assert total.right >= 0.94 * total.digits


corner = st.tuples(st.integers(-70, 70), st.integers(-70, 70))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(corner, min_size=4, max_size=4),
    st.lists(st.tuples(st.integers(-100, 1300), st.integers(-100, 1000)), min_size=3, max_size=5),
    st.floats(0.3, 1.0),
)
def test_the_corners_of_any_sheet_are_found_in_any_shadow(
    moved: list[tuple[int, int]], shadow: list[tuple[int, int]], light: float
) -> None:
    corners = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(ASKEW, moved, strict=True)]
    found = outline_of_sheet(shaded(laid(sheet(NUMBERS), WOOD, corners), shadow, light))
    assert found is not None
    assert not found.cut
    assert np.abs(found.corners - np.array(corners)).max() < 0.01 * SIZE[0]


@pytest.mark.parametrize("shadow", SHADOWS)
def test_a_shadow_on_paper_is_no_sheet(shadow: str) -> None:
    page = cv2.resize(sheet(NUMBERS), SIZE, interpolation=cv2.INTER_CUBIC)
    picture = shaded(page, SHADOWS[shadow])
    found = outline_of_sheet(picture)
    assert found is None or found.cut
    assert text(picture) == NUMBERS
