"""Which files a command reads, and where it may write beside them.

Used by `digitlab read` and `digitlab evaluate`: folders are walked, and what is written never has
the name of an input or of another output. Written pictures are marked, so that no later walk takes
them for input.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path

from PIL import Image

from digitlab.errors import DigitlabError
from digitlab.header import DOCUMENTS, SUFFIXES
from digitlab.picture_mark import is_ours, save_png
from digitlab.reading.types import Reading, ReadingError

# Scans, drawings and photographs in formats that are not decoded (of a raw one, its preview at
# most): a folder that holds one is not read in full, which its owner must hear.
_NOT_DECODED = frozenset(
    ".djvu .djv .xps .oxps .svg .svgz .eps .ps .ai .psd .xcf .kra .jxl .jp2 .j2k .jpx .tga "  # noqa: SIM905
    ".ico .dng .cr2 .cr3 .nef .arw .raf .orf .rw2".split()
)
_TAKEN = SUFFIXES | DOCUMENTS | _NOT_DECODED
STANDARD_INPUT = "-"
_CELL = re.compile(r"^(.*)-r\d+c\d+\.png$", re.DOTALL)
_LONGEST = 200  # bytes of a name; file systems take 255, and a suffix comes yet


def find_pictures(named: Iterable[Path]) -> Iterator[Path | Reading]:
    """Yield the files that are named, and those in folders that are named, at any depth.

    A folder gives its files in the natural order of their names (scan2 before scan10), then its
    folders; of them those with the suffix of a picture or a PDF that are not hidden and not drawn
    by digitlab. What cannot be decoded, such as a DjVu, is yielded, too, so that reading it says
    so. Links to folders are not followed, so that none is walked twice or for ever. A
    folder without a picture, or one that cannot be listed, gives a reading that says so.

    Args:
        named: files, which are yielded whatever they are, folders, and "-" for standard input.
    """
    for path in named:
        if path.is_dir() and str(path) != STANDARD_INPUT:
            yield from _walked(path)
        else:
            yield path


def marked_png(picture: Image.Image) -> bytes:
    """Return a picture as the PNG file of it that `find_pictures` passes over in folders."""
    file = io.BytesIO()
    save_png(picture, file)
    return file.getvalue()


def _natural(name: str) -> tuple[list[str | int], str]:
    """Return what names are ordered by as a person counts: runs of digits as numbers, no case."""
    parts = re.split(r"(\d+)", name.casefold())  # text and numbers in turn, from text on
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def _natural_file(name: str) -> tuple[tuple[list[str | int], str], str]:
    """Return the natural order of files: scan.png before scan2.png, so that suffixes wait."""
    stem, suffix = os.path.splitext(name)
    return _natural(stem), suffix


def _walked(top: Path) -> Iterator[Path | Reading]:
    failures: list[OSError] = []
    found = passed_over = False
    for folder, folders, files in os.walk(top, onerror=failures.append):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_natural)
        for name in sorted(files, key=_natural_file):
            path = Path(folder, name)
            is_picture = path.suffix.lower() in _TAKEN and not name.startswith(".")
            if not is_picture or not path.is_file():
                continue
            if is_ours(path):
                passed_over = True
                continue
            found = True
            yield path
    for failure in failures:
        message = f"{failure.filename} cannot be listed: {failure.strerror}"
        yield Reading(str(failure.filename), error=ReadingError("unreadable", message))
    if not found and not failures:
        but = " but those that digitlab drew" if passed_over else ""
        message = f"{top} has no pictures{but}: expected files such as .png, .jpg, .heic or .pdf"
        yield Reading(str(top), error=ReadingError("no-pictures", message))


class OutputFolder:
    """A folder to write to, with a name for each picture that nothing else has.

    Args:
        path: is made where it is not there.
        inputs: files that must not be written over.
        given: paths that have been given, also by other folders that share it, by what `folded`
            makes of each.

    Raises:
        DigitlabError: where the folder cannot be made.
    """

    def __init__(
        self, path: Path, inputs: Iterable[Path] = (), given: dict[str, Path] | None = None
    ) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DigitlabError(f"{path}: the folder cannot be made: {error.strerror}") from error
        self.path = path
        self._inputs = {folded(file) for file in inputs}
        self._given = {} if given is None else given
        self._with_cells: set[str] = set()  # the names that have cells
        self._looked_at = 0  # so many of the given paths, for these

    def place(self, source: str, suffix: str = "", page: int | None = None) -> Path:
        """Return where to write what belongs to a source: its name, numbered where that is taken.

        Args:
            source: a path, whose stem is taken, or "-".
            suffix: of what is written, such as ".png"; none for a folder.
            page: of a document, from 1; becomes a part of the name.
        """
        paths = (self.path / f"{stem}{suffix}" for stem in _numbered(source, page))
        path = next(one for one in paths if self._is_free(one, not suffix))
        self._given[folded(path)] = path
        return path

    def cells(
        self, source: str, cells: Iterable[tuple[int, int]], page: int | None = None
    ) -> list[Path]:
        """Return where to write PNGs of the cells of a source, all by one name that no other has.

        Args:
            source, page: as of `place`.
            cells: the row and column of each; its name ends as in `NAME-r2c3.png`.
        """
        # A command that goes on with what an earlier one began has the names of that.
        for name in islice(self._given, self._looked_at, None):
            self._with_cells.update(_CELL.findall(name))
        self._looked_at = len(self._given)
        ends = [f"-r{row}c{column}.png" for row, column in cells]
        all_paths = (
            [self.path / f"{stem}{end}" for end in ends]
            for stem in _numbered(source, page)
            if folded(self.path / stem) not in self._with_cells
        )
        paths = next(some for some in all_paths if all(map(self._is_free, some)))
        self._given.update((folded(path), path) for path in paths)
        return paths

    def _is_free(self, path: Path, folder: bool = False) -> bool:
        """Return whether a name may be written to; a link may lead anywhere, so none is."""
        if path.is_symlink() or (path.exists() and path.is_dir() != folder):
            return False
        name = folded(path)
        return name not in self._given and name not in self._inputs


def _numbered(source: str, page: int | None) -> Iterator[str]:
    """Yield the name of a source without its suffix, and then with 2 and so on."""
    stem = "standard-input" if source == STANDARD_INPUT else Path(source).stem
    while len(os.fsencode(stem)) > _LONGEST:
        stem = stem[:-1]
    stem += "" if page is None else f"-page-{page}"
    yield stem
    for number in count(2):
        yield f"{stem}-{number}"


def check_file(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Check that a file may be written, whatever is there.

    Raises:
        DigitlabError: where its folder is not there, it is itself a folder, a device or a pipe, or
            one of the inputs.
    """
    if not os.path.isdir(path.parent):
        raise DigitlabError(f"{path} cannot be written: there is no folder {path.parent}")
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "no regular file"
        raise DigitlabError(f"{path} cannot be written: it is {kind}; expected a name for a file")
    if folded(path) in map(folded, inputs):
        raise DigitlabError(f"{path} cannot be written: it is to be read; expected another name")


def folded(path: Path) -> str:
    """Return what two names of one file have in common, on disks that ignore case, too."""
    return os.path.realpath(path).casefold()
