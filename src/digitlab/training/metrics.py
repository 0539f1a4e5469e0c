"""The record of a run: `metrics.jsonl`, a line a step and a line an epoch, and TensorBoard events.

Everything in a line but what `CLOCK` names is a function of the recipe, to the bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CLOCK = ("seconds", "images_per_second")


class MetricsFile:
    """An append-only file of JSON lines that knows the hash of what it holds.

    Lines wait in memory until `flush`, which starts again at the same place after a failure: a full
    disk costs no line and leaves no half of one behind once there is room again.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        """Open a metrics file, keeping its first `keep` bytes; what follows them is cut off."""
        kept = path.read_bytes()[:keep] if path.exists() else b""
        self._hash = hashlib.sha256(kept)
        self._written = len(kept)
        self._waiting = bytearray()
        self._file = path.open("r+b" if path.exists() else "xb", buffering=0)
        self._file.truncate(self._written)

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line; numbers that are not finite must have been replaced by None."""
        content = (json.dumps(line, allow_nan=False) + "\n").encode()
        self._hash.update(content)
        self._waiting += content

    def flush(self) -> None:
        """Let readers see all lines so far.

        Raises:
            OSError: where the disk refuses; the lines wait for the next call.
        """
        self._file.seek(self._written)
        rest = memoryview(bytes(self._waiting))
        while rest:
            rest = rest[self._file.write(rest) :]
        self._written += len(self._waiting)
        self._waiting.clear()

    def position(self) -> dict[str, Any]:
        """Make all lines durable; return their size in bytes and their SHA-256.

        Raises:
            OSError: where the disk refuses.
        """
        self.flush()
        os.fsync(self._file.fileno())
        return {"bytes": self._written, "sha256": self._hash.hexdigest()}

    def close(self) -> None:
        """Write what waits, if the disk lets us, and close the file."""
        with contextlib.suppress(OSError):
            self.flush()
        self._file.close()


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
        with contextlib.suppress(ValueError):
            line = json.loads(text)
            if text.endswith(b"\n") and isinstance(line, dict) and "kind" in line:
                yield line


def open_events(folder: Path, purge_step: int) -> SummaryWriter:
    """Return TensorBoard's writer of a run; earlier files are void from `purge_step` on."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=purge_step or None)


def add_points(events: SummaryWriter, step: int, values: Mapping[str, float]) -> None:
    """Give TensorBoard a point of each curve, by tag, as one event.

    An event a curve, as `add_scalar` writes them, takes three times as long, most of it on a thread
    that keeps this one waiting for the interpreter's lock.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    writer: Any = events.file_writer
    writer.add_summary(Summary(value=points), step)
