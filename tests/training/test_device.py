"""`auto` is the best device that each worker of this machine can have."""

from __future__ import annotations

import pytest
import torch

from digitlab.config import Recipe
from digitlab.training.device import with_device


@pytest.mark.parametrize(
    ("there", "workers", "chosen"), [(0, 1, "cpu"), (1, 1, "cuda"), (1, 2, "cpu"), (4, 4, "cuda")]
)
def test_auto_is_cuda_where_each_worker_can_have_a_device(
    there: int, workers: int, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert with_device(Recipe(name="any"), workers).training.device == chosen
