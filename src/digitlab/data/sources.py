"""From what a user names to a dataset: `load_dataset`, used by training, evaluation and the cli.

A source is "mnist", a folder of IDX files or of pictures, an .npz, or the course's .json.gz. What
each may hold is told by the module that reads it; what they have in common is here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitlab.config import TRAIN_ON
from digitlab.data.arrays import load_npz
from digitlab.data.course_json import load_course_json
from digitlab.data.dataset import SPLITS, Dataset, Split
from digitlab.data.idx import is_idx_folder, load_idx_folder
from digitlab.data.picture_folder import is_picture_folder, load_picture_folder
from digitlab.data.streams import MAX_BYTES, unreadable
from digitlab.errors import ConfigError, DataError

MNIST = "mnist"
_EMBEDDED = Path(__file__).with_name("mnist")
_KINDS = (
    "mnist, a folder of IDX files (train-images-idx3-ubyte.gz, ...), a folder of pictures "
    "(train/0/*.png or 0/*.png), an .npz file, or a .json or .json.gz file of the course"
)

Source = str | Path


def load_dataset(
    sources: Source | Sequence[Source] = MNIST,
    train_on: str = "train",
    max_bytes: int = MAX_BYTES,
) -> Dataset:
    """Load one source, or several joined split by split, in order.

    A source with a train but no valid split gives the last sixth of its training images to valid;
    so MNIST becomes 50,000 / 10,000 / 10,000. A split that no source has is absent.

    Args:
        sources: "mnist" (the embedded data; a folder of that name is "./mnist"), a folder of IDX
            files, gzipped or not, with the names of MNIST, EMNIST or QMNIST; a folder of pictures;
            an .npz, ours or Keras'; the course's .json or .json.gz; or a sequence of these.
        train_on: "train"; or "all", which joins train and valid into train and leaves valid out.
        max_bytes: what each file may inflate to.

    Returns:
        The splits, uint8 [N, 28, 28] and int64 [N] each, with warnings for what the user should
        know, such as a class without images.

    Raises:
        DataError: a source is missing, unknown or malformed; in one line that names the file.
        ConfigError: another `train_on`, or no source at all.
    """
    if train_on not in TRAIN_ON:
        raise ConfigError(f"train_on = {train_on!r}: expected one of {', '.join(TRAIN_ON)}")
    named = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if not named:
        raise ConfigError(f"no data source: expected at least one of {_KINDS}")
    return join_datasets([_for_training(_load(source, max_bytes), train_on) for source in named])


def join_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """Join datasets split by split, in order; a split that none of them has is absent.

    The warnings of each are kept once, but for those of classes without images, which are made
    anew: what one source lacks another may have.

    Args:
        datasets: at least one.

    Returns:
        A dataset whose `source` is theirs, joined by " + ".
    """
    splits = {
        name: _joined([dataset.splits[name] for dataset in datasets if name in dataset.splits])
        for name in SPLITS
        if any(name in dataset.splits for dataset in datasets)
    }
    source = " + ".join(dataset.source for dataset in datasets)
    kept = [
        warning
        for dataset in datasets
        for warning in dataset.warnings
        if warning not in _missing_classes(dataset)
    ]
    joined = Dataset(source, splits)
    return replace(joined, warnings=tuple(dict.fromkeys([*kept, *_missing_classes(joined)])))


def _load(source: Source, max_bytes: int) -> Dataset:
    """Load one source by its kind; its name in the dataset is as the user wrote it."""
    if source == MNIST:
        return replace(load_idx_folder(_EMBEDDED, max_bytes), source=MNIST)
    path = Path(source)
    try:
        return replace(_load_path(path, max_bytes), source=os.fspath(source))
    except OSError as error:
        raise unreadable(path, error) from error


def _load_path(path: Path, max_bytes: int) -> Dataset:
    if path.is_dir():
        return _load_folder(path, max_bytes)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; expected {_KINDS}")
    if path.is_file() and path.suffix == ".npz":
        return load_npz(path, max_bytes)
    if path.is_file() and path.name.endswith((".json", ".json.gz")):
        return load_course_json(path, max_bytes)
    if is_idx_folder([path.name]):
        raise DataError(f"{path}: one IDX file is no source; give the folder it is in")
    raise DataError(f"{path}: unknown kind of source; expected {_KINDS}")


def _load_folder(folder: Path, max_bytes: int) -> Dataset:
    entries = list(folder.iterdir())
    if is_idx_folder([entry.name for entry in entries]):
        return load_idx_folder(folder, max_bytes)
    if is_picture_folder([entry.name for entry in entries if entry.is_dir()]):
        return load_picture_folder(folder)
    raise DataError(
        f"{folder}: no data found in this folder; looked for IDX files "
        "(train-images-idx3-ubyte[.gz], ...) and for folders train, valid, test or 0 to 9"
    )


def _for_training(dataset: Dataset, train_on: str) -> Dataset:
    """Return a dataset with a valid split of its own, or, to train on all, without one."""
    splits, warnings = dict(dataset.splits), dataset.warnings
    train, valid = splits.get("train"), splits.get("valid")
    if train_on == "all":
        # The names of splits keep their order: train, test.
        parts = [split for split in (train, valid) if split is not None]
        splits.pop("valid", None)
        if parts:
            splits = {"train": _joined(parts)} | {**splits, "train": _joined(parts)}
    elif train is not None and valid is None and len(train) >= 6:
        cut = len(train) - len(train) // 6
        splits["train"] = Split(train.images[:cut], train.labels[:cut])
        splits["valid"] = Split(train.images[cut:], train.labels[cut:])
        if dataset.source != MNIST:
            warnings = (
                *warnings,
                f"{dataset.source}: has no validation split; the last {len(train) - cut:,} of "
                f"its {len(train):,} training images are taken for it",
            )
    return replace(dataset, splits=splits, warnings=warnings)


def _joined(splits: Sequence[Split]) -> Split:
    if len(splits) == 1:
        return splits[0]
    return Split(
        np.concatenate([split.images for split in splits]),
        np.concatenate([split.labels for split in splits]),
    )


def _missing_classes(dataset: Dataset) -> list[str]:
    """Return a warning for each split in which digits have no images."""
    found = []
    for name, split in dataset.splits.items():
        missing = np.flatnonzero(np.bincount(split.labels, minlength=10) == 0)
        if len(missing):
            digits = ", ".join(map(str, missing.tolist()))
            found.append(f"{dataset.source}: no images in {name} of: {digits}")
    return found
