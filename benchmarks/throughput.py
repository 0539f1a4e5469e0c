"""Images a second in training the course's convolutional network: digitlab beside its peers.

`python benchmarks/throughput.py [--peers PYTHON] [--rounds N] [--json]`. Every peer gets the same
network, batch of 100, plain SGD, threads, and 6,000 images in memory as float32; each is a process
of its own, and the rounds take turns, so that a noisy minute hits all alike. digitlab is measured
with all that its loop does: order, shards, metrics, live figures. So is a lesson of paddle.fluid as
`digitlab paddle run` runs it, the making of its batches included. With --shards, digitlab alone is
measured at several numbers of shards, for the recipe tutorial-cnn and for quick.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from digitlab import load_dataset

HERE = Path(__file__).parent
PEERS = {
    "PyTorch, plain loop": "torch_loop.py",
    "PaddlePaddle": "paddle_loop.py",
    "Keras on TensorFlow": "keras_loop.py",
    "JAX": "jax_loop.py",
}


def write_data(path: Path) -> None:
    """Write 6,000 images as float32 in [0, 1] and their labels."""
    train = load_dataset("mnist").splits["train"]
    images = train.images[:6000].astype(np.float32) / 255
    np.savez(path, images=images, labels=train.labels[:6000])


def run(python: str, script: str, *more: str, data: Path, steps: int, threads: int) -> float:
    """Return images a second of one process; stop with its words where it fails."""
    command = [python, str(HERE / "peers" / script), "--data", str(data), *more]
    command += ["--steps", str(steps), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{script} failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not answer["loss"] < 2.5:
        sys.exit(f"{script} did not learn: loss {answer['loss']}")
    return float(answer["images_per_second"])


def summary(speeds: list[float], base: float) -> dict[str, float]:
    """Return median, spread and ratio."""
    median = statistics.median(speeds)
    return {"median": median, "min": min(speeds), "max": max(speeds), "ratio": median / base}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", default=".bench/venv/bin/python", help="the peers' Python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ours", action="store_true", help="without the peers")
    parser.add_argument("--shards", action="store_true", help="digitlab alone, by shards")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    runs: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    if chosen.shards:
        for recipe in ("tutorial-cnn", "quick"):
            for shards in (1, 2, 4, 8):
                more = ("--recipe", recipe, "--shards", str(shards))
                runs[f"{recipe}, {shards} shards"] = (sys.executable, "digitlab_loop.py", more)
    else:
        runs["digitlab, tutorial-cnn"] = (sys.executable, "digitlab_loop.py", ())
        runs["the lesson, unmodified"] = (sys.executable, "lesson_loop.py", ())
        if not chosen.ours:
            runs |= {name: (chosen.peers, script, ()) for name, script in PEERS.items()}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        write_data(data)
        speeds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(chosen.rounds):
            for name, (python, script, more) in runs.items():
                speed = run(
                    python, script, *more, data=data, steps=chosen.steps, threads=chosen.threads
                )
                speeds[name].append(speed)
                print(f"  {name}: {speed:,.0f} images/s", file=sys.stderr, flush=True)
    base = statistics.median(speeds.get("PyTorch, plain loop", next(iter(speeds.values()))))
    table = {name: summary(values, base) for name, values in speeds.items()}
    if chosen.json:
        print(json.dumps(table, indent=2))
        return
    print(f"images a second, {chosen.threads} threads, median of {chosen.rounds} (min to max)\n")
    for name, row in table.items():
        print(
            f"{name:<26}{row['median']:>8,.0f}  ({row['min']:,.0f} to {row['max']:,.0f})"
            f"  {row['ratio']:.2f} x"
        )


if __name__ == "__main__":
    main()
