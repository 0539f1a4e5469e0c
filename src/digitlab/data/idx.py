"""Folders of IDX files: MNIST's own format, and that of Fashion-MNIST, KMNIST, EMNIST and QMNIST.

Used by sources.py, for the embedded data and for folders of the user's. An IDX file is a magic
number (two zeros, the code of a type, the number of dimensions), each dimension as a big-endian
32-bit integer, and the values, row by row (LeCun, Cortes and Burges, 1998).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.data.checks import checked_split
from digitlab.data.dataset import Dataset, Split
from digitlab.data.names import SPLIT_NAMES, entries_of, listed
from digitlab.data.streams import MAX_BYTES, chunks_of, too_large
from digitlab.errors import DataError

_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_UBYTE, _INT = 0x08, 0x0C
_MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class Family:
    """How one publisher names and stores his files.

    Attributes:
        name: of the data, for messages.
        prefix: of the file names.
        labels: the end of the names of label files.
        transposed: whether images are stored column by column.
    """

    name: str
    prefix: str
    labels: str = "idx1-ubyte"
    transposed: bool = False


FAMILIES = (
    Family("MNIST", ""),
    Family("EMNIST digits", "emnist-digits-", transposed=True),
    Family("EMNIST mnist", "emnist-mnist-", transposed=True),
    # QMNIST's labels are int32 [N, 8]; the first column is the digit (Yadav and Bottou, 2019).
    Family("QMNIST", "qmnist-", labels="idx2-int"),
)
_PARTS = {**SPLIT_NAMES, "test": ("t10k", *SPLIT_NAMES["test"])}
_PART = "|".join(name for names in _PARTS.values() for name in names)
# Many archives name their files with a dot, "train-images.idx3-ubyte".
_NAMES = re.compile(
    rf"(|emnist-digits-|emnist-mnist-|qmnist-)({_PART})-(images|labels)[-.]idx", re.IGNORECASE
)


def is_idx_folder(names: Sequence[str]) -> bool:
    """Whether any of the names in a folder is that of an IDX file of a family that we know."""
    return any(_NAMES.match(name) for name in names)


def load_idx_folder(
    folder: Path, max_bytes: int = MAX_BYTES, transposed: bool | None = None
) -> Dataset:
    """Load the splits of a folder of IDX files, gzipped or not.

    A split is named train, valid (or val, validation, dev) or test (or t10k); a file may lie in a
    folder of its own name, as in Kaggle's archive.

    Args:
        folder: holds the files of one family; of several families the first in `FAMILIES` is
            taken, and a warning says so.
        max_bytes: what each file may inflate to.
        transposed: whether images are stored column by column; None: as the family has it.

    Raises:
        DataError: a file is missing, malformed or too large; in one line that names it.
    """
    here = entries_of(folder)
    names = [path.name for path in here]
    prefixes = {match[1].lower() for name in names if (match := _NAMES.match(name))}
    families = [family for family in FAMILIES if family.prefix in prefixes]
    if not families:
        raise DataError(
            f"{folder}: no IDX files; expected names such as train-images-idx3-ubyte.gz"
        )
    family, *others = families
    if transposed is not None:
        family = replace(family, transposed=transposed)
    warnings = [
        f"{folder}: holds files of {other.name}, too; only those of {family.name} are read"
        for other in others
    ]
    if family.transposed and transposed is None:
        warnings.append(
            f"{folder}: images of {family.name} are stored column by column, and were turned "
            "upright; idx:FOLDER takes them as they are stored"
        )
    pairs = {split: _pair(folder, names, family, split) for split in _PARTS}
    # Inflating gives up the interpreter's lock: the splits are read side by side.
    with ThreadPoolExecutor(len(pairs), "inflate") as pool:
        reading = {
            split: pool.submit(_read_pair, *pair, family, max_bytes)
            for split, pair in pairs.items()
            if pair is not None
        }
        splits = {split: future.result() for split, future in reading.items()}
    if not splits:
        raise DataError(f"{folder}: no IDX file of {family.name} with a split of its own")
    used = {
        _stem(path.relative_to(folder).parts[0]) for pair in pairs.values() if pair for path in pair
    }
    over = [name for name in names if _stem(name) not in used and not others]
    if over:
        warnings.append(f"{folder}: passed over: {listed(over)}")
    return Dataset(str(folder), splits, tuple(warnings))


def read_idx(path: Path, max_bytes: int = MAX_BYTES) -> npt.NDArray[np.generic]:
    """Read one IDX file, gzipped or not.

    Args:
        path: of the file.
        max_bytes: what it may hold, after inflating.

    Returns:
        An array of the shape and type that the file's header says.

    Raises:
        DataError: wrong magic number, missing or trailing bytes, too large, or see `chunks_of`.
    """
    chunks = chunks_of(path, max_bytes)
    data = b""
    # The header, before anything as large as it claims is made room for.
    while len(data) < 4 or len(data) < 4 + 4 * data[3]:
        chunk = next(chunks, b"")
        data += chunk
        _check_magic(path, data[:4])
        if not chunk:
            raise DataError(
                f"{path}: ends in its header, after {len(data)} bytes; try another copy"
            )
    dtype, dimensions = _TYPES[data[2]], data[3]
    shape = tuple(np.frombuffer(data, ">u4", dimensions, offset=4).tolist())
    size = math.prod(shape) * dtype.itemsize
    if size > max_bytes:
        raise too_large(path, max_bytes)
    values = np.empty(size, np.uint8)
    filled, chunk = 0, data[4 + 4 * dimensions :]
    while chunk or (chunk := next(chunks, b"")):
        if filled + len(chunk) > size:
            raise _wrong_size(path, shape, size, "trailing bytes follow")
        values[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
        filled, chunk = filled + len(chunk), b""
    if filled < size:
        raise _wrong_size(path, shape, size, f"only {filled:,} are there")
    typed: npt.NDArray[np.generic] = values.view(dtype).reshape(shape)
    return typed


def _check_magic(path: Path, magic: bytes) -> None:
    if not magic:
        raise DataError(f"{path}: is empty; expected an IDX file")
    good = (b"\0\0", bytes(_TYPES), bytes(range(1, _MOST_DIMENSIONS + 1)))
    if (
        not good[0].startswith(magic[:2])
        or (len(magic) > 2 and magic[2] not in good[1])
        or (len(magic) > 3 and magic[3] not in good[2])
    ):
        raise DataError(
            f"{path}: wrong magic number 0x{magic.hex()}; "
            "expected an IDX file, which begins with 0x0000, a type and a number of dimensions"
        )


def _wrong_size(path: Path, shape: tuple[int, ...], size: int, found: str) -> DataError:
    return DataError(
        f"{path}: its header says {' x '.join(map(str, shape))} values, {size:,} bytes, "
        f"but {found}; try another copy"
    )


def _pair(
    folder: Path, names: Sequence[str], family: Family, split: str
) -> tuple[Path, Path] | None:
    """Return the files of images and of labels of a split; None where both are missing."""
    kinds = {"images": "idx3-ubyte", "labels": family.labels}
    stems = {_stem(name): name for name in reversed(names)}  # of twins the plain file is first
    found: dict[str, Path] = {}
    part = _PARTS[split][0]
    for kind, end in kinds.items():
        for called in _PARTS[split]:
            name = stems.get(f"{family.prefix}{called}-{kind}-{end}")
            if name is not None and kind not in found:
                found[kind], part = _file_at(folder / name), called
    if len(found) == 1:
        (kind,) = kinds.keys() - found.keys()
        raise DataError(
            f"{folder}: {next(iter(found.values())).name} is there, but "
            f"{family.prefix}{part}-{kind}-{kinds[kind]}[.gz] is missing beside it"
        )
    return (found["images"], found["labels"]) if found else None


def _stem(name: str) -> str:
    """Return what the names of one file have in common: with a dot, gzipped, in capitals."""
    return name.lower().removesuffix(".gz").replace(".idx", "-idx")


def _file_at(path: Path) -> Path:
    """Return a file, or the one in a folder of its own name."""
    if not path.is_dir():
        return path
    inside = [file for file in entries_of(path) if file.is_file()]
    alike = [file for file in inside if _stem(file.name) == _stem(path.name)] or inside
    if len(alike) != 1:
        raise DataError(f"{path}: is a folder; expected one IDX file of that name in it")
    return alike[0]


def _read_pair(images_path: Path, labels_path: Path, family: Family, max_bytes: int) -> Split:
    images = read_idx(images_path, max_bytes)
    labels = read_idx(labels_path, max_bytes)
    _expect(images_path, images, 3, _UBYTE)
    if family.labels.endswith("int"):
        _expect(labels_path, labels, 2, _INT)
        labels = labels[:, 0] if labels.shape[1] else labels
    else:
        _expect(labels_path, labels, 1, _UBYTE)
    if family.transposed:
        images = images.transpose(0, 2, 1)
    return checked_split(images, labels, str(images_path), str(labels_path))


def _expect(path: Path, values: npt.NDArray[np.generic], dimensions: int, code: int) -> None:
    if values.ndim != dimensions or values.dtype != _TYPES[code]:
        found = next(key for key, dtype in _TYPES.items() if dtype == values.dtype)
        raise DataError(
            f"{path}: wrong magic number 0x0000{found:02x}{values.ndim:02x} "
            f"({_TYPES[found].name}, {_dimensions(values.ndim)}); expected "
            f"0x0000{code:02x}{dimensions:02x} ({_TYPES[code].name}, {_dimensions(dimensions)})"
        )


def _dimensions(count: int) -> str:
    return "1 dimension" if count == 1 else f"{count} dimensions"
