"""The course's mnist.json.gz: a JSON list [train, valid, test], each [images, labels].

Used by sources.py. The file is parsed while it is inflated, a few rows at a time, so that its text,
twenty times the size of the images, is never in memory as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from digitlab.data.checks import checked_split
from digitlab.data.dataset import SPLITS, Dataset, Images, Labels, Split
from digitlab.data.pixel_text import PIXELS, PixelTable, rows_of_decimals
from digitlab.data.streams import MAX_BYTES, chunks_of, read_ahead
from digitlab.errors import DataError

_FORM = "expected [train, valid, test], each [images, labels], each image a list of 784 numbers"
_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"[ \t\n\r]*-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[ \t\n\r]*")
_BATCH = 1 << 18  # bytes of rows parsed at once; what is made of them still fits into the cache
_LONGEST_LIST = 1 << 26  # bytes; a list of numbers longer than this is no data of ours


def load_course_json(path: Path, max_bytes: int = MAX_BYTES) -> Dataset:
    """Load a file of the course, gzipped or not.

    Any JSON of this form is read alike, whatever its white space and its way of writing numbers.
    A pixel is round(256 value); 1 itself is allowed and becomes 255, with a warning.

    Args:
        path: of the file.
        max_bytes: what it may inflate to.

    Raises:
        DataError: in one line that names the file and the place: no such form, not JSON, an image
            without 784 numbers, a value outside [0, 1] or not finite, a label that is not 0..9,
            counts that differ, or see `chunks_of`.
    """
    table = PixelTable()
    splits: dict[str, Split] = {}
    with closing(chunks_of(path, max_bytes)) as chunks, closing(read_ahead(chunks)) as ahead:
        text = _Text(ahead, path)
        text.take(b"[")
        for name in SPLITS:
            if splits:
                text.take(b",")
            splits[name] = _split(text, f"{path}: {name}", table)
        text.take(b"]")
        if text.peek():
            raise text.unexpected("the end of the file")
    met_one = f"{path}: values reach 1; they are read as 256 value, at most 255"
    return Dataset(str(path), splits, (met_one,) if table.met_one else ())


class _Text:
    """A place in a text that arrives in chunks; what lies behind it is let go."""

    def __init__(self, chunks: Iterator[bytes], path: Path) -> None:
        self._chunks, self._path = chunks, path
        self._buffer, self._at, self._let_go = b"", 0, 0

    @property
    def offset(self) -> int:
        """Bytes from the start of the text."""
        return self._let_go + self._at

    def more(self) -> bool:
        """Append a chunk; False at the end of the text."""
        chunk = next(self._chunks, b"")
        if chunk:
            self._let_go += self._at
            self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return bool(chunk)

    def peek(self) -> bytes:
        """Skip white space and return the next byte; b"" at the end of the text."""
        while True:
            # The pattern matches anywhere, if only the empty text.
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self.more():
                return b""

    def take(self, allowed: bytes) -> bytes:
        """Step over white space and one byte, which must be one of those allowed; return it."""
        found = self.peek()
        if not found or found not in allowed:
            raise self.unexpected(" or ".join(repr(chr(byte)) for byte in allowed))
        self._at += 1
        return found

    def numbers(self) -> bytes:
        """Step over a list without lists in it, and return the text between its brackets."""
        self.take(b"[")
        searched = self._at
        while (end := self._buffer.find(b"]", searched)) < 0:
            length = len(self._buffer) - self._at
            if length > _LONGEST_LIST:
                raise self.unexpected(f"']' within {length:,} bytes")
            if not self.more():
                self._at += length
                raise self.unexpected("']'")
            searched = self._at + length
        found = self._buffer[self._at : end]
        self._at = end + 1
        return found

    def rows(self) -> tuple[list[bytes], int]:
        """Return the insides of lists that follow one another, and how long they are together.

        None is stepped over yet, and there may be none: white space was found, or a long list.
        """
        if len(self._buffer) - self._at < _BATCH:
            self.more()
        found: list[bytes] = []
        start = end = self._at
        limit = start + _BATCH
        # The search for one byte is fast; that for "], [" would take twenty times as long.
        while (
            self._buffer.startswith(b"[", start)
            and (close := self._buffer.find(b"]", start, limit)) >= 0
        ):
            found.append(self._buffer[start + 1 : close])
            end = close + 1
            if not self._buffer.startswith(b",", end):
                break
            start = end + (2 if self._buffer.startswith(b", ", end) else 1)
        return found, end - self._at

    def skip(self, count: int) -> None:
        """Step over bytes that `rows` returned."""
        self._at += count

    def unexpected(self, expected: str) -> DataError:
        """Return the error for what stands here."""
        byte = self._buffer[self._at : self._at + 1]
        found = repr(byte.decode("ascii", "replace")) if byte else "the end of the file"
        return DataError(
            f"{self._path}: byte {self.offset:,}: found {found} where {expected} belongs; {_FORM}"
        )


def _split(text: _Text, where: str, table: PixelTable) -> Split:
    text.take(b"[")
    images = _images(text, where, table)
    text.take(b",")
    labels = _labels(text, where)
    text.take(b"]")
    return checked_split(images, labels, f"{where} images", f"{where} labels")


def _images(text: _Text, where: str, table: PixelTable) -> Images:
    text.take(b"[")
    found: list[bytes] = []
    count = 0
    slow_until = 0
    more = text.peek() != b"]"
    if not more:
        text.take(b"]")
    while more:
        text.peek()
        rows, length = text.rows() if text.offset >= slow_until else ([], 0)
        pixels = rows_of_decimals(rows) if rows else None
        if pixels is not None:
            found.append(pixels.tobytes())
            count += len(pixels)
            text.skip(length)
        else:
            # Of another form: row by row, and no second try before these rows are done.
            slow_until = max(slow_until, text.offset + length)
            found.append(_image(text.numbers(), f"{where} image {count}", table))
            count += 1
        more = text.take(b",]") == b","
    return np.frombuffer(b"".join(found), np.uint8).reshape(count, PIXELS)


def _image(numbers: bytes, where: str, table: PixelTable) -> bytes:
    count = numbers.count(b",") + 1 if numbers.strip(b" \t\n\r") else 0
    if count != PIXELS:
        raise DataError(f"{where}: {count} numbers; expected {PIXELS}, 28 x 28")
    try:
        return table.row(numbers)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _labels(text: _Text, where: str) -> Labels:
    numbers = text.numbers()
    found = numbers.split(b",") if numbers.strip(b" \t\n\r") else []
    # Ten texts or so for thousands of labels; the first wrong one is met first.
    values = {
        label: _label(label, f"{where} label {found.index(label)}")
        for label in dict.fromkeys(found)
    }
    return np.array([values[label] for label in found], np.int64)


def _label(text: bytes, where: str) -> int:
    # float() takes more than JSON does, so that the pattern decides; 7.0 is an integer, too.
    value = float(text) if _NUMBER.fullmatch(text) else 0.5
    if not value.is_integer() or not 0 <= value <= 9:
        shown = text[:40].decode("ascii", "replace").strip()
        raise DataError(f"{where}: {shown!r}; expected an integer from 0 to 9")
    return int(value)
