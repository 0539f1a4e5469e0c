"""Runs without their pictures, which take half of a small run's time."""

from __future__ import annotations

import pytest


@pytest.fixture
def pictures() -> None:
    """Have a run draw its pictures."""


@pytest.fixture(autouse=True)
def _without_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pictures" not in request.fixturenames:
        for name in ("draw_curves", "draw_confusion"):
            monkeypatch.setattr(f"digitlab.training.charts.{name}", lambda *_: None)
