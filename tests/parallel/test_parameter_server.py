"""A parameter server has the bits of one process, whatever the number of its processes (T3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from thread_teams import Trained, assert_same_bits, digits, each, plan_of, train
from torch import nn

from digitlab import networks
from digitlab.config import OptimizerConfig, Recipe, TrainingConfig
from digitlab.errors import ConfigError
from digitlab.parallel.parameter_server import cut_rows, part_of
from digitlab.parallel.strategy import Job, Strategy
from digitlab.training.state import TrainingState


def recipe(optimizer: str = "adamw", **training: Any) -> Recipe:
    settings = {"batch_size": 20, "shards": 4, "moving_average": 0.9, **training}
    return Recipe(optimizer=OptimizerConfig(name=optimizer), training=TrainingConfig(**settings))


def served(
    make: Callable[[], nn.Module], workers: int, servers: int, optimizer: str = "adamw", **more: Any
) -> Trained:
    training = more.pop("training", {})
    plan = plan_of(workers, "parameter-server", servers=servers)
    return train(make, recipe(optimizer, **training), plan, **more)


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 13), nn.ReLU(), nn.Linear(13, 10))


def with_batch_norm() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(36, 10),
    )


def frozen() -> nn.Module:
    network = small()
    network.get_parameter("1.weight").requires_grad_(False)
    return network


def tied() -> nn.Module:
    layer = nn.Linear(13, 13)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 13), layer, nn.ReLU(), layer, nn.Linear(13, 10)
    )


class Scaled(nn.Module):
    """Has a parameter of no dimension, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.spare = nn.Parameter(torch.ones(3))
        self.layers = small()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.scale * self.layers(images)


@pytest.mark.parametrize(
    ("make", "workers", "servers", "more"),
    [
        (lambda: networks.cnn(10), 2, 2, {"steps": 3}),
        (small, 1, 1, {}),
        (small, 1, 3, {}),
        (small, 3, 1, {}),
        (small, 4, 3, {}),
        (small, 3, 2, {"samples": 23, "training": {"shards": 6}}),  # uneven, and some are empty
        (with_batch_norm, 3, 2, {"samples": 33}),
        (frozen, 2, 2, {}),
        (tied, 2, 2, {}),
        (Scaled, 2, 3, {}),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_the_bits_are_those_of_one_process(
    make: Callable[[], nn.Module], workers: int, servers: int, more: dict[str, Any]
) -> None:
    steps = {key: more[key] for key in ("samples", "steps") if key in more}
    alone = train(make, recipe(**more.get("training", {})), **steps)
    assert_same_bits(served(make, workers, servers, **more), alone)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"])
def test_every_rule_has_the_same_bits_on_a_part(optimizer: str) -> None:
    alone = train(small, recipe(optimizer), steps=3)
    assert_same_bits(served(small, 2, 3, optimizer, steps=3), alone)


@pytest.mark.parametrize("ends", ["alone", "served"])
def test_a_checkpoint_of_any_layout_is_gone_on_with_in_any_other(ends: str) -> None:
    whole = train(with_batch_norm, recipe(), steps=6)
    if ends == "alone":
        begun = served(with_batch_norm, 2, 2, steps=3).saved[-1]
        ended = train(with_batch_norm, recipe(), steps=3, begun=begun, step=3)
    else:
        begun = train(with_batch_norm, recipe(), plan_of(2, "pipeline"), steps=3).saved[-1]
        ended = served(with_batch_norm, 3, 3, steps=3, begun=begun, step=3)
    assert ended.steps == whole.steps[3:]
    assert all(torch.equal(ended.tensors[name], whole.tensors[name]) for name in whole.tensors)


@pytest.mark.parametrize("parallel", ["parameter-server", "pipeline"])
def test_a_long_evaluation_is_not_a_long_silence(parallel: str) -> None:
    """A server only waits meanwhile, and takes whoever is silent for too long for lost."""

    def work(strategy: Strategy, state: TrainingState, job: Job) -> tuple[list[int], torch.Tensor]:
        told: list[int] = []
        outputs = strategy.outputs(digits(4300).images, told.append)
        strategy.finish(lambda: None)
        return told, outputs

    (_, expected), *_ = each(small, recipe(), None, work)
    count = 1 if parallel == "parameter-server" else 2
    for told, outputs in each(small, recipe(), plan_of(count, parallel), work):
        assert torch.equal(outputs, expected)
        assert {4000, 4300} <= {*told}  # eight batches for each of two
        assert told == sorted(told)


def test_only_servers_hold_optimizer_state_and_each_number_once() -> None:
    (alone,) = train(small, recipe(), steps=1).held
    several = served(small, 2, 3, steps=1).held
    workers, servers = several[:2], several[2:]
    assert [one.optimizer for one in workers] == [0, 0]
    assert [one.parameters for one in workers] == [alone.parameters] * 2
    assert sum(one.optimizer for one in servers) == alone.optimizer
    assert sum(one.parameters for one in servers) == alone.parameters
    assert max(one.optimizer for one in servers) < 0.4 * alone.optimizer


def test_parameters_are_dealt_by_rows() -> None:
    shapes = {
        "a": torch.Size([]),
        "b": torch.Size([4, 10]),
        "c": torch.Size([0, 3]),
        "d": torch.Size([5]),
        "e": torch.Size([2, 2, 2]),
    }
    ranges = cut_rows(list(shapes.values()), 3)
    assert ranges == [range(0, 21), range(21, 31), range(31, 54)]
    assert [part_of(shapes, one) for one in ranges] == [
        {"a": (), "b": (slice(0, 2),)},
        {"b": (slice(2, 3),)},
        {"b": (slice(3, 4),), "c": (), "d": (), "e": ()},
    ]


def test_more_servers_than_rows_are_refused() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10, bias=False))

    with pytest.raises(ConfigError, match="11 servers are more than the rows of parameters of"):
        served(make, 1, 11)
