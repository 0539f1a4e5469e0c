"""Seconds of training to 99.0 % on MNIST's test set: the recipe quick beside a reference.

`python benchmarks/quick.py [--peers PYTHON] [--seeds N] [--reference-seeds N] [--json]`. The
reference is the MNIST example of pytorch/examples, stopped after the first epoch that reaches the
mean accuracy asked for. Both get the same threads and have their data in memory. For quick, the
whole command is timed, too: all that `digitlab train` does around the training.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from digitlab import load_dataset

HERE = Path(__file__).parent


def quick(seed: int, threads: int, folder: Path) -> dict[str, float]:
    """Run `digitlab train` as a user would; return its figures and the whole command's seconds."""
    run = folder / f"quick-{seed}"
    command = [sys.executable, "-m", "digitlab", "train", "--quiet", "--seed", str(seed)]
    command += ["--threads", str(threads), "--run-dir", str(run)]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    whole = time.perf_counter() - began
    summary = json.loads((run / "summary.json").read_text())
    return {
        "seconds": summary["train_seconds"],
        "around": whole - summary["train_seconds"],
        "valid": summary["valid_accuracy"],
        "accuracy": summary["test_accuracy"],
    }


def reference(
    python: str, seed: int, threads: int, data: Path, accuracy: float
) -> dict[str, float]:
    """Train the reference until it reaches an accuracy; return its last line."""
    command = [python, str(HERE / "peers" / "pytorch_example.py"), "--data", str(data)]
    command += ["--seed", str(seed), "--threads", str(threads), "--accuracy", str(accuracy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last: dict[str, Any] = {}
        for line in process.stdout:
            last = json.loads(line)
            print(f"  reference, seed {seed}: {line.strip()}", file=sys.stderr, flush=True)
    if process.returncode:
        sys.exit("the reference failed")
    return last


def spread(values: list[float]) -> str:
    """Return `mean (min to max)`."""
    return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", default=".bench/venv/bin/python", help="the reference's Python")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--reference-seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = []
        for seed in range(1, chosen.seeds + 1):
            ours.append(quick(seed, chosen.threads, folder))
            print(f"  quick, seed {seed}: {ours[-1]}", file=sys.stderr, flush=True)
        data = folder / "mnist.npz"
        mnist = load_dataset("mnist", train_on="all").splits
        np.savez(
            data,
            train_images=mnist["train"].images,
            train_labels=mnist["train"].labels,
            test_images=mnist["test"].images,
            test_labels=mnist["test"].labels,
        )
        theirs = [
            reference(chosen.peers, seed, chosen.threads, data, 0.99)
            for seed in range(1, chosen.reference_seeds + 1)
        ]
    columns = {key: [run[key] for run in ours] for key in ours[0]}
    result: dict[str, Any] = {"quick": ours, "reference": theirs}
    if theirs:
        peer = statistics.mean(run["seconds"] for run in theirs)
        result["ratio"] = peer / statistics.mean(columns["seconds"])
    if chosen.json:
        print(json.dumps(result, indent=2))
        return
    percent = {key: [100 * value for value in columns[key]] for key in ("valid", "accuracy")}
    print(f"{chosen.threads} threads, mean (min to max)\n")
    print(f"quick, {len(ours)} seeds: seconds of training  {spread(columns['seconds'])}")
    print(f"  seconds of the command around it         {spread(columns['around'])}")
    print(f"  validation accuracy, %                   {spread(percent['valid'])}")
    print(f"  test accuracy, %                         {spread(percent['accuracy'])}")
    if theirs:
        print(
            f"pytorch/examples, {len(theirs)} seeds, to 99.0 %: seconds of training  "
            f"{spread([run['seconds'] for run in theirs])}"
        )
        print(
            f"  test accuracy, %                         "
            f"{spread([100 * run['accuracy'] for run in theirs])}"
        )
        print(f"ratio {result['ratio']:.1f} x")


if __name__ == "__main__":
    main()
