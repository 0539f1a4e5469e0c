"""What is in a dataset, in figures and in a picture; used by `digitlab data`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from digitlab.data.dataset import Dataset, Images, Split

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class SplitDescription:
    """One split in figures.

    Attributes:
        count: of images.
        counts: of images of the digits 0 to 9.
        lowest, highest: values of pixels, 0..255.
        mean, deviation: of all pixels, as a fraction of 255; the deviation is the standard one.
        duplicates: images that equal an earlier one of the split, pixel by pixel.
    """

    count: int
    counts: tuple[int, ...]
    lowest: int
    highest: int
    mean: float
    deviation: float
    duplicates: int


@dataclass(frozen=True)
class Description:
    """A dataset in figures.

    Attributes:
        source: as in the dataset.
        splits: by name.
        shared: for two splits, how many images of the second equal one of the first, by their
            names: ("train", "test").
        warnings: as in the dataset.
    """

    source: str
    splits: Mapping[str, SplitDescription]
    shared: Mapping[tuple[str, str], int]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON knows them; a pair of splits is written "train and test"."""
        return {
            "source": self.source,
            "splits": {
                name: {**asdict(split), "counts": list(split.counts)}
                for name, split in self.splits.items()
            },
            "shared": {" and ".join(pair): count for pair, count in self.shared.items()},
            "warnings": list(self.warnings),
        }

    def to_text(self) -> str:
        """Return a table for a terminal, a column a split."""
        columns = self.splits.values()
        rows = [("", *self.splits)]
        rows += [
            (f"digit {digit}", *(f"{split.counts[digit]:,}" for split in columns))
            for digit in range(10)
        ]
        rows += [
            ("images", *(f"{split.count:,}" for split in columns)),
            ("values", *(f"{split.lowest}..{split.highest}" for split in columns)),
            ("mean", *(f"{split.mean:.4f}" for split in columns)),
            ("standard deviation", *(f"{split.deviation:.4f}" for split in columns)),
            ("duplicates", *(f"{split.duplicates:,}" for split in columns)),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [self.source, ""]
        for first, *others in rows:
            cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            lines.append("  ".join([first.ljust(widths[0]), *cells]))
        lines.append("")
        for (first, second), count in self.shared.items():
            lines.append(f"images of {second} that are in {first}, too: {count:,}")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines).rstrip()


def describe(dataset: Dataset) -> Description:
    """Count, measure and look for duplicates within and between the splits of a dataset.

    Images are equal if all their pixels are; they are compared by hash.
    """
    hashes = {name: _hashes(split.images) for name, split in dataset.splits.items()}
    shared = {
        (first, second): sum(count for key, count in hashes[second].items() if key in hashes[first])
        for first, second in combinations(dataset.splits, 2)
    }
    splits = {name: _figures(split, hashes[name]) for name, split in dataset.splits.items()}
    return Description(dataset.source, splits, shared, dataset.warnings)


def contact_sheet_of(dataset: Dataset, columns: int = 20, scale: int = 2) -> Image:
    """Draw a row of images for each digit, from the first split that there is.

    Args:
        dataset: with at least one split.
        columns: images a digit.
        scale: how many pixels a pixel becomes.
    """
    from digitlab.contact_sheet import sheet_by_digit

    name, split = next(iter(dataset.splits.items()))
    return sheet_by_digit(
        split.images,
        split.labels,
        columns,
        scale,
        title=dataset.source,
        note=f"a row a digit, spread over the {len(split):,} images of the {name} split",
    )


def _hashes(images: Images) -> Counter[bytes]:
    """Return how often each image occurs, by its hash."""
    return Counter(hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)


def _figures(split: Split, hashes: Counter[bytes]) -> SplitDescription:
    # By the frequency of each value: a copy of all pixels as floats would be eight times the data.
    histogram = np.bincount(split.images.ravel(), minlength=256).astype(np.float64)
    values = np.arange(256) / 255
    total = max(histogram.sum(), 1)
    mean = float(histogram @ values / total)
    present = np.flatnonzero(histogram)
    return SplitDescription(
        count=len(split),
        counts=tuple(np.bincount(split.labels, minlength=10).tolist()),
        lowest=int(present[0]) if len(present) else 0,
        highest=int(present[-1]) if len(present) else 0,
        mean=mean,
        deviation=float(np.sqrt(histogram @ (values - mean) ** 2 / total)),
        duplicates=len(split) - len(hashes),
    )
