"""Digits in the printed boxes and combs of forms: none is lost, and no side is read as a 1."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser, load_dataset

Picture = npt.NDArray[np.uint8]

TEST = load_dataset("mnist").splits["test"]
READER = Recogniser()

CHOSEN = {0: 3, 1: 2, 2: 1, 3: 18, 4: 4, 5: 15, 6: 11, 7: 0, 8: 61, 9: 7}  # of the test images
TALL, BOX = 40, (50, 56)  # pixels: a digit, and the width and the height of its box
ROWS = ("7104", "21369", "1875")


def form(gap: int, wall: int, open_above: bool, pen: int = 60, printed: int = 90) -> Picture:
    """Return rows of digits, each in its box: gap 0 is for boxes that share a wall."""
    step = BOX[0] + (gap + wall if gap else 0)
    page = np.full((100 * len(ROWS) + 160, step * 5 + 320), 232, np.uint8)
    for at, row in enumerate(ROWS):
        for place, digit in enumerate(row):
            left, top = 50 + place * step, 50 + at * 100
            right, bottom = left + BOX[0], top + BOX[1]
            corners = [(left, top), (left, bottom), (right, bottom), (right, top)]
            cv2.polylines(page, [np.array(corners)], not open_above, printed, wall)
            image = TEST.images[CHOSEN[int(digit)]]
            image = image[image.max(axis=1) > 60][:, image.max(axis=0) > 60]
            width = max(6, round(image.shape[1] * TALL / image.shape[0]))
            ink = cv2.resize(image, (width, TALL), interpolation=cv2.INTER_CUBIC)
            x, y = (left + right - width) // 2, (top + bottom - TALL) // 2
            part = page[y : y + TALL, x : x + width]
            cover = np.clip((ink / 255 - 0.35) * 3 + 0.3, 0, 1)
            part[:] = np.minimum(part, np.rint(232 + (pen - 232) * cover))
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
