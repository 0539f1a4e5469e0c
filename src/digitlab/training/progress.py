"""What a training run says while it runs: a live line, plain lines, JSON, or nothing.

The run calls a `Reporter` at named places; how that looks is decided here alone.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TextIO

from digitlab.wording import duration


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step.

    Attributes:
        epoch, epochs: the pass, from 1, and how many there will be.
        step, steps: steps done and to be done.
        loss: of this step's batch, None where it was not finite.
        accuracy: fraction, smoothed over the last steps.
        images_per_second: smoothed.
        seconds_left: of training.
    """

    epoch: int
    epochs: float
    step: int
    steps: int
    loss: float | None
    accuracy: float
    images_per_second: float
    seconds_left: float


class Reporter(Protocol):
    """Where a run's news go."""

    def phase(self, name: str) -> None:
        """Say that a part of the run begins, such as "data", "train" or "export"."""
        ...

    def note(self, event: str, text: str, **facts: Any) -> None:
        """Say something once: `text` for people, `facts` for programs."""
        ...

    def warn(self, text: str) -> None:
        """Say what the user should look at."""
        ...

    def step(self, progress: Progress) -> None:
        """Report a step."""
        ...

    def count(self, what: str, done: int, every: int) -> None:
        """Show how much of something is done, such as "made pictures"."""
        ...


class Quiet:
    """Says nothing but warnings."""

    def phase(self, name: str) -> None:
        """Say nothing."""

    def note(self, event: str, text: str, **facts: Any) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Print a warning to standard error."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def step(self, progress: Progress) -> None:
        """Say nothing."""

    def count(self, what: str, done: int, every: int) -> None:
        """Say nothing."""


class JsonLines:
    """One JSON object a line on standard output; steps every `log_every`."""

    def __init__(self, log_every: int = 1, out: TextIO | None = None) -> None:
        """Give the stream; standard output where none is given."""
        self._every, self._out = max(1, log_every), out or sys.stdout

    def phase(self, name: str) -> None:
        """Write a "phase" event."""
        self._write("phase", name=name)

    def note(self, event: str, text: str, **facts: Any) -> None:
        """Write an event of that name."""
        self._write(event, **facts)

    def warn(self, text: str) -> None:
        """Write a "warning" event."""
        self._write("warning", message=text)

    def step(self, progress: Progress) -> None:
        """Write a "step" event."""
        if progress.step % self._every == 0 or progress.step == progress.steps:
            self._write("step", **asdict(progress))

    def count(self, what: str, done: int, every: int) -> None:
        """Write nothing: a note has said how many there will be."""

    def _write(self, event: str, **facts: Any) -> None:
        self._out.write(json.dumps({"event": event, **facts}) + "\n")
        self._out.flush()


class Lines:
    """Plain lines, and on a terminal a live line under them."""

    def __init__(self, log_every: int = 0, live: bool | None = None) -> None:
        """Report every `log_every` steps (0: about ten lines an epoch, none when live)."""
        self._every = log_every
        self._live = sys.stdout.isatty() if live is None else live
        self._shown = 0
        self._last = 0.0

    def phase(self, name: str) -> None:
        """Say nothing: what a phase found is told by a note."""

    def note(self, event: str, text: str, **facts: Any) -> None:
        """Print the text, which may be several lines."""
        self._clear()
        if text:
            print(text, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning to standard error."""
        self._clear()
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def step(self, progress: Progress) -> None:
        """Redraw the live line, ten times a second at most; or print a line when it is due."""
        if self._is_due(progress):
            self._clear()
            print(_line(progress), flush=True)
        else:
            self._draw(_line(progress))

    def count(self, what: str, done: int, every: int) -> None:
        """Redraw the live line, which is taken away at the end."""
        if done < every:
            self._draw(f"{done:,} of {every:,} {what}")
        else:
            self._clear()

    def _draw(self, line: str) -> None:
        """Draw the live line where there is one, ten times a second at most."""
        if self._live and time.monotonic() - self._last > 0.1:
            self._last = time.monotonic()
            # A line that wraps could not be drawn over.
            line = line[: shutil.get_terminal_size().columns - 1]
            print("\r" + line.ljust(self._shown), end="", flush=True)
            self._shown = len(line)

    def _is_due(self, progress: Progress) -> bool:
        if self._every:
            return progress.step % self._every == 0
        steps_per_epoch = progress.steps / progress.epochs
        return not self._live and progress.step % max(1, round(steps_per_epoch / 5)) == 0

    def _clear(self) -> None:
        if self._shown:
            print("\r" + " " * self._shown + "\r", end="", flush=True)
            self._shown = 0


def _line(progress: Progress) -> str:
    loss = "not finite" if progress.loss is None else f"{progress.loss:.4f}"
    return (
        f"epoch {progress.epoch}/{progress.epochs:g}  step {progress.step}/{progress.steps}  "
        f"loss {loss}  accuracy {progress.accuracy:.1%}  "
        f"{progress.images_per_second:,.0f} images/s  {duration(progress.seconds_left)} left"
    )


def reporter(style: str, log_every: int | None = None) -> Reporter:
    """Return the reporter of a style: "lines", "json" or "quiet"."""
    if sys.stdout is None:  # closed by whoever started us
        return Quiet()
    if style == "json":
        return JsonLines(log_every or 1)
    return Quiet() if style == "quiet" else Lines(log_every or 0)
