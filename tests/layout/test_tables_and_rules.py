"""Numbers in tables whose rules are stronger than the pen, or hold the digits together."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser
from digitlab.evaluation import score
from digitlab.layout.pieces import find_pieces
from digitlab.synthesis.pages import made_page
from written_digits import TEST, digit_ink

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

READER = Recogniser()
WHICH = (0, 0, 0, 0, 0, 1, 0, 0, 0, 0)  # of the test digits of each kind
TALL = 40  # pixels
EDGE, CELL = 60, (180, 70)  # pixels: around a table, and the width and height of its cells
CELLS = [["539", "763", "48"], ["23", "9574", "718"], ["17", "760", "77"], ["5643", "60", "91"]]
DIGITS = ["".join(row) for row in CELLS]


def ink(cells: list[list[str]] = CELLS, low: int = 0) -> Floats:
    """Return how much of each pixel the numbers of a table cover, float64 [480, 760].

    Args:
        cells: rows of numbers.
        low: how many pixels digits stand below the middle of their cell.
    """
    cover = np.zeros((480, 760))
    for row, numbers in enumerate(cells):
        for column, number in enumerate(numbers):
            x, y = EDGE + column * CELL[0] + 16, EDGE + row * CELL[1] + (CELL[1] - TALL) // 2 + low
            for one in number:
                part = digit_ink(one, WHICH[int(one)], TALL)
                cover[y : y + TALL, x : x + part.shape[1]] = np.clip((part / 255 - 0.2) * 2, 0, 1)
                x += part.shape[1] + 10
    return cover


def ruled(rows: int, columns: int, wall: int = 4) -> Floats:
    """Return how much of each pixel the rules of a table cover, float64 [480, 760]."""
    cover = np.zeros((480, 760))
    right, bottom = EDGE + columns * CELL[0], EDGE + rows * CELL[1]
    for y in range(EDGE, bottom + 1, CELL[1]):
        cv2.line(cover, (EDGE, y), (right, y), 1, wall)
    for x in range(EDGE, right + 1, CELL[0]):
        cv2.line(cover, (x, EDGE), (x, bottom), 1, wall)
    return cover


def page(written: Floats, pen: int, printed: Floats, rule: int) -> Picture:
    """Return a photograph of paper of 225, uint8 [H, W, 3], by the levels of pen and rules."""
    levels = np.minimum(225 - (225 - pen) * written, 225 - (225 - rule) * printed)
    soft = cv2.GaussianBlur(levels, (0, 0), 0.8)
    soft += np.random.default_rng(5).normal(0, 2, soft.shape)
    return np.repeat(np.rint(soft).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def digits(picture: Picture) -> list[str]:
    return [row.replace(" ", "") for row in READER.read(picture).text.split("\n")]


def test_faint_strokes_between_strong_rules_do_not_break() -> None:
    strength = np.zeros((300, 500), np.float32)
    for y in (20, 270):
        cv2.line(strength, (10, y), (490, y), 1.0, 5)
    for x in (60, 140, 220, 300, 380):
        cv2.ellipse(strength, (x, 150), (24, 40), 0, 0, 330, 0.31, 5)
    strength += np.random.default_rng(4).normal(0, 0.02, strength.shape).astype(np.float32)
    pieces = [one for one in find_pieces(strength) if one.top > 100 and one.bottom < 200]
    assert sorted(round(one.height / 10) for one in pieces if one.height > 2) == [9] * 5


@pytest.mark.parametrize("sample", [0, 5])
def test_walls_of_boxes_in_another_colour_are_no_ones(sample: int) -> None:
    page = made_page(TEST.images, TEST.labels, "boxes", 91, sample)
    total = score(page.text, READER.read(page.picture))
    assert total.right >= 0.88 * total.digits
    assert total.extra <= 0.07 * total.digits


@pytest.mark.parametrize("rows", [2, 3])
def test_digits_that_hang_on_the_rules_of_a_small_table_are_read(rows: int) -> None:
    cells = [["5730"], ["9872"], ["4164"]][:rows]
    picture = page(ink(cells, low=17), 60, ruled(rows, 1, 2), 120)
    assert digits(picture) == ["".join(row) for row in cells]


def test_a_small_table_that_lies_on_its_side_is_turned() -> None:
    cells = [["5730", "98"], ["9872", "416"]]
    picture = page(ink(cells, low=17), 60, ruled(2, 2, 2), 120)
    assert digits(np.ascontiguousarray(np.rot90(picture))) == ["573098", "9872416"]
