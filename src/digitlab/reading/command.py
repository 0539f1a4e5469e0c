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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from digitlab import __version__
from digitlab.errors import DigitlabError, PictureError
from digitlab.live_line import Counter, LiveLine
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
from digitlab.reading.readings_file import ReadingsFile
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.types import Reading, ReadingError
from digitlab.wording import printable

Line = Callable[[Reading], str]

# What is counted besides states.
_NOT_DRAWN, _FAILED = "not drawn", "failed"

# What readings depend on besides our own code.
_PACKAGES = (
    "numpy", "opencv-python-headless", "pillow", "pypdfium2", "pillow-heif", "onnxruntime"
)  # fmt: skip


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
            is there is replaced once all is read; the same command goes on with one that was
            stopped. None for standard output.
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
            DigitlabError: where a folder or the file cannot be written to, or standard output is
                closed and there is no file.
        """
        self.recogniser.check_reject(self.reject)
        check_upright(self.upright)
        found = list(find_pictures(named))
        inputs = [path for path in found if isinstance(path, Path)]
        if self.out is not None:
            check_file(self.out, inputs)
        elif sys.stdout is None:  # print would say nothing of it
            raise DigitlabError("standard output is closed: open it, or name a file by --out")
        pictures = PagePictures(
            self.recogniser,
            inputs,
            self.out,
            crops=self.crops,
            annotate=self.annotate,
            explain=self.explain,
        )
        with self._output(found, inputs) as file:
            became = self._read(found, file, self._lines(inputs), pictures)
        if sum(became[each] for each in STATES) > 1:
            counts = ((became[each], each) for each in (*STATES, _NOT_DRAWN))
            _say(", ".join(f"{count:,} {each}" for count, each in counts if count))
        for what, folder in pictures.folders.items():
            if became[what]:
                _say(f"{what}: {printable(str(folder))}")
        if self.out is not None:
            _say(f"readings: {printable(str(self.out))}")
        return became[_FAILED]

    def _read(
        self,
        found: Sequence[Path | Reading],
        file: ReadingsFile | None,
        line: Line,
        pictures: PagePictures,
    ) -> Tally[str]:
        """Read all that a file does not have yet; return what became of all, failed files, too."""
        became: Tally[str] = Tally()
        kept = [] if file is None else file.kept
        for entry in kept:
            became.update(entry.counts)
            pictures.keep(map(Path, entry.placed))
        progress = Counter(len(found), sys.stderr, len(kept), became[_FAILED])

        def write(reading: Reading) -> None:
            if file is None:
                print(line(reading), flush=True)
            else:
                file.write(line(reading))

        try:
            for one in found[len(kept) :]:
                if file is not None:
                    file.begin(one)
                before = pictures.placed
                counts = self._read_one(one, write, pictures)
                if file is not None:
                    file.end(counts, pictures.placed_since(before), not counts[_NOT_DRAWN])
                became.update(counts)
                progress.advance(bool(counts[_FAILED]))
        finally:
            LiveLine.clear_any()
        return became

    def _read_one(
        self,
        one: Path | Reading,
        write: Callable[[Reading], None],
        pictures: PagePictures,
    ) -> Tally[str]:
        """Read a file, and return what became of its pages, and whether any of them failed."""
        became: Tally[str] = Tally()
        for reading, page in self._readings(one):
            LiveLine.clear_any()
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
            if problems or reading.error is not None:
                became[_FAILED] = 1
        return became

    @contextmanager
    def _output(
        self, found: Sequence[Path | Reading], inputs: Sequence[Path]
    ) -> Iterator[ReadingsFile | None]:
        """Give the file of readings, None for standard output; a table has its header by then."""
        header = csv_header(self.crops is not None) if self.style == "csv" else None
        if self.out is None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                # Names need not be UTF-8; a lone surrogate becomes an escape, which JSON has, too.
                encoding = None if self.style == "text" else "utf-8"
                sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
            if header is not None:
                print(header, flush=True)
            yield None
            return
        # By its byte-order mark alone, Excel takes a table for UTF-8.
        header = None if header is None else f"\ufeff{header}"
        file = ReadingsFile(self.out, header, self._settings(inputs), found)
        try:
            if file.notice:
                _say(file.notice)
            yield file
            file.put_in_place()
        except BaseException:  # Ctrl-C, too
            part = file.leave()
            if part is not None:
                _say(f"what was read is in {printable(str(part))}; the same command goes on there")
            raise

    def _settings(self, inputs: Sequence[Path]) -> dict[str, Any]:
        """Return what lines and pictures depend on besides their input, by what people call it."""
        limits = self.decoder.limits
        folders = {"--crops": self.crops, "--annotate": self.annotate, "--explain": self.explain}
        # Columns of text, and the names of pictures, are for all files.
        is_for_all = self.style == "text" or any(folders.values())
        return {
            "digitlab": __version__,
            "--model": self.recogniser.model.sha256,
            "format": self.style,
            "--reject": self.reject,
            "--upright": self.upright,
            "--max-pages": self.max_pages,
            "--max-pixels": limits.max_pixels,
            "--max-seconds": limits.max_seconds,
            "--max-memory": limits.max_memory,
            **{flag: None if folder is None else str(folder) for flag, folder in folders.items()},
            **({"list of files": list(map(str, inputs))} if is_for_all else {}),
            **{package: _version(package) for package in _PACKAGES},
        }

    def _lines(self, found: Sequence[Path]) -> Line:
        """Return what makes a line of a reading; text stands in columns where there are several."""
        if self.style == "csv":
            return partial(csv_lines, crops=self.crops is not None)
        if self.style == "json":
            return json_line
        column = answer_column(map(str, found)) if len(found) > 1 else 0
        return partial(text_line, column=column)

    def _readings(self, one: Path | Reading) -> Iterator[tuple[Reading, Page | None]]:
        """Yield the reading of each page, with the page; what cannot be read has none.

        Meanwhile the pages of a document are counted on a terminal.
        """
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
        progress: Counter | None = None
        for reading, page in self.recogniser.each_page(
            source,
            self.reject,
            called,
            decoder=self.decoder,
            max_pages=self.max_pages,
            upright=self.upright,
            advice="; --max-pages reads more",
        ):
            yield replace(reading, file=name), page
            if progress is not None:
                progress.advance(page is None)
            elif page is not None:
                progress = Counter(page.of, sys.stderr, page.number or 1, document=called)
        LiveLine.clear_any()


def _standard_input(name: str) -> bytes:
    if sys.stdin is None:
        raise PictureError(f"{name} is closed: name a file, or pipe one in", "unreadable")
    return read_pipe(sys.stdin.buffer, name)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _say(text: str) -> None:
    if sys.stderr is not None:  # where it is closed, print would take standard output
        print(f"digitlab: {text}", file=sys.stderr, flush=True)
