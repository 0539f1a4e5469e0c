"""The signals that ask a run to stop, and what a closed terminal leaves; for whoever runs one."""

from __future__ import annotations

import os
import signal
import sys

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


class Terminals:
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
