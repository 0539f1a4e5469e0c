"""Puts a package `paddle` in place of the missing one, for this process.

Its modules are made of `table.py`. What that has not is an error of one line, which names it and
the nearest that there is.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from digitlab.paddle.state import STATE, force_device
from digitlab.paddle.table import MODULES, OLD, nearest

VERSION = "1.8.5"  # of which the names and what they do are


class _Module(types.ModuleType):
    """A module of old Paddle; what is behind a name is imported when it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [one for one in dir(self) if not one.startswith("_")]
        dotted = f"{self.__name__}.{name}"
        found = OLD.get(dotted)
        if found is None:
            if name.startswith("__"):
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
            raise AttributeError(missing(dotted))
        module, _, inner = found.place.partition(":")
        value = getattr(importlib.import_module(f"digitlab.paddle.{module}"), inner)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        own = self.__name__ + "."
        below = {old[len(own) :].partition(".")[0] for old in OLD if old.startswith(own)}
        return sorted(below | set(self.__dict__))


class _Finder(MetaPathFinder):
    """Says what `import` and `from … import` of an unknown name are to say."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """Refuse all that is below `paddle`: what there is of it is in `sys.modules`."""
        if name.startswith("paddle."):
            raise ImportError(missing(name), name=name)
        return None


def missing(dotted: str) -> str:
    """Return the one line for a name that there is not."""
    near = nearest(dotted)
    way_out = f"; the nearest there is: {near}" if near else ""
    return f"{dotted} is not among the names that digitlab runs{way_out}"


@contextlib.contextmanager
def install(device: str | None = None) -> Iterator[types.ModuleType]:
    """Put the package into `sys.modules`, its state as in a new process; take it away at the end.

    Args:
        device: "cpu" or "cuda", whatever places a script names; None: as it names them.
    """
    modules = {name: _Module(name, f"{name} of PaddlePaddle {VERSION}") for name in MODULES}
    for name, module in modules.items():
        module.__path__ = []
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        module.__package__ = name
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(modules[parent], last, module)
    for name in ("paddle", "paddle.fluid"):
        vars(modules[name])["__version__"] = VERSION
    before = _taken_away()
    finder = _Finder()
    sys.modules.update(modules)
    sys.meta_path.insert(0, finder)
    STATE.reset()
    force_device(device)
    try:
        yield modules["paddle"]
    finally:
        sys.meta_path.remove(finder)
        _taken_away()
        sys.modules.update(before)
        STATE.reset()


def _taken_away() -> dict[str, types.ModuleType]:
    """Take what is there of such a package out of `sys.modules`, and return it."""
    there = [name for name in sys.modules if name.partition(".")[0] == "paddle"]
    return {name: sys.modules.pop(name) for name in there}
