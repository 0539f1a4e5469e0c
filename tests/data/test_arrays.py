"""The .npz files of ours and of Keras: what is read, and what is refused before it is inflated."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import digits, mutated, refusal

from digitlab.data import Dataset, load_dataset, save_npz
from digitlab.data.arrays import load_npz
from digitlab.errors import DataError

SPLIT = digits(20)


def written(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "digits.npz"
    np.savez_compressed(path, **arrays)
    return path


def with_member(tmp_path: Path, content: bytes, name: str = "train_images.npy") -> Path:
    """Return an .npz in which one array is replaced by any bytes."""
    path = tmp_path / "digits.npz"
    labels = io.BytesIO()
    np.save(labels, SPLIT.labels)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        archive.writestr("train_labels.npy", labels.getvalue())
    return path


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def test_a_dataset_is_read_as_it_was_saved(tmp_path: Path) -> None:
    saved = Dataset("ours", {"train": SPLIT, "valid": digits(10, 1), "test": digits(10, 2)})
    save_npz(saved, tmp_path / "ours.npz")
    found = load_dataset(tmp_path / "ours.npz")
    assert found.sha256() == saved.sha256()
    assert found.warnings == ()


def test_a_name_that_is_no_npz_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    saved = Dataset("ours", {"train": SPLIT})
    with pytest.raises(DataError, match=r"digits: expected a name that ends with \.npz"):
        save_npz(saved, tmp_path / "digits")
    with pytest.raises(DataError, match="cannot be written: No such file"):
        save_npz(saved, tmp_path / "missing" / "digits.npz")


def test_the_file_of_keras_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        x_train=SPLIT.images,
        y_train=SPLIT.labels.astype(np.uint8),
        x_test=SPLIT.images[:10],
        y_test=SPLIT.labels[:10].astype(np.uint8),
    )
    found = load_npz(path).splits
    assert list(found) == ["train", "test"]
    np.testing.assert_array_equal(found["train"].images, SPLIT.images)
    assert found["test"].labels.dtype == np.int64


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "u2", "i8"])
@pytest.mark.parametrize("shape", [(20, 28, 28), (20, 784), (20, 28, 28, 1), (20, 1, 28, 28)])
def test_floats_to_one_and_integers_to_255_give_the_same_pixels(
    tmp_path: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    images = SPLIT.images / 255 if "f" in dtype else SPLIT.images
    path = written(
        tmp_path,
        train_images=images.astype(dtype).reshape(shape),
        train_labels=SPLIT.labels[:, None].astype(np.int8),
    )
    np.testing.assert_array_equal(load_npz(path).splits["train"].images, SPLIT.images)


def test_arrays_by_column_and_of_every_version_are_read(tmp_path: Path) -> None:
    for version in ((1, 0), (2, 0)):
        path = with_member(tmp_path, npy(np.asfortranarray(SPLIT.images), version))
        found = load_npz(path).splits["train"].images
        np.testing.assert_array_equal(found, SPLIT.images)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (SPLIT.images[:19], SPLIT.labels, "20 labels for the 19 images"),
        (SPLIT.images[:, :27], SPLIT.labels, "images of 27 x 28; expected 28 x 28"),
        (SPLIT.images[:, 0, 0], SPLIT.labels, r"shape \[20\]; expected \[N, 28, 28\]"),
        (SPLIT.images[:0], SPLIT.labels[:0], "holds no images"),
        (SPLIT.images * 1.0, SPLIT.labels, "values from 0 to 255; expected integers 0..255 or"),
        (SPLIT.images - 1.0, SPLIT.labels, "values from -1 to 254"),
        (SPLIT.images.astype(int) + 1, SPLIT.labels, "values from 1 to 256"),
        (np.where(SPLIT.images > 9, np.nan, 0), SPLIT.labels, "that are NaN .* or infinite"),
        (np.where(SPLIT.images > 9, np.inf, 0), SPLIT.labels, "that are NaN .* or infinite"),
        (SPLIT.images * 1j, SPLIT.labels, "complex128 .* expected an array of numbers"),
        (SPLIT.images.astype(object), SPLIT.labels, "expected an array of numbers"),
        (np.float64(3), SPLIT.labels, "expected an array of numbers"),
        (SPLIT.images, SPLIT.labels + 1, "label 9 is 10; expected an integer from 0 to 9"),
        (SPLIT.images, SPLIT.labels - 1, "label 0 is -1"),
        (SPLIT.images, SPLIT.labels * 0.5, r"label 1 is 0\.5; expected an integer from 0 to 9"),
        (SPLIT.images, SPLIT.labels.astype(str), r"save labels\.astype\(int\)"),
        (SPLIT.images, np.eye(11, dtype=int)[SPLIT.labels], r"shape \[20, 11\]"),
    ],
)
def test_a_wrong_array_is_named_with_its_key(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, message: str
) -> None:
    path = written(tmp_path, train_images=images, train_labels=labels)
    with pytest.raises(DataError, match=message) as error:
        load_npz(path)
    assert f"{path}: train_" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path = written(tmp_path, train_images=np.array([Trap()]), train_labels=SPLIT.labels)
    (tmp_path / "sprung").unlink(missing_ok=True)
    assert "expected an array of numbers" in refusal(path)
    assert not (tmp_path / "sprung").exists()


def test_unknown_and_missing_keys_are_named(tmp_path: Path) -> None:
    assert "unknown keys (a, b); expected train_images" in refusal(written(tmp_path, b=1, a=2))
    only = written(tmp_path, train_images=SPLIT.images)
    assert "the key train_labels is missing" in refusal(only)


def test_a_bomb_is_refused_by_its_directory(tmp_path: Path) -> None:
    path = with_member(tmp_path, bytes(8_000_000))
    assert path.stat().st_size < 20_000
    assert "more than the 1,000,000 bytes" in refusal(path, max_bytes=1_000_000)


def test_a_header_that_claims_too_much_is_refused_before_room_is_made(tmp_path: Path) -> None:
    header = npy(np.zeros((20, 28, 28), np.uint8)).replace(b"(20, 28, 28), }", b"(9**9,28,28)  }")
    assert "damaged" in refusal(with_member(tmp_path, header))
    header = npy(np.zeros((20, 28, 28), np.uint8)).replace(b"(20, 28, 28)", b"(2099999,28)")
    assert "more than the 4,194,304 bytes" in refusal(with_member(tmp_path, header))


def test_a_directory_that_lies_about_sizes_is_refused(tmp_path: Path) -> None:
    path = with_member(tmp_path, npy(SPLIT.images))
    size = len(npy(SPLIT.images)).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (9000).to_bytes(4, "little")))
    assert "train_images: damaged: Bad CRC-32" in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(SPLIT.images)[:-5], "its header says 15,680 bytes, but only 15,675 are there"),
        (npy(SPLIT.images) + b"\0", "its header says 15,680 bytes, but trailing bytes follow"),
        (npy(SPLIT.images)[:40], "damaged"),
        (b"", "damaged"),
        (npy(SPLIT.images).replace(b"(20, 28", b"(-2, 28"), "expected no negative sizes"),
    ],
)
def test_a_damaged_array_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = with_member(tmp_path, content)
    found = refusal(path)
    assert f"{path}: train_images: " in found
    assert message in found
    assert "\n" not in found


def test_a_file_that_is_no_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    for content in (b"", b"no zip", written(tmp_path, x_train=SPLIT.images).read_bytes()[:-9]):
        path.write_bytes(content)
        assert f"{path}: no .npz file" in refusal(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_npz(tmp_path)


@settings(deadline=None)
@given(st.data())
def test_a_mutated_npz_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = io.BytesIO()
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(file, train_images=SPLIT.images[:2] // 64 * 64, train_labels=SPLIT.labels[:2])
    content = file.getvalue()
    at = data.draw(st.integers(0, len(content) - 41))
    path = tmp_path_factory.mktemp("npz") / "digits.npz"
    path.write_bytes(content[:at] + mutated(content[at:], data))
    message = refusal(path)
    assert "\n" not in message
    assert message == "" or str(path) in message


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "dev"])
@pytest.mark.parametrize("form", ["{}_images {}_labels", "x_{} y_{}", "X_{} Y_{}"])
def test_a_validation_split_of_the_users_own_is_taken(
    tmp_path: Path, valid: str, form: str
) -> None:
    parts = {"train": digits(20), valid: digits(10, 1), "test": digits(10, 2)}
    arrays: dict[str, np.ndarray] = {"extra": np.zeros(3), "notes": np.zeros(2)}
    for name, split in parts.items():
        images, labels = form.replace("{}", name).split()
        arrays[images], arrays[labels] = split.images, split.labels
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    dataset = load_dataset(path)
    np.testing.assert_array_equal(dataset.splits["valid"].images, parts[valid].images)
    assert len(dataset.splits["train"]) == 20
    assert dataset.warnings == (f"{path}: passed over: extra, notes",)


def test_images_in_colour_are_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x_train=np.zeros((5, 28, 28, 3), np.uint8), y_train=np.zeros(5, np.int64))
    with pytest.raises(DataError, match=r"in colour, 28 x 28 x 3; expected grey: take images.mean"):
        load_dataset(path)
