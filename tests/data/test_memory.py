"""Data that a program has in memory are the dataset that a file of them would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from samples import digits

from digitlab import Dataset, Split, load_dataset
from digitlab.data import save_npz
from digitlab.errors import DataError

TRAIN, VALID, TEST = digits(30), digits(10, 1), digits(10, 2)


def pair(split: Split) -> tuple[Any, Any]:
    return split.images, split.labels


def test_datasets_and_pairs_are_loaded_as_their_file_is() -> None:
    made = Dataset("mine", {"train": TRAIN, "valid": VALID, "test": TEST})
    assert load_dataset(made) == made
    three = load_dataset((pair(TRAIN), pair(VALID), pair(TEST)))
    assert three == made
    assert three.source == "arrays"
    save_npz(Dataset("made", {"train": TRAIN, "test": TEST}), "made.npz")
    of_file = load_dataset("made.npz")  # a sixth of the training images is for validation
    assert load_dataset((pair(TRAIN), pair(TEST))) == of_file
    assert load_dataset(Dataset("mine", {"train": TRAIN, "test": TEST})) == of_file
    assert set(load_dataset(pair(TRAIN)).splits) == {"train", "valid"}
    assert len(load_dataset(pair(TRAIN), train_on="all").splits["train"]) == 30
    joined = load_dataset([made, Path("made.npz"), pair(TRAIN)])
    assert joined.source == "mine + made.npz + arrays"
    assert len(joined.splits["train"]) == 30 + 2 * len(of_file.splits["train"])


def test_arrays_of_every_kind_are_the_same_images() -> None:
    expected = load_dataset(pair(TRAIN))
    images, labels = pair(TRAIN)
    alike: list[Any] = [
        (images / 255, labels),
        (images.reshape(-1, 784).astype(np.int64), labels.astype(np.uint8)),
        (torch.tensor(images)[:, None] / 255, torch.tensor(labels)),
        (images[..., None], labels.tolist()),
        (images.tolist(), labels.tolist()),
        [images, labels],
        (list(images), labels[:, None]),
        (images, labels * 1.0),
        (images, (labels * 1.0).tolist()),
        (images, labels.astype(str)),
        (images, labels.astype(str).tolist()),
        (list(images), list(map(str, labels))),
        (images, [str(label).encode() for label in labels]),
        (images, labels.astype(str).astype(object)),  # as fetch_openml has them
        (images, [f"{label}.0" for label in labels]),
        (images, np.eye(10)[labels]),
        (images, np.eye(10, dtype=bool)[labels]),
        (images.tolist(), np.eye(10, dtype=int)[labels].tolist()),
        (images, list(torch.eye(10)[labels])),
        (torch.tensor(images), list(torch.tensor(labels))),
    ]
    for data in alike:
        assert load_dataset(data) == expected
        assert load_dataset((data, data)).splits["test"] == Split(images, labels)
    inked = load_dataset((images > 127, labels)).splits["train"].images
    assert set(np.unique(inked).tolist()) == {0, 255}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((TRAIN.images, TRAIN.labels[:-1]), "29 labels for the 30 images"),
        ((TRAIN.images, TRAIN.labels + 1), "expected an integer from 0 to 9"),
        ((TRAIN.images, TRAIN.labels / 2), r"label 1 is 0\.5; expected an integer from 0 to 9"),
        ((TRAIN.images, TRAIN.labels > 4), "labels of type bool"),
        ((TRAIN.images, ["one"] * 30), "label 0 is 'one'; expected an integer from 0 to 9"),
        ((TRAIN.images, ["3", "nan"] * 15), "label 1 is 'nan'; expected"),
        ((TRAIN.images, np.array([3, None] * 15, object)), "label 1 is None; expected"),
        ((TRAIN.images, np.full(30, np.nan)), "label 0 is nan; expected"),
        ((TRAIN.images, np.eye(10)[TRAIN.labels] * 0.9 + 0.01), "in row 0; .*argmax"),
        ((TRAIN.images, np.zeros((30, 10), int)), r"not a single 1 .* in row 0; numpy\.argmax"),
        ((TRAIN.images, np.eye(11)[TRAIN.labels]), r"\[30, 11\]; .*numpy\.argmax\(labels, axis=1"),
        ((TRAIN.images * 1.0, TRAIN.labels), r"expected integers 0\.\.255 or floats in"),
        ((TRAIN.images / 128 - 1, TRAIN.labels), "images have values from -1 to"),
        ((TRAIN.images[:, 1:], TRAIN.labels), "resize them first"),
        ((TRAIN.images[:0], TRAIN.labels[:0]), "holds no images"),
        ((np.uint8(3), TRAIN.labels), r"expected \[N, 28, 28\] and \[N\]"),
        (Dataset("mine", {"training": TRAIN}), "mine: there is no split 'training'"),
        (Dataset("mine", {"train": Split(TRAIN.images[1:], TRAIN.labels)}), "30 labels for the 29"),
    ],
)
def test_what_is_wrong_with_data_in_memory_is_one_line(data: Any, expected: str) -> None:
    with pytest.raises(DataError, match=expected) as caught:
        load_dataset(data)
    assert "\n" not in str(caught.value)


class OfTorchvision:
    data, targets = TRAIN.images, TRAIN.labels


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (3, "data are of type int; expected the name or path of a source"),
        (None, "expected"),
        ([None], "expected"),
        ({"train": pair(TRAIN)}, "data are of type dict; expected"),
        (TRAIN.images, "data are of type ndarray; expected .* arrays"),
        (OfTorchvision(), r"give \(dataset\.data, dataset\.targets\)"),
        ((np.array([object()] * 3), np.arange(3)), "expected an array"),
    ],
)
def test_what_are_no_data_is_a_type_error(data: Any, expected: str) -> None:
    with pytest.raises(TypeError, match=expected):
        load_dataset(data)


def test_datasets_are_equal_where_their_splits_are() -> None:
    def copy(split: Split) -> Split:
        return Split(split.images.copy(), split.labels.copy())

    one = Dataset("one", {"train": TRAIN, "test": TEST}, ("a warning",))
    same = Dataset("other", {"test": copy(TEST), "train": copy(TRAIN)})
    assert one == same
    assert hash(one) == hash(same)
    assert {one, same} == {one}
    changed = copy(TRAIN)
    changed.images[3, 4, 5] ^= 1
    others = [
        Dataset("one", {"train": changed, "test": TEST}),
        Dataset("one", {"train": TRAIN}),
        Dataset("one", {"train": TRAIN, "valid": TEST}),
        Dataset("one", {"train": Split(TRAIN.images, (TRAIN.labels + 1) % 10), "test": TEST}),
        "one",
    ]
    assert all(one != other for other in others)
    assert len({hash(other) for other in [one, *others]}) == 6
