"""The reading result: the contract that programs build on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.reading.types import REASONS, Digit, Mark, Number, Reading, ReadingError, Row

SURE = (0.0, 0.99, 0.01, *[0.0] * 7)


def digit(answer: int, refused: bool = False, confidence: float | None = 0.99) -> Digit:
    reason = "unsure" if refused else None
    return Digit(answer, confidence, reason, (1, 2, 3, 4), SURE if confidence else None)


def number(*digits: Digit) -> Number:
    return Number(digits, (1, 2, 9, 4), digits[0].confidence)


def mark(text: str, place: int, refused: bool = False) -> Mark:
    return Mark(text, 0.9, refused, (5, 2, 1, 1), place)


def test_text_joins_numbers_by_a_space_and_rows_by_a_newline() -> None:
    first = Row((number(digit(1), digit(2)), number(digit(3), digit(4), digit(5))), (0, 0, 9, 9))
    second = Row((number(digit(7, refused=True), digit(0)),), (0, 20, 9, 9))
    reading = Reading("sheet.pdf", (first, second), page=2)
    assert reading.text == "12 345\n?0"
    assert [row["text"] for row in reading.to_json()["rows"]] == ["12 345", "?0"]


def test_the_json_has_the_keys_of_the_contract_in_order() -> None:
    reading = Reading("a.png", (Row((number(digit(1)),), (1, 2, 9, 4)),))
    shown = json.loads(json.dumps(reading.to_json()))
    assert list(shown) == ["file", "page", "text", "error", "rows"]
    (row,) = shown["rows"]
    assert list(row) == ["text", "box", "numbers"]
    (one,) = row["numbers"]
    assert list(one) == ["text", "confidence", "box", "digits"]
    assert one["digits"] == [
        {
            "digit": 1,
            "confidence": 0.99,
            "refused": False,
            "reason": None,
            "box": [1, 2, 3, 4],
            "probabilities": list(SURE),
        }
    ]
    assert (shown["page"], shown["error"]) == (None, None)


def test_an_error_has_a_code_and_a_message_and_no_rows() -> None:
    shown = Reading("a.png", error=ReadingError("blank", "a.png is blank")).to_json()
    assert shown["error"] == {"code": "blank", "message": "a.png is blank"}
    assert (shown["rows"], shown["text"]) == ([], "")


def test_square_error_has_nulls() -> None:
    shown = number(digit(3, confidence=None)).to_json()
    assert shown["confidence"] is None
    assert shown["digits"][0]["probabilities"] is None


def test_the_text_for_people_never_rounds_up_to_certainty() -> None:
    row = Row(
        (Number((digit(1),), (0, 0, 1, 1), 0.99996), number(digit(2, confidence=None))), (0,) * 4
    )
    assert Reading("a.png", (row,)).to_text() == "1 (99.9 %)   2"
    assert Reading("a.png").to_text() == "no digit found"
    assert Reading("a.png", error=ReadingError("blank", "it is blank")).to_text() == "it is blank"


@pytest.mark.parametrize("reason", REASONS)
def test_the_text_for_people_says_why_a_digit_is_refused(reason: str) -> None:
    why = "unsure (7, 40.9 %)" if reason == "unsure" else reason
    alone = Digit(7, 0.4099, reason, (1, 2, 3, 4), SURE)
    read, other = digit(3), Digit(0, None, "not a digit", (1, 2, 3, 4), None)

    def text(*digits: Digit) -> str:
        row = Row((Number(digits, (0,) * 4, 0.4), number(digit(2))), (0,) * 4)
        return Reading("a.png", (row,)).to_text()

    assert text(alone) == f"? {why}   2 (99.0 %)"
    assert text(read, alone) == f"3? ({reason})   2 (99.0 %)"
    assert text(alone, read, alone) == f"?3? ({reason})   2 (99.0 %)"
    both = reason if reason == "not a digit" else f"not a digit, {reason}"
    assert text(other, alone, other) == f"??? ({both})   2 (99.0 %)"


def test_what_is_unsure_without_a_probability_says_what_it_may_be() -> None:
    unsure = Digit(7, None, "unsure", (1, 2, 3, 4), None)
    assert Reading("a.png", (Row((number(unsure),), (0,) * 4),)).to_text() == "? unsure (7)"


def test_marks_stand_in_the_text_as_written() -> None:
    digits = (digit(1), digit(2), digit(3))

    def text(*marks: Mark) -> str:
        return Number(digits, (0, 0, 9, 9), None, marks).text

    assert text() == "123"
    assert text(mark("-", 0), mark(".", 2)) == "-12.3"
    assert text(mark("-", 0), mark("-", 0), mark(",", 3), mark("-", 3)) == "--123,-"
    assert text(mark("/", 1, refused=True)) == "1?23"
    row = Row((Number(digits, (0,) * 4, None, (mark(":", 1),)), number(digit(7))), (0,) * 4)
    assert Reading("a.png", (row,)).text == "1:23 7"
    assert Reading("a.png", (row,)).to_text() == "1:23   7 (99.0 %)"


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=6),
    st.lists(st.tuples(st.sampled_from(".,-/:–"), st.booleans(), st.integers(0, 6)), max_size=4),
)
def test_programs_find_each_mark_at_its_place(
    answers: list[tuple[int, bool]], marked: list[tuple[str, bool, int]]
) -> None:
    digits = tuple(digit(answer, refused) for answer, refused in answers)
    places = sorted(min(place, len(digits)) for *_, place in marked)
    marks = tuple(
        mark(text, place, refused) for (text, refused, _), place in zip(marked, places, strict=True)
    )
    shown = json.loads(json.dumps(Number(digits, (0, 0, 9, 9), 0.5, marks).to_json()))
    assert ("marks" in shown) == bool(marks)
    found = shown.get("marks", [])
    text = ""
    for at in range(len(digits) + 1):
        here = [one for one in found if one["place"] == at]
        text += "".join("?" if one["refused"] else one["mark"] for one in here)
        text += digits[at].text if at < len(digits) else ""
    assert shown["text"] == text
    assert [one["mark"] for one in found] == [text for text, *_ in marked]
    assert [list(one) for one in found] == [
        ["mark", "confidence", "refused", "box", "place"] for _ in marks
    ]
    assert [len(shown["digits"]), shown["confidence"]] == [len(digits), 0.5]
