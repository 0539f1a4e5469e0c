"""A process that trains the runs of a study one after another, as its owner hands them out.

What runs share is done once: imports, and loading the data. `runner.py` starts it as a `Child`.
"""

from __future__ import annotations

import io
import json
import os
import queue
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digitlab import events
from digitlab.child import asked, heed
from digitlab.errors import DigitlabError
from digitlab.events import Event, Listener
from digitlab.studies.runner import END
from digitlab.training.given import Given
from digitlab.training.interrupt import Interrupted
from digitlab.training.relay import Relay
from digitlab.training.reporters import Lines
from digitlab.training.request import Request

_WARM_UP = 3  # steps of a trial that do not count


def main() -> int:
    """Train what each line of standard input asks for; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    request = asked()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    heed(lines.put)
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')}: runs of a study, process {os.getpid()}")
    relay = Relay(request["events"], Lines(live=False))
    given = Given()
    try:
        _take_a_device(request["number"])
        while (line := lines.get()) != END:
            task = json.loads(line)
            print(f"\n{task['name']}", flush=True)
            done = _carried_out(task, Path(request["trials"]), given, relay)
            relay(events.note("ended", "", **done))
            relay.drain()
    except Interrupted as stopped:
        return stopped.exit_status
    except KeyboardInterrupt:
        return 130
    finally:
        relay.flush()
    return 0


def _take_a_device(number: int) -> None:
    """Of several CUDA devices, let each process have its own, as far as they reach."""
    import torch

    if torch.cuda.device_count() > 1:
        torch.cuda.set_device(number % torch.cuda.device_count())


def _carried_out(
    task: Mapping[str, Any], trials: Path, given: Given, tell: Listener
) -> dict[str, Any]:
    """Train, or try for how long it would take; a run that fails leaves the process as it is."""
    request = Request(**task["run"])
    try:
        if task["trial"] is not None:
            return {"error": None, **_tried(request, task["trial"], trials, given)}
        from digitlab.training.run import train_here

        train_here(request, None, tell, given)
    except DigitlabError as error:
        if error.__cause__ is not None:  # such as what the user's own network raised
            traceback.print_exc()
        return {"error": " ".join(str(error).split())}
    except Exception as error:  # a bug, ours or of the user's network: the other runs go on
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    return {"error": None}


def _tried(request: Request, seconds: float, trials: Path, given: Given) -> dict[str, Any]:
    """Train in a folder that is thrown away, for some seconds or to the end; return the times."""
    from digitlab.training.run import train_here

    began = time.monotonic()
    meter = _Meter(seconds)
    trials.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=trials, ignore_cleanup_errors=True) as folder:
        elsewhere = replace(request, run_dir=str(Path(folder) / "run"))
        with suppress(_EnoughError):
            train_here(elsewhere, None, meter, given)
    return {
        "steps": meter.steps,
        "epochs": meter.epochs,
        "seconds_per_step": meter.seconds_per_step,
        "seconds": time.monotonic() - began,
    }


class _EnoughError(Exception):
    """A trial has seen enough."""


class _Meter:
    """A listener that measures how long steps take, and ends a run after some seconds of them."""

    def __init__(self, seconds: float) -> None:
        self.steps = 0
        self.epochs = 0.0
        self.seconds_per_step: float | None = None
        self._enough = seconds
        self._began: tuple[int, float] | None = None

    def __call__(self, event: Event) -> None:
        if event.kind != "step":
            return
        now, step = time.monotonic(), event.facts["step"]
        self.steps, self.epochs = event.facts["steps"], event.facts["epochs"]
        if self._began is None or step <= _WARM_UP:
            self._began = step, now
            return
        first, began = self._began
        self.seconds_per_step = (now - began) / (step - first)
        if now - began > self._enough:
            raise _EnoughError


if __name__ == "__main__":
    sys.exit(main())
