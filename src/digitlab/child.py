"""A process that does long work for this one: told what by a line, heard by its events.

`Child` is the side of whoever starts it, such as the launcher of workers; `asked` and `heed` are
that of the process. It gets on standard input a request, as a line of JSON, and then whatever it is
to know; when standard input ends, so does the process, so that nothing is left over of an owner
that was killed. Its events come through a pipe of their own, its output goes to a log.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from digitlab.errors import RunError
from digitlab.events import Event, read_event
from digitlab.processes import CUT_OFF, end, how_it_ended, own_module, start

_LAST_WORDS = 100_000  # bytes at the end of a log, among which the reason of an end is looked for

Hear = Callable[[Event | None], None]


class Child:
    """A process that was started.

    Attributes:
        name: what messages call it.
        log: the file of its output, to which it appends.
        spoke: whether it has told of anything yet.
        asked_to_stop: whether `stop` was called; its end is then no failure, whatever its status.
        status: how it ended, as `subprocess` counts; None while it runs.
    """

    def __init__(
        self, name: str, module: str, request: Mapping[str, Any], log: Path, hear: Hear
    ) -> None:
        """Start it.

        Args:
            name: what messages call it.
            module: which runs as a program and calls `asked`.
            request: plain values; the process finds its pipe beside them, as `events`.
            log: is made where it is not there; its folder must be.
            hear: called in a thread with each event, and with None once the process has ended. An
                error that it raises is printed by that thread, which hears no more then.

        Raises:
            RunError: where the log cannot be written.
        """
        self.name, self.log = name, log
        self.spoke = self.asked_to_stop = False
        self._begins_at = log.stat().st_size if log.is_file() else 0
        heard, told = os.pipe()
        try:
            with open_log(log) as output:
                self._process = start(
                    own_module(module), stdout=output, stderr=output, descriptors=(told,)
                )
        except BaseException:
            os.close(heard)
            raise
        finally:
            os.close(told)
        self.tell(json.dumps({**request, "events": told}))
        threading.Thread(target=self._listen, args=(heard, hear), daemon=True).start()

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def tell(self, line: str) -> None:
        """Write a line to its standard input, if it still reads."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has ended, and the pipe was closed
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def stop(self, number: int) -> None:
        """Pass on a signal that asks to stop.

        One that has not begun is killed: while Python starts, what the signal raises may end in
        somebody's `except:`, and nothing is lost.
        """
        self.asked_to_stop = True
        if self.status is None:
            self._process.send_signal(number if self.spoke else signal.SIGKILL)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self) -> int:
        """Wait until it has ended; return how."""
        return self._process.wait()

    def last_words(self) -> str:
        """Return the line in which it said why it ended, or where to look."""
        with suppress(OSError):
            for line in reversed(last_lines(self.log, self._begins_at)):
                if line.startswith("digitlab: "):
                    return line.removeprefix("digitlab: ")
        return f"{self.name} {how_it_ended(self.wait())}; see {self.log}"

    def _listen(self, descriptor: int, hear: Hear) -> None:
        try:
            with os.fdopen(descriptor, "rb") as lines:
                for line in lines:
                    self.spoke = True
                    try:
                        event = read_event(line)
                    except ValueError:  # cut short by a kill
                        continue
                    hear(event)
        finally:  # also where `hear` raises: who waits for the end hears of it
            self._process.wait()
            assert self._process.stdin is not None
            with suppress(OSError):
                self._process.stdin.close()
            hear(None)


def make_logs(folder: Path) -> None:
    """Make the folder of the processes' output.

    Raises:
        RunError: where that cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}") from None


def open_log(path: Path) -> FileIO:
    """Open a log to append to.

    Raises:
        RunError: where that cannot be.
    """
    try:
        return FileIO(path, "ab")
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}") from None


def last_lines(log: Path, begins_at: int) -> list[str]:
    """Return the last lines of a log that were appended since it had so many bytes.

    Raises:
        OSError: where it cannot be read.
    """
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(begins_at, size - _LAST_WORDS))
        return file.read(_LAST_WORDS).decode(errors="replace").splitlines()


def asked() -> dict[str, Any]:
    """Return, in the process, what it was asked for."""
    request: dict[str, Any] = json.loads(_told().readline())
    return request


def heed(take: Callable[[str], None]) -> None:
    """Listen, in the process, to its owner, and end with it; `take` gets each line, in a thread."""

    def listen() -> None:
        with _told() as lines:
            for line in lines:
                take(line.decode().strip())
        end("the process that started this one is gone", CUT_OFF)

    threading.Thread(target=listen, name="digitlab-owner", daemon=True).start()


def _told() -> FileIO:
    """Return standard input without a buffer, whose lock a thread would hold."""
    return FileIO(0, closefd=False)
