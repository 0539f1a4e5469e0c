"""Scores of pages: what is right, and where the mistakes are counted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.evaluation.page_score import THRESHOLDS, PageScore, score
from digitlab.reading.types import UNSURE, Digit, Mark, Number, Reading, ReadingError, Row

BOX = (0, 0, 10, 20)


def number(text: str, confidence: float | None = 0.9) -> Number:
    """Return a number that reads as its text; `?` is a refused digit, `!` a refused mark."""
    digits: list[Digit] = []
    marks: list[Mark] = []
    for one in text:
        if one.isdigit() or one == "?":
            reason = UNSURE if one == "?" else None
            digits.append(Digit(int(one.replace("?", "0")), confidence, reason, BOX, None))
        else:
            refused = one == "!"
            marks.append(Mark("," if refused else one, confidence, refused, BOX, len(digits)))
    return Number(tuple(digits), BOX, confidence, tuple(marks))


def reading(text: str, confidence: float | None = 0.9) -> Reading:
    rows = (
        Row(tuple(number(one, confidence) for one in line.split(" ")), BOX)
        for line in text.splitlines()
    )
    return Reading(None, tuple(rows))


NUMBERS = st.text("0123456789.,-:/", min_size=1, max_size=6)
PAGES = st.lists(st.lists(NUMBERS, min_size=1, max_size=3).map(" ".join), max_size=4).map("\n".join)
READ = st.lists(
    st.lists(st.text("0123456789?.,-!", min_size=1, max_size=6), min_size=1, max_size=3).map(
        " ".join
    ),
    max_size=4,
).map("\n".join)


@given(PAGES)
def test_of_a_perfect_reading_all_is_right(truth: str) -> None:
    got = score(truth, reading(truth))
    digits = sum(one.isdigit() for one in truth)
    assert (got.digits, got.right) == (digits, digits)
    assert (got.wrong, got.refused, got.missing, got.extra, got.marks_extra) == (0, 0, 0, 0, 0)
    assert got.rows_right == got.rows == len(truth.splitlines())
    assert got.rows_grouped == got.rows_of_numbers == sum(" " in row for row in truth.splitlines())
    assert got.numbers_grouped == got.numbers == len(truth.split())
    assert got.marks_right == got.marks
    assert got.sure_wrong == (0,) * len(THRESHOLDS)


@given(PAGES, READ)
def test_counts_add_up(truth: str, read: str) -> None:
    got = score(truth, reading(read))
    assert got.digits == got.right + got.wrong + got.refused + got.missing
    read_digits = sum(one.isdigit() for one in read)
    assert got.right + got.wrong + got.extra == read_digits
    assert got.refused <= read.count("?")
    assert got.sure[0] == read_digits + got.marks_right + got.marks_extra
    assert got.sure_wrong[0] == got.wrong + got.extra + got.marks_extra
    assert got.marks_right + got.marks_extra == sum(one in ".,-" for one in read)
    assert got.rows_grouped <= got.rows_of_numbers <= got.rows
    assert got.rows_grouped <= got.rows_right <= got.rows
    assert got.numbers_grouped <= min(got.numbers, len(read.split()))


@given(PAGES, READ)
def test_no_page_gets_better_by_a_digit_less(truth: str, read: str) -> None:
    for at, one in enumerate(read):
        if one.isdigit():
            refused = read[:at] + "?" + read[at + 1 :]
            assert score(truth, reading(refused)).right <= score(truth, reading(read)).right
            return


@pytest.mark.parametrize(
    ("truth", "read", "right", "wrong", "refused", "missing", "extra"),
    [
        ("12345", "12945", 4, 1, 0, 0, 0),
        ("12345", "1245", 4, 0, 0, 1, 0),
        ("12345", "123455", 5, 0, 0, 0, 1),
        ("12345", "12?45", 4, 0, 1, 0, 0),
        ("123", "", 0, 0, 0, 3, 0),
        ("", "7", 0, 0, 0, 0, 1),
        ("", "?", 0, 0, 0, 0, 0),
        ("12\n34\n56", "12\n56", 4, 0, 0, 2, 0),
        ("12\n56", "12\n9\n56", 4, 0, 0, 0, 1),
        ("34\n12", "12\n34", 2, 0, 0, 2, 2),
        ("-3", "13", 1, 0, 0, 0, 1),
    ],
)
def test_each_mistake_is_counted_where_it_is(
    truth: str, read: str, right: int, wrong: int, refused: int, missing: int, extra: int
) -> None:
    got = score(truth, reading(read))
    assert (got.right, got.wrong, got.refused) == (right, wrong, refused)
    assert (got.missing, got.extra) == (missing, extra)


def test_a_row_may_be_right_and_its_numbers_not_as_written() -> None:
    got = score("12 34\n567", reading("1234\n56 7"))
    assert (got.rows, got.rows_right) == (2, 2)
    assert (got.rows_of_numbers, got.rows_grouped) == (1, 0)


@pytest.mark.parametrize(
    ("truth", "read", "grouped"),
    [
        ("12 34", "12 34", 2),
        ("12 34", "72 ?4", 2),
        ("12 34", "1234", 0),
        ("12 34 56", "1234 56", 1),
        ("12 34 56", "1 2 34 56", 2),
        ("12 34", "1 234", 0),
        ("12 34", "12 3", 1),
        ("12 34", "12 3?4", 1),
        ("865", "8", 0),
        ("865", "85", 0),
        ("865", "1865999", 0),
        ("865", "80605", 0),
        ("865", "8?5", 1),
        ("-1.5 34", "15 34.", 2),  # marks are counted by themselves
        ("12 34", "12-34", 0),
        ("12 - 34", "12 - 34", 3),
        ("12 - 34", "12 -34", 1),
        ("12 34", "12", 1),
        ("12", "", 0),
    ],
)
def test_numbers_are_grouped_apart_from_how_they_are_read(
    truth: str, read: str, grouped: int
) -> None:
    assert score(truth, reading(read)).numbers_grouped == grouped


ROWS = st.lists(st.text("0123456789", min_size=2, max_size=5), min_size=2, max_size=4)


@given(ROWS, st.data())
def test_what_is_joined_or_split_is_not_grouped_and_all_else_is(
    numbers: list[str], data: st.DataObject
) -> None:
    truth = " ".join(numbers)
    at = data.draw(st.integers(0, len(numbers) - 2))
    joined = [*numbers[:at], numbers[at] + numbers[at + 1], *numbers[at + 2 :]]
    assert score(truth, reading(" ".join(joined))).numbers_grouped == len(numbers) - 2
    cut = data.draw(st.integers(1, len(numbers[at]) - 1))
    split = [*numbers[:at], numbers[at][:cut], numbers[at][cut:], *numbers[at + 1 :]]
    assert score(truth, reading(" ".join(split))).numbers_grouped == len(numbers) - 1


@pytest.mark.parametrize(
    ("truth", "read", "right", "extra"),
    [("1.5", "1.5", 1, 0), ("1.5", "1,5", 0, 1), ("1.5", "1!5", 0, 0), ("15", "1.5", 0, 1)],
)
def test_marks_are_counted_apart(truth: str, read: str, right: int, extra: int) -> None:
    got = score(truth, reading(read))
    assert (got.marks_right, got.marks_extra) == (right, extra)
    assert (got.right, got.wrong, got.extra) == (2, 0, 0)


def test_mistakes_are_counted_by_confidence() -> None:
    rows: Sequence[Row] = (Row((number("12", 0.995), number("39", 0.6)), BOX),)
    got = score("12 34", Reading(None, tuple(rows)))
    by = {one["confidence"]: one for one in got.to_json()["by_confidence"]}
    assert by[0.5] == {"confidence": 0.5, "read": 4, "wrong": 1}
    assert by[0.99] == {"confidence": 0.99, "read": 2, "wrong": 0}
    assert by[0.999]["read"] == 0


def test_a_digit_that_is_read_as_a_mark_is_a_mistake_that_was_sure() -> None:
    got = score("513 5.3", reading("5,3 5.3", 0.995))
    by = {one["confidence"]: one for one in got.to_json()["by_confidence"]}
    assert by[0.99] == {"confidence": 0.99, "read": 6, "wrong": 1}
    assert by[0.999] == {"confidence": 0.999, "read": 0, "wrong": 0}


def test_without_confidences_nothing_is_sure() -> None:
    assert score("12", reading("13", None)).sure == (0,) * len(THRESHOLDS)


def test_scores_add() -> None:
    one, other = score("12 3", reading("12 3")), score("45", reading("4"))
    both = one + other
    assert both == sum((one, other), PageScore())
    assert (both.pages, both.digits, both.right, both.missing) == (2, 5, 4, 1)
    assert both.accuracy == 0.8
    assert PageScore().accuracy is None


def test_an_error_leaves_all_missing() -> None:
    got = score("12", Reading("a.png", error=ReadingError("missing", "no such file")))
    assert (got.missing, got.rows_right) == (2, 0)
