"""A network in parts, by real processes: the same bits, also where a part is lost (T5, T8)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from crews import TIMEOUT, Crew
from test_workers import (
    TORCHRUN,
    assert_held_once,
    assert_same,
    at_full_speed,
    begin,
    begin_by_torchrun,
    finish_alone,
    free_port,
    go_on,
    slowly,
)

import digitlab

pytestmark = pytest.mark.process

Alone = Callable[..., Path]
AGAIN = "all begin again from the newest checkpoint"


def pipeline(workers: int, *more: object) -> list[object]:
    """Return the words that begin a run of a pipeline in the folder `run`."""
    return begin("--workers", workers, "--parallel", "pipeline", *more, network="Staged")


def test_a_pipeline_has_the_bits_of_one_process(crew_folder: Path, alone: Alone) -> None:
    with Crew(crew_folder, *pipeline(3, "--pipeline-schedule", "1f1b")) as crew:
        assert crew.wait() == 0, crew.story()
    run, whole = crew_folder / "run", alone("adamw", "Staged")
    assert_same(run, whole)
    mine, theirs = (json.loads((one / "summary.json").read_text()) for one in (run, whole))
    assert_held_once(run, whole, 3)
    assert mine["weights_sha256"] == theirs["weights_sha256"]


@pytest.mark.parametrize(
    ("slot", "number"), [(1, signal.SIGKILL), (0, signal.SIGKILL), (1, signal.SIGSTOP)]
)
def test_a_lost_stage_costs_no_bit(
    crew_folder: Path, alone: Alone, slot: int, number: signal.Signals
) -> None:
    slowly(crew_folder, 0.05)
    with Crew(crew_folder, *pipeline(2, "--timeout", TIMEOUT)) as crew:
        crew.wait_for_step(14)
        os.kill(crew.worker(slot), number)
        crew.wait_for_warning(f"{AGAIN} (1 of 3)")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
        warnings = [one["message"] for one in crew.events if one["event"] == "warning"]
    assert len(warnings) == 1, warnings
    if number == signal.SIGKILL:
        assert warnings[0].startswith(f"worker {slot} was killed by SIGKILL; ")
    assert_same(crew_folder / "run", alone("adamw", "Staged"))


def test_what_a_pipeline_leaves_is_gone_on_with_in_any_layout(
    crew_folder: Path, alone: Alone
) -> None:
    slowly(crew_folder, 0.05)
    with Crew(crew_folder, *pipeline(2, "--max-restarts", 0)) as crew:
        crew.wait_for_step(14)
        os.kill(crew.worker(1), signal.SIGKILL)
        assert crew.wait() == 2, crew.story()
        assert crew.last_line.startswith("digitlab: worker 1 was killed by SIGKILL")
        assert "go on by --resume run" in crew.last_line
    words = go_on("--workers", 3, "--parallel", "pipeline", network="Staged")
    with Crew(crew_folder, *words) as crew:
        crew.wait_for_step(30)
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
    at_full_speed(crew_folder)
    finish_alone(crew_folder, "Staged")
    assert_same(crew_folder / "run", alone("adamw", "Staged"))


def test_all_machines_begin_again(crew_folder: Path, alone: Alone) -> None:
    slowly(crew_folder, 0.05)
    words = ("--parallel", "pipeline", "--nodes", 2, "--rendezvous", f"127.0.0.1:{free_port()}")
    first = begin(*words, network="Staged")
    second = begin(*words, "--node-rank", 1, network="Staged")
    del second[second.index("--run-dir") : second.index("--run-dir") + 2]
    second[second.index("logs")] = "logs1"
    with Crew(crew_folder, *first) as one, Crew(crew_folder, *second) as other:
        one.wait_for_step(5)
        os.kill(other.worker(1), signal.SIGKILL)
        other.wait_for_warning(f"worker 1 was killed by SIGKILL; {AGAIN} (1 of 3)")
        one.wait_for_warning(f"worker 0 lost another, and its part with it; {AGAIN} (1 of 3)")
        at_full_speed(crew_folder)
        assert one.wait() == 0, one.story()
        assert other.wait() == 0, other.story()
    assert_same(crew_folder / "run", alone("adamw", "Staged"))


def test_torchrun_starts_a_pipeline(crew_folder: Path, alone: Alone) -> None:
    words = begin_by_torchrun("--parallel", "pipeline", "--cut", "5")
    words[words.index("crew_networks:Plain")] = "crew_networks:Staged"
    with Crew(crew_folder, *words, module=TORCHRUN) as crew:
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("adamw", "Staged"))


def test_a_network_that_cannot_be_cut_is_one_line_and_the_folder_is_free(
    crew_folder: Path,
) -> None:
    words = begin("--workers", 2, "--parallel", "pipeline", network="Chance")
    with Crew(crew_folder, *words) as crew:
        assert crew.wait() == 2, crew.story()
        assert "draws random numbers (dropout)" in crew.last_line
        assert crew.errors.count("\n") == 1, crew.errors
    digitlab.train("adamw.toml", network="crew_networks:Plain", epochs=0.1, run_dir="run")
