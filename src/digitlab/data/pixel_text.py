"""Numbers written as text to pixels: how course_json.py reads 55 million of them in a second.

Two ways, which agree: `rows_of_decimals` for the common form, in numpy, and `PixelTable` for
anything that JSON allows. Processor seconds to load the course's mnist.json.gz (55 million numbers,
339 MB of text), of which inflating takes 0.3; the first and the last by `python
benchmarks/loading.py`, those between by prototypes on the same machine:

    json.load(gzip.open(path))                                6.9, and 2.9 GB of memory
    PixelTable alone                                          3.3, and 0.13 GB
    PixelTable, after runs of zeros became one text each      2.3
    numpy, gathering eight bytes before every comma           2.3
    rows_of_decimals                                          1.3, and 0.13 GB

Four fifths of the numbers are "0.0". Comparing all bytes finds these in a tenth of the time that a
list of all commas takes; and numpy, unlike the table, leaves the interpreter's lock to the thread
that inflates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PIXELS = 784

_NUMBER = re.compile(rb"[ \t\n\r]*(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)[ \t\n\r]*")
_NOT_FINITE = re.compile(rb"\s*(NaN|-?Infinity)\s*")
_LARGEST_TABLE = 1 << 16

_WINDOW = 8  # bytes
_BYTES = np.uint64(0x0101010101010101)


class PixelTable(dict[bytes, bytes]):
    """The pixel, one byte, for each text of a number that was met; a text is parsed once.

    A pixel is round(256 value), as the course's file stores pixel / 256. 1 itself is allowed, and
    becomes 255, so that files of pixel / 255 can be read (to within one grey level).

    Attributes:
        met_one: whether a 1 was met, which a file of pixel / 256 never holds.
    """

    met_one = False

    def row(self, text: bytes) -> bytes:
        """Return the pixels of numbers with commas between them.

        Raises:
            ValueError: a number is none of JSON's, or not in [0, 1]; says which.
        """
        return b"".join(map(self.__getitem__, text.split(b",")))

    def __missing__(self, text: bytes) -> bytes:
        match = _NUMBER.fullmatch(text)
        if match is None:
            shown = text[:40].decode("ascii", "replace").strip()
            finite = "not finite" if _NOT_FINITE.fullmatch(text) else "no number"
            raise ValueError(f"{shown!r} is {finite}; expected a number from 0 to 1")
        value = float(match[1])
        if not 0 <= value <= 1:
            problem = "out of range" if math.isfinite(value) else "not finite"
            shown = match[1][:40].decode()
            raise ValueError(f"{shown} is {problem}; expected a number from 0 to 1 (pixel / 256)")
        self.met_one = self.met_one or value == 1
        if len(self) >= _LARGEST_TABLE:  # a file of ever new texts must not fill the memory
            self.clear()
        pixel = self[text] = bytes([min(255, round(value * 256))])
        return pixel


def rows_of_decimals(rows: Sequence[bytes]) -> npt.NDArray[np.uint8] | None:
    """Read rows such as `0.0, 0.98828125, 0.5`, of 784 numbers each.

    Every number is 0 and one to eight decimals, separated by a comma, or by a comma and a space
    throughout. The numbers that are not "0.0" are found by comparing whole arrays of bytes, and
    eight digits are parsed as one 64-bit integer (Lemire, "Number parsing at a gigabyte per
    second", 2021).

    Args:
        rows: the text between the brackets of each image; at least one.

    Returns:
        uint8 [N, 784], or None where the text has any other form, valid or not.
    """
    gap = b", " if b", " in rows[0][:64] else b","
    # A comma before and after each number; and room for the window on the last one's digits.
    text = gap.join([b"", *rows, bytes(_WINDOW)])
    length = len(text) - _WINDOW - len(gap) + 1
    symbols = np.frombuffer(text, np.uint8, length)
    starts = _but_zeros(symbols, gap)
    if starts is None:
        return None
    first = starts + len(gap + b"0.")
    windows: npt.NDArray[np.uint64] = np.ndarray(len(text) - 7, "<u8", text, strides=(1,))
    digits, counts = _up_to_comma(windows[first])
    ends = first + counts
    if not _all((counts > 0) & (symbols[ends] == ord(","))) or not _are_digits(digits):
        return None
    spans = np.concatenate([[0], np.cumsum(ends - starts)])
    # What lies between these numbers are zeros, all of one length: so many are before each offset.
    row_ends = np.cumsum([len(row) + len(gap) for row in rows])
    before = np.searchsorted(starts, row_ends)
    numbers = before + (row_ends - spans[before]) // len(gap + b"0.0")
    if not np.array_equal(numbers, PIXELS * np.arange(1, len(rows) + 1)):
        return None
    places = np.arange(len(starts)) + (starts - spans[:-1]) // len(gap + b"0.0")
    pixels = np.zeros(PIXELS * len(rows), np.uint8)
    # 256 value is never halfway between two integers with eight decimals: rint equals round.
    pixels[places] = np.minimum(np.rint(_integers(digits) * 2.56e-6), 255)
    return pixels.reshape(-1, PIXELS)


def _but_zeros(symbols: npt.NDArray[np.uint8], gap: bytes) -> npt.NDArray[np.int64] | None:
    """Return the offset of the comma before each number that is not "0.0".

    Comparing all bytes with one is so fast that all of this costs less than a list of all commas,
    most of which stand before zeros.

    Args:
        symbols: ASCII, uint8 [N]; a comma stands before and after each number.
        gap: what separates numbers, beginning with its comma.

    Returns:
        int64 [M], or None where a number does not begin with "0.".
    """
    zero = gap + b"0.0"
    last = len(symbols) - len(zero)
    commas = symbols == ord(",")
    # The last number is at least as long as a zero: only its own comma stands after `last`.
    if last <= 0 or np.count_nonzero(commas[last:]) != 1:
        return None
    zeros = commas[:last].copy()
    for at in range(1, len(zero)):
        zeros &= symbols[at : last + at] == zero[at]
        if at == len(zero) - 2 and np.count_nonzero(zeros) != np.count_nonzero(commas[:last]):
            return None
    zeros &= commas[len(zero) :]
    commas[:last] ^= zeros
    commas[-1] = False
    return np.flatnonzero(commas)


def _up_to_comma(
    words: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return words with "0" from the first comma on, and how many bytes stand before it, 0 to 8.

    The lowest zero byte is found as in Mycroft's test (1987), here of the bytes' difference from a
    comma; the lowest of the bits that the test sets is always right.
    """
    different = words ^ _BYTES * np.uint64(ord(","))
    equal = (different - _BYTES) & ~different & _BYTES * np.uint64(0x80)
    lowest = equal & (~equal + np.uint64(1))
    kept = (lowest >> np.uint64(7)) - np.uint64(1)  # without a comma 0 - 1: all bytes
    counts = ((kept & _BYTES) * _BYTES) >> np.uint64(56)
    return (words & kept) | (_BYTES * np.uint64(ord("0")) & ~kept), counts.astype(np.int64)


def _are_digits(words: npt.NDArray[np.uint64]) -> bool:
    """Whether all eight bytes of each word are "0" to "9": 0x30..0x39, also when 6 is added."""
    high = _BYTES * np.uint64(0xF0)
    threes = _BYTES * np.uint64(0x30)
    return _all((words & high) == threes) and _all(
        ((words + _BYTES * np.uint64(6)) & high) == threes
    )


def _integers(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the value of eight digits, the first in the lowest byte: in pairs, fours, eights."""
    pair = np.uint64(0x000000FF000000FF)
    words = words & _BYTES * np.uint64(0x0F)
    words = words * np.uint64(10) + (words >> np.uint64(8))
    upper = (words & pair) * np.uint64(0x000F424000000064)
    lower = ((words >> np.uint64(16)) & pair) * np.uint64(0x0000271000000001)
    return (upper + lower) >> np.uint64(32)


def _all(conditions: npt.NDArray[np.bool_]) -> bool:
    return bool(conditions.all())
