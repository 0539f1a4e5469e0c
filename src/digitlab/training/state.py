"""Everything that changes while a network trains, and its form in a checkpoint; used by the loop.

All trained parameters live in one vector, of which the network's parameters are views. So the
optimizer makes one step on one tensor, and a gradient is one vector, whoever computed it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from digitlab.config import Recipe
from digitlab.errors import RunError
from digitlab.optimizers import Optimizer
from digitlab.parallel.strategy import BatchGradient


class TrainingState:
    """Parameters, buffers, optimizer, moving average and position of a run."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        """Take over a network's parameters; position 0."""
        self.network = network
        self.vector, self.shapes = _one_vector(network)
        self.optimizer = Optimizer(recipe.optimizer, self.vector)
        self.decay = recipe.training.moving_average
        self.average = self.vector.clone() if self.decay else None
        self.step = 0
        self.skips = 0
        self.skips_in_a_row = 0

    def move(self, gradient: BatchGradient, learning_rate: float) -> None:
        """Take one step of the optimizer and of the moving average."""
        self.optimizer.step(gradient.vector, learning_rate)
        self._set_buffers(gradient.buffers)
        if self.average is not None:
            # A low decay at first, so that the random start is soon forgotten.
            taken = self.optimizer.steps
            decay = min(self.decay, (1 + taken) / (10 + taken))
            self.average.lerp_(self.vector, 1 - decay)
        self.skips_in_a_row = 0
        self.step += 1

    def skip(self) -> None:
        """Count a step that was not taken."""
        self.skips += 1
        self.skips_in_a_row += 1
        self.step += 1

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network hold the averaged weights, where there are any."""
        if self.average is None:
            yield
            return
        kept = self.vector.clone()
        self.vector.copy_(self.average)
        try:
            yield
        finally:
            self.vector.copy_(kept)

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the network's weights as they stand, by name, on the CPU."""
        # Not as safetensors' views: a tied weight appears under each of its names.
        state = self.network.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def start_with(self, weights: Mapping[str, Tensor], origin: str) -> None:
        """Copy another run's weights into the network.

        Raises:
            RunError: where names or shapes differ.
        """
        own = self.network.state_dict()
        for name in own:
            if name not in weights:
                raise RunError(f"{origin}: its network has no {name}; start from the same network")
            if weights[name].shape != own[name].shape:
                raise RunError(
                    f"{origin}: {name} is {list(weights[name].shape)}, here it is "
                    f"{list(own[name].shape)}; start from the same network and objective"
                )
        unknown = sorted(set(weights) - set(own))
        if unknown:
            raise RunError(f"{origin}: has {unknown[0]}, which this network has not")
        self.network.load_state_dict(dict(weights))
        if self.average is not None:
            self.average.copy_(self.vector)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, split as the network's parameters are, for a checkpoint."""
        tensors = dict(self._split("parameters", self.vector))
        tensors.update({f"others/{name}": tensor for name, tensor in self._others().items()})
        if self.average is not None:
            tensors.update(self._split("average", self.average))
        for key, vector in self.optimizer.memory.items():
            tensors.update(self._split(f"optimizer/{key}", vector))
        return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}

    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Restore what `tensors` and `facts` gave.

        Raises:
            RunError: where they are of another network, as of a class that was changed since.
        """
        here = {name: list(tensor.shape) for name, tensor in self.tensors().items()}
        there = {name: list(tensor.shape) for name, tensor in tensors.items()}
        for name in [*here, *(one for one in there if one.startswith("parameters/"))]:
            if here.get(name) != there.get(name):
                raise RunError(
                    f"the network is not the one that the run began with: {name} was "
                    f"{there.get(name, 'not there')} and is {here.get(name, 'not there')}"
                )
        self.vector.copy_(self._joined("parameters", tensors))
        for name, tensor in self._others().items():
            tensor.copy_(tensors[f"others/{name}"])
        if self.average is not None:
            self.average.copy_(self._joined("average", tensors))
        for key, vector in self.optimizer.memory.items():
            vector.copy_(self._joined(f"optimizer/{key}", tensors))
        self.optimizer.steps = facts["optimizer_steps"]
        self.step = facts["step"]
        self.skips = facts["skips"]
        self.skips_in_a_row = facts["skips_in_a_row"]

    def facts(self) -> dict[str, Any]:
        """Return the position and what else of the state is no tensor."""
        return {
            "step": self.step,
            "optimizer_steps": self.optimizer.steps,
            "skips": self.skips,
            "skips_in_a_row": self.skips_in_a_row,
        }

    def _set_buffers(self, values: tuple[Tensor, ...]) -> None:
        if values:
            for buffer, value in zip(self.network.buffers(), values, strict=True):
                buffer.copy_(value)

    def _others(self) -> dict[str, Tensor]:
        """Return buffers, also those that a state_dict leaves out, and frozen parameters."""
        named = {**dict(self.network.named_parameters()), **dict(self.network.named_buffers())}
        return {name: tensor.data for name, tensor in named.items() if name not in self.shapes}

    def _split(self, prefix: str, vector: Tensor) -> Iterator[tuple[str, Tensor]]:
        start = 0
        for name, shape in self.shapes.items():
            yield f"{prefix}/{name}", vector[start : start + shape.numel()].view(shape)
            start += shape.numel()

    def _joined(self, prefix: str, tensors: Mapping[str, Tensor]) -> Tensor:
        parts = [tensors[f"{prefix}/{name}"].reshape(-1) for name in self.shapes]
        return torch.cat(parts).to(self.vector.device)


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _one_vector(network: nn.Module) -> tuple[Tensor, dict[str, torch.Size]]:
    """Move all trained parameters into one vector and make them views of it."""
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    vector = torch.cat([parameter.detach().reshape(-1) for parameter in trained.values()])
    start = 0
    for parameter in trained.values():
        end = start + parameter.numel()
        parameter.data = vector[start:end].view(parameter.shape)
        start = end
    return vector, {name: parameter.shape for name, parameter in trained.items()}
