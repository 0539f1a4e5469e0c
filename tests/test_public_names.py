"""The public names: what they are, and that each error which a docstring names can be caught."""

from __future__ import annotations

import builtins
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import digitlab

README = Path(__file__).parents[1] / "README.md"


def documented() -> Iterator[tuple[str, Any]]:
    """Yield the public names and their public methods, with what they are."""
    for name in digitlab.__all__:
        public = getattr(digitlab, name)
        yield name, public
        if inspect.isclass(public):
            for inner, member in inspect.getmembers(public):
                if not inner.startswith("_") and callable(member):
                    yield f"{name}.{inner}", member


def raised(docstring: str) -> list[str]:
    """Return the errors that a docstring names under Raises."""
    section = re.search(r"^Raises:\n((?: {4}.*\n?|\n)+)", inspect.cleandoc(docstring), re.M)
    lines = re.findall(r"^ {4}([A-Z]\w+(?:, [A-Z]\w+)*):", section[1] if section else "", re.M)
    return [name for line in lines for name in line.split(", ")]


def test_every_public_name_is_there_and_listed() -> None:
    assert dir(digitlab) == sorted(digitlab.__all__)
    for name in digitlab.__all__:
        assert getattr(digitlab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        digitlab.Nonsense  # noqa: B018


def test_every_error_that_a_docstring_names_is_public() -> None:
    found = {
        (who, name)
        for who, what in documented()
        if isinstance(what.__doc__, str) and not isinstance(what, str)
        for name in raised(what.__doc__)
    }
    assert ("train", "RunError") in found  # the docstrings are understood
    assert ("Recogniser.read", "TypeError") in found
    unknown = {(who, name) for who, name in found if not is_public(name)}
    assert unknown == set()


def is_public(name: str) -> bool:
    return name in digitlab.__all__ or hasattr(builtins, name)


def test_the_readme_lists_every_error_and_no_other() -> None:
    errors = {
        name
        for name in digitlab.__all__
        if inspect.isclass(getattr(digitlab, name))
        and issubclass(getattr(digitlab, name), BaseException)
    }
    table = set(re.findall(r"^\| `digitlab\.(\w+)` \|", README.read_text("utf-8"), re.M))
    assert table == errors


@pytest.mark.process
def test_importing_and_listing_the_names_imports_none_of_them() -> None:
    code = "import sys, digitlab; dir(digitlab); print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
