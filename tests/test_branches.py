"""A network says which of its parts are independent, and each can be computed alone, to the bit."""

from __future__ import annotations

from functools import reduce

import pytest
import torch
from torch import Tensor, nn

from digitlab import networks
from digitlab.branches import Branches, branch_of, stages
from digitlab.errors import ConfigError
from digitlab.parallel.shards import network_input


def column(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())


class Columns(nn.Sequential):
    """Three columns that exchange twice, and layers before, between and after that all share."""

    def __init__(self, outputs: int) -> None:
        super().__init__(
            nn.Sequential(
                nn.Conv2d(1, 4, 5, stride=4),
                Branches(
                    column(4, 3), nn.Sequential(column(4, 2), nn.BatchNorm2d(2)), column(4, 1)
                ),
            ),
            nn.MaxPool2d(2),
            Branches(column(6, 2), column(6, 2), column(6, 3)),
            nn.Flatten(),
            nn.Linear(63, outputs),
        )


class InPlace(nn.Sequential):
    def __init__(self, outputs: int) -> None:
        super().__init__(
            nn.Flatten(),
            Branches(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(784, 4)), nn.Linear(784, 6)),
        )


class Tied(nn.Sequential):
    def __init__(self, outputs: int) -> None:
        layer = nn.Linear(784, 5)
        super().__init__(nn.Flatten(), Branches(layer, nn.Sequential(layer)))


def pictures(count: int) -> Tensor:
    levels = torch.randint(0, 256, (count, 28, 28), generator=torch.manual_seed(count))
    return network_input(levels.to(torch.uint8).numpy(), torch.device("cpu"))


def sent(tensor: Tensor) -> Tensor:
    """Return what another process gets of a tensor: values as they lie in memory, no history."""
    return torch.empty_like(tensor).copy_(tensor.detach()).requires_grad_()


def computed_alone(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """Compute output and gradients as processes would that own a branch each, and one the rest."""
    pending = []
    features = images
    for stage in stages(network):
        for layer in stage.shared.values():
            features = layer(features)
        if stage.branches is None:
            break
        inputs = [sent(features) for _ in stage.branches.parts]
        outputs = [part(one) for part, one in zip(stage.branches.parts, inputs, strict=True)]
        received = [sent(output) for output in outputs]
        pending.append((features, inputs, outputs, received))
        features = stage.branches.join(received)
    loss = nn.functional.cross_entropy(features, labels, reduction="sum")
    loss.backward()
    for shared, inputs, outputs, received in reversed(pending):
        for output, one in zip(outputs, received, strict=True):
            output.backward(one.grad)
        if shared.requires_grad:
            shared.backward(reduce(torch.add, [one.grad for one in inputs]))
    return features.detach(), float(loss.detach())


@pytest.mark.parametrize("name", [f"{__name__}:Columns", "two-columns"])
def test_parts_computed_alone_give_the_bits_of_the_whole(name: str) -> None:
    whole, parts = (networks.build(name, 10, seed=3) for _ in range(2))
    for count in (32, 5):  # buffers go on from the first
        images, labels = pictures(count), torch.arange(count) % 10
        output, loss = computed_alone(parts, images, labels)
        expected = whole(images)
        expected_loss = nn.functional.cross_entropy(expected, labels, reduction="sum")
        expected_loss.backward()
        assert torch.equal(output, expected)
        assert loss == float(expected_loss.detach())
        for one, two in zip(whole.parameters(), parts.parameters(), strict=True):
            assert torch.equal(one.grad, two.grad)
        for one, two in zip(whole.buffers(), parts.buffers(), strict=True):
            assert torch.equal(one, two)


def test_what_flows_back_is_added_from_the_first_part_to_the_last() -> None:
    factors = (1.0, 2.0**-24, 2.0**-24)  # in this order each is lost; in the other, none is
    parts = [networks.Scale(factor) for factor in factors]
    features = torch.ones(1, 1, requires_grad=True)
    Branches(*parts)(features * 1).sum().backward()
    assert features.grad.item() == 1.0


def test_stages_are_what_is_shared_and_then_the_branches() -> None:
    found = stages(networks.build(f"{__name__}:Columns", 10, 1))
    assert [list(stage.shared) for stage in found] == [["0.0"], ["1"], ["3", "4"]]
    assert [stage.name for stage in found] == ["0.1", "2", ""]
    assert [stage.branches is None for stage in found] == [False, False, True]


def test_every_tensor_has_the_branch_that_it_belongs_to() -> None:
    owners = branch_of(networks.build(f"{__name__}:Columns", 10, 1))
    assert owners["0.0.weight"] is None
    assert owners["4.bias"] is None
    assert owners["0.1.parts.0.0.weight"] == owners["2.parts.0.0.bias"] == 0
    assert owners["0.1.parts.1.1.running_mean"] == 1
    assert owners["2.parts.2.0.weight"] == 2
    columns = branch_of(networks.build("two-columns", 10, 1))
    assert {columns[name] for name in columns if ".parts." not in name} == {None}
    assert {columns[name] for name in columns if ".parts." in name} == {0, 1}


def test_columns_of_two_see_each_other_at_the_second_exchange_alone() -> None:
    network = networks.build("two-columns", 10, 1)
    first, second, last = stages(network)
    assert list(first.shared) == ["0"]
    assert not second.shared
    assert list(last.shared) == ["3"]
    assert first.branches is not None
    assert second.branches is not None
    assert [part[0].in_channels for part in first.branches.parts] == [1, 1]
    assert [part[0].in_channels for part in second.branches.parts] == [40, 40]


def test_a_join_of_ones_own_takes_the_place_of_concatenation() -> None:
    class Summed(Branches):
        def join(self, outputs: object) -> Tensor:
            return torch.stack(list(outputs)).sum(0)  # type: ignore[call-overload]

    features = torch.ones(2, 3)
    assert torch.equal(Summed(networks.Scale(2), networks.Scale(3))(features), 5 * features)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("InPlace", "part 0 changes its input in place; others take it, too"),
        ("Tied", "parts 0 and 1 share weights or buffers"),
    ],
)
def test_parts_that_are_not_independent_are_one_line(name: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        networks.build(f"{__name__}:{name}", 10, 1)


def test_a_network_without_such_a_structure_says_so() -> None:
    with pytest.raises(ValueError, match="at least two parts"):
        Branches(nn.Flatten())
    with pytest.raises(ValueError, match="Residual is no list of layers"):
        stages(networks.Residual(2))
    uneven = nn.Sequential(
        Branches(nn.Flatten(), nn.Flatten()), Branches(nn.ReLU(), nn.ReLU(), nn.ReLU())
    )
    with pytest.raises(ValueError, match="has 2 and 3 branches"):
        stages(uneven)
