"""A network in slices or branches, by real processes: what is lost and found again (T5, T8)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from crews import TIMEOUT, Crew
from safetensors.torch import load_file
from test_workers import (
    STEPS,
    assert_held_once,
    assert_same,
    at_full_speed,
    begin,
    finish_alone,
    go_on,
    slowly,
)

pytestmark = pytest.mark.process

AGAIN = "all begin again from the newest checkpoint"


def test_a_lost_slice_and_a_resume_in_every_layout(
    crew_folder: Path, alone: Callable[..., Path]
) -> None:
    slowly(crew_folder, 0.05)
    words = begin(
        *("--workers", 2, "--parallel", "tensor", "--timeout", TIMEOUT),
        recipe="momentum",
        network="Staged",
    )
    with Crew(crew_folder, *words) as crew:
        crew.wait_for_step(14)
        os.kill(crew.worker(1), signal.SIGKILL)
        crew.wait_for_warning(f"worker 1 was killed by SIGKILL; {AGAIN} (1 of 3)")
        crew.wait_for_step(20)
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
    words = go_on("--workers", 3, "--parallel", "pipeline", network="Staged")
    with Crew(crew_folder, *words) as crew:
        crew.wait_for_step(30)
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
    at_full_speed(crew_folder)
    finish_alone(crew_folder, "Staged")
    run, whole = crew_folder / "run", alone("momentum", "Staged")
    mine, theirs = (load_file(one / "model.safetensors") for one in (run, whole))
    assert mine.keys() == theirs.keys()
    for name, values in theirs.items():
        assert (mine[name] - values).abs().max() < 1e-3, name
    lines = [
        [json.loads(line) for line in (one / "metrics.jsonl").read_text().splitlines()]
        for one in (run, whole)
    ]
    mine_steps, their_steps = ([one for one in many if "loss" in one] for many in lines)
    assert len(mine_steps) == len(their_steps) >= STEPS


def test_a_lost_branch_costs_no_bit(crew_folder: Path, alone: Callable[..., Path]) -> None:
    slowly(crew_folder, 0.05)
    words = begin("--workers", 2, "--parallel", "branches", network="Branched")
    with Crew(crew_folder, *words) as crew:
        crew.wait_for_step(14)
        os.kill(crew.worker(1), signal.SIGKILL)
        crew.wait_for_warning(f"worker 1 was killed by SIGKILL; {AGAIN} (1 of 3)")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
    run, whole = crew_folder / "run", alone("adamw", "Branched")
    assert_same(run, whole)
    assert_held_once(run, whole, 2)
