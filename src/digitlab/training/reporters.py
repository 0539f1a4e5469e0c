"""What a training run says while it runs: a live line, plain lines, JSON, or nothing.

Each is a listener; how an event looks is decided here alone.
"""

from __future__ import annotations

import json
import sys
from typing import TextIO

from digitlab.events import Event, Listener, Progress
from digitlab.live_line import LiveLine, print_to
from digitlab.wording import duration, passes_done, percent


def quiet(event: Event) -> None:
    """Say nothing but warnings, on standard error."""
    if event.kind == "warning":
        print_to(sys.stderr, f"warning: {event.text}")


class JsonLines:
    """One JSON object a line on standard output; steps every `log_every`, and no counts.

    A note has said how many there will be of what is counted.
    """

    def __init__(self, log_every: int = 1, out: TextIO | None = None) -> None:
        """Give the stream; standard output where none is given."""
        self._every, self._out = max(1, log_every), out or sys.stdout

    def __call__(self, event: Event) -> None:
        """Write an event, if it is due."""
        if event.kind == "count":
            return
        if event.kind == "step":
            step = event.facts["step"]
            if step % self._every and step != event.facts["steps"]:
                return
        print_to(self._out, json.dumps(event.to_json()))


class Lines:
    """Plain lines, and on a terminal a live line under them."""

    def __init__(self, log_every: int = 0, live: bool | None = None) -> None:
        """Report every `log_every` steps (0: about ten lines an epoch, none when live)."""
        self._every = log_every
        self._live = LiveLine(sys.stdout, live)

    def __call__(self, event: Event) -> None:
        """Print a note or a warning; draw a step or a count, or print it when it is due."""
        if event.kind == "step":
            self._step(Progress(**event.facts))
        elif event.kind == "count":
            self._count(**event.facts)
        elif event.kind == "warning":
            self._live.clear()
            print_to(sys.stderr, f"warning: {event.text}")
        elif event.kind != "phase":  # what a phase found is told by a note
            self._live.clear()
            if event.text:
                print_to(sys.stdout, event.text)

    def _step(self, progress: Progress) -> None:
        if self._is_due(progress):
            self._live.clear()
            print_to(sys.stdout, _line(progress))
        else:
            self._live.draw(_line(progress))

    def _count(self, what: str, done: int, every: int) -> None:
        if done < every:
            self._live.draw(f"{done:,} of {every:,} {what}")
        else:
            self._live.clear()

    def _is_due(self, progress: Progress) -> bool:
        if self._every:
            return progress.step % self._every == 0
        steps_per_epoch = progress.steps / progress.epochs
        return not self._live.is_live and progress.step % max(1, round(steps_per_epoch / 5)) == 0


def _line(progress: Progress) -> str:
    done, every = passes_done(progress.epoch, progress.epochs, progress.step, progress.steps)
    loss = "not finite" if progress.loss is None else f"{progress.loss:.4f}"
    return (
        f"epoch {done}/{every}  step {progress.step}/{progress.steps}  "
        f"loss {loss}  accuracy {percent(progress.accuracy, 1)}  "
        f"{progress.images_per_second:,.0f} images/s  {duration(progress.seconds_left)} left"
    )


def reporter(style: str, log_every: int | None = None) -> Listener:
    """Return the reporter of a style: "lines", "json" or "quiet"."""
    if sys.stdout is None:  # closed by whoever started us
        return quiet
    if style == "json":
        return JsonLines(log_every or 1)
    return quiet if style == "quiet" else Lines(log_every or 0)
