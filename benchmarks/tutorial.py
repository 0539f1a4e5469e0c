"""What the course's settings give: test accuracy of the tutorial recipes over several seeds.

`python benchmarks/tutorial.py [--seeds N] [--variant-seeds N] [--json]`. Every recipe is trained to
its end; then the course's other rates and optimizers on tutorial-cnn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import digitlab

RECIPES = ("tutorial-mlp-square-error", "tutorial-mlp", "tutorial-cnn-square-error", "tutorial-cnn")
VARIANTS: dict[str, dict[str, Any]] = {
    "SGD 0.001": {"learning_rate": 0.001},
    "SGD 0.1": {"learning_rate": 0.1},
    "SGD 1.0": {"learning_rate": 1.0},
    "Momentum 0.01": {"optimizer": "momentum"},
    "AdaGrad 0.01": {"optimizer": "adagrad"},
    "RMSprop 0.01": {"optimizer": "rmsprop"},
    "Adam 0.01": {"optimizer": "adam"},
}


def accuracies(name: str, seeds: int, recipe: str, **changes: Any) -> list[float]:
    """Return the test accuracy, in percent, of each seed from 1 on."""
    found = []
    for seed in range(1, seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            result = digitlab.train(recipe, seed=seed, run_dir=Path(folder) / "run", **changes)
        found.append(100 * result.summary["test_accuracy"])
        print(f"  {name}, seed {seed}: {found[-1]:.2f} %", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Train and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--variant-seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    table = {name: accuracies(name, chosen.seeds, name) for name in RECIPES}
    for name, changes in VARIANTS.items():
        table[name] = accuracies(name, chosen.variant_seeds, "tutorial-cnn", **changes)
    if chosen.json:
        print(json.dumps(table))
        return
    print("test accuracy after 5 epochs, %: mean (min to max), seeds\n")
    for name, values in table.items():
        print(
            f"{name:<28}{statistics.mean(values):>6.2f}  "
            f"({min(values):.2f} to {max(values):.2f}), {len(values)}"
        )


if __name__ == "__main__":
    main()
