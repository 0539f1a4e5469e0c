"""What a run writes down as it goes: metrics, TensorBoard's events, and the ledger.

Of several workers one writes, and every one remembers the last lines, so that any can write on
where another was lost.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitlab.errors import RunError
from digitlab.files import write_whole
from digitlab.training.metrics import MetricsFile, add_points, open_events, read_metrics
from digitlab.training.progress import Reporter
from digitlab.training.run_folder import RunFolder

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_REMEMBERED = 10_000  # lines; the file that a lost worker wrote lags by those of a second
_ORDER = ("start", "step", "epoch", "work")  # of the lines of one step


class Records:
    """The records of one run, in one worker."""

    def __init__(
        self, folder: RunFolder, reporter: Reporter, leads: Callable[[], bool], ledger: bool
    ) -> None:
        """Give the run's folder, and who tells whether this worker is the one to write."""
        self._folder, self._reporter, self._leads = folder, reporter, leads
        self._recent: dict[Path, deque[dict[str, Any]]] = {
            path: deque(maxlen=_REMEMBERED)
            for path in (folder.metrics, *([folder.ledger] if ledger else []))
        }
        self._files: dict[Path, MetricsFile] = {}
        self._events: SummaryWriter | None = None

    def open(self, kept: int, step: int) -> None:
        """Begin to write, after the first `kept` bytes of metrics.jsonl, at a step.

        Raises:
            RunError: where a file cannot be opened.
        """
        try:
            self._files[self._folder.metrics] = MetricsFile(self._folder.metrics, kept)
            if self._folder.ledger in self._recent:
                before = [x for x in read_metrics(self._folder.ledger) if x["step"] <= step]
                self._write_on(self._folder.ledger, before)
            self._events = open_events(self._folder.events, step + 1)
        except OSError as error:
            path = error.filename or self._folder.path
            raise RunError(f"{path}: cannot be opened: {error}") from None

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        self._append(self._folder.metrics, line)

    def work(self, step: int, work: Mapping[str, Any]) -> None:
        """Append to the ledger which worker computed which samples of which shard."""
        if self._folder.ledger in self._recent:
            self._append(self._folder.ledger, {"kind": "work", "step": step, "work": work})

    def event(self, step: int, values: Mapping[str, float]) -> None:
        """Give TensorBoard a point of each curve, by tag."""
        if not self._leads():
            return
        try:
            if self._events is None:
                self._events = open_events(self._folder.events, step)
            add_points(self._events, step, values)
        except OSError as error:
            self._warn(self._folder.events, error)

    def flush(self) -> None:
        """Let readers see all lines so far, if the disk lets us."""
        for path, file in self._files.items():
            try:
                file.flush()
            except OSError as error:
                self._warn(path, error)

    def position(self) -> dict[str, Any]:
        """Make metrics.jsonl durable and return its size and hash; for the worker that writes.

        Raises:
            OSError: where the disk refuses.
        """
        for path in self._recent:
            self._file(path).flush()
        return self._file(self._folder.metrics).position()

    def recent(self) -> dict[str, list[dict[str, Any]]]:
        """Return the last lines by the name of their file, for another worker."""
        return {path.name: list(lines) for path, lines in self._recent.items()}

    def remember(self, recent: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        """Take what `recent` gave in another worker."""
        for path, lines in self._recent.items():
            lines.clear()
            lines.extend(recent.get(path.name, ()))

    def close(self) -> None:
        """Write what waits, if the disk lets us, and close all files."""
        for file in self._files.values():
            file.close()
        if self._events is not None:
            self._events.close()

    def _append(self, path: Path, line: Mapping[str, Any]) -> None:
        leads = self._leads()
        file = self._file(path) if leads else None
        self._recent[path].append(dict(line))
        if file:
            file.write(line)

    def _file(self, path: Path) -> MetricsFile:
        """Return the file to write to; what another worker began is written on in a new one.

        A new one, because the other may only have been stopped: what it writes when it wakes goes
        to the old one, which has no name any more.
        """
        if path not in self._files:
            self._write_on(path, list(read_metrics(path)))
        return self._files[path]

    def _write_on(self, path: Path, before: list[dict[str, Any]]) -> None:
        last = _place(before[-1]) if before else (-1, 0)
        lines = before + [line for line in self._recent[path] if _place(line) > last]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        write_whole(path, content)
        self._files[path] = MetricsFile(path, len(content))

    def _warn(self, path: Path, error: OSError) -> None:
        self._reporter.warn(f"{path}: cannot be written: {error.strerror}")


def _place(line: Mapping[str, Any]) -> tuple[int, int]:
    return line["step"], _ORDER.index(line["kind"])
