"""Studies that vary nothing but the seed, drawn from real runs: they claim no difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import digitlab
from digitlab.studies.statistics import compare_all

RUNS, STUDIES = 40, 2000


@pytest.mark.chaos
def test_studies_of_real_runs_that_vary_nothing_but_the_seed_claim_nothing(tmp_path: Path) -> None:
    splits = digitlab.load_dataset("mnist").splits
    few = {"train": 2000, "valid": 500, "test": 10_000}
    data = digitlab.Dataset(
        "few",
        {
            name: digitlab.Split(splits[name].images[:count], splits[name].labels[:count])
            for name, count in few.items()
        },
    )
    accuracies = []
    for seed in range(RUNS):
        run = digitlab.train(
            "tutorial-mlp", optimizer="adam", epochs=2, seed=seed, data=data,
            run_dir=tmp_path / str(seed),
        )  # fmt: skip
        accuracies.append(run.summary["test_accuracy"])
    print(f"\n{RUNS} runs: {100 * min(accuracies):.2f} to {100 * max(accuracies):.2f} %")
    chance = np.random.default_rng(1)
    for variants in (2, 3, 5):
        for seeds in (2, 3, 5):
            silent = 0
            for _ in range(STUDIES):
                drawn = chance.choice(accuracies, (variants, seeds), replace=False)
                found = compare_all(
                    {str(n): dict(enumerate(row)) for n, row in enumerate(drawn)}, 10_000
                )
                silent += not any(one.larger_than_chance for one in found)
            share = silent / STUDIES
            print(f"{variants} variants, {seeds} seeds: no difference in {100 * share:.1f} of 100")
            # Three standard deviations of counting so many studies.
            assert share >= 0.95 - 3 * (0.05 * 0.95 / STUDIES) ** 0.5
