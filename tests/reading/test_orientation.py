"""Digits that lie on their sides are noticed, and nothing else is."""

from __future__ import annotations

import numpy as np

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


def test_what_is_no_digit_is_not_complained_about() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (100, 28, 28), dtype=np.uint8)
    assert not seem_to_lie(noise)
    assert not seem_to_lie(np.zeros((3, 28, 28), np.uint8))
    assert lying_warning(Dataset("none", {})) is None
