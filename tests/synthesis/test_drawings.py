"""Drawn forms: all of them are drawn whole, differ from hand to hand, and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from digitlab.chance import Draws, uniform
from digitlab.preparation import normalise
from digitlab.reading.recogniser import Recogniser
from digitlab.synthesis.drawings import CANVAS, drawn_digit, drawn_other, scribble
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
