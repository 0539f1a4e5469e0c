"""Starts the workers of one machine, watches them, and starts lost ones again; needs no torch.

Used by `training/launched_run.py`. What a worker computes is none of its business: it passes on a
request, hears events, and sees processes end. To each worker it tells of each other that ended.
"""

from __future__ import annotations

import queue
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from digitlab import events, signals
from digitlab.child import Child, make_logs, open_log
from digitlab.errors import ConfigError, TrainingError
from digitlab.events import Event, Listener
from digitlab.parallel.plan import Workers
from digitlab.parallel.seat import seat_here
from digitlab.parallel.watchdog import APART, DROPPED, ENDED, HUNG
from digitlab.processes import CUT_OFF, how_it_ended, own_module, start

_GRACE = 5.0  # seconds that workers get to end by themselves once the run has ended
_LOST = {
    DROPPED: "was taken for lost by the others",
    APART: "lost another, and its part with it",
    HUNG: "hung while it waited for the others, and ended itself",
}
_STOPPED = tuple(128 + number for number in (signal.SIGINT, signal.SIGTERM, signals.HANGUP or 0))


@dataclass
class Worker:
    """A worker that was started.

    Attributes:
        slot: its place among all workers.
        name: its name among the others, another after each start.
        child: its process.
        ended: whether we have seen to its end.
    """

    slot: int
    name: str
    child: Child
    ended: bool = False


class Launcher:
    """The workers of this machine, from their start to the run's end."""

    def __init__(
        self,
        plan: Workers,
        module: str,
        request: Mapping[str, Any],
        ledger: bool,
        logs: Path,
        tell: Listener,
    ) -> None:
        """Give the plan, and what each worker is started and asked with.

        Args:
            plan: checked.
            module: which runs as a worker.
            request: sent to it, with its seat.
            ledger: see `Seat`.
            logs: folder of the workers' output.
            tell: takes the events of all workers, and warnings of our own.
        """
        self._plan, self._module, self._request = plan, module, request
        self._ledger, self._logs, self._tell = ledger, logs, tell
        self._workers: list[Worker] = []
        self._events: queue.SimpleQueue[tuple[int, Event | None]] = queue.SimpleQueue()
        self._store: subprocess.Popen[bytes] | None = None
        self._port = plan.address()[1]
        self._restarts = 0
        self._stop = 0
        self._finished = False
        self._failure = ""
        self._over_since = 0.0

    def run(self) -> None:
        """Return when the run is finished.

        Raises:
            signals.StoppedError: where a signal stopped it; it can be gone on with.
            TrainingError: where it ended otherwise; says who and why.
        """
        make_logs(self._logs)
        with signals.heard(self._ask_to_stop):  # workers then agree on a step to stop after
            try:
                if self._plan.node_rank == 0:
                    self._start_store()
                for local in range(self._plan.here):
                    self._start(local)
                while any(not worker.ended for worker in self._workers):
                    self._wait()
            finally:
                self._end_all()
        if self._finished:
            return
        if self._stop:
            raise signals.StoppedError(self._stop)
        raise TrainingError(self._failure or "no worker is left")

    def _start_store(self) -> None:
        """Start the process of the rendezvous store, on a port that is known at once."""
        host, port = self._plan.address()
        try:
            listening = socket.create_server((host, port), backlog=1024)
        except OSError as error:
            raise ConfigError(
                f"--rendezvous {host}:{port} cannot be listened on here: {error.strerror}; it must "
                "be an address of the first node and a free port"
            ) from None
        with listening:
            self._port = listening.getsockname()[1]
            descriptor = listening.fileno()
            with open_log(self._logs / "store.log") as output:
                self._store = start(
                    own_module("digitlab.parallel.store_process", str(descriptor)),
                    stdout=output,
                    stderr=output,
                    descriptors=(descriptor,),
                )

    def _start(self, local: int) -> None:
        """Start one worker."""
        # Where all begin again, all count it, and so meet under the same keys of the store.
        attempt = self._restarts if self._plan.in_parts else 0
        seat = seat_here(self._plan, local, uuid4().hex[:8], self._port, self._ledger, attempt)
        request = {**self._request, "seat": seat.to_json()}
        log = self._logs / f"worker-{seat.slot}.log"
        # What it says first may come before we know it: the queue is told the place it will have.
        place = len(self._workers)
        child = Child(
            f"worker {seat.slot}",
            self._module,
            request,
            log,
            lambda event: self._events.put((place, event)),
        )
        self._workers.append(Worker(seat.slot, seat.id, child))
        if self._stop:  # came before the handler could know of this one
            child.stop(self._stop)

    def _wait(self) -> None:
        """Take the next event, or see to what is due."""
        try:
            place, event = self._events.get(timeout=0.1)
        except queue.Empty:
            pass
        else:
            if event is None:
                self._on_end(self._workers[place])
            else:
                self._tell(event)
        if self._store and self._store.poll() is not None and not self._is_over():
            self._fail(
                f"the process of the rendezvous store {how_it_ended(self._store.returncode)}"
            )
        if self._is_over():
            self._over_since = self._over_since or time.monotonic()
            patience = _GRACE + (self._plan.timeout if self._stop else 0)
            if time.monotonic() - self._over_since > patience:
                self._kill_workers()

    def _on_end(self, worker: Worker) -> None:
        if worker.ended:  # when all began again
            return
        worker.ended = True
        status = worker.child.wait()
        if status == 0:
            self._finished = True
        elif status in _STOPPED:
            if not self._stop:  # only this one was asked
                self._ask_to_stop(status - 128)
        elif status > 0 and status not in _LOST:
            self._fail(worker.child.last_words(), status)
        elif not self._is_over():  # else killed by us, or in consequence of what is known already
            self._on_loss(worker, status)

    def _on_loss(self, worker: Worker, status: int) -> None:
        """Tell the others at once, who would else wait for a silence; start it again."""
        again = self._restarts < self._plan.max_restarts
        if self._plan.in_parts:
            self._begin_again(worker, f"worker {worker.slot} {_how(status)}", again)
            return
        for other in self._workers:
            if not other.ended:
                other.child.tell(f"{worker.name} {'lost' if again else 'lost for good'}")
        text = f"worker {worker.slot} {_how(status)}"
        if again:
            self._restarts += 1
            self._start(worker.slot % self._plan.here)
            text += f"; it was started again ({self._restarts} of {self._plan.max_restarts})"
        elif all(other.ended for other in self._workers):
            self._fail(f"{text}, and no other is left on this machine; see {worker.child.log}")
        self._tell(events.warning(text))

    def _begin_again(self, lost: Worker, text: str, again: bool) -> None:
        """Start all anew, from the newest checkpoint: what one owned is lost with it."""
        self._kill_workers()
        for worker in self._workers:
            worker.child.wait()
            worker.ended = True
        if not again:
            self._fail(f"{text}, after {self._restarts} of --max-restarts; see {lost.child.log}")
            return
        self._restarts += 1
        for local in range(self._plan.here):
            self._start(local)
        count = f"{self._restarts} of {self._plan.max_restarts}"
        self._tell(events.warning(f"{text}; all begin again from the newest checkpoint ({count})"))

    def _fail(self, line: str, status: int = 0) -> None:
        """Remember why the run ended; a worker's own error says more than another's echo of it."""
        is_echo = status in (ENDED, CUT_OFF, 0)
        if not self._failure or not is_echo:
            self._failure = line

    def _ask_to_stop(self, number: int) -> None:
        self._stop = number
        for worker in self._workers:
            worker.child.stop(number)

    def _is_over(self) -> bool:
        return bool(self._finished or self._failure or self._stop)

    def _kill_workers(self) -> None:
        for worker in self._workers:
            if not worker.ended:
                worker.child.kill()

    def _end_all(self) -> None:
        """Leave no process behind, whatever happened; the store last."""
        self._kill_workers()
        for worker in self._workers:
            worker.child.wait()
        if self._store:
            self._store.kill()
            self._store.wait()


def _how(status: int) -> str:
    """Return how a worker ended, in words."""
    return _LOST.get(status) or how_it_ended(status)
