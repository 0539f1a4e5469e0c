"""Reading many pictures as a command does: each page gives its line, and none stops the others.

Used by `digitlab read`.
"""

from __future__ import annotations

import io
import sys
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from digitlab.decoding import read_pipe
from digitlab.durable_files import write_whole
from digitlab.errors import DigitlabError, PictureError
from digitlab.live_line import Counter
from digitlab.reading.formats import (
    STATES,
    answer_column,
    csv_header,
    csv_line,
    json_line,
    state,
    text_line,
)
from digitlab.reading.guard import GuardedDecoder
from digitlab.reading.pages import Page, load_pages
from digitlab.reading.picture_files import STANDARD_INPUT, OutputFolder, find_pictures, marked_png
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.types import Reading, ReadingError
from digitlab.wording import printable

Line = Callable[[Reading], str]

_NOT_DRAWN = "not drawn"

_LINES = {"json": json_line, "csv": csv_line}


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

        Of several, what became of them is counted on standard error, and so is said what else was
        written.

        Raises:
            ConfigError, ModelError: for a `reject` that is not allowed, before anything is read.
            DigitlabError: where a folder cannot be written to.
        """
        self.recogniser.check_reject(self.reject)
        found = list(find_pictures(named))
        line = self._lines(found)
        drawings = self._drawings([path for path in found if isinstance(path, Path)])
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Names need not be UTF-8; a lone surrogate becomes an escape, which JSON has, too.
            encoding = None if self.style == "text" else "utf-8"
            sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
        progress = Counter(len(found), sys.stderr)
        became: Tally[str] = Tally()
        failures = 0
        try:
            if self.style == "csv":
                print(csv_header(), flush=True)
            for one in found:
                failed = False
                for reading, page in self._readings(one):
                    progress.clear()
                    became[state(reading)] += 1
                    failed |= reading.error is not None
                    self._print(reading, line)
                    if page is not None and not _draw(drawings, page, reading):
                        became[_NOT_DRAWN] += 1
                        failed = True
                failures += failed
                progress.advance(failed)
        finally:
            progress.clear()
        if sum(became[each] for each in STATES) > 1:
            counts = ((became[each], each) for each in (*STATES, _NOT_DRAWN))
            _say(", ".join(f"{count:,} {each}" for count, each in counts if count))
        for drawing in drawings:
            if drawing.done:
                _say(f"{drawing.what}: {printable(str(drawing.folder.path))}")
        return failures

    def _lines(self, found: Sequence[Path | Reading]) -> Line:
        """Return what makes a line of a reading; text stands in columns where there are several."""
        if self.style != "text":
            return _LINES[self.style]
        names = [str(one) for one in found if isinstance(one, Path)]
        column = answer_column(names) if len(names) > 1 else 0
        return partial(text_line, column=column)

    def _drawings(self, inputs: Sequence[Path]) -> list[_Drawing]:
        """Return what is to be drawn of each page, with the folders made."""
        given: set[str] = set()  # one folder may be named for both
        asked = (
            ("annotated pictures", self.annotate, _annotate),
            ("explanations", self.explain, partial(_explain, self.recogniser)),
        )
        return [
            _Drawing(what, OutputFolder(folder, inputs, given), draw)
            for what, folder, draw in asked
            if folder is not None
        ]

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

    def _print(self, reading: Reading, line: Line) -> None:
        if self.style != "text" or reading.error is None:
            print(line(reading), flush=True)
        if self.style != "json" and reading.error is not None:
            _say(text_line(reading))


@dataclass
class _Drawing:
    """Something to draw of each page that was read: what it is called, where it goes, and how."""

    what: str
    folder: OutputFolder
    draw: Callable[[OutputFolder, Page, Reading], None]
    done: bool = False


def _draw(drawings: Iterable[_Drawing], page: Page, reading: Reading) -> bool:
    """Draw of a page what is to be drawn; return whether all of it could be written."""
    all_done = True
    for drawing in drawings:
        try:
            drawing.draw(drawing.folder, page, reading)
            drawing.done = True
        except DigitlabError as error:
            _say(str(error))
            all_done = False
    return all_done


def _annotate(folder: OutputFolder, page: Page, reading: Reading) -> None:
    from digitlab.reading.annotate import annotated

    place = folder.place(reading.file or STANDARD_INPUT, ".png", page.number)
    try:
        write_whole(place, marked_png(annotated(page.picture, reading)))
    except OSError as error:
        reason = error.strerror or str(error)
        raise DigitlabError(f"{place}: the picture cannot be written: {reason}") from error


def _explain(recogniser: Recogniser, folder: OutputFolder, page: Page, reading: Reading) -> None:
    from digitlab.reading.explain import explain_reading

    place = folder.place(reading.file or STANDARD_INPUT, page=page.number)
    explain_reading(recogniser, page.picture, reading).write(place)


def _say(text: str) -> None:
    if sys.stderr is not None:  # where it is closed, print would take standard output
        print(f"digitlab: {text}", file=sys.stderr, flush=True)
