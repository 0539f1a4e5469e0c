"""What a user may ask of several workers: refused in one line, before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import digitlab
from digitlab.errors import ConfigError
from digitlab.events import Event
from digitlab.parallel.plan import Workers
from digitlab.parallel.seat import Seat, leftover_of_torchrun, seat_of_torchrun, way_out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"count": 1, "devices": ()}, None),
        ({"count": 0}, "--workers is 0; expected 1 or more"),
        ({"count": -1}, "--workers is -1; expected 1 or more"),
        ({"count": 5}, "5 workers are more than the 4 shards of a batch; give --set training.sh"),
        ({"count": 3, "nodes": 2, "rendezvous": "a:1"}, "6 workers are more than the 4 shards"),
        ({"count": 2, "nodes": 2}, "several nodes need --rendezvous HOST:PORT"),
        ({"count": 2, "nodes": 2, "node_rank": 2, "rendezvous": "a:1"}, "--node-rank is 2; exp"),
        ({"count": 2, "rendezvous": "nowhere"}, "rendezvous is nowhere; expected HOST:PORT"),
        ({"count": 2, "rendezvous": "a:99999"}, "expected HOST:PORT"),
        ({"count": 2, "rendezvous": "[::1]:29500"}, "expected an address of IPv4"),
        ({"count": 2, "timeout": 0.0}, "--timeout is 0; expected 1 second or more"),
        ({"count": 2, "timeout": float("inf")}, "--timeout is inf"),
        ({"count": 2, "min_workers": 3}, "--min-workers is 3; expected at most 2"),
        ({"count": 2, "max_restarts": -1}, "--max-restarts is -1"),
        ({"count": 2, "sync": "later"}, "--sync is later; expected exact or ddp"),
        ({"count": 2, "compress": "fp16"}, "--compress needs --sync ddp"),
        ({"count": 2, "local_steps": 4}, "--local-steps needs --sync ddp"),
        ({"count": 2, "sync": "ddp", "compress": "zip"}, "--compress is zip; expected one of"),
        ({"count": 2, "sync": "ddp", "compress": "bf16"}, "--compress bf16 needs CUDA"),
        (
            {"count": 2, "sync": "ddp", "compress": "fp16", "local_steps": 2},
            "--compress and --local-steps cannot stand together",
        ),
        ({"count": 2, "devices": (0,)}, "--devices is 0; expected one for each of 2 workers"),
        ({"devices": (1, 1)}, "--devices is 1,1"),
        ({"count": 4, "nodes": 1, "sync": "ddp", "local_steps": 8}, None),
        ({"count": 6, "sync": "ddp"}, None),
        ({"count": 2, "parallel": "later"}, "--parallel is later; expected data, "),
        ({"count": 2, "cut": (3,)}, "--cut needs --parallel pipeline"),
        ({"count": 2, "pipeline_schedule": "1f1b"}, "--pipeline-schedule needs --parallel pipel"),
        ({"count": 6, "parallel": "pipeline", "pipeline_schedule": "1f1b"}, None),
        ({"count": 6, "parallel": "tensor"}, None),
        ({"count": 2, "parallel": "tensor", "cut": (3,)}, "--cut needs --parallel pipeline"),
        ({"count": 2, "parallel": "pipeline", "pipeline_schedule": "gp"}, "expected gpipe or 1f1b"),
        ({"count": 3, "parallel": "pipeline", "cut": (3, 6)}, None),
        ({"count": 3, "parallel": "pipeline", "cut": (3,)}, "--cut is 3; expected 2 numbers for 3"),
        ({"count": 3, "parallel": "pipeline", "cut": (6, 3)}, "--cut is 6,3; expected 2 numbers"),
        (
            {"count": 2, "parallel": "pipeline", "cut": (0,)},
            "1 number for 2 stages, rising, from 1",
        ),
        ({"count": 1, "parallel": "pipeline"}, "--parallel pipeline needs --workers 2 or more"),
        (
            {"count": 2, "parallel": "pipeline", "sync": "ddp"},
            "--sync ddp is a way of --parallel d",
        ),
        ({"count": 2, "parallel": "pipeline", "min_workers": 1}, "where every part is needed"),
        ({"count": 2, "staleness": 1}, "--staleness needs --parallel parameter-server"),
        ({"count": 2, "parallel": "parameter-server", "staleness": -1}, "--staleness is -1; exp"),
        ({"count": 2, "parallel": "parameter-server", "staleness": 16}, None),
        ({"count": 2, "servers": 1}, "--servers needs --parallel parameter-server"),
        ({"count": 1, "parallel": "parameter-server"}, None),
        ({"count": 4, "parallel": "parameter-server", "servers": 9}, None),
        ({"count": 0, "parallel": "parameter-server"}, "--workers is 0; expected 1 or more"),
        ({"count": 2, "parallel": "parameter-server", "servers": 0}, "--servers is 0; expected 1"),
        ({"count": 5, "parallel": "parameter-server"}, "5 workers are more than the 4 shards of"),
        (
            {"count": 2, "parallel": "parameter-server", "devices": (0, 1)},
            "--devices is 0,1; expected one for each of 3 workers",
        ),
        ({"parallel": "parameter-server", "devices": (0, 1, 2)}, None),
        ({"parallel": "parameter-server", "devices": (0,)}, "--workers is 0; expected 1 or more"),
        (
            {"count": 2, "parallel": "parameter-server", "sync": "ddp"},
            "--sync ddp is a way of --parallel data",
        ),
    ],
)
def test_what_cannot_work_is_refused(asked: dict[str, Any], message: str | None) -> None:
    plan = Workers(**asked)
    if message is None:
        plan.check(shards=4, device="cpu")
        return
    with pytest.raises(ConfigError) as error:
        plan.check(shards=4, device="cpu")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_moving_average_and_steps_alone_are_refused() -> None:
    plan = Workers(2, sync="ddp", local_steps=4)
    plan.check(shards=4, device="cpu", moving_average=0.0)
    with pytest.raises(ConfigError, match=r"training\.moving_average=0"):
        plan.check(shards=4, device="cpu", moving_average=0.9)


@pytest.mark.parametrize("workers", [2.0, "2", True])
def test_what_is_no_number_of_workers_is_refused(small_recipe: Path, workers: Any) -> None:
    with pytest.raises(ConfigError, match="expected a number, or digitlab"):
        digitlab.train(small_recipe, run_dir="run", workers=workers)


def test_nothing_is_left_of_a_call_that_was_refused(small_recipe: Path) -> None:
    with pytest.raises(ConfigError, match="9 workers are more than the 4 shards"):
        digitlab.train(small_recipe, run_dir="run", workers=9)
    assert not Path("run").exists()


def of_torchrun(port: int = 1, **more: str) -> dict[str, str]:
    """Return what torchrun sets for its only worker."""
    return {
        "TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **more,
    }  # fmt: skip


@pytest.fixture
def listening() -> Iterator[int]:
    """Return a port at which somebody listens, as torchrun does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def silent() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_torchrun_gives_a_place() -> None:
    assert seat_of_torchrun({}) is None
    seat = seat_of_torchrun(
        of_torchrun(
            29500,
            RANK="3",
            WORLD_SIZE="4",
            LOCAL_WORLD_SIZE="2",
            MASTER_ADDR="10.0.0.1",
            TORCHELASTIC_RESTART_COUNT="1",
        )
    )
    assert seat is not None
    assert (seat.slot, seat.workers, seat.local, seat.regroups) == (3, 4, 1, False)
    assert (seat.host, seat.port, seat.prefix) == ("10.0.0.1", 29500, "digitlab/1")


def test_the_last_processes_are_servers() -> None:
    plan = Workers(count=2, nodes=2, parallel="parameter-server", servers=1)
    seat = Seat(0, "a", plan.everywhere, plan.here, "127.0.0.1", 29400, plan)
    assert seat.workers == 6
    assert seat.servers == (2, 5)  # of each machine
    assert replace(seat, regroups=False).servers == (5,)  # torchrun has one row of them
    assert replace(seat, plan=Workers(count=3, nodes=2)).servers == ()


def test_torchrun_sets_the_number_of_workers(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch, listening: int
) -> None:
    for name, value in of_torchrun(listening).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="--workers cannot stand here: it is for torchrun"):
        digitlab.train(small_recipe, workers=2)
    with pytest.raises(ConfigError, match=r"--log-dir .*: unset TORCHELASTIC_RUN_ID"):
        digitlab.train(small_recipe, workers=Workers(log_dir="logs"))
    only_servers = Workers(parallel="parameter-server", servers=2)
    with pytest.raises(ConfigError, match="2 servers would leave no worker of all that torchrun"):
        digitlab.train(small_recipe, workers=only_servers)


def test_variables_that_torchrun_left_are_passed_over_with_a_line(silent: int) -> None:
    whole = of_torchrun(silent)
    for count in range(len(whole) + 1):
        for names in combinations(whole, count):
            left = {name: whole[name] for name in names}
            seat = seat_of_torchrun(left)
            line = leftover_of_torchrun(seat, left)
            if "TORCHELASTIC_RUN_ID" not in left:
                assert (seat, line) == (None, None)
                continue
            assert line is not None
            assert line.startswith("TORCHELASTIC_RUN_ID is passed over, since ")
            assert line.endswith(": unset TORCHELASTIC_RUN_ID")
            missing = [name for name in whole if name not in left]
            assert (missing[0] if missing else f"127.0.0.1:{silent}") in line


def test_what_torchrun_sets_is_heeded_while_it_is_there(silent: int, listening: int) -> None:
    there = of_torchrun(listening)
    assert leftover_of_torchrun(seat_of_torchrun(there), there) is None
    # Another machine may not be heard for a while.
    afar = of_torchrun(silent, RANK="1", WORLD_SIZE="2")
    assert leftover_of_torchrun(seat_of_torchrun(afar), afar) is None


def test_one_of_several_workers_without_torchrun_does_not_train_alone(silent: int) -> None:
    left = of_torchrun(silent, RANK="1", WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    with pytest.raises(ConfigError, match=r"nobody listens at .*: unset TORCHELASTIC_RUN_ID"):
        leftover_of_torchrun(seat_of_torchrun(left), left)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("RANK", "first", "RANK is 'first'; torchrun sets 0 to 0"),
        ("RANK", "1", "RANK is '1'; torchrun sets 0 to 0"),
        ("WORLD_SIZE", "0", "WORLD_SIZE is '0'; torchrun sets 1 or more"),
        ("LOCAL_WORLD_SIZE", "0", "LOCAL_WORLD_SIZE is '0'; torchrun sets 1 to 1"),
        ("MASTER_PORT", "99999", "MASTER_PORT is '99999'; torchrun sets 1 to 65535"),
    ],
)
def test_what_torchrun_never_sets_is_one_line(name: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        seat_of_torchrun(of_torchrun(**{name: value}))
    assert expected in str(error.value)
    assert "unset TORCHELASTIC_RUN_ID" in str(error.value)


def test_the_way_out_is_one_of_the_system_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert "Remove-Item Env:TORCHELASTIC_RUN_ID (PowerShell)" in way_out()


def test_a_leftover_of_torchrun_costs_a_lone_training_one_line(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    heard: list[Event] = []
    for name, value in of_torchrun(silent).items():
        monkeypatch.setenv(name, value)
    digitlab.train(small_recipe, epochs=0.2, run_dir="run", reporter=heard.append)
    monkeypatch.delenv("RANK")
    digitlab.train(small_recipe, epochs=0.2, run_dir="again", reporter=heard.append)
    told = [event.text for event in heard if event.kind == "warning"]
    assert [line.split(";")[0] for line in told] == [
        "TORCHELASTIC_RUN_ID is passed over, since nobody listens at MASTER_ADDR:MASTER_PORT, "
        f"127.0.0.1:{silent}, as torchrun does",
        "TORCHELASTIC_RUN_ID is passed over, since RANK is not set",
    ]


def test_all_that_must_be_the_same_on_all_machines_is_compared() -> None:
    plan = Workers(count=2, nodes=2)
    seat = Seat(0, "a", 4, 2, "127.0.0.1", 29400, plan)
    others = {
        "--workers": replace(seat, per_node=3),
        "--workers times --nodes": replace(seat, workers=6),
        "--ledger": replace(seat, ledger=True),
        "--parallel": replace(seat, plan=replace(plan, parallel="pipeline")),
        "--cut": replace(seat, plan=replace(plan, cut=(3,))),
        "--pipeline-schedule": replace(seat, plan=replace(plan, pipeline_schedule="1f1b")),
        "--servers": replace(seat, plan=replace(plan, servers=2)),
        "--staleness": replace(seat, plan=replace(plan, staleness=2)),
        "--sync": replace(seat, plan=replace(plan, sync="ddp")),
        "--compress": replace(seat, plan=replace(plan, compress="fp16")),
        "--local-steps": replace(seat, plan=replace(plan, local_steps=2)),
        "--timeout": replace(seat, plan=replace(plan, timeout=9)),
        "--min-workers": replace(seat, plan=replace(plan, min_workers=2)),
    }
    assert set(seat.agreed()) == set(others)
    for flag, other in others.items():
        assert {name for name, value in seat.agreed().items() if other.agreed()[name] != value} == {
            flag
        }
    apart = replace(plan, node_rank=1, max_restarts=0, log_dir="mine", start_timeout=9)
    assert replace(seat, slot=2, start="b", plan=apart).agreed() == seat.agreed()
