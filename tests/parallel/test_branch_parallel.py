"""Branches in several processes have the bits of one process (T5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_pipeline import recipe
from thread_teams import Trained, assert_same_bits, plan_of, train
from torch import Tensor, nn

from digitlab import networks
from digitlab.branches import Branches
from digitlab.errors import ConfigError
from digitlab.parallel import branch_parallel, passing
from digitlab.parallel.exchange import Exchange


def branches(make: Callable[[], nn.Module], workers: int = 2, **more: Any) -> Trained:
    training = more.pop("training", {})
    return train(make, recipe(**training), plan_of(workers, "branches"), **more)


def column(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2), nn.ReLU(inplace=True))


def three() -> nn.Module:
    """A trunk that learns, BatchNorm in and out of branches, parts of unequal size."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        Branches(
            column(4, 6),
            nn.Sequential(nn.Conv2d(4, 2, 3, stride=2), nn.BatchNorm2d(2)),
            nn.AvgPool2d(3, stride=2),
        ),
        nn.Sequential(
            nn.ReLU(),
            Branches(*(nn.Sequential(column(12, 3), nn.Flatten(1)) for _ in range(3))),
        ),
        nn.Linear(36, 10),
    )


class Summed(Branches):
    def join(self, outputs: Any) -> Tensor:
        return torch.stack(tuple(outputs)).sum(0)


def heads() -> nn.Module:
    """Branches at the end, which are added: what flows back has strides of 0."""
    return nn.Sequential(
        column(1, 4), nn.Flatten(), Summed(*(nn.Linear(676, 10) for _ in range(2)))
    )


def averaged() -> nn.Module:
    """Branches that end in convolutions, and a mean, whose gradient has strides of 0."""
    parts = (nn.Conv2d(1, 8, 5, stride=2) for _ in range(2))
    return nn.Sequential(Summed(*parts), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


def frozen(*names: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        network = heads()
        for name in names:
            network.get_parameter(name).requires_grad_(False)
        return network

    return make


@pytest.mark.parametrize(
    ("make", "workers", "more"),
    [
        (lambda: networks.two_columns(10), 2, {}),
        (three, 2, {"samples": 33}),
        (three, 3, {}),
        (heads, 2, {"training": {"optimizer": "momentum"}}),
        (heads, 2, {"samples": 28, "training": {"shards": 3}}),  # uneven
        (heads, 2, {"samples": 23, "training": {"shards": 6}}),  # of one sample, and empty ones
        (heads, 2, {"training": {"precision": "bf16"}}),
        (averaged, 2, {}),
        (frozen("0.0.weight", "0.0.bias"), 2, {}),  # nothing flows back into the trunk
        (frozen("2.parts.0.weight", "2.parts.0.bias"), 2, {}),
        (frozen("2.parts.1.weight", "2.parts.1.bias"), 2, {}),
        (frozen("0.0.weight", "0.0.bias", "2.parts.1.weight", "2.parts.1.bias"), 2, {}),
        (frozen("2.parts.0.weight", "2.parts.0.bias", "0.0.weight", "0.0.bias"), 2, {}),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_the_bits_are_those_of_one_process(
    make: Callable[[], nn.Module], workers: int, more: dict[str, Any]
) -> None:
    steps = {key: more[key] for key in ("samples", "steps") if key in more}
    alone = train(make, recipe(**more.get("training", {})), **steps)
    assert_same_bits(branches(make, workers, **more), alone)


def test_a_checkpoint_is_gone_on_with_in_other_layouts() -> None:
    whole = train(three, recipe(), steps=6)
    begun = branches(three, 3, steps=2).saved[-1]
    begun = train(three, recipe(), plan_of(2, "pipeline"), steps=2, begun=begun, step=2).saved[-1]
    ended = branches(three, 2, steps=2, begun=begun, step=4)
    assert ended.steps == whole.steps[4:]
    assert all(torch.equal(ended.tensors[name], whole.tensors[name]) for name in whole.tensors)


def test_what_passes_is_sent_without_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[Tensor] = []

    def pass_on(exchange: Exchange, tensor: Tensor | None, rank: int) -> None:
        passed.extend(() if tensor is None else (tensor,))
        passing.pass_on(exchange, tensor, rank)

    monkeypatch.setattr(branch_parallel, "pass_on", pass_on)
    branches(lambda: networks.two_columns(10), steps=1)
    assert passed
    for tensor in passed:
        ends = zip(tensor.shape, tensor.stride(), strict=True)
        assert 1 + sum((n - 1) * step for n, step in ends) == tensor.numel()


def test_two_columns_are_held_by_two() -> None:
    def make() -> nn.Module:
        return networks.two_columns(10)

    (alone,) = train(make, recipe(), samples=8, steps=1).held
    several = branches(make, steps=1, samples=8).held
    assert sum(one.parameters for one in several) == alone.parameters
    assert sum(one.optimizer for one in several) == alone.optimizer
    everything = alone.parameters + alone.optimizer
    assert max(one.parameters + one.optimizer for one in several) <= 0.6 * everything


class First(Branches):
    def join(self, outputs: Any) -> Tensor:
        return outputs[0]


class Own(nn.Sequential):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(1 - images)


def linear() -> nn.Module:
    return nn.Linear(784, 10)


@pytest.mark.parametrize(
    ("make", "workers", "message"),
    [
        (lambda: networks.mlp(10), 2, "the network quick has no branches, so nothing says which"),
        (lambda: Own(nn.Flatten(), Summed(linear(), linear())), 2, "Own is no list of layers"),
        (lambda: nn.Sequential(nn.Flatten(), Summed(linear(), linear())), 3,
         "3 workers are more than the 2 branches of the network quick; give --workers 2 or"),
        (lambda: nn.Sequential(nn.Flatten(), First(linear(), linear())), 2,
         "part 1 of 1 is not in what they join to"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), Summed(linear(), linear())), 2,
         "draws random numbers (dropout), which parts cannot share"),
    ],
)  # fmt: skip
def test_a_network_without_branches_is_refused(
    make: Callable[[], nn.Module], workers: int, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        branches(make, workers)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
