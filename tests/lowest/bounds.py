"""Prints the lowest versions that pyproject.toml allows as constraints of pip: make test-lowest."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
# What people install; what is needed to test it is of today.
GROUPS = ("train", "heic")


def lowest() -> dict[str, str]:
    """Return the lowest version of each package that digitlab asks for itself.

    Raises:
        ValueError: where a range has no lower bound that can be installed.
    """
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    found = {}
    for text in [*project["dependencies"], *(line for name in GROUPS for line in extras[name])]:
        requirement = Requirement(text)
        bounds = [one.version for one in requirement.specifier if one.operator == ">="]
        if len(bounds) != 1:
            raise ValueError(f"{text}: expected one lower bound, such as {requirement.name}>=1.0")
        found[requirement.name] = bounds[0]
    return found


if __name__ == "__main__":
    for name, version in lowest().items():
        print(f"{name}=={version}")
