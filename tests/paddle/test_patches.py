from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from digitlab.paddle.patches import Patches


def test_changes_are_undone_the_last_one_first() -> None:
    owner = SimpleNamespace(there=1)
    with Patches() as patches:
        patches.set(owner, "there", 2)
        patches.set(owner, "there", 3)
        patches.set(owner, "new", 4)
        assert (owner.there, owner.new) == (3, 4)
    assert vars(owner) == {"there": 1}


def test_a_module_is_changed_once_somebody_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_late.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    with Patches() as patches:

        def change(module: ModuleType) -> None:
            patches.set(module, "VALUE", module.VALUE + 1)

        patches.after_import("imported_late", change)
        patches.after_import("imported_late", change)
        patches.after_import("nowhere_to_be_found", change)
        assert "imported_late" not in sys.modules
        import imported_late  # type: ignore[import-not-found]

        assert imported_late.VALUE == 3
        with pytest.raises(ModuleNotFoundError):
            import nowhere_to_be_found  # type: ignore[import-not-found]  # noqa: F401
    assert imported_late.VALUE == 1
    assert sys.meta_path == finders
    del sys.modules["imported_late"]
