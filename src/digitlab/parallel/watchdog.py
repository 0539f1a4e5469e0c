"""Ends this process, with one line, when something that must answer does not.

A call to a store whose process is stopped hangs past every timeout of its own, and one into a
collective may; nothing in the calling thread can help then. Used by the team and its store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from digitlab.processes import CUT_OFF, end

# Exit statuses of a worker, for its launcher; processes.CUT_OFF where the store does not answer.
ENDED = 74  # another worker's error ended the run
DROPPED = 76  # the others went on without this worker, which may come back
HUNG = 77  # a collective call hangs past its timeout; likewise
APART = 78  # another worker is lost, and with it the part of the network that it owned
_TICK = 0.1


class Watchdog:
    """Watches over calls from a thread of its own."""

    def __init__(self) -> None:
        """Begin to watch."""
        self._left: dict[object, tuple[float, str, int]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, name="digitlab-watchdog", daemon=True).start()

    @contextmanager
    def limit(self, seconds: float, line: str, status: int = CUT_OFF) -> Iterator[None]:
        """End the process with `line` where what is inside takes longer than `seconds`."""
        key = object()
        with self._lock:
            self._left[key] = (seconds, line, status)
        try:
            yield
        finally:
            with self._lock:
                del self._left[key]

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK)
            with self._lock:
                # Counted in ticks, not by the clock: a process that was stopped for an hour and
                # goes on has not waited for anybody in that hour.
                for key, (left, line, status) in self._left.items():
                    self._left[key] = (left - _TICK, line, status)
                over = [(line, status) for left, line, status in self._left.values() if left <= 0]
            for line, status in over:
                end(line, status)
