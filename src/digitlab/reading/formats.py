"""Readings as lines: text for people, JSON for programs, CSV for spreadsheets.

Used by `digitlab read`. Names of files are a stranger's text: nothing in one may break a line,
move a terminal's cursor or become a formula.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import median_low

from digitlab.errors import ConfigError
from digitlab.header import DOCUMENTS, SUFFIXES
from digitlab.reading.columns import columns_of
from digitlab.reading.picture_files import STANDARD_INPUT
from digitlab.reading.types import Digit, Mark, Number, Reading, refusals
from digitlab.wording import is_formula, printable

CSV_HEADER = ("file", "text", "confidence", "state", "reason", "row", "column")
CROP = "crop"  # the column behind these, where cells are written as pictures

# The suffixes of files that hold readings, and their style.
TABLES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}

# What became of a picture or page.
READ, REFUSED, BLANK, UNREADABLE = STATES = ("read", "refused", "blank", "unreadable")

_LONGER = 24  # columns by which a name may be longer than most and still move all answers


def style_of(asked: str | None, out: Path | None, named: Iterable[Path]) -> str:
    """Return "text", "json" or "csv": what is asked for, else what the name of a file says.

    Args:
        asked: "json" or "csv"; None where no flag says so.
        out: the file to write; None for standard output.
        named: what is to be read.

    Raises:
        ConfigError: where a file to write is named as a picture, or a picture as a file to write;
            where nothing says how to write a file, or two things say it differently.
    """
    if out is None:
        for path in named:
            if asked is not None and path.suffix.lower() in TABLES:
                raise ConfigError(
                    f"{path} is no picture; to write into it what --{asked} prints: --out {path}"
                )
        return asked or "text"
    suffix = out.suffix.lower()
    if str(out) == STANDARD_INPUT or suffix in SUFFIXES | DOCUMENTS:
        raise ConfigError(f"--out {out}: expected a name such as digits.csv or digits.jsonl")
    style = TABLES.get(suffix, asked)
    if style is None:
        raise ConfigError(
            f"--out {out}: expected a name that ends with .csv or .jsonl, or --csv or --json"
        )
    if asked not in (None, style):
        raise ConfigError(f"--{asked} and --out {out} cannot stand together: choose one")
    return style


def state(reading: Reading) -> str:
    """Return one of `STATES`; refused is where anything in the picture is."""
    if reading.error is not None:
        return UNREADABLE
    written = _written(reading)
    if not written:
        return BLANK
    return REFUSED if any(one.refused for one in written) else READ


def text_line(reading: Reading, column: int = 0) -> str:
    """Return `name: 5 (99.1 %)`, or the error in one line; a page of a document says which.

    Args:
        reading: of one picture or page; further rows of it stand below the first.
        column: where answers begin, as `answer_column` gives it, unless the name is longer.
    """
    if reading.error is not None:
        return printable(" ".join(reading.error.message.split()))
    name, answer = f"{_source(reading)}: ", reading.to_text()
    if column or "\n" in answer:
        from rich.cells import cell_len

        name += " " * (column - cell_len(name))
        answer = answer.replace("\n", "\n" + " " * cell_len(name))
    return name + answer


def answer_column(names: Iterable[str]) -> int:
    """Return the column of a terminal at which the answers for all these names can begin.

    One that is much longer than most does not count: its answer begins further to the right.
    """
    from rich.cells import cell_len

    widths = sorted(cell_len(printable(name)) for name in names)
    if not widths:
        return 0
    return min(widths[-1], median_low(widths) + _LONGER) + len(": ")


def json_line(reading: Reading) -> str:
    """Return one object of the contract in docs/design.md.

    A name that is not UTF-8 has lone surrogates, as Python has them; a stream whose errors are
    "backslashreplace" writes those as JSON's own escapes.
    """
    return json.dumps(reading.to_json(), ensure_ascii=False)


def csv_lines(reading: Reading, crops: bool = False) -> str:
    """Return a line for each number of a picture or page, or one where there is none.

    `text` is empty where no digit is read, so that nothing is summed that nobody read; `confidence`
    is that all of the number is right, and empty where anything in it is refused. `reason` is why,
    or the code of the error. `row` and `column` count from 1.

    Args:
        reading: of one picture or page.
        crops: whether the picture of a number is named, too.
    """
    name, extra = _csv_name(reading), ("",) * crops
    if reading.error is not None or not reading.rows:
        reason = "" if reading.error is None else reading.error.code
        return _csv((name, "", "", state(reading), reason, "", "", *extra))
    lines = []
    for at, (row, columns) in enumerate(
        zip(reading.rows, columns_of(reading.rows, reading.turned), strict=True), 1
    ):
        for number, column in zip(row.numbers, columns, strict=True):
            if crops:
                extra = (_no_formula(printable(number.crop or "")),)
            lines.append(_csv((name, *_cell(number), str(at), str(column), *extra)))
    return "\n".join(lines)


def csv_header(crops: bool = False) -> str:
    """Return the first line of CSV; with a last column for the pictures of numbers, if asked."""
    return _csv((*CSV_HEADER, CROP) if crops else CSV_HEADER)


def _cell(number: Number) -> tuple[str, str, str, str]:
    """Return the text, the confidence, the state and the reason of a number."""
    written = number.written
    text = number.text if any(not one.refused for one in written) else ""
    if any(one.refused for one in written):
        return text, "", REFUSED, refusals(written)
    return text, _confidence(number), READ, ""


def _written(reading: Reading) -> list[Digit | Mark]:
    return [one for row in reading.rows for number in row.numbers for one in number.written]


def _source(reading: Reading) -> str:
    page = "" if reading.page is None else f", page {reading.page}"
    return f"{printable(reading.file or STANDARD_INPUT)}{page}"


def _confidence(number: Number) -> str:
    """Return the probability that all is right, rounded down, so that 1 is never claimed for less.

    Empty where it is not known.
    """
    if number.confidence is None:
        return ""
    return f"{math.floor(number.confidence * 10_000) / 10_000:.4f}"


def _csv_name(reading: Reading) -> str:
    """Return a name that no spreadsheet takes for a formula, and that still is the file's."""
    name = _source(reading)
    return _no_formula(name) if reading.file not in (None, "", STANDARD_INPUT) else name


def _no_formula(name: str) -> str:
    return f"./{name}" if is_formula(name) else name


def _csv(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().removesuffix("\n")
