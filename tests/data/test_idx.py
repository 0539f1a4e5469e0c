"""IDX folders: every family's names and storage, and one line for every way to be malformed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from samples import digits, idx_bytes, mutated, refusal

from digitlab.data import load_dataset
from digitlab.data.idx import load_idx_folder, read_idx
from digitlab.errors import DataError

WriteIdx = Callable[..., Path]


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_names_of_mnist_are_found_with_and_without_gzip_and_dot(
    write_idx: WriteIdx, dot: str, suffix: str
) -> None:
    train, test = digits(20), digits(10, seed=1)
    for split, part in ((train, "train"), (test, "t10k")):
        folder = write_idx(
            split,
            f"{part}-images{dot}idx3-ubyte{suffix}",
            f"{part}-labels{dot}idx1-ubyte{suffix}",
        )
    dataset = load_idx_folder(folder)
    assert list(dataset.splits) == ["train", "test"]
    np.testing.assert_array_equal(dataset.splits["train"].images, train.images)
    np.testing.assert_array_equal(dataset.splits["test"].images, test.images)
    np.testing.assert_array_equal(dataset.splits["test"].labels, test.labels)
    assert dataset.splits["test"].labels.dtype == np.int64


def test_gzip_is_known_by_its_bytes_and_not_by_its_name(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20))
    (folder / "train-images-idx3-ubyte.gz").rename(folder / "train-images-idx3-ubyte")
    assert len(load_idx_folder(folder).splits["train"]) == 20


def test_emnist_is_transposed_back(write_idx: WriteIdx) -> None:
    split = digits(20)
    folder = write_idx(
        split,
        "emnist-digits-train-images-idx3-ubyte.gz",
        "emnist-digits-train-labels-idx1-ubyte.gz",
    )
    found = load_idx_folder(folder).splits["train"].images
    np.testing.assert_array_equal(found, split.images.transpose(0, 2, 1))
    assert found.flags.c_contiguous


def test_the_digit_is_the_first_column_of_qmnist_labels(write_idx: WriteIdx) -> None:
    split = digits(20)
    folder = write_idx(split, "qmnist-test-images-idx3-ubyte.gz", "unused")
    labels = np.full((20, 8), 77, ">i4")
    labels[:, 0] = split.labels
    (folder / "qmnist-test-labels-idx2-int.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    found = load_idx_folder(folder).splits
    assert list(found) == ["test"]
    np.testing.assert_array_equal(found["test"].labels, split.labels)


def test_qmnist_labels_without_columns_are_named(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20), "qmnist-test-images-idx3-ubyte.gz", "unused")
    path = folder / "qmnist-test-labels-idx2-int"
    path.write_bytes(idx_bytes(np.zeros((20, 0), ">i4")))
    with pytest.raises(DataError, match=r"idx2-int: labels of type >i4 and shape \[20, 0\]"):
        load_idx_folder(folder)


def test_of_several_families_one_is_read_and_the_others_are_named(write_idx: WriteIdx) -> None:
    write_idx(
        digits(20), "emnist-mnist-test-images-idx3-ubyte", "emnist-mnist-test-labels-idx1-ubyte"
    )
    folder = write_idx(
        digits(30), "emnist-digits-test-images-idx3-ubyte", "emnist-digits-test-labels-idx1-ubyte"
    )
    dataset = load_idx_folder(folder)
    assert len(dataset.splits["test"]) == 30
    assert any("EMNIST mnist" in warning for warning in dataset.warnings)


def test_a_truncated_gzip_is_named_in_one_line(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20))
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError) as error:
        load_dataset(folder)
    assert f"{path}: truncated gzip" in one_line(error)


def test_a_damaged_gzip_is_named_in_one_line(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20))
    path = folder / "train-images-idx3-ubyte.gz"
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # in the sum of its bytes
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        load_dataset(folder)
    assert f"{path}: damaged gzip" in one_line(error)


@pytest.mark.parametrize(
    ("magic", "message"),
    [
        (b"\x01\x00\x08\x03", "0x01000803"),
        (b"\x00\x00\x07\x03", "0x00000703"),
        (b"\x00\x00\x08\x00", "0x00000800"),
        (b"\x00\x00\x08\xff", "0x000008ff"),
        (b"\x00\x00\x08\x01", "0x00000801 (uint8, 1 dimension); expected 0x00000803 (uint8, 3"),
        (b"GIF8", "0x47494638"),
    ],
)
def test_a_wrong_magic_number_is_shown(write_idx: WriteIdx, magic: bytes, message: str) -> None:
    folder = write_idx(digits(20), "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    path = folder / "train-images-idx3-ubyte"
    data = magic + path.read_bytes()[4:]
    if magic == b"\x00\x00\x08\x01":
        data = idx_bytes(np.zeros(20, np.uint8))
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        load_dataset(folder)
    assert f"{path}: wrong magic number {message}" in one_line(error)


def test_labels_of_another_type_are_named(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20), "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    path = folder / "train-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(np.zeros(20, ">i4")))
    with pytest.raises(DataError, match=r"0x00000c01 \(int32, 1 dimension\); expected 0x00000801"):
        load_dataset(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: data[:3], "ends in its header, after 3 bytes"),
        (lambda data: data[:11], "ends in its header, after 11 bytes"),
        (lambda data: data[:-1], "15,680 bytes, but only 15,679 are there"),
        (lambda data: data + b"\0", "trailing bytes follow"),
        (lambda data: data[:7] + b"\0" + data[8:], "trailing bytes follow"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_missing_and_trailing_bytes_are_named(
    write_idx: WriteIdx,
    change: Callable[[bytes], bytes],
    message: str,
    pack: Callable[[bytes], bytes],
) -> None:
    folder = write_idx(digits(20), "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(pack(change(path.read_bytes())))
    with pytest.raises(DataError) as error:
        load_dataset(folder)
    assert str(path) in one_line(error)
    assert message in one_line(error)


def test_counts_that_differ_are_named(write_idx: WriteIdx, tmp_path: Path) -> None:
    folder = write_idx(digits(20), "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(DataError, match="19 labels for the 20 images"):
        load_dataset(tmp_path)


def test_a_label_out_of_range_is_named(write_idx: WriteIdx) -> None:
    split = digits(20)
    split.labels[7] = 10
    with pytest.raises(DataError, match="label 7 is 10; expected an integer from 0 to 9"):
        load_dataset(write_idx(split))


def test_images_of_another_size_are_named(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20))
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(idx_bytes(np.zeros((20, 32, 30), np.uint8)))
    with pytest.raises(DataError, match="images of 32 x 30; expected 28 x 28"):
        load_dataset(folder)


def test_no_images_are_an_error(write_idx: WriteIdx) -> None:
    with pytest.raises(DataError, match="holds no images"):
        load_dataset(write_idx(digits(0)))


def test_a_missing_partner_is_named(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20))
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\[\.gz\] is missing"):
        load_dataset(folder)


def test_other_words_for_splits_are_known_and_the_rest_is_named(
    tmp_path: Path, write_idx: WriteIdx
) -> None:
    splits = {"training": digits(20), "val": digits(10, 1), "test": digits(10, 2)}
    for part, split in splits.items():
        write_idx(split, f"{part}-images.idx3-ubyte", f"{part}-labels-idx1-ubyte.gz")
    (tmp_path / "readme.txt").touch()
    dataset = load_dataset(tmp_path)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 20, "valid": 10, "test": 10
    }  # fmt: skip
    np.testing.assert_array_equal(dataset.splits["valid"].images, splits["val"].images)
    assert dataset.warnings == (f"{tmp_path}: passed over: readme.txt",)


def test_a_file_may_lie_in_a_folder_of_its_own_name(tmp_path: Path, write_idx: WriteIdx) -> None:
    """As in Kaggle's archive of MNIST, where files with a dot lie beside them."""
    write_idx(digits(30), "train-images-idx3-ubyte", "train-labels.idx1-ubyte")
    file = (tmp_path / "train-images-idx3-ubyte").rename(tmp_path / "file")
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    file.rename(tmp_path / "train-images-idx3-ubyte" / "train-images-idx3-ubyte")
    assert sum(map(len, load_dataset(tmp_path).splits.values())) == 30
    (tmp_path / "train-images-idx3-ubyte" / "train-images-idx3-ubyte").unlink()
    assert "train-images-idx3-ubyte: is a folder; expected one IDX file" in refusal(tmp_path)


def test_orientation_is_said_and_can_be_forced(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(
        digits(10), "emnist-digits-test-images-idx3-ubyte", "emnist-digits-test-labels-idx1-ubyte"
    )
    turned, stored = load_dataset(tmp_path), load_dataset(f"idx:{tmp_path}")
    assert ["were turned upright" in line for line in turned.warnings] == [True]
    assert stored.warnings == ()
    np.testing.assert_array_equal(stored.splits["test"].images, digits(10).images)
    np.testing.assert_array_equal(
        turned.splits["test"].images, digits(10).images.transpose(0, 2, 1)
    )
    for name in tmp_path.glob("emnist-*"):
        name.rename(tmp_path / name.name.removeprefix("emnist-digits-"))
    forced = load_dataset(f"emnist:{tmp_path}")
    np.testing.assert_array_equal(forced.splits["test"].images, turned.splits["test"].images)
    assert forced.source == f"emnist:{tmp_path}"
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_dataset("idx:nowhere")


def test_a_gzip_that_inflates_past_the_limit_is_refused(write_idx: WriteIdx) -> None:
    folder = write_idx(digits(20))
    path = folder / "train-images-idx3-ubyte.gz"
    with pytest.raises(DataError, match="more than the 15,000 bytes") as error:
        load_dataset(folder, max_bytes=15_000)
    assert "max_bytes=" in one_line(error)
    assert str(path) in one_line(error)


def test_a_header_that_claims_too_much_is_refused_before_room_is_made(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x08\x04" + b"\xff" * 16)
    with pytest.raises(DataError, match="more than the 4,294,967,296 bytes"):
        read_idx(path)


def test_a_gzip_of_several_members_and_padding_is_read(tmp_path: Path) -> None:
    array = np.arange(10, dtype=np.uint8)
    data = idx_bytes(array)
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(data[:9]) + b"\0" + gzip.compress(data[9:]) + bytes(99))
    np.testing.assert_array_equal(read_idx(path), array)
    path.write_bytes(gzip.compress(data) + b"junk")
    with pytest.raises(DataError, match="follows the end of its gzip data"):
        read_idx(path)


def test_a_member_may_begin_where_a_read_ends(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, 500_000, dtype=np.uint8)
    data = idx_bytes(array)
    path = tmp_path / "values"
    for padding in range(4):
        # Stored blocks have a known length: the first member ends just before 2^18 bytes.
        first = gzip.compress(data[: (1 << 18) - 50], 0)
        gap = bytes((1 << 18) - len(first) - padding)
        path.write_bytes(first + gap + gzip.compress(data[(1 << 18) - 50 :], 0))
        np.testing.assert_array_equal(read_idx(path), array)


@settings(deadline=None)
@given(
    st.sampled_from(["u1", "i1", ">i2", ">i4", ">f4", ">f8"]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(max_dims=4, max_side=6))
    ),
    st.booleans(),
)
def test_any_idx_array_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, packed: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "array"
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data) if packed else data)
    found = read_idx(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@settings(deadline=None)
@given(st.data())
def test_a_mutated_folder_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("idx")
    split = digits(10)
    packed = data.draw(st.booleans())
    target = data.draw(st.sampled_from(["images-idx3", "labels-idx1"]))
    arrays_of = {"images-idx3": split.images, "labels-idx1": split.labels.astype(np.uint8)}
    for name, array in arrays_of.items():
        content = idx_bytes(array)
        content = gzip.compress(content, 1) if packed else content
        if name == target:
            content = mutated(content, data)
        (folder / f"train-{name}-ubyte").write_bytes(content)
    message = refusal(folder)
    assert "\n" not in message
    assert message == "" or str(folder) in message
