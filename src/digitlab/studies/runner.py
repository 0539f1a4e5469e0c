"""Trains many runs side by side, one thread each, in processes that do one run after another.

A run that fails costs the others nothing, nor does a process that dies. Needs no torch itself.
"""

from __future__ import annotations

import json
import queue
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from digitlab.child import Child
from digitlab.errors import RunError
from digitlab.events import Event
from digitlab.training.interrupt import StopRequest
from digitlab.training.request import Request
from digitlab.training.run_folder import RunFolder

MODULE = "digitlab.studies.worker_process"
END = "end"  # the line that says that there are no more tasks
TRIALS = "trials"  # the folder in a study's in which runs are tried
_PATIENCE = 0.2  # seconds between two looks at whether a signal came


@dataclass(frozen=True)
class Task:
    """What a process is asked for.

    Attributes:
        name: what messages call it.
        request: of the run.
        trial: None; or for how many seconds of steps to try, in a folder that is thrown away.
    """

    name: str
    request: Request
    trial: float | None = None

    def to_line(self) -> str:
        """Return what the process reads."""
        return json.dumps({"name": self.name, "run": asdict(self.request), "trial": self.trial})


@dataclass
class _Job:
    """A process and what it does now; no two ever have the same serial number."""

    serial: int
    child: Child
    task: Task | None = None


Hear = Callable[[Task, Event], None]


@dataclass
class Crew:
    """Processes that are started when there is work for them, and stay until `close`."""

    size: int
    folder: Path  # of the study
    _jobs: dict[int, _Job] = field(default_factory=dict)
    _heard: queue.SimpleQueue[tuple[int, Event | None]] = field(default_factory=queue.SimpleQueue)
    _started: int = 0

    def work(self, tasks: Sequence[Task], hear: Hear) -> None:
        """Do all tasks.

        Args:
            tasks: begun in this order.
            hear: called in this thread with each event of a task; the last one of each is "ended",
                whose fact `error` is None or the reason why it failed.

        Raises:
            Interrupted: where a signal asked to stop; what was begun can be gone on with.
            RunError: where the log of a process cannot be written.
        """
        waiting = deque(tasks)
        with StopRequest(RunFolder(self.folder)) as stop:
            is_stopping = False
            while waiting or any(job.task for job in self._jobs.values()):
                if stop.number and not is_stopping:
                    is_stopping = True
                    waiting.clear()
                    self._stop(stop.number)
                if not is_stopping:
                    self._hand_out(waiting)
                with suppress(queue.Empty):
                    self._take(*self._heard.get(timeout=_PATIENCE), hear)
            stop.raise_if_asked()

    def close(self) -> None:
        """End all processes: those at rest by themselves, others at once."""
        for job in self._jobs.values():
            if job.task is None:
                job.child.tell(END)
            else:
                job.child.kill()
        for job in self._jobs.values():
            job.child.wait()
        self._jobs.clear()

    def _hand_out(self, waiting: deque[Task]) -> None:
        """Give a task to each process that has none; start one where there are too few."""
        for number in range(self.size):
            if not waiting:
                return
            if number not in self._jobs:
                self._jobs[number] = self._start(number)
            job = self._jobs[number]
            if job.task is None:
                job.task = waiting.popleft()
                job.child.tell(job.task.to_line())

    def _start(self, number: int) -> _Job:
        logs = self.folder / "logs"
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{logs}: cannot be made: {error.strerror}") from None
        serial = self._started = self._started + 1
        return _Job(
            serial,
            Child(
                f"process {number + 1} of the study",
                MODULE,
                {"number": number, "trials": str(self.folder / TRIALS)},
                logs / f"process-{number + 1}.log",
                lambda event: self._heard.put((serial, event)),
            ),
        )

    def _take(self, serial: int, event: Event | None, hear: Hear) -> None:
        """Take what a process said, or that it has ended."""
        found = [(number, job) for number, job in self._jobs.items() if job.serial == serial]
        for number, job in found:
            task = job.task
            if event is None:
                del self._jobs[number]
                if task is not None and not job.child.asked_to_stop:
                    hear(task, Event("ended", {"error": job.child.last_words()}))
            elif task is not None:
                if event.kind == "ended":
                    job.task = None
                hear(task, event)

    def _stop(self, number: int) -> None:
        for job in self._jobs.values():
            job.child.stop(number)
            job.child.tell(END)
