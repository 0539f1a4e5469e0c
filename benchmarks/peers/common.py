"""What every peer's script shares: arguments, data in memory, and the line that it prints."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable

BATCH, WARM_UP_STEPS = 100, 20


def arguments() -> argparse.Namespace:
    """Read --data FILE.npz --steps N --threads N, and pin the threads before libraries load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    chosen = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(chosen.threads)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["JAX_PLATFORMS"] = "cpu"
    return chosen


def measure(step: Callable[[int], object], steps: int, finish: Callable[[], float]) -> None:
    """Run a training step many times; print images a second and the last loss as JSON.

    Args:
        step: takes the number of the step and trains on that batch of 100.
        steps: how many are timed, after a few that are not.
        finish: waits for all work and returns the last loss, so that nothing is left out.
    """
    for number in range(WARM_UP_STEPS):
        step(number)
    finish()
    began = time.perf_counter()
    for number in range(WARM_UP_STEPS, WARM_UP_STEPS + steps):
        step(number)
    loss = finish()
    seconds = time.perf_counter() - began
    print(json.dumps({"images_per_second": steps * BATCH / seconds, "loss": loss}))
