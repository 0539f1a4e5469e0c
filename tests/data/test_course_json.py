"""The course's mnist.json.gz: any way to write it gives the same pixels, any fault one line."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import course_list, digits, mutated, refusal

from digitlab.data import course_json
from digitlab.data.course_json import load_course_json
from digitlab.data.pixel_text import PixelTable, rows_of_decimals
from digitlab.errors import DataError

WriteJson = Callable[..., Path]

SPLITS = {"train": digits(30), "valid": digits(10, seed=1), "test": digits(10, seed=2)}
LIST = course_list(*SPLITS.values())


def assert_same(path: Path) -> None:
    found = load_course_json(path).splits
    assert list(found) == ["train", "valid", "test"]
    for name, split in SPLITS.items():
        np.testing.assert_array_equal(found[name].images, split.images)
        np.testing.assert_array_equal(found[name].labels, split.labels)


@pytest.mark.parametrize("name", ["mnist.json", "mnist.json.gz"])
@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":"), (" , ", ":"), (",\n", ":")])
def test_pixels_are_those_of_json_whatever_the_separators(
    write_json: WriteJson, name: str, separators: tuple[str, str]
) -> None:
    assert_same(write_json(json.dumps(LIST, separators=separators), name))


@pytest.mark.parametrize("indent", [0, 1, "\t"])
def test_indented_json_is_read(write_json: WriteJson, indent: int | str) -> None:
    assert_same(write_json("\r\n" + json.dumps(LIST, indent=indent) + " \n"))


@pytest.mark.parametrize(
    "form", ["{:.8f}", "{:.12f}", "{:e}", "{:.9E}", "{:g}", "{:.17g}", "{:.30f}"]
)
def test_pixels_are_those_of_any_way_to_write_numbers(write_json: WriteJson, form: str) -> None:
    def text(value: Any) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        return form.format(value) if isinstance(value, float) else str(value)

    assert_same(write_json(text(LIST)))


def test_labels_may_be_written_as_floats(write_json: WriteJson) -> None:
    labelled = [[images, [float(label) for label in labels]] for images, labels in LIST]
    assert_same(write_json(labelled))


def test_a_row_of_another_form_among_common_ones_is_read(write_json: WriteJson) -> None:
    text = json.dumps(LIST)
    at = text.index("], [", 100_000)
    assert_same(write_json(text[:at].rstrip("0") + "00000000000  " + text[at:]))


def test_small_chunks_and_batches_change_nothing(
    write_json: WriteJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json(json.dumps(LIST))
    chunks_of = course_json.chunks_of

    def small_chunks(*arguments: Any) -> Any:
        for chunk in chunks_of(*arguments):
            for at in range(0, len(chunk), 1000):
                yield chunk[at : at + 1000]

    monkeypatch.setattr(course_json, "chunks_of", small_chunks)
    for batch in (1, 5000, 20_000):
        monkeypatch.setattr(course_json, "_BATCH", batch)
        assert_same(path)


def test_the_common_form_goes_the_fast_way(
    write_json: WriteJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(PixelTable, "row")
    assert_same(write_json(LIST))
    assert_same(write_json(json.dumps(LIST, separators=(",", ":"))))


def test_memory_stays_near_that_of_the_images(write_json: WriteJson) -> None:
    path = write_json(course_list(digits(3000), digits(10), digits(10)))
    tracemalloc.start()
    try:
        load_course_json(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Objects of json.load would be 24 bytes and a pointer a number: 75 MB and more.
    assert peak < 50e6


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("-0.25", "train image 3: -0.25 is out of range; expected a number from 0 to 1"),
        ("1.5", "1.5 is out of range"),
        ("128", "128 is out of range"),
        ("NaN", "'NaN' is not finite"),
        ("-Infinity", "'-Infinity' is not finite"),
        ("1e999", "1e999 is not finite"),
        ("null", "'null' is no number"),
        ('"0.5"', "is no number"),
        ("0.5.5", "'0.5.5' is no number"),
        (".5", "'.5' is no number"),
        ("0.", "'0.' is no number"),
        ("00.5", "'00.5' is no number"),
        ("+0.5", "'+0.5' is no number"),
        ("0x1", "'0x1' is no number"),
        ("0_0", "'0_0' is no number"),
        ("0 5", "'0 5' is no number"),
        ("0.1 5", "'0.1 5' is no number"),
        ("0.12a4", "'0.12a4' is no number"),
        ("0.1234567:", "'0.1234567:' is no number"),
        ("\u0661", "is no number"),
        ("", "'' is no number"),
        ("0.5, 0.5", "785 numbers; expected 784"),
        ("[0.5]", "4 numbers; expected 784"),
        ("0.5], [0.5", "train image 3: 4 numbers; expected 784"),
    ],
)
def test_a_wrong_pixel_is_named_with_its_image(
    write_json: WriteJson, value: str, message: str
) -> None:
    images = [["0.0"] * 784 for _ in range(8)]
    images[3][3] = value
    text = ", ".join("[" + ", ".join(image) + "]" for image in images)
    path = write_json(f"[[[{text}], [1, 2, 3, 4, 5, 6, 7, 8]]]")
    found = refusal(path)
    assert str(path) in found
    assert "train image 3" in found
    assert message in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "byte 0: found the end of the file where '[' belongs"),
        (lambda text: "{}", "byte 0: found '{' where '[' belongs"),
        (lambda text: "[]", "byte 1: found ']' where '[' belongs"),
        (lambda text: text[:-1], "found the end of the file where ']' belongs"),
        (lambda text: text[:5000], "byte 5,000: found the end of the file"),
        (lambda text: text[:90], "byte 90: found the end of the file where ']' belongs"),
        (lambda text: text + "x", "found 'x' where the end of the file belongs"),
        (lambda text: text[:-1] + ", 1]", "found ',' where ']' belongs"),
        (lambda text: text.replace("], [", "] [", 1), "found '[' where ',' or ']' belongs"),
        (lambda text: text.replace("], [", "][", 1), "found '[' where ',' or ']' belongs"),
        (lambda text: text.replace("]], [", "]]], [", 1), "found ']' where ',' belongs"),
        (lambda text: "[[[], []], [[], []], [[], []]]", "train images: holds no images"),
        (lambda text: "[[[[]], [1]]]", "train image 0: 0 numbers; expected 784"),
        (lambda text: text.replace("]], [0, ", "]], [", 1), "29 labels for the 30 images"),
        (lambda text: text.replace("]], [0, ", "]], [10, ", 1), "train label 0: '10'"),
        (lambda text: text.replace("]], [0, ", "]], [-1, ", 1), "train label 0: '-1'"),
        (lambda text: text.replace("]], [0, ", "]], [0.5, ", 1), "train label 0: '0.5'"),
        (lambda text: text.replace("]], [0, ", "]], [true, ", 1), "train label 0: 'true'"),
        (lambda text: text.replace("]], [0, ", "]], [1e999, ", 1), "train label 0: '1e999'"),
    ],
)
def test_a_wrong_form_is_named_with_its_place(
    write_json: WriteJson, change: Callable[[str], str], message: str
) -> None:
    path = write_json(change(json.dumps(LIST)))
    found = refusal(path)
    assert str(path) in found
    assert message in found
    assert "\n" not in found


def test_empty_labels_are_counted_as_none(write_json: WriteJson) -> None:
    assert "0 labels for the 30 images" in refusal(write_json([[LIST[0][0], []], *LIST[1:]]))


def test_a_list_without_end_is_refused_before_memory_is_full(
    write_json: WriteJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_json, "_LONGEST_LIST", 100_000)
    path = write_json("[[[[" + " " * 10_000_000)
    with pytest.raises(DataError, match="where ']' within"):
        load_course_json(path)


def test_json_that_inflates_past_the_limit_is_refused(write_json: WriteJson) -> None:
    path = write_json("[" + " " * 10_000_000)
    assert "more than the 5,000,000 bytes" in refusal(path, max_bytes=5_000_000)


def test_a_truncated_gzip_of_json_is_named(write_json: WriteJson) -> None:
    path = write_json(LIST)
    path.write_bytes(path.read_bytes()[:-1000])
    assert f"{path}: truncated gzip" in refusal(path)


def test_one_is_read_as_255_with_a_warning(write_json: WriteJson) -> None:
    image = [1, 1.0, 0.999, 0.99609375] + [0.0] * 780
    dataset = load_course_json(write_json([[[image], [1]]] * 3))
    assert dataset.splits["test"].images.ravel()[:5].tolist() == [255, 255, 255, 255, 0]
    assert any("values reach 1" in warning for warning in dataset.warnings)
    assert load_course_json(write_json(LIST)).warnings == ()


def test_a_table_of_ever_new_numbers_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digitlab.data.pixel_text._LARGEST_TABLE", 100)
    table = PixelTable()
    values = np.random.default_rng(0).random(784)
    pixels = table.row(",".join(map(repr, values.tolist())).encode())
    assert list(pixels) == np.rint(values * 256).clip(0, 255).tolist()
    assert len(table) <= 100


@pytest.mark.parametrize(
    "row",
    [
        "",
        "1",
        "0.0",
        ", ".join(["0.0"] * 783),
        ", ".join(["0.0"] * 785),
        ", ".join(["0.0"] * 783 + [""]),
        ", ".join(["0.0"] * 783 + ["1"]),
        ", ".join(["0.0"] * 783 + [".5"]),
        ", ".join(["0.0"] * 783 + ["0."]),
        ", ".join(["0.0"] * 783 + ["0.123456789"]),
        ", ".join(["0.0"] * 783 + ["0.5 "]),
        ", ".join(["1.0"] + ["0.0"] * 783),
        ",".join(["10.0"] + ["0.0"] * 783),
        ", ".join(["0.0"] * 700) + "," + ",".join(["0.0"] * 84),
        ", ".join(["0.0"] * 700 + ["0.5,0.5"] + ["0.0"] * 82),
        ", ".join(["0.0"] * 700) + ",,0.0" + ", 0.0" * 83,
        ", ".join(["0.0"] * 700) + ", ,, 0.0" + ", 0.0" * 82,
        ", ".join(["0.0"] * 700) + ",  0.0" + ", 0.0" * 83,
        ", ".join(["0.0"] * 700) + ", -0.0" + ", 0.0" * 83,
    ],
)
def test_the_fast_way_leaves_every_other_form_to_the_general_one(row: str) -> None:
    common = ", ".join(["0.0", "0.5"] * 392)
    for rows in ([row], [row, row], [common, row], [row, common], [common, row, common]):
        assert rows_of_decimals([text.encode() for text in rows]) is None


def test_two_rows_whose_lengths_make_up_for_one_another_are_refused() -> None:
    short, long = ", ".join(["0.25"] * 783).encode(), ", ".join(["0.25"] * 785).encode()
    assert rows_of_decimals([short, long]) is None


def test_eight_decimals_are_rounded_as_python_does() -> None:
    generator = np.random.default_rng(1)
    near_halves = (np.arange(256)[:, None] + 0.5) * 390625 + np.arange(-1, 2)
    whole = np.concatenate([near_halves.ravel(), generator.integers(0, 10**8, 784 * 4)])
    texts = [f"0.{int(number):08d}" for number in whole if number < 10**8]
    texts = texts[: len(texts) // 784 * 784]
    rows = [", ".join(texts[at : at + 784]).encode() for at in range(0, len(texts), 784)]
    found = rows_of_decimals(rows)
    assert found is not None
    expected = [min(255, round(float(text) * 256)) for text in texts]
    assert found.ravel().tolist() == expected


number = st.one_of(
    st.integers(0, 255).map(lambda pixel: repr(pixel / 256)),
    st.floats(0, 1).map(repr),
    st.integers(0, 10**9).map(lambda digits: f"0.{digits}"),
    st.sampled_from(["0", "0.0", "-0.0", "0e5", "0E+1", "1", "1.0", "10e-1", "1E-400"]),
)


@settings(deadline=None)
@given(
    st.lists(number, min_size=1, max_size=12),
    st.sampled_from([",", ", ", " ,", ",\n", "\t,\r\n "]),
    st.integers(0, 10**6),
)
def test_any_json_of_numbers_gives_the_pixels_that_json_gives(
    tmp_path_factory: pytest.TempPathFactory, few: list[str], separator: str, seed: int
) -> None:
    chosen = np.random.default_rng(seed).integers(0, len(few), (3, 784))
    rows = [separator.join(few[at] for at in row) for row in chosen]
    images = "[[" + f"]{separator}[".join(rows) + "]]"
    split = f"[{images}{separator}[3{separator}1{separator}4]]"
    text = f"[{split}{separator}{split}{separator}{split}]"
    path = tmp_path_factory.mktemp("json") / "mnist.json"
    path.write_text(text)
    for name, (pixels, labels) in zip(("train", "valid", "test"), json.loads(text), strict=True):
        found = load_course_json(path).splits[name]
        expected = [[min(255, round(value * 256)) for value in row] for row in pixels]
        assert found.images.reshape(3, 784).tolist() == expected
        assert found.labels.tolist() == labels


@settings(deadline=None)
@given(st.data())
def test_mutated_json_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("json") / "mnist.json"
    small = course_list(*[digits(2)] * 3)
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ":"), (",  ", ":")]))
    path.write_bytes(mutated(json.dumps(small, separators=separators).encode(), data))
    message = refusal(path)
    assert "\n" not in message
    assert message == "" or str(path) in message
    try:
        valid = bool(json.loads(path.read_bytes()))
    except ValueError:
        valid = False
    # What is no JSON is never read.
    assert valid or message
