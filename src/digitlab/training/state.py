"""Everything that changes while a network trains, and its form in a checkpoint; used by the loop.

All trained parameters live in one vector, of which the network's parameters are views. So the
optimizer makes one step on one tensor, and a gradient is one vector, whoever computed it. A process
that owns a part has a vector of that part: the parameters that it owns in part are views of their
shape in it, and of the others nothing is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from digitlab.config import Recipe
from digitlab.errors import RunError
from digitlab.optimizers import Optimizer
from digitlab.parallel.strategy import BatchGradient, Held, Index, Part, Piece, values_of


class TrainingState:
    """Parameters, buffers, optimizer, moving average and position of a run."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        """Take over a network's parameters; position 0."""
        self.network = network
        named = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        self._whole = {name: tensor.shape for name, tensor in named.items()}
        self._trained = tuple(name for name, p in network.named_parameters() if p.requires_grad)
        self.part: Part | None = None
        self.vector = torch.cat([named[name].detach().reshape(-1) for name in self._trained])
        self._use_vector()
        self.optimizer = Optimizer(recipe.optimizer, self.vector)
        self.decay = recipe.training.moving_average
        self.average = self.vector.clone() if self.decay else None
        self.step = 0
        self.skips = 0
        self.skips_in_a_row = 0

    def move(self, gradient: BatchGradient, learning_rate: float) -> None:
        """Take one step of the optimizer and of the moving average."""
        self.move_by(gradient.vector, learning_rate)
        self._set_buffers(gradient.buffers)
        self._count()

    def move_by(self, vector: Tensor, learning_rate: float) -> None:
        """Take it by a gradient that is but a part of a batch's; the position stays."""
        self.optimizer.step(vector, learning_rate)
        if self.average is not None:
            # A low decay at first, so that the random start is soon forgotten.
            taken = self.optimizer.steps
            decay = min(self.decay, (1 + taken) / (10 + taken))
            self.average.lerp_(self.vector, 1 - decay)

    def follow(self, taken: int, finite: bool) -> None:
        """Count a step that servers take in parts, and how many of the optimizer's there were."""
        self.optimizer.steps = taken
        if finite:
            self._count()
        else:
            self.skip()

    def _count(self) -> None:
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
        return values_of(self.pieces())

    def pieces(self) -> dict[str, Piece]:
        """Return copies, on the CPU, of all tensors of which this process owns any number."""
        found = {f"others/{name}": (name, tensor) for name, tensor in self._others().items()}
        vectors = {"parameters": self.vector}
        if self.average is not None:
            vectors["average"] = self.average
        vectors |= {f"optimizer/{key}": vector for key, vector in self.optimizer.memory.items()}
        for prefix, vector in vectors.items():
            split = self._split(vector).items()
            found |= {f"{prefix}/{name}": (name, tensor) for name, tensor in split}
        part = self.part or {}
        return {
            key: Piece(tensor.detach().cpu().clone(), part.get(name, ()), self._whole[name])
            for key, (name, tensor) in found.items()
        }

    def keep(self, part: Part) -> None:
        """Let go of all but a part of what this process, which holds the whole, holds."""
        vectors = {"": self.vector, **self.optimizer.memory}
        if self.average is not None:
            vectors["average"] = self.average
        empty = self.vector.new_empty(0)
        cut = {}
        for key, vector in vectors.items():
            split = self._split(vector)
            owned = [split[name][part[name]].reshape(-1) for name in split if name in part]
            cut[key] = torch.cat([empty, *owned])
        others = self._others()
        self.part = part
        for name, tensor in others.items():
            tensor.data = tensor[part[name]].clone() if name in part else tensor.new_empty(0)
        self._lay_out(cut.pop(""), cut.pop("average", None), cut)

    def hold(self, tensors: Mapping[str, Tensor]) -> None:
        """Hold the whole again, of the tensors of all parts; the position stays."""
        if self.part is None:
            return
        self.part = None
        for name, tensor in self._others().items():
            tensor.data = tensor.new_empty(self._whole[name])
        size = sum(self._whole[name].numel() for name in self._trained)
        vector = self.vector.new_empty(size)
        memory = {key: vector.clone() for key in self.optimizer.memory}
        self._lay_out(vector, vector.clone() if self.average is not None else None, memory)
        self.load(tensors, self.facts())

    def held(self) -> Held:
        """Return how many bytes are held here, counted by the storages of the tensors."""
        return Held(_bytes_of(self.network.parameters()), _bytes_of(self.optimizer.memory.values()))

    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Restore what `tensors` and `facts` gave; the whole, in a process that holds it.

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
            buffers = [b for name, b in self.network.named_buffers() if self._owns(name)]
            for buffer, value in zip(buffers, values, strict=True):
                buffer.copy_(value)

    def _owns(self, name: str) -> bool:
        return self.part is None or name in self.part

    def _shapes(self) -> dict[str, torch.Size]:
        """Return the shapes in the vector, by the names of the parameters in it."""
        if self.part is None:
            return {name: self._whole[name] for name in self._trained}
        return {
            name: _shape_of(self._whole[name], self.part[name])
            for name in self._trained
            if name in self.part
        }

    def _others(self) -> dict[str, Tensor]:
        """Return buffers, also those that a state_dict leaves out, and frozen parameters."""
        named = {**dict(self.network.named_parameters()), **dict(self.network.named_buffers())}
        return {
            name: tensor
            for name, tensor in named.items()
            if name not in self._trained and self._owns(name)
        }

    def _lay_out(self, vector: Tensor, average: Tensor | None, memory: dict[str, Tensor]) -> None:
        """Take other vectors in place of all that are here."""
        self.vector, self.average = vector, average
        self._use_vector()
        self.optimizer.parameters, self.optimizer.memory = vector, memory

    def _use_vector(self) -> None:
        """Make the network's parameters views of the vector; what is not in it has no numbers."""
        split, empty = self._split(self.vector), self.vector.new_empty(0)
        for name, parameter in self.network.named_parameters():
            if name in self._trained:
                parameter.data = split.get(name, empty)

    def _split(self, vector: Tensor) -> dict[str, Tensor]:
        """Return views of a vector, by the names of the parameters in it."""
        shapes = self._shapes()
        parts = torch.split(vector, [shape.numel() for shape in shapes.values()])
        return {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}

    def _joined(self, prefix: str, tensors: Mapping[str, Tensor]) -> Tensor:
        parts = [tensors[f"{prefix}/{name}"].reshape(-1) for name in self._trained]
        return torch.cat(parts).to(self.vector.device)


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _shape_of(whole: torch.Size, index: Index) -> torch.Size:
    """Return the shape of what an index takes of a tensor."""
    taken = [len(range(*one.indices(size))) for one, size in zip(index, whole, strict=False)]
    return torch.Size([*taken, *whole[len(taken) :]])


def _bytes_of(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of the storages that tensors lie in, each counted once."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())
