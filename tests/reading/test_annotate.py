"""Annotated pictures: the box surrounds the digit, and the label stays within the picture."""

from __future__ import annotations

import numpy as np
import pytest

from digitlab.reading.annotate import LARGEST, SMALLEST, annotated, label
from digitlab.reading.types import Box, Digit, Number, Reading, Row
from digitlab.wording import certainty

BLUE, ORANGE = (11, 97, 189), (186, 74, 0)


def reading(box: Box, refused: bool = False, confidence: float | None = 0.9) -> Reading:
    digit = Digit(5, confidence, refused, box, None)
    return Reading("a.png", (Row((Number((digit,), box, confidence),), box),))


def extent(drawn: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero((drawn == colour).all(axis=2))
    return int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())


@pytest.mark.parametrize("shape", [(28, 28), (500, 700), (3000, 1000, 3), (1, 2000), (2000, 1, 3)])
def test_pictures_of_any_size_become_ones_that_can_be_looked_at(shape: tuple[int, ...]) -> None:
    drawn = annotated(np.full(shape, 200, np.uint8), reading((0, 0, shape[1], shape[0])))
    assert drawn.mode == "RGB"
    assert SMALLEST <= max(drawn.size) <= LARGEST
    assert (np.asarray(drawn) == BLUE).all(axis=2).any()


@pytest.mark.parametrize("box", [(200, 300, 100, 150), (0, 0, 60, 60), (640, 440, 60, 60)])
def test_the_box_surrounds_the_digit_and_hides_nothing_of_it(box: Box) -> None:
    x, y, width, height = box
    picture = np.full((500, 700), 255, np.uint8)
    picture[y : y + height, x : x + width] = 0
    drawn = np.asarray(annotated(picture, reading(box)))
    left, top, right, bottom = extent(drawn, BLUE)
    assert left <= max(x - 1, 0)
    assert top <= max(y - 1, 0)
    assert right >= min(x + width, 699)
    assert bottom >= min(y + height, 499)
    inner = drawn[y + 34 : y + height - 34, x + 4 : x + width - 4]
    assert inner.size == 0 or (inner == 0).all() or box[0] in (0, 640)


def test_a_refused_digit_has_another_colour() -> None:
    picture = np.full((500, 700), 255, np.uint8)
    drawn = np.asarray(annotated(picture, reading((200, 200, 50, 90), refused=True)))
    assert (drawn == ORANGE).all(axis=2).any()
    assert not (drawn == BLUE).all(axis=2).any()


def test_blank_paper_says_so() -> None:
    drawn = np.asarray(annotated(np.full((500, 700), 255, np.uint8), Reading("a.png")))
    assert (drawn[:30, :60] != 255).any()
    assert (drawn[100:] == 255).all()


def test_labels_never_claim_more_than_is_known() -> None:
    box = (0, 0, 1, 1)
    assert label(Digit(5, 0.99999, False, box, None)) == "5  99.9 %"
    assert label(Digit(5, 0.5, True, box, None)) == "? 5  50.0 %"
    assert label(Digit(5, None, False, box, None)) == "5"
    assert certainty(1.0) == "100.0 %"


def test_the_picture_itself_is_not_drawn_on() -> None:
    picture = np.full((500, 700, 3), 255, np.uint8)
    annotated(picture, reading((10, 10, 50, 90)))
    assert (picture == 255).all()
