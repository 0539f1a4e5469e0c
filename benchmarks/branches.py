"""What the recipes with branches give: test accuracy, and mean IoU of boxes, over several seeds.

`python benchmarks/branches.py [--seeds N] [--threads N] [--json]`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import digitlab

RECIPES = ("two-columns", "two-heads")


def figures(recipe: str, seeds: int, threads: int | None) -> dict[str, list[float]]:
    """Return by figure what each seed from 1 on gives: `accuracy` in percent, `mean_iou`."""
    found: dict[str, list[float]] = {}
    for seed in range(1, seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            summary = digitlab.train(recipe, seed=seed, threads=threads, run_dir=run).summary
        found.setdefault("accuracy", []).append(100 * summary["test_accuracy"])
        if "test_mean_iou" in summary:
            found.setdefault("mean_iou", []).append(summary["test_mean_iou"])
        print(
            f"  {recipe}, seed {seed}: {summary['test_accuracy']:.2%}", file=sys.stderr, flush=True
        )
    return found


def main() -> None:
    """Train and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    table = {name: figures(name, chosen.seeds, chosen.threads) for name in RECIPES}
    if chosen.json:
        print(json.dumps(table))
        return
    print("on the test set: mean (min to max)\n")
    for name, found in table.items():
        for figure, values in found.items():
            digits = 2 if figure == "accuracy" else 3
            mean, low, high = (
                f"{one:.{digits}f}" for one in (statistics.mean(values), min(values), max(values))
            )
            print(f"{name:<14}{figure:<10}{mean} ({low} to {high}), {len(values)} seeds")


if __name__ == "__main__":
    main()
