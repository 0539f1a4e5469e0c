"""Pages of any pen on any paper, in any light, from test digits: what is read of them."""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from digitlab import Recogniser, load_dataset

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Colour = tuple[int, int, int]

TEST = load_dataset("mnist").splits["test"]
READER = Recogniser()
# A plain test digit of each kind.
CHOSEN = {0: 3, 1: 2, 2: 1, 3: 18, 4: 4, 5: 15, 6: 11, 7: 0, 8: 61, 9: 7}
TALL = 64  # pixels

BLUE, BLACK, RED = (30, 50, 170), (30, 30, 40), (200, 30, 40)
WHITE, YELLOW = (242, 240, 236), (250, 225, 90)


def cover(numbers: list[str]) -> list[Floats]:
    """Return how much of each pixel each number covers, float32 [H, W], each in its own row."""
    found = []
    for row, number in enumerate(numbers):
        whole = np.zeros((120 * len(numbers) + 60, 90 * max(map(len, numbers)) + 120), np.float32)
        for at, one in enumerate(number):
            image = TEST.images[CHOSEN[int(one)]]
            image = image[image.max(axis=1) > 60][:, image.max(axis=0) > 60]
            width = max(10, round(image.shape[1] * TALL / image.shape[0]))
            part = cv2.resize(image, (width, TALL), interpolation=cv2.INTER_CUBIC) / 255
            y, x = 60 + 120 * row, 60 + 84 * at
            whole[y : y + TALL, x : x + width] = np.clip((part - 0.35) * 3 + 0.3, 0, 1)
        found.append(whole)
    return found


def page(numbers: list[str], paper: Colour, pens: list[Colour]) -> Picture:
    """Return numbers on paper, row after row, by pens in turn."""
    covers = cover(numbers)
    picture = np.full((*covers[0].shape, 3), paper, np.float32)
    for at, over in enumerate(covers):
        picture += over[..., None] * (np.array(pens[at % len(pens)], np.float32) - picture)
    return noisy(picture)


def noisy(picture: Floats) -> Picture:
    chance = np.random.default_rng(3).normal(0, 3, picture.shape)
    return np.rint(np.clip(picture + chance, 0, 255)).astype(np.uint8)


def compressed(picture: Picture) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=70, subsampling=2)
    return file.getvalue()


@pytest.mark.parametrize(
    ("paper", "pens"),
    [
        (YELLOW, [BLUE]),
        (YELLOW, [BLACK, BLACK, BLUE]),
        (YELLOW, [RED, BLUE, BLACK]),
        ((245, 230, 120), [(40, 60, 200)]),
        ((150, 225, 120), [(30, 50, 190)]),
        ((190, 150, 105), [BLUE]),
        ((60, 150, 70), [(225, 50, 50)]),
        ((140, 190, 240), [RED]),
        ((20, 40, 140), [(250, 230, 80)]),
        ((40, 80, 60), [WHITE, (240, 220, 90)]),
        (WHITE, [RED, BLACK, BLUE]),
    ],
)
def test_any_pen_is_read_on_paper_of_any_colour(paper: Colour, pens: list[Colour]) -> None:
    numbers = ["140697", "3728450", "918263"]
    assert READER.read(compressed(page(numbers, paper, pens))).text.split("\n") == numbers


@pytest.mark.parametrize("column", [225, 345, 430])
def test_the_edge_of_a_shadow_parts_no_number(column: int) -> None:
    numbers = ["140697", "372845", "918263"]
    picture = page(numbers, WHITE, [BLACK]).astype(np.float32)
    picture[:, :column] *= 0.4
    picture[200:] *= 0.8
    assert READER.read(noisy(picture)).text.split("\n") == numbers


def test_strong_rules_of_squared_paper_leave_the_strokes_between_them() -> None:
    numbers = ["140697", "372845", "918263"]
    ink = page(numbers, WHITE, [BLACK]).astype(np.float32)
    lines = np.full(ink.shape, WHITE, np.float32)
    for at in range(7, max(ink.shape), 45):
        cv2.line(lines, (at, 0), (at, len(lines)), (150, 150, 150), 4)
        cv2.line(lines, (0, at), (lines.shape[1], at), (150, 150, 150), 4)
    assert READER.read(noisy(np.minimum(ink, lines))).text.split("\n") == numbers


@pytest.mark.parametrize("radius", [40, 60])
def test_dark_discs_beside_numbers_are_none(radius: int) -> None:
    numbers = ["140697", "372845", "918263"]
    picture = page([*numbers, ""], WHITE, [BLACK])
    large = cv2.copyMakeBorder(picture, 0, 60, 0, 300, cv2.BORDER_CONSTANT, value=WHITE)
    cv2.circle(large, (560, 470), radius, BLACK, -1, cv2.LINE_AA)
    assert READER.read(noisy(large)).text.split("\n") == numbers


@pytest.mark.parametrize("number", ["20", "38", "90", "98"])
@pytest.mark.parametrize("blur", [1, 4])
def test_a_few_large_digits_are_read_in_light_ink_on_dark(number: str, blur: int) -> None:
    small = cover([number])[0][30:150, 30 : 90 * len(number) + 60]
    over = cv2.GaussianBlur(cv2.resize(small, None, fx=4, fy=4), (0, 0), blur)
    thick = cv2.dilate(over, np.ones((9, 9), np.uint8))
    for ink in (over, thick):
        assert READER.read(noisy(30 + 190 * ink)).text == number
        assert READER.read(noisy(220 - 190 * ink)).text == number
