"""Pictures from named pipes: whoever writes in time is read to the end, nobody else is waited for.

Each scene is played by what happens at the moment when decoding begins to wait, or has waited.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import select
import signal
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from digitlab.decoding import load_picture
from digitlab.errors import PictureError
from digitlab.picture_source import open_picture
from hostile_files import originals

PICTURE = originals()["PNG"]
EXPECTED = load_picture(PICTURE)
LONG, SHORT = 3600.0, 0.01  # seconds: no scene waits so long; one in which nobody writes does

Event = Callable[[], object]
Waiting = Callable[..., None]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    return path


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """Return what sets what happens just before decoding waits for a writer, and just after."""
    real = select.poll

    def during(before: Event = int, after: Event = int) -> None:
        class Poll:
            def __init__(self) -> None:
                self._poll = real()

            def register(self, *arguments: int) -> None:
                self._poll.register(*arguments)

            def poll(self, milliseconds: float) -> list[tuple[int, int]]:
                before()
                events = self._poll.poll(milliseconds)
                after()
                return events

        monkeypatch.setattr(select, "poll", Poll)

    return during


def read(pipe: Path, max_seconds: float = LONG) -> bytes:
    with open_picture(pipe, "it", max_seconds) as (file, _):
        return file.read()


def code_of(pipe: Path, max_seconds: float = LONG) -> str:
    with pytest.raises(PictureError) as caught:
        read(pipe, max_seconds)
    assert "\n" not in str(caught.value)
    return caught.value.code


def nobody_reads(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ENXIO
    return False


def unread(descriptor: int) -> int:
    """Return how many bytes wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def when_drained(descriptor: int) -> None:
    """Return when all that was written has been read."""
    while unread(descriptor):
        os.sched_yield()


class Writer:
    """A writer in a thread of its own, which opens the pipe when it is asked to."""

    def __init__(self, pipe: Path, *parts: bytes) -> None:
        self._pipe, self._parts = pipe, parts
        self._descriptor = -1
        self._thread = threading.Thread(target=self._write, daemon=True)

    def open(self) -> None:
        self._descriptor = os.open(self._pipe, os.O_WRONLY)

    def go(self) -> None:
        """Begin to write; each part when the one before has been read."""
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _write(self) -> None:
        if self._descriptor < 0:
            self.open()
        for part in self._parts:
            when_drained(self._descriptor)
            os.write(self._descriptor, part)
        os.close(self._descriptor)


def test_a_pipe_that_nobody_opens_is_a_timeout_that_leaves_it_closed(pipe: Path) -> None:
    with pytest.raises(PictureError, match=r"^it is a pipe that nobody has opened .* 0\.01 s"):
        read(pipe, SHORT)
    assert code_of(pipe, SHORT) == "timeout"
    assert nobody_reads(pipe)


def test_a_writer_that_comes_while_one_waits_is_read(pipe: Path, waiting: Waiting) -> None:
    writer = Writer(pipe, PICTURE)
    waiting(before=writer.go)
    assert np.array_equal(load_picture(pipe), EXPECTED)
    writer.join()


def test_a_writer_that_has_gone_before_one_waits_is_read(pipe: Path, waiting: Waiting) -> None:
    waiting(before=lambda: pipe.write_bytes(PICTURE))
    assert read(pipe) == PICTURE


def test_a_writer_that_leaves_without_a_byte_is_no_picture(pipe: Path, waiting: Waiting) -> None:
    waiting(before=lambda: pipe.write_bytes(b""))
    assert code_of(pipe) == "not-a-picture"
    assert nobody_reads(pipe)


def test_a_writer_may_take_any_time_once_it_has_opened_the_pipe(
    pipe: Path, waiting: Waiting
) -> None:
    writer = Writer(pipe, PICTURE)
    waiting(before=writer.open, after=writer.go)
    assert read(pipe, SHORT) == PICTURE
    writer.join()


def test_a_byte_that_comes_as_the_time_ends_is_not_lost(pipe: Path, waiting: Waiting) -> None:
    waiting(after=lambda: pipe.write_bytes(PICTURE))
    assert read(pipe, SHORT) == PICTURE


@pytest.mark.parametrize("max_seconds", [SHORT, LONG])
def test_a_slow_writer_is_read_to_the_end(pipe: Path, waiting: Waiting, max_seconds: float) -> None:
    writer = Writer(pipe, *(PICTURE[at : at + 40] for at in range(0, len(PICTURE), 40)))
    waiting(before=writer.open, after=writer.go) if max_seconds == SHORT else waiting(writer.go)
    assert read(pipe, max_seconds) == PICTURE
    writer.join()


def test_an_endless_writer_is_not_read_without_end(pipe: Path, waiting: Waiting) -> None:
    ended = []

    def write() -> None:
        with open(pipe, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except BrokenPipeError:
                ended.append(True)

    writer = threading.Thread(target=write, daemon=True)
    waiting(before=writer.start)
    assert code_of(pipe) == "not-a-picture"
    writer.join()
    assert ended


def test_ctrl_c_ends_the_wait_at_once(pipe: Path, waiting: Waiting) -> None:
    main = threading.main_thread().ident
    assert main is not None
    interrupt = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGINT))
    waiting(before=interrupt.start)
    with pytest.raises(KeyboardInterrupt):
        read(pipe)
    interrupt.join()
    assert nobody_reads(pipe)


def test_the_longest_wait_that_is_allowed_is_no_error(pipe: Path, waiting: Waiting) -> None:
    waiting(before=lambda: pipe.write_bytes(PICTURE))
    assert read(pipe, threading.TIMEOUT_MAX) == PICTURE


def test_a_pipe_without_permission_is_unreadable(pipe: Path) -> None:
    pipe.chmod(0)
    if os.access(pipe, os.R_OK):
        pytest.skip("root may read anything")
    assert code_of(pipe) == "unreadable"
