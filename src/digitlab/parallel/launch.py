"""Starts the workers of one machine, watches them, and starts lost ones again; needs no torch.

Used by `training/crew.py`. What a worker computes is none of its business: it passes on a request,
hears events, and sees processes end. A worker gets on standard input the request, as a line of
JSON, and then a line for each other worker that ended; when standard input itself ends, so does the
worker, so nothing is left over of a launcher that was killed.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from digitlab.errors import ConfigError, RunError, TrainingError
from digitlab.parallel.plan import Workers
from digitlab.parallel.watchdog import CUT_OFF, DROPPED, ENDED, HUNG, end
from digitlab.processes import own_modules

_GRACE = 5.0  # seconds that workers get to end by themselves once the run has ended
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOST = {
    DROPPED: "was taken for lost by the others",
    HUNG: "hung while it waited for the others, and ended itself",
}
_LAST_WORDS = 100_000  # bytes at the end of a log, among which the reason of an end is looked for
_STOPPED = tuple(128 + number for number in _SIGNALS)


class StoppedError(Exception):
    """The workers saved and stopped, because a signal asked them to; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@dataclass
class Worker:
    """A process that was started.

    Attributes:
        slot: its place among all workers.
        name: its name among the others, another after each start.
        log: the file of its output.
        begins_at: bytes that were in it before.
        spoke: whether it has told of anything yet.
    """

    slot: int
    name: str
    log: Path
    process: subprocess.Popen[bytes]
    begins_at: int = 0
    spoke: bool = False
    ended: bool = False

    def tell(self, line: str) -> None:
        """Write a line to its standard input, if it still reads."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def stop(self, number: int) -> None:
        """Pass on a signal that asks to stop.

        One that has not begun is killed: while Python starts, what the signal raises may end in
        somebody's `except:`, and nothing is lost.
        """
        if self.process.poll() is None:
            self.process.send_signal(number if self.spoke else signal.SIGKILL)

    def last_words(self) -> str:
        """Return the line in which it said why it ended, or where to look."""
        with suppress(OSError):
            with self.log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self.begins_at, end - _LAST_WORDS))
                said = log.read(_LAST_WORDS).decode(errors="replace")
            for line in reversed(said.splitlines()):
                if line.startswith("digitlab: "):
                    return line.removeprefix("digitlab: ")
        return f"worker {self.slot} {_how(self.process.returncode)}; see {self.log}"


class Launcher:
    """The workers of this machine, from their start to the run's end."""

    def __init__(
        self,
        plan: Workers,
        command: list[str],
        request: Mapping[str, Any],
        ledger: bool,
        logs: Path,
        hear: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Give the plan, and what each worker is started and asked with.

        Args:
            plan: checked.
            command: of a worker.
            request: sent to it, with its seat.
            ledger: see `Workers.seat`.
            logs: folder of the workers' output.
            hear: takes the events of all workers, and warnings of our own.
        """
        self._plan, self._command, self._request = plan, command, request
        self._ledger, self._logs, self._hear = ledger, logs, hear
        self._workers: list[Worker] = []
        self._events: queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]] = queue.SimpleQueue()
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
            StoppedError: where a signal stopped it; it can be gone on with.
            TrainingError: where it ended otherwise; says who and why.
        """
        make_logs(self._logs)
        with self._signals():
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
            raise StoppedError(self._stop)
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
            self._store = self._popen(
                [sys.executable, "-P", "-m", "digitlab.parallel.store_process", str(descriptor)],
                self._logs / "store.log",
                (descriptor,),
            )

    def _start(self, local: int) -> None:
        """Start one worker and the thread that hears it."""
        seat = self._plan.seat(local, uuid4().hex[:8], self._port, self._ledger)
        log = self._logs / f"worker-{seat.slot}.log"
        begins_at = log.stat().st_size if log.is_file() else 0
        heard, told = os.pipe()
        try:
            process = self._popen(self._command, log, (told,))
        finally:
            os.close(told)
        worker = Worker(seat.slot, seat.id, log, process, begins_at)
        request = {**self._request, "seat": seat.to_json(), "events": told}
        worker.tell(json.dumps(request))
        self._workers.append(worker)
        if self._stop:  # came before the handler could know of this one
            worker.stop(self._stop)
        threading.Thread(target=self._listen, args=(worker, heard), daemon=True).start()

    def _popen(
        self, command: list[str], log: Path, descriptors: tuple[int, ...]
    ) -> subprocess.Popen[bytes]:
        try:
            output = log.open("ab")
        except OSError as error:
            raise RunError(f"{log}: cannot be written: {error.strerror}") from None
        with output:
            # A session of its own: a terminal's Ctrl-C reaches only us, and we pass it on once.
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=descriptors,
                env=own_modules(),
                start_new_session=True,
            )

    def _listen(self, worker: Worker, descriptor: int) -> None:
        """Put a worker's events into the queue, and None once it has ended; in a thread."""
        with os.fdopen(descriptor, "rb") as events:
            for line in _lines(events):
                worker.spoke = True
                self._events.put((worker, line))
        worker.process.wait()
        self._events.put((worker, None))

    def _wait(self) -> None:
        """Take the next event, or see to what is due."""
        try:
            worker, event = self._events.get(timeout=0.1)
        except queue.Empty:
            pass
        else:
            if event is None:
                self._on_end(worker)
            else:
                self._hear(event)
        if self._store and self._store.poll() is not None and not self._is_over():
            self._fail(f"the process of the rendezvous store {_how(self._store.returncode)}")
        if self._is_over():
            self._over_since = self._over_since or time.monotonic()
            patience = _GRACE + (self._plan.timeout if self._stop else 0)
            if time.monotonic() - self._over_since > patience:
                self._kill_workers()

    def _on_end(self, worker: Worker) -> None:
        worker.ended = True
        status = worker.process.returncode
        if status == 0:
            self._finished = True
        elif status in _STOPPED:
            if not self._stop:  # only this one was asked
                self._ask_to_stop(status - 128)
        elif status > 0 and status not in _LOST:
            self._fail(worker.last_words(), status)
        elif not self._is_over():  # else killed by us, or in consequence of what is known already
            self._on_loss(worker)

    def _on_loss(self, worker: Worker) -> None:
        """Tell the others at once, who would else wait for a silence; start it again."""
        again = self._restarts < self._plan.max_restarts
        for other in self._workers:
            if not other.ended:
                other.tell(f"{worker.name} {'lost' if again else 'lost for good'}")
        text = f"worker {worker.slot} {_how(worker.process.returncode)}"
        if again:
            self._restarts += 1
            self._start(worker.slot % self._plan.here)
            text += f"; it was started again ({self._restarts} of {self._plan.max_restarts})"
        elif all(other.ended for other in self._workers):
            self._fail(f"{text}, and no other is left on this machine; see {worker.log}")
        self._hear({"event": "warn", "text": text})

    def _fail(self, line: str, status: int = 0) -> None:
        """Remember why the run ended; a worker's own error says more than another's echo of it."""
        is_echo = status in (ENDED, CUT_OFF, 0)
        if not self._failure or not is_echo:
            self._failure = line

    def _ask_to_stop(self, number: int) -> None:
        self._stop = number
        for worker in self._workers:
            worker.stop(number)

    def _is_over(self) -> bool:
        return bool(self._finished or self._failure or self._stop)

    def _kill_workers(self) -> None:
        for worker in self._workers:
            if not worker.ended:
                worker.process.kill()

    def _end_all(self) -> None:
        """Leave no process behind, whatever happened; the store last."""
        self._kill_workers()
        for worker in self._workers:
            worker.process.wait()
        if self._store:
            self._store.kill()
            self._store.wait()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Pass SIGINT and SIGTERM on to the workers, which then agree on a step to stop after."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def pass_on(number: int, frame: Any) -> None:
            self._ask_to_stop(number)

        before = {number: signal.signal(number, pass_on) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def make_logs(folder: Path) -> None:
    """Make the folder of the workers' output.

    Raises:
        RunError: where that cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}") from None


def told() -> FileIO:
    """Return a worker's standard input, without a buffer, whose lock a thread would hold."""
    return FileIO(0, closefd=False)


def heed(saw_end: Callable[[str, bool], None]) -> None:
    """Listen, in a worker, to what its launcher writes; end with it.

    Args:
        saw_end: called, in a thread, with the name of a worker that ended, and whether no other
            will be started in its place.
    """

    def listen() -> None:
        with told() as lines:
            for line in lines:
                name, _, words = line.decode().strip().partition(" ")
                saw_end(name, words == "lost for good")
        end("the launcher is gone", CUT_OFF)

    threading.Thread(target=listen, name="digitlab-launcher", daemon=True).start()


def _lines(events: BinaryIO) -> Iterator[dict[str, Any]]:
    for line in events:
        with suppress(ValueError):  # cut short by a kill
            yield json.loads(line)


def _how(status: int) -> str:
    """Return how a process ended, in words."""
    if status in _LOST:
        return _LOST[status]
    if status < 0 and -status in set(signal.Signals):
        return f"was killed by {signal.Signals(-status).name}"
    if status < 0:  # a real-time signal
        return f"was killed by signal {-status}"
    return f"ended with status {status}"
