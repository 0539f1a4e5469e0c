"""Readings as lines: text for people, JSON for programs, CSV for spreadsheets.

Used by `digitlab read`. Names of files are a stranger's text: nothing in one may break a line,
move a terminal's cursor or become a formula.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator

from digitlab.reading.picture_files import STANDARD_INPUT
from digitlab.reading.types import Reading
from digitlab.wording import printable

CSV_HEADER = (
    "file", "page", "row", "number", "position", "digit", "confidence", "refused",
    "x", "y", "width", "height", "error",
)  # fmt: skip

Line = Callable[[Reading], str]


def text_line(reading: Reading) -> str:
    """Return `name: 5 (99.1 %)`, or the error in one line; a page of a document says which."""
    if reading.error is not None:
        return printable(" ".join(reading.error.message.split()))
    page = "" if reading.page is None else f", page {reading.page}"
    return f"{printable(reading.file or STANDARD_INPUT)}{page}: {reading.to_text()}"


def json_line(reading: Reading) -> str:
    """Return one object of the contract in docs/design.md.

    A name that is not UTF-8 has lone surrogates, as Python has them; a stream whose errors are
    "backslashreplace" writes those as JSON's own escapes.
    """
    return json.dumps(reading.to_json(), ensure_ascii=False)


def csv_lines(reading: Reading) -> str:
    """Return a line for each digit, and one for a picture without: see `CSV_HEADER`.

    Rows, numbers in a row and positions in a number count from 1; `error` is its code.
    """
    file = _csv_name(reading.file)
    page = "" if reading.page is None else reading.page
    error = "" if reading.error is None else reading.error.code
    lines = [(file, page, *digit, error) for digit in _digits(reading)]
    return _csv(lines or [(file, page, *[""] * (len(CSV_HEADER) - 3), error)])


def csv_header() -> str:
    """Return the first line of CSV."""
    return _csv([CSV_HEADER])


def _digits(reading: Reading) -> Iterator[tuple[int | str, ...]]:
    for row_at, row in enumerate(reading.rows, 1):
        for number_at, number in enumerate(row.numbers, 1):
            for position, digit in enumerate(number.digits, 1):
                confidence = "" if digit.confidence is None else f"{digit.confidence:.6f}"
                refused = "true" if digit.refused else "false"
                place = (row_at, number_at, position)
                yield (*place, digit.digit, confidence, refused, *digit.box)


def _csv_name(file: str | None) -> str:
    """Return a name that no spreadsheet takes for a formula, and that still is the file's."""
    name = printable(file or STANDARD_INPUT)
    return f"./{name}" if name != STANDARD_INPUT and name[:1] in "=+-@|%" else name


def _csv(lines: Iterable[Iterable[int | str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().removesuffix("\n")
