"""The signals that ask a run to stop, and what a closed terminal leaves; for whoever runs one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

HANGUP = getattr(signal, "SIGHUP", None)  # a closed terminal; Windows has none


def that_stop() -> tuple[signal.Signals, ...]:
    """Return the signals that ask to stop.

    SIGHUP is left alone where it is ignored already, as by `nohup`. SIGINT is not: shells ignore it
    for all that they start in the background.
    """
    stops = (signal.SIGINT, signal.SIGTERM)
    if HANGUP is None or signal.getsignal(HANGUP) is signal.SIG_IGN:
        return stops
    return (*stops, signal.Signals(HANGUP))


class StoppedError(Exception):
    """A signal asked to stop, and all processes have ended; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@contextmanager
def heard(then: Callable[[int], None]) -> Iterator[None]:
    """Have each signal that asks to stop call a function with its number; in the main thread.

    In another thread nothing is heard. A closed terminal is left first.
    """
    before: dict[signal.Signals, Any] = {}
    terminals = _Terminals()

    def hear(number: int, frame: FrameType | None) -> None:
        if number == HANGUP:
            terminals.leave()
        then(number)

    try:
        if threading.current_thread() is threading.main_thread():
            for one in that_stop():
                before[one] = signal.signal(one, hear)
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class _Terminals:
    """The outputs of this process that are terminals now."""

    def __init__(self) -> None:
        """Look which they are: of a closed terminal nobody can tell any more that it was one."""
        self._numbers: list[int] = []
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None and stream.isatty():
                    self._numbers.append(stream.fileno())
            except (OSError, ValueError):  # without a file behind it, or closed
                continue

    def leave(self) -> None:
        """Write to nowhere in place of them: to write to a closed terminal is an error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in self._numbers:
            os.dup2(nowhere, number)
        os.close(nowhere)
