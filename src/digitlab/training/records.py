"""What a run writes down as it goes: metrics, TensorBoard's events, and the ledger.

Of several workers one writes, and every one remembers the last lines, so that any can write on
where another was lost.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from digitlab import events
from digitlab.durable_files import write_whole
from digitlab.errors import RunError
from digitlab.events import Listener
from digitlab.parallel.strategy import Push
from digitlab.training.metrics import EventsFile, MetricsFile, read_metrics
from digitlab.training.run_folder import RunFolder

_REMEMBERED = 2_000  # lines; the file that a lost worker wrote lags by those of a second
_ORDER = ("start", "step", "epoch", "work")  # of the lines of one step


class Records:
    """The records of one run, in one worker."""

    def __init__(
        self, folder: RunFolder, tell: Listener, leads: Callable[[], bool], ledger: bool
    ) -> None:
        """Give the run's folder, and who tells whether this worker is the one to write."""
        self._folder, self._tell, self._leads = folder, tell, leads
        self._recent: dict[Path, deque[dict[str, Any]]] = {
            path: deque(maxlen=_REMEMBERED)
            for path in (folder.metrics, *([folder.ledger] if ledger else []))
        }
        self._files: dict[Path, MetricsFile] = {}
        self._events: EventsFile | None = None
        self._troubled: set[Path] = set()  # that could not be written, and have been named
        self._kept: int | None = None
        self._step = 0
        self._is_open = False

    def begin(self, kept: int, step: int) -> None:
        """Say that the run goes on after the first `kept` bytes of metrics.jsonl, at a step."""
        self._kept, self._step = kept, step

    def open(self) -> None:
        """Write from now on, where this worker leads.

        Called once it has met the others: one that was stopped before, and wakes, touches nothing.

        Raises:
            RunError: where a file cannot be opened.
        """
        self._is_open = True
        if self._kept is None or not self._leads():
            return
        try:
            path = self._folder.metrics
            content = path.read_bytes()[: self._kept] if path.exists() else b""
            self._write_anew(path, content, self._recent[path])
            if self._folder.ledger in self._recent:
                self._write_on(self._folder.ledger)
            self._events = EventsFile(self._folder.events, self._step + 1)
        except OSError as error:
            path = error.filename or self._folder.path
            raise RunError(f"{path}: cannot be opened: {error.strerror}") from None

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        self._append(self._folder.metrics, line)

    def work(self, step: int, work: Mapping[str, Any], pushes: Sequence[Push] = ()) -> None:
        """Append to the ledger who computed which samples of which shard, and what servers took."""
        if self._folder.ledger in self._recent:
            line: dict[str, Any] = {"kind": "work", "step": step, "work": work}
            if pushes:
                line["pushes"] = [push._asdict() for push in pushes]
            self._append(self._folder.ledger, line)

    def event(self, step: int, values: Mapping[str, float]) -> None:
        """Give TensorBoard a point of each curve, by tag."""
        if not self._leads():
            return
        if self._events is None:
            try:
                self._events = EventsFile(self._folder.events, step)
            except OSError as error:
                self._warn(self._folder.events, error)
                return
        self._events.add(step, values)

    def flush(self) -> None:
        """Let readers see all lines so far, if the disk lets us."""
        written: dict[Path, MetricsFile | EventsFile] = {**self._files}
        if self._events is not None:
            written[self._folder.events] = self._events
        for path, file in written.items():
            try:
                file.flush()
            except OSError as error:
                self._warn(path, error)
            else:
                self._troubled.discard(path)

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

    def remember(self, recent: Mapping[str, Sequence[dict[str, Any]]], step: int) -> None:
        """Take what `recent` gave in another worker, at a step."""
        self._step = step
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
        file = self._file(path) if self._is_open and self._leads() else None
        self._recent[path].append(dict(line))
        if file:
            file.write(line)

    def _file(self, path: Path) -> MetricsFile:
        """Return the file to write to; what another worker began is written on in a new one.

        A new one, because the other may only have been stopped: what it writes when it wakes goes
        to the old one, which has no name any more.
        """
        if path not in self._files:
            self._write_on(path)
        return self._files[path]

    def _write_on(self, path: Path) -> None:
        """Go on after the lines of a file that belong to the run as it is now.

        Others may follow them, of steps after the checkpoint from which it was gone on with.
        """
        recent = self._recent[path]
        newest = _place(recent[-1]) if recent else (self._step, len(_ORDER))
        before = [line for line in read_metrics(path) if _place(line) <= newest]
        last = _place(before[-1]) if before else (-1, 0)
        content = "".join(json.dumps(line) + "\n" for line in before).encode()
        self._write_anew(path, content, [line for line in recent if _place(line) > last])

    def _write_anew(self, path: Path, content: bytes, lines: Iterable[Mapping[str, Any]]) -> None:
        write_whole(path, content)
        self._files[path] = MetricsFile(path, len(content))
        for line in lines:
            self._files[path].write(line)

    def _warn(self, path: Path, error: OSError) -> None:
        """Say that a file cannot be written, once until it can be."""
        if path in self._troubled:
            return
        self._troubled.add(path)
        self._tell(events.warning(f"{path}: cannot be written: {error.strerror}"))


def _place(line: Mapping[str, Any]) -> tuple[int, int]:
    return line["step"], _ORDER.index(line["kind"])
