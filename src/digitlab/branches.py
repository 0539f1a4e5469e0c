"""Networks in parts that do not need each other: which parts, and where they meet.

Used by networks of ours and of users, and by whatever deals the parts out to processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Branches(nn.Module):
    """Independent parts of a network: all take the same input, and their outputs are joined.

    A layer like any other. In a list of layers, `nn.Sequential`, what stands outside is shared by
    all branches, and each `Branches` is a point where they exchange what they have computed:

        class TwoColumns(nn.Sequential):
            def __init__(self, outputs):
                super().__init__(
                    Branches(column(1, 8), column(1, 8)),    # 8 channels each give 16
                    Branches(column(16, 8), column(16, 8)),  # each takes all 16
                    nn.Flatten(),
                    nn.Linear(784, outputs),                 # shared
                )

    Nothing of one part reaches another but by the join, and what flows back is added from the first
    part to the last. All that passes between them lies in memory as `torch.empty_like` of it does,
    and what flows back as what it belongs to. So each part may be computed alone, by another
    process, with the same bits.
    """

    def __init__(self, *parts: nn.Module) -> None:
        """Give the parts, at least two.

        Raises:
            ValueError: for fewer, and for parts that share a parameter or a buffer.
        """
        super().__init__()
        if len(parts) < 2:
            raise ValueError(f"Branches of {len(parts)}: expected at least two parts")
        seen: dict[int, int] = {}
        for number, part in enumerate(parts):
            for tensor in chain(part.parameters(), part.buffers()):
                first = seen.setdefault(id(tensor), number)
                if first != number:
                    raise ValueError(f"parts {first} and {number} share weights or buffers")
        self.parts = nn.ModuleList(parts)

    def forward(self, features: Tensor) -> Tensor:
        """Return the join of what each part makes of the same input.

        Raises:
            RuntimeError: where a part changes in place what the others take, too.
        """
        dealt = self.deal(features)
        return self.join([self.alone(number, taken) for number, taken in enumerate(dealt)])

    def deal(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return what each part takes; what flows back is added from the first to the last."""
        features = without_gaps(features)
        if features.requires_grad and torch.is_grad_enabled():
            return _dealt(features, len(self.parts))
        return (features,) * len(self.parts)

    def join(self, outputs: Sequence[Tensor]) -> Tensor:
        """Join the outputs of the parts, in their order: along dimension 1, channels or columns.

        A subclass may join otherwise, without parameters of its own.
        """
        return torch.cat(tuple(outputs), dim=1)

    def alone(self, number: int, taken: Tensor) -> Tensor:
        """Return what one part makes of its input.

        Raises:
            RuntimeError: where it changes that in place.
        """
        before = _version(taken)
        output: Tensor = self.parts[number](taken)
        if _version(taken) != before:
            raise RuntimeError(f"part {number} changes its input in place; others take it, too")
        output = without_gaps(output)
        if output.requires_grad and torch.is_grad_enabled():
            (output,) = _dealt(output, 1)
        return output


class Stage(NamedTuple):
    """A stretch of a network: layers that all share, and then branches.

    Attributes:
        shared: layers by name, in the order of computation; may be empty.
        name: of the branches, as `named_modules` has it.
        branches: None after the last exchange.
    """

    shared: dict[str, nn.Module]
    name: str
    branches: Branches | None


def stages(network: nn.Module) -> tuple[Stage, ...]:
    """Return a network as stages; one after the other they compute what the network does.

    Args:
        network: a list of layers, `nn.Sequential`, also with lists as layers; branches are seen in
            these lists alone, not inside other layers or parts.

    Returns:
        At least one stage; only in the last `branches` is None.

    Raises:
        ValueError: where the network is no list, or its branches are not of one number.
    """
    if not is_list(network):
        raise ValueError(f"{type(network).__name__} is no list of layers (nn.Sequential)")
    found: list[Stage] = []
    shared: dict[str, nn.Module] = {}
    for name, layer in _layers(network, ""):
        if isinstance(layer, Branches):
            found.append(Stage(shared, name, layer))
            shared = {}
        else:
            shared[name] = layer
    counts = sorted({len(stage.branches.parts) for stage in found if stage.branches is not None})
    if len(counts) > 1:
        raise ValueError(f"has {' and '.join(map(str, counts))} branches: expected one number")
    return (*found, Stage(shared, "", None))


def branch_of(network: nn.Module) -> dict[str, int | None]:
    """Return the number of the branch that each tensor of a network's state belongs to.

    Returns:
        By the names of `network.state_dict()`, in its order; None for what is shared.

    Raises:
        ValueError: as `stages` does.
    """
    numbers = {
        f"{stage.name}.parts.{number}.": number
        for stage in stages(network)
        if stage.branches is not None
        for number in range(len(stage.branches.parts))
    }
    return {
        name: next((numbers[prefix] for prefix in numbers if name.startswith(prefix)), None)
        for name in network.state_dict()
    }


class _Dealt(torch.autograd.Function):
    """A tensor for each that takes it; backward adds from the first to the last.

    Autograd by itself adds in the order in which parts happen to end, and its gradients lie in
    memory as whatever made them left them, on which the last bits of a convolution depend.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, count: int) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.strides = features.stride()
        return tuple(features.view_as(features) for _ in range(count))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        there = [gradient for gradient in gradients if gradient is not None]
        if not there:
            return None, None
        total = reduce(torch.add, there)
        if total.stride() != ctx.strides:
            total = total.new_empty_strided(total.shape, ctx.strides).copy_(total)
        return total, None


def _dealt(features: Tensor, count: int) -> tuple[Tensor, ...]:
    dealt: tuple[Tensor, ...] = _Dealt.apply(features, count)  # type: ignore[no-untyped-call]
    return dealt


def without_gaps(tensor: Tensor) -> Tensor:
    """Return the tensor, or a copy where it is a cut-out, or one value stands for many."""
    dense = torch.empty_like(tensor, device="meta").stride()
    return tensor if tensor.stride() == dense else tensor.clone()


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place, where that is counted."""
    return 0 if tensor.is_inference() else tensor._version


def is_list(layer: nn.Module) -> bool:
    """Whether a layer is a list of layers, and computes as such."""
    return isinstance(layer, nn.Sequential) and type(layer).forward is nn.Sequential.forward


def _layers(network: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a list by their full names; lists in it that hold branches, opened."""
    for name, layer in network.named_children():
        if is_list(layer) and any(isinstance(inner, Branches) for inner in layer.modules()):
            yield from _layers(layer, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", layer
