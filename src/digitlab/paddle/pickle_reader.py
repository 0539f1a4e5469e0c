"""Reads pickles of plain values and numpy arrays, and executes none; used by parameter_files.py.

A pickle is a program for a stack machine whose instructions may call whatever Python can import.
So that machine is not Python's here, but the one below. It knows the instructions that plain values
and arrays need (Python's own pickletools reads their arguments), and a name in the file is looked
for in one table, whose functions are all in this module. With a `pickle.Unpickler` that restricts
`find_class`, numpy's own functions would still be called with what the file says: to allocate a
terabyte, to make arrays of objects. And its memo grows to any number that a file says.

There may be only so many instructions, and what is decoded, the arrays included, may not be more
than the file twice. So memory stays within a few times its size, and 150 MB.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from digitlab.wording import printable

Array = npt.NDArray[Any]

MOST_INSTRUCTIONS = 500_000  # a state dict has 40 an array
_MOST_VALUES = 100_000  # with those that are referred to again, which cost a file nothing
_DEEPEST = 16  # a checkpoint of several state dicts has 4
_MOST_DIMENSIONS = 32
_LONGEST = 1 << 40  # elements along the axes of an array that has none
_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")


class RefusedError(ValueError):
    """A pickle that is damaged, or does what plain values and arrays do not need; says what."""


class _Type:
    """What stands for a numpy.dtype: one of `_TYPES`, its byte order set by the instruction BUILD.

    The state is (3, byte order, None, None, None, -1, -1, flags): no fields, no subarray, no names.
    """

    def __init__(self, code: str) -> None:
        self.numpy = np.dtype(code)

    def build(self, state: Any, _: _Machine) -> None:
        match state:
            case (3, "<" | ">" | "|" | "=" as order, None, None, None, -1, -1, int()):
                self.numpy = self.numpy.newbyteorder(order)
            case _:
                raise RefusedError("has an array of a type that is no plain number")


class _Array:
    """What stands for a numpy.ndarray until the instruction BUILD has given its content.

    The state is (1, shape, type, whether in Fortran's order, bytes). Python 2 wrote the bytes as
    text, which numpy, too, takes for Latin-1.
    """

    def __init__(self) -> None:
        self.numpy: Array | None = None

    def build(self, state: Any, machine: _Machine) -> None:
        match state:
            case (1, tuple() as shape, _Type() as kind, int() as fortran, bytes() | str() as data):
                if self.numpy is None:
                    data = machine.encoded(data) if isinstance(data, str) else data
                    self.numpy = machine.array(shape, kind.numpy, "F" if fortran else "C", data)
                    return
        raise RefusedError("has an array in a way that numpy does not write")


class _Named:
    """A name that the file may say: the function that is called for it."""

    def __init__(self, call: Callable[[_Machine, tuple[Any, ...]], Any]) -> None:
        self.call = call


def _ndarray(_: _Machine, arguments: tuple[Any, ...]) -> Any:
    raise RefusedError("makes an array in a way that numpy does not write")


def _reconstruct(_: _Machine, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (kind, (0,), b"b" | "b") if kind is _NDARRAY:
            return _Array()
    raise RefusedError("makes an array in a way that numpy does not write")


def _dtype(_: _Machine, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (str() as code, int(), int()) if code in _TYPES:
            return _Type(code)
    raise RefusedError("has an array of a type that is no plain number")


def _scalar(machine: _Machine, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (_Type() as kind, bytes() | str() as data):
            data = machine.encoded(data) if isinstance(data, str) else data
            return machine.array((), kind.numpy, "C", data).item()
    raise RefusedError("has a number in a way that numpy does not write")


def _encode(machine: _Machine, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (str() as text, "latin1"):  # how protocol 2 writes bytes
            return machine.encoded(text)
    raise RefusedError("has bytes in a way that Python does not write")


def _bytes(_: _Machine, arguments: tuple[Any, ...]) -> Any:
    if arguments:
        raise RefusedError("has bytes in a way that Python does not write")
    return b""  # how protocol 2 writes no bytes


def _tuple(_: _Machine, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (tuple() as items,):  # how Paddle writes a tensor: its name and its array
            return items
    raise RefusedError("has a tuple in a way that Paddle does not write")


def _ordered_dict(machine: _Machine, arguments: tuple[Any, ...]) -> Any:
    made: dict[Any, Any] = {}
    match arguments:
        case ():
            return made
        case (list() as pairs,):  # as Python 2 writes it
            for pair in pairs:
                if type(pair) not in (list, tuple) or len(pair) != 2:
                    raise RefusedError("has a dict in a way that Python does not write")
                machine.set_item(made, *pair)
            return made
    raise RefusedError("has a dict in a way that Python does not write")


_NDARRAY = _Named(_ndarray)
# All that a file may name, by module and name, to the letter.
_NAMES = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Named(_dtype),
    ("numpy.core.multiarray", "_reconstruct"): _Named(_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): _Named(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Named(_scalar),
    ("numpy._core.multiarray", "scalar"): _Named(_scalar),
    ("_codecs", "encode"): _Named(_encode),
    ("__builtin__", "bytes"): _Named(_bytes),
    ("builtins", "bytes"): _Named(_bytes),
    ("__builtin__", "tuple"): _Named(_tuple),
    ("builtins", "tuple"): _Named(_tuple),
    ("collections", "OrderedDict"): _Named(_ordered_dict),
}


def read_pickle(content: bytes) -> Any:
    """Return what a pickle of protocol 2, 3 or 4 holds; what follows its end is not looked at.

    Returns:
        None, bool, int, float, complex, str, bytes, and lists, tuples and dicts of these and of
        numpy arrays; numpy's scalars become Python's numbers. A tuple of a name and an array, as
        Paddle writes a tensor, is that array. Arrays are contiguous, native, and own their memory.

    Raises:
        RefusedError: says what is wrong; nothing was imported or called.
    """
    machine = _Machine(len(content))
    try:
        return machine.run(content)
    except RefusedError:
        raise
    except (ValueError, IndexError, KeyError):  # an argument, the stack or the memo is cut short
        raise RefusedError("is cut off, damaged, or no file of parameters") from None


class _Machine:
    """The stack, the marks on it and the memo of the pickle machine."""

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.left = 2 * size  # bytes that may still be made: of text, and of these arrays
        self.visits = _MOST_VALUES

    def run(self, content: bytes) -> Any:
        file = io.BytesIO(content)
        for _ in range(MOST_INSTRUCTIONS):
            instruction = _INSTRUCTIONS[file.read(1).decode("latin1")]
            name = instruction.name
            if name not in _DO:
                raise RefusedError(
                    f"has the instruction {name}, which arrays and plain values do not need"
                )
            if name == "STOP":
                return self.finished(self.stack.pop(), 0)
            _DO[name](self, instruction.arg.reader(file) if instruction.arg else None)
        raise RefusedError(f"has more than {MOST_INSTRUCTIONS:,} instructions")

    def finished(self, value: Any, depth: int) -> Any:
        """Return a value without what stood for arrays; shared and endless ones cost visits."""
        self.visits -= 1
        if self.visits < 0:
            raise RefusedError(f"has more than {_MOST_VALUES:,} values")
        if depth > _DEEPEST:
            raise RefusedError(f"has values in values more than {_DEEPEST} deep")
        match value:
            case _Array(numpy=None) | _Type() | _Named():
                raise RefusedError("has a value that is no array and no plain value")
            case _Array():
                return value.numpy
            case (str(), _Array(numpy=np.ndarray() as array)) if type(value) is tuple:
                return array
            case list() | tuple():
                return type(value)(self.finished(one, depth + 1) for one in value)
            case dict():
                return {key: self.finished(one, depth + 1) for key, one in value.items()}
        return value

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

    def items(self) -> list[Any]:
        """Take what lies above the last mark."""
        above, self.stack = self.stack, self.below.pop()
        return above

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def make_tuple(self, _: Any) -> None:
        items = tuple(self.items())
        self.stack.append(items)

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError("a tuple of what is not there")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self._top(list).append(item)

    def append_items(self, _: Any) -> None:
        items = self.items()
        self._top(list).extend(items)

    def set_one(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_item(self._top(dict), key, value)

    def set_items(self, _: Any) -> None:
        items = self.items()
        made = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.set_item(made, key, value)

    def set_item(self, made: dict[Any, Any], key: Any, value: Any) -> None:
        # Of others a hash may be slow, alike for all, or deeper than Python's own stack.
        if type(key) is not str and not (type(key) is int and abs(key) < 1 << 31):
            raise RefusedError("has a dict whose keys are not text or small numbers")
        made[key] = value

    def _top(self, kind: type[Any]) -> Any:
        top = self.stack[-1]
        if type(top) is not kind:
            raise RefusedError(f"adds to what is no {kind.__name__}")
        return top

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_named(module, name)

    def name_on_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise RefusedError("names what is no name")
        self._push_named(module, name)

    def _push_named(self, module: str, name: str) -> None:
        if (module, name) not in _NAMES:
            raise RefusedError(
                f"names {_short(f'{module}.{name}')}, which arrays and plain values do not need: "
                "it may be made to harm, and nothing of it was run"
            )
        self.stack.append(_NAMES[module, name])

    def reduce(self, _: Any) -> None:
        arguments, named = self.stack.pop(), self.stack.pop()
        if not isinstance(named, _Named) or type(arguments) is not tuple:
            raise RefusedError("calls what cannot be called")
        self.stack.append(named.call(self, arguments))

    def build(self, _: Any) -> None:
        state, built = self.stack.pop(), self.stack[-1]
        if not isinstance(built, _Array | _Type):
            raise RefusedError("sets the state of what has none")
        built.build(state, self)

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_int(self, value: int) -> None:
        if not -(1 << 63) <= value < 1 << 64:
            raise RefusedError("has a number of more than 64 bits")
        self.stack.append(value)

    def pass_over(self, _: Any) -> None:
        pass


def _new(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(make())


def _take(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.tuple_of(count)


_INSTRUCTIONS = {one.code: one for one in pickletools.opcodes}
# The instructions that are carried out, as pickletools calls them. Those that are not here are of
# protocols that Paddle does not write, or make objects.
_DO: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _Machine.pass_over),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), _Machine.push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _Machine.push),
    **dict.fromkeys(("LONG1", "LONG4"), _Machine.push_int),
    "NONE": _new(lambda: None),
    "NEWTRUE": _new(lambda: True),
    "NEWFALSE": _new(lambda: False),
    "EMPTY_LIST": _new(list),
    "EMPTY_TUPLE": _new(tuple),
    "EMPTY_DICT": _new(dict),
    "MARK": _Machine.mark,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": _take(1),
    "TUPLE2": _take(2),
    "TUPLE3": _take(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_items,
    "SETITEM": _Machine.set_one,
    "SETITEMS": _Machine.set_items,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_on_stack,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _short(text: str) -> str:
    return printable(text if len(text) <= 100 else f"{text[:100]}...")
