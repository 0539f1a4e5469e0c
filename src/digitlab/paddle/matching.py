"""Which array of a Paddle file is which tensor of a network; used by import_run and export_run.

Layers are told apart by the shapes of what they hold, and where these are equal by Paddle's own
names, which count the layers of a kind in the order in which they were made (`linear_1.w_0`), else
by their order in the file. The attributes of a lesson's class (`self.fc1`) need not be known.

A weight of `Linear` is [inputs, outputs] in Paddle and [outputs, inputs] in PyTorch; all else has
one shape in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from digitlab.errors import ModelError
from digitlab.paddle.pickle_names import Array
from digitlab.wording import printable

# What a layer's arrays are called: in Paddle 1.7 to 3.x, in 1.6, and in its own names; in PyTorch.
_ROLES = {
    "weight": "weight",
    "_filter_param": "weight",
    "_w0": "weight",
    "_scale": "weight",
    "w_0": "weight",
    "bias": "bias",
    "_bias_param": "bias",
    "_b": "bias",
    "_bias": "bias",
    "b_0": "bias",
    "_mean": "running_mean",
    "w_1": "running_mean",
    "_variance": "running_var",
    "w_2": "running_var",
}
_UNKNOWN_TO_PADDLE = "num_batches_tracked"  # PyTorch's count beside running statistics
# Attributes and Paddle's own names, by PyTorch's class.
_NAMES = {
    nn.Conv2d: ("conv", "conv2d"),
    nn.Linear: ("fc", "linear"),
    nn.BatchNorm2d: ("norm", "batch_norm2d"),
    nn.BatchNorm1d: ("norm", "batch_norm1d"),
    nn.Embedding: ("embedding", "embedding"),
}


class DoesNotFitError(ModelError):
    """A file whose arrays are not those of the network; says which."""


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer of a network: its tensors by role, in Paddle's arrangement of axes."""

    name: str
    module: nn.Module
    tensors: Mapping[str, Tensor] = field(repr=False)

    @property
    def shapes(self) -> dict[str, list[int]]:
        return {role: list(tensor.shape) for role, tensor in self.tensors.items()}


@dataclass(frozen=True, eq=False)
class _Found:
    """A layer of a file: its arrays and their names in the file, by role."""

    arrays: Mapping[str, Array] = field(repr=False)
    names: Mapping[str, str]
    number: int

    @property
    def shapes(self) -> dict[str, list[int]]:
        return {role: list(array.shape) for role, array in self.arrays.items()}

    def text(self) -> str:
        return ", ".join(f"{printable(self.names[r])} {shape}" for r, shape in self.shapes.items())


def fitted(
    network: nn.Module, state: Mapping[str, Any], table: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return a network's state_dict from a file's arrays, and each tensor's name in the file.

    Args:
        network: of which names and shapes are looked at.
        state: a file's arrays by name; what is no array is passed over.
        table: Paddle's own name of each, where the file says them.

    Raises:
        DoesNotFitError: names the first layer that has no counterpart, or what is left over.
    """
    layers, left = list(_layers(network)), _found(state, table)
    tensors: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    for place, layer in enumerate(layers):
        found = _counterpart(layer, left)
        if found is None:
            raise DoesNotFitError(_what_is_missing(layer, place, _found(state, table)))
        left.remove(found)
        for role, array in found.arrays.items():
            name = f"{layer.name}.{role}" if layer.name else role
            tensors[name] = _arranged(layer.module, role, _numbers(array, found.names[role]))
            origins[name] = found.names[role]
    if left:
        raise DoesNotFitError(f"has {left[0].text()} besides, for which the network has no layer")
    own = network.state_dict()
    counts = {name: own[name] for name in own if name.endswith(_UNKNOWN_TO_PADDLE)}
    return {**tensors, **counts}, origins


def named(network: nn.Module) -> tuple[dict[str, Array], dict[str, str], dict[str, str]]:
    """Return a network's tensors as Paddle's arrays.

    They are named by kind, and numbered where there are several of it: conv1.weight, conv2.weight,
    fc.weight, as the course's classes name their attributes.

    Returns:
        float32 arrays by name; Paddle's own name of each; and each one's name in the network.
    """
    layers = list(_layers(network))
    kinds = [_names(layer.module) for layer in layers]
    arrays: dict[str, Array] = {}
    own_names: dict[str, str] = {}
    origins: dict[str, str] = {}
    for place, layer in enumerate(layers):
        attribute, own = kinds[place]
        number = kinds[:place].count(kinds[place])
        prefix = f"{attribute}{number + 1}" if kinds.count(kinds[place]) > 1 else attribute
        for role, tensor in layer.tensors.items():
            in_paddle = {"running_mean": "_mean", "running_var": "_variance"}.get(role, role)
            suffix = {"bias": "b_0", "running_mean": "w_1", "running_var": "w_2"}.get(role, "w_0")
            name = f"{prefix}.{in_paddle}"
            arrays[name] = tensor.detach().cpu().contiguous().numpy()
            own_names[name] = f"{own}_{number}.{suffix}"
            origins[name] = f"{layer.name}.{role}" if layer.name else role
    return arrays, own_names, origins


def _names(module: nn.Module) -> tuple[str, str]:
    plain = type(module).__name__.lower()
    return _NAMES.get(type(module), (plain, plain))


def _layers(network: nn.Module) -> Iterator[_Layer]:
    """Yield the modules that hold tensors themselves, in the order of the network's state_dict."""
    by_module: dict[str, dict[str, Tensor]] = {}
    for name, tensor in network.state_dict().items():
        prefix, _, role = name.rpartition(".")
        if role != _UNKNOWN_TO_PADDLE:
            by_module.setdefault(prefix, {})[role] = tensor
    for prefix, tensors in by_module.items():
        module = network.get_submodule(prefix)
        yield _Layer(
            prefix, module, {role: _arranged(module, role, t) for role, t in tensors.items()}
        )


def _arranged(module: nn.Module, role: str, tensor: Tensor) -> Tensor:
    """Return a tensor with the axes of the other library."""
    return tensor.t().contiguous() if isinstance(module, nn.Linear) and role == "weight" else tensor


def _found(state: Mapping[str, Any], table: Mapping[str, Any]) -> list[_Found]:
    """Return the layers of a file, those of a kind in the order in which Paddle made them."""
    layers: dict[str, dict[str, tuple[str, Array]]] = {}
    for name, array in state.items():
        if isinstance(array, np.ndarray):
            prefix, _, last = name.rpartition(".")
            layers.setdefault(prefix, {})[_ROLES.get(last, last)] = (name, array)
    found = [
        _Found(
            {role: array for role, (_, array) in layer.items()},
            {role: name for role, (name, _) in layer.items()},
            next((n for name, _ in layer.values() if (n := _number(table.get(name, name)))), 0),
        )
        for layer in layers.values()
    ]
    return sorted(found, key=lambda layer: layer.number)  # which keeps the order of equals


def _number(name: Any) -> int:
    """Return the number in `linear_1.w_0`, counted from 1; 0 where it has none."""
    counted = re.search(r"_(\d{1,9})\.[wb]_\d+$", name) if isinstance(name, str) else None
    return int(counted[1]) + 1 if counted else 0


def _counterpart(layer: _Layer, left: list[_Found]) -> _Found | None:
    fitting = [found for found in left if found.shapes == layer.shapes]
    same_name = [
        found
        for found in fitting
        if all(name.rpartition(".")[0] == layer.name for name in found.names.values())
    ]
    return next(iter(same_name or fitting), None)


def _what_is_missing(layer: _Layer, place: int, found: list[_Found]) -> str:
    """Say what a layer of the network needs, and what the file has that may have been meant."""
    wanted = ", ".join(f"{role} {shape}" for role, shape in layer.shapes.items())
    kind = type(layer.module).__name__
    needs = f"has no layer for the network's {layer.name} ({kind}: {wanted})"
    ranks = {role: len(shape) for role, shape in layer.shapes.items()}
    alike = [f for f in found if {r: len(s) for r, s in f.shapes.items()} == ranks]
    if not alike:
        arrays = "; ".join(one.text() for one in found[:4]) or "no arrays"
        return f"{needs}; it has {arrays}{' and more' if len(found) > 4 else ''}"
    near = max(alike, key=lambda f: sum(f.shapes[r] == s for r, s in layer.shapes.items()))
    return f"{needs}; the nearest is {near.text()}"


def _numbers(array: Array, name: str) -> Tensor:
    """Return float32 numbers.

    Raises:
        DoesNotFitError: where they are no numbers with fractions, or not finite.
    """
    if array.dtype == np.uint16:  # Paddle's bfloat16: the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind != "f":
        raise DoesNotFitError(
            f"{printable(name)} is {array.dtype}; expected numbers with fractions"
        )
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise DoesNotFitError(f"{printable(name)} holds what is not finite")
    return torch.from_numpy(numbers)
