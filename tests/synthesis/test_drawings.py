"""Drawn forms: all of them are drawn whole, differ from hand to hand, and mean what they say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from digitlab.chance import Draws, uniform
from digitlab.preparation import normalise
from digitlab.reading.recogniser import Recogniser
from digitlab.synthesis.drawings import (
    CANVAS,
    drawn_digit,
    drawn_other,
    scribble,
    strokes_of,
)
from digitlab.synthesis.forms import DIGITS, OTHERS


def draws(sample: int) -> Draws:
    return Draws(uniform(3, "augment", sample, np.arange(100)).tolist())


@pytest.mark.parametrize("form", [form for forms in (*DIGITS, OTHERS) for form in forms])
def test_a_form_is_written_as_points_of_two_digits(form: str) -> None:
    for stroke in form.split("/"):
        points = stroke.removeprefix("l ").split()
        assert len(points) >= 2
        assert all(len(point) == 2 and point.isdigit() for point in points)


def test_what_is_drawn_lies_within_its_canvas() -> None:
    for sample in range(200):
        for ink in (drawn_digit(sample % 10, draws(sample)), drawn_other(draws(sample))):
            assert ink.shape == (CANVAS, CANVAS)
            assert ink.dtype == np.float32
            assert ink.max() == 1
            assert not ink[[0, -1]].any()


def test_no_two_hands_draw_alike() -> None:
    drawn = [drawn_digit(8, draws(sample)).tobytes() for sample in range(50)]
    drawn += [scribble(draws(sample)).tobytes() for sample in range(50)]
    assert len(set(drawn)) == 100


def test_a_network_reads_in_a_drawn_digit_what_it_is_said_to_be() -> None:
    digits = np.arange(400) % 10
    images = np.stack([normalise(drawn_digit(digit, draws(at))) for at, digit in enumerate(digits)])
    probabilities = Recogniser().probabilities(images)
    assert (probabilities[:, :10].argmax(axis=1) == digits).mean() > 0.9


def shapes(digit: int) -> list[tuple[int, int, float]]:
    """Pieces, loops, and width to height, of each form of a digit, as a thin pen writes it."""
    found = []
    for at, form in enumerate(DIGITS[digit]):
        canvas = np.zeros((192, 192), np.uint8)
        for points in strokes_of(form):
            pixels = np.rint(points * 140 + 20).astype(np.int32)
            cv2.polylines(canvas, [pixels[:, None]], False, 255, 7)
        pieces = cv2.connectedComponents(canvas)[0] - 1
        loops = cv2.connectedComponents(255 - canvas, connectivity=4)[0] - 2
        rows, columns = canvas.any(axis=1).sum(), canvas.any(axis=0).sum()
        found.append((pieces, loops, columns / rows))
        assert pieces, (digit, at)
    return found


def test_forms_have_what_other_hands_write() -> None:
    assert any(width > 1.3 for _, _, width in shapes(0))  # flat and wide
    assert sum(loops >= 2 for _, loops, _ in shapes(0)) >= 3  # slashed
    assert sum(loops >= 1 for _, loops, _ in shapes(2)) >= 3  # a closed head
    assert sum(pieces == 2 for pieces, _, _ in shapes(5)) >= 4  # a hat apart
    assert sum(loops == 0 for _, loops, _ in shapes(6)) >= 5  # an open bow
    assert sum(loops == 1 for _, loops, _ in shapes(8)) >= 5  # open at the top
