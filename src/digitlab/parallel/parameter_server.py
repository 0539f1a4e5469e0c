"""A parameter server: some processes own the parameters, the others compute gradients.

The parameters are dealt among the servers, and with them the optimizer's state and the moving
average (Li et al., 2014). In each step

    a worker    pulls the weights from every server, computes its shards of the batch, adds those
                that are neighbours in the tree, and pushes to each server its numbers of the sums
    a server    adds what all workers pushed in the order of the tree, and takes the step

A server waits for all workers, and what it adds is what one process adds: the bits are those of one
process, with any number of servers and workers. `stale.py` does not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from digitlab.data.batches import Batch, Share
from digitlab.data.dataset import Images
from digitlab.errors import ConfigError
from digitlab.parallel.parts import InParts
from digitlab.parallel.shards import ShardGradient, joined, rows_of_share
from digitlab.parallel.strategy import BatchGradient, Index, Job, Part, Run, Wish
from digitlab.parallel.team import Team
from digitlab.parallel.tree import Node, fold, left_of, root


class ParameterServer(InParts):
    """The strategy of one worker, or of one server."""

    def __init__(self, job: Job, team: Team) -> None:
        """Deal the parameters.

        Raises:
            ConfigError: where there are too few for so many servers.
        """
        super().__init__(job, team)
        seat, network = team.seat, job.network
        self.servers = seat.servers
        self.workers = tuple(slot for slot in range(seat.workers) if slot not in self.servers)
        self.serves = seat.slot in self.servers
        # The first server has all buffers: they are few, and it hears of every shard.
        self._buffers = {name: buffer.shape for name, buffer in network.named_buffers()}
        named = dict(network.named_parameters())
        self._shapes = {name: p.shape for name, p in named.items() if p.requires_grad}
        self.ranges = cut_rows(list(self._shapes.values()), len(self.servers))
        if any(not one for one in self.ranges):
            raise ConfigError(
                f"--servers: {len(self.servers)} servers are more than the rows of parameters of "
                f"the network {job.recipe.network.name}; give fewer"
            )
        self._part: Part = {name: () for name in named if name not in self._shapes}  # frozen
        if self.serves:
            place = self.servers.index(seat.slot)
            buffers = dict.fromkeys(self._buffers, ()) if place == 0 else {}
            self._part = {**part_of(self._shapes, self.ranges[place]), **buffers}
        self.weights = torch.empty(0)

    def check_network(self) -> None:
        """Refuse nothing: each worker computes with the whole network."""

    @property
    def part(self) -> Part:
        """What is owned: by a server its numbers, by a worker only what never changes."""
        return self._part

    @property
    def share(self) -> Share:
        """This worker's share of the shards."""
        return Share(self.workers.index(self.team.seat.slot), len(self.workers))

    def begin(self, run: Run) -> None:
        """Enter the team, and make room for what a worker pulls; see `Strategy.begin`."""
        super().begin(run)
        if self.serves:
            return
        shapes = self._shapes.values()
        self.weights = torch.empty(sum(shape.numel() for shape in shapes), device=self.job.device)
        views = torch.split(self.weights, [shape.numel() for shape in shapes])
        for parameter, shape, view in zip(self.job.parameters, shapes, views, strict=True):
            parameter.data = view.view(shape)
        for name, buffer in self.job.network.named_buffers():
            buffer.data = buffer.new_empty(self._buffers[name])

    def gradient(self, batch: Batch, wish: Wish) -> BatchGradient:
        """Return the gradient of what is owned; see `Strategy.gradient`."""
        gradient = super().gradient(batch, wish)
        return replace(gradient, work=self._work(batch)) if self.team.seat.ledger else gradient

    def give(self, worker: int) -> None:
        """Send a worker the weights, and from the first server the buffers."""
        device, empty = self._device, torch.empty(0, device=self.job.device)
        owned = torch.cat([empty, *(parameter.detach().reshape(-1) for parameter in self.owned)])
        self.sockets.post(owned.to(device), worker)
        if self._has_buffers(self.team.seat.slot):
            for buffer in self.job.network.buffers():
                self.sockets.post(buffer.detach().clone().to(device), worker)

    def take(self, server: int) -> None:
        """Receive what a server gives, into this worker's network."""
        numbers = self.ranges[self.servers.index(server)]
        self._receive(self.weights[numbers.start : numbers.stop], server)
        if self._has_buffers(server):
            for buffer in self.job.network.buffers():
                self._receive(buffer.data, server)

    def push(self, sums: ShardGradient, server: int) -> None:
        """Send a server its numbers of a sum over shards."""
        sockets, device = self.sockets, self._device
        numbers = self.ranges[self.servers.index(server)]
        facts = torch.tensor([sums.loss, sums.correct], dtype=torch.float64, device=device)
        sockets.post(facts, server)
        sockets.post(sums.vector[numbers.start : numbers.stop].to(device), server)
        if self._has_buffers(server):
            for buffer in sums.buffers:
                sockets.post(buffer.to(device), server)

    def pushed(self, worker: int) -> ShardGradient:
        """Return what a worker pushes."""
        sockets, slot = self.sockets, self.team.seat.slot
        facts = torch.empty(2, dtype=torch.float64, device=self._device)
        sockets.receive(facts, worker)
        vector = torch.empty(len(self.ranges[self.servers.index(slot)]), device=self.job.device)
        self._receive(vector, worker)
        kinds = self.job.network.buffers() if self._has_buffers(slot) else ()
        buffers = tuple(torch.empty_like(kind) for kind in kinds)
        for buffer in buffers:
            self._receive(buffer, worker)
        loss, correct = facts.tolist()
        return ShardGradient(vector, loss, int(correct), buffers)

    def _gradient(self, batch: Batch) -> ShardGradient:
        """Return the sum over all shards in a server, nothing in a worker."""
        leaves = len(batch.filled)
        if not self.serves:
            for server in self.servers:
                self.take(server)
            sums = fold(self.pool.parts(batch, self.share), leaves, ShardGradient.__add__)
            for node in sorted(sums):
                for server in self.servers:
                    self.push(sums[node], server)
            self.pool.prepare_after(batch, self.share)
            self.sockets.flush()
            return ShardGradient(self.weights[:0], 0.0, 0, ())
        for worker in self.workers:
            self.give(worker)
        parts: dict[Node, ShardGradient] = {}
        for place, worker in enumerate(self.workers):
            for node in left_of(Share(place, len(self.workers)), leaves):
                parts[node] = self.pushed(worker)
        self.sockets.flush()
        total = fold(parts, leaves, ShardGradient.__add__)[root(leaves)]
        is_first = self.team.seat.slot == self.servers[0]
        return total if is_first else replace(total, loss=0.0, correct=0)

    def _outputs(self, images: Images, after: Callable[[int], None] | None) -> Tensor:
        """Have the workers share the images; see `InParts._outputs`."""
        if self.serves:
            for worker in self.workers:
                self.give(worker)
            rows = rows_of_share(len(images), len(self.workers))
            mine = torch.zeros(rows, self.job.objective.outputs)
        else:
            for server in self.servers:
                self.take(server)
            mine = self.pool.outputs_of_share(images, self.share)
        self.sockets.flush()
        every = self.team.gather(mine.to(self._device)).cpu()
        if after:
            after(len(images))
        return joined([every[worker] for worker in self.workers], len(images))

    def _work(self, batch: Batch) -> Mapping[str, Mapping[int, Sequence[int]]]:
        """Return which worker computed which samples of which shard."""
        size = len(self.workers)
        return {
            str(worker): {
                number: samples.tolist()
                for number, samples in batch.part(Share(place, size)).items()
            }
            for place, worker in enumerate(self.workers)
        }

    def _receive(self, into: Tensor, rank: int) -> None:
        """Fill a contiguous tensor of any device."""
        room = into.to(self._device)
        self.sockets.receive(room, rank)
        if room is not into:
            into.copy_(room)

    def _has_buffers(self, server: int) -> bool:
        return server == self.servers[0]


def cut_rows(shapes: Sequence[torch.Size], servers: int) -> list[range]:
    """Cut a vector of parameters into ranges that are alike, each of whole rows of tensors.

    Args:
        shapes: of the parameters, in the vector's order.
        servers: into how many ranges; some are empty where there are fewer rows.
    """
    borders = [0]
    for shape in shapes:
        rows = shape[0] if shape else 1
        row = shape.numel() // rows if rows else 0
        begin = borders[-1]
        borders += [begin + (number + 1) * row for number in range(rows)]
    size = borders[-1]
    cuts = [min(borders, key=lambda at: abs(at * servers - k * size)) for k in range(servers + 1)]
    return [range(begin, end) for begin, end in pairwise(cuts)]


def part_of(shapes: Mapping[str, torch.Size], numbers: range) -> Part:
    """Return the rows of which parameters a range of the vector is."""
    part: dict[str, Index] = {}
    begin = 0
    for name, shape in shapes.items():
        end = begin + shape.numel()
        first, last = max(begin, numbers.start), min(end, numbers.stop)
        if (first, last) == (begin, end):
            part[name] = ()
        elif first < last:
            row = shape.numel() // shape[0]
            part[name] = (slice((first - begin) // row, (last - begin) // row),)
        begin = end
    return part
