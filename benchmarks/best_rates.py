"""At which learning rate each optimizer of the study `optimizers` does best, on validation data.

    python benchmarks/best_rates.py [--seeds 11,12] [--rates 0.001,0.003,...] [--out DIR] [--json]

What it finds is written into studies/shipped/optimizers.toml. The seeds are others than those of
the study. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import digitlab
from digitlab.studies.design import load_design
from digitlab.studies.progress import StudyLines
from digitlab.studies.study import VariantFigures

RATES = "0.001,0.003,0.01,0.03,0.1,0.3,1.0"


def numbers(text: str) -> list[float]:
    """Return the numbers of a list such as `1,2`."""
    return [float(part) for part in text.split(",")]


def on_validation(variant: VariantFigures) -> float:
    """Return the mean validation accuracy; a rate at which a run fails is none."""
    found = [run.valid_accuracy for run in variant.runs if run.valid_accuracy is not None]
    return statistics.mean(found) if len(found) == len(variant.runs) else 0.0


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="11,12")
    parser.add_argument("--rates", default=RATES)
    parser.add_argument("--epochs", type=float, help="in place of the study's own")
    parser.add_argument("--out", type=Path, default=Path("studies/best-rates"))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    shipped = load_design("optimizers")
    names = list(dict.fromkeys(one.settings["optimizer.name"] for one in shipped.variants))
    with tempfile.TemporaryDirectory() as folder:
        search = Path(folder) / "best-rates.toml"
        search.write_text(
            f'recipe = "{shipped.variants[0].recipe}"\n'
            f"seeds = {[int(one) for one in numbers(chosen.seeds)]}\n"
            f"budget.epochs = {chosen.epochs or shipped.epochs}\n[vary]\n"
            f"optimizer.name = {names}\noptimizer.learning_rate = {numbers(chosen.rates)}\n"
        )
        study = digitlab.compare(search, out=chosen.out, reporter=StudyLines())
    table: dict[str, dict[str, float]] = {name: {} for name in names}
    for variant in study.variants:
        rate = variant.settings["optimizer.learning_rate"]
        table[variant.settings["optimizer.name"]][f"{rate:g}"] = on_validation(variant)
    if chosen.json:
        print(json.dumps(table))
        return
    print(f"validation accuracy in %, mean of seeds {chosen.seeds}\n")
    for name, by_rate in table.items():
        best = max(by_rate, key=by_rate.__getitem__)
        cells = "  ".join(f"{rate}: {100 * value:.2f}" for rate, value in by_rate.items())
        print(f"{name:<10}{cells}   best: {best}")
    sys.exit(1 if not any(on_validation(one) for one in study.variants) else 0)


if __name__ == "__main__":
    main()
