"""Lists of numbers that lie in an array until somebody changes them, as course_lists.py makes them.

`json.load` makes an object of 24 bytes of each of the course's 55 million pixels, and a pointer of
8 to it. A `Row` holds a byte of each.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Row(list[Any]):
    """A list of numbers whose values lie in an array.

    It is a `list` for whoever asks, answers as one, and gives numbers of Python. What is asked for
    most (an item, a slice, the length, all items in turn, an array of them) is answered from the
    array. Anything else first makes it the plain list that it stands for, and so does any change.
    Only code in C that takes an instance of a subclass of `list` for a plain one, as `array.array`
    does, finds it empty.
    """

    __slots__ = ("_divided", "_values")

    def __init__(self, values: Array, divided: bool = False) -> None:
        """Hold an array [N], which must not change any more.

        Args:
            values: the numbers.
            divided: the numbers are these integers divided by 256, as floats.
        """
        super().__init__()
        self._values: Array | None = values
        self._divided = divided

    def _array(self) -> Array:
        assert self._values is not None
        return self._values / 256.0 if self._divided else self._values

    def _fill(self) -> None:
        """Become a plain list."""
        if self._values is not None:
            numbers = self._array().tolist()
            self._values = None
            super().extend(numbers)

    def __len__(self) -> int:
        return super().__len__() if self._values is None else len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__() if self._values is None else iter(self._array().tolist())

    def __getitem__(self, key: Any) -> Any:
        if self._values is None:
            return super().__getitem__(key)
        if isinstance(key, slice):
            return Row(self._values[key], self._divided)
        try:
            number = self._values[operator.index(key)].item()
        except IndexError:
            raise IndexError("list index out of range") from None
        return number / 256 if self._divided else number

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        numbers = list(super().__iter__()) if self._values is None else self._array()
        return np.array(numbers, dtype)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return list(self) != list(other) if isinstance(other, list) else NotImplemented

    __hash__ = None

    def __add__(self, other: Any) -> Any:
        return list(self) + list(other) if isinstance(other, list) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return list(other) + list(self) if isinstance(other, list) else NotImplemented

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


def _filling(name: str) -> Callable[..., Any]:
    """Return the method of `list` of that name, which first makes plain lists of all rows."""
    method = getattr(list, name)

    def call(self: Row, *arguments: Any, **options: Any) -> Any:
        self._fill()
        for one in arguments:
            if isinstance(one, Row):
                one._fill()
        return method(self, *arguments, **options)

    call.__name__ = name
    return call


for _name in (
    *("__setitem__", "__delitem__", "__contains__", "__reversed__", "__repr__"),
    *("__lt__", "__le__", "__gt__", "__ge__", "__iadd__", "__mul__", "__rmul__", "__imul__"),
    *("append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove"),
    *("reverse", "sort"),
):
    setattr(Row, _name, _filling(_name))
