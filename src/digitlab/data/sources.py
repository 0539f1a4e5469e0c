"""From what a user names to a dataset: `load_dataset`, used by training, evaluation and the cli.

A source is "mnist", a folder of IDX files, of pictures or of tables, a table, an .npz, or the
course's .json.gz. What each may hold is told by the module that reads it; what they have in common
is here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitlab.config import TRAIN_ON, VALIDATIONS
from digitlab.data.arrays import load_npz
from digitlab.data.course_json import load_course_json
from digitlab.data.csv_table import is_table, is_table_folder, load_csv, load_table_folder
from digitlab.data.dataset import SPLITS, Dataset, Split
from digitlab.data.division import with_validation
from digitlab.data.idx import is_idx_folder, load_idx_folder
from digitlab.data.memory import PREFIX, Source, dataset_in_memory, listed_sources
from digitlab.data.names import entries_of, listed
from digitlab.data.picture_folder import is_picture_folder, load_picture_folder
from digitlab.data.streams import MAX_BYTES, unreadable
from digitlab.errors import ConfigError, DataError

MNIST = "mnist"
_EMBEDDED = Path(__file__).with_name("mnist")
_KINDS = (
    "mnist, a folder of IDX files (train-images-idx3-ubyte.gz, ...), a folder of pictures "
    "(train/0/*.png or 0/*.png), an .npz file, a .csv (label,pixel0,...), a folder of "
    "train.csv, ..., or a .json or .json.gz file of the course"
)
_TRANSPOSED = {"idx": False, "emnist": True}  # before a folder: how its images are stored
_DEEPEST = 3
_FILES = (".npz", ".json", ".json.gz")


def load_dataset(
    sources: Source | Sequence[Source] = MNIST,
    train_on: str = "train",
    max_bytes: int = MAX_BYTES,
    validation: str = "hash",
    begun_in: str | Path | None = None,
) -> Dataset:
    """Load one source, or several joined split by split, in order.

    A source with a train but no valid split gives a sixth of the training images of each digit to
    valid, by their hash; where they are MNIST's, in its own order, it is the last 10,000, so that
    it becomes 50,000 / 10,000 / 10,000. A split that no source has is absent.

    Args:
        sources: "mnist" (the embedded data; a folder of that name is "./mnist"), a folder of IDX
            files, gzipped or not, with the names of MNIST, EMNIST or QMNIST ("emnist:DIR" and
            "idx:DIR" say whether they are stored column by column); a folder of pictures; an
            .npz, ours or Keras'; a .csv, .csv.gz or .zip of one with a label and 784 pixels a
            row, or a folder of those, train.csv and test.csv; the course's .json or .json.gz; a
            `Dataset`; arrays or tensors (images, labels), which are for training, or two or three
            such pairs (train and test, or train, valid and test), as
            `digitlab.data.memory.dataset_in_memory` takes them; or a sequence of these.
        train_on: "train"; or "all", which joins train and valid into train and leaves valid out.
        max_bytes: what each file may inflate to.
        validation: "hash"; or "last", which gives the last sixth of the training images to valid,
            whatever digits these are, as runs of earlier versions did.
        begun_in: a folder in which a relative path is looked for where it is not found from here.

    Returns:
        The splits, uint8 [N, 28, 28] and int64 [N] each, with warnings for what the user should
        know, such as a class without images.

    Raises:
        TypeError: for what is no source.
        DataError: a source is missing, unknown or malformed; in one line that names the file.
        ConfigError: another `train_on` or `validation`, or no source at all.
    """
    if train_on not in TRAIN_ON:
        raise ConfigError(f"train_on = {train_on!r}: expected one of {', '.join(TRAIN_ON)}")
    if validation not in VALIDATIONS:
        raise ConfigError(f"validation = {validation!r}: expected one of {', '.join(VALIDATIONS)}")
    named = listed_sources(sources)
    if not named:
        raise ConfigError(f"no data source: expected at least one of {_KINDS}")
    loaded = (_load(source, max_bytes, begun_in) for source in named)
    return join_datasets([_for_training(one, train_on, validation) for one in loaded])


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


def kind_of(source: str) -> str:
    """Return what a source that a dataset names is: "idx", "pictures", or "arrays" for others."""
    kind, colon, _ = source.partition(":")
    path = Path(source)
    try:
        if kind in _TRANSPOSED and colon and not path.exists():
            return "idx"
        if not path.is_dir():
            return "arrays"
        inside = _innermost(path)
        if is_idx_folder([entry.name for entry in entries_of(inside)]):
            return "idx"
        return "pictures" if is_picture_folder(inside) else "arrays"
    except (OSError, ValueError, DataError):
        return "arrays"


def _load(source: Source, max_bytes: int, begun_in: str | Path | None) -> Dataset:
    """Load one source by its kind; its name in the dataset is as the user wrote it."""
    if not isinstance(source, (str, os.PathLike)):
        return dataset_in_memory(source)
    if isinstance(source, str) and source.startswith(PREFIX) and not Path(source).exists():
        raise DataError(
            f"{source}: these data were handed over in memory when the run began; hand over the "
            "same again, by data=... in Python, or name where they lie by --data"
        )
    if source == MNIST:
        return replace(load_idx_folder(_EMBEDDED, max_bytes), source=MNIST)
    kind, colon, place = str(source).partition(":")
    forced = kind in _TRANSPOSED and bool(colon) and not Path(source).exists()
    path = Path(place if forced else source)
    if begun_in is not None and not path.exists() and not path.is_absolute():
        path = _from(Path(begun_in), path)
    try:
        if forced:
            found = load_idx_folder(_innermost(path), max_bytes, _TRANSPOSED[kind])
        else:
            found = _load_path(path, max_bytes)
        return replace(found, source=os.fspath(source))
    except OSError as error:
        raise unreadable(path, error) from error


def _from(begun_in: Path, path: Path) -> Path:
    """Return a path that was written where a run was begun."""
    if (begun_in / path).exists():
        return begun_in / path
    raise DataError(
        f"{path}: no such file or folder, neither in {Path.cwd()} nor in {begun_in}, where the run "
        "was begun; name it by --data"
    )


def _load_path(path: Path, max_bytes: int) -> Dataset:
    if path.is_dir():
        return _load_folder(path, max_bytes)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; expected {_KINDS}")
    if path.is_file() and path.suffix == ".npz":
        return load_npz(path, max_bytes)
    if path.is_file() and path.name.endswith(_FILES[1:]):
        return load_course_json(path, max_bytes)
    if path.is_file() and (is_table(path.name) or path.suffix.lower() == ".txt"):
        return load_csv(path, max_bytes)
    if is_idx_folder([path.name]):
        raise DataError(f"{path}: one IDX file is no source; give the folder it is in")
    raise DataError(f"{path}: unknown kind of source; expected {_KINDS}")


def _load_folder(folder: Path, max_bytes: int) -> Dataset:
    inside = _innermost(folder)
    if is_idx_folder([path.name for path in entries_of(inside)]):
        return load_idx_folder(inside, max_bytes)
    if is_picture_folder(inside):
        return load_picture_folder(inside)
    inside = _innermost(folder, is_table_folder)
    if is_table_folder(inside):
        return load_table_folder(inside, max_bytes)
    found = listed(path.name + os.sep * path.is_dir() for path in entries_of(folder))
    raise DataError(
        f"{folder}: no data found in this folder; looked for IDX files "
        "(train-images-idx3-ubyte[.gz], ...), for folders train, valid, test or 0 to 9, and for "
        f"train.csv; found {found or 'nothing'}{_way_out(folder)}"
    )


def _way_out(folder: Path) -> str:
    """Name a file in a folder that is a source by itself, where there is one."""
    for path in entries_of(folder):
        if path.is_file() and (is_table(path.name) or path.name.endswith(_FILES)):
            return f"; a file of data is named itself, as --data {path}"
    return ""


def _innermost(folder: Path, has_data: Callable[[Path], bool] | None = None) -> Path:
    """Return the folder of the data: this one, or the only one in it that has any.

    Archives often unpack into a folder in a folder.
    """
    has_data = has_data or _has_data
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a folder of IDX files")
    inside = folder
    for _ in range(_DEEPEST):
        if has_data(inside):
            return inside
        folders = [path for path in entries_of(inside) if path.is_dir()]
        with_data = [path for path in folders if has_data(path)]
        if len(with_data) > 1:
            raise DataError(
                f"{folder}: holds {listed(path.name for path in with_data)}, each with data; "
                "name one of them"
            )
        following = with_data or folders
        if len(following) != 1:
            return folder
        (inside,) = following
    return folder


def _has_data(folder: Path) -> bool:
    return is_idx_folder([path.name for path in entries_of(folder)]) or is_picture_folder(folder)


def _for_training(dataset: Dataset, train_on: str, validation: str) -> Dataset:
    """Return a dataset with a valid split of its own, or, to train on all, without one."""
    if train_on == "train":
        divided = with_validation(dataset, validation)
        return replace(divided, warnings=()) if dataset.source == MNIST else divided
    splits = dict(dataset.splits)
    # The names of splits keep their order: train, test.
    parts = [splits[name] for name in ("train", "valid") if name in splits]
    splits.pop("valid", None)
    if parts:
        splits = {"train": _joined(parts)} | {**splits, "train": _joined(parts)}
    return replace(dataset, splits=splits)


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
