"""How long a study takes, and how long its runs one after another by `digitlab train`.

`python benchmarks/studies.py [--study NAME] [--seeds 1,2] [--epochs N] [--json]`. The weights of
both are the same, which is looked at.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import digitlab
from digitlab.studies.design import load_design


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--study", default="networks")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    start = [sys.executable, "-m", "digitlab"]
    seeds = [int(one) for one in chosen.seeds.split(",")]
    design = load_design(chosen.study, seeds, chosen.epochs)
    with tempfile.TemporaryDirectory() as folder:
        shorter = [] if chosen.epochs is None else ["--epochs", str(chosen.epochs)]
        began = time.perf_counter()
        asked = ["--seeds", chosen.seeds, *shorter, "--out", f"{folder}/study", "--quiet"]
        subprocess.run([*start, "compare", chosen.study, *asked], check=True)
        together = time.perf_counter() - began
        study = digitlab.compare(
            chosen.study, seeds=seeds, epochs=chosen.epochs, out=f"{folder}/study"
        )
        one_by_one, same = 0.0, True
        for variant, figures in zip(design.variants, study.variants, strict=True):
            for seed, run in zip(seeds, figures.runs, strict=True):
                settings = design.overrides(variant, seed)
                values = [f"--set={key}={value}" for key, value in settings.items()]
                alone = Path(folder) / "alone" / Path(run.path).name
                began = time.perf_counter()
                asked = ["--recipe", variant.recipe, *values, "--run-dir", str(alone), "--quiet"]
                subprocess.run([*start, "train", *asked], check=True)
                one_by_one += time.perf_counter() - began
                same &= weights(Path(run.path)) == weights(alone)
    figures_of = {"study": together, "one_by_one": one_by_one, "same_weights": same}
    if chosen.json:
        print(json.dumps(figures_of))
        return
    print(f"{chosen.study}, {len(design.variants) * len(seeds)} runs")
    print(f"by digitlab compare {together:.1f} s, one after another {one_by_one:.1f} s")
    print(f"{one_by_one / together:.2f} times; the same weights: {'yes' if same else 'NO'}")


def weights(run: Path) -> str:
    """Return the hash of a run's weights."""
    found: str = json.loads((run / "summary.json").read_text())["weights_sha256"]
    return found


if __name__ == "__main__":
    main()
