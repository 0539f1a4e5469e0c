"""What the strategies of several workers have in common: everything but the gradient itself.

With its part of a gradient each worker sends what it wishes for: that all stop, that all save, that
somebody be taken in. The largest wins, so all do it after the same step.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from digitlab.data.batches import Batch
from digitlab.data.dataset import Images
from digitlab.parallel.exchange import Exchange
from digitlab.parallel.packing import Packing, packed_numbers, unpacked_numbers
from digitlab.parallel.seat import slot_of
from digitlab.parallel.shards import ShardGradient, ShardPool, joined
from digitlab.parallel.strategy import BatchGradient, Held, Job, Run, Wish, values_of
from digitlab.parallel.team import Team, tensor_of

HEAD = 3 * 8  # bytes of the wishes, as they are sent


@dataclass(frozen=True)
class Result:
    """What all workers know after a step: the largest wishes, the gradient, and who computed what.

    Attributes:
        wishes: the numbers stop, save, take in.
        total: the gradient.
        work: JSON, for the ledger.
    """

    wishes: list[int]
    total: ShardGradient
    work: bytes


class Collective(ABC):
    """One worker's strategy among several; a subclass computes the gradient."""

    def __init__(self, job: Job, team: Team) -> None:
        """Start the pool."""
        self.job, self.team = job, team
        self.pool = ShardPool(job)
        self.packing = Packing.of(job)
        self._together = False  # whether the others evaluate with us
        self._take_in = False
        self._run: Run

    @property
    def leads(self) -> bool:
        """Whether this worker writes."""
        return self.team.leads

    def begin(self, run: Run) -> None:
        """Enter the team; see `Strategy.begin`."""
        self._run = run
        self.team.begin(run, self.connect)
        self._together = True

    def connect(self) -> Exchange:
        """Connect the workers of a round, for what this strategy sends."""
        on_cpu = self.job.device.type == "cpu"
        return self.team.by_sockets() if on_cpu else self.team.by_process_group()

    def gradient(self, batch: Batch, wish: Wish) -> BatchGradient:
        """Return the gradient over all workers' samples; see `Strategy.gradient`."""
        if self._take_in:
            self.team.take_in()
        self.team.wait_for_enough()
        result = self.team.together(lambda: self._result(batch, wish), self._packed, self._unpacked)
        stop, save, take_in = result.wishes
        self._take_in = bool(take_in)
        total, granted, work = result.total, Wish(stop, bool(save)), json.loads(result.work)
        return BatchGradient(total.vector, total.loss, total.correct, total.buffers, granted, work)

    def outputs(self, images: Images, after: Callable[[int], None] | None = None) -> Tensor:
        """Return the outputs, each worker computing a share; see `Strategy.outputs`."""
        if not self._together:
            return self.pool.outputs(images, after)
        result = self.team.together(lambda: self._outputs(images), as_bytes, as_floats)
        if after:
            after(len(images))
        return result.view(len(images), -1)

    def finish(self, action: Callable[[], None]) -> None:
        """Have the worker that leads do it; see `Strategy.finish`."""
        self._together = False
        self.team.finish(action)

    def whole(self) -> dict[str, Tensor]:
        """Return all tensors, which every worker has; see `Strategy.whole`."""
        return values_of(self._run.pieces()) if self.leads else {}

    def held(self) -> list[Held]:
        """Return the same for each worker; see `Strategy.held`."""
        return [self._run.held()] * self.team.share.size

    def memory(self) -> dict[str, Tensor]:
        """Return nothing: all that changes is in the run; asked before each checkpoint."""
        self.team.end_if_dropped()
        return {}

    def remember(self, tensors: Mapping[str, Tensor]) -> None:
        """Take nothing."""
        del tensors

    def close(self) -> None:
        """Stop the pool."""
        self.pool.close()

    @abstractmethod
    def _gradient(self, batch: Batch, wishes: Tensor) -> tuple[Tensor, ShardGradient]:
        """Compute and exchange; return every worker's wishes, uint8 [workers, HEAD], and the sum.

        Raises:
            PeersLostError: where somebody is lost; nothing that counts was changed.
        """

    def _result(self, batch: Batch, wish: Wish) -> Result:
        wishes = [wish.stop, int(wish.save), int(self.team.is_wanted())]
        every, total = self._gradient(batch, packed_numbers(wishes, self.job.device))
        granted = every.contiguous().view(torch.int64).amax(0).tolist()
        return Result(granted, total, self._work(batch) if self.team.seat.ledger else b"{}")

    def _work(self, batch: Batch) -> bytes:
        """Return, as JSON, which samples of which shard each worker says that it computed."""
        mine = {number: part.tolist() for number, part in batch.part(self.team.share).items()}
        every = self.team.gather_bytes(json.dumps(mine).encode())
        work = {
            str(slot_of(member)): json.loads(said)
            for member, said in zip(self.team.round.members, every, strict=True)
        }
        return json.dumps(work).encode()

    def _packed(self, result: Result) -> Tensor:
        """Return a result as one tensor, for a worker that missed it."""
        total = torch.empty(self.packing.size, dtype=torch.uint8, device=self.job.device)
        self.packing.pack(result.total, total)
        wishes = packed_numbers(result.wishes, self.job.device)
        return torch.cat([wishes, total, tensor_of(result.work).to(self.job.device)])

    def _unpacked(self, packed: Tensor) -> Result:
        """Return what `_packed` was given."""
        end = HEAD + self.packing.size
        total = self.packing.unpack(packed[HEAD:end])
        return Result(unpacked_numbers(packed[:HEAD]), total, bytes(packed[end:].tolist()))

    def _outputs(self, images: Images) -> Tensor:
        """Return all outputs float32 [N, outputs]."""
        mine = self.pool.outputs_of_share(images, self.team.share)
        every = self.team.gather(mine.to(self.job.device)).cpu()
        return joined([*every], len(images))


def as_bytes(floats: Tensor) -> Tensor:
    """Return float32 tensors of any shape as uint8 [N]."""
    return floats.contiguous().view(torch.uint8).flatten()


def as_floats(packed: Tensor) -> Tensor:
    """Return what `as_bytes` was given, flat."""
    return packed.view(torch.float32)
