"""The long suite of `make chaos`: a thousand kills over all optimizers."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kills
import pytest
from test_kill import all_bits, variants

from digitlab.config import OPTIMIZERS

pytestmark = pytest.mark.process

TRIALS = 1000


@pytest.mark.chaos
def test_a_thousand_kills_cost_no_bit(
    small_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def half(seed: int) -> kills.Histogram:
        where = tmp_path / f"half{seed}"
        where.mkdir()
        chosen = variants(small_recipe, OPTIMIZERS, epochs=6)
        return kills.kill_trials(where, TRIALS // 2, random.Random(seed), all_bits, chosen)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(half, (1, 2))
    first.hits += second.hits
    first.too_late += second.too_late
    first.failures += second.failures
    with capsys.disabled():
        print(f"\n{first.table()}")
    assert first.failures == []
    assert first.empty_phases() == []
