"""Assembly: digits that were found stand from left to right in one number of one row."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.reading.assembly import assemble
from digitlab.reading.types import Digit, Reading

SIDES = st.integers(1, 500)
BOXES = st.tuples(SIDES, SIDES, SIDES, SIDES)
CONFIDENCES = st.floats(0, 1)
DIGITS = st.builds(Digit, st.integers(0, 9), CONFIDENCES, st.booleans(), BOXES, st.none())


def of(answer: int, left: int, confidence: float | None = 0.5) -> Digit:
    return Digit(answer, confidence, None, (left, 10, 20, 30), None)


def test_where_nothing_was_found_there_is_no_row() -> None:
    assert assemble([]) == ()
    assert Reading("a.png", assemble([])).to_text() == "no digit found"


@given(DIGITS)
def test_one_digit_is_a_number_of_its_own_with_its_very_confidence(digit: Digit) -> None:
    (row,) = assemble([digit])
    (number,) = row.numbers
    assert number.digits == (digit,)
    assert row.box == number.box == digit.box
    assert number.confidence == digit.confidence
    assert row.text == number.text == digit.text


@given(st.lists(DIGITS, min_size=1, max_size=12))
def test_any_digits_are_one_number_from_left_to_right(digits: list[Digit]) -> None:
    (row,) = assemble(digits)
    (number,) = row.numbers
    assert sorted(map(id, number.digits)) == sorted(map(id, digits))
    middles = [digit.box[0] + digit.box[2] / 2 for digit in number.digits]
    assert all(left <= right for left, right in itertools.pairwise(middles))
    assert row.text == "".join(digit.text for digit in number.digits)
    assert number.marks == ()


@given(st.lists(DIGITS, min_size=1, max_size=6))
def test_a_box_surrounds_its_digits_and_nothing_more(digits: list[Digit]) -> None:
    (row,) = assemble(digits)
    left, top, width, height = row.box
    assert row.numbers[0].box == row.box
    assert left == min(digit.box[0] for digit in digits)
    assert top == min(digit.box[1] for digit in digits)
    assert left + width == max(digit.box[0] + digit.box[2] for digit in digits)
    assert top + height == max(digit.box[1] + digit.box[3] for digit in digits)


@given(st.lists(DIGITS, min_size=1, max_size=6), st.randoms())
def test_a_number_is_right_where_all_its_digits_are(
    digits: list[Digit], chance: random.Random
) -> None:
    expected = 1.0
    for digit in digits:
        expected *= digit.confidence or 0.0
    assert assemble(digits)[0].numbers[0].confidence == pytest.approx(expected)
    unknown = [*digits, of(1, 5, None)]
    chance.shuffle(unknown)
    assert assemble(unknown)[0].numbers[0].confidence is None


def test_the_order_in_which_digits_were_found_does_not_matter() -> None:
    digits = [of(1, 0), of(2, 30), of(3, 60, 0.25)]
    for order in itertools.permutations(digits):
        (row,) = assemble(order)
        assert row.text == "123"
        assert row.box == (0, 10, 80, 30)
        assert row.numbers[0].confidence == 0.0625
