"""Folders of pictures, `train/0/*.png` or `0/*.png`: the simplest way to bring one's own digits.

Used by sources.py. OpenCV is imported by digitlab.preparation, and only when a picture needs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitlab.data.checks import SIDE
from digitlab.data.dataset import SPLITS, Dataset, Images, Split
from digitlab.data.streams import unreadable
from digitlab.errors import DataError, PictureError

_CLASSES = tuple("0123456789")
_NO_PICTURES = ("thumbs.db", "desktop.ini")  # what file managers leave behind

Files = Sequence[tuple[int, Path]]


def is_picture_folder(folders: Sequence[str]) -> bool:
    """Whether any of the folders in a folder is that of a split or of a digit."""
    return any(name in SPLITS or name in _CLASSES for name in folders)


def load_picture_folder(folder: Path) -> Dataset:
    """Load a folder of pictures, one folder a digit, under train, valid and test or without.

    A grey picture of 28 x 28 pixels with a black border is taken as it is, ink bright; any other
    goes through `digitlab.preparation`. Without folders of splits, the pictures of each digit are
    ordered by the SHA-256 of their files: the first 80 % are train, the next 10 % valid, the rest
    test; at least one is in each if there are three. Equal files are in the same split.

    Args:
        folder: holds train, valid and test, or the digits themselves.

    Raises:
        DataError: a file is no picture, or blank; a folder that is no digit; no pictures at all;
            in one line that names the file.
    """
    try:
        named = [name for name in SPLITS if (folder / name).is_dir()]
        if named:
            files: Mapping[str, Files] = {name: _files(folder / name) for name in named}
            warnings: tuple[str, ...] = ()
        else:
            files = _divided(_files(folder))
            warnings = (
                f"{folder}: has no folders train, valid and test; each digit's pictures are "
                "divided 80/10/10 by the hash of their files",
            )
        splits = {name: _split(found) for name, found in files.items() if found}
    except OSError as error:
        raise unreadable(Path(error.filename or folder), error) from error
    if not splits:
        raise DataError(
            f"{folder}: holds no pictures; expected files such as {folder}/train/0/a.png"
        )
    return Dataset(str(folder), splits, warnings)


def _files(folder: Path) -> Files:
    """Return the digit and path of each picture, by digit and name, the same on every machine."""
    found: list[tuple[int, Path]] = []
    for place in sorted(folder.iterdir()):
        if place.name.startswith(".") or not place.is_dir():
            continue
        if place.name not in _CLASSES:
            raise DataError(f"{place}: no digit; expected folders named 0 to 9")
        for path in sorted(place.iterdir()):
            if path.name.startswith(".") or path.name.lower() in _NO_PICTURES:
                continue
            if not path.is_file():
                raise DataError(f"{path}: is no picture; expected a file in the folder of a digit")
            found.append((int(place.name), path))
    return found


def _divided(files: Files) -> dict[str, Files]:
    """Divide files among the splits, digit by digit, by the hash of what they hold."""
    hashes = {path: _sha256(path) for _, path in files}
    split_of: dict[tuple[int, str], str] = {}
    for digit in range(10):
        distinct = sorted({hashes[path] for label, path in files if label == digit})
        count = len(distinct)
        held_out = max(1, round(count / 10)) if count >= 3 else 0
        for rank, key in enumerate(distinct):
            held = max(0, rank - (count - 2 * held_out)) if held_out else 0
            in_train = not held_out or rank < count - 2 * held_out
            split_of[digit, key] = "train" if in_train else SPLITS[1 + held // held_out]
    return {
        name: [(label, path) for label, path in files if split_of[label, hashes[path]] == name]
        for name in SPLITS
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _split(files: Files) -> Split:
    images = np.stack([_image(path) for _, path in files])
    return Split(images, np.array([label for label, _ in files], np.int64))


def _image(path: Path) -> Images:
    """Return one picture as uint8 [28, 28], ink bright."""
    from digitlab.decoding import load_picture

    try:
        picture = load_picture(path)
        grey = picture if picture.ndim == 2 else picture[..., 0]
        colourless = picture.ndim == 2 or bool((picture == grey[..., None]).all())
        if grey.shape == (SIDE, SIDE) and colourless:
            border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
            if not border.any():
                return grey
        from digitlab.preparation import find_glyph

        return find_glyph(picture, str(path)).image
    except PictureError as error:
        raise DataError(str(error)) from error
