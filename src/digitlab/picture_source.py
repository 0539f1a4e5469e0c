"""The bytes of a picture, from a file, a pipe or memory, for any path whatsoever.

Used by decoding.py and by the guarded decoder. A pipe has no end that could be known beforehand,
and opening one may wait for ever; here neither is believed to be harmless.
"""

from __future__ import annotations

import io
import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from digitlab.errors import PictureError
from digitlab.header import HEAD, MAX_BYTES, format_of, no_picture, too_large

MAX_SECONDS = 20.0  # of waiting until somebody opens a pipe for writing
_LONGEST_WAIT = 2_000_000.0  # seconds, 23 days; poll counts milliseconds in 32 bits


@contextmanager
def open_picture(
    source: str | Path | bytes, name: str | None = None, max_seconds: float = MAX_SECONDS
) -> Iterator[tuple[IO[bytes], str]]:
    """Open a picture for reading and seeking; give also what to call it.

    What cannot be sought, such as a pipe, is read whole if it begins like a picture. A writer of a
    pipe may take `max_seconds` to open it, and any time to write.

    Raises:
        PictureError: `missing` or `unreadable` (no permission, a folder), also for what fails
            while the file is open; `not-a-picture`, `too-large` or `timeout` for a pipe.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source), name or "the picture"
        return
    name = name or os.fspath(source)
    try:
        if _is_pipe(source):
            yield io.BytesIO(_read_named_pipe(source, name, max_seconds)), name
            return
        with open(source, "rb") as file:
            yield (file if file.seekable() else io.BytesIO(read_pipe(file, name))), name
    except FileNotFoundError as error:
        shown = name or repr(name)
        raise PictureError(f"{shown}: no such file; check the path", "missing") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"{name!r} cannot be opened: {reason}", "unreadable") from error


def read_pipe(file: IO[bytes], name: str, begun: bytes = b"") -> bytes:
    """Read what cannot be sought, such as standard input, but not without end.

    Args:
        file: is read from where it stands.
        name: what to call it in an error.
        begun: what was read of it before.

    Raises:
        PictureError: `not-a-picture` or `too-large`.
    """
    head = begun + _up_to(file, HEAD)
    if format_of(head) is None:
        raise no_picture(name, head)
    content = head + _up_to(file, MAX_BYTES)
    if len(content) > MAX_BYTES:
        raise too_large(name, f"more than {MAX_BYTES:,} bytes")
    return content


def _up_to(file: IO[bytes], count: int) -> bytes:
    """Read so many bytes, or to the end: a file without a buffer gives what there is just now."""
    pieces: list[bytes] = []
    while count and (piece := file.read(count)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _is_pipe(path: str | Path) -> bool:
    """Return whether opening a file may wait for ever; Windows has no such pipes, and no poll."""
    return stat.S_ISFIFO(os.stat(path).st_mode) and hasattr(select, "poll")


def _read_named_pipe(path: str | Path, name: str, max_seconds: float) -> bytes:
    """Read a pipe to its end; wait for its writer, but not for ever as opening it would."""
    with open(path, "rb", opener=_opened_at_once) as pipe:
        begun = _first_bytes(pipe.fileno(), max_seconds)
        if begun is None:
            raise PictureError(
                f"{name} is a pipe that nobody has opened for writing within {max_seconds:g} s: "
                "start what writes to it, or raise the limit",
                "timeout",
            )
        os.set_blocking(pipe.fileno(), True)  # who has opened it may take any time to write
        return read_pipe(pipe, name, begun)


def _opened_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _first_bytes(pipe: int, max_seconds: float) -> bytes | None:
    """Wait until a pipe, opened without blocking, has a writer; None where nobody comes in time.

    Returns what had to be read to know that: as a rule nothing.
    """
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    if waiting.poll(1000 * min(max_seconds, _LONGEST_WAIT)):
        return b""  # there is something to read, or a writer came and left
    # Nobody has written, but somebody may have opened it: then reading would wait, else it ends.
    try:
        return os.read(pipe, 1) or None
    except BlockingIOError:
        return b""
