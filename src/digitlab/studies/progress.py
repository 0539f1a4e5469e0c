"""What a study says while it goes on: one live line for all runs, and a line for each that ended.

Listeners, as those of `training/reporters.py` are for a run.
"""

from __future__ import annotations

import json
import sys

from digitlab.events import Event, Listener
from digitlab.live_line import LiveLine, print_to
from digitlab.training.reporters import quiet


class StudyLines:
    """Plain lines on standard error, for the table is the output; on a terminal a live line."""

    def __init__(self) -> None:
        """Draw where standard error is a terminal."""
        self._live = LiveLine(sys.stderr)

    def __call__(self, event: Event) -> None:
        """Draw how far all runs are; print what is said once."""
        if event.kind == "progress":
            self._live.draw(event.text)
            return
        self._live.clear()
        if event.text:
            warned = "warning: " if event.kind == "warning" else ""
            print_to(sys.stderr, f"{warned}{event.text}")


def json_lines(event: Event) -> None:
    """Write an event as a JSON object on standard output, but for how far the runs are."""
    if event.kind != "progress":
        print_to(sys.stdout, json.dumps(event.to_json(), ensure_ascii=False))


def study_reporter(style: str) -> Listener:
    """Return the listener of a style: "lines", "json" or "quiet"."""
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started us
        return quiet
    if style == "lines":
        return StudyLines()
    return json_lines if style == "json" else quiet
