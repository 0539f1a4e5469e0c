"""A network of two stages that take equally long, which tells how long each stage waits.

For `scaling.py`, which names it as a network of the user's own, so that each worker imports it. Of
the steps that `SCALING_STEPS` says (after the first to the second), each worker writes what its
schedule took and how much of that it waited, in seconds, into the folder `SCALING_WAITS`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from digitlab.parallel.pipeline import Pipeline
from digitlab.parallel.sockets import Sockets

CUT = 9  # the layer with which the second stage begins
_CHANNELS, _LAYERS = 16, 4


def equal_stages(outputs: int) -> nn.Module:
    """Return the network: by far most of the time goes into the convolutions, four a stage."""

    def convolutions() -> list[nn.Module]:
        return [
            layer
            for _ in range(_LAYERS)
            for layer in (nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1), nn.ReLU())
        ]

    head = (nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * _CHANNELS, outputs))
    return nn.Sequential(nn.Conv2d(1, _CHANNELS, 1), *convolutions(), *convolutions(), *head)


class _Clock:
    """Adds up what calls take; those within others count once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def around(self, honest: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is counted."""

        def counted(*arguments: Any) -> Any:
            began, outer = time.perf_counter(), self._depth == 0
            self._depth += 1
            try:
                return honest(*arguments)
            finally:
                self._depth -= 1
                if outer:
                    self.seconds += time.perf_counter() - began

        return counted


def _watch(folder: Path, first: int, last: int) -> None:
    waits, whole, steps = _Clock(), _Clock(), 0
    seen = (0.0, 0.0)
    timed = whole.around(Pipeline._gradient)

    def gradient(pipeline: Pipeline, batch: Any) -> Any:
        nonlocal steps, seen
        before = waits.seconds
        result = timed(pipeline, batch)
        steps += 1
        if first < steps <= last:
            seen = seen[0] + waits.seconds - before, whole.seconds
        if steps == first:
            whole.seconds = 0.0
        if steps == last:
            said = {"waited": seen[0], "whole": seen[1]}
            (folder / f"stage-{pipeline.stage}.json").write_text(json.dumps(said))
        return result

    Pipeline._gradient = gradient  # type: ignore[method-assign]
    Sockets.receive = waits.around(Sockets.receive)  # type: ignore[method-assign]
    Sockets.flush = waits.around(Sockets.flush)  # type: ignore[method-assign]


if "SCALING_WAITS" in os.environ:
    _watch(Path(os.environ["SCALING_WAITS"]), *map(int, os.environ["SCALING_STEPS"].split(",")))
