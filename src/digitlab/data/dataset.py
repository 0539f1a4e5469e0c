"""What a dataset is: images, labels and the splits train, valid and test.

Everything that reads data makes a `Dataset`; everything that learns from data takes one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digitlab.wording import counted

SPLITS = ("train", "valid", "test")

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Some images with their labels; equal to another where images and labels are.

    Attributes:
        images: uint8 [N, 28, 28], ink bright on a black ground.
        labels: int64 [N], each 0..9.
    """

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<Split: {counted(len(self), 'image')}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Split):
            return NotImplemented
        return np.array_equal(self.labels, other.labels) and np.array_equal(
            self.images, other.images
        )

    def __hash__(self) -> int:
        return hash(self.sha256())

    def sha256(self) -> str:
        """Return the SHA-256 of images and labels, the identity of this split."""
        digest = hashlib.sha256(f"{len(self)}".encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels.astype("<i8")).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Named splits from one or several sources; equal to another that has the same splits.

    Attributes:
        source: what it was loaded from, as the user wrote it (joined by " + ").
        splits: some of "train", "valid" and "test"; a split that a source lacks is absent.
        warnings: what the user should know (a class without images, a split of our making).
    """

    source: str
    splits: Mapping[str, Split]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(split):,}" for name, split in self.splits.items())
        return f"<Dataset {self.source!r}: {counts or 'no splits'}>"

    def _repr_html_(self) -> str:
        from digitlab import notebook
        from digitlab.contact_sheet import sheet_by_digit

        head = ("split", "images", *range(10))
        rows = [
            (name, f"{len(split):,}", *np.bincount(split.labels, minlength=10)[:10].tolist())
            for name, split in self.splits.items()
        ]
        parts = [notebook.table(rows, head), *map(notebook.note, self.warnings)]
        if self.splits:
            name, split = next(iter(self.splits.items()))
            sheet = sheet_by_digit(split.images, split.labels, columns=16, scale=1)
            parts += [notebook.picture(sheet, f"images of {name}, a row a digit")]
        return notebook.shown(f"Dataset {self.source}", *parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return dict(self.splits) == dict(other.splits)

    def __hash__(self) -> int:
        return hash(frozenset(self.sha256().items()))

    def sha256(self) -> dict[str, str]:
        """Return the SHA-256 of each split by name."""
        return {name: split.sha256() for name, split in self.splits.items()}
