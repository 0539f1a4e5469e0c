"""SIGKILL at any instant, then --resume: the same bits as an uninterrupted run (promise T1)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import kills
import pytest

from digitlab.training import checkpoint
from digitlab.training.metrics import CLOCK, read_metrics

pytestmark = pytest.mark.process


def all_bits(run: Path) -> str:
    """Return a hash of final weights, optimizer state, moving average and metrics."""
    found, warnings = checkpoint.load_newest(run / "checkpoints")
    assert found is not None
    assert warnings == []
    digest = hashlib.sha256()
    for name in sorted(found.tensors):
        digest.update(name.encode() + found.tensors[name].numpy().tobytes())
    for line in read_metrics(run / "metrics.jsonl"):
        digest.update(repr({key: line[key] for key in line if key not in CLOCK}).encode())
    digest.update(json.loads((run / "summary.json").read_text())["weights_sha256"].encode())
    assert not list(run.rglob("*.part"))
    return digest.hexdigest()


def variants(recipe: Path, optimizers: tuple[str, ...], epochs: int = 2) -> list[dict[str, Any]]:
    return [
        {"recipe": str(recipe), "optimizer": optimizer, "epochs": epochs, "threads": 1}
        for optimizer in optimizers
    ]


def test_a_kill_at_any_instant_costs_no_bit(
    small_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    histogram = kills.kill_trials(
        tmp_path, 20, random.Random(1), all_bits, variants(small_recipe, ("adamw", "momentum"), 3)
    )
    with capsys.disabled():
        print(f"\n{histogram.table()}")
    assert histogram.failures == []
    assert histogram.empty_phases() == []


# What writing a checkpoint asks of the system, in this order; see digitlab.durable_files.
_CALLS = ("mkdir", "fsync", "replace", "rename", "rmtree")


def _die_at(number: int, after: bool, counted: Any = None) -> None:
    """Make this process kill itself at the n-th of `_CALLS` while a checkpoint is written."""
    from digitlab import durable_files

    count = 0
    inside = False
    honest_save = checkpoint.save

    def save(*arguments: Any) -> Path:
        nonlocal inside, count
        inside = True
        try:
            return honest_save(*arguments)
        finally:
            inside = False
            if counted is not None:
                counted.value = count
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(owner: Any, name: str) -> None:
        honest = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += inside
            die = inside and count == number
            if die and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = honest(*arguments, **named)
            if die:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, call)

    for name in _CALLS:
        for owner in (durable_files.os, durable_files.shutil, Path):
            if hasattr(owner, name):
                watch(owner, name)
    checkpoint.save = save


def test_a_kill_at_every_step_of_writing_a_checkpoint_costs_no_bit(
    small_recipe: Path, tmp_path: Path
) -> None:
    (variant,) = variants(small_recipe, ("adam",))
    kills.run_to_the_end(tmp_path, run_dir="whole", **variant)
    expected = all_bits(tmp_path / "whole")
    counted = kills._fork.Value("i", 0, lock=False)
    process, _ = kills.start(
        tmp_path, partial(_die_at, 0, False, counted), run_dir="count", **variant
    )
    process.join(kills.WATCHDOG_SECONDS)
    steps = counted.value
    assert steps >= 6  # make the folder, two files and the folder made durable, rename, durable
    for number in range(1, steps + 1):
        for after in (False, True):
            folder = f"at{number}{after}"
            process, _ = kills.start(
                tmp_path, partial(_die_at, number, after), run_dir=folder, **variant
            )
            process.join(kills.WATCHDOG_SECONDS)
            assert process.exitcode == -signal.SIGKILL
            kills.go_on(tmp_path, folder, **variant)
            assert all_bits(tmp_path / folder) == expected, f"killed at call {number}, {after=}"


def test_the_trial_itself_notices_other_bits(small_recipe: Path, tmp_path: Path) -> None:
    first, second = variants(small_recipe, ("adam", "momentum"))
    kills.run_to_the_end(tmp_path, run_dir="a", **first)
    kills.run_to_the_end(tmp_path, run_dir="b", **second)
    assert all_bits(tmp_path / "a") != all_bits(tmp_path / "b")
