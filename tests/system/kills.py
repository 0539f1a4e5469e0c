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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

PHASES = (
    "start", "data", "network", "train", "validate", "checkpoint", "evaluate",
    "calibrate", "export", "pictures", "summary",
)  # fmt: skip
WATCHDOG_SECONDS = 300.0

_fork = multiprocessing.get_context("forkserver")
# pytest, too: each child imports the main module anew, which is pytest's.
_fork.set_forkserver_preload(
    [
        "digitlab.training.run",
        "tensorboard.summary.writer.record_writer",
        "onnx",
        "onnxruntime",
        "pytest",
    ]
)


class Place(NamedTuple):
    """A phase that a run has entered, and the last step that it had told of before."""

    phase: str
    step: int

    def reaches(self, other: Place) -> bool:
        """Return whether a run that waits for the other is there."""
        return self.phase == other.phase and self.step >= other.step


class Watched:
    """A listener that tells another process where a run is, and can hold it there.

    A run that has reached the place to be held at goes on to the end of that phase, and no further:
    whenever the kill comes, it hits that phase.
    """

    def __init__(self, told: Connection, hold: Place | None) -> None:
        self._told, self._hold = told, hold
        self._step, self._is_there = 0, False

    def __call__(self, event: Any) -> None:
        assert event.kind != "warning", f"a run warned: {event.text}"
        if event.kind == "step":
            self._step = event.facts["step"]
        if event.kind == "phase":
            self.enter(event.facts["name"])

    def enter(self, phase: str) -> None:
        """Leave the phase before for another, or for the end."""
        while self._is_there:
            signal.pause()
        place = Place(phase, self._step)
        self._told.send((place, time.monotonic()))
        self._is_there = self._hold is not None and place.reaches(self._hold)


def _train(
    where: str,
    told: Connection,
    hold: Place | None,
    prepare: Callable[[], None] | None,
    arguments: dict[str, Any],
) -> None:
    import digitlab

    os.chdir(where)
    if prepare is not None:
        prepare()
    watched = Watched(told, hold)
    digitlab.train(reporter=watched, **arguments)
    watched.enter("end")


def start(
    where: Path,
    prepare: Callable[[], None] | None = None,
    hold: Place | None = None,
    **arguments: Any,
) -> tuple[Any, Iterator[tuple[Place, float]]]:
    """Start `digitlab.train(**arguments)` in a process of its own.

    Returns:
        The process, and the places where it is, each with the time: until it ends.
    """
    heard, told = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_train, args=(str(where), told, hold, prepare, arguments))
    process.start()
    told.close()
    return process, _places(heard)


def _places(heard: Connection) -> Iterator[tuple[Place, float]]:
    with heard:
        while heard.poll(WATCHDOG_SECONDS):
            try:
                yield heard.recv()
            except EOFError:
                return
    raise AssertionError("a run says nothing any more")


def run_to_the_end(where: Path, **arguments: Any) -> list[tuple[Place, float]]:
    """Train without a fault; return where the run was, and for how many seconds."""
    process, places = start(where, **arguments)
    course = list(places)
    process.join(WATCHDOG_SECONDS)
    assert process.exitcode == 0, f"exit status {process.exitcode}"
    return [(place, end - began) for (place, began), (_, end) in pairwise(course)]


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
                f"{'all':<12}{count:>5}  ({self.too_late} more found the run at its end)",
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
    """Kill runs at random instants of all phases in turn, some of them twice; compare each end.

    Args:
        where: an empty folder.
        trials: how many runs; at least as many as phases, so that each is hit.
        chance: chooses instants, the order of the phases, and which runs are killed again.
        same: takes a run's folder; returns what must not differ between runs of one variant.
        variants: arguments of `digitlab.train`, taken in turn.
    """
    expected, courses = [], []
    for number, variant in enumerate(variants):
        courses.append(run_to_the_end(where, run_dir=f"whole{number}", **variant))
        expected.append(same(where / f"whole{number}"))
    histogram, phases = Histogram(), _dealt(chance)
    for trial in range(trials):
        number = trial % len(variants)
        folder = f"trial{trial}"
        arguments: dict[str, Any] = {"run_dir": folder, **variants[number]}
        phase = next(phases)
        try:
            for again in range(chance.choice((1, 1, 2))):
                place, seconds = chance.choice([x for x in courses[number] if x[0].phase == phase])
                if _kill(where, arguments, place, chance.random() * seconds):
                    histogram.hits[phase] += 1
                else:
                    assert again, f"{place} was not reached"
                    histogram.too_late += 1
                if not (where / folder / "config.toml").exists():
                    break
                arguments, phase = {"resume": folder}, chance.choice(PHASES)
            go_on(where, folder, **variants[number])
            end = same(where / folder)
        except Exception as error:
            histogram.failures.append(f"trial {trial}: {error!r}")
            continue
        if end != expected[number]:
            histogram.failures.append(f"trial {trial}: other bits, after {place}")
        shutil.rmtree(where / folder)
        if trial % 50 == 49:
            print(f"{where.name}: {trial + 1} trials", *histogram.failures, file=sys.__stderr__)
    return histogram


def _dealt(chance: random.Random) -> Iterator[str]:
    """Yield all phases in a random order, and again."""
    while True:
        yield from chance.sample(PHASES, len(PHASES))


def _kill(where: Path, arguments: dict[str, Any], place: Place, delay: float) -> bool:
    """SIGKILL a run `delay` seconds after it reaches a place, in that phase; False: it never did.

    A run that was resumed may be past it.
    """
    process, places = start(where, hold=place, **arguments)
    reached = any(one.reaches(place) for one, _ in places)
    if reached:
        time.sleep(delay)
        process.kill()
    process.join(WATCHDOG_SECONDS)
    assert process.exitcode == (-signal.SIGKILL if reached else 0), process.exitcode
    assert not list(places), "it went on"
    return reached
