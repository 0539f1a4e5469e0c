"""Slices of layers give the gradients of one process, but for their last bits (T5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_pipeline import frozen, recipe, small_cnn, with_batch_norm
from thread_teams import Trained, each, plan_of, train
from torch import Tensor, nn

from digitlab import networks
from digitlab.config import OptimizerConfig
from digitlab.errors import ConfigError
from digitlab.parallel.strategy import Job, Part, Strategy, Wish
from digitlab.training.state import TrainingState

LIMIT = 1e-6  # absolute: docs/guarantees.md, T5


def tensor(make: Callable[[], nn.Module], workers: int = 2, **more: Any) -> Trained:
    training = more.pop("training", {})
    return train(make, recipe(**training), plan_of(workers, "tensor"), **more)


class WithOwnForward(nn.Module):
    """What is no list of layers: a residual, a layer used twice, and layers that stay whole."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, 5, stride=3)
        self.norm = nn.GroupNorm(2, 6)
        self.again = nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect", bias=False)
        self.depthwise = nn.Conv2d(6, 6, 3, groups=6)
        self.slope = nn.PReLU(6)
        self.mixed = nn.Linear(6, 6)  # over the last of three dimensions
        self.last = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        values = self.norm(self.first(images))
        values = values + self.again(self.again(values).relu_())
        values = self.slope(self.depthwise(values)).flatten(2).transpose(1, 2)
        return self.last((values + self.mixed(values)).mean(1))


class Parts(nn.Module):
    """The first layer stays with one worker; the last is too narrow for three."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(784)
        self.narrow = nn.Linear(784, 2)
        self.last = nn.Linear(2, 10, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.narrow(self.norm(images.flatten(1))).sigmoid())


@pytest.mark.parametrize(
    ("make", "workers", "more"),
    [
        (lambda: networks.cnn(10), 2, {"steps": 20}),
        (
            lambda: networks.photo(10),
            2,
            {"steps": 20, "training": {"optimizer": "sgd", "batch_size": 8}},
        ),
        (lambda: networks.mlp(10), 3, {"steps": 20}),
        (small_cnn, 3, {}),  # 4 channels by 3
        (small_cnn, 2, {"samples": 23, "training": {"shards": 6}}),  # uneven, and some are empty
        (with_batch_norm, 2, {"samples": 33, "steps": 20}),
        (frozen("0.weight", "0.bias"), 2, {}),
        (frozen("2.weight", "2.bias", "6.bias"), 2, {}),
        (frozen("6.weight", "6.bias"), 2, {}),
        (WithOwnForward, 2, {"steps": 20}),
        (WithOwnForward, 3, {}),
        (Parts, 2, {}),
        (Parts, 3, {}),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_the_gradients_are_those_of_one_process(
    make: Callable[[], nn.Module], workers: int, more: dict[str, Any]
) -> None:
    settings, samples = recipe(**more.get("training", {})), more.get("samples", 70)
    states = train(make, settings, samples=samples, steps=more.get("steps", 3)).saved
    # A velocity without momentum is the gradient.
    settings = replace(settings, optimizer=OptimizerConfig(name="momentum", momentum=0.0))

    def work(
        strategy: Strategy, state: TrainingState, job: Job
    ) -> list[tuple[dict[str, Tensor], float, int]]:
        seen = []
        for step, saved in enumerate(states, start=1):
            whole: Part = dict.fromkeys(state.network.state_dict(), ())
            for name, index in (state.part or whole).items():
                kind = "parameters" if f"parameters/{name}" in saved else "others"
                state.network.state_dict()[name].copy_(saved[f"{kind}/{name}"][index])
            gradient = strategy.gradient(job.batches.at(step), Wish())
            state.move(gradient, 0.0)
            seen.append((strategy.whole(), gradient.loss, gradient.correct))
        return seen

    (alone,) = each(make, settings, None, work, samples=samples)
    leader, *_ = each(make, settings, plan_of(workers, "tensor"), work, samples=samples)
    for (mine, loss, correct), (theirs, right_loss, right) in zip(leader, alone, strict=True):
        assert mine.keys() == theirs.keys()
        for name, values in theirs.items():
            torch.testing.assert_close(mine[name], values, rtol=0, atol=LIMIT, msg=name)
        assert loss == pytest.approx(right_loss, abs=LIMIT)
        assert correct == right


def test_the_slices_learn_what_one_process_does() -> None:
    alone = train(with_batch_norm, recipe("sgd"), steps=6)
    begun = tensor(with_batch_norm, 3, steps=3, training={"optimizer": "sgd"}).saved[-1]
    ended = tensor(with_batch_norm, steps=3, begun=begun, step=3, training={"optimizer": "sgd"})
    for name, values in alone.tensors.items():
        torch.testing.assert_close(ended.tensors[name], values, rtol=0, atol=LIMIT, msg=name)
    for mine, theirs in zip(ended.outputs, alone.outputs, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", [networks.cnn, networks.photo])
def test_two_workers_hold_at_most_three_fifths_each(make: Callable[[int], nn.Module]) -> None:
    def whole() -> nn.Module:
        return make(10)

    (alone,) = train(whole, recipe(), samples=8, steps=1).held
    several = tensor(whole, steps=1, samples=8).held
    assert sum(one.parameters for one in several) == alone.parameters
    assert sum(one.optimizer for one in several) == alone.optimizer
    everything = alone.parameters + alone.optimizer
    assert max(one.parameters + one.optimizer for one in several) <= 0.6 * everything


class TakesTwo(nn.Linear):
    def forward(self, values: Tensor, more: Tensor) -> Tensor:
        return super().forward(values + more)


class Calls(nn.Module):
    """Uses a layer in a way that says nothing of how to cut it."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.last = TakesTwo(784, 10) if how == "two" else nn.Linear(784, 10)
        if how == "own":
            self.scale = nn.Parameter(torch.ones(()))
        if how == "hook":
            self.last.register_forward_pre_hook(lambda layer, given: None)

    def forward(self, images: Tensor) -> Tensor:
        values = images.flatten(1)
        if self.how == "around":
            return nn.functional.linear(values, self.last.weight, self.last.bias)
        return self.last(values, values) if self.how == "two" else self.last(values)


@pytest.mark.parametrize(
    ("make", "workers", "message"),
    [
        (lambda: Calls("own"), 2, "has parameters of its own, outside of any layer, and nothing"),
        (lambda: Calls("two"), 2, "its layer last takes or gives something else than a tensor"),
        (lambda: Calls("around"), 2, "its layer last is used otherwise than by calling it"),
        (lambda: Calls("hook"), 2, "its layer last has a hook that runs before it"),
        (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.PReLU(1)), 2,
         "has no layer that 2 workers can share"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(784, 10)), 2,
         "draws random numbers (dropout), which parts cannot share"),
    ],
)  # fmt: skip
def test_a_network_that_has_no_slices_is_refused(
    make: Callable[[], nn.Module], workers: int, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        tensor(make, workers)
    assert message in str(error.value)
    assert str(error.value).endswith("train it with --parallel data")
    assert "\n" not in str(error.value)
