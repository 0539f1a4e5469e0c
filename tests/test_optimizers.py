"""The rules against torch.optim, and the shapes of the schedules."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from digitlab.config import OPTIMIZERS, SCHEDULES, OptimizerConfig, ScheduleConfig
from digitlab.optimizers import Optimizer, learning_rate

PEERS: dict[str, Any] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1.0, weight_decay=0.02),
    "momentum": lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.8, weight_decay=0.02),
    "nesterov": lambda p: torch.optim.SGD(
        p, lr=1.0, momentum=0.8, nesterov=True, weight_decay=0.02
    ),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=1.0, eps=1e-7, weight_decay=0.02),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1.0, alpha=0.9, eps=1e-7, weight_decay=0.02),
    "adam": lambda p: torch.optim.Adam(p, lr=1.0, betas=(0.85, 0.95), eps=1e-7, weight_decay=0.02),
    "adamw": lambda p: torch.optim.AdamW(
        p, lr=1.0, betas=(0.85, 0.95), eps=1e-7, weight_decay=0.02
    ),
}


def test_every_optimizer_is_compared() -> None:
    assert set(PEERS) - {"nesterov"} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", PEERS)
def test_a_rule_moves_as_the_one_in_torch(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(50, generator=generator, dtype=torch.float64)
    ours, theirs = start.clone(), torch.nn.Parameter(start.clone())
    config = OptimizerConfig(
        name="momentum" if name == "nesterov" else name,
        nesterov=name == "nesterov",
        momentum=0.8,
        beta1=0.85,
        beta2=0.95,
        alpha=0.9,
        epsilon=1e-7,
        weight_decay=0.02,
    )
    optimizer, peer = Optimizer(config, ours), PEERS[name]([theirs])
    for step in range(20):
        gradient = torch.randn(50, generator=generator, dtype=torch.float64)
        rate = 0.1 / (1 + step)
        optimizer.step(gradient.clone(), rate)
        peer.param_groups[0]["lr"] = rate
        theirs.grad = gradient
        peer.step()
        assert torch.allclose(ours, theirs.detach(), rtol=1e-9, atol=1e-12), step
    assert not torch.allclose(ours, start)


def rates(total: int = 100, per_epoch: int = 20, **schedule: Any) -> list[float]:
    config = ScheduleConfig(**schedule)
    return [learning_rate(config, 2.0, step, total, per_epoch) for step in range(total)]


def test_every_schedule_starts_and_stays_within_the_highest_rate() -> None:
    for name in SCHEDULES:
        assert all(0 <= rate <= 2.0 for rate in rates(name=name))


def test_constant_stays() -> None:
    assert set(rates(name="constant")) == {2.0}


def test_step_drops_after_every_so_many_epochs() -> None:
    got = rates(name="step", every=2, factor=0.5)
    assert got == [2.0] * 40 + [1.0] * 40 + [0.5] * 20
    got = rates(name="step", every=0.1, factor=0.5, total=4)
    assert got == pytest.approx([2.0, 2.0, 1.0, 1.0])


def test_cosine_falls_to_its_final_fraction() -> None:
    got = rates(name="cosine", final=0.1)
    assert got[0] == 2.0
    assert got[50] == pytest.approx(1.1)
    assert got == sorted(got, reverse=True)
    assert 0.2 < got[-1] < 0.21


def test_one_cycle_rises_and_falls() -> None:
    got = rates(name="one-cycle", warmup=0.25, initial=0.1, final=0.05)
    assert got[0] == pytest.approx(0.2)
    assert max(got) == got[25] == 2.0
    assert got[:26] == sorted(got[:26])
    assert got[25:] == sorted(got[25:], reverse=True)
    assert 0.1 < got[-1] < 0.13
    assert rates(name="one-cycle", warmup=0)[0] == 2.0
    assert rates(name="one-cycle", warmup=1)[-1] < 2.0
