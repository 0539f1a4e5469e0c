"""The matrix of faults and phases of a run of several workers, for `make chaos` (T6, T8).

Each trial ends in recovery with the same bits, or in a line that names who was lost; then the run
can be gone on with, to the same bits. No process is left in either case. It is so for every way to
share the work, but for the bits of slices, which are nearly those, and of stale servers (T4, T5).
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import crews
import pytest
from crews import TIMEOUT, Crew
from safetensors.torch import load_file
from test_workers import Alone, assert_same, begin, finish_alone, on_hosts

from digitlab.training.metrics import read_metrics

pytestmark = pytest.mark.process

TRIALS = int(os.environ.get("DIGITLAB_CHAOS_TRIALS", "3"))  # of each fault in each phase
START_TIMEOUT = 20
PHASES = ("start", "first collective", "train", "checkpoint", "evaluation", "finishing")
# What a line must name where a run ends by a fault.
NAMED = re.compile(r"worker \d|rendezvous store|machine of worker|the first machine")


@dataclass(frozen=True)
class Fault:
    """Something that happens to a run; `recovers`: whether it must not cost the run."""

    name: str
    strike: Callable[[Crew], None]
    recovers: bool = True


def _to(number: signal.Signals, whom: Callable[[Crew], int]) -> Callable[[Crew], None]:
    return lambda crew: os.kill(whom(crew), number)


def _stop_launcher_for_a_while(crew: Crew) -> None:
    crew.process.send_signal(signal.SIGSTOP)
    time.sleep(2 * TIMEOUT)
    crew.process.send_signal(signal.SIGCONT)


FAULTS = (
    Fault("SIGKILL a worker", _to(signal.SIGKILL, lambda crew: crew.worker(1))),
    Fault("SIGKILL the leader", _to(signal.SIGKILL, lambda crew: crew.worker(0))),
    Fault("SIGSTOP a worker", _to(signal.SIGSTOP, lambda crew: crew.worker(1))),
    Fault("SIGSTOP the leader", _to(signal.SIGSTOP, lambda crew: crew.worker(0))),
    Fault("SIGKILL the store", _to(signal.SIGKILL, Crew.store), False),
    Fault("SIGSTOP the store", _to(signal.SIGSTOP, Crew.store), False),
    Fault("SIGKILL the launcher", lambda crew: crew.process.kill(), False),
    Fault("SIGSTOP the launcher", _stop_launcher_for_a_while),
    Fault("SIGINT", lambda crew: crew.process.send_signal(signal.SIGINT), False),
)
SERVER_FAULTS = (
    Fault("SIGKILL a server", _to(signal.SIGKILL, lambda crew: crew.worker(3))),
    Fault("SIGSTOP a server", _to(signal.SIGSTOP, lambda crew: crew.worker(3))),
)
HOST_FAULTS = ("SIGKILL a host", "SIGSTOP a host", "link down")


STALENESS = 2


def _assert_nearly_same(run: Path, whole: Path) -> None:
    """Check the weights of slices, whose sums have another order."""
    assert _steps_of(run) == _steps_of(whole)
    mine, theirs = (load_file(one / "model.safetensors") for one in (run, whole))
    assert mine.keys() == theirs.keys()
    for name, values in theirs.items():
        assert (mine[name] - values).abs().max() < 1e-3, name


def _assert_each_push_once(run: Path, whole: Path) -> None:
    """Check the history that survives: every push once, none staler than the bound."""
    lines = list(read_metrics(run / "ledger.jsonl"))
    assert [line["step"] for line in lines] == _steps_of(whole)
    pushes = [push for line in lines for push in line.get("pushes", [])]
    names = [(push["server"], push["worker"], push["step"]) for push in pushes]
    assert len(set(names)) == len(names)
    assert max((push["ahead"] for push in pushes), default=0) <= STALENESS
    last = max((step for _, _, step in names), default=0)  # one process may have done the rest
    each = {(s, w, step) for s in (2, 3) for w in (0, 1) for step in range(1, last + 1)}
    assert set(names) == each


def _steps_of(run: Path) -> list[int]:
    return [line["step"] for line in read_metrics(run / "ledger.jsonl")]


@dataclass(frozen=True)
class Layout:
    """A way to share the work, and what must be true of a run in the end."""

    words: tuple[object, ...]
    network: str = "Plain"
    recipe: str = "adamw"
    check: Callable[[Path, Path], None] = assert_same
    serves: bool = False


_SERVERS = ("--workers", 2, "--parallel", "parameter-server", "--servers", 2)
DATA = Layout(("--workers", 3))
IN_PARTS = {
    "pipeline": Layout(("--workers", 3, "--parallel", "pipeline"), "Staged"),
    "tensor": Layout(
        ("--workers", 2, "--parallel", "tensor"), "Staged", "momentum", _assert_nearly_same
    ),
    "branches": Layout(("--workers", 2, "--parallel", "branches"), "Branched"),
    "parameter-server": Layout(_SERVERS, serves=True),
    "stale": Layout(
        (*_SERVERS, "--staleness", STALENESS), check=_assert_each_push_once, serves=True
    ),
}


class Table:
    """Trials, failures and seconds, by fault and phase."""

    def __init__(self) -> None:
        self.trials: dict[tuple[str, str], int] = defaultdict(int)
        self.failures: list[str] = []
        self.next_step: dict[str, list[float]] = defaultdict(list)
        self.end: dict[str, list[float]] = defaultdict(list)

    def __str__(self) -> str:
        faults = list(dict.fromkeys(fault for fault, _ in self.trials))
        rows = ["fault                   " + "".join(f"{phase:>18}" for phase in PHASES)]
        for fault in faults:
            hits = "".join(f"{self.trials[fault, phase]:>18}" for phase in PHASES)
            rows.append(f"{fault:<24}{hits}")
        count = sum(self.trials.values())
        rows.append(
            f"failures: {len(self.failures)} of {count} (none seen means at most 3 in {count})"
        )
        rows += self.failures
        for title, seconds in (("next step", self.next_step), ("end of all", self.end)):
            rows += [
                f"{fault:<24}{title} after {median(values):.2f} s (at most {max(values):.2f} s, "
                f"of {len(values)})"
                for fault, values in seconds.items()
            ]
        return "\n".join(rows)


def _reach(crew: Crew, phase: str, chance: random.Random) -> None:
    """Wait until a run is in a phase, and then somewhere in it."""
    match phase:
        case "start":
            crew.worker(0)
            time.sleep(chance.random() * 3)
        case "first collective":
            crew.wait_for(lambda event: event["event"] in ("run", "joined"), "the beginning")
            time.sleep(chance.random() * 0.1)
        case "train":
            crew.wait_for_step(chance.randrange(2, 20))
            time.sleep(chance.random() * 0.1)
        case "checkpoint":
            _wait_for_phase(crew, ("checkpoint",))
            time.sleep(chance.random() * 0.3)
        case "evaluation":
            _wait_for_phase(crew, ("validate",))
            time.sleep(chance.random() * 0.3)
        case "finishing":
            last = ("evaluate", "calibrate", "export", "pictures", "summary")
            _wait_for_phase(crew, (chance.choice(last),))
            time.sleep(chance.random() * 0.3)


def _wait_for_phase(crew: Crew, names: tuple[str, ...]) -> None:
    crew.wait_for(lambda event: event["event"] == "phase" and event["name"] in names, names[0])


def _phase(crew: Crew) -> str:
    """Return the phase that a run is in by what it said last."""
    said = {
        "validate": "evaluation",
        "checkpoint": "checkpoint",
        **dict.fromkeys(("evaluate", "calibrate", "export", "pictures", "summary"), "finishing"),
    }
    phase = "start"
    for event in list(crew.events):
        if event["event"] in ("run", "joined"):
            phase = "first collective"
        elif event["event"] == "step":
            phase = "train"
        elif event["event"] == "phase" and phase != "start":
            phase = said.get(event["name"], "train" if crew.steps else phase)
    return phase


def _slow(folder: Path) -> None:
    for file, seconds in (("slow", 0.02), ("slow-evaluation", 0.2), ("slow-disk", 0.1)):
        (folder / file).write_text(str(seconds))


def _measure(table: Table, fault: str, crew: Crew, struck: float) -> None:
    """Note when the next step came after a loss, and when all was over."""
    table.end[fault].append(time.monotonic() - struck)
    said = [(event, came) for event, came in zip(crew.events, crew.times, strict=True)]
    lost = [
        came
        for event, came in said
        if event["event"] == "warning" and "lost worker" in event["message"] and came > struck
    ]
    if lost:
        steps = [came for event, came in said if event["event"] == "step" and came >= lost[0]]
        table.next_step[fault] += [came - struck for came in steps[:1]]


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Iterator[Table]:
    """Return a table that is printed in the end."""
    table = Table()
    yield table
    with capsys.disabled():
        print(f"\n{table}")


@pytest.mark.chaos
def test_any_fault_in_any_phase_ends_well(crew_folder: Path, alone: Alone, table: Table) -> None:
    _try_all(crew_folder, alone, DATA, FAULTS, TRIALS, table)


@pytest.mark.chaos
@pytest.mark.parametrize("name", IN_PARTS)
def test_any_fault_in_any_phase_of_parts_and_servers_ends_well(
    crew_folder: Path, alone: Alone, table: Table, name: str
) -> None:
    layout = IN_PARTS[name]
    faults = FAULTS + SERVER_FAULTS if layout.serves else FAULTS
    _try_all(crew_folder, alone, layout, faults, max(1, TRIALS // 3), table)


def _try_all(
    folder: Path,
    alone: Alone,
    layout: Layout,
    faults: Sequence[Fault],
    trials: int,
    table: Table,
) -> None:
    chance = random.Random(11)
    whole = alone(layout.recipe, layout.network)
    for trial in range(3 * trials):
        for fault in faults:
            for phase in PHASES:
                if trial >= trials and table.trials[fault.name, phase]:
                    continue  # only what was always missed by a moment is tried more often
                name = f"{fault.name}, {phase}, trial {trial}"
                try:
                    _try(folder, whole, layout, fault, phase, chance, table)
                except AssertionError as error:
                    table.failures.append(f"{name}: {error}")
                shutil.rmtree(folder / "run", ignore_errors=True)
                shutil.rmtree(folder / "logs", ignore_errors=True)
    assert table.failures == []
    missed = [(f.name, p) for f in faults for p in PHASES if not table.trials[f.name, p]]
    assert missed == []


def _try(
    folder: Path,
    whole: Path,
    layout: Layout,
    fault: Fault,
    phase: str,
    chance: random.Random,
    table: Table,
) -> None:
    _slow(folder)
    words = (*layout.words, "--timeout", TIMEOUT, "--start-timeout", START_TIMEOUT)
    whom = {"recipe": layout.recipe, "network": layout.network}
    with Crew(folder, *begin(*words, **whom)) as crew:
        _reach(crew, phase, chance)
        hit, struck = _phase(crew), time.monotonic()
        fault.strike(crew)
        status = crew.wait()
        _measure(table, fault.name, crew, struck)
        table.trials[fault.name, hit] += 1
        if status == 0:
            layout.check(folder / "run", whole)
            return
        assert not fault.recovers, crew.story()
        if fault.name == "SIGINT":
            assert status == 130, crew.story()
        elif status > 0:
            assert NAMED.search(crew.last_line), crew.story()
    for file in ("slow", "slow-evaluation", "slow-disk"):
        (folder / file).unlink()
    if (folder / "run" / "config.toml").exists():
        finish_alone(folder, layout.network)
        layout.check(folder / "run", whole)
    else:
        assert "--resume" not in crew.last_line, crew.story()


@pytest.mark.chaos
def test_the_loss_of_one_of_four_hosts_in_any_phase_costs_no_bit(
    crew_folder: Path, alone: Alone, table: Table, hosts: Callable[[int], crews.Hosts]
) -> None:
    chance = random.Random(12)
    whole = alone("adamw", "Plain")
    network = hosts(4)
    for trial in range(3 * TRIALS):
        for fault in HOST_FAULTS:
            for phase in PHASES:
                if trial >= TRIALS and table.trials[fault, phase]:
                    continue
                try:
                    _lose_a_host(crew_folder, whole, network, fault, phase, chance, table)
                except AssertionError as error:
                    table.failures.append(f"{fault}, {phase}, trial {trial}: {error}")
                shutil.rmtree(crew_folder / "run", ignore_errors=True)
                for logs in crew_folder.glob("logs*"):
                    shutil.rmtree(logs)
                network.join_again()
    assert table.failures == []
    assert [(f, p) for f in HOST_FAULTS for p in PHASES if not table.trials[f, p]] == []


def _lose_a_host(
    folder: Path,
    whole: Path,
    network: crews.Hosts,
    fault: str,
    phase: str,
    chance: random.Random,
    table: Table,
) -> None:
    _slow(folder)
    with ExitStack() as stack:
        # Without --min-workers a run waits for all hosts to begin, and ends where one is missing.
        words = ("--timeout", TIMEOUT, "--start-timeout", START_TIMEOUT, "--min-workers", 3)
        several = on_hosts(stack, folder, network, *words)
        _reach(several[0], phase, chance)
        hit, struck = _phase(several[0]), time.monotonic()
        lost = chance.randrange(1, network.count)
        if fault == "link down":
            network.cut(lost)
        else:
            several[lost].signal_all(
                signal.SIGKILL if fault == "SIGKILL a host" else signal.SIGSTOP
            )
        for number, crew in enumerate(several):
            if number != lost:
                assert crew.wait() == 0, crew.story()
        _measure(table, fault, several[0], struck)
        table.trials[fault, hit] += 1
        if fault == "link down":
            status = several[lost].wait()
            assert status == 0 or NAMED.search(several[lost].last_line), several[lost].story()
    assert_same(folder / "run", whole)
