"""Decoding in a process that may die: a picture that crashes, hangs or bloats its decoder costs
only itself.

Used by `digitlab read` and by whoever reads files of strangers: `Recogniser.read(decoder=...)`.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from digitlab.decoding import MAX_PIXELS, Picture, count_pages, read_file, warn_of_pages
from digitlab.errors import ConfigError, DigitlabError, PictureError
from digitlab.header import HEAD, format_of
from digitlab.picture_source import MAX_SECONDS
from digitlab.processes import own_module, start
from digitlab.reading.decoder_process import ANSWER, READY, REQUEST

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_MEMORY = 1536  # MB; 64 megapixels take up to 1200
_START = 60.0  # seconds; the process is ready after a third of one, but a machine may be busy
_PIPE = 1 << 20  # bytes that a pipe should hold, so that the two processes change turns less often


@dataclass(frozen=True)
class Limits:
    """What one picture, or one page of a document, may cost.

    Attributes:
        max_pixels: width times height.
        max_seconds: of decoding, by the clock on the wall; and before it of waiting until somebody
            opens a pipe to write to it.
        max_memory: MB of decoding, where the system has such limits (Linux).

    Raises:
        ConfigError: for a limit that is not above 0.
    """

    max_pixels: int = MAX_PIXELS
    max_seconds: float = MAX_SECONDS
    max_memory: int = MAX_MEMORY

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_seconds", "max_memory"):
            value = getattr(self, name)
            most = threading.TIMEOUT_MAX if name == "max_seconds" else 2**62
            if not 0 < value <= most:
                expected = f"at most {most:,.0f}" if value > most else "above 0"
                raise ConfigError(f"{name} = {value}: expected a number {expected}")


class GuardedDecoder:
    """Decodes pictures in a process of its own, which starts at once and again when it dies.

    Several threads may share one, but it decodes one picture at a time. Used as a context manager,
    or closed by `close`; a process whose owner is gone ends by itself.

    Args:
        limits: of each picture.
        command: what to start; another than the usual one is for tests.
    """

    def __init__(
        self, limits: Limits | None = None, command: Sequence[str | Path] | None = None
    ) -> None:
        self.limits = limits or Limits()
        costs = (str(self.limits.max_seconds), str(self.limits.max_memory))
        self._command = (*(command or own_module("digitlab.reading.decoder_process")), *costs)
        self._lock = threading.Lock()
        self._process: _Process | None = _Process(self._command)

    def __enter__(self) -> GuardedDecoder:
        """Return this decoder."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process; decoding again would start another."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def decode(
        self, source: str | Path | bytes, name: str | None = None, page: int | None = None
    ) -> Picture:
        """Decode a picture or a page, and warn of pages, as `digitlab.decoding.load_picture` does.

        Raises:
            PictureError: with the codes of `load_picture`, or `timeout`, `crashed` (also where the
                decoder was killed for its memory).
            DigitlabError: where no process can be started.
        """
        content, called = self.read_file(source, name)
        with self._lock:
            picture = self._asked(content, called, page or 1)
        assert isinstance(picture, np.ndarray)
        if page is None:
            warn_of_pages(called, self.count_pages(content, called))
        return picture

    def read_file(self, source: str | Path | bytes, name: str | None = None) -> tuple[bytes, str]:
        """Read a file within the limits, as `digitlab.decoding.read_file` does."""
        return read_file(source, name, self.limits.max_pixels, self.limits.max_seconds)

    def count_pages(self, content: bytes, name: str) -> int | None:
        """Return how many pages a document has, as `digitlab.decoding.count_pages` does.

        Args:
            content: of a file, as `read_file` gives it.
            name: what to call it in an error.

        Raises:
            PictureError, DigitlabError: as `decode` does.
        """
        if format_of(content[:HEAD]) != "PDF":
            return count_pages(io.BytesIO(content), name)
        with self._lock:
            count = self._asked(content, name, 0)
        assert isinstance(count, int)
        return count

    def _asked(self, content: bytes, name: str, page: int) -> Picture | int:
        was_used = self._running().was_used
        try:
            return self._ask(content, name, page)
        except PictureError as error:
            if not was_used or error.code not in ("crashed", "memory"):
                raise
        # What an earlier picture left behind in a process is not this one's fault.
        return self._ask(content, name, page)

    def _running(self) -> _Process:
        if self._process is None or not self._process.is_ours():
            self._process = _Process(self._command)
        return self._process

    def _ask(self, content: bytes, name: str, page: int) -> Picture | int:
        healthy = False
        try:
            answer = self._running().answer(content, name, page, self.limits)
            healthy = True
            return answer
        except PictureError as error:
            healthy = error.code not in ("crashed", "memory", "timeout")
            raise
        finally:
            if not healthy:  # also after Ctrl-C, when an answer may be half read
                self.close()


class _Process:
    """A running decoder_process and the pipes to it."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        # One thread, since each thread of a library takes address space.
        settings = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            self._popen = start(command, stderr=subprocess.DEVNULL, settings=settings)
        except OSError as error:
            raise _cannot_start(str(error)) from error
        _widen(self._popen.stdin, self._popen.stdout)
        self._owner = os.getpid()
        self._is_ready = False
        self._held = b""
        self.was_used = False

    def is_ours(self) -> bool:
        """Return whether this very process started it, and not one that was forked from there."""
        return self._owner == os.getpid()

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        if not self.is_ours():
            return
        self._popen.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written is not wanted any more
                    pipe.close()
        self._popen.wait()

    def answer(self, content: bytes, name: str, page: int, limits: Limits) -> Picture | int:
        """Send a file and return the pixels of a page, or how many there are for page 0.

        A document is sent once for all its pages.

        Raises:
            PictureError: for whatever happens instead.
        """
        self._wait_until_ready()
        self.was_used = True
        called = name.encode(errors="surrogatepass")
        sent = b"" if content == self._held else content
        self._held = content if format_of(content[:HEAD]) in ("PDF", "TIFF") else b""
        request = REQUEST.pack(len(called), len(sent), limits.max_pixels, page)
        with self._killed_after(limits.max_seconds) as late:
            try:
                assert self._popen.stdin is not None
                self._popen.stdin.write(request + called)
                self._popen.stdin.write(sent)
                self._popen.stdin.flush()
                return self._read_answer(name, page, limits)
            except (OSError, EOFError, UnicodeDecodeError) as error:  # most often, its pipes closed
                if late.is_set():
                    raise PictureError(
                        f"{name} takes more than {limits.max_seconds:g} s to decode: "
                        "make it smaller or raise the limit",
                        "timeout",
                    ) from error
                raise PictureError(
                    f"{name} makes its decoder crash ({self._cause()}): try another copy", "crashed"
                ) from error

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[threading.Event]:
        """Set the event and kill the process, which closes its pipes, where this takes longer."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._popen.kill()

        watch = threading.Timer(seconds, kill)
        watch.daemon = True
        watch.start()
        try:
            yield late
        finally:
            watch.cancel()

    def _read_answer(self, name: str, page: int, limits: Limits) -> Picture | int:
        """Read one answer, believing nothing of what a decoder may have been made to say."""
        done, first, second, channels = ANSWER.unpack(self._read(ANSWER.size))
        if done == 2 and page == 0 and first > 0:
            return int(first)
        fits = channels in (1, 3) and 0 < first * second <= limits.max_pixels
        if done == 1 and page > 0 and fits:
            shape = (first, second) if channels == 1 else (first, second, 3)
            picture = np.empty(shape, np.uint8)
            self._read_into(picture.data.cast("B"))
            return picture
        if done == 0 and first < 64 and second < 1 << 20:
            code = self._read(first).decode("ascii")
            raise PictureError(self._read(second).decode(errors="surrogatepass"), code)
        raise EOFError(f"{name}: an answer that makes no sense")

    def _wait_until_ready(self) -> None:
        if not self._is_ready:
            with self._killed_after(_START) as late:
                try:
                    hello = self._read(len(READY))
                except (OSError, EOFError):
                    hello = b""
            if hello != READY:
                late_by = f"it is not ready after {_START:g} s"
                raise _cannot_start(late_by if late.is_set() else self._cause())
            self._is_ready = True

    def _read(self, size: int) -> bytes:
        content = bytearray(size)
        self._read_into(memoryview(content))
        return bytes(content)

    def _read_into(self, place: memoryview) -> None:
        assert self._popen.stdout is not None
        while len(place):
            count = self._popen.stdout.readinto(place)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            place = place[count:]

    def _cause(self) -> str:
        """Return how it ended, such as SIGSEGV."""
        self._popen.kill()
        status = self._popen.wait()
        if status >= 0:
            return f"status {status}"
        with suppress(ValueError):
            return signal.Signals(-status).name
        return f"signal {-status}"


def _widen(*pipes: IO[bytes] | None) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        for pipe in pipes:
            if pipe is not None:
                with suppress(OSError):
                    fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)


def _cannot_start(reason: str) -> DigitlabError:
    return DigitlabError(
        f"pictures are decoded in a process of their own, which cannot be started: {reason}"
    )
