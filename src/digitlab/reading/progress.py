"""How far a long reading has come: one line on a terminal, drawn over itself.

Used by `digitlab read`. It is cleared before anything else is printed, since results and progress
often share a screen.
"""

from __future__ import annotations

import shutil
import time
from typing import TextIO

_EVERY = 0.1  # seconds
_WIDTH = 30  # of the bar


class ProgressLine:
    """Counts pictures; shows nothing on what is no terminal, or where there is only one.

    Args:
        total: pictures to come.
        out: usually standard error; None where there is none.
    """

    def __init__(self, total: int, out: TextIO | None) -> None:
        self._total, self._out = total, out
        self._live = total > 1 and out is not None and out.isatty()
        self._done = self._failed = self._shown = 0
        self._start = self._last = time.monotonic()

    def advance(self, failed: bool) -> None:
        """Count a picture, and draw ten times a second at most."""
        self._done += 1
        self._failed += failed
        now = time.monotonic()
        if self._live and now - self._last > _EVERY:
            self._last = now
            # A line that wraps could not be drawn over.
            line = self._line(now - self._start)[: shutil.get_terminal_size().columns - 1]
            self._write("\r" + line.ljust(self._shown))
            self._shown = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _line(self, seconds: float) -> str:
        share = self._done / self._total
        full = round(share * _WIDTH)
        failed = f"  {self._failed:,} not read" if self._failed else ""
        left = seconds / self._done * (self._total - self._done)
        return (
            f"{'━' * full}{'╌' * (_WIDTH - full)} {self._done:,} of {self._total:,}{failed}  "
            f"{self._done / seconds:,.0f} a second  {left:,.0f} s left"
        )

    def _write(self, text: str) -> None:
        assert self._out is not None
        self._out.write(text)
        self._out.flush()
