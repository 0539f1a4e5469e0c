"""The names that a pickle may say, and what each means; used by pickle_reader.py.

A name is a label here: what stands for it is in this module, and numpy is told only what was
checked. That is why an array is a `MadeArray` until its content is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_MOST_DIMENSIONS = 32
_MOST_PAIRS = 100_000  # of a list that may be made a dict again and again
_LONGEST = 1 << 40  # elements along the axes of an array that has none
_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")


class RefusedError(ValueError):
    """A pickle that is damaged, or does what plain values and arrays do not need; says what."""


class Budget:
    """What may still be made of a file: twice its bytes, text and the arrays of it; and pairs."""

    def __init__(self, size: int) -> None:
        self.left = 2 * size
        self.pairs = _MOST_PAIRS

    def spend(self, count: int) -> None:
        """Count bytes that are decoded: those that a file refers to twice would cost nothing."""
        self.left -= count
        if self.left < 0:
            raise RefusedError("says the same bytes again and again")

    def encoded(self, text: str) -> bytes:
        self.spend(len(text))
        return text.encode("latin1")

    def array(
        self, shape: tuple[Any, ...], kind: np.dtype[Any], order: Literal["C", "F"], data: bytes
    ) -> Array:
        """Return a new array.

        Raises:
            RefusedError: where shape and bytes do not fit each other.
        """
        sizes = [size for size in shape if type(size) is int and size >= 0]
        if len(sizes) != len(shape) or len(sizes) > _MOST_DIMENSIONS:
            raise RefusedError("has an array with a shape that no array has")
        if math.prod(sizes) * kind.itemsize != len(data):
            raise RefusedError(
                f"has an array of {len(data):,} bytes that should have another number of them"
            )
        if math.prod(filter(None, sizes)) > max(len(data), _LONGEST):
            raise RefusedError("has an array with a shape that no array has")
        self.spend(len(data))
        if not data:
            return np.zeros(sizes, kind.newbyteorder("="))
        if kind.kind == "b":  # whose bytes may be only 0 and 1
            flat: Array = np.frombuffer(data, np.uint8) != 0
        else:
            flat = np.frombuffer(data, kind).astype(kind.newbyteorder("="))
        return flat.reshape(sizes, order=order).copy(order="C")


def set_item(made: dict[Any, Any], key: Any, value: Any) -> None:
    # Of others a hash may be slow, alike for all, or deeper than Python's own stack.
    if type(key) is not str and not (type(key) is int and abs(key) < 1 << 31):
        raise RefusedError("has a dict whose keys are not text or small numbers")
    made[key] = value


class MadeType:
    """What stands for a numpy.dtype: one of `_TYPES`, its byte order set by the instruction BUILD.

    The state is (3, byte order, None, None, None, -1, -1, flags): no fields, no subarray, no names.
    """

    def __init__(self, code: str) -> None:
        self.numpy = np.dtype(code)

    def build(self, state: Any, _: Budget) -> None:
        match state:
            case (3, "<" | ">" | "|" | "=" as order, None, None, None, -1, -1, int()):
                self.numpy = self.numpy.newbyteorder(order)
            case _:
                raise RefusedError("has an array of a type that is no plain number")


class MadeArray:
    """What stands for a numpy.ndarray until the instruction BUILD has given its content.

    The state is (1, shape, type, whether in Fortran's order, bytes). Python 2 wrote the bytes as
    text, which numpy, too, takes for Latin-1.
    """

    def __init__(self) -> None:
        self.numpy: Array | None = None

    def build(self, state: Any, budget: Budget) -> None:
        match state:
            case (
                1,
                tuple() as shape,
                MadeType() as kind,
                int() as fortran,
                bytes() | str() as data,
            ):
                if self.numpy is None:
                    data = budget.encoded(data) if isinstance(data, str) else data
                    self.numpy = budget.array(shape, kind.numpy, "F" if fortran else "C", data)
                    return
        raise RefusedError("has an array in a way that numpy does not write")


class Named:
    """A name that the file may say: the function that is called for it."""

    def __init__(self, call: Callable[[Budget, tuple[Any, ...]], Any]) -> None:
        self.call = call


def _ndarray(_: Budget, arguments: tuple[Any, ...]) -> Any:
    raise RefusedError("makes an array in a way that numpy does not write")


def _reconstruct(_: Budget, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (kind, (0,), b"b" | "b") if kind is _NDARRAY:
            return MadeArray()
    raise RefusedError("makes an array in a way that numpy does not write")


def _dtype(_: Budget, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (str() as code, int(), int()) if code in _TYPES:
            return MadeType(code)
    raise RefusedError("has an array of a type that is no plain number")


def _scalar(budget: Budget, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (MadeType() as kind, bytes() | str() as data):
            data = budget.encoded(data) if isinstance(data, str) else data
            return budget.array((), kind.numpy, "C", data).item()
    raise RefusedError("has a number in a way that numpy does not write")


def _encode(budget: Budget, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (str() as text, "latin1"):  # how protocol 2 writes bytes
            return budget.encoded(text)
    raise RefusedError("has bytes in a way that Python does not write")


def _bytes(_: Budget, arguments: tuple[Any, ...]) -> Any:
    if arguments:
        raise RefusedError("has bytes in a way that Python does not write")
    return b""  # how protocol 2 writes no bytes


def _tuple(_: Budget, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (tuple() as items,):  # how Paddle writes a tensor: its name and its array
            return items
    raise RefusedError("has a tuple in a way that Paddle does not write")


def _ordered_dict(budget: Budget, arguments: tuple[Any, ...]) -> Any:
    made: dict[Any, Any] = {}
    match arguments:
        case ():
            return made
        case (list() as pairs,):  # as Python 2 writes it
            budget.pairs -= len(pairs)
            if budget.pairs < 0:
                raise RefusedError(f"has more than {_MOST_PAIRS:,} pairs in lists")
            for pair in pairs:
                if type(pair) not in (list, tuple) or len(pair) != 2:
                    raise RefusedError("has a dict in a way that Python does not write")
                set_item(made, *pair)
            return made
    raise RefusedError("has a dict in a way that Python does not write")


_NDARRAY = Named(_ndarray)
# All that a file may name, by module and name, to the letter.
NAMES = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Named(_dtype),
    ("numpy.core.multiarray", "_reconstruct"): Named(_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): Named(_reconstruct),
    ("numpy.core.multiarray", "scalar"): Named(_scalar),
    ("numpy._core.multiarray", "scalar"): Named(_scalar),
    ("_codecs", "encode"): Named(_encode),
    ("__builtin__", "bytes"): Named(_bytes),
    ("builtins", "bytes"): Named(_bytes),
    ("__builtin__", "tuple"): Named(_tuple),
    ("builtins", "tuple"): Named(_tuple),
    ("collections", "OrderedDict"): Named(_ordered_dict),
}
