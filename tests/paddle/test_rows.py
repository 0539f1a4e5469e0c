from __future__ import annotations

import copy
import json
import operator
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from digitlab.paddle.rows import Row

PIXELS = np.array([0, 253, 128, 3, 0, 64], np.uint8)
PLAIN = [0.0, 0.98828125, 0.5, 0.01171875, 0.0, 0.25]

ONE = [1.0]


def row() -> Row:
    return Row(PIXELS.copy(), divided=True)


# What people do to lists, each of which has to come out as it does of a plain one.
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "len": len,
    "item": lambda a: (a[0], a[-1], a[np.int64(2)]),
    "slice": lambda a: (a[1:4], a[::-1], a[10:]),
    "items": lambda a: [x * 2 for x in a],
    "list": list,
    "unpacked": lambda a: [*a, *map(str, a)],
    "enumerated": lambda a: list(zip(range(3), a, strict=False)),
    "equal": lambda a: (
        a == PLAIN,
        operator.eq(PLAIN, a),
        a == ONE,
        a != PLAIN,
        a == PLAIN[1:],
        a == 3,
        a == row(),
    ),
    "joined": lambda a: (a + ONE, ONE + a, a * 2, 2 * a),
    "in": lambda a: (0.5 in a, 0.75 in a, a.index(0.5), a.count(0.0)),
    "order": lambda a: (sorted(a), max(a), min(a), sum(a), a < [1.0], list(reversed(a))),
    "truth": lambda a: (bool(a), isinstance(a, list), any(a), all(a)),
    "words": lambda a: (repr(a), str(a), json.dumps(a), f"{a}"),
    "copies": lambda a: (a.copy(), copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))),
    "array": lambda a: np.array(a).tobytes() + np.asarray(a, "float32").tobytes(),
    "numpy": lambda a: (np.reshape(a, [1, -1]).tolist(), float(np.mean(a)), np.shape(a)),
    "many": lambda a: np.array([a, a]).astype("float32").tolist(),
    "extended": lambda a: [0.1].__iadd__(a),
    "arguments": lambda a: "{} {} {} {} {} {}".format(*a),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=list(QUESTIONS))
def test_a_row_answers_as_the_list_it_stands_for(ask: Callable[[Any], Any]) -> None:
    assert ask(row()) == ask(list(PLAIN))
    filled = row()
    filled.append(1.0)
    assert ask(filled) == ask([*PLAIN, 1.0])


CHANGES: dict[str, Callable[[Any], Any]] = {
    "set": lambda a: a.__setitem__(1, 7),
    "set a slice": lambda a: a.__setitem__(slice(0, 2), [1, 2, 3]),
    "delete": lambda a: a.__delitem__(0),
    "append": lambda a: a.append(3),
    "extend": lambda a: a.extend(row()),
    "insert": lambda a: a.insert(0, 9),
    "pop": lambda a: a.pop(),
    "remove": lambda a: a.remove(0.5),
    "reverse": lambda a: a.reverse(),
    "sort": lambda a: a.sort(reverse=True),
    "clear": lambda a: a.clear(),
    "shuffle": lambda a: random.Random(3).shuffle(a),
    "add": lambda a: a.__iadd__([1.0]),
    "times": lambda a: a.__imul__(2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_row_changes_as_a_list_does_and_its_array_stays(change: Callable[[Any], Any]) -> None:
    pixels = PIXELS.copy()
    ours, plain = Row(pixels, divided=True), list(PLAIN)
    change(ours)
    change(plain)
    assert ours == plain
    assert list(ours) == plain
    assert len(ours) == len(plain)
    assert np.array_equal(pixels, PIXELS)


def test_a_row_gives_numbers_of_python() -> None:
    assert {type(one) for one in (*row(), row()[0])} == {float}
    whole = Row(PIXELS)
    assert {type(one) for one in (*whole, whole[0])} == {int}
    assert whole == [0, 253, 128, 3, 0, 64]


@pytest.mark.parametrize("key", [6, -7, "a", 1.0])
def test_a_row_refuses_what_a_list_refuses(key: Any) -> None:
    with pytest.raises((IndexError, TypeError)) as ours:
        row()[key]
    with pytest.raises((IndexError, TypeError)) as plain:
        PLAIN[key]
    assert ours.type is plain.type


def test_a_row_cannot_be_a_key() -> None:
    with pytest.raises(TypeError):
        hash(row())
