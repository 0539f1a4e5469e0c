"""Changes of other modules that are undone at the end, some of them once a module is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MISSING = object()

Change = Callable[[ModuleType], None]


class Patches(ExitStack):
    """The changes made so far; leaving undoes them, the last one first."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self._finder = _AfterImport()
        sys.meta_path.insert(0, self._finder)
        self.callback(sys.meta_path.remove, self._finder)

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Give an attribute another value."""
        before = vars(owner).get(name, _MISSING)
        setattr(owner, name, value)
        if before is _MISSING:
            self.callback(delattr, owner, name)
        else:
            self.callback(setattr, owner, name, before)

    def after_import(self, name: str, change: Change) -> None:
        """Have a module changed: now, or as soon as somebody imports it."""
        if name in sys.modules:
            change(sys.modules[name])
        else:
            self._finder.changes.setdefault(name, []).append(change)


class _AfterImport(MetaPathFinder):
    """Finds modules as all others do, and has some changed after they have run."""

    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that is to be changed."""
        changes = self.changes.pop(fullname, None)  # once: a module may import itself anew
        if changes is None:
            return None
        others = (one for one in sys.meta_path if one is not self)
        found = (one.find_spec(fullname, path, target) for one in others)
        spec = next((one for one in found if one is not None), None)
        if spec is None or spec.loader is None:
            self.changes[fullname] = changes
            return spec
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            for change in changes:
                change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
