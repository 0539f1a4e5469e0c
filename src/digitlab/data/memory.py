"""Data that a program has in memory: a `Dataset`, or images and labels as arrays or tensors.

Used by sources.py, by evaluation, and by training, which names such data in config.toml.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.array_likes import as_array, is_array_like, levels
from digitlab.data.checks import checked_split
from digitlab.data.dataset import SPLITS, Dataset, Split
from digitlab.errors import DataError

PREFIX = "memory:"  # before the name of such data in a recipe
_EXPECTED = (
    "the name or path of a source, a digitlab.Dataset, arrays (images, labels), or two or three "
    "such pairs (train and test, or train, valid and test)"
)

Pair = tuple[npt.ArrayLike, npt.ArrayLike]  # tensors, too
InMemory = Dataset | Pair | tuple[Pair, Pair] | tuple[Pair, Pair, Pair]
Source = str | os.PathLike[str] | InMemory


def listed_sources(sources: Source | Sequence[Source]) -> list[Source]:
    """Return one source, or several, as a list.

    Raises:
        TypeError: for what is no source.
    """
    one = is_named(sources) or is_in_memory(sources)
    if not one and not isinstance(sources, (list, tuple)):
        raise _no_source(sources)
    found: list[Any] = [sources] if one else list(sources)  # type: ignore[arg-type]
    for source in found:
        if not is_named(source) and not is_in_memory(source):
            raise _no_source(source)
    return found


def is_named(source: object) -> bool:
    """Return whether a source is a name or a path."""
    return isinstance(source, (str, os.PathLike)) and not isinstance(source, Dataset)


def is_in_memory(source: object) -> bool:
    """Return whether a source is a dataset, or arrays."""
    return isinstance(source, Dataset) or is_pair(source) or _is_pairs(source)


def is_pair(source: Any) -> bool:
    """Return whether a source is (images, labels): arrays, tensors or lists."""
    if not isinstance(source, (tuple, list)) or len(source) != 2:
        return False
    images, labels = source
    of_labels = is_array_like(labels) or (
        isinstance(labels, (list, tuple)) and len(labels) > 0 and _is_label(labels[0])
    )
    return of_labels and (is_array_like(images) or isinstance(images, (list, tuple)))


def dataset_in_memory(source: Any, split: str = "train") -> Dataset:
    """Return data in memory as a checked dataset.

    Args:
        source: a dataset; or (images, labels); or two such pairs, train and test; or three, train,
            valid and test. Images are [N, 28, 28], [N, 784], [N, 1, 28, 28] or [N, 28, 28, 1], of
            integers 0..255, floats in [0, 1] or truth values, ink bright; labels are integers,
            or what stands for them: floats as 3.0, texts as "3", one-hot rows [N, 10].
        split: which a single pair becomes.

    Raises:
        TypeError: for what is no array of numbers.
        DataError: for another shape, range, label or name of a split.
    """
    if isinstance(source, Dataset):
        name = source.source
        parts = {key: (part.images, part.labels) for key, part in source.splits.items()}
    elif is_pair(source):
        name, parts = "arrays", {split: source}
    else:
        names = SPLITS if len(source) == 3 else (SPLITS[0], SPLITS[-1])
        name, parts = "arrays", dict(zip(names, source, strict=True))
    for key in parts:
        if key not in SPLITS:
            raise DataError(f"{name}: there is no split {key!r}; expected {', '.join(SPLITS)}")
    splits = {key: _split(*part, f"{name}: {key}") for key, part in parts.items()}
    return Dataset(name, splits, source.warnings if isinstance(source, Dataset) else ())


def _split(images: npt.ArrayLike, labels: npt.ArrayLike, where: str) -> Split:
    pixels = as_array(images, f"{where}: images", "an array [N, 28, 28]")
    digits = as_array(labels, f"{where}: labels", "an array [N]", kinds="biufOSU")
    if pixels.ndim < 2 or digits.ndim < 1:
        raise DataError(
            f"{where}: images {list(pixels.shape)} and labels {list(digits.shape)}; "
            "expected [N, 28, 28] and [N]"
        )
    try:
        pixels = levels(pixels)
    except ValueError as error:
        raise DataError(f"{where}: images have {error}") from error
    return checked_split(pixels, digits, f"{where} images", f"{where} labels")


def _is_label(value: Any) -> bool:
    """Return whether a value is a label, or the row of a one-hot one; images have two sides."""
    if is_array_like(value):
        return np.ndim(value) < 2
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and not is_array_like(value[0]) and _is_scalar(value[0])
    return _is_scalar(value)


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, bytes, int, float))


def _is_pairs(source: object) -> bool:
    return isinstance(source, (tuple, list)) and len(source) in (2, 3) and all(map(is_pair, source))


def _no_source(source: object) -> TypeError:
    hint = ""
    if hasattr(source, "data") and hasattr(source, "targets"):
        hint = "; of a dataset of torchvision give (dataset.data, dataset.targets)"
    return TypeError(f"data are of type {type(source).__name__}; expected {_EXPECTED}{hint}")
