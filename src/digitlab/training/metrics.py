"""The record of a run: `metrics.jsonl`, a line a step and a line an epoch, and TensorBoard events.

Everything in a line but what `CLOCK` names is a function of the recipe, to the bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CLOCK = ("seconds", "images_per_second")


class AppendedFile:
    """A file that only grows, and never by half of something.

    What is written waits in memory until `flush`, which starts again at the same place after a
    failure: a full disk costs nothing and leaves no half behind once there is room again.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        """Open a file, keeping its first `keep` bytes; what follows them is cut off."""
        self.path = path
        self.size = min(keep, path.stat().st_size) if path.exists() else 0
        self._waiting = bytearray()
        self._file = path.open("r+b" if path.exists() else "xb", buffering=0)
        self._file.truncate(self.size)

    def write(self, content: bytes) -> None:
        """Append, at the next flush."""
        self._waiting += content

    def flush(self) -> None:
        """Let readers see all so far.

        Raises:
            OSError: where the disk refuses, with the file's name; what waits goes on waiting.
        """
        try:
            self._file.seek(self.size)
            rest = memoryview(bytes(self._waiting))
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            error.filename = str(self.path)
            raise
        self.size += len(self._waiting)
        self._waiting.clear()

    def sync(self) -> None:
        """Make all so far durable.

        Raises:
            OSError: as `flush`.
        """
        self.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write what waits, if the disk lets us, and close the file."""
        with contextlib.suppress(OSError):
            self.flush()
        with contextlib.suppress(OSError):
            self._file.close()


class MetricsFile:
    """A file of JSON lines that knows the hash of what it holds."""

    def __init__(self, path: Path, keep: int = 0) -> None:
        """Open a metrics file, keeping its first `keep` bytes; what follows them is cut off."""
        kept = path.read_bytes()[:keep] if path.exists() else b""
        self._hash = hashlib.sha256(kept)
        self._file = AppendedFile(path, len(kept))

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line; numbers that are not finite must have been replaced by None."""
        content = (json.dumps(line, allow_nan=False) + "\n").encode()
        self._hash.update(content)
        self._file.write(content)

    def flush(self) -> None:
        """Let readers see all lines so far.

        Raises:
            OSError: where the disk refuses; the lines wait for the next call.
        """
        self._file.flush()

    def position(self) -> dict[str, Any]:
        """Make all lines durable; return their size in bytes and their SHA-256.

        Raises:
            OSError: where the disk refuses.
        """
        self._file.sync()
        return {"bytes": self._file.size, "sha256": self._hash.hexdigest()}

    def close(self) -> None:
        """Write what waits, if the disk lets us, and close the file."""
        self._file.close()


class EventsFile:
    """A file of TensorBoard's events, in the form of its own `RecordWriter`.

    Its `SummaryWriter` writes in a thread that keeps this one waiting for the interpreter's lock,
    and where the disk is full it ends in a traceback.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        """Begin a file; events of earlier files are void from `first_step` on.

        Raises:
            OSError: where it cannot be made.
        """
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(exist_ok=True)
        stamp = f"{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = AppendedFile(folder / f"events.out.tfevents.{stamp}")
        self._records = RecordWriter(self._file)
        self._add(Event(file_version="brain.Event:2"))
        if first_step > 1:
            start = SessionLog(status=SessionLog.START)
            self._add(Event(step=first_step, session_log=start))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append a point of each curve, by tag, as one event."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(Event(step=step, summary=Summary(value=points)))

    def flush(self) -> None:
        """Let TensorBoard see all so far.

        Raises:
            OSError: where the disk refuses; what waits goes on waiting.
        """
        self._file.flush()

    def close(self) -> None:
        """Write what waits, if the disk lets us, and close the file."""
        self._file.close()

    def _add(self, event: Any) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


def matches(path: Path, position: Mapping[str, Any]) -> bool:
    """Whether a metrics file begins with what a checkpoint says that it held."""
    try:
        with path.open("rb") as file:
            kept = file.read(position["bytes"])
    except OSError:
        return False
    return bool(hashlib.sha256(kept).hexdigest() == position["sha256"])


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a metrics file; one that is damaged or cut off is left out."""
    if not path.exists():
        return
    for text in path.read_bytes().splitlines(keepends=True):
        with contextlib.suppress(ValueError, RecursionError):
            line = json.loads(text)
            if text.endswith(b"\n") and isinstance(line, dict) and "kind" in line:
                yield line
