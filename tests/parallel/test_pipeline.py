"""A pipeline has the bits of one process whose shards are its micro-batches (T5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from thread_teams import Trained, assert_same_bits, plan_of, train
from torch import Tensor, nn

from digitlab import networks
from digitlab.config import ObjectiveConfig, OptimizerConfig, Recipe, TrainingConfig
from digitlab.errors import ConfigError
from digitlab.parallel.pipeline import SCHEDULES


def recipe(optimizer: str = "adamw", objective: str = "cross-entropy", **training: Any) -> Recipe:
    settings = {"batch_size": 20, "shards": 4, "moving_average": 0.9, **training}
    return Recipe(
        objective=ObjectiveConfig(name=objective),
        optimizer=OptimizerConfig(name=optimizer),
        training=TrainingConfig(**settings),
    )


def pipeline(make: Callable[[], nn.Module], workers: int = 2, **more: Any) -> Trained:
    training = more.pop("training", {})
    steps = {key: more.pop(key) for key in ("samples", "steps", "begun", "step") if key in more}
    return train(make, recipe(**training), plan_of(workers, "pipeline", **more), **steps)


def small_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.ReLU(inplace=True),
        nn.Linear(100, 10),
    )


def with_batch_norm() -> nn.Module:
    """Lists in a list, BatchNorm on both sides, and a mean, whose gradient has strides of 0."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1)),
        nn.Flatten(),
        nn.Linear(6, 10),
    )


def frozen(*names: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        network = small_cnn()
        for name in names:
            network.get_parameter(name).requires_grad_(False)
        return network

    return make


class Spectrum(nn.Module):
    """Gives complex numbers, of which torch puts off the conjugation."""

    def forward(self, values: Tensor) -> Tensor:
        return torch.fft.rfft(values.flatten(1)).conj()


class Magnitude(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values.abs() + values.imag


def with_spectrum() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 5, 4), Spectrum(), Magnitude(), nn.Linear(37, 10))


class Poison(nn.Module):
    """Makes the gradient of what is before it NaN, but no output, where a picture is dark."""

    def forward(self, values: Tensor) -> Tensor:
        if self.training and values.flatten(1).mean(1).min() < -0.13:
            return values + (values - values.detach()).abs().sqrt()
        return values


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("make", "workers", "more"),
    [
        (lambda: networks.cnn(10), 2, {}),
        (lambda: networks.photo(10), 2, {"steps": 2}),
        (small_cnn, 2, {"training": {"optimizer": "momentum"}}),
        (lambda: networks.two_columns(10), 2, {"steps": 2}),
        # The last stage has to see the pictures.
        (
            lambda: networks.two_heads(14),
            3,
            {"steps": 2, "training": {"objective": "cross-entropy-and-box"}},
        ),
        (small_cnn, 7, {}),  # a layer each, and more stages than micro-batches
        (small_cnn, 3, {"cut": (1, 6)}),  # in-place layers begin a stage
        (small_cnn, 2, {"samples": 23, "training": {"shards": 6}}),  # uneven, and three are empty
        (small_cnn, 2, {"training": {"shards": 1}}),
        (small_cnn, 2, {"training": {"precision": "bf16"}}),
        (with_batch_norm, 2, {"samples": 33}),
        (with_batch_norm, 4, {}),
        (with_batch_norm, 3, {"cut": (5, 6)}),
        (with_spectrum, 2, {"cut": (2,)}),
        (frozen("0.weight", "0.bias"), 3, {"cut": (1, 3)}),  # no gradient goes back
        (frozen("2.weight", "6.bias"), 2, {"cut": (2,)}),
        (frozen("6.weight", "6.bias"), 2, {"cut": (6,)}),  # a stage that trains nothing
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_the_bits_are_those_of_one_process(
    make: Callable[[], nn.Module], workers: int, more: dict[str, Any], schedule: str
) -> None:
    steps = {key: more[key] for key in ("samples", "steps") if key in more}
    alone = train(make, recipe(**more.get("training", {})), **steps)
    assert_same_bits(pipeline(make, workers, pipeline_schedule=schedule, **more), alone)


def test_a_step_that_is_not_finite_for_one_stage_is_taken_by_none() -> None:
    def make() -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 8), Poison(), nn.Linear(8, 8), nn.Linear(8, 10)
        )

    alone = train(make, recipe(), steps=8)
    finite = {one[2] for one in alone.steps}
    assert_same_bits(pipeline(make, cut=(3,), steps=8), alone)
    assert finite == {True, False}
    assert all(abs(loss) < float("inf") for loss, _, _ in alone.steps)  # the gradient alone


@pytest.mark.parametrize("ends", ["alone", "pipeline"])
def test_a_checkpoint_of_any_layout_is_gone_on_with_in_any_other(ends: str) -> None:
    whole = train(with_batch_norm, recipe(), steps=6)
    if ends == "alone":
        begun = pipeline(with_batch_norm, 2, steps=3).saved[-1]
        ended = train(with_batch_norm, recipe(), steps=3, begun=begun, step=3)
    else:
        begun = pipeline(with_batch_norm, 3, steps=3).saved[-1]
        ended = pipeline(with_batch_norm, 2, steps=3, begun=begun, step=3, cut=(4,))
    assert ended.steps == whole.steps[3:]
    assert all(torch.equal(ended.tensors[name], whole.tensors[name]) for name in whole.tensors)


@pytest.mark.parametrize("make", [networks.cnn, networks.photo])
def test_two_stages_hold_at_most_three_fifths_each(make: Callable[[int], nn.Module]) -> None:
    def whole() -> nn.Module:
        return make(10)

    (alone,) = train(whole, recipe(), steps=1).held
    several = pipeline(whole, steps=1).held
    assert sum(one.parameters for one in several) == alone.parameters
    assert sum(one.optimizer for one in several) == alone.optimizer
    everything = alone.parameters + alone.optimizer
    assert max(one.parameters + one.optimizer for one in several) <= 0.6 * everything


def tied() -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU(), nn.Linear(10, 10))
    network.append(network[3])
    return network


class Own(nn.Sequential):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(1 - images)


class Two(nn.Module):
    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return values, values


class One(nn.Module):
    def forward(self, values: tuple[Tensor, Tensor]) -> Tensor:
        return values[0]


@pytest.mark.parametrize(
    ("make", "workers", "cut", "message"),
    [
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(784, 10)),
            2, (), "draws random numbers (dropout), which parts cannot share; train it with --par",
        ),
        (tied, 2, (), "ties 4.weight to 3.weight, and parts share nothing"),
        (lambda: Own(*networks.mlp(10)), 2, (), "is no list of layers, so nothing says where"),
        (lambda: networks.mlp(10), 7, (), "7 workers are more than the 6 layers of the network"),
        (lambda: networks.mlp(10), 2, (6,), "--cut 6: the network quick has 6 layers; give"),
        (
            lambda: nn.Sequential(nn.Flatten(), Two(), One(), nn.Linear(784, 10)),
            2, (2,), "layer 1 of the network quick gives tuple, and only a tensor passes",
        ),
    ],
)  # fmt: skip
def test_a_network_that_has_no_stages_is_refused(
    make: Callable[[], nn.Module], workers: int, cut: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        pipeline(make, workers, cut=cut)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
