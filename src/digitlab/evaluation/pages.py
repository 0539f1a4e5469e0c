"""How a model reads pages of numbers whose truth is known; see `digitlab evaluate --pages`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitlab.errors import DataError
from digitlab.evaluation.page_score import THRESHOLDS, PageScore, score
from digitlab.evaluation.robustness import Progress
from digitlab.wording import counted, percent, printable

if TYPE_CHECKING:
    from digitlab.reading.pages import Source
    from digitlab.reading.recogniser import Recogniser
    from digitlab.reading.types import ReadingError

TRUTH = "truth.tsv"
_HEADER = ["file", "truth"]
_DIGITS, _MARKS = "0123456789", ".,-/:+=()%"
_FIRST_PAGE = "; evaluation measures the first page: give each a file of its own"
_ROW_BREAK = re.compile(r"(?<!\\)/")


@dataclass(frozen=True)
class PageResult:
    """One page: its name, and its counts or why it could not be read."""

    file: str
    score: PageScore | None
    error: ReadingError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "file": self.file,
            "error": None if self.error is None else self.error.to_json(),
            "score": None if self.score is None else self.score.to_json(),
        }


@dataclass(frozen=True)
class PagesReport:
    """A model on pages whose truth is known.

    Attributes:
        model: the model file.
        source: where the pages lie.
        pages: one result each, in the order in which they were given.
    """

    model: str
    source: str
    pages: tuple[PageResult, ...]

    @property
    def total(self) -> PageScore:
        """The counts of all pages that could be read, added."""
        return sum((page.score for page in self.pages if page.score is not None), PageScore())

    @property
    def errors(self) -> tuple[PageResult, ...]:
        """The pages that could not be read; no count has them."""
        return tuple(page for page in self.pages if page.error is not None)

    def to_json(self) -> dict[str, Any]:
        """Return what `digitlab evaluate --pages --json` shows."""
        return {
            "model": self.model,
            "source": self.source,
            **self.total.to_json(),
            "errors": len(self.errors),
            "results": [page.to_json() for page in self.pages],
        }

    def to_text(self) -> str:
        """Return what `digitlab evaluate --pages` shows: a row a page, the sum, and errors."""
        total = self.total
        lines = [f"{self.model} on {counted(total.pages, 'page')} of {self.source}", ""]
        lines += [_HEADINGS]
        lines += [_row(page.file, page.score) for page in self.pages if page.score is not None]
        lines += [_row("all", total), "", _summary(total), *_confidence_lines(total)]
        if self.errors:
            lines += ["", f"passed over, cannot be read: {len(self.errors)}"]
            lines += [f"  {printable(one.error.message)}" for one in self.errors if one.error]
        return "\n".join(lines)


_COLUMNS = ("digits", "right", "wrong", "refused", "missing", "extra", "rows", "rows right")
_HEADINGS = f"{'page':<32}" + "".join(f"{name:>11}" for name in _COLUMNS)


def evaluate_pages(
    pages: str | PathLike[str] | Iterable[tuple[Source, str]],
    model: str | PathLike[str] | Recogniser | None = None,
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> PagesReport:
    """Read pages whose truth is known, and count what is right.

    Of a document of several pages the first is measured.

    Args:
        pages: a folder with a `truth.tsv`, see `read_truth`; or pairs of a picture, as
            `Recogniser.read` takes it, and its truth, a line a row and a space between numbers.
        model: a RUN folder, an .onnx file, a Recogniser, or None for the model that ships.
        threads: of onnxruntime; not used where `model` is a Recogniser.
        progress: is called with (done, all) after each page.

    Warns:
        PagesWarning: of a document with several pages.

    Raises:
        DataError: where the folder has no `truth.tsv` that can be read, or a truth has characters
            that no page of numbers has, see `read_truth`. A page that cannot be read does not
            raise: the report names it.
        ModelError: where the model cannot be loaded.
    """
    from digitlab.reading.guard import GuardedDecoder
    from digitlab.reading.pages import name_of
    from digitlab.reading.recogniser import Recogniser

    recogniser = model if isinstance(model, Recogniser) else Recogniser(model, threads)
    where = "memory"
    if isinstance(pages, str | PathLike):
        where = str(pages)
        truths = read_truth(pages)
        names, sources = list(truths), [Path(pages) / file for file in truths]
        given: list[tuple[Source, str]] = list(zip(sources, truths.values(), strict=True))
    else:
        given = list(pages)
        names = [name_of(one) or f"page {at}" for at, (one, _) in enumerate(given, 1)]
        for name, (_, truth) in zip(names, given, strict=True):
            _check_written(truth, f"the truth of {name}")
    results = []
    with GuardedDecoder() as decoder:
        for name, (source, truth) in zip(names, given, strict=True):
            first = recogniser.each_page(source, decoder=decoder, max_pages=1, advice=_FIRST_PAGE)
            reading, _ = next(first)
            result = None if reading.error is not None else score(truth, reading)
            results.append(PageResult(name, result, reading.error))
            if progress is not None:
                progress(len(results), len(given))
    return PagesReport(str(recogniser.model.path), where, tuple(results))


def read_truth(folder: str | PathLike[str]) -> dict[str, str]:
    r"""Return what is written on the pages of a folder, by the names of their files.

    `truth.tsv` has a line a page: the file's name, a tab, and the truth, with `/` between rows and
    spaces between numbers. Every other character is a digit or one of `. , - : + = ( ) %`; a slash
    that is written on the page is `\/`. Spaces around a name, and lines of nothing else, do not
    count. The line `file`, tab, `truth` may stand first.

    Returns:
        For each file the truth as `Reading.text` has it: a line a row.

    Raises:
        DataError: where the file is missing or not UTF-8, or a line has no tab, an earlier name or
            another character.
    """
    path = Path(folder) / TRUTH
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(f"{path}: cannot be read: {why}") from error
    pages: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if not line.strip() or (number == 1 and fields == _HEADER):
            continue
        name = fields[0].strip()
        if len(fields) != 2 or not name:
            raise DataError(f"{path}, line {number}: expected a file, a tab, and what is written")
        if name in pages:
            raise DataError(f"{path}, line {number}: {name!r} stands in an earlier line, too")
        _check_written(fields[1].replace("\\/", ""), f"{path}, line {number}")
        rows = (row.replace("\\/", "/").split() for row in _ROW_BREAK.split(fields[1]))
        pages[name] = "\n".join(" ".join(row) for row in rows)
    if not pages:
        raise DataError(f"{path}: names no page")
    return pages


def _check_written(truth: str, where: str) -> None:
    """Raise DataError, in words that begin with where, for what no page of numbers has."""
    for one in truth:
        if not one.isspace() and one not in _DIGITS + _MARKS:
            raise DataError(
                f"{where}: {one!r} is no digit and no mark; expected 0 to 9 and {' '.join(_MARKS)}"
            )


def _row(name: str, one: PageScore) -> str:
    counts = (one.digits, one.right, one.wrong, one.refused, one.missing, one.extra, one.rows)
    shown = "".join(f"{count:>11,}" for count in (*counts, one.rows_right))
    return f"{printable(name):<32}{shown}"


def _summary(total: PageScore) -> str:
    """Return a line of what most people ask for."""
    grouped = f"{total.numbers_grouped:,} of {total.numbers:,} numbers grouped as written"
    marks = f"marks: {total.marks_right:,} of {total.marks:,} right, {total.marks_extra:,} extra"
    right = "no digits compared"
    if total.accuracy is not None:
        right = f"{percent(total.accuracy)} of the digits right"
    return f"{right}; {grouped}; {marks}"


def _confidence_lines(total: PageScore) -> list[str]:
    """Return a table: how much of what is sure is wrong; none where nothing has a confidence."""
    if not total.sure[0]:
        return []
    lines = ["", "confidence      read     wrong"]
    for at, count, wrong in zip(THRESHOLDS, total.sure, total.sure_wrong, strict=True):
        part = f" ({percent(wrong / count)})" if count else ""
        lines.append(f">= {at:<7g}{count:>10,}{wrong:>10,}{part}")
    return lines
