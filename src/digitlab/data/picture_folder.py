"""Folders of pictures, `train/0/*.png` or `0/*.png`: the simplest way to bring one's own digits.

Used by sources.py. OpenCV is imported by digitlab.preparation, and only when a picture needs it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np

from digitlab.data.checks import SIDE
from digitlab.data.dataset import SPLITS, Dataset, Images, Split
from digitlab.data.division import LEAST, divided
from digitlab.data.names import digit_named, entries_of, listed, split_named
from digitlab.data.streams import unreadable
from digitlab.errors import DataError, PagesWarning, PictureError
from digitlab.header import SUFFIXES

_LABELLED = re.compile(r"([0-9])[_-].*")

Files = Sequence[tuple[int, Path]]


def is_picture_folder(folder: Path) -> bool:
    """Whether anything in a folder is named as a split, a digit, or a picture of a digit."""
    return any(_split_at(path) or _digit_at(path) is not None for path in entries_of(folder))


def load_picture_folder(folder: Path) -> Dataset:
    """Load a folder of pictures, one folder a digit, under train, valid and test or without.

    Folders may also have the other names of `digitlab.data.names`, such as val, trainingSet or
    class_3, or lie in one of their own name, as archives unpack; pictures may lie flat where their
    names begin with their digit, as 3_0001.png. A split without labels is passed over.

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
        return _load(folder)
    except OSError as error:
        raise unreadable(Path(error.filename or folder), error) from error


def _load(folder: Path) -> Dataset:
    here = entries_of(folder)
    passed_over: list[Path] = []
    if any(_split_at(path) for path in here):
        named = _split_folders(here, passed_over)
        unlabelled: dict[str, list[Path]] = {name: [] for name in named}
        files = {
            name: _files(_unpacked(path), unlabelled[name], strict=True)
            for name, path in named.items()
        }
        for name, path in named.items():
            is_whole = any(files.values()) and not files[name]
            passed_over += [path] if is_whole else unlabelled[name]
        warnings = []
    else:
        files = _divided(_files(folder, passed_over, strict=False))
        how = "each digit's pictures are divided 80/10/10 by the hash of their files"
        if not files["test"]:
            how = (
                f"each digit has fewer than {LEAST} different pictures, so that all are to learn "
                "from, and none is for a test"
            )
        warnings = [f"{folder}: has no folders train, valid and test; {how}"]
    over = listed(str(path.relative_to(folder)) for path in passed_over)
    with catch_warnings(record=True) as said:
        simplefilter("always", PagesWarning)
        splits = {name: _split(found) for name, found in files.items() if found}
    warnings += [str(one.message) for one in said]
    if not splits:
        found = f"; found {over}" if over else ""
        raise DataError(
            f"{folder}: holds no pictures; expected files such as {folder}/train/0/a.png{found}"
        )
    if over:
        warnings.append(f"{folder}: passed over: {over}")
    return Dataset(str(folder), splits, tuple(warnings))


def _split_folders(here: Sequence[Path], passed_over: list[Path]) -> dict[str, Path]:
    """Return the folder of each split that is there, in the order of splits."""
    named: dict[str, Path] = {}
    for path in here:
        split = _split_at(path)
        if split is None:
            passed_over.append(path)
        elif split in named:
            raise DataError(f"{path}: is {split} again, beside {named[split].name}; keep one")
        else:
            named[split] = path
    return {name: named[name] for name in SPLITS if name in named}


def _unpacked(folder: Path) -> Path:
    """Return a folder, or the only thing in it where that is a folder of its own name."""
    inside = entries_of(folder)
    is_twice = [path.name for path in inside] == [folder.name] and inside[0].is_dir()
    return inside[0] if is_twice else folder


def _split_at(path: Path) -> str | None:
    return split_named(path.name) if path.is_dir() else None


def _digit_at(path: Path) -> int | None:
    """Return the digit that a folder, or a file with its digit before its name, stands for."""
    if path.is_dir():
        return digit_named(path.name)
    found = _LABELLED.fullmatch(path.name) if path.suffix.lower() in SUFFIXES else None
    return int(found[1]) if found else None


def _files(folder: Path, passed_over: list[Path], strict: bool) -> Files:
    """Return the digit and path of each picture, by digit and name, the same on every machine.

    Args:
        folder: holds folders of digits, or pictures whose names begin with their digit.
        passed_over: takes what is neither.
        strict: whether a folder that is no digit is an error.
    """
    found: list[tuple[int, Path]] = []
    for place in entries_of(folder):
        digit = _digit_at(place)
        if digit is None and strict and place.is_dir():
            raise DataError(f"{place}: no digit; expected folders named 0 to 9")
        if digit is None:
            passed_over.append(place)
        elif place.is_file():
            found.append((digit, place))
        else:
            found += [(digit, path) for path in entries_of(place)]
    for _, path in found:
        if not path.is_file():
            raise DataError(f"{path}: is no picture; expected a file in the folder of a digit")
    return sorted(found, key=lambda file: (file[0], str(file[1])))


def _divided(files: Files) -> dict[str, Files]:
    """Divide files among the splits, digit by digit, by the hash of what they hold."""
    labels, hashes = [label for label, _ in files], [_sha256(path) for _, path in files]
    names = divided(labels, hashes, {"valid": 0.1, "test": 0.1})
    return {
        name: [file for file, split in zip(files, names, strict=True) if split == name]
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
