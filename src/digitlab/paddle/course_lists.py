"""The course's mnist.json.gz within a lesson: `json.load` of it, and its text where there is none.

`json.load` of the file peaks at 2.9 GB in every process that does it. Here, the lists of numbers
that lie in lists of lists become rows (rows.py); what `json.load` would give, they are equal to.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from digitlab.data import SPLITS, Dataset, load_dataset
from digitlab.paddle.rows import Array, Row

_ROW = range(64, 4097)  # how long a list of numbers is that becomes a row
_CHUNK = 1 << 20  # characters parsed at once
_LONGEST = 1 << 26  # bytes; a longer list of numbers is none of the course
_LARGE = 1 << 24  # characters; a smaller text costs little memory
_BEGINS = re.compile(r"\s*\[\s*\[\s*\[")
# A bracket before another one, or a list without lists in it, or an end, or a comma.
_TOKEN = re.compile(rb"\s*(?:\[(?=\s*\[)|\[([^][{}\"]*)\]|([],]))")

# The 256 values of a pixel as text, in the two ways in which a comma may be followed.
_TEXTS = [repr(value / 256).encode() for value in range(256)]
_PARTS = {space + text: value for value, text in enumerate(_TEXTS) for space in (b"", b" ")}

_load, _loads = json.load, json.loads


@cache
def embedded() -> Dataset:
    """Return the embedded MNIST, whose arrays all lists of a process share."""
    return load_dataset("mnist")


def load(file: Any, **options: Any) -> Any:
    """Do as `json.load`; lists of lists of lists of numbers get arrays behind them."""
    if options or not _is_seekable(file):
        return _load(file, **options)
    if isinstance(raw := _raw(file), CourseFile) and not raw.begun:
        return embedded_lists()
    start = file.tell()
    begin = file.read(_CHUNK)
    if not _begins(begin):
        return _loads(begin + file.read())
    found = _parsed(_chunks(begin, lambda: file.read(_CHUNK)))
    if found is None:  # of another form, or no JSON: as it would be without us
        del begin
        file.seek(start)
        return _load(file)
    return found[0]


def loads(text: Any, **options: Any) -> Any:
    """Do as `json.loads`; a large text is read as `load` reads a file."""
    if options or not isinstance(text, str | bytes | bytearray) or len(text) < _LARGE:
        return _loads(text, **options)
    if not _begins(text[:64]):
        return _loads(text)
    found = _parsed(text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK))
    return _loads(text) if found is None else found[0]


def embedded_lists() -> list[list[list[Any]]]:
    """Return the embedded MNIST as `json.load` gives the course's file.

    Returns:
        [train, valid, test], each [images, labels]; an image is a row of 784 floats in [0, 1).
    """
    data = embedded()
    return [
        [
            [Row(image, divided=True) for image in split.images.reshape(len(split.images), -1)],
            split.labels.tolist(),
        ]
        for split in (data.splits[name] for name in SPLITS)
    ]


class CourseFile(io.RawIOBase):
    """The text of the course's file, made while it is read; `begun` once it is."""

    def __init__(self, name: str) -> None:
        """Be a file of that name."""
        self.name = name
        self._rewind()

    def _rewind(self) -> None:
        self.begun, self._at, self._left, self._parts = False, 0, b"", course_text()

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read from anywhere, if slowly."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset in bytes, from the start or from here."""
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence != io.SEEK_SET:
            raise io.UnsupportedOperation("its end is not known before it is read")
        if offset < self._at:
            self._rewind()
        while self._at < offset and self.read(min(_CHUNK, offset - self._at)):
            pass
        return self._at

    def tell(self) -> int:
        """Return the offset in bytes."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        self.begun = True
        if not self._left:
            self._left = next(self._parts, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        self._at += count
        return count


def course_text() -> Iterator[bytes]:
    """Yield the embedded MNIST as the text of the course's file, a row at a time."""
    before = b"[[["
    data = embedded()
    for name in SPLITS:
        split = data.splits[name]
        for image in split.images:
            yield before + b"[" + b", ".join([_TEXTS[value] for value in image.tobytes()]) + b"]"
            before = b", "
        yield b"], " + json.dumps(split.labels.tolist()).encode() + b"]"
        before = b", [["
    yield b"]"


def _raw(file: Any) -> Any:
    """Return what lies below the buffer, and the decoding, of a file."""
    file = getattr(file, "buffer", file)
    return getattr(file, "raw", file)


def _is_seekable(file: Any) -> bool:
    return bool(getattr(file, "seekable", lambda: False)())


def _begins(text: Any) -> bool:
    start = text[:64]
    return bool(_BEGINS.match(start if isinstance(start, str) else start.decode("latin-1")))


def _chunks(first: Any, more: Callable[[], Any]) -> Iterator[Any]:
    while first:
        yield first
        first = more()


def _parsed(chunks: Iterable[Any]) -> list[Any] | None:
    """Return a list of the one value that a text holds; None where it has another form.

    Whatever this does not know, a string or an object among it, is left to `json`.
    """
    top: list[Any] = []
    inner: list[list[Any]] = [top]  # the lists that are open
    buffer, value_next = b"", True
    for chunk in chunks:
        at = 0
        buffer += chunk.encode() if isinstance(chunk, str) else bytes(chunk)
        while found := _TOKEN.match(buffer, at):
            at = found.end()
            numbers, sign = found.groups()
            if (sign is None) != value_next:
                return None
            if numbers is not None:
                try:
                    inner[-1].append(_numbers(numbers))
                except ValueError:
                    return None
                value_next = False
            elif sign is None:
                inner.append([])
                inner[-2].append(inner[-1])
            elif sign == b",":
                value_next = True
            else:
                inner.pop()
            if not inner or (value_next and len(inner) == 1 and top):
                return None
        buffer = buffer[at:]
        if len(buffer) > _LONGEST:
            return None
    return top if len(inner) == len(top) == 1 and not buffer.strip() else None


def _numbers(text: bytes) -> list[Any]:
    """Return the list of numbers between two brackets.

    Looking 784 texts up takes a fifth of what making floats and an array of them does.
    """
    parts = text.split(b",")
    if len(parts) in _ROW:
        with suppress(KeyError):
            return Row(np.frombuffer(bytes([_PARTS[part] for part in parts]), np.uint8), True)
    numbers: list[Any] = _loads(b"[" + text + b"]")
    if len(numbers) not in _ROW:
        return numbers
    kinds = set(map(type, numbers))
    if kinds == {float}:
        array = np.array(numbers)
        pixels = np.rint(array * 256)
        if (pixels == array * 256).all() and pixels.min() >= 0 and pixels.max() <= 255:
            return Row(pixels.astype(np.uint8), divided=True)
        return Row(array)
    if kinds == {int} and min(numbers) >= 0 and max(numbers) <= 255:
        return Row(np.array(numbers, np.uint8))
    return numbers


@cache
def digit_picture(digit: int) -> Array:
    """Return a picture of a digit, dark ink on white paper: uint8 [28, 28], of the test split."""
    split = embedded().splits["test"]
    picture: Array = 255 - split.images[int(np.flatnonzero(split.labels == digit)[0])]
    return picture
