"""What the list of runs says of a run, whatever of its files is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from digitlab.config import Recipe
from digitlab.recipe_files import to_toml
from digitlab.training.listing import list_runs, runs_text


def make_run(
    path: Path,
    recorded: dict[str, Any],
    checkpoints: dict[int, Any],
    summary: dict[str, Any] | None = None,
) -> Path:
    """Write the files of a run that the list looks at; a checkpoint's facts may be any text."""
    path.mkdir()
    (path / "config.toml").write_text(to_toml(Recipe(), recorded))
    for step, facts in checkpoints.items():
        folder = path / "checkpoints" / f"step-{step:010d}"
        folder.mkdir(parents=True)
        text = facts if isinstance(facts, str) else json.dumps({"facts": facts})
        (folder / "checkpoint.json").write_text(text)
    if summary is not None:
        (path / "summary.json").write_text(json.dumps({"weights_sha256": "", **summary}))
    return path


@pytest.mark.parametrize(
    ("recorded", "checkpoints", "summary", "workers"),
    [
        ({"workers": 2}, {}, None, 2),  # killed before its first checkpoint
        ({"workers": 2}, {3: {"workers": 2}, 6: {"workers": 3}}, None, 3),
        ({"workers": 2}, {3: {"workers": 4}, 6: "{"}, None, 4),
        ({"workers": 2}, {6: '{"facts": [1]}'}, None, 2),
        ({"workers": 2}, {6: {"workers": 3}}, {"workers": 1}, 1),
        ({"torch": "2.8.0"}, {6: {"step": 6}}, None, None),  # of an older version
        ({"workers": "two"}, {6: {"workers": True}}, None, None),
    ],
)
def test_the_workers_of_a_run_are_known_however_it_stopped(
    recorded: dict[str, Any],
    checkpoints: dict[int, Any],
    summary: dict[str, Any] | None,
    workers: int | None,
) -> None:
    run = make_run(Path("run"), recorded, checkpoints, summary)
    (status,) = list_runs(run)
    assert status.workers == workers
    assert status.to_json()["workers"] == workers
    assert status.state == ("stopped" if summary is None else "finished")


def test_workers_that_differ_have_a_column() -> None:
    Path("runs").mkdir()
    make_run(Path("runs/a"), {"workers": 1}, {})
    make_run(Path("runs/b"), {"workers": 1}, {2: {"workers": 4}})
    rows = [line.split() for line in runs_text(list_runs(Path("runs"))).splitlines()]
    assert rows[0][:4] == ["run", "state", "recipe", "workers"]
    assert {row[0]: row[3] for row in rows[1:]} == {"runs/a": "1", "runs/b": "4"}
