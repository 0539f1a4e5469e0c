"""The one line on a terminal that is drawn over itself while long work goes on.

Used by every command that takes long. It is taken away before anything else is printed, since
results and progress often share a screen.
"""

from __future__ import annotations

import errno
import shutil
import sys
import time
from typing import ClassVar, TextIO

from rich.cells import cell_len, set_cell_size

from digitlab.wording import printable

_EVERY = 0.1  # seconds
_WIDTH = 30  # of the bar


class LiveLine:
    """A line that is drawn where there is a terminal, and else never."""

    _on_screen: ClassVar[LiveLine | None] = None

    def __init__(self, out: TextIO | None, live: bool | None = None) -> None:
        """Give the stream, and whether to draw on it; None: where it is a terminal."""
        self._out = out
        self.is_live = (out is not None and out.isatty()) if live is None else live
        self._shown = 0
        self._last = 0.0

    def draw(self, line: str) -> None:
        """Draw the line, ten times a second at most."""
        if self.is_live and time.monotonic() - self._last > _EVERY:
            self._last = time.monotonic()
            # A line that wraps could not be drawn over.
            line = _cut(line, shutil.get_terminal_size().columns - 1)
            width = cell_len(line)
            self._write("\r" + line + " " * (self._shown - width))
            self._shown = width
            LiveLine._on_screen = self

    @classmethod
    def clear_any(cls) -> None:
        """Take away the line that is on the screen, whoever drew it."""
        if cls._on_screen is not None:
            cls._on_screen.clear()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        assert self._out is not None
        print_to(self._out, text, end="")


def _cut(line: str, width: int) -> str:
    """Return what has room; Chinese characters are two wide."""
    return line if cell_len(line) <= width else set_cell_size(line, width).rstrip()


def print_to(out: TextIO, text: str, end: str = "\n") -> None:
    """Print at once; where a terminal was closed, to nobody: its signal follows, and work goes on.

    Raises:
        OSError: where a file or pipe cannot be written.
    """
    try:
        print(text, end=end, file=out, flush=True)
    except OSError as error:
        if error.errno != errno.EIO:
            error.filename = "standard output" if out is sys.stdout else "standard error"
            raise


class Counter:
    """A live line that counts things done; none where there is only one.

    Args:
        total: things to come.
        out: usually standard error; None where there is none.
        done, failed: of them, what was done before, and of that what had failed.
        document: whose pages they are; empty where they are no pages.
    """

    def __init__(
        self, total: int, out: TextIO | None, done: int = 0, failed: int = 0, document: str = ""
    ) -> None:
        self._total = total
        self._line = LiveLine(out, live=None if total > 1 else False)
        self._before = self._done = done
        self._failed = failed
        self._document = document
        self._start = time.monotonic()

    def advance(self, failed: bool = False) -> None:
        """Count one more, and draw; what is done at once is never drawn."""
        self._done += 1
        self._failed += failed
        seconds = time.monotonic() - self._start
        if seconds > _EVERY:
            self._line.draw(self._text(seconds))

    def clear(self) -> None:
        """Take the line away."""
        self._line.clear()

    def _text(self, seconds: float) -> str:
        share = self._done / self._total
        full = round(share * _WIDTH)
        page, name = ("page ", f"  {printable(self._document)}") if self._document else ("", "")
        failed = f"  {self._failed:,} not read" if self._failed else ""
        rate = (self._done - self._before) / seconds
        left = (self._total - self._done) / rate
        return (
            f"{'━' * full}{'╌' * (_WIDTH - full)} {page}{self._done:,} of {self._total:,}{failed}  "
            f"{rate:,.0f} a second  {left:,.0f} s left{name}"
        )
