from __future__ import annotations

from pathlib import Path

import pytest

from digitlab.data import load_dataset
from digitlab.paddle import course_lists


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch, small_data: Path) -> None:
    """Have the embedded data be few, so that their text is short."""
    few = load_dataset(str(small_data))
    monkeypatch.setattr(course_lists, "embedded", lambda: few)
