"""How images that come without splits are divided: digit by digit, by the hash of what they are.

Used by sources.py (a validation split of training images) and picture_folder.py (all three). So
every digit is in every split, equal images are in the same one, and neither the order of images nor
the names of files decide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from digitlab.data.dataset import Dataset, Labels, Split

LEAST = 3  # different images of a digit; fewer are all for training
# The labels of MNIST's 60,000 training images, int64 little-endian, in its own order.
_MNIST_LABELS = "e474323ac02fc156161b0bbb1f8c9cfeb327a74bcd9f9680a8385269a24f566c"
_MNIST_COUNT = 60_000


def divided(labels: Sequence[int], keys: Sequence[str], held_out: Mapping[str, float]) -> list[str]:
    """Return for each thing the split that it belongs to.

    Args:
        labels: its digit.
        keys: its hash.
        held_out: the fraction of each split but "train", which gets the rest.
    """
    split_of: dict[tuple[int, str], str] = {}
    of_digit: dict[int, set[str]] = {}
    for label, key in zip(labels, keys, strict=True):
        of_digit.setdefault(label, set()).add(key)
    for label, distinct in of_digit.items():
        count = len(distinct)
        names: list[str] = []
        for name, share in held_out.items():
            names += [name] * (max(1, round(count * share)) if count >= LEAST else 0)
        names = ["train"] * (count - len(names)) + names
        split_of |= {(label, key): name for key, name in zip(sorted(distinct), names, strict=True)}
    return [split_of[label, key] for label, key in zip(labels, keys, strict=True)]


def with_validation(dataset: Dataset, rule: str) -> Dataset:
    """Return a dataset whose training images give some to a validation split, if it has none.

    Training images in MNIST's own order (MNIST and QMNIST as they come) give the last 10,000 of
    their 60,000, as the course has it.

    Args:
        dataset: any.
        rule: "hash" takes a sixth of each digit's images; "last", the rule of earlier versions,
            takes the last sixth of all, whatever digits these are.
    """
    train = dataset.splits.get("train")
    if train is None or "valid" in dataset.splits:
        return dataset
    count = len(train)
    if _is_mnist(train.labels) or rule == "last":
        held = count // 6
        parts = _part(train, slice(count - held)), _part(train, slice(count - held, None))
        said = f"the last {held:,} of its {count:,} training images are taken for it"
    else:
        is_held = _sixth_of_each(train)
        parts = _part(train, ~is_held), _part(train, is_held)
        said = (
            f"a sixth of each digit's training images, {len(parts[1]):,} of {count:,}, are taken "
            "for it, by the hash of the image"
        )
    if not len(parts[1]):
        text = (
            f"{dataset.source}: has no validation split, and fewer than {LEAST} different images "
            "of each digit to take one from: nothing of it validates"
        )
        return replace(dataset, warnings=(*dataset.warnings, text))
    splits = {**dataset.splits, "train": parts[0], "valid": parts[1]}
    text = f"{dataset.source}: has no validation split; {said}"
    return replace(dataset, splits=splits, warnings=(*dataset.warnings, text))


def _sixth_of_each(split: Split) -> npt.NDArray[np.bool_]:
    keys = [hashlib.sha256(image.tobytes()).hexdigest() for image in split.images]
    names = divided(split.labels.tolist(), keys, {"valid": 1 / 6})
    return np.array([name == "valid" for name in names], np.bool_)


def _part(split: Split, which: slice | npt.NDArray[np.bool_]) -> Split:
    return Split(split.images[which], split.labels[which])


def _is_mnist(labels: Labels) -> bool:
    if len(labels) != _MNIST_COUNT:
        return False
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest() == _MNIST_LABELS
