"""Timed runs of `digitlab train`, one or several at a time, for the parts of `scaling.py`."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from digitlab import networks

HERE = Path(__file__).parent
WARM_UP = 20  # steps that are not counted
Ask = dict[str, Any]


def ask(
    workers: Mapping[str, Any] | None, last: int | None, first: int = WARM_UP, **train: Any
) -> Ask:
    """Return what `timed_run.py` is asked for: tutorial-cnn, the steps after `first` to `last`."""
    chosen = {"recipe": "tutorial-cnn", "threads": 1, **train}
    return {"train": chosen, "workers": workers, "stop": last, "marks": [first, last]}


def sharded(shards: int) -> dict[str, Any]:
    """Return the argument that sets the number of shards."""
    return {"settings": {"training.shards": shards}}


def start(
    asked: Mapping[str, Any], prefix: Sequence[str] = (), more: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a run, with more variables in its environment."""
    command = [*prefix, sys.executable, str(HERE / "timed_run.py"), json.dumps(asked)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    environment |= more or {}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a run and return what it said; stop with its words where it failed."""
    out, error = process.communicate()
    if process.returncode:
        sys.exit(f"timed_run.py failed:\n{error[-2000:]}")
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def side_by_side(asks: Sequence[Ask]) -> tuple[float, float]:
    """Return the summed steps a second of runs while all train, and processor seconds a step."""
    runs = [ended(process) for process in [start(asked) for asked in asks]]
    first = max(run["times"][WARM_UP - 1] for run in runs)
    last = min(run["times"][-1] for run in runs)
    total, seconds = 0.0, []
    for asked, run in zip(asks, runs, strict=True):
        times, taken = run["times"], run["processor"]
        seconds.append((taken[1] - taken[0]) / (asked["stop"] - WARM_UP))
        counted = [moment for moment in times if first <= moment <= last]
        if len(counted) < 10:
            sys.exit("the runs hardly met: give more --steps")
        total += (len(counted) - 1) / (counted[-1] - counted[0])
    return total, statistics.mean(seconds)


def bytes_a_step(asked: Ask, prefix: Sequence[str], beats: float) -> float:
    """Return the bytes that all processes of a run receive in a step, without their beats."""
    first, last = asked["marks"]
    run = ended(start(asked, prefix))
    seconds = run["times"][last - 1] - run["times"][first - 1]
    sent = run["bytes"][1] - run["bytes"][0]
    return float((sent - beats * seconds) / (last - first))


def beats_of(processes: int, prefix: Sequence[str]) -> float:
    """Return the bytes a second that so many processes receive while they have nothing to do."""
    return float(ended(start({"idle": processes, "seconds": 10}, prefix))["bytes_per_second"])


def accuracies(
    crews: Mapping[str, Mapping[str, Any]], seeds: int, epochs: float
) -> dict[str, list[float]]:
    """Return the test accuracy of tutorial-cnn by the names of crews, a list by seed."""
    found: dict[str, list[float]] = {name: [] for name in crews}
    for seed in range(1, seeds + 1):
        for name, crew in crews.items():
            asked = ask(crew, None, seed=seed, epochs=epochs)
            found[name].append(ended(start(asked))["summary"]["test_accuracy"])
            say(f"{name}, seed {seed}: {found[name][-1]}")
    return found


def show_accuracies(of: str, found: Mapping[str, Sequence[float]]) -> None:
    """Print accuracies of runs that are told in words."""
    seeds = len(next(iter(found.values())))
    print(f"test accuracy {of}, %, mean of {seeds} seeds (range)\n")
    for name, values in found.items():
        low, high = 100 * min(values), 100 * max(values)
        print(f"{name:<24}{100 * statistics.mean(values):.2f} ({low:.2f} to {high:.2f})")


def say(text: str) -> None:
    """Tell how far the measurement is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def parameters_of(network: str) -> int:
    """Return how many parameters a network has that answers ten digits."""
    return sum(parameter.numel() for parameter in networks.build(network, 10, 1).parameters())


def spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Return median and range."""
    return f"{show(statistics.median(values))} ({show(min(values))} to {show(max(values))})"


def own_network() -> list[str] | None:
    """Return what to put before a command so that it has a loopback of its own, or None."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return None
    prefix = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    done = subprocess.run([*prefix, "true"], capture_output=True)
    return None if done.returncode else prefix
