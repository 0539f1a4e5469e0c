from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitlab.data import load_dataset
from digitlab.data.course_json import load_course_json
from digitlab.paddle import course_lists
from digitlab.paddle.rows import Row


def of_pixels(count: int, length: int = 64) -> list[list[float]]:
    pixels = np.random.default_rng(count).integers(0, 256, [count, length])
    return (pixels / 256).tolist()  # type: ignore[no-any-return]


SMALL = [[of_pixels(3), [1, 2, 3]], [of_pixels(2), [4, 5]], [[], []]]


@pytest.mark.parametrize(
    "text",
    [json.dumps(SMALL), json.dumps(SMALL, separators=(",", ":")), json.dumps(SMALL, indent=1)],
    ids=["plain", "narrow", "indented"],
)
@pytest.mark.parametrize("chunk", [7, 1000, 1 << 20])
def test_a_file_of_the_course_is_read_as_json_reads_it(
    text: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_lists, "_CHUNK", max(chunk, 64))
    for file in (io.StringIO(text), io.BytesIO(text.encode())):
        found = course_lists.load(file)
        assert found == SMALL
        assert type(found[0][0][0]) is Row
        assert type(found[0][0]) is type(found[0][1]) is list


@pytest.mark.parametrize(
    "row",
    [
        [0.1] * 70,
        [1.0] * 70,
        [0.5] * 69 + [-0.5],
        [1] * 70,
        [255, 0] * 35,
        [256] * 70,
        [0, 0.5] * 35,
        [1e300] * 70,
        [None] * 70,
        [0.25] * 5000,
    ],
    ids=str,
)
def test_rows_of_other_numbers_keep_their_values_and_types(row: list[Any]) -> None:
    found = course_lists.load(io.StringIO(json.dumps([[[row, row]]])))
    assert found == [[[row, row]]]
    assert [type(one) for one in found[0][0][1]] == [type(one) for one in row]


@pytest.mark.parametrize(
    "value",
    [{"a": [1]}, [], 3, "[[[", [[["a]b", "[[["], [[{"a": [[[1]]]}]]]], [[[True, None]]]],
    ids=str,
)
def test_any_other_json_is_read_as_ever(value: Any) -> None:
    assert course_lists.load(io.StringIO(json.dumps(value))) == value
    assert course_lists.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    ["[[[1,,2]]]", "[[[1] [2]]]", "[[[1]]", "[[[1]]]]", "[[[1]]],", "[[[1],]]", "[[,[1]]]",
     "[[[01]]]", "[[[1]]] x", "", "[[[1]]],[[[1]]]"],
)  # fmt: skip
def test_what_is_no_json_is_the_error_of_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as plain:
        json.loads(text)
    with pytest.raises(json.JSONDecodeError) as ours:
        course_lists.load(io.StringIO(text))
    assert str(ours.value) == str(plain.value)


def test_a_file_is_read_from_where_it_stands_and_by_options_as_ever() -> None:
    file = io.StringIO("x" + json.dumps(SMALL))
    file.read(1)
    assert course_lists.load(file) == SMALL
    found = course_lists.load(io.StringIO(json.dumps(SMALL)), parse_float=str)
    assert isinstance(found[0][0][0][0], str)


def test_a_large_text_is_read_into_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course_lists, "_LARGE", 100)
    for text in (json.dumps(SMALL), json.dumps(SMALL).encode()):
        found = course_lists.loads(text)
        assert found == SMALL
        assert type(found[0][0][0]) is Row


def test_lists_that_are_loaded_twice_share_their_pixels_and_no_change() -> None:
    one, other = course_lists.embedded_lists(), course_lists.embedded_lists()
    assert np.shares_memory(one[0][0][5]._values, other[0][0][5]._values)
    one[0][0][5][0] = 7.0
    one[0][1].sort()
    one[0][0].pop()
    assert other[0][0][5][0] == 0.0
    assert other[0][1][:3] == [5, 0, 4]
    assert len(other[0][0]) == 50000


def test_the_embedded_lists_are_mnist_as_the_course_has_it() -> None:
    data = load_dataset("mnist")
    for name, (images, labels) in zip(
        ("train", "valid", "test"), course_lists.embedded_lists(), strict=True
    ):
        split = data.splits[name]
        assert labels == split.labels.tolist()
        assert len(images) == len(labels)
        assert np.array_equal(np.array(images[:9]) * 256, split.images[:9].reshape(9, 784))


@pytest.mark.usefixtures("few_digits")
def test_the_text_of_the_course_says_what_the_lists_say(tmp_path: Path) -> None:
    file = io.BufferedReader(course_lists.CourseFile("mnist.json"))
    begin = file.read(1000)
    text = begin + file.read()
    lists = course_lists.embedded_lists()
    assert json.loads(text) == lists
    assert file.seek(0) == 0
    assert file.read() == text
    path = tmp_path / "mnist.json.gz"
    path.write_bytes(gzip.compress(text))
    assert np.array_equal(
        load_course_json(path).splits["valid"].images.ravel() / 256, np.ravel(lists[1][0])
    )
    # A part was read by hand: the rest is for json, which finds no value in it.
    file.seek(0)
    file.read(10)
    with pytest.raises(json.JSONDecodeError):
        course_lists.load(file)
