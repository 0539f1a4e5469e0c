"""Pipeline parallel: each worker has a stage of the network, a run of its layers.

The shards of a batch are its micro-batches. A stage takes each from the stage before, and passes it
on; gradients come back the other way (GPipe, Huang et al., 2019). With `1f1b` a stage goes back as
soon as it can, and so keeps fewer micro-batches in memory (PipeDream, Narayanan et al., 2019). The
arithmetic of a micro-batch is that of a shard of one process, and gradients are added in the same
tree, so the bits are those of one process.

    gpipe, 2 stages      F0 F1 F2 F3 B0 B1 B2 B3          1f1b      F0 F1 B0 F2 B1 F3 B2 B3
                            F0 F1 F2 F3 B0 B1 B2 B3                    F0 B0 F1 B1 F2 B2 F3 B3
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from digitlab.branches import is_list
from digitlab.data.batches import WHOLE, Batch
from digitlab.data.dataset import Images
from digitlab.errors import ConfigError
from digitlab.parallel.cutting import cut_evenly
from digitlab.parallel.parts import InParts
from digitlab.parallel.passing import pass_on, take
from digitlab.parallel.shards import (
    ShardGradient,
    as_vector,
    evaluation_mode,
    evaluation_rows,
    in_precision,
    network_input,
    weighted,
)
from digitlab.parallel.strategy import Job, Part
from digitlab.parallel.team import Team
from digitlab.parallel.tree import Node, fold, root
from digitlab.wording import counted

_NEVER = 2**60  # numbers that are sent where no tensor is


@dataclass
class _Passing:
    """A micro-batch between its way forward and its way back: what came in, and what went out."""

    before: Tensor
    after: Tensor
    loss: float = 0.0
    correct: int = 0
    buffers: tuple[Tensor, ...] = ()


class Pipeline(InParts):
    """The strategy of one stage."""

    def __init__(self, job: Job, team: Team) -> None:
        """Cut the network.

        Raises:
            ConfigError: where it is no list of layers, or has too few, or --cut does not fit.
        """
        super().__init__(job, team)
        self.stage, self.stages = team.seat.slot, team.seat.workers
        layers = layers_of(job)
        begins = _begins(job, layers, self.stages, tuple(team.seat.plan.cut))
        first, last = ((0, *begins)[self.stage], (*begins, len(layers))[self.stage])
        self.layers = layers[first:last]
        named = {
            id(tensor): name
            for source in (job.network.named_parameters(), job.network.named_buffers())
            for name, tensor in source
        }
        self._part = {
            named[id(tensor)]: ()
            for layer in self.layers
            for tensor in (*layer.parameters(), *layer.buffers())
        }

    @property
    def part(self) -> Part:
        """What this stage owns: all that its layers have."""
        return self._part

    @property
    def is_last(self) -> bool:
        """Whether this stage ends in the loss."""
        return self.stage == self.stages - 1

    def _gradient(self, batch: Batch) -> ShardGradient:
        """Bring all micro-batches forward and back; see `InParts._gradient`."""
        images, truths = self._begin(batch)
        leaves = len(truths)
        passing: dict[int, _Passing] = {}
        parts: dict[Node, ShardGradient] = {}
        steps = SCHEDULES[self.team.seat.plan.pipeline_schedule]
        for forward, number in steps(self.stage, self.stages, leaves):
            if forward:
                seen = images[number] if images else None
                passing[number] = self._forward(seen, truths[number], len(batch.samples))
            else:
                parts[0, number] = self._backward(passing.pop(number))
                parts = fold(parts, leaves, ShardGradient.__add__)
        self.sockets.flush()
        return parts[root(leaves)]

    def _begin(self, batch: Batch) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Return, where they are needed, the images of each micro-batch, and their labels.

        The first stage makes the pictures, and tells the last their labels; the pictures, too,
        where the objective looks at them.
        """
        sockets, labels = self.sockets, torch.empty(len(batch.samples), dtype=torch.int64)
        sizes = [len(samples) for samples in batch.part(WHOLE).values()]
        images: Sequence[Tensor] = []
        if self.stage == 0:
            inputs = self.pool.inputs(batch)
            images = [shard.images for shard in inputs]
            labels = torch.cat([shard.labels for shard in inputs]).to(sockets.device)
            sockets.post(labels, self.stages - 1)
            if self.job.objective.looks_at_images:
                self._post(torch.cat(images), self.stages - 1)
        elif self.is_last:
            sockets.receive(labels, 0)
            if self.job.objective.looks_at_images:
                pictures = self._receive(0)
                assert pictures is not None
                images = torch.split(pictures, sizes)
        return images, torch.split(labels.to(self.job.device), sizes)

    def _forward(self, images: Tensor | None, truths: Tensor, size: int) -> _Passing:
        """Take a micro-batch through this stage; of a batch of `size` samples."""
        before = self._receive(self.stage - 1) if self.stage else images
        assert before is not None
        kept = self._fresh_buffers()
        # A copy, as what a layer changes in place must not be what a gradient is asked for.
        start = before.clone() if before.requires_grad else before
        with in_precision(self.job):
            after = self._through(start)
        passing = _Passing(before, after)
        buffers = (buffer for layer in _each_once(self.layers) for buffer in layer.buffers())
        passing.buffers = weighted(buffers, len(truths) / size)
        for layer, name, buffer in kept:
            layer._buffers[name] = buffer
        if self.is_last:
            output = after.float()
            seen = output.new_empty(0) if images is None else images  # then it does not look
            passing.after = self.job.objective.loss(output, truths, seen) / size
            passing.loss = float(passing.after.detach())
            passing.correct = int((self.job.objective.answers(output.detach()) == truths).sum())
        else:
            self._post(after, self.stage + 1)
        return passing

    def _backward(self, passing: _Passing) -> ShardGradient:
        """Take the gradient of a micro-batch back through this stage."""
        parameters, after = self.owned, passing.after
        asked = [*parameters, *([passing.before] if passing.before.requires_grad else [])]
        gradients: tuple[Tensor | None, ...] = (None,) * len(asked)
        if after.requires_grad:
            given = None if self.is_last else self._receive(self.stage + 1)
            if asked and (self.is_last or given is not None):
                gradients = torch.autograd.grad(after, asked, given, allow_unused=True)
        if passing.before.requires_grad:
            self._post(gradients[-1], self.stage - 1)
        vector = as_vector(parameters, gradients[: len(parameters)], self.job.device)
        return ShardGradient(vector, passing.loss, passing.correct, passing.buffers)

    def _outputs(self, images: Images, after: Callable[[int], None] | None) -> Tensor:
        """Bring images forward, a batch of evaluation after the other; see `InParts._outputs`."""
        outputs = torch.zeros(len(images), self.job.objective.outputs)
        for rows in evaluation_rows(len(images), after):
            if self.stage == 0:
                before: Tensor | None = network_input(images[rows], self.job.device)
            else:
                before = self._receive(self.stage - 1)
            assert before is not None
            output = self._through(before)
            if self.is_last:
                outputs[rows] = output.float().cpu()
            else:
                self._post(output, self.stage + 1)
                self.sockets.flush()  # so that no stage runs far ahead of the next
        return self.team.broadcast(outputs.reshape(-1), self.stages - 1).view(outputs.shape)

    def _through(self, values: Tensor) -> Tensor:
        for layer in self.layers:
            values = layer(values)
        return values

    def _fresh_buffers(self) -> list[tuple[nn.Module, str, Tensor]]:
        """Give each layer copies of its buffers; return the old ones.

        Every micro-batch begins with the same, and what its way back needs stays as it left it.
        """
        kept = [
            (layer, name, buffer)
            for top in _each_once(self.layers)
            for layer in top.modules()
            for name, buffer in layer.named_buffers(recurse=False)
        ]
        for layer, name, buffer in kept:
            layer._buffers[name] = buffer.clone()
        return kept

    def _post(self, tensor: Tensor | None, stage: int) -> None:
        pass_on(self.sockets, tensor, stage)

    def _receive(self, stage: int) -> Tensor | None:
        return take(self.sockets, stage, self.job.device)


def gpipe(stage: int, stages: int, count: int) -> Iterator[tuple[bool, int]]:
    """Yield what a stage does, (forward, micro-batch): all go forward, then all back."""
    del stage, stages
    yield from ((True, number) for number in range(count))
    yield from ((False, number) for number in range(count))


def one_forward_one_back(stage: int, stages: int, count: int) -> Iterator[tuple[bool, int]]:
    """Yield what a stage does: forward until the last stage has begun, then back by turns."""
    ahead = min(stages - 1 - stage, count)
    yield from ((True, number) for number in range(ahead))
    for number in range(count):
        if number + ahead < count:
            yield True, number + ahead
        yield False, number


SCHEDULES = {"gpipe": gpipe, "1f1b": one_forward_one_back}


def layers_of(job: Job) -> list[nn.Module]:
    """Return the layers of a network that is a list of them; lists within are part of it.

    Raises:
        ConfigError: where it is none.
    """
    if not _is_list(job.network):
        raise ConfigError(
            f"--parallel pipeline: the network {job.recipe.network.name} is no list of layers, so "
            "nothing says where it can be cut; make it an nn.Sequential whose forward is left as "
            "it is, or train it with --parallel data"
        )
    return list(_flat(job.network))


def _is_list(layer: nn.Module) -> bool:
    hooks = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks)
    return is_list(layer) and not any(hooks)


def _flat(layer: nn.Module) -> Iterator[nn.Module]:
    if not _is_list(layer):
        yield layer
        return
    for inner in layer._modules.values():  # children() leaves out one that comes again
        assert inner is not None
        yield from _flat(inner)


def _begins(
    job: Job, layers: Sequence[nn.Module], stages: int, cut: Sequence[int]
) -> tuple[int, ...]:
    """Return the layers with which the stages after the first begin."""
    count = len(layers)
    if stages > count:
        raise ConfigError(
            f"--parallel pipeline: {stages} workers are more than the {counted(count, 'layer')} of "
            f"the network {job.recipe.network.name}; give --workers {count} or fewer"
        )
    if cut and cut[-1] >= count:
        raise ConfigError(
            f"--cut {','.join(map(str, cut))}: the network {job.recipe.network.name} has "
            f"{counted(count, 'layer')}; give numbers from 1 to {count - 1}"
        )
    given = _given(job.network, layers, job.device)
    if not cut:
        parameters = [sum(p.numel() for p in layer.parameters()) for layer in layers]
        sizes = [one.numel() if isinstance(one, Tensor) else _NEVER for one in given]
        cut = cut_evenly(parameters, sizes, stages)
    for begin in cut:
        if not isinstance(given[begin - 1], Tensor):
            raise ConfigError(
                f"--parallel pipeline: layer {begin - 1} of the network "
                f"{job.recipe.network.name} gives {type(given[begin - 1]).__name__}, and only a "
                "tensor passes from stage to stage; cut elsewhere by --cut"
            )
    return tuple(cut)


def _given(network: nn.Module, layers: Sequence[nn.Module], device: torch.device) -> list[Any]:
    """Return what each layer gives for one image, in evaluation mode."""
    values: Any = torch.zeros(1, 1, 28, 28, device=device)
    given = []
    with evaluation_mode(network), torch.no_grad():
        for layer in layers:
            values = layer(values)
            given.append(values)
    return given


def _each_once(layers: Sequence[nn.Module]) -> list[nn.Module]:
    return list(dict.fromkeys(layers))
