"""Folders of pictures: which become which split, what is taken as it is, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import refusal

from digitlab.data import Dataset, load_dataset
from digitlab.data.picture_folder import is_picture_folder


def glyph(ink: int) -> np.ndarray:
    """Return a 28 x 28 image with a black border."""
    image = np.zeros((28, 28), np.uint8)
    image[6:22, 12:16] = ink
    image[6:9, 8:16] = ink
    return image


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def images_of(dataset: Dataset) -> dict[str, set[bytes]]:
    return {
        name: {image.tobytes() for image in split.images} for name, split in dataset.splits.items()
    }


def test_folders_of_splits_and_digits_are_read_in_order(tmp_path: Path) -> None:
    for split, first in (("train", 10), ("valid", 100), ("test", 200)):
        for digit in (3, 1):
            for at in range(2):
                save(tmp_path / split / str(digit) / f"{at}.png", glyph(first + 10 * digit + at))
    dataset = load_dataset(tmp_path)
    assert list(dataset.splits) == ["train", "valid", "test"]
    train = dataset.splits["train"]
    assert train.images.max(axis=(1, 2)).tolist() == [20, 21, 40, 41]
    assert train.labels.tolist() == [1, 1, 3, 3]
    assert len(dataset.warnings) == 3  # classes without images, a line a split


def test_without_splits_each_digit_is_divided_80_10_10(tmp_path: Path) -> None:
    for digit in range(10):
        for at in range(20 if digit else 3):
            save(tmp_path / str(digit) / f"{at}.png", glyph(40 + 20 * digit + at))
    dataset = load_dataset(tmp_path)
    counts = {name: np.bincount(split.labels).tolist() for name, split in dataset.splits.items()}
    assert counts == {"train": [1] + [16] * 9, "valid": [1] + [2] * 9, "test": [1] + [2] * 9}
    assert ["80/10/10" in warning for warning in dataset.warnings] == [True]


def test_the_division_follows_what_files_hold_and_not_their_names(tmp_path: Path) -> None:
    for at in range(20):
        save(tmp_path / "one" / "7" / f"{at}.png", glyph(40 + at))
        save(tmp_path / "two" / "7" / f"{20 - at}.png", glyph(40 + at))
        save(tmp_path / "two" / "7" / f"again {at}.png", glyph(40 + at))
    one, two = images_of(load_dataset(tmp_path / "one")), images_of(load_dataset(tmp_path / "two"))
    assert one == two
    assert not two["train"] & two["test"]
    assert not two["train"] & two["valid"]


def test_two_pictures_of_a_digit_are_both_for_training(tmp_path: Path) -> None:
    for at in range(2):
        save(tmp_path / "7" / f"{at}.png", glyph(40 + at))
    assert {name: len(split) for name, split in load_dataset(tmp_path).splits.items()} == {
        "train": 2
    }
    undivided, no_validation, *_ = load_dataset(tmp_path).warnings
    assert "each digit has fewer than 3 different pictures, so that all are to learn" in undivided
    assert "has no validation split, and fewer than 3 different images" in no_validation
    assert "80/10/10" not in undivided


def test_grey_28_by_28_with_a_black_border_is_taken_as_it_is(tmp_path: Path) -> None:
    image = glyph(200)
    save(tmp_path / "train" / "1" / "grey.png", image)
    save(tmp_path / "train" / "1" / "rgb.png", np.dstack([image] * 3))
    for found in load_dataset(tmp_path).splits["train"].images:
        np.testing.assert_array_equal(found, image)


def test_any_other_picture_is_prepared(tmp_path: Path) -> None:
    large = np.kron(255 - glyph(255), np.ones((5, 5), np.uint8))
    save(tmp_path / "train" / "1" / "dark on light, large.png", large)
    save(tmp_path / "train" / "1" / "dark on light, small.png", 255 - glyph(255))
    coloured = np.dstack([glyph(0), glyph(255), glyph(255)])
    save(tmp_path / "train" / "1" / "coloured.png", coloured)
    for found in load_dataset(tmp_path).splits["train"].images:
        assert found.shape == (28, 28)
        assert not found[0].any()
        assert found[10:18, 10:18].max() > 200
        assert found.mean() < 100


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_picture_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    save(tmp_path / "train" / "1" / "a.png", glyph(200))
    path = tmp_path / "train" / "1" / "b.png"
    path.write_bytes(content)
    message = refusal(tmp_path)
    assert f"{path} is " in message
    assert "\n" not in message


def test_a_blank_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train" / "1" / "a.png"
    save(path, np.full((40, 40), 255, np.uint8))
    assert f"{path} is blank" in refusal(tmp_path)


def test_what_file_managers_leave_behind_is_ignored(tmp_path: Path) -> None:
    save(tmp_path / "train" / "1" / "a.png", glyph(200))
    for name in ("train/1/.DS_Store", "train/1/Thumbs.db", "train/read me.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "train" / ".cache").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    dataset = load_dataset(tmp_path)
    assert len(dataset.splits["train"]) == 1
    assert [line for line in dataset.warnings if "passed over" in line] == [
        f"{tmp_path}: passed over: train/read me.txt"
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("training/3/a.png", "testing/3/b.png", "val/3/c.png"),
        ("Train/three/a.png", "TEST/Three/b.png", "Validation/THREE/c.png"),
        ("train/03/a.png", "test/03/b.png", "dev/03/c.png"),
        ("train/class_3/a.png", "test/class 3/b.png", "valid/class-3/c.png"),
        ("train/3_0001.png", "test/3-0002.png", "valid/3_x.PNG"),
        ("digits/train/3/a.png", "digits/test/3/b.png", "digits/valid/3/c.png"),
        ("train/三/a.png", "test/三/b.png", "valid/三/c.png"),
    ],
    ids=lambda names: names[0].partition(".")[0],
)
def test_the_names_that_people_give_are_known(tmp_path: Path, names: tuple[str, ...]) -> None:
    for at, name in enumerate(names):
        save(tmp_path / name, glyph(100 + at))
    dataset = load_dataset(tmp_path)
    found = {name: split.images.max() for name, split in dataset.splits.items()}
    assert found == {"train": 100, "valid": 102, "test": 101}
    assert {int(label) for split in dataset.splits.values() for label in split.labels} == {3}


def test_pictures_may_lie_flat_and_what_is_none_is_named(tmp_path: Path) -> None:
    for digit in range(10):
        for at in range(10):
            save(tmp_path / f"{digit}_{at:04}.png", glyph(40 + 20 * digit + at))
    save(tmp_path / "sheet.png", glyph(9))
    (tmp_path / "labels.csv").touch()
    dataset = load_dataset(tmp_path)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 80, "valid": 10, "test": 10
    }  # fmt: skip
    assert f"{tmp_path}: passed over: labels.csv, sheet.png" in dataset.warnings


def test_a_split_that_is_there_twice_is_named(tmp_path: Path) -> None:
    for name in ("val", "valid"):
        save(tmp_path / name / "1" / "a.png", glyph(200))
    assert f"{tmp_path}/valid: is valid again, beside val; keep one" in refusal(tmp_path)


def test_what_was_found_is_said_where_nothing_fits(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name in ("img001.png", "img002.png"):
        save(tmp_path / "train" / name, glyph(200))
    message = refusal(tmp_path)
    assert "holds no pictures; expected files such as" in message
    assert message.endswith("found train/img001.png, train/img002.png")


def test_numbers_that_are_no_digit_are_none(tmp_path: Path) -> None:
    save(tmp_path / "train" / "10" / "a.png", glyph(200))
    assert "train/10: no digit" in refusal(tmp_path)


def test_a_folder_that_is_no_digit_is_named(tmp_path: Path) -> None:
    save(tmp_path / "train" / "A" / "a.png", glyph(200))
    assert f"{tmp_path}/train/A: no digit; expected folders named 0 to 9" in refusal(tmp_path)


def test_a_folder_among_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "train" / "1" / "more").mkdir(parents=True)
    assert "train/1/more: is no picture" in refusal(tmp_path)


def test_no_pictures_at_all_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "train" / "1").mkdir(parents=True)
    assert f"{tmp_path}: holds no pictures" in refusal(tmp_path)


def test_pages_that_are_not_read_are_a_warning_of_the_dataset(tmp_path: Path) -> None:
    for digit in range(3):
        save(tmp_path / "train" / str(digit) / "a.png", glyph(200))
    path = tmp_path / "train" / "3" / "a.tif"
    path.parent.mkdir()
    pages = [Image.fromarray(glyph(ink)) for ink in (90, 200)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    dataset = load_dataset(tmp_path)
    assert f"{path}: page 1 of 2 is read, the others are not" in dataset.warnings
    assert dataset.splits["train"].images[3].max() == 90


@pytest.mark.parametrize("suffix", [".avif", ".webp", ".heic", ".JPG"])
def test_flat_pictures_of_any_format_that_is_read_are_known(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"7_a{suffix}").write_bytes(b"")
    assert is_picture_folder(tmp_path)
    (tmp_path / f"7_a{suffix}").rename(tmp_path / "7_a.txt")
    assert not is_picture_folder(tmp_path)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("trainingSet", "testSet"),
        ("TrainSet", "TestSet"),
        ("train_set", "test_set"),
        ("train-images", "test-images"),
        ("Training Data", "testdata"),
    ],
)
def test_folders_of_splits_may_say_what_they_hold(tmp_path: Path, train: str, test: str) -> None:
    for at in range(3):
        save(tmp_path / train / "4" / f"{at}.png", glyph(100 + at))
        save(tmp_path / test / "4" / f"{at}.png", glyph(200 + at))
    dataset = load_dataset(tmp_path)
    assert len(dataset.splits["train"]) + len(dataset.splits["valid"]) == 3
    assert dataset.splits["test"].images.max(axis=(1, 2)).tolist() == [200, 201, 202]


@pytest.mark.parametrize("deeper", [False, True])
def test_a_split_without_labels_is_named_and_passed_over(tmp_path: Path, deeper: bool) -> None:
    def place(name: str) -> Path:  # as archives unpack: a folder in a folder of its own name
        return tmp_path / name / name if deeper else tmp_path / name

    for at in range(6):
        save(place("trainingSet") / "4" / f"img_{at}.png", glyph(100 + at))
        save(place("trainingSample") / "4" / f"img_{at}.png", glyph(100 + at))
        save(place("testSet") / f"img_{at}.png", glyph(200 + at))
    dataset = load_dataset(tmp_path)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 5, "valid": 1}
    assert f"{tmp_path}: passed over: trainingSample, testSet" in dataset.warnings
