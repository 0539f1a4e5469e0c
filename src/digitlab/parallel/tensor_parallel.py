"""Tensor parallel: each worker has a slice of every layer, and all see the same pictures.

A layer is cut by its outputs or by its inputs, whichever sends less (Shoeybi et al., 2019):

    by outputs   y[mine] = W[mine, :] x, put together       back: the gradients of x are summed
    by inputs    y = sum of W[:, mine] x[mine]              back: those of x[mine] are put together

It is the same for a convolution, whose inputs and outputs are channels. A slice of BatchNorm's
channels is a slice of its statistics. What cannot be cut stays with one worker, who computes it for
all. Between layers every worker holds the whole, so what a network does there may be anything.

Sums have another order than in one process, so gradients are the same but for their last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from digitlab.data.batches import Batch
from digitlab.data.dataset import Images
from digitlab.errors import ConfigError
from digitlab.parallel.parts import InParts, asking_for
from digitlab.parallel.passing import both_ways
from digitlab.parallel.shards import (
    ShardGradient,
    evaluation_mode,
    evaluation_rows,
    gradient_of_seeded_shard,
    network_input,
)
from digitlab.parallel.strategy import Job, Part
from digitlab.parallel.team import Team
from digitlab.parallel.tree import fold, root

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Cut:
    """How the workers share a layer.

    Attributes:
        layer: one that has parameters or buffers.
        by: "outputs", "inputs", "channels" (of BatchNorm) or "owner" (one has it all).
        ends: where the slices end, and in front of them 0; empty for "owner".
        owner: who has what is not cut, such as the bias of a layer that is cut by inputs.
    """

    layer: nn.Module
    by: str
    ends: tuple[int, ...] = ()
    owner: int = 0

    @property
    def axis(self) -> int:
        """The dimension of inputs and outputs that is cut."""
        return -1 if isinstance(self.layer, nn.Linear) else 1

    @property
    def trains(self) -> bool:
        """Whether any worker learns something here."""
        return any(parameter.requires_grad for parameter in self.layer.parameters())

    def slice_of(self, rank: int) -> slice:
        """Return which of the inputs, outputs or channels a worker has."""
        return slice(self.ends[rank], self.ends[rank + 1])

    def part_of(self, rank: int) -> dict[str, tuple[slice, ...]]:
        """Return what a worker has of the layer's tensors, by their names in it."""
        part: dict[str, tuple[slice, ...]] = {}
        for name, tensor in (*self.layer.named_parameters(), *self.layer.named_buffers()):
            if self.by in ("outputs", "channels"):
                # BatchNorm's count of batches has no dimension; it is the same with all.
                part[name] = (self.slice_of(rank),) if tensor.dim() else ()
            elif self.by == "inputs" and name == "weight":
                part[name] = slice(None), self.slice_of(rank)
            elif rank == self.owner:
                part[name] = ()
        return part


class TensorParallel(InParts):
    """The strategy of one worker that has slices."""

    def __init__(self, job: Job, team: Team) -> None:
        """Cut the network.

        Raises:
            ConfigError: where it cannot be cut.
        """
        super().__init__(job, team)
        self.rank, self.workers = team.seat.slot, team.seat.workers
        self.cuts = cuts_of(job, self.workers)
        self._part = {
            f"{name}.{key}": index
            for name, cut in self.cuts.items()
            for key, index in cut.part_of(self.rank).items()
        }
        # A tensor without numbers, of which all that is learned depends, in every worker alike. It
        # makes autograd go the same way back in all, also where one has nothing to learn.
        self._anchor = torch.zeros(0, device=job.device, requires_grad=True)
        self._mine = asking_for(job, (*self.owned, self._anchor))

    @property
    def part(self) -> Part:
        """What this worker owns: its slices, and what stays with it."""
        return self._part

    def _gradient(self, batch: Batch) -> ShardGradient:
        """Take one shard after the other through the slices; see `InParts._gradient`."""
        inputs = self.pool.inputs(batch)
        with self._in_slices():
            parts = {
                (0, place): gradient_of_seeded_shard(self._mine, batch, shard)
                for place, shard in enumerate(inputs)
            }
        total = fold(parts, len(inputs), ShardGradient.__add__)[root(len(inputs))]
        return self.own_share(total, knows=self.rank == 0)  # all have the same loss

    def _outputs(self, images: Images, after: Callable[[int], None] | None) -> Tensor:
        """Take one batch after the other through the slices; see `InParts._outputs`."""
        outputs = torch.zeros(len(images), self.job.objective.outputs)
        with self._in_slices():
            for rows in evaluation_rows(len(images), after):
                inputs = network_input(images[rows], self.job.device)
                outputs[rows] = self.job.network(inputs).float().cpu()
        return outputs

    @contextmanager
    def _in_slices(self) -> Iterator[None]:
        """Have the layers computed by all together; each takes the whole and gives the whole."""
        for cut in self.cuts.values():
            cut.layer.forward = partial(self._through, cut)
        try:
            yield
        finally:
            for cut in self.cuts.values():
                del cut.layer.forward

    def _through(self, cut: Cut, values: Tensor) -> Tensor:
        """Compute a layer with the others."""
        anchor = self._anchor if cut.trains else None
        joined, mine = partial(self._joined, cut), partial(self._mine_of, cut)
        if cut.by in ("inputs", "channels"):
            values = both_ways(values, None, mine, joined) if values.requires_grad else mine(values)
        elif values.requires_grad:
            values = both_ways(values, None, _same, self._summed)
        if cut.by in ("outputs", "channels"):
            return both_ways(_computed(cut.layer, values), anchor, joined, mine)
        if cut.by == "inputs":
            return both_ways(_computed(cut.layer, values), anchor, self._summed, _same)
        given = partial(self._given, cut)
        if self.rank == cut.owner:
            return both_ways(_computed(cut.layer, values), anchor, given, _same)
        return both_ways(values, anchor, given, partial(_nothing_for, values.shape))

    def _mine_of(self, cut: Cut, values: Tensor) -> Tensor:
        """Return this worker's slice of values that are whole."""
        mine = cut.slice_of(self.rank)
        return values.narrow(cut.axis, mine.start, mine.stop - mine.start)

    def _joined(self, cut: Cut, values: Tensor) -> Tensor:
        """Return the slices of all, put together."""
        sizes = [end - begin for begin, end in zip(cut.ends, cut.ends[1:], strict=False)]
        return torch.cat(self._of_all(values, cut.axis, sizes), cut.axis)

    def _summed(self, values: Tensor) -> Tensor:
        """Return the sum of the values of all, added by rank."""
        return reduce(torch.add, self._of_all(values, 0, [len(values)] * self.workers))

    def _of_all(self, values: Tensor, axis: int, sizes: Sequence[int]) -> list[Tensor]:
        """Return the values of each worker, which differ in size along one dimension; by rank.

        Those of four dimensions travel, and then lie in memory, with their channels last.
        """
        sockets = self.sockets
        form = torch.channels_last if values.dim() == 4 else torch.contiguous_format
        mine = values.detach().to(sockets.device).contiguous(memory_format=form)
        every = []
        for size in sizes:
            shape = list(mine.shape)
            shape[axis] = size
            every.append(torch.empty(shape, dtype=mine.dtype, memory_format=form))
        every[self.rank] = mine
        others = [rank for rank in range(self.workers) if rank != self.rank]
        for rank in others:
            sockets.post(_as_it_lies(mine), rank)
        for rank in others:
            sockets.receive(_as_it_lies(every[rank]), rank)
        sockets.flush()
        return [one.to(values.device) for one in every]

    def _given(self, cut: Cut, values: Tensor) -> Tensor:
        """Return the values of a layer's owner, of any shape."""
        device = self.sockets.device
        shape = self.team.broadcast(torch.tensor(values.shape, device=device), cut.owner)
        sent = values.detach().to(device, torch.float32, copy=True).reshape(-1)
        return self.team.broadcast(sent, cut.owner).view(shape.tolist()).to(values.device)


def _same(values: Tensor) -> Tensor:
    return values.view_as(values)


def _nothing_for(shape: torch.Size, gradient: Tensor) -> Tensor:
    return gradient.new_zeros(shape)


def _as_it_lies(values: Tensor) -> Tensor:
    """Return a view of values whose dimensions have the order that they have in memory."""
    return values.permute(0, 2, 3, 1) if values.dim() == 4 else values


def _computed(layer: nn.Module, values: Tensor) -> Tensor:
    """Return what a layer, or this worker's slice of it, makes of values."""
    result: Tensor
    if type(layer) is nn.Linear:
        result = functional.linear(values, layer.weight, _bias_of(layer))
    elif isinstance(layer, _CONVOLUTIONS) and type(layer) in _CONVOLUTIONS:
        result = layer._conv_forward(values, layer.weight, _bias_of(layer))
    else:
        result = type(layer).forward(layer, values)
    return result


def _bias_of(layer: nn.Module) -> Tensor | None:
    """Return a layer's bias; None where it has none, or it is another worker's."""
    bias = layer._parameters["bias"]
    return bias if bias is not None and bias.numel() else None


@dataclass
class _Seen:
    """What a layer was given and gave in a trial run: numbers an image, dimensions; or why not."""

    inputs: int = 0
    outputs: int = 0
    dimensions: int = 0
    learns: bool = False  # whether a gradient of its input is asked for
    problem: str = "is used otherwise than by calling it"


def cuts_of(job: Job, workers: int) -> dict[str, Cut]:
    """Return how the layers of a network are shared, by their names; the same in all workers.

    Raises:
        ConfigError: where nothing can be cut, or a layer is used in a way that does not allow it.
    """
    where = f"--parallel tensor: the network {job.recipe.network.name}"
    layers = dict(_layers("", job.network))
    if "" in layers:
        raise ConfigError(
            f"{where} has parameters of its own, outside of any layer, and nothing says how to cut "
            "them; put them into layers, or train it with --parallel data"
        )
    cuts: dict[str, Cut] = {}
    load = [0] * workers  # numbers that are not cut
    for name, seen in _trial(job, layers).items():
        layer = layers[name]
        if seen.problem:
            raise ConfigError(
                f"{where}: its layer {name} {seen.problem}, and only a layer that makes one tensor "
                "of one can be cut; train it with --parallel data"
            )
        cuts[name] = _cut(layer, seen, workers, load.index(min(load)))
        if cuts[name].by == "owner":
            load[cuts[name].owner] += sum(parameter.numel() for parameter in layer.parameters())
    if all(cut.by == "owner" for cut in cuts.values()):
        raise ConfigError(
            f"{where} has no layer that {workers} workers can share: linear layers, convolutions "
            "and BatchNorm can be cut, of that many inputs or outputs; train it with --parallel "
            "data"
        )
    return cuts


def _cut(layer: nn.Module, seen: _Seen, workers: int, owner: int) -> Cut:
    """Return how a layer is shared; `owner` has it where it cannot be cut."""
    if type(layer) in _BATCH_NORMS:
        assert isinstance(layer, _BATCH_NORMS)
        costs = {("channels", layer.num_features): 0.0}
    elif type(layer) is nn.Linear or (type(layer) in _CONVOLUTIONS and layer.groups == 1):
        assert isinstance(layer, (nn.Linear, *_CONVOLUTIONS))
        back = seen.inputs if seen.learns else 0
        outputs, inputs = layer.weight.shape[:2]
        costs = {
            ("outputs", outputs): seen.outputs / workers + back,
            ("inputs", inputs): seen.outputs + back / workers,
        }
        if not isinstance(layer, nn.Linear) and seen.dimensions != layer.weight.dim():
            costs = {}
    else:
        costs = {}
    costs = {key: cost for key, cost in costs.items() if key[1] >= workers}
    if not costs:
        return Cut(layer, "owner", owner=owner)
    by, size = min(costs, key=costs.__getitem__)
    return Cut(layer, by, tuple(rank * size // workers for rank in range(workers + 1)))


def _layers(name: str, layer: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the outermost layers that have parameters or buffers of their own."""
    own = (*layer._parameters.values(), *layer._buffers.values())
    if any(tensor is not None for tensor in own):
        yield name, layer
        return
    for key, inner in layer.named_children():
        yield from _layers(f"{name}.{key}" if name else key, inner)


def _trial(job: Job, layers: dict[str, nn.Module]) -> dict[str, _Seen]:
    """Run an image through the network, in evaluation mode; return what its layers saw."""
    every = {name: _Seen() for name in layers}

    def look(seen: _Seen, layer: nn.Module, given: tuple[Any, ...], gave: Any) -> None:
        del layer
        if len(given) != 1 or not all(isinstance(one, Tensor) for one in (*given, gave)):
            seen.problem = "takes or gives something else than a tensor"
            return
        seen.problem = ""
        seen.inputs += given[0].numel()
        seen.outputs += gave.numel()
        seen.dimensions = given[0].dim()
        seen.learns |= given[0].requires_grad

    hooks = [
        layer.register_forward_hook(partial(look, every[name])) for name, layer in layers.items()
    ]
    try:
        with evaluation_mode(job.network):
            job.network(torch.zeros(1, 1, 28, 28, device=job.device))
    finally:
        for hook in hooks:
            hook.remove()
    for name, layer in layers.items():
        if any(inner._forward_pre_hooks for inner in layer.modules()):
            every[name].problem = "has a hook that runs before it"
    return every
