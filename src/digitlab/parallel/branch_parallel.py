"""Branch parallel: each worker has parts of the network that do not need each other.

One worker has, besides its branches, the trunk: all that the branches share. It hands each shard to
the others where branches begin, computes its own meanwhile, and joins what comes back; gradients go
the same way (Krizhevsky, Sutskever and Hinton, 2012, trained two columns so).

    trunk        shared ── own branch ── join ── loss ── own branch back ── sum ── shared back
                      └──►              ▲             └──►              ▲
    another worker       its branch ────┘                its branch back ┘

What passes lies in memory as in one process, and is added in the same order, so the bits are those
of one process whose shards go through the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from digitlab.branches import Branches, Stage, stages, without_gaps
from digitlab.data.batches import WHOLE, Batch
from digitlab.data.dataset import Images
from digitlab.errors import ConfigError
from digitlab.parallel.parts import InParts, asking_for
from digitlab.parallel.passing import both_ways, pass_on, take
from digitlab.parallel.shards import (
    ShardGradient,
    as_vector,
    evaluation_mode,
    evaluation_rows,
    gradient_of_seeded_shard,
    in_precision,
    network_input,
    put_back,
    weighted,
)
from digitlab.parallel.strategy import Job, Part
from digitlab.parallel.team import Team
from digitlab.parallel.tree import Node, fold, root


class BranchParallel(InParts):
    """The strategy of one worker that has branches."""

    def __init__(self, job: Job, team: Team) -> None:
        """Deal the branches out.

        Raises:
            ConfigError: where the network has none, or too few.
        """
        super().__init__(job, team)
        self.rank = team.seat.slot
        self.points = points_of(job)
        self.owners, self.trunk = dealt_out(job, self.points, team.seat.workers)
        self.mine = [number for number, owner in enumerate(self.owners) if owner == self.rank]
        named = (*job.network.named_parameters(), *job.network.named_buffers())
        self._part = {name: () for name, _ in named if self._owner_of(name) == self.rank}
        # On it depends whatever another worker learns, so that its gradient is asked for.
        self._anchor = torch.zeros(0, device=job.device, requires_grad=True)
        self._own = asking_for(job, (*self.owned, self._anchor))

    @property
    def part(self) -> Part:
        """What this worker owns: all tensors of its branches, and perhaps of the trunk."""
        return self._part

    def _owner_of(self, name: str) -> int:
        for stage, _ in self.points:
            for number, owner in enumerate(self.owners):
                if name.startswith(f"{stage.name}.parts.{number}."):
                    return owner
        return self.trunk

    def _gradient(self, batch: Batch) -> ShardGradient:
        """Take one shard after the other through trunk and branches; see `InParts._gradient`."""
        leaves, parts = len(batch.filled), dict[Node, ShardGradient]()
        if self.rank == self.trunk:
            with self._with_the_others():
                for place, shard in enumerate(self.pool.inputs(batch)):
                    parts[0, place] = gradient_of_seeded_shard(self._own, batch, shard)
                    self.sockets.flush()
        else:
            for place, samples in enumerate(batch.part(WHOLE).values()):
                parts[0, place] = self._branches_of_shard(len(samples) / len(batch.samples))
                self.sockets.flush()
        total = fold(parts, leaves, ShardGradient.__add__)[root(leaves)]
        return self.own_share(total, knows=self.rank == self.trunk)

    def _outputs(self, images: Images, after: Callable[[int], None] | None) -> Tensor:
        """Take one batch after the other through trunk and branches; see `InParts._outputs`."""
        outputs = torch.zeros(len(images), self.job.objective.outputs)
        with self._with_the_others():
            for rows in evaluation_rows(len(images), after):
                if self.rank == self.trunk:
                    inputs = network_input(images[rows], self.job.device)
                    outputs[rows] = self.job.network(inputs).float().cpu()
                else:
                    self._branches_forward()
                self.sockets.flush()
        return self.team.broadcast(outputs.reshape(-1), self.trunk).view(outputs.shape)

    # What a worker without the trunk does

    def _branches_of_shard(self, weight: float) -> ShardGradient:
        """Bring a shard, of that weight in its batch, forward and back through own branches."""
        before = [buffer.clone() for buffer in self.job.network.buffers()]
        passing = self._branches_forward()
        found: dict[int, Tensor | None] = {}
        for taken, given, part in reversed(passing):
            parameters = [one for one in part.parameters() if one.requires_grad]
            if not parameters and not taken.requires_grad:
                continue
            back = self._take()
            asked = [*parameters, *([taken] if taken.requires_grad else [])]
            gradients: Sequence[Tensor | None] = [None] * len(asked)
            if back is not None and given.requires_grad:
                gradients = torch.autograd.grad(given, asked, back, allow_unused=True)
            if taken.requires_grad:
                pass_on(self.sockets, gradients[-1], self.trunk)
            found.update(zip(map(id, parameters), gradients, strict=False))
        learned = [found.get(id(parameter)) for parameter in self.owned]
        vector = as_vector(self.owned, learned, self.job.device)
        after = weighted(self.job.network.buffers(), weight)
        put_back(self.job.network.buffers(), before)
        return ShardGradient(vector, 0.0, 0, after)

    def _branches_forward(self) -> list[tuple[Tensor, Tensor, nn.Module]]:
        """Bring what the trunk hands out through own branches; return what came in and went out."""
        passing = []
        with in_precision(self.job) if self.job.network.training else nullcontext():
            for _, branches in self.points:
                for number in self.mine:
                    taken = self._take()
                    assert taken is not None
                    given = branches.alone(number, taken)
                    pass_on(self.sockets, given, self.trunk)
                    passing.append((taken, given, branches.parts[number]))
        return passing

    def _take(self) -> Tensor | None:
        return take(self.sockets, self.trunk, self.job.device)

    # What the worker with the trunk does

    @contextmanager
    def _with_the_others(self) -> Iterator[None]:
        """Have the others compute their branches."""
        for _, branches in self.points:
            branches.forward = partial(self._through, branches)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for _, branches in self.points:
                del branches.forward

    def _through(self, branches: Branches, features: Tensor) -> Tensor:
        """Hand out what the branches take, compute own ones, and join what all give."""
        given: dict[int, Tensor] = {}
        dealt = branches.deal(features)
        # In this order, so that all compute at the same time, forward and back.
        for number, owner in enumerate(self.owners):
            if owner != self.trunk:
                learns = any(one.requires_grad for one in branches.parts[number].parameters())
                anchor = self._anchor if learns else None
                given[number] = both_ways(
                    dealt[number],
                    anchor,
                    partial(self._hand_out, owner),
                    partial(self._wait, owner),
                )
        for number in self.mine:
            given[number] = branches.alone(number, dealt[number])
        for number, owner in enumerate(self.owners):
            if owner != self.trunk:
                there, back = partial(self._wait, owner), partial(self._hand_out, owner)
                given[number] = both_ways(given[number], None, there, back)
        return branches.join([given[number] for number in range(len(self.owners))])

    def _hand_out(self, owner: int, values: Tensor) -> Tensor:
        """Pass values on; return what stands for them until `_wait` is called.

        The gradient of one output is cut out of that of the join: what lies between is not sent.
        """
        pass_on(self.sockets, without_gaps(values), owner)
        return values.new_empty(0)

    def _wait(self, owner: int, token: Tensor) -> Tensor | None:
        """Return what a worker made of what was handed out to it."""
        del token
        values = take(self.sockets, owner, self.job.device)
        return None if values is None else values.detach()


def points_of(job: Job) -> list[tuple[Stage, Branches]]:
    """Return where the branches of a network begin, in the order of computation.

    Raises:
        ConfigError: where it has none, or a branch does not reach the output.
    """
    where = f"--parallel branches: the network {job.recipe.network.name}"
    try:
        points = [
            (stage, stage.branches) for stage in stages(job.network) if stage.branches is not None
        ]
    except ValueError as error:
        raise ConfigError(f"{where}: {error}; train it with --parallel data") from None
    if not points:
        raise ConfigError(
            f"{where} has no branches, so nothing says which parts do not need each other; make "
            "them a layer of digitlab.branches.Branches, or train it with --parallel data"
        )
    for stage, branches in points:
        leaves = [output.detach().requires_grad_() for output in _trial(job, branches)]
        reached = torch.autograd.grad(branches.join(leaves).sum(), leaves, allow_unused=True)
        for number, gradient in enumerate(reached):
            if gradient is None:
                raise ConfigError(
                    f"{where}: part {number} of {stage.name} is not in what they join to; train it "
                    "with --parallel data"
                )
    return points


def _trial(job: Job, branches: Branches) -> list[Tensor]:
    """Return what each part gives for a black image, in evaluation mode."""
    given: list[Tensor] = []
    hooks = [
        part.register_forward_hook(lambda layer, taken, output: given.append(output))
        for part in branches.parts
    ]
    try:
        with evaluation_mode(job.network), torch.no_grad():
            job.network(torch.zeros(1, 1, 28, 28, device=job.device))
    finally:
        for hook in hooks:
            hook.remove()
    return given


def dealt_out(
    job: Job, points: Sequence[tuple[Stage, Branches]], workers: int
) -> tuple[list[int], int]:
    """Return which worker has which branch, and which has the trunk, by their parameters.

    The largest branch goes first, each to who has least; then the trunk.

    Raises:
        ConfigError: for more workers than branches.
    """
    count = len(points[0][1].parts)
    if workers > count:
        raise ConfigError(
            f"--parallel branches: {workers} workers are more than the {count} branches of the "
            f"network {job.recipe.network.name}; give --workers {count} or fewer"
        )
    sizes = [
        sum(p.numel() for _, branches in points for p in branches.parts[number].parameters())
        for number in range(count)
    ]
    load = [(0, 0, rank) for rank in range(workers)]  # parameters, branches, worker
    owners = [0] * count
    for number in sorted(range(count), key=lambda number: -sizes[number]):
        parameters, branches, rank = min(load)
        owners[number] = rank
        load[rank] = parameters + sizes[number], branches + 1, rank
    return owners, min(load)[2]
