"""Datasets as .npz files: ours, and Keras' mnist.npz; used by sources.py and by whoever saves one.

An .npz is a zip of .npy files. Its directory and the headers are checked against the limit before
any array is inflated, and pickled objects are never loaded.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from digitlab.array_likes import levels
from digitlab.data.checks import checked_split
from digitlab.data.dataset import Dataset, Split
from digitlab.data.names import SPLIT_NAMES, listed
from digitlab.data.streams import MAX_BYTES, too_large, unreadable
from digitlab.errors import DataError

_READ = 1 << 20


def arrays_of(dataset: Dataset) -> dict[str, Any]:
    """Return the arrays of an .npz that holds a dataset, by their names in it."""
    arrays: dict[str, Any] = {}
    for name, split in dataset.splits.items():
        arrays[f"{name}_images"], arrays[f"{name}_labels"] = split.images, split.labels
    return arrays


def save_npz(dataset: Dataset, path: str | Path) -> None:
    """Save a dataset as a compressed .npz that `load_dataset` reads.

    The keys are train_images, train_labels and so on, for each split that is there.

    Args:
        dataset: images uint8 [N, 28, 28] and labels int64 [N] a split.
        path: of the file, which is overwritten; its name must end with .npz.

    Raises:
        DataError: another ending, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise DataError(f"{path}: expected a name that ends with .npz")
    try:
        np.savez_compressed(path, **arrays_of(dataset))
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def load_npz(path: Path, max_bytes: int = MAX_BYTES) -> Dataset:
    """Load an .npz with our keys (train_images, ...) or Keras' (x_train, ...), in any case.

    A validation split may be called valid, val, validation or dev.

    Args:
        path: of the file; images uint8 or other integers 0..255, or floats in [0, 1], which become
            round(255 value); labels integers.
        max_bytes: what the file may inflate to, all arrays together.

    Raises:
        DataError: in one line that names the file, and the key where one is to blame.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # the zip module raises what it likes on hostile directories
        raise DataError(f"{path}: no .npz file: {_line(error)}; try another copy") from error
    with archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        if sum(sizes.values()) > max_bytes:
            raise too_large(path, max_bytes)
        layout, passed_over = _layout(path, sizes)
        splits = {split: _split(archive, path, *keys, max_bytes) for split, keys in layout.items()}
    warnings = (f"{path}: passed over: {listed(passed_over)}",) if passed_over else ()
    return Dataset(str(path), splits, warnings)


def _layout(path: Path, sizes: dict[str, int]) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return the keys of each split that is there, and those that are passed over."""
    keys = {name.removesuffix(".npy").lower(): name.removesuffix(".npy") for name in sizes}
    shown = listed(sorted(keys.values()), 8)[:120] or "none"
    found: dict[str, tuple[str, str]] = {}
    for split, names in SPLIT_NAMES.items():
        pairs = [pair for name in names for pair in _pairs(name) if keys.keys() & set(pair)]
        if not pairs:
            continue
        missing = [key for key in pairs[0] if key not in keys]
        if missing:
            raise DataError(
                f"{path}: the key {missing[0]} is missing beside its pair; found {shown}"
            )
        found[split] = keys[pairs[0][0]], keys[pairs[0][1]]
    if not found:
        raise DataError(
            f"{path}: unknown keys ({shown}); expected train_images, train_labels, test_images, "
            "... or x_train, y_train, x_test, y_test"
        )
    used = {key for pair in found.values() for key in pair}
    return found, sorted(key for key in keys.values() if key not in used)


def _pairs(split: str) -> tuple[tuple[str, str], ...]:
    """Return the keys of images and labels that a split may have: ours, then Keras'."""
    return (f"{split}_images", f"{split}_labels"), (f"x_{split}", f"y_{split}")


def _split(
    archive: zipfile.ZipFile, path: Path, images_key: str, labels_key: str, max_bytes: int
) -> Split:
    images = _array(archive, path, images_key, max_bytes)
    labels = _array(archive, path, labels_key, max_bytes)
    where = f"{path}: {images_key}"
    if images.ndim < 2:
        raise DataError(f"{where}: shape {list(images.shape)}; expected [N, 28, 28]")
    return checked_split(_pixels(images, where), labels, where, f"{path}: {labels_key}")


def _array(
    archive: zipfile.ZipFile, path: Path, key: str, max_bytes: int
) -> npt.NDArray[np.generic]:
    where = f"{path}: {key}"
    try:
        with archive.open(f"{key}.npy") as file:
            return _read_npy(file, where, path, max_bytes)
    except DataError:
        raise
    except Exception as error:  # so do headers, and zlib, bz2 and lzma on damaged data
        raise DataError(f"{where}: damaged: {_line(error)}; try another copy") from error


def _read_npy(file: IO[bytes], where: str, path: Path, max_bytes: int) -> npt.NDArray[np.generic]:
    """Read one array, having checked what its header claims.

    numpy's own reader makes room for whatever shape the header claims.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, by_column, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.kind not in "iufb" or not shape:
        way_out = "; save labels.astype(int)" if dtype.kind in "OSU" else ""
        raise DataError(f"{where}: {dtype} {list(shape)}; expected an array of numbers{way_out}")
    if min(shape) < 0:
        raise DataError(f"{where}: shape {list(shape)}; expected no negative sizes")
    size = math.prod(shape) * dtype.itemsize
    if size > max_bytes:
        raise too_large(path, max_bytes)
    pieces: list[bytes] = []
    left = size
    while left and (piece := file.read(min(left, _READ))):
        pieces.append(piece)
        left -= len(piece)
    if left or file.read(1):
        found = "trailing bytes follow" if not left else f"only {size - left:,} are there"
        raise DataError(f"{where}: its header says {size:,} bytes, but {found}; try another copy")
    values: npt.NDArray[np.generic] = np.frombuffer(b"".join(pieces), dtype)
    return values.reshape(shape, order="F" if by_column else "C")


def _pixels(values: npt.NDArray[np.generic], where: str) -> npt.NDArray[np.uint8]:
    try:
        return levels(values)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
