"""A state of which a process owns a part: what it holds, how it moves, and the whole of parts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from digitlab.config import OptimizerConfig, Recipe, TrainingConfig
from digitlab.parallel.strategy import BatchGradient, Index, Part
from digitlab.training.state import TrainingState

FROZEN = "2.bias"
COLUMNS: Index = (slice(None), slice(0, 2))
# Two parts of the network below, cut between layers and through them: by rows and by columns.
BY_LAYERS: list[Part] = [
    {"0.weight": (), "0.bias": ()},
    {
        **{"1.weight": (), "1.bias": (), "1.running_mean": (), "1.running_var": ()},
        **{"1.num_batches_tracked": (), "2.weight": (), "2.bias": ()},
    },
]
THROUGH_LAYERS: list[Part] = [
    {
        **{"0.weight": (slice(0, 1),), "0.bias": (slice(0, 1),), "1.weight": ()},
        **{"1.running_mean": (slice(0, 3),), "1.num_batches_tracked": ()},
        **{"2.weight": COLUMNS, "2.bias": ()},
    },
    {
        **{"0.weight": (slice(1, 4),), "0.bias": (slice(1, 4),), "1.bias": ()},
        **{"1.running_mean": (slice(3, 4),), "1.running_var": ()},
        "2.weight": (slice(None), slice(2, 4)),
    },
]


def state_of(optimizer: str) -> TrainingState:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    network.get_parameter(FROZEN).requires_grad_(False)
    recipe = Recipe(
        optimizer=OptimizerConfig(name=optimizer, weight_decay=0.1),
        training=TrainingConfig(moving_average=0.9),
    )
    return TrainingState(network, recipe)


def gradient_of(state: TrainingState, step: int, part: Part | None) -> BatchGradient:
    """Return the gradient of a step, the same whoever asks, cut to a part."""
    source = torch.Generator().manual_seed(step)
    whole = {name: torch.rand(shape, generator=source) for name, shape in SHAPES.items()}
    owned: Mapping[str, Index] = dict.fromkeys(whole, ()) if part is None else part
    named = {name: whole[name][owned[name]] for name in whole if name in owned}
    trained = [t.reshape(-1) for n, t in named.items() if "running" not in n and n != FROZEN]
    buffers = [
        named[name] if name in named else torch.tensor(step)
        for name, _ in state.network.named_buffers()
        if name in owned or (part is None)
    ]
    return BatchGradient(torch.cat(trained), 1.0, 1, tuple(buffers))


SHAPES = {name: tensor.shape for name, tensor in state_of("sgd").network.named_parameters()} | {
    name: tensor.shape
    for name, tensor in state_of("sgd").network.named_buffers()
    if "running" in name
}


def put_together(states: list[TrainingState]) -> dict[str, Tensor]:
    whole: dict[str, Tensor] = {}
    for state in states:
        for name, piece in state.pieces().items():
            whole.setdefault(name, torch.full(piece.shape, 99).to(piece.values.dtype))
            whole[name][piece.index] = piece.values
    return whole


@pytest.mark.parametrize("parts", [BY_LAYERS, THROUGH_LAYERS], ids=["by layers", "through layers"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"])
def test_parts_move_as_the_whole_does(optimizer: str, parts: list[Part]) -> None:
    """Begun by the whole, cut, moved, put together, moved on by the whole."""
    alone, *several = (state_of(optimizer) for _ in range(3))
    for step in range(9):
        if step == 3:
            for state, part in zip(several, parts, strict=True):
                state.keep(part)
        if step == 6:
            whole = put_together(several)
            for state in several:
                state.hold(whole)
        for state in (alone, *several):
            state.move(gradient_of(state, step, state.part), 0.01)
    for state in several:
        assert state.facts() == alone.facts()
        expected = alone.tensors()
        assert list(state.tensors()) == list(expected)
        for name, tensor in state.tensors().items():
            assert torch.equal(tensor, expected[name]), name
        images = torch.randn(5, 3)
        assert torch.equal(state.network.eval()(images), alone.network.eval()(images))


def test_a_part_holds_its_numbers_alone() -> None:
    state = state_of("adam")
    before = state.held()
    assert before.parameters == 4 * sum(p.numel() for p in state.network.parameters())
    state.keep(THROUGH_LAYERS[0])
    trained = 3 + 1 + 4 + 4
    assert state.held().parameters == 4 * (trained + 2)  # the frozen bias
    assert state.held().optimizer == 2 * 4 * trained
    assert {name: tuple(p.shape) for name, p in state.network.named_parameters()} == {
        **{"0.weight": (1, 3), "0.bias": (1,), "1.weight": (4,), "1.bias": (0,)},
        **{"2.weight": (2, 2), "2.bias": (2,)},
    }
    assert {name: tuple(b.shape) for name, b in state.network.named_buffers()} == {
        **{"1.running_mean": (3,), "1.running_var": (0,), "1.num_batches_tracked": ()},
    }
    with state.averaged():
        assert state.average is not None
        assert torch.equal(state.network.get_parameter("2.weight").reshape(-1), state.average[8:12])


def test_who_owns_nothing_holds_nothing() -> None:
    state = state_of("adamw")
    state.keep({})
    assert state.pieces() == {}
    assert (state.held().parameters, state.held().optimizer) == (0, 0)
    state.move(BatchGradient(torch.zeros(0), 1.0, 1), 0.01)
    assert state.step == 1
