"""Lines: one object, row or sentence for each reading, whatever its file is called."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.errors import ConfigError
from digitlab.reading.formats import (
    CSV_HEADER,
    answer_column,
    csv_header,
    csv_lines,
    json_line,
    style_of,
    text_line,
)
from digitlab.reading.types import REASONS, Digit, Mark, Number, Reading, ReadingError, Row

BOX = (1, 2, 3, 4)
NAMES = st.one_of(
    st.text(st.characters(exclude_characters="\0"), min_size=1),
    st.binary(min_size=1).filter(lambda name: b"\0" not in name).map(os.fsdecode),
    st.sampled_from(["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1"]),
    st.sampled_from(["a\nb", 'a"b', "a,b", "\x1b[2J"]),
)


def reading(file: str | None = "a.png", *digits: int, reason: str | None = None) -> Reading:
    found = tuple(Digit(one, 0.25, reason, BOX, (0.1,) * 10) for one in digits)
    return Reading(file, (Row((Number(found, BOX, 0.25),), BOX),) if found else ())


def row_of(reading: Reading) -> dict[str, str]:
    (row,) = csv.DictReader(io.StringIO(f"{csv_header()}\n{csv_lines(reading)}\n"))
    return row


def cells_of(reading: Reading) -> list[str]:
    row = row_of(reading)
    assert list(row) == list(CSV_HEADER)
    assert CSV_HEADER == ("file", "text", "confidence", "state", "reason", "row", "column")
    assert [row["row"], row["column"]] == ["1" if reading.rows else ""] * 2
    return list(row.values())[:5]


def test_a_line_of_csv_a_picture() -> None:
    assert cells_of(reading("a.png", 4)) == ["a.png", "4", "0.2500", "read", ""]
    assert cells_of(reading("a.png", 4, 2)) == ["a.png", "42", "0.2500", "read", ""]
    assert cells_of(reading("blank.png")) == ["blank.png", "", "", "blank", ""]
    failed = Reading("gone.png", error=ReadingError("missing", "gone.png: no such file"))
    assert cells_of(failed) == ["gone.png", "", "", "unreadable", "missing"]


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_digit_is_no_number_that_a_spreadsheet_sums(reason: str) -> None:
    assert cells_of(reading("a.png", 4, reason=reason)) == ["a.png", "", "", "refused", reason]
    digits = tuple(Digit(one, 0.9, why, BOX, None) for one, why in ((3, None), (5, reason)))
    number = Number(digits, BOX, 0.8)
    assert cells_of(Reading("a.png", (Row((number,), BOX),))) == [
        "a.png", "3?", "", "refused", reason
    ]  # fmt: skip


def lines_of(reading: Reading, crops: bool = False) -> list[list[str]]:
    return list(csv.reader(csv_lines(reading, crops).splitlines()))


def page_of(*rows: dict[int, Number], file: str | None = "a.pdf") -> Reading:
    """Return a page with rows of numbers by their columns, each 100 pixels wide."""
    found = []
    for at, row in enumerate(rows):
        boxes = {column: (100 * column, 60 * at, 40, 40) for column in row}
        numbers = tuple(replace(one, box=boxes[column]) for column, one in row.items())
        found.append(Row(numbers, (0, 60 * at, 500, 40)))
    return Reading(file, tuple(found), page=2)


def number(*digits: int, reason: str | None = None, confidence: float | None = 0.5) -> Number:
    found = tuple(Digit(one, confidence, reason, BOX, None) for one in digits)
    return Number(found, BOX, confidence)


def test_a_table_never_rounds_up_to_certainty() -> None:
    almost, unknown = number(3, confidence=0.99999), number(3, confidence=None)
    page = page_of({1: almost, 2: unknown})
    assert [line[2:4] for line in lines_of(page)] == [["0.9999", "read"], ["", "read"]]


def test_a_line_of_csv_a_number_with_its_row_and_its_column() -> None:
    page = page_of(
        {1: number(1, 2), 2: number(3), 3: number(4)},
        {1: number(5), 3: number(6, reason="unsure")},
        {2: number(7)},
    )
    name = "a.pdf, page 2"
    assert lines_of(page) == [
        [name, "12", "0.5000", "read", "", "1", "1"],
        [name, "3", "0.5000", "read", "", "1", "2"],
        [name, "4", "0.5000", "read", "", "1", "3"],
        [name, "5", "0.5000", "read", "", "2", "1"],
        [name, "", "", "refused", "unsure", "2", "3"],
        [name, "7", "0.5000", "read", "", "3", "2"],
    ]


def test_the_picture_of_a_number_is_named_only_where_it_is_asked_for() -> None:
    cut = replace(number(5), crop="=cells/a-r1c1.png")
    page = page_of({1: cut, 2: number(6)})
    assert csv_header(crops=True) == f"{csv_header()},crop"
    assert [line[7:] for line in lines_of(page, crops=True)] == [["./=cells/a-r1c1.png"], [""]]
    assert [len(line) for line in lines_of(page)] == [7, 7]
    assert lines_of(Reading("a.png"), crops=True) == [["a.png", "", "", "blank", "", "", "", ""]]
    first, second = json.loads(json_line(page))["rows"][0]["numbers"]
    assert first["crop"] == "=cells/a-r1c1.png"
    assert "crop" not in second


def test_marks_stand_in_the_text_and_are_refused_as_unsure() -> None:
    digits = tuple(Digit(one, 0.25, None, BOX, (0.1,) * 10) for one in (3, 5))
    marks = (Mark("-", 0.9, False, BOX, 0), Mark(",", None, True, BOX, 1))
    reading = Reading("a.png", (Row((Number(digits, BOX, None, marks),), BOX),))
    assert cells_of(reading) == ["a.png", "-3?5", "", "refused", "unsure"]
    assert json.loads(json_line(reading))["text"] == "-3?5"
    assert text_line(reading) == "a.png: -3?5 (unsure)"
    dash = Reading("a.png", (Row((Number((), BOX, 0.9, marks[:1]),), BOX),))
    assert cells_of(dash) == ["a.png", "-", "0.9000", "read", ""]


def test_text_has_a_line_a_row_and_a_page_has_its_number() -> None:
    (row,) = reading("a.pdf", 5).rows
    page = Reading("a.pdf", (row, row), page=2)
    assert text_line(page) == f"a.pdf, page 2: 5 (25.0 %)\n{' ' * 15}5 (25.0 %)"


@given(NAMES)
def test_any_name_is_one_cell_that_is_no_formula(name: str) -> None:
    line = csv_lines(reading(name, 5))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    row = row_of(reading(name, 5))
    assert row["text"] == "5"
    assert row["file"] == "-" or row["file"][0] not in "=+-@|%\t\r"


def test_a_name_that_could_be_a_formula_is_still_the_name_of_the_file() -> None:
    assert row_of(reading("=1+1.png", 5))["file"] == "./=1+1.png"
    assert row_of(reading("-", 5))["file"] == "-"
    assert row_of(reading(None, 5))["file"] == "-"
    page = replace(reading("-", 5), page=4)
    assert row_of(page)["file"] == "-, page 4" == text_line(page).partition(":")[0]


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
    assert text_line(reading("a.png", 5, reason="unsure")) == "a.png: ? unsure (5, 25.0 %)"
    assert text_line(reading("a.png")) == "a.png: no digit found"


def test_answers_stand_below_each_other_however_wide_names_are() -> None:
    names = ["scan2.png", "scan10.png", "数字.png", "e\u0301.png", "new\nline.png"]
    column = answer_column(names)
    shown = [text_line(reading(name, 5), column) for name in names]
    assert shown == [
        "scan2.png:     5 (25.0 %)",
        "scan10.png:    5 (25.0 %)",
        "数字.png:      5 (25.0 %)",
        "e\u0301.png:         5 (25.0 %)",
        "new\\nline.png: 5 (25.0 %)",
    ]
    (row,) = reading("a", 5).rows
    rows = Reading("数字.png", (row, row))
    assert text_line(rows, column).split("\n")[1] == " " * column + "5 (25.0 %)"


def test_a_very_long_name_pushes_no_answer_but_its_own() -> None:
    names = [*(f"{at}.png" for at in range(9)), "x" * 200 + ".png"]
    column = answer_column(names)
    assert 7 <= column <= 40
    assert text_line(reading("1.png", 5), column) == f"{'1.png:':{column}}5 (25.0 %)"
    assert text_line(reading(names[-1], 5), column) == f"{names[-1]}: 5 (25.0 %)"
    deep = [f"{'folder/' * 20}{at}.png" for at in (1, 10)]
    assert answer_column(deep) == len(deep[1]) + 2
    assert answer_column([]) == 0


@pytest.mark.parametrize(
    ("asked", "out", "style"),
    [
        (None, None, "text"),
        ("csv", None, "csv"),
        (None, "a.CSV", "csv"),
        (None, "a.jsonl", "json"),
        (None, "a.json", "json"),
        ("json", "a.ndjson", "json"),
        ("csv", "a.txt", "csv"),
        ("json", "a", "json"),
    ],
)
def test_the_style_is_what_is_asked_for_or_what_the_name_says(
    asked: str | None, out: str | None, style: str
) -> None:
    assert style_of(asked, None if out is None else Path(out), [Path("in.png")]) == style
    assert style_of(None, None, [Path("in.csv")]) == "text"


@pytest.mark.parametrize(
    ("asked", "out", "named", "expected"),
    [
        ("csv", None, "a.csv", "a.csv is no picture; .* --csv prints: --out a.csv"),
        ("json", None, "a.JSONL", "a.JSONL is no picture; .* --json prints: --out a.JSONL"),
        (None, "a.txt", "in", "--out a.txt: expected a name that ends with .csv or .jsonl"),
        ("csv", "a.jpg", "b.jpg", "--out a.jpg: expected a name such as digits.csv"),
        ("csv", "-", "in", "--out -: expected a name such as digits.csv"),
        ("csv", "a.json", "in", "--csv and --out a.json cannot stand together"),
    ],
)
def test_a_picture_and_a_file_to_write_are_not_mixed_up(
    asked: str | None, out: str | None, named: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        style_of(asked, None if out is None else Path(out), [Path(named)])
