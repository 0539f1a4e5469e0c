"""What checkpoints cost in a run of over a minute: their share of the seconds of training.

`python benchmarks/checkpoints.py [--seconds N] [--json]`. The run is the recipe tutorial-cnn, made
long enough; its summary says how long checkpoints took, hashing, writing and fsync included.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import digitlab


def main() -> None:
    """Measure and print a line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=75, help="of training, about")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trial = digitlab.train("tutorial-cnn", epochs=0.2, run_dir=Path(folder) / "trial")
        epochs = 0.2 * chosen.seconds / trial.summary["train_seconds"]
        run = digitlab.train("tutorial-cnn", epochs=epochs, run_dir=Path(folder) / "run")
        steps = [path.name for path in (Path(folder) / "run" / "checkpoints").iterdir()]
    training, saving = run.summary["train_seconds"], run.summary["checkpoint_seconds"]
    result = {"seconds": training, "checkpoint_seconds": saving, "share": saving / training}
    if chosen.json:
        print(json.dumps(result))
        return
    print(f"{training:.0f} s of training, {epochs:.1f} epochs, {len(steps)} checkpoints kept")
    print(f"checkpoints: {saving:.2f} s, {100 * result['share']:.2f} % of it")


if __name__ == "__main__":
    main()
