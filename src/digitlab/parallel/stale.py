"""A parameter server that does not wait: stale synchronous parallel (Ho et al., 2013).

Each worker's part of a batch is a step of the rule by itself: by the mean over the part's samples,
at the learning rate divided by the number of workers. A server takes it as it comes. So a worker
computes with weights that lack what others are about to push; but it gets none for a step that is
more than `--staleness` steps ahead of the slowest worker's. For each step

    a worker    asks every server for weights, waits until it gets them, computes, and pushes
    a server    answers who is not too far ahead, and takes the pushes in the order in which they
                come, until all of this step are there; some of later steps are then there, too

All rest after a step where somebody wished for it, at the end of an epoch, and at the end: no
worker begins the next before every server has taken all pushes. There checkpoints are written. For
which step a wish is granted is for the first server to say: the next of which nobody has weights.
A wish of another server reaches it by a worker.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from digitlab.data.batches import Batch
from digitlab.errors import ConfigError
from digitlab.parallel.parameter_server import ParameterServer
from digitlab.parallel.shards import ShardGradient
from digitlab.parallel.strategy import BatchGradient, Job, Push, Run, Wish, all_finite
from digitlab.parallel.team import Team

_NO_WISH = Wish()


class Stale(ParameterServer):
    """The strategy of one worker, or of one server."""

    def __init__(self, job: Job, team: Team) -> None:
        """Deal the parameters.

        Raises:
            ConfigError: where the network has buffers, or there are too few rows.
        """
        super().__init__(job, team)
        if any(True for _ in job.network.buffers()):
            raise ConfigError(
                f"--staleness: the network {job.recipe.network.name} has buffers (BatchNorm), "
                "which only --staleness 0 keeps in order; leave it out"
            )
        self._bound = team.seat.plan.staleness
        self._leader = self.workers[0]
        self._taken = 0  # steps of the rule, as far as the worker that leads has heard
        # In a server, by worker: the step that it pushes next; the step that it asks weights for;
        # and, when it got its last, how many steps of the rule were taken, and how far it was
        # ahead.
        self._next: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._read: dict[int, tuple[int, int]] = {}
        self._resting: set[int] = set()
        self._answered = -1  # the last step for which anybody got weights
        self._granted: dict[int, Wish] = {}  # by step
        self._seen: dict[int, tuple[float, int]] = {}  # loss and hits of what was pushed, by step
        self._rest_after: int | None = None  # for which the first server granted a wish
        self._passed_on = _NO_WISH  # in another server, its own; in a worker, what one told it
        self._log: list[Push] = []  # of which the worker that leads has not heard

    def begin(self, run: Run) -> None:
        """Enter the team; see `Strategy.begin`."""
        super().begin(run)
        self._taken = run.taken()

    def gradient(self, batch: Batch, wish: Wish) -> BatchGradient:
        """Have a worker push its part; have a server take all parts; see `Strategy.gradient`."""
        step = self._serve if self.serves else self._compute
        return self.team.all_or_none(lambda: step(batch, wish))

    # A worker

    def _compute(self, batch: Batch, wish: Wish) -> BatchGradient:
        pushes: list[Push] = []
        for server in self.servers:
            self._say(server, batch.step, wish.stop or self._passed_on.stop, int(wish.save))
        granted = _NO_WISH
        for server in self.servers:
            stop, save = self._hear(server, 2)
            if server == self.servers[0]:  # it alone decides
                granted = Wish(stop, bool(save))
            elif stop:
                self._passed_on = Wish(stop)
            self._hear_log(server, pushes)
            self.take(server)
        mean, size = self._mean(batch)
        is_taken = size > 0 and all_finite(mean.vector) and abs(mean.loss) < float("inf")
        for server in self.servers:
            self._say(server, int(is_taken), granted.stop, int(granted.save))
            if is_taken:
                self.push(mean, server)
        self.pool.prepare_after(batch, self.share)
        self.sockets.flush()
        if self._rests(batch.step, granted):
            for server in self.servers:
                self._hear_log(server, pushes)
        return BatchGradient(
            vector=mean.vector[:0],
            loss=mean.loss * len(batch.samples) / max(1, size),
            correct=mean.correct,
            granted=granted,
            work=self._work(batch) if self.team.seat.ledger else {},
            finite=is_taken or not size,
            samples=size,
            taken=self._taken,
            pushes=pushes,
        )

    def _mean(self, batch: Batch) -> tuple[ShardGradient, int]:
        """Return the mean gradient over this worker's samples, and how many they are.

        Its loss is, as that of a shard, part of the batch's mean.
        """
        size = sum(map(len, batch.part(self.share).values()))
        nothing = ShardGradient(torch.zeros_like(self.weights), 0.0, 0, ())
        total = reduce(ShardGradient.__add__, self.pool.parts(batch, self.share).values(), nothing)
        return replace(total, vector=total.vector * (len(batch.samples) / max(1, size))), size

    def _hear_log(self, server: int, pushes: list[Push]) -> None:
        """Hear, in the worker that writes, what a server took since it told of it last."""
        if self.team.seat.slot != self._leader:
            return
        self._taken, count = self._hear(server, 2)
        numbers = self._hear(server, count * len(Push._fields))
        width = len(Push._fields)
        pushes += [Push(*numbers[at : at + width]) for at in range(0, len(numbers), width)]

    # A server

    def _serve(self, batch: Batch, wish: Wish) -> BatchGradient:
        step = batch.step
        if not self._next:
            self._next = dict.fromkeys(self.workers, step)
        if self.team.seat.slot == self.servers[0]:
            self._consider(wish)
        else:
            self._passed_on = wish
        while min(self._next.values()) <= step:
            for worker in self.sockets.ready([*self._busy()]):
                self._hear_from(worker)
            self._answer()
        granted = self._granted.pop(step, _NO_WISH)
        if self._rests(step, granted):
            self._resting.clear()
            self._tell_log(self._leader)
            self.sockets.flush()
        if step == self._rest_after:
            self._rest_after = None
        return BatchGradient(
            torch.empty(0),
            *self._seen.pop(step, (0.0, 0)),
            granted=granted,
            finite=True,
            taken=self._run.taken(),
        )

    def _busy(self) -> set[int]:
        """Return the workers of which something is to come before others have come further."""
        return {*self.workers} - self._waiting.keys() - self._resting

    def _hear_from(self, worker: int) -> None:
        """Take a worker's request for weights, or its push for which it got them last."""
        first, stop, save = self._hear(worker, 3)
        wish = Wish(stop, bool(save))
        if worker not in self._read:
            self._waiting[worker] = first
            self._consider(wish)
            return
        step = self._next[worker]
        read, ahead = self._read.pop(worker)
        if first:
            pushed = self.pushed(worker)
            self._run.move(pushed.vector, step, len(self.workers))
            loss, correct = self._seen.get(step, (0.0, 0))
            self._seen[step] = loss + pushed.loss, correct + pushed.correct
            if self.team.seat.ledger:
                taken, slot = self._run.taken(), self.team.seat.slot
                self._log.append(Push(slot, worker, step + 1, read, taken, ahead))
        self._granted[step] = wish
        self._next[worker] += 1
        if self._rests(step, wish):
            self._resting.add(worker)

    def _consider(self, wish: Wish) -> None:
        """Grant a wish, where none is on its way, for the next step of which nobody has weights."""
        is_first = self.team.seat.slot == self.servers[0]
        if is_first and wish != _NO_WISH and self._rest_after is None:
            self._rest_after = max(self._answered + 1, *self._next.values())
            self._granted[self._rest_after] = wish

    def _answer(self) -> None:
        """Give weights to those who wait and are not too far ahead."""
        slowest = min(self._next.values())
        for worker, step in list(self._waiting.items()):
            if step - slowest > self._bound:
                continue
            del self._waiting[worker]
            self._answered = max(self._answered, step)
            self._read[worker] = self._run.taken(), step - slowest
            said = self._granted[step] if step == self._rest_after else self._passed_on
            self._say(worker, said.stop, int(said.save))
            self._tell_log(worker)
            self.give(worker)

    def _tell_log(self, worker: int) -> None:
        if worker == self._leader:
            self._say(worker, self._run.taken(), len(self._log))
            self._say(worker, *(number for push in self._log for number in push))
            self._log = []

    # Both

    def _rests(self, step: int, granted: Wish) -> bool:
        """Whether all rest after a step."""
        return granted != _NO_WISH or self.job.batches.ends_epoch(step)

    def _say(self, rank: int, *numbers: int) -> None:
        self.sockets.post(torch.tensor(numbers, dtype=torch.int64), rank)

    def _hear(self, rank: int, count: int) -> list[int]:
        said: Tensor = torch.empty(count, dtype=torch.int64)
        self.sockets.receive(said, rank)
        return said.tolist()
