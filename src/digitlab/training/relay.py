"""Workers' news on their way to whoever started them: written by `Relay`, heard by `Chorus`."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

from digitlab.events import Event, Listener

_PAUSE = 0.05  # seconds between two bundles of steps and counts
_ENOUGH = 100_000  # bytes of them that are kept for a launcher that does not read
_FREQUENT = ("step", "count")


class Relay:
    """A listener that writes each event as a line, and passes it on to another listener.

    Steps and counts go in bundles: the launcher shares the workers' cores, and they wait for it.
    """

    def __init__(self, events: int, log: Listener) -> None:
        """Give the descriptor of the owner's pipe, and what writes the process's own log."""
        os.set_blocking(events, False)  # an owner that is stopped must not stop us
        self._events, self._log = events, log
        self._waiting = bytearray()
        self._sent = 0.0

    def __call__(self, event: Event) -> None:
        """Write, or keep for later; nothing but steps and counts is ever left out."""
        self._log(event)
        is_frequent = event.kind in _FREQUENT
        if is_frequent and len(self._waiting) > _ENOUGH:
            return
        self._waiting += event.to_line().encode() + b"\n"
        if not is_frequent or time.monotonic() - self._sent > _PAUSE:
            self._sent = time.monotonic()
            self.flush()

    def flush(self) -> None:
        """Write what waits, as far as the owner reads."""
        with suppress(OSError):
            self._send()

    def drain(self) -> None:
        """Wait until the owner has read all; for the end of a run, when nobody waits for us."""
        with suppress(OSError):
            os.set_blocking(self._events, True)
            while self._waiting:
                self._send()
            os.set_blocking(self._events, False)

    def _send(self) -> None:
        while self._waiting:
            del self._waiting[: os.write(self._events, self._waiting)]


class Chorus:
    """Makes of what all workers say what one process would have said.

    They say the same, but for the seconds, and any of them may fall silent: so what is heard first
    is passed on, and its echoes are not.
    """

    def __init__(self, tell: Listener) -> None:
        """Give who is told, once each."""
        self._tell = tell
        self._heard: set[tuple[Any, ...]] = set()
        self._step = 0
        self._is_begun = False

    def __call__(self, event: Event) -> None:
        """Take what any worker said."""
        if self._is_news(event):
            self._tell(event)

    def _is_news(self, event: Event) -> bool:
        facts = event.facts
        if event.kind == "step":
            before, self._step = self._step, max(self._step, facts["step"])
            return self._step > before
        if event.kind == "count":
            return True
        if event.kind == "warning":
            return self._is_new(event.kind, event.text)
        if event.kind == "phase":
            return self._is_new(event.kind, facts["name"], self._step)
        if event.kind == "joined" and self._is_begun:
            return False  # of interest only where nobody of this machine began the run
        self._is_begun = self._is_begun or event.kind in ("run", "joined")
        return self._is_new("note", event.kind, facts.get("step"), facts.get("epoch"))

    def _is_new(self, *what: Any) -> bool:
        new = what not in self._heard
        self._heard.add(what)
        return new
