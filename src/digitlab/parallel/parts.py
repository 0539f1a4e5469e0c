"""What the strategies have in common in which each worker owns a part of the network.

A subclass says which numbers its worker owns, computes their gradient, and the outputs. All begin
with the whole, let go of what is not theirs, and agree after each step on what one alone cannot
know: loss, hits, and whether every gradient is finite. Before a checkpoint and at the end the
worker that leads gathers the whole. Where one is lost, its part is lost with it: all end, and their
launcher begins again from the newest checkpoint.
"""

from __future__ import annotations

import json
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property, partial
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from digitlab.data.batches import WHOLE, Batch
from digitlab.data.dataset import Images
from digitlab.errors import ConfigError
from digitlab.parallel.passing import pass_on, take
from digitlab.parallel.shards import (
    EVALUATION_BATCH,
    ShardGradient,
    ShardPool,
    draws_random_numbers,
    evaluation_mode,
)
from digitlab.parallel.sockets import Sockets
from digitlab.parallel.strategy import (
    BatchGradient,
    Held,
    Job,
    Part,
    Piece,
    Run,
    Wish,
    all_finite,
)
from digitlab.parallel.team import Team, tensor_of

# Batches of an evaluation, for each process, between two times that all hear of each other: who
# only waits, as a server does, must not take the others for lost.
_IN_SILENCE = 8
_STEP = 16  # numbers: memory is taken in steps of 64 bytes
_FACTS = struct.Struct("<dqqqq")  # loss, correct, finite, stop, save


class InParts(ABC):
    """One worker's strategy among several that each own a part."""

    def __init__(self, job: Job, team: Team) -> None:
        """Prepare.

        Raises:
            ConfigError: where the network cannot be cut.
        """
        self.job, self.team = job, team
        self.check_network()
        self.pool = ShardPool(job)
        self._begins = _begins_in_the_vector(job.network)
        self._together = False  # whether the others compute with us
        self._held: list[Held] = []
        self._run: Run

    @property
    def leads(self) -> bool:
        """Whether this worker writes."""
        return self.team.leads

    @property
    @abstractmethod
    def part(self) -> Part:
        """What this worker owns; known before `begin`, by `team.seat.slot`, which is its rank."""

    @abstractmethod
    def _gradient(self, batch: Batch) -> ShardGradient:
        """Return the gradient of this worker's part, over the whole batch.

        Loss, correct answers and buffers are sums over the workers that know some: 0 elsewhere.

        Raises:
            PeersLostError: where somebody is lost.
        """

    @abstractmethod
    def _outputs(self, images: Images, after: Callable[[int], None] | None) -> Tensor:
        """Return, in all workers, the outputs float32 [N, outputs], on the CPU.

        The network is in evaluation mode, and gradients are off.

        Raises:
            PeersLostError: where somebody is lost.
        """

    def check_network(self) -> None:
        """Refuse a network that cannot be computed in parts; raises ConfigError."""
        check_network(self.job, self.team.seat.plan.parallel)

    def begin(self, run: Run) -> None:
        """Enter the team with the whole, then let go of all but a part; see `Strategy.begin`."""
        self._run = run
        self.team.begin(run, self.team.by_sockets, in_parts=True)
        self._together = True
        run.keep(self.part)

    def gradient(self, batch: Batch, wish: Wish) -> BatchGradient:
        """Return the gradient of this worker's part; see `Strategy.gradient`."""
        sizes = [len(samples) for samples in batch.part(WHOLE).values()]
        with self._placed_as_in_the_whole(sizes):
            mine = self.team.all_or_none(lambda: self._gradient(batch))
        facts = (mine.loss, mine.correct, all_finite(mine.vector), wish.stop, wish.save)
        sent = tensor_of(_FACTS.pack(*facts))
        every = self.team.all_or_none(lambda: self.team.gather(sent.to(self._device)))
        loss, correct, finite, stop, save = zip(
            *(_FACTS.unpack(bytes(one)) for one in every.tolist()), strict=True
        )
        return BatchGradient(
            vector=mine.vector,
            loss=sum(loss),
            correct=sum(correct),
            buffers=mine.buffers,
            granted=Wish(max(stop), bool(max(save))),
            work={"0": {number: one.tolist() for number, one in batch.part(WHOLE).items()}},
            finite=all(finite),
        )

    def outputs(self, images: Images, after: Callable[[int], None] | None = None) -> Tensor:
        """Return the outputs, computed by all together; see `Strategy.outputs`."""
        if not self._together:
            return self.pool.outputs(images, after)
        last = [len(images) % EVALUATION_BATCH]
        size = EVALUATION_BATCH * _IN_SILENCE * self.team.share.size
        parts = []
        with (
            evaluation_mode(self.job.network),
            self._placed_as_in_the_whole(last),
            torch.inference_mode(),
        ):
            for begin in range(0, len(images) or 1, size):
                told = partial(_told, after, begin) if after else None
                operation = partial(self._outputs, images[begin : begin + size], told)
                parts.append(self.team.all_or_none(operation))
        return torch.cat(parts)

    def finish(self, action: Callable[[], None]) -> None:
        """Gather the whole where this worker leads, and do it there; see `Strategy.finish`."""
        whole = self.whole()
        if self.leads:
            self._run.hold(whole)
        self._together = False
        self.team.finish(action)

    def whole(self) -> dict[str, Tensor]:
        """Return what all workers hold, put together; see `Strategy.whole`."""
        mine = _written(self._run.pieces(), self._run.held())
        every = self.team.all_or_none(lambda: self._sent_to_the_first(mine))
        if not self.leads:
            return {}
        whole: dict[str, Tensor] = {}
        self._held = [_read_into(whole, content) for content in every]
        return whole

    def held(self) -> Sequence[Held]:
        """Return what each worker held when `whole` was called last; see `Strategy.held`."""
        return self._held

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

    @property
    def owned(self) -> tuple[nn.Parameter, ...]:
        """The parameters of this worker's part that are trained, as its vector has them."""
        named = self.job.network.named_parameters()
        return tuple(p for name, p in named if p.requires_grad and name in self.part)

    def own_share(self, total: ShardGradient, knows: bool) -> ShardGradient:
        """Return a gradient with the buffers alone that this worker owns, of all the network's.

        Args:
            total: of the batch.
            knows: whether its loss and its right answers count, which others may know, too.
        """
        named = zip(self.job.network.named_buffers(), total.buffers, strict=True)
        return ShardGradient(
            total.vector,
            total.loss if knows else 0.0,
            total.correct if knows else 0,
            tuple(value for (name, _), value in named if name in self.part),
        )

    @contextmanager
    def _placed_as_in_the_whole(self, sizes: Sequence[int]) -> Iterator[None]:
        """Have parameters begin where they do in one process, within 64 bytes, if it matters.

        It does for a shard of one sample: a matrix times a vector has other last bits where the
        matrix begins at another address (MKL).
        """
        kept: list[tuple[nn.Parameter, Tensor]] = []
        for name, parameter in self.job.network.named_parameters() if 1 in sizes else ():
            if name in self._begins and self.part.get(name) == ():
                begin, count = self._begins[name] % _STEP, parameter.numel()
                room = torch.empty(_STEP + count, device=parameter.device)
                kept.append((parameter, parameter.data))
                placed = room[begin : begin + count].view(parameter.shape)
                parameter.data = placed.copy_(parameter.data)
        try:
            yield
        finally:
            for parameter, values in kept:
                parameter.data = values

    @property
    def sockets(self) -> Sockets:
        """The connections with all others; tensors that they send are on the CPU."""
        assert isinstance(self.team.exchange, Sockets)
        return self.team.exchange

    @property
    def _device(self) -> torch.device:
        """Where the tensors must be that are sent."""
        return self.sockets.device

    def _sent_to_the_first(self, mine: bytes) -> list[bytes]:
        """Return, in the worker of rank 0, the bytes of each, by rank."""
        sockets, share = self.sockets, self.team.share
        if share.rank:
            pass_on(sockets, tensor_of(mine), 0)
            sockets.flush()
            return []
        every = [mine]
        for rank in range(1, share.size):
            content = take(sockets, rank, torch.device("cpu"))
            assert content is not None
            every.append(content.numpy().tobytes())
        return every


def _told(after: Callable[[int], None], before: int, done: int) -> None:
    after(before + done)


def _begins_in_the_vector(network: nn.Module) -> dict[str, int]:
    """Return where each parameter that is trained begins in the vector of the whole."""
    begins, begin = {}, 0
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            begins[name] = begin
            begin += parameter.numel()
    return begins


@dataclass(frozen=True)
class _Asking(Job):
    asked: tuple[Any, ...] = ()

    @cached_property
    def parameters(self) -> tuple[Any, ...]:
        return self.asked


def asking_for(job: Job, tensors: Sequence[Tensor]) -> Job:
    """Return a job in which gradients are asked for of other tensors than all that is trained."""
    values = {one.name: getattr(job, one.name) for one in fields(job)}
    return _Asking(**values, asked=tuple(tensors))


def check_network(job: Job, parallel: str) -> None:
    """Refuse a network that cannot be computed in parts with the bits of one process.

    Raises:
        ConfigError: says why, and what to do.
    """
    name, advice = job.recipe.network.name, "train it with --parallel data"
    network = job.network
    if draws_random_numbers(network, job.device):
        raise ConfigError(
            f"--parallel {parallel}: the network {name} draws random numbers (dropout), which "
            f"parts cannot share; {advice}"
        )
    seen: dict[int, str] = {}
    for key, tensor in (
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    ):
        first = seen.setdefault(id(tensor), key)
        if first != key:
            raise ConfigError(
                f"--parallel {parallel}: the network {name} ties {key} to {first}, and parts share "
                f"nothing; {advice}"
            )


def _written(pieces: Mapping[str, Piece], held: Held) -> bytes:
    """Return pieces as bytes: the length of a head of JSON, the head, and safetensors."""
    places = {
        name: {"shape": list(piece.shape), "ranges": _ranges(piece)}
        for name, piece in pieces.items()
    }
    head = json.dumps({"places": places, "held": asdict(held)}).encode()
    tensors = {name: piece.values for name, piece in pieces.items()}
    return len(head).to_bytes(8, "little") + head + safetensors.torch.save(tensors)


def _ranges(piece: Piece) -> list[list[int]]:
    return [list(one.indices(n)[:2]) for one, n in zip(piece.index, piece.shape, strict=False)]


def _read_into(whole: dict[str, Tensor], content: bytes) -> Held:
    """Put what `_written` gave into tensors of the whole, which are made where they are not."""
    start = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:start])
    for name, values in safetensors.torch.load(content[start:]).items():
        place = head["places"][name]
        if name not in whole:
            whole[name] = torch.zeros(place["shape"], dtype=values.dtype)
        whole[name][tuple(slice(*ends) for ends in place["ranges"])] = values
    return Held(**head["held"])
