"""Digits in the boxes, combs and blanks of forms: none is lost, and no side is read as a 1."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser
from written_digits import digit_ink

Picture = npt.NDArray[np.uint8]

READER = Recogniser()

WHICH = (0, 0, 0, 0, 0, 1, 0, 0, 0, 0)  # of the test digits of each kind
TALL, BOX = 40, (50, 56)  # pixels: a digit, and the width and the height of its box
ROWS = ("7104", "21369", "1875")


def form(gap: int, wall: int, open_above: bool, pen: int = 60, printed: int = 90) -> Picture:
    """Return rows of digits, each in its box: gap 0 is for boxes that share a wall."""
    step = BOX[0] + (gap + wall if gap else 0)
    page = paper(step)
    for at, row in enumerate(ROWS):
        for place, digit in enumerate(row):
            left, top = 50 + place * step, 50 + at * 100
            right, bottom = left + BOX[0], top + BOX[1]
            corners = [(left, top), (left, bottom), (right, bottom), (right, top)]
            cv2.polylines(page, [np.array(corners)], not open_above, printed, wall)
            ink = digit_ink(digit, WHICH[int(digit)], TALL)
            put(page, ink, (left + right) // 2, (top + bottom) // 2, pen)
    return blurred(page)


def blanks(rows: Sequence[str]) -> Picture:
    """Return rows of digits of many hands, each above a dash of its own."""
    step = round(1.4 * TALL)
    page = paper(step)
    for at, row in enumerate(rows):
        for place, digit in enumerate(row):
            left, bottom = 50 + place * step, 100 + at * 100
            ink = digit_ink(digit, 10 * at + place, TALL)
            put(page, ink, left + step // 2, bottom - TALL // 2)
            x, y = left + round(0.15 * TALL), bottom + round(0.16 * TALL)
            cv2.line(page, (x, y), (x + round(1.1 * TALL), y), 60, 2)
    return blurred(page)


def comb(tooth: int, wall: int) -> Picture:
    """Return rows of digits above combs, whose teeth and end walls are so many pixels high."""
    page = paper(BOX[0])
    for at, row in enumerate(ROWS):
        left, line = 50, 108 + at * 100
        right = left + len(row) * BOX[0]
        cv2.line(page, (left, line), (right, line), 90, 2)
        for x in range(left, right + 1, BOX[0]):
            high = tooth if left < x < right else wall
            cv2.line(page, (x, line - high), (x, line), 90, 2)
        for place, digit in enumerate(row):
            ink = digit_ink(digit, WHICH[int(digit)], TALL)
            put(page, ink, left + place * BOX[0] + BOX[0] // 2, line - 10 - TALL // 2)
    return blurred(page)


def paper(step: int) -> Picture:
    """Return paper for the rows of digits that stand so many pixels apart."""
    return np.full((100 * len(ROWS) + 160, step * 5 + 320), 232, np.uint8)


def put(page: Picture, ink: Picture, x: int, y: int, pen: int = 60) -> None:
    """Write a digit onto a page, its middle there."""
    left, top = x - (ink.shape[1] + 1) // 2, y - ink.shape[0] // 2
    part = page[top:, left:][: ink.shape[0], : ink.shape[1]]
    cover = np.clip((ink / 255 - 0.35) * 3 + 0.3, 0, 1)
    part[:] = np.minimum(part, np.rint(232 + (pen - 232) * cover))


def blurred(page: Picture) -> Picture:
    """Return a page as a camera sees it, in three channels."""
    return np.repeat(cv2.GaussianBlur(page, (0, 0), 0.6)[..., None], 3, axis=2)


def turned(page: Picture, degrees: float) -> Picture:
    high, wide = page.shape[:2]
    matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(page, matrix, (wide, high), borderValue=(232,) * 3), np.uint8)


def digits(page: Picture) -> list[str]:
    return [row.replace(" ", "") for row in READER.read(page, reject="none").text.split("\n")]


@pytest.mark.parametrize("open_above", [False, True])
@pytest.mark.parametrize(("gap", "wall"), [(0, 2), (0, 5), (1, 3), (4, 3), (4, 6)])
def test_sides_of_boxes_are_no_digits(gap: int, wall: int, open_above: bool) -> None:
    page = form(gap, wall, open_above)
    assert digits(page) == list(ROWS)
    assert digits(turned(page, 1.2)) == list(ROWS)


def test_a_pencil_in_dark_boxes_is_read() -> None:
    assert digits(form(0, 4, open_above=False, pen=200, printed=20)) == list(ROWS)


def test_a_large_sheet_with_few_boxes_is_a_page() -> None:
    sheet = np.pad(
        form(0, 2, open_above=False, pen=110, printed=150),
        ((0, 700), (0, 1400), (0, 0)),
        constant_values=232,
    )
    assert digits(sheet) == list(ROWS)


@pytest.mark.parametrize(("tooth", "wall"), [(14, 14), (14, 56), (22, 22), (22, 56), (34, 34)])
def test_short_teeth_of_combs_are_no_digits(tooth: int, wall: int) -> None:
    page = comb(tooth, wall)
    assert digits(page) == list(ROWS)
    assert digits(turned(page, 1.2)) == list(ROWS)


def test_ones_on_a_line_are_no_teeth() -> None:
    rows = ["21369", "1111", "111"]
    page = paper(BOX[0])
    for at, row in enumerate(rows):
        line = 108 + at * 100
        for place, digit in enumerate(row):
            put(page, digit_ink(digit, 3 * at + place, TALL), 80 + 40 * place, line - TALL // 2)
        cv2.line(page, (60, line), (60 + 40 * len(row), line), 60, 2)
    assert digits(blurred(page)) == rows


def test_blanks_below_digits_are_no_part_of_them() -> None:
    rows = ["34729", "4476", "65475"]
    assert digits(blanks(rows)) == rows


def test_pieces_of_a_rule_that_fades_are_no_ones_or_marks() -> None:
    page = paper(BOX[0])
    for at, row in enumerate(ROWS):
        for place, digit in enumerate(row):
            ink = digit_ink(digit, WHICH[int(digit)], TALL)
            put(page, ink, 90 + 50 * place, 78 + at * 100)
    cv2.line(page, (40, 0), (40, len(page)), 90, 2)
    page[152:160, 36:45] = page[196:204, 36:45] = 232
    page[290:297, 0:5] = 60  # what the edge of the picture cuts
    assert digits(blurred(page)) == list(ROWS)
