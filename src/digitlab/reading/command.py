"""Reading many pictures as a command does: each page gives its line, and none stops the others.

Used by `digitlab read`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from digitlab.decoding import read_pipe
from digitlab.durable_files import write_whole
from digitlab.errors import DigitlabError, PictureError
from digitlab.live_line import Counter
from digitlab.reading.formats import csv_header, csv_lines, json_line, text_line
from digitlab.reading.guard import GuardedDecoder
from digitlab.reading.pages import Page, load_pages
from digitlab.reading.picture_files import STANDARD_INPUT, OutputFolder, find_pictures, marked_png
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.types import Reading, ReadingError

_LINES = {"text": text_line, "json": json_line, "csv": csv_lines}


@dataclass(frozen=True)
class ReadCommand:
    """How to read files and what to write.

    Attributes:
        recogniser, decoder: what reads.
        style: "text", "json" or "csv", on standard output; errors go to standard error as well,
            but for JSON, which has them.
        reject: as `Recogniser.read` takes it.
        annotate: a folder for pictures with what was read in them; None for none.
        explain: a folder for explanations; None for none.
    """

    recogniser: Recogniser
    decoder: GuardedDecoder
    style: str = "text"
    reject: float | str | None = None
    annotate: Path | None = None
    explain: Path | None = None

    def run(self, named: Iterable[Path]) -> int:
        """Read files and folders, print their lines, and return how many could not be read.

        Raises:
            ConfigError, ModelError: for a `reject` that is not allowed, before anything is read.
            DigitlabError: where a folder cannot be written to.
        """
        self.recogniser.check_reject(self.reject)
        found = list(find_pictures(named))
        inputs = [path for path in found if isinstance(path, Path)]
        given: set[str] = set()  # one folder may be named for both
        annotations, explanations = (
            None if folder is None else OutputFolder(folder, inputs, given)
            for folder in (self.annotate, self.explain)
        )
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Names need not be UTF-8; a lone surrogate becomes an escape, which JSON has, too.
            encoding = None if self.style == "text" else "utf-8"
            sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
        progress = Counter(len(found), sys.stderr)
        failures = 0
        try:
            if self.style == "csv":
                print(csv_header(), flush=True)
            for one in found:
                failed = False
                for reading, page in self._readings(one):
                    progress.clear()
                    self._print(reading)
                    failed |= reading.error is not None
                    try:
                        if page is not None and reading.error is None:
                            _draw(self.recogniser, page, reading, annotations, explanations)
                    except DigitlabError as error:
                        _say(str(error))
                        failed = True
                failures += failed
                progress.advance(failed)
        finally:
            progress.clear()
        if failures and len(found) > 1:
            _say(f"{failures:,} of {len(found):,} could not be read")
        return failures

    def _readings(self, one: Path | Reading) -> Iterator[tuple[Reading, Page | None]]:
        """Yield the reading of each page, with the page; what cannot be read has none."""
        if isinstance(one, Reading):
            yield one, None
            return
        name = str(one)
        try:
            for page in self._pages(one):
                yield self.recogniser.read(page, reject=self.reject, name=name), page
        except PictureError as error:
            yield Reading(name, error=ReadingError(error.code, str(error))), None

    def _pages(self, path: Path) -> Iterator[Page]:
        if str(path) != STANDARD_INPUT:
            return load_pages(path, decoder=self.decoder)
        name = "standard input"
        if sys.stdin is None:
            raise PictureError(f"{name} is closed: name a file, or pipe one in", "unreadable")
        return load_pages(read_pipe(sys.stdin.buffer, name), name, decoder=self.decoder)

    def _print(self, reading: Reading) -> None:
        if self.style != "text" or reading.error is None:
            print(_LINES[self.style](reading), flush=True)
        if self.style != "json" and reading.error is not None:
            _say(text_line(reading))


def _say(text: str) -> None:
    print(f"digitlab: {text}", file=sys.stderr, flush=True)


def _draw(
    recogniser: Recogniser,
    page: Page,
    reading: Reading,
    annotations: OutputFolder | None,
    explanations: OutputFolder | None,
) -> None:
    """Write the annotated picture and the explanation of a page, where they are asked for."""
    source = reading.file or STANDARD_INPUT
    if annotations is not None:
        from digitlab.reading.annotate import annotated

        place = annotations.place(source, ".png", page.number)
        try:
            write_whole(place, marked_png(annotated(page.picture, reading)))
        except OSError as error:
            reason = error.strerror or str(error)
            raise DigitlabError(f"{place}: the picture cannot be written: {reason}") from error
    if explanations is not None:
        from digitlab.reading.explain import explain_reading

        place = explanations.place(source, page=page.number)
        explain_reading(recogniser, page.picture, reading).write(place)
