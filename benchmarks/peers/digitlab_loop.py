"""The recipe tutorial-cnn as digitlab trains it: its own loop, shards, order and metrics."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

import digitlab
from digitlab.events import Event

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--recipe", default="tutorial-cnn")
parser.add_argument("--shards", type=int)
chosen = parser.parse_args()


class Last:
    """Keeps the last step's loss."""

    loss: float | None = None

    def __call__(self, event: Event) -> None:
        """Keep the loss."""
        if event.kind == "step":
            self.loss = event.facts["loss"]


with tempfile.TemporaryDirectory() as folder:
    arrays = np.load(chosen.data)
    data = Path(folder) / "train.npz"
    pixels = np.rint(arrays["images"] * 255).astype(np.uint8)
    np.savez(data, train_images=pixels, train_labels=arrays["labels"])
    reporter = Last()
    batch = digitlab.load_recipe(chosen.recipe).training.batch_size
    steps_per_epoch = -(-len(pixels) * 5 // 6 // batch)  # the last sixth is for validation
    result = digitlab.train(
        chosen.recipe,
        data=str(data),
        epochs=chosen.steps / steps_per_epoch,
        settings={"training.shards": chosen.shards} if chosen.shards else None,
        threads=chosen.threads,
        run_dir=Path(folder) / "run",
        reporter=reporter,
    )
speed = result.summary["images_per_second"]
print(json.dumps({"images_per_second": speed, "loss": reporter.loss}))
