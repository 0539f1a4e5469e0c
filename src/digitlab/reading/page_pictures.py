"""What is drawn of pages that are read, into folders: cells, annotated pictures and explanations.

Used by `digitlab read`. What cannot be drawn costs only itself.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from digitlab.durable_files import write_whole
from digitlab.errors import DigitlabError
from digitlab.reading.pages import Page
from digitlab.reading.picture_files import STANDARD_INPUT, OutputFolder, folded, marked_png
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.types import Reading

_CELLS = "cells"


@dataclass(frozen=True)
class _Kind:
    """A kind of pictures: what it is called, where it goes, and how it is drawn."""

    what: str
    folder: OutputFolder
    draw: Callable[[OutputFolder, Page, Reading], None]


class PagePictures:
    """All pictures of pages that are asked for, each kind in its folder, or several in one.

    Args:
        recogniser: that reads.
        inputs: files that must not be written over; nor is `out`.
        out: the file of readings; None where there is none.
        crops: a folder for the cells of pages; None for none, as of the other two.
        annotate: a folder for pictures with what was read in them.
        explain: a folder for explanations.

    Attributes:
        folders: what is drawn, such as "explanations", with the folder.

    Raises:
        DigitlabError: where a folder cannot be made.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        inputs: Sequence[Path],
        out: Path | None,
        *,
        crops: Path | None,
        annotate: Path | None,
        explain: Path | None,
    ) -> None:
        self._given = {} if out is None else {folded(out): out}
        self._cells = None if crops is None else OutputFolder(crops, inputs, self._given)
        asked = (
            ("annotated pictures", annotate, _annotate),
            ("explanations", explain, partial(_explain, recogniser)),
        )
        self._kinds = [
            _Kind(what, OutputFolder(folder, inputs, self._given), draw)
            for what, folder, draw in asked
            if folder is not None
        ]
        self.folders = {} if crops is None else {_CELLS: crops}
        self.folders |= {kind.what: kind.folder.path for kind in self._kinds}

    def cut(self, page: Page, reading: Reading, became: Tally[str]) -> tuple[Reading, list[str]]:
        """Write the cells of a page, and count it; return its reading with their paths.

        The list has a line for what could not be written.
        """
        if self._cells is None:
            return reading, []
        from digitlab.reading.crops import write_crops

        try:
            reading = write_crops(self._cells, page.picture, reading)
        except DigitlabError as error:
            return reading, [str(error)]
        became[_CELLS] += bool(reading.rows)
        return reading, []

    def draw(self, page: Page, reading: Reading, became: Tally[str]) -> list[str]:
        """Draw all else of a page, and count it; return a line for what could not be written."""
        failures = []
        for kind in self._kinds:
            try:
                kind.draw(kind.folder, page, reading)
                became[kind.what] += 1
            except DigitlabError as error:
                failures.append(str(error))
        return failures

    @property
    def placed(self) -> int:
        """How many paths have been given to what is drawn."""
        return len(self._given)

    def placed_since(self, count: int) -> Iterator[Path]:
        """Yield the paths that were given after so many."""
        return islice(self._given.values(), count, None)

    def keep(self, paths: Iterable[Path]) -> None:
        """Give these paths to nothing else: they were given by an earlier one of this kind."""
        self._given.update((folded(path), path) for path in paths)


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
