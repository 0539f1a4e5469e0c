"""Reading many pictures as a command does: each page gives its line, and none stops the others.

Used by `digitlab read`.
"""

from __future__ import annotations

import io
import sys
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from digitlab.durable_files import GrowingFile
from digitlab.errors import DigitlabError, PictureError
from digitlab.live_line import Counter
from digitlab.picture_source import read_pipe
from digitlab.reading.formats import (
    STATES,
    answer_column,
    csv_header,
    csv_lines,
    json_line,
    state,
    text_line,
)
from digitlab.reading.guard import GuardedDecoder
from digitlab.reading.page_or_digit import check_upright
from digitlab.reading.page_pictures import PagePictures
from digitlab.reading.pages import MAX_PAGES, Page
from digitlab.reading.picture_files import (
    STANDARD_INPUT,
    check_file,
    find_pictures,
)
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.types import Reading, ReadingError
from digitlab.wording import printable

Line = Callable[[Reading], str]

_NOT_DRAWN = "not drawn"


@dataclass(frozen=True)
class ReadCommand:
    """How to read files and what to write.

    Attributes:
        recogniser, decoder: what reads.
        style: "text", "json" or "csv"; errors go to standard error as well, but for JSON on
            standard output, which has them.
        max_pages: of a document with more, the first so many are read, and a line says so.
        upright: as `Recogniser.read` takes it.
        out: a file to write in the place of standard output, CSV with a byte-order mark; one that
            is there is replaced once all is read. None for standard output.
        reject: as `Recogniser.read` takes it.
        annotate: a folder for pictures with what was read in them; None for none.
        explain: a folder for explanations; None for none.
        crops: a folder for a picture of each number, which CSV and JSON then name; None for none.
    """

    recogniser: Recogniser
    decoder: GuardedDecoder
    style: str = "text"
    reject: float | str | None = None
    annotate: Path | None = None
    explain: Path | None = None
    out: Path | None = None
    max_pages: int = MAX_PAGES
    upright: str = "auto"
    crops: Path | None = None

    def run(self, named: Iterable[Path]) -> int:
        """Read files and folders, print their lines, and return how many could not be read.

        Of several, what became of them is counted on standard error, and so is said what else was
        written.

        Raises:
            ConfigError, ModelError: for a `reject` or `upright` that is not allowed, before
                anything is read.
            DigitlabError: where a folder or the file cannot be written to.
        """
        self.recogniser.check_reject(self.reject)
        check_upright(self.upright)
        found = list(find_pictures(named))
        inputs = [path for path in found if isinstance(path, Path)]
        if self.out is not None:
            check_file(self.out, inputs)
        pictures = PagePictures(
            self.recogniser,
            inputs,
            self.out,
            crops=self.crops,
            annotate=self.annotate,
            explain=self.explain,
        )
        became: Tally[str] = Tally()
        with self._output(self._lines(inputs)) as write:
            failures = self._read(found, write, pictures, became)
        if sum(became[each] for each in STATES) > 1:
            counts = ((became[each], each) for each in (*STATES, _NOT_DRAWN))
            _say(", ".join(f"{count:,} {each}" for count, each in counts if count))
        for what, folder in pictures.folders.items():
            if became[what]:
                _say(f"{what}: {printable(str(folder))}")
        if self.out is not None:
            _say(f"readings: {printable(str(self.out))}")
        return failures

    def _read(
        self,
        found: Sequence[Path | Reading],
        write: Callable[[Reading], None],
        pictures: PagePictures,
        became: Tally[str],
    ) -> int:
        """Read all, count what becomes of each page, and return how many files failed."""
        progress = Counter(len(found), sys.stderr)
        failures = 0
        try:
            for one in found:
                failed = False
                for reading, page in self._readings(one):
                    progress.clear()
                    became[state(reading)] += 1
                    problems: list[str] = []
                    if page is not None:
                        reading, problems = pictures.cut(page, reading, became)
                    if self.style != "text" or reading.error is None:
                        write(reading)
                    if page is not None:
                        problems += pictures.draw(page, reading, became)
                        became[_NOT_DRAWN] += bool(problems)
                    elif self.style != "json" or self.out is not None:
                        problems = [text_line(reading)]
                    for problem in problems:
                        _say(problem)
                    failed |= bool(problems) or reading.error is not None
                failures += failed
                progress.advance(failed)
        finally:
            progress.clear()
        return failures

    @contextmanager
    def _output(self, line: Line) -> Iterator[Callable[[Reading], None]]:
        """Give what writes the line of a reading; a table has its header by then."""
        header = [csv_header(self.crops is not None)] if self.style == "csv" else []
        if self.out is None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                # Names need not be UTF-8; a lone surrogate becomes an escape, which JSON has, too.
                encoding = None if self.style == "text" else "utf-8"
                sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
            for one in header:
                print(one, flush=True)
            yield lambda reading: print(line(reading), flush=True)
            return
        with _written(self.out):
            # By its byte-order mark alone, Excel takes a table for UTF-8.
            file = GrowingFile(self.out, "utf-8-sig" if self.style == "csv" else "utf-8")
        lines = 0

        def write(*more: str) -> None:
            nonlocal lines
            with _written(file.path):
                for one in more:
                    file.write(one)
                    lines += 1

        try:
            write(*header)
            yield lambda reading: write(line(reading))
            with _written(file.path):
                file.put_in_place()
        except BaseException:  # Ctrl-C, too
            kept = lines > len(header)
            file.leave(kept)
            if kept:
                _say(f"what was read is in {printable(str(file.part))}")
            raise

    def _lines(self, found: Sequence[Path]) -> Line:
        """Return what makes a line of a reading; text stands in columns where there are several."""
        if self.style == "csv":
            return partial(csv_lines, crops=self.crops is not None)
        if self.style == "json":
            return json_line
        column = answer_column(map(str, found)) if len(found) > 1 else 0
        return partial(text_line, column=column)

    def _readings(self, one: Path | Reading) -> Iterator[tuple[Reading, Page | None]]:
        """Yield the reading of each page, with the page; what cannot be read has none."""
        if isinstance(one, Reading):
            yield one, None
            return
        source: Path | bytes = one
        called = name = str(one)
        if name == STANDARD_INPUT:
            called = "standard input"
            try:
                source = _standard_input(called)
            except PictureError as error:
                yield Reading(name, error=ReadingError(error.code, str(error))), None
                return
        for reading, page in self.recogniser.each_page(
            source,
            self.reject,
            called,
            decoder=self.decoder,
            max_pages=self.max_pages,
            upright=self.upright,
        ):
            yield replace(reading, file=name), page


def _standard_input(name: str) -> bytes:
    if sys.stdin is None:
        raise PictureError(f"{name} is closed: name a file, or pipe one in", "unreadable")
    return read_pipe(sys.stdin.buffer, name)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Say of an error in here that a file of readings cannot be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DigitlabError(f"{path}: the readings cannot be written: {reason}") from error


def _say(text: str) -> None:
    if sys.stderr is not None:  # where it is closed, print would take standard output
        print(f"digitlab: {text}", file=sys.stderr, flush=True)
