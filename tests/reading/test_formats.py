"""Lines: one object, row or sentence for each reading, whatever its file is called."""

from __future__ import annotations

import csv
import io
import json
import os

from hypothesis import given
from hypothesis import strategies as st

from digitlab.reading.formats import CSV_HEADER, csv_header, csv_lines, json_line, text_line
from digitlab.reading.types import Digit, Mark, Number, Reading, ReadingError, Row

BOX = (1, 2, 3, 4)
NAMES = st.one_of(
    st.text(st.characters(exclude_characters="\0"), min_size=1),
    st.binary(min_size=1).filter(lambda name: b"\0" not in name).map(os.fsdecode),
    st.sampled_from(["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1"]),
    st.sampled_from(["a\nb", 'a"b', "a,b", "\x1b[2J"]),
)


def reading(file: str | None = "a.png", *digits: int, refused: bool = False) -> Reading:
    found = tuple(
        Digit(one, 0.25, "unsure" if refused else None, BOX, (0.1,) * 10) for one in digits
    )
    return Reading(file, (Row((Number(found, BOX, 0.25),), BOX),) if found else ())


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(f"{csv_header()}\n{text}\n")))


def test_a_line_of_csv_a_digit() -> None:
    first, second = rows_of(csv_lines(reading("a.png", 4, 2, refused=True)))
    assert list(first) == list(CSV_HEADER)
    assert list(first.values()) == [
        "a.png", "", "1", "1", "1", "4", "0.250000", "true", "1", "2", "3", "4", ""
    ]  # fmt: skip
    assert (second["digit"], second["position"]) == ("2", "2")


def test_marks_leave_csv_a_line_a_digit() -> None:
    digits = tuple(Digit(one, 0.25, None, BOX, (0.1,) * 10) for one in (3, 5))
    marks = (Mark("-", 0.9, False, BOX, 0), Mark(",", None, True, BOX, 1))
    reading = Reading("a.png", (Row((Number(digits, BOX, None, marks),), BOX),))
    assert [(row["digit"], row["position"]) for row in rows_of(csv_lines(reading))] == [
        ("3", "1"),
        ("5", "2"),
    ]
    assert json.loads(json_line(reading))["text"] == "-3?5"
    assert text_line(reading) == "a.png: -3?5 (unsure)"
    dash = Reading("a.png", (Row((Number((), BOX, 0.9, marks[:1]),), BOX),))
    (row,) = rows_of(csv_lines(dash))
    assert (row["file"], row["digit"], row["error"]) == ("a.png", "", "")


def test_pictures_without_a_digit_keep_their_line_of_csv() -> None:
    (nothing,) = rows_of(csv_lines(reading("blank.png")))
    assert (nothing["file"], nothing["digit"], nothing["error"]) == ("blank.png", "", "")
    failed = Reading("gone.png", error=ReadingError("missing", "gone.png: no such file"))
    (row,) = rows_of(csv_lines(failed))
    assert (row["file"], row["digit"], row["error"]) == ("gone.png", "", "missing")


def test_a_digit_without_confidence_leaves_its_cell_empty() -> None:
    digit = Digit(3, None, None, BOX, None)
    (row,) = rows_of(csv_lines(Reading("a", (Row((Number((digit,), BOX, None),), BOX),))))
    assert (row["digit"], row["confidence"], row["refused"]) == ("3", "", "false")


@given(NAMES)
def test_any_name_is_one_cell_that_is_no_formula(name: str) -> None:
    line = csv_lines(reading(name, 5))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    (row,) = rows_of(line)
    assert row["digit"] == "5"
    assert row["file"] == "-" or row["file"][0] not in "=+-@|%\t\r"


def test_a_name_that_could_be_a_formula_is_still_the_name_of_the_file() -> None:
    assert rows_of(csv_lines(reading("=1+1.png", 5)))[0]["file"] == "./=1+1.png"
    assert rows_of(csv_lines(reading("-", 5)))[0]["file"] == "-"
    assert rows_of(csv_lines(reading(None, 5)))[0]["file"] == "-"


@given(NAMES)
def test_any_name_is_one_line_of_text_that_moves_no_cursor(name: str) -> None:
    failed = Reading(name, error=ReadingError("missing", f"{name}: no such file\nat all"))
    for one in (reading(name, 5), reading(name), failed):
        assert text_line(one).isprintable()


@given(NAMES)
def test_any_name_comes_back_from_json(name: str) -> None:
    line = json_line(reading(name, 5))
    assert "\n" not in line
    written = line.encode("utf-8", errors="backslashreplace")
    assert json.loads(written)["file"] == name


def test_text_says_what_was_read_or_why_not() -> None:
    assert text_line(reading("a.png", 5)) == "a.png: 5 (25.0 %)"
    assert text_line(reading("a.png", 5, refused=True)) == "a.png: ? unsure (5, 25.0 %)"
    assert text_line(reading("a.png")) == "a.png: no digit found"
