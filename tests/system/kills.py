"""Kill a training process at a chosen or random instant, go on with it, compare every bit.

Used by the normal suite (few trials) and by `make chaos` (many). Trials fork from a process that
has imported torch and nothing more, so that one takes a second, not five.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

PHASES = (
    "start", "data", "network", "train", "validate", "checkpoint", "evaluate",
    "calibrate", "export", "pictures", "summary",
)  # fmt: skip
WATCHDOG_SECONDS = 300.0

_fork = multiprocessing.get_context("forkserver")
# pytest, too: each child imports the main module anew, which is pytest's.
_fork.set_forkserver_preload(
    ["digitlab.training.run", "torch.utils.tensorboard", "onnx", "onnxruntime", "pytest"]
)


class Watched:
    """A listener that tells another process which phase a run is in."""

    def __init__(self, phase: Synchronized[int], durations: Any = None) -> None:
        self._phase, self._durations, self._since = phase, durations, time.monotonic()

    def __call__(self, event: Any) -> None:
        assert event.kind != "warning", f"a run warned: {event.text}"
        if event.kind == "phase":
            self._enter(event.facts["name"])

    def _enter(self, name: str) -> None:
        now = time.monotonic()
        if self._durations is not None and self._phase.value >= 0:
            index = self._phase.value
            self._durations[index] = max(self._durations[index], now - self._since)
        self._phase.value, self._since = PHASES.index(name), now


def _train(
    where: str,
    phase: Synchronized[int],
    durations: Any,
    prepare: Callable[[], None] | None,
    arguments: dict[str, Any],
) -> None:
    import digitlab

    os.chdir(where)
    if prepare is not None:
        prepare()
    digitlab.train(reporter=Watched(phase, durations), **arguments)


def start(
    where: Path, prepare: Callable[[], None] | None = None, durations: Any = None, **arguments: Any
) -> tuple[Any, Synchronized[int]]:
    """Start `digitlab.train(**arguments)` in a process of its own; return it and its phase."""
    phase = _fork.Value("i", -1, lock=False)
    process = _fork.Process(target=_train, args=(str(where), phase, durations, prepare, arguments))
    process.start()
    return process, phase


def run_to_the_end(where: Path, **arguments: Any) -> list[float]:
    """Train without a fault; return how long each phase took, in seconds, at most."""
    durations = _fork.Array("d", len(PHASES), lock=False)
    process, _ = start(where, durations=durations, **arguments)
    process.join(WATCHDOG_SECONDS)
    assert process.exitcode == 0, f"exit status {process.exitcode}"
    return list(durations)


def go_on(where: Path, folder: str, **arguments: Any) -> None:
    """Go on with a killed run to its end; one killed before it had a folder begins anew."""
    if (where / folder / "config.toml").exists():
        run_to_the_end(where, resume=folder)
    else:
        run_to_the_end(where, run_dir=folder, **arguments)


@dataclass
class Histogram:
    """How many kills hit each phase, and what failed."""

    hits: Counter[str] = field(default_factory=Counter)
    too_late: int = 0
    failures: list[str] = field(default_factory=list)

    def empty_phases(self) -> list[str]:
        """Return the phases that no kill hit."""
        return [phase for phase in PHASES if not self.hits[phase]]

    def table(self) -> str:
        """Return the histogram for people."""
        rows = [f"{phase:<12}{self.hits[phase]:>5}" for phase in PHASES]
        count = sum(self.hits.values())
        return "\n".join(
            [
                "phase       kills",
                *rows,
                f"{'all':<12}{count:>5}  ({self.too_late} more came after the end)",
                f"failures: {len(self.failures)} of {count} (none seen means at most 3 in {count})",
                *self.failures,
            ]
        )


def kill_trials(
    where: Path,
    trials: int,
    chance: random.Random,
    same: Callable[[Path], str],
    variants: list[dict[str, Any]],
) -> Histogram:
    """Kill runs at random instants of random phases, some of them twice; compare each end.

    Args:
        where: an empty folder.
        trials: how many kills; more are made, up to three times as many, while a phase is empty.
        chance: chooses phases, instants and variants.
        same: takes a run's folder; returns what must not differ between runs of one variant.
        variants: arguments of `digitlab.train`, taken in turn.
    """
    expected, durations = [], []
    for number, variant in enumerate(variants):
        durations.append(run_to_the_end(where, run_dir=f"whole{number}", **variant))
        expected.append(same(where / f"whole{number}"))
    histogram = Histogram()
    for trial in range(3 * trials):
        if trial >= trials and not histogram.empty_phases():
            break
        number = trial % len(variants)
        wanted = (histogram.empty_phases() or list(PHASES))[0] if trial >= trials else None
        target = PHASES.index(wanted or chance.choice(PHASES))
        folder = f"trial{trial}"
        arguments: dict[str, Any] = {"run_dir": folder, **variants[number]}
        for _ in range(chance.choice((1, 1, 2))):
            hit = _kill(where, arguments, target, chance.random() * durations[number][target])
            if hit is None:
                histogram.too_late += 1
            else:
                histogram.hits[hit] += 1
            if not (where / folder / "config.toml").exists():
                break
            arguments, target = {"resume": folder}, PHASES.index(chance.choice(PHASES))
        try:
            go_on(where, folder, **variants[number])
            end = same(where / folder)
        except Exception as error:
            histogram.failures.append(f"trial {trial}: {error!r}")
            continue
        if end != expected[number]:
            histogram.failures.append(f"trial {trial}: other bits, after a kill in {hit}")
        shutil.rmtree(where / folder)
        if trial % 50 == 49:
            print(f"{where.name}: {trial + 1} trials", *histogram.failures, file=sys.__stderr__)
    return histogram


def _kill(where: Path, arguments: dict[str, Any], target: int, delay: float) -> str | None:
    """Start a run, SIGKILL it `delay` seconds after it enters a phase; return the phase hit."""
    process, phase = start(where, **arguments)
    deadline = time.monotonic() + WATCHDOG_SECONDS
    while phase.value < target and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.0002)
    time.sleep(delay)
    process.kill()
    process.join(WATCHDOG_SECONDS)
    killed = process.exitcode == -signal.SIGKILL and phase.value >= 0
    return PHASES[phase.value] if killed else None
