"""Tables of pixels, as Kaggle has them: what is read, and what is wrong with a row."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from samples import digits, mutated, refusal

from digitlab.data import Split, load_dataset
from digitlab.data.csv_table import load_csv, load_table_folder
from digitlab.errors import DataError

NAMES = [f"pixel{at}" for at in range(784)]


def rows_of(split: Split, label_first: bool = True) -> list[list[int]]:
    pixels = split.images.reshape(-1, 784).tolist()
    return [
        [label, *row] if label_first else [*row, label]
        for label, row in zip(split.labels.tolist(), pixels, strict=True)
    ]


def text_of(rows: Sequence[Sequence[object]], end: str = "\n", delimiter: str = ",") -> str:
    return "".join(delimiter.join(map(str, row)) + end for row in rows)


def loaded(path: Path) -> Split:
    return load_csv(path).splits["train"]


def expect(found: Split, split: Split) -> None:
    np.testing.assert_array_equal(found.images, split.images)
    np.testing.assert_array_equal(found.labels, split.labels)


@pytest.mark.parametrize("label_first", [True, False])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_label_and_784_pixels_a_row_are_read(
    tmp_path: Path, label_first: bool, header: bool, end: str, delimiter: str
) -> None:
    split = digits(60)
    names = ["label", *NAMES] if label_first else [*NAMES, "label"]
    rows = [*([names] if header else []), *rows_of(split, label_first)]
    path = tmp_path / "train.csv"
    path.write_text(text_of(rows, end, delimiter), newline="")
    expect(loaded(path), split)


@pytest.mark.parametrize("name", ["train.csv.gz", "train.zip", "Train.CSV"])
def test_it_may_be_packed(tmp_path: Path, name: str) -> None:
    split, path = digits(30), tmp_path / name
    content = text_of([["label", *NAMES], *rows_of(split)]).encode()
    if name.endswith(".gz"):
        content = gzip.compress(content)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data/train.csv", content)
            archive.writestr("__MACOSX/data/._train.csv", b"x")
            archive.writestr("readme.txt", b"x")
    else:
        path.write_bytes(content)
    expect(loaded(path), split)
    assert load_dataset(path).warnings[0].startswith(f"{path}: has no validation split")


def test_other_ways_to_write_numbers_are_read_too(tmp_path: Path) -> None:
    split = digits(3)
    rows: list[list[object]] = [list(row) for row in rows_of(split)]
    rows[0] = [f'"{value}"' for value in rows[0]]
    rows[1] = [f" {value}" for value in rows[1]]
    rows[2] = [f"{value}.0" for value in rows[2]]
    path = tmp_path / "a.csv"
    path.write_text("\ufeff\n" + text_of(rows) + "\n\n")
    expect(loaded(path), split)


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    split, path = digits(10), tmp_path / "a.csv"
    path.write_text(text_of(rows_of(split)).removesuffix("\n"))
    expect(loaded(path), split)


@pytest.mark.parametrize(
    ("line", "column", "cell", "message"),
    [
        (1, 1, "x", "line 2, column 1: 'x'; expected an integer from 0 to 255"),
        (5, 785, "256", "line 6, column 785: '256'; expected an integer from 0 to 255"),
        (5, 100, "-1", "line 6, column 100: '-1'; expected"),
        (5, 100, "0.5", "line 6, column 100: '0.5'; expected"),
        (5, 100, "", "line 6, column 100: ''; expected"),
        (20, 1, "10", "line 21, column 1: '10'; expected a label, an integer from 0 to 9"),
        (20, 7, "1,1", "line 21: 786 values; expected 785; expected label,pixel0,...,pixel783"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(
    tmp_path: Path, line: int, column: int, cell: str, message: str
) -> None:
    rows: list[list[object]] = [["label", *NAMES], *map(list, rows_of(digits(30)))]
    rows[line][column - 1] = cell
    path = tmp_path / "a.csv"
    path.write_text(text_of(rows))
    found = refusal(path)
    assert f"{path}: {message}" in found
    assert "\n" not in found


@pytest.mark.parametrize("label_first", [True, False])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("quoted", [True, False])
def test_a_wrong_label_is_named_where_it_stands(
    tmp_path: Path, label_first: bool, header: bool, quoted: bool
) -> None:
    """Blank lines count, and no column of pixels is taken for labels."""
    column = 1 if label_first else 785
    names = ["label", *NAMES] if label_first else [*NAMES, "label"]
    rows: list[list[object]] = [list(row) for row in rows_of(digits(30), label_first)]
    rows[20][column - 1], rows[25][column - 1] = 10, 255
    if quoted:
        rows[3] = [f'"{value}"' for value in rows[3]]
    lines = text_of([*([names] if header else []), *rows]).splitlines()
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["", *lines[:10], "", *lines[10:]]))
    place = f"line {23 + header}, column {column}: '10'; expected a label, an integer from 0 to 9"
    assert refusal(path) == f"{path}: {place}"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "Excel.txt", "a.csv.gz", "a.tsv.gz", "a.zip"])
def test_utf_16_is_known_by_its_mark(tmp_path: Path, encoding: str, name: str) -> None:
    split, path = digits(60), tmp_path / name
    text = text_of([["label", *NAMES], *rows_of(split)], "\r\n", "\t")
    content = f"\ufeff{text}".encode(encoding)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.tsv", content)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert len(load_dataset(path, train_on="all").splits["train"]) == 60
    expect(loaded(path), split)


@pytest.mark.parametrize(
    "content",
    [
        ",".join(NAMES).encode("utf-16-le"),  # without its mark
        ",".join(NAMES).encode("utf-32"),
        ",".join(NAMES).encode("utf-16") + b"\n\0\0\xd8\0\0",  # half of a pair
    ],
)
def test_an_encoding_that_cannot_be_told_is_refused_with_the_way_out(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert refusal(path) == f"{path}: is damaged, or in another encoding; save it as CSV UTF-8"


def write_table(path: Path, split: Split, labelled: bool = True) -> None:
    rows = rows_of(split) if labelled else [row[1:] for row in rows_of(split)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of([["label", *NAMES] if labelled else NAMES, *rows]))


def test_kaggles_folder_is_its_train_csv_and_what_has_no_labels_is_named(tmp_path: Path) -> None:
    split, folder = digits(60), tmp_path / "digit-recognizer"
    write_table(folder / "train.csv", split)
    write_table(folder / "test.csv", digits(10), labelled=False)
    (folder / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    found = load_dataset(tmp_path)  # as an archive unpacks, in a folder of its own
    assert list(found.splits) == ["train", "valid"]
    assert len(found.splits["train"]) + len(found.splits["valid"]) == 60
    warnings = " | ".join(found.warnings)
    assert f"{folder}/test.csv: 784 columns and so no labels" in warnings
    assert f"{folder}: passed over: sample_submission.csv" in warnings


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("mnist_train.csv", "mnist_test.csv"), ("train", "test")),
        (("Train.CSV", "val.csv", "testing.csv"), ("train", "valid", "test")),
        (("my-training-set.tsv", "mnist.dev.csv"), ("train", "valid")),
        (("mnist_train_small.csv", "mnist_test.csv"), ("train", "test")),
    ],
)
def test_tables_are_splits_by_the_words_of_their_names(
    tmp_path: Path, names: Sequence[str], splits: Sequence[str]
) -> None:
    expected = {name: digits(30 + at, at) for at, name in enumerate(splits)}
    for name, split in zip(names, expected.values(), strict=True):
        write_table(tmp_path / name, split)
    assert load_dataset(tmp_path, train_on="all").splits["train"].images[:30].tolist() == (
        expected["train"].images.tolist()
    )
    assert load_table_folder(tmp_path).splits == expected


def test_pictures_and_idx_files_beside_tables_are_what_is_read(tmp_path: Path) -> None:
    write_table(tmp_path / "train.csv", digits(10))
    for digit in range(10):
        place = tmp_path / "pictures" / str(digit)
        place.mkdir(parents=True)
        Image.fromarray(digits(10).images[digit]).save(place / "a.png")
    assert load_dataset(tmp_path).splits["train"].labels.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (["train.csv", "mnist_train.csv"], "mnist_train.csv and train.csv are both train; name"),
        (["digits.csv"], "found digits.csv; a file of data is named itself, as --data"),
        (["train_test.csv"], "found train_test.csv; a file of data is named itself, as --data"),
    ],
)
def test_a_folder_of_tables_that_means_several_things_is_refused_with_the_way_out(
    tmp_path: Path, tables: list[str], expected: str
) -> None:
    for name in tables:
        write_table(tmp_path / name, digits(10))
    message = refusal(tmp_path)
    assert expected in message
    assert f"--data {tmp_path / min(tables)}" in message


def test_a_folder_with_no_labels_at_all_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "test.csv", digits(10), labelled=False)
    assert "so no labels: there is nothing to learn from" in refusal(tmp_path)


def test_a_table_without_labels_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(text_of([NAMES, *(row[1:] for row in rows_of(digits(10)))]))
    assert "784 columns and so no labels: there is nothing to learn from" in refusal(path)
    assert "docs/formats.md" in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no rows"),
        ("\n\n", "holds no rows"),
        (",".join(["label", *NAMES]) + "\n", "holds no rows"),
        ("1,2,3\n", "3 columns in its first line"),
        ("hello", "1 column in its first line"),
    ],
)
def test_what_is_no_such_table_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert f"{path}: {message}" in refusal(path)


@pytest.mark.parametrize("names", [(), ("a.csv", "b.csv"), ("a.txt",)])
def test_a_zip_without_the_one_table_is_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"1")
    assert f"expected one .csv in it, found {', '.join(names) or 'nothing'}" in refusal(path)
    path.write_bytes(b"no zip")
    assert f"{path}: damaged zip" in refusal(path)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip"])
def test_more_than_the_limit_is_refused(tmp_path: Path, name: str) -> None:
    path, content = tmp_path / name, text_of(rows_of(digits(100))).encode()
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", content)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert "holds more than the 1,000 bytes" in refusal(path, 1000)


@settings(max_examples=60)
@given(st.data())
def test_any_change_to_a_table_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(mutated(text_of([["label", *NAMES], *rows_of(digits(4))]).encode(), data))
    message = ""
    try:
        load_csv(path)
    except DataError as error:
        message = str(error)
    assert message.startswith(str(path)) or not message
    assert "\n" not in message


def test_the_documented_script_answers_a_table_without_labels(tmp_path: Path) -> None:
    """As docs/formats.md has it, with the model that ships in place of a run of one's own."""
    test = load_dataset("mnist").splits["test"]
    pixels = test.images[:50].reshape(50, 784).tolist()
    (tmp_path / "test.csv").write_text(text_of([NAMES, *pixels]))
    document = Path(__file__).parents[2] / "docs" / "formats.md"
    parts = document.read_text("utf-8").split("```")
    (script,) = [part for part in parts if "numpy.loadtxt" in part]
    code = script.removeprefix("python\n").replace('"runs/first"', "")
    assert "Recogniser().probabilities" in code
    exec(code, {})  # which has its own imports
    lines = (tmp_path / "answers.csv").read_text().splitlines()
    assert lines[0] == "ImageId,Label"
    answers = [int(line.partition(",")[2]) for line in lines[1:]]
    assert [line.partition(",")[0] for line in lines[1:3]] == ["1", "2"]
    assert np.mean(np.array(answers) == test.labels[:50]) > 0.95
