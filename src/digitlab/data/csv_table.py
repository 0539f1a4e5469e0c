"""Tables with a label and 784 pixels a row, as Kaggle's digit-recognizer has them.

Used by sources.py. Rows of nothing but integers are parsed many at a time, in numpy; all others are
read cell by cell, which also finds the line and column of what is wrong.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digitlab.data.checks import checked_split
from digitlab.data.dataset import SPLITS, Dataset, Split
from digitlab.data.names import entries_of, is_left_behind, listed, split_in
from digitlab.data.streams import MAX_BYTES, chunks_of, read_ahead, too_large, unreadable
from digitlab.errors import DataError
from digitlab.wording import counted

PIXELS = 784
_FORM = "expected label,pixel0,...,pixel783 in each row, integers from 0 to 255"
_SUFFIXES = (".csv", ".tsv")
_LABELS = ("label", "digit", "class", "target", "y")
_CHUNK = 1 << 22
_NUMBER = re.compile(rb"\s*\+?(\d{1,9})(?:\.0*)?\s*")


class _NoLabelsError(DataError):
    """A table of pixels alone."""


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table; a .zip is expected to hold one."""
    name = name.lower()
    return name.endswith((*_SUFFIXES, *(suffix + ".gz" for suffix in _SUFFIXES), ".zip"))


def is_table_folder(folder: Path) -> bool:
    """Whether a table in a folder has a split in its name, as train.csv and mnist_test.csv have."""
    return any(_split_of(path) for path in entries_of(folder))


def load_table_folder(folder: Path, max_bytes: int = MAX_BYTES) -> Dataset:
    """Load the tables of a folder whose names have a split: train.csv, mnist_test.csv.

    Others are passed over, and so is one without labels where another has some, as Kaggle's
    test.csv; a warning names them.

    Args:
        folder: holds at most one table for each of train, valid and test.
        max_bytes: what each may inflate to.

    Raises:
        DataError: two tables for one split, or see `load_csv`; in one line that names the file.
    """
    named: dict[str, Path] = {}
    passed_over: list[str] = []
    warnings: list[str] = []
    for path in entries_of(folder):
        split = _split_of(path)
        if split is None:
            passed_over.append(path.name)
        elif split in named:
            raise DataError(
                f"{folder}: {named[split].name} and {path.name} are both {split}; name one, as "
                f"--data {named[split]}"
            )
        else:
            named[split] = path
    splits: dict[str, Split] = {}
    for split in (split for split in SPLITS if split in named):
        try:
            splits[split] = load_csv(named[split], max_bytes).splits["train"]
        except _NoLabelsError as error:
            if split == "train" or len(named) == 1:
                raise
            warnings.append(str(error))
    if passed_over:
        warnings.append(f"{folder}: passed over: {listed(passed_over)}")
    return Dataset(str(folder), splits, tuple(warnings))


def _split_of(path: Path) -> str | None:
    return split_in(path.name) if is_table(path.name) else None


def load_csv(path: Path, max_bytes: int = MAX_BYTES) -> Dataset:
    """Load a table of pixels; all rows are training images.

    A header is known by its words; the label stands first or last. Pixels are integers from 0 to
    255, ink bright, row by row.

    Args:
        path: of a .csv or .tsv, gzipped or not, or a .zip of one; UTF-8, or UTF-16 with its
            mark, as Excel's Unicode text has it, which is a .txt.
        max_bytes: what it may inflate to.

    Raises:
        DataError: in one line that names the file, and the line and column where one is to blame.
    """
    is_zip = path.suffix.lower() == ".zip"
    chunks = _zipped(path, max_bytes) if is_zip else chunks_of(path, max_bytes)
    table = _Table(path)
    with closing(chunks), closing(read_ahead(chunks)) as ahead:
        for lines in _whole_lines(_as_utf8(ahead, path)):
            table.add(lines)
    labels, pixels = table.columns()
    return Dataset(str(path), {"train": checked_split(pixels, labels, str(path), str(path))})


def _zipped(path: Path, max_bytes: int) -> Generator[bytes, None, None]:
    """Yield the bytes of the only .csv in a zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [one for one in archive.infolist() if not _is_left_behind(one.filename)]
            tables = [one for one in entries if one.filename.lower().endswith(_SUFFIXES)]
            if len(tables) != 1:
                found = listed(one.filename for one in entries) or "nothing"
                raise DataError(f"{path}: expected one .csv in it, found {found}; unpack it")
            if tables[0].file_size > max_bytes:
                raise too_large(path, max_bytes)
            with archive.open(tables[0]) as file:
                total = 0
                while piece := file.read(_CHUNK):
                    total += len(piece)
                    if total > max_bytes:
                        raise too_large(path, max_bytes)
                    yield piece
    except DataError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # the zip module raises what it likes on hostile files
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path}: damaged zip: {reason}; try another copy") from error


def _is_left_behind(name: str) -> bool:
    return any(is_left_behind(part) for part in Path(name).parts)


def _as_utf8(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Yield the same text in UTF-8, where it begins with the mark of UTF-16; else what it is."""
    decoder = None
    for number, chunk in enumerate(chunks):
        if not number and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            decoder = codecs.getincrementaldecoder("utf-16")()
        try:
            yield decoder.decode(chunk).encode() if decoder else chunk
        except UnicodeError as error:
            raise _other_encoding(path) from error


def _other_encoding(path: Path) -> DataError:
    return DataError(f"{path}: is damaged, or in another encoding; save it as CSV UTF-8")


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a text in pieces of whole lines, each ended by a newline."""
    rest = b""
    for chunk in chunks:
        text = rest + chunk
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end]
        rest = text[end:]
    if rest:
        yield rest + b"\n"


class _Table:
    """The rows of a table, as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header: list[str] | None = None
        self._delimiter = b","
        self._width = 0  # values a row; 0 before the first
        self._line = 0  # lines so far
        self._rows: list[npt.NDArray[np.uint8]] = []
        self._lines: list[npt.NDArray[np.intp]] = []  # where each row stands, from 1

    def add(self, text: bytes) -> None:
        """Take whole lines."""
        text = text.replace(b"\r\n", b"\n")
        if not self._width:
            text = self._begin(text)
        if not text:
            return
        rows = _fast(text, self._delimiter, self._width)
        if rows is not None:
            lines = np.arange(self._line + 1, self._line + 1 + len(rows))
            self._line += len(rows)
        else:
            rows, lines = self._slow(text)
        self._rows.append(rows)
        self._lines.append(lines)

    def columns(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Return the labels [N] and the pixels [N, 784]."""
        if not self._width or not any(len(rows) for rows in self._rows):
            raise DataError(f"{self._path}: holds no rows; {_FORM}")
        rows = np.concatenate(self._rows)
        first = self._label_is_first(rows)
        labels, pixels = (rows[:, 0], rows[:, 1:]) if first else (rows[:, -1], rows[:, :-1])
        wrong = np.flatnonzero(labels > 9)
        if len(wrong):
            line, column = np.concatenate(self._lines)[wrong[0]], 1 if first else self._width
            raise DataError(
                f"{self._path}: line {line:,}, column {column}: '{labels[wrong[0]]}'; expected a "
                "label, an integer from 0 to 9"
            )
        return labels, pixels

    def _begin(self, text: bytes) -> bytes:
        """Look at the first line, and return what follows the header, if it is one."""
        text = text.removeprefix(b"\xef\xbb\xbf")
        while text.startswith(b"\n"):
            text, self._line = text[1:], self._line + 1
        if not text:
            return text
        first, _, rest = text.partition(b"\n")
        if b"\0" in first:
            raise _other_encoding(self._path)
        self._delimiter = max((b",", b";", b"\t"), key=first.count)
        cells = first.split(self._delimiter)
        self._width = len(cells)
        is_header = not all(_NUMBER.fullmatch(_bare(cell)) for cell in cells)
        if is_header:
            self._header = [
                _bare(cell).decode("utf-8", "replace").strip().lower() for cell in cells
            ]
            self._line += 1
        if self._width == PIXELS:
            raise _NoLabelsError(
                f"{self._path}: {PIXELS} columns and so no labels: there is nothing to learn from; "
                "to read such digits, see docs/formats.md"
            )
        if self._width != PIXELS + 1:
            raise DataError(
                f"{self._path}: {counted(self._width, 'column')} in its first line; {_FORM}"
            )
        return rest if is_header else text

    def _slow(self, text: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
        """Read rows cell by cell, with their lines; says what is wrong with the first bad one."""
        rows, lines = [], []
        for line in text.split(b"\n")[:-1]:
            self._line += 1
            if line.strip():
                rows.append(self._row(line))
                lines.append(self._line)
        return np.array(rows, np.uint8).reshape(-1, self._width), np.array(lines, np.intp)

    def _row(self, line: bytes) -> list[int]:
        where = f"{self._path}: line {self._line:,}"
        cells = line.split(self._delimiter)
        if len(cells) != self._width:
            raise DataError(f"{where}: {len(cells):,} values; expected {self._width:,}; {_FORM}")
        values = []
        for column, cell in enumerate(cells, 1):
            number = _NUMBER.fullmatch(_bare(cell))
            if number is None or int(number[1]) > 255:
                shown = cell[:40].decode("utf-8", "replace").strip()
                raise DataError(
                    f"{where}, column {column}: {shown!r}; expected an integer from 0 to 255"
                )
            values.append(int(number[1]))
        return values

    def _label_is_first(self, rows: npt.NDArray[np.uint8]) -> bool:
        """Whether the label stands first; without a header, where digits stand, of most kinds.

        A few labels that are wrong make no pixels of a column, so that they are named.
        """
        if self._header is not None:
            first, last = self._header[0], self._header[-1]
            if (first in _LABELS) != (last in _LABELS):
                return first in _LABELS
        kinds = [
            len(set(column[column <= 9].tolist())) if np.mean(column <= 9) > 0.5 else 0
            for column in (rows[:, 0], rows[:, -1])
        ]
        return kinds[0] >= kinds[1]


def _bare(cell: bytes) -> bytes:
    """Return a cell without the quotes around it."""
    stripped = cell.strip()
    quoted = len(stripped) > 1 and stripped[:1] == stripped[-1:] and stripped[:1] in b"\"'"
    return stripped[1:-1] if quoted else stripped


def _fast(text: bytes, delimiter: bytes, width: int) -> npt.NDArray[np.uint8] | None:
    """Read lines of nothing but integers of one to three digits, up to 255; None for any other.

    Args:
        text: whole lines, each ended by a newline; none of them blank.
        delimiter: between values, one byte.
        width: values a line.

    Returns:
        uint8 [N, width].
    """
    symbols = np.frombuffer(text, np.uint8)
    newlines = symbols == ord("\n")
    ends = np.flatnonzero(newlines | (symbols == delimiter[0]))
    if len(ends) % width or np.count_nonzero(newlines) * width != len(ends):
        return None
    if not newlines[ends[width - 1 :: width]].all():
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    digits = symbols - np.uint8(ord("0"))  # what is no digit wraps around, far above 9
    values = digits[ends - 1].astype(np.uint16)
    good = values <= 9
    for place, scale in ((2, 10), (3, 100)):
        longer = np.flatnonzero(lengths >= place)
        digit = digits[ends[longer] - place].astype(np.uint16)
        good[longer] &= digit <= 9
        values[longer] += scale * digit
    if not good.all() or values.max() > 255:
        return None
    return values.astype(np.uint8).reshape(-1, width)
