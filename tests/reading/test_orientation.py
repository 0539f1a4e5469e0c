"""Digits that lie on their sides are noticed, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digitlab.data import Dataset, Split, load_dataset
from digitlab.reading.orientation import lying_warning, seem_to_lie


def test_digits_that_lie_are_noticed() -> None:
    test = load_dataset("mnist").splits["test"]
    few = slice(0, 12)
    assert not seem_to_lie(test.images)
    assert not seem_to_lie(test.images[few])
    assert seem_to_lie(test.images.transpose(0, 2, 1))
    assert seem_to_lie(test.images[few].transpose(0, 2, 1))
    lying = Split(test.images[few].transpose(0, 2, 1), test.labels[few])
    line = lying_warning(Dataset("mine", {"train": lying}))
    assert line is not None
    assert line.startswith("mine: the digits seem to lie on their sides")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("arrays", ["images.transpose(0, 2, 1)"]),
        ("memory:mine", ["images.transpose(0, 2, 1)"]),
        ("mine.npz", ["images.transpose(0, 2, 1)"]),
        ("idx:letters", ["emnist:FOLDER"]),
        ("letters", ["emnist:FOLDER"]),
        ("pictures", ["Image.Transpose.TRANSPOSE"]),
        ("letters + mine.npz + arrays", ["emnist:FOLDER", "images.transpose(0, 2, 1)"]),
    ],
)
def test_the_advice_is_that_of_the_sources_kind(source: str, words: list[str]) -> None:
    Path("letters/inner").mkdir(parents=True)
    Path("letters/inner/train-images-idx3-ubyte").touch()
    Path("pictures/train/3").mkdir(parents=True)
    test = load_dataset("mnist").splits["test"]
    lying = Split(test.images[:12].transpose(0, 2, 1), test.labels[:12])
    line = lying_warning(Dataset(source, {"train": lying})) or ""
    every = ["images.transpose(0, 2, 1)", "emnist:FOLDER", "Image.Transpose.TRANSPOSE"]
    assert [one for one in every if one in line] == [one for one in every if one in words]
    assert "\n" not in line


def test_what_is_no_digit_is_not_complained_about() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (100, 28, 28), dtype=np.uint8)
    assert not seem_to_lie(noise)
    assert not seem_to_lie(np.zeros((3, 28, 28), np.uint8))
    assert lying_warning(Dataset("none", {})) is None
