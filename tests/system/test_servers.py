"""Parameter servers by real processes, some of which are lost (T3, T4, T8)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import crews
import pytest
from crews import STEPS, Crew
from test_workers import (
    TORCHRUN,
    assert_same,
    at_full_speed,
    begin,
    begin_by_torchrun,
    finish_alone,
    go_on,
    slowly,
)

from digitlab.training.metrics import read_metrics

pytestmark = pytest.mark.process

Alone = Callable[..., Path]
SERVED = ("--parallel", "parameter-server")


def test_servers_change_no_bit_and_hold_what_the_optimizer_remembers(
    crew_folder: Path, alone: Alone
) -> None:
    """With BatchNorm and dropout, which each worker computes as one process does."""
    words = begin("--workers", 3, *SERVED, "--servers", 2, network="Chance")
    with Crew(crew_folder, *words) as crew:
        assert crew.wait() == 0, crew.story()
    run, whole = crew_folder / "run", alone("adamw", "Chance")
    assert_same(run, whole)
    for step in range(1, STEPS + 1):
        assert crews.workers_at(run, step) == {"0", "1", "2"}
    mine, theirs = (json.loads((one / "summary.json").read_text()) for one in (run, whole))
    assert mine["weights_sha256"] == theirs["weights_sha256"]
    assert mine["workers"] == 3
    held = mine["held_bytes"]
    assert [one["optimizer"] > 0 for one in held] == [False, False, False, True, True]
    (all_of_it,) = theirs["held_bytes"]
    for key, count in all_of_it.items():
        assert sum(one[key] for one in held[3:]) == count


def test_a_lost_server_costs_no_bit_in_any_layout(crew_folder: Path, alone: Alone) -> None:
    """A server is killed, all begin again; then Ctrl-C, and one process goes on."""
    slowly(crew_folder, 0.05)
    with Crew(crew_folder, *begin("--workers", 2, *SERVED)) as crew:
        crew.wait_for_step(14)
        os.kill(crew.worker(2), signal.SIGKILL)
        crew.wait_for_warning(
            "worker 2 was killed by SIGKILL; all begin again from the newest checkpoint (1 of 3)"
        )
        crew.wait_for_step(30)
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
    at_full_speed(crew_folder)
    finish_alone(crew_folder)
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


def test_the_last_of_torchrun_is_a_server(crew_folder: Path, alone: Alone) -> None:
    with Crew(crew_folder, *begin_by_torchrun(*SERVED), module=TORCHRUN) as crew:
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("adamw", "Plain"))
    assert crews.workers_at(crew_folder / "run", 1) == {"0"}


def test_too_many_servers_are_one_line(crew_folder: Path) -> None:
    words = begin("--workers", 1, *SERVED, "--servers", 3, network="Few")
    with (crew_folder / "crew_networks.py").open("a") as module:
        module.write(
            "\n\nclass Few(nn.Sequential):\n"
            "    def __init__(self, outputs):\n"
            "        super().__init__(nn.Flatten(), nn.AdaptiveAvgPool1d(outputs), Scale())\n"
            "\n\nclass Scale(nn.Module):\n"
            "    def __init__(self):\n"
            "        super().__init__()\n"
            "        self.scale = nn.Parameter(torch.ones(2, 5))\n\n"
            "    def forward(self, values):\n"
            "        return values * self.scale.flatten()\n"
        )
    with Crew(crew_folder, *words) as crew:
        assert crew.wait() == 2, crew.story()
        assert "3 servers are more than the rows of parameters" in crew.last_line
        assert crew.errors.count("\n") == 1, crew.errors


def test_a_kill_leaves_each_push_once_in_the_history_that_survives(crew_folder: Path) -> None:
    """First a worker, then a server; after each all begin again from the newest checkpoint."""
    slowly(crew_folder, 0.03)
    words = begin("--workers", 3, *SERVED, "--servers", 2, "--staleness", 3)
    with Crew(crew_folder, *words) as crew:
        for count, slot in enumerate((1, 4), 1):
            crew.wait_for_step(14 * count)
            os.kill(crew.worker(slot), signal.SIGKILL)
            crew.wait_for_warning(f"begin again from the newest checkpoint ({count} of 3)")
        crew.wait_for_step(40)
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
    at_full_speed(crew_folder)
    with Crew(crew_folder, *go_on("--workers", 2, *SERVED, "--staleness", 1)) as crew:
        assert crew.wait() == 0, crew.story()
    lines = list(read_metrics(crew_folder / "run" / "ledger.jsonl"))
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    taken: dict[int, list[dict[str, int]]] = {}
    for line in lines:
        for push in line.get("pushes", []):
            taken.setdefault(push["server"], []).append(push)
    assert set(taken) == {2, 3, 4}  # the servers of two workers, and of three
    last = max(push["step"] for push in taken[3])
    assert 40 <= last < STEPS
    for server, workers, bound, begin_at, end_at in (
        (3, 3, 3, 0, last),
        (4, 3, 3, 0, last),
        (2, 2, 1, last, STEPS),
    ):
        each = [(w, step + 1) for w in range(workers) for step in range(begin_at, end_at)]
        assert sorted((push["worker"], push["step"]) for push in taken[server]) == each
        counts = [push["taken"] for push in taken[server]]
        assert counts == list(range(counts[0], counts[0] + len(each)))
        assert counts[0] == 1 + 3 * begin_at
        assert max(push["ahead"] for push in taken[server]) <= bound
