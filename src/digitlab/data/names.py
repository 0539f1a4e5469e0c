"""The names that people give to splits and digits, and what lies beside data without being any.

Used by picture_folder.py, idx.py, arrays.py and csv_table.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# The first is ours; the others are met in archives, courses and other libraries.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {name: split for split, names in SPLIT_NAMES.items() for name in names}
_SPLIT = re.compile(
    rf"({'|'.join(_SPLIT_OF)})(?:[ _-]?(?:set|split|data|images|imgs|digits))?", re.IGNORECASE
)
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_CHARACTERS = "零一二三四五六七八九"
_DIGIT = re.compile(r"(?:class|digit|label|num|number)?[ _-]?0*([0-9])", re.IGNORECASE)
_IGNORED = ("__macosx", "thumbs.db", "desktop.ini")  # left behind by systems and file managers


def split_named(name: str) -> str | None:
    """Return the split that a folder's name means: "Val", "trainingSet"; None for others."""
    found = _SPLIT.fullmatch(name.strip())
    return _SPLIT_OF[found[1].casefold()] if found else None


def split_in(name: str) -> str | None:
    """Return the split that one word of a file's name means, as in "mnist_train"; None for others.

    Where words mean several, such as "train_test", it is none of them.
    """
    words = re.split(r"[\W\d_]+", name)
    splits = {split for word in words if (split := split_named(word))}
    return splits.pop() if len(splits) == 1 else None


def digit_named(name: str) -> int | None:
    """Return the digit that a folder's name means: "3", "03", "three", "class_3"; None for others.

    Numbers of two digits are none: "10" is not 0.
    """
    name = name.strip().casefold()
    if name in _WORDS:
        return _WORDS.index(name)
    if len(name) == 1 and name in _CHARACTERS:
        return _CHARACTERS.index(name)
    found = _DIGIT.fullmatch(name)
    return int(found[1]) if found else None


def entries_of(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name, but for what is hidden or left behind by systems."""
    return sorted(path for path in folder.iterdir() if not is_left_behind(path.name))


def is_left_behind(name: str) -> bool:
    """Whether a file or folder is hidden, or was left behind by a system or file manager."""
    return name.startswith(".") or name.casefold() in _IGNORED


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return `a, b, c`, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
