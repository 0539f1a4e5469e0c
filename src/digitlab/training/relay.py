"""Workers' news on their way to whoever started them: written by `Relay`, read by `Chorus`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from digitlab.training.progress import Progress, Reporter

_PAUSE = 0.05  # seconds between two bundles of steps and counts
_ENOUGH = 100_000  # bytes of them that are kept for a launcher that does not read


class Relay:
    """A reporter that writes each call as a line of JSON, and passes it on to another reporter.

    Steps and counts go in bundles: the launcher shares the workers' cores, and they wait for it.
    """

    def __init__(self, events: int, log: Reporter) -> None:
        """Give the descriptor of the launcher's pipe, and what writes the worker's own log."""
        os.set_blocking(events, False)  # a launcher that is stopped must not stop us
        self._events, self._log = events, log
        self._waiting = bytearray()
        self._sent = 0.0

    def phase(self, name: str) -> None:
        """Relay a phase."""
        self._log.phase(name)
        self._write("phase", name=name)

    def note(self, event: str, text: str, **facts: Any) -> None:
        """Relay a note."""
        self._log.note(event, text, **facts)
        self._write("note", name=event, text=text, facts=facts)

    def warn(self, text: str) -> None:
        """Relay a warning."""
        self._log.warn(text)
        self._write("warn", text=text)

    def step(self, progress: Progress) -> None:
        """Relay a step."""
        self._log.step(progress)
        self._write("step", progress=vars(progress))

    def count(self, what: str, done: int, every: int) -> None:
        """Relay a count."""
        self._log.count(what, done, every)
        self._write("count", what=what, done=done, every=every)

    def flush(self) -> None:
        """Write what waits, as far as the launcher reads."""
        with suppress(OSError):
            self._send()

    def drain(self) -> None:
        """Wait until the launcher has read all; for the end, when nobody waits for us."""
        with suppress(OSError):
            os.set_blocking(self._events, True)
            while self._waiting:
                self._send()

    def _write(self, event: str, **content: Any) -> None:
        """Write, or keep for later; nothing but steps and counts is ever left out."""
        is_frequent = event in ("step", "count")
        if is_frequent and len(self._waiting) > _ENOUGH:
            return
        self._waiting += json.dumps({"event": event, **content}).encode() + b"\n"
        if not is_frequent or time.monotonic() - self._sent > _PAUSE:
            self._sent = time.monotonic()
            self.flush()

    def _send(self) -> None:
        while self._waiting:
            del self._waiting[: os.write(self._events, self._waiting)]


class Chorus:
    """Makes of what all workers say what one process would have said.

    They say the same, but for the seconds, and any of them may fall silent: so what is heard first
    is passed on, and its echoes are not.
    """

    def __init__(self, reporter: Reporter) -> None:
        """Give who is told, once each."""
        self._reporter = reporter
        self._heard: set[tuple[Any, ...]] = set()
        self._step = 0
        self._is_begun = False

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take what `Relay` wrote."""
        kind = event["event"]
        if kind == "step":
            progress = Progress(**event["progress"])
            if progress.step > self._step:
                self._step = progress.step
                self._reporter.step(progress)
        elif kind == "count":
            self._reporter.count(event["what"], event["done"], event["every"])
        elif kind == "note":
            facts = event["facts"]
            if event["name"] == "joined" and self._is_begun:
                return  # of interest only where nobody of this machine began the run
            self._is_begun = self._is_begun or event["name"] in ("run", "joined")
            if self._is_new(kind, event["name"], facts.get("step"), facts.get("epoch")):
                self._reporter.note(event["name"], event["text"], **facts)
        elif kind == "warn":
            if self._is_new(kind, event["text"]):
                self._reporter.warn(event["text"])
        elif self._is_new(kind, event["name"], self._step):
            self._reporter.phase(event["name"])

    def _is_new(self, *what: Any) -> bool:
        new = what not in self._heard
        self._heard.add(what)
        return new
