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
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from digitlab.paddle.pickle_names import (
    NAMES,
    Budget,
    MadeArray,
    MadeType,
    Named,
    RefusedError,
    set_item,
)
from digitlab.wording import printable

MOST_INSTRUCTIONS = 500_000  # a state dict has 40 an array
_MOST_VALUES = 100_000  # with those that are referred to again, which cost a file nothing
_DEEPEST = 16  # a checkpoint of several state dicts has 4


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
        self.budget = Budget(size)
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
            case MadeArray(numpy=None) | MadeType() | Named():
                raise RefusedError("has a value that is no array and no plain value")
            case MadeArray():
                return value.numpy
            case (str(), MadeArray(numpy=np.ndarray() as array)) if type(value) is tuple:
                return array
            case list() | tuple():
                return type(value)(self.finished(one, depth + 1) for one in value)
            case dict():
                return {key: self.finished(one, depth + 1) for key, one in value.items()}
        return value

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
        set_item(self._top(dict), key, value)

    def set_items(self, _: Any) -> None:
        items = self.items()
        made = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            set_item(made, key, value)

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
        if (module, name) not in NAMES:
            raise RefusedError(
                f"names {_short(f'{module}.{name}')}, which arrays and plain values do not need: "
                "it may be made to harm, and nothing of it was run"
            )
        self.stack.append(NAMES[module, name])

    def reduce(self, _: Any) -> None:
        arguments, named = self.stack.pop(), self.stack.pop()
        if not isinstance(named, Named) or type(arguments) is not tuple:
            raise RefusedError("calls what cannot be called")
        self.stack.append(named.call(self.budget, arguments))

    def build(self, _: Any) -> None:
        state, built = self.stack.pop(), self.stack[-1]
        if not isinstance(built, MadeArray | MadeType):
            raise RefusedError("sets the state of what has none")
        built.build(state, self.budget)

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
