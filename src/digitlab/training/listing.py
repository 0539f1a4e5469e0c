"""The list of runs that `digitlab runs` prints; needs no torch."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from digitlab.errors import DigitlabError, RunError
from digitlab.recipe_files import load_recipe, read_recorded
from digitlab.training.run_folder import RunFolder, is_locked
from digitlab.wording import calibrated_on, duration, percent

_SETTINGS = {
    "network": "network",
    "optimizer": "optimizer",
    "learning_rate": "rate",
    "batch_size": "batch",
    "seed": "seed",
    "workers": "workers",
}


@dataclass(frozen=True)
class RunStatus:
    """One line of `digitlab runs`.

    Attributes:
        path: the run's folder.
        state: "finished", "running" or "stopped" (to be gone on with by --resume).
        recipe: the recipe's name, "?" where config.toml cannot be read.
        step: the last step recorded in a checkpoint or summary; 0 before the first.
        test_accuracy, valid_accuracy: fractions, None where not known yet.
        network, optimizer, learning_rate, batch_size, seed: of its recipe; None where it cannot be
            read.
        workers: how many it ended with, or had at its newest checkpoint, or was begun with; None
            where that is not known, as of runs that older versions left unfinished.
        calibrated_on: what its model's temperature was found on; None where it is not calibrated,
            or has not ended.
        age_seconds: since the run's files last changed.
    """

    path: str
    state: str
    recipe: str
    step: int
    test_accuracy: float | None
    valid_accuracy: float | None
    age_seconds: float
    network: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int | None = None
    workers: int | None = None
    calibrated_on: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def list_runs(folder: Path) -> list[RunStatus]:
    """Return the runs in a folder (or the run that it is), newest first.

    Raises:
        RunError: where there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder; digitlab train makes runs/")
    found = [folder, *sorted(folder.iterdir())]
    readable = [path for path in found if os.access(path, os.R_OK | os.X_OK)]
    runs = [RunFolder(path) for path in readable if (path / "config.toml").is_file()]
    return sorted((_status(run) for run in runs), key=lambda status: status.age_seconds)


def _status(folder: RunFolder) -> RunStatus:
    recorded: dict[str, Any] = {}
    try:
        recorded = read_recorded(folder.config)
        own = recorded.get("network_flag")
        recipe = load_recipe(folder.config, {"network.name": own} if own else {})
    except DigitlabError:
        recipe = None
    summary = folder.read_summary() or {}
    running = is_locked(folder)
    checkpoints = sorted(folder.checkpoints.glob("step-" + "[0-9]" * 10))
    step = int(checkpoints[-1].name[5:]) if checkpoints else 0
    known = (summary, *map(_facts, reversed(checkpoints)), recorded)
    changed = [folder.config, folder.metrics, folder.summary, folder.checkpoints]
    newest = max(path.stat().st_mtime for path in changed if path.exists())
    return RunStatus(
        path=str(folder.path),
        state="running" if running else "finished" if summary else "stopped",
        recipe=recipe.name if recipe else "?",
        step=summary.get("steps", step),
        test_accuracy=_fraction(summary.get("test_accuracy")),
        valid_accuracy=_fraction(summary.get("valid_accuracy")),
        age_seconds=max(0.0, time.time() - newest),
        network=recipe.network.name if recipe else None,
        optimizer=recipe.optimizer.name if recipe else None,
        learning_rate=recipe.optimizer.learning_rate if recipe else None,
        batch_size=recipe.training.batch_size if recipe else None,
        seed=recipe.seed if recipe else None,
        workers=next((found for one in known if (found := _count(one.get("workers")))), None),
        calibrated_on=calibrated_on(summary.get("temperature"), summary.get("calibrated_on")),
    )


def _facts(checkpoint: Path) -> dict[str, Any]:
    """Return what a checkpoint says beside its tensors; nothing where it is damaged."""
    try:
        facts = json.loads((checkpoint / "checkpoint.json").read_text("utf-8"))["facts"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _count(value: Any) -> int | None:
    return value if type(value) is int else None


def _fraction(value: Any) -> float | None:
    return value if isinstance(value, float) else None


def runs_text(runs: list[RunStatus]) -> str:
    """Return the list as a table for people; of a recipe's settings those that tell runs apart."""
    if not runs:
        return "no runs here yet; digitlab train makes one"
    telling = [name for name in _SETTINGS if len({getattr(run, name) for run in runs}) > 1]
    heads = [_SETTINGS[name] for name in telling]
    rows: list[tuple[str, ...]] = [
        ("run", "state", "recipe", *heads, "steps", "valid", "test", "age")
    ]
    for run in runs:
        accuracies = [
            "" if value is None else percent(value)
            for value in (run.valid_accuracy, run.test_accuracy)
        ]
        age = duration(run.age_seconds)
        values = [getattr(run, name) for name in telling]
        settings = ["" if value is None else str(value) for value in values]
        rows.append((run.path, run.state, run.recipe, *settings, str(run.step), *accuracies, age))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
