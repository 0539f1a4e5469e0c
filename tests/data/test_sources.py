"""What a user names, and the dataset that it becomes: kinds, splits, joins, warnings, errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from samples import course_list, digits, refusal

from digitlab.data import Dataset, Split, join_datasets, load_dataset, save_npz
from digitlab.data.streams import chunks_of, read_ahead
from digitlab.errors import ConfigError, DataError


def npz(path: Path, **splits: Split) -> Path:
    save_npz(Dataset("made", splits), path)
    return path


def without(split: Split, *missing: int) -> Split:
    kept = ~np.isin(split.labels, missing)
    return Split(split.images[kept], split.labels[kept])


def test_the_embedded_data_are_mnist_in_50_10_10() -> None:
    dataset = load_dataset()
    assert dataset.source == "mnist"
    assert dataset.warnings == ()
    assert list(dataset.splits) == ["train", "valid", "test"]
    assert [len(split) for split in dataset.splits.values()] == [50_000, 10_000, 10_000]
    train, valid, test = dataset.splits.values()
    # The first labels of the training and test files, and the last, as MNIST's page shows them.
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert valid.labels[-1] == 8
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert 0.1306 < np.concatenate([train.images, valid.images]).mean() / 255 < 0.1307
    assert train.images.dtype == np.uint8
    assert train.labels.dtype == np.int64


def test_train_on_all_joins_train_and_valid_and_has_no_valid(tmp_path: Path) -> None:
    train, valid, test = digits(20), digits(10, 1), digits(10, 2)
    path = npz(tmp_path / "a.npz", train=train, valid=valid, test=test)
    found = load_dataset(path, train_on="all").splits
    assert list(found) == ["train", "test"]
    np.testing.assert_array_equal(found["train"].images[:20], train.images)
    np.testing.assert_array_equal(found["train"].images[20:], valid.images)
    np.testing.assert_array_equal(found["train"].labels[20:], valid.labels)


def test_train_on_all_takes_a_source_without_valid_whole(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", train=digits(60))
    assert len(load_dataset(path, train_on="all").splits["train"]) == 60
    path = npz(tmp_path / "b.npz", test=digits(10))
    assert list(load_dataset(path, train_on="all").splits) == ["test"]


def test_every_digit_is_validated_where_there_is_no_valid_split(tmp_path: Path) -> None:
    train = digits(120)
    by_digit = np.argsort(train.labels, kind="stable")  # as a folder of folders comes
    train = Split(train.images[by_digit], train.labels[by_digit])
    path = npz(tmp_path / "a.npz", train=train, test=digits(10))
    dataset = load_dataset(path)
    for name, count in (("train", 10), ("valid", 2)):
        assert np.bincount(dataset.splits[name].labels).tolist() == [count] * 10
    assert dataset.warnings == (
        f"{path}: has no validation split; a sixth of each digit's training images, 20 of 120, are "
        "taken for it, by the hash of the image",
    )


def test_which_images_are_validated_depends_on_nothing_but_themselves(tmp_path: Path) -> None:
    train = digits(90)
    twice = Split(np.repeat(train.images, 2, axis=0)[::-1], np.repeat(train.labels, 2)[::-1])
    once = load_dataset(npz(tmp_path / "a.npz", train=train)).splits
    again = load_dataset(npz(tmp_path / "b.npz", train=twice)).splits
    for name in ("train", "valid"):
        images = [{image.tobytes() for image in found[name].images} for found in (once, again)]
        assert images[0] == images[1]
        assert len(again[name]) == 2 * len(once[name])


def test_the_rule_of_earlier_versions_is_the_last_sixth(tmp_path: Path) -> None:
    train = digits(65)
    dataset = load_dataset(npz(tmp_path / "a.npz", train=train), validation="last")
    np.testing.assert_array_equal(dataset.splits["valid"].images, train.images[55:])
    np.testing.assert_array_equal(dataset.splits["train"].images, train.images[:55])
    assert ["the last 10 of its 65 training images" in line for line in dataset.warnings] == [True]
    with pytest.raises(ConfigError, match="validation = 'half': expected one of hash, last"):
        load_dataset(validation="half")


def test_mnist_in_its_own_order_is_divided_as_the_course_does(tmp_path: Path) -> None:
    mnist = load_dataset("mnist", train_on="all").splits["train"]
    dim = Split(mnist.images // 2, mnist.labels)
    dataset = load_dataset(npz(tmp_path / "a.npz", train=dim))
    np.testing.assert_array_equal(dataset.splits["valid"].images, dim.images[50_000:])
    assert ["the last 10,000 of its 60,000" in line for line in dataset.warnings] == [True]
    turned = Split(dim.images, np.roll(dim.labels, 1))
    others = load_dataset(npz(tmp_path / "b.npz", train=turned))
    assert ["a sixth of each digit's" in line for line in others.warnings] == [True]


def test_too_few_images_are_not_divided(tmp_path: Path) -> None:
    assert list(load_dataset(npz(tmp_path / "a.npz", train=digits(20))).splits) == ["train"]


def test_a_folder_in_a_folder_is_found(tmp_path: Path, write_idx: Callable[..., Path]) -> None:
    write_idx(digits(30))
    inner = tmp_path / "outer" / "MNIST" / "raw"
    inner.mkdir(parents=True)
    for file in tmp_path.glob("train-*"):
        file.rename(inner / file.name)
    (tmp_path / "outer" / "__MACOSX").mkdir()
    dataset = load_dataset(tmp_path / "outer")
    assert dataset.source == str(tmp_path / "outer")
    assert sum(len(split) for split in dataset.splits.values()) == 30


def test_of_two_folders_with_data_one_has_to_be_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "train" / "1").mkdir(parents=True)
    assert "holds a, b, each with data; name one of them" in refusal(tmp_path)


def test_a_relative_path_is_found_from_where_a_run_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npz(tmp_path / "a.npz", test=digits(10))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = load_dataset("a.npz", begun_in=tmp_path)
    assert (found.source, len(found.splits["test"])) == ("a.npz", 10)
    with pytest.raises(DataError) as error:
        load_dataset("b.npz", begun_in=tmp_path)
    assert f"neither in {tmp_path}/elsewhere nor in {tmp_path}, where the run" in str(error.value)


def test_several_sources_are_joined_split_by_split_in_order(
    tmp_path: Path, write_json: Callable[..., Path]
) -> None:
    first = npz(tmp_path / "a.npz", test=digits(10, 7))
    second = write_json(course_list(digits(20), digits(10, 1), digits(10, 2)))
    dataset = load_dataset([str(first), second])
    assert dataset.source == f"{first} + {second}"
    assert list(dataset.splits) == ["train", "valid", "test"]
    assert [len(split) for split in dataset.splits.values()] == [20, 10, 20]
    np.testing.assert_array_equal(dataset.splits["test"].images[:10], digits(10, 7).images)
    np.testing.assert_array_equal(dataset.splits["test"].images[10:], digits(10, 2).images)


def test_a_class_without_images_is_a_warning(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", test=without(digits(30), 4, 9))
    assert load_dataset(path).warnings == (f"{path}: no images in test of: 4, 9",)


def test_a_class_that_another_source_has_is_no_warning(tmp_path: Path) -> None:
    one = npz(tmp_path / "a.npz", test=without(digits(30), 4, 9))
    two = npz(tmp_path / "b.npz", test=without(digits(30), 1, 9))
    parts = [load_dataset(one), load_dataset(two)]
    expected = (f"{one} + {two}: no images in test of: 9",)
    assert join_datasets(parts).warnings == expected
    assert load_dataset([one, two]).warnings == expected


def test_the_source_is_named_as_the_user_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    npz(tmp_path / "a.npz", test=digits(10))
    assert load_dataset("./a.npz").source == "./a.npz"


@pytest.mark.parametrize("count", [10, 20])
def test_too_few_images_for_a_validation_split_are_said(count: int) -> None:
    split = digits(count)
    (warning,) = load_dataset((split.images, split.labels)).warnings
    assert warning.startswith("arrays: has no validation split, and fewer than 3 different images")
    assert load_dataset((split.images, split.labels), train_on="all").warnings == ()


def test_a_split_that_lacks_digits_is_said() -> None:
    split = digits(22)  # three of 0 and 1, two of the others
    dataset = load_dataset((split.images, split.labels))
    assert set(dataset.splits["valid"].labels.tolist()) == {0, 1}
    assert dataset.warnings[-1] == "arrays: no images in valid of: 2, 3, 4, 5, 6, 7, 8, 9"


def test_a_missing_or_unknown_source_lists_what_is_possible(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("1,2")
    for name, problem in (("none", "no such file or folder"), ("a.dat", "unknown kind")):
        message = refusal(tmp_path / name)
        assert f"{tmp_path / name}: {problem}" in message
        assert "IDX" in message
        assert ".npz" in message
        assert "\n" not in message


def test_a_folder_without_data_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "more").mkdir()
    message = refusal(tmp_path)
    assert "looked for IDX files (train-images-idx3-ubyte[.gz]" in message
    assert message.endswith("found more/, notes.txt")


def test_a_single_idx_file_points_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(b"x")
    assert "give the folder" in refusal(path)


def test_a_device_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    assert "unknown kind of source" in refusal(tmp_path / "pipe.npz")


def test_a_path_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load_dataset("a\0b")


def test_a_name_that_is_too_long_is_named() -> None:
    with pytest.raises(DataError, match=r"cannot be read: File name too long|no such file"):
        load_dataset("a" * 5000)


def test_a_file_without_permission_is_named(
    write_json: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json(course_list(digits(10)))

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert f"{path}: cannot be read: Permission denied" in refusal(path)


def test_a_folder_of_pictures_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train" / "1").mkdir(parents=True)
    inside = tmp_path / "train" / "1"
    listed = Path.iterdir

    def refuse(path: Path) -> object:
        if path == inside:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert f"{inside}: cannot be read: Permission denied" in refusal(tmp_path)


def test_other_values_of_train_on_and_no_source_are_named() -> None:
    with pytest.raises(ConfigError, match="train_on = 'test': expected one of train, all"):
        load_dataset(train_on="test")
    with pytest.raises(ConfigError, match="no data source"):
        load_dataset([])


def test_reading_ahead_gives_the_same_chunks_and_the_same_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 50_000)
    assert b"".join(read_ahead(chunks_of(path))) == path.read_bytes()
    with pytest.raises(DataError, match="more than the 9,000,000 bytes"):
        list(read_ahead(chunks_of(path, 9_000_000)))


@pytest.mark.process
def test_loading_imports_neither_torch_nor_opencv_nor_pillow() -> None:
    code = (
        "import sys, digitlab.data; digitlab.data.load_dataset();"
        "print([name for name in ('torch', 'cv2', 'PIL', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
