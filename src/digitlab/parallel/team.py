"""Workers that compute together and go on without those they lose; used by the strategies.

All workers go through the same operations in the same order: the gradient of step 0, of step 1, an
evaluation, ... An operation that fails, because somebody was lost, is done again by those who are
left. Some of them may have its result already, so each keeps its last one and gives it to those who
have it not; nobody is ever more than one operation behind.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import safetensors.torch
import torch
from torch import Tensor

from digitlab.data.batches import Share
from digitlab.errors import DigitlabError, TrainingError
from digitlab.parallel import sockets
from digitlab.parallel.exchange import Exchange, PeersLostError
from digitlab.parallel.membership import Membership, words_of_missing
from digitlab.parallel.process_group import ProcessGroup, choose_interface
from digitlab.parallel.quorum import Round, Why, missing_nodes
from digitlab.parallel.seat import Seat, slot_of
from digitlab.parallel.strategy import AlreadyFinishedError, Run
from digitlab.parallel.watchdog import APART, HUNG, Watchdog
from digitlab.processes import end

_T = TypeVar("_T")
_FIRST = 0.5  # seconds in which our launcher hears of a lost worker before it hears of our end
_GRACE = 5.0  # seconds over its timeout that a collective call gets before the process is ended
_FRUITLESS = 10  # rounds in a row without an operation that worked
_HASH = 32  # bytes of a SHA-256


class Team:
    """This worker's connection to the others."""

    def __init__(self, seat: Seat, device: torch.device) -> None:
        """Find the rendezvous store; `begin` finds the others."""
        self.seat, self.device = seat, device
        self._watchdog = Watchdog()
        self.membership = Membership(seat, self._watchdog)
        self._in_parts = False
        self._connect: Callable[[], Exchange]
        self._round: Round | None = None
        self._exchange: Exchange | None = None
        self._knows = False  # where the run is
        self._done = 0  # operations
        self._last: Callable[[], Tensor] = partial(torch.empty, 0, dtype=torch.uint8)  # result
        self._fruitless = 0
        self._run: Run

    @property
    def round(self) -> Round:
        """The present round."""
        assert self._round is not None, "begin was not called"
        return self._round

    @property
    def exchange(self) -> Exchange:
        """The connections of the present round."""
        assert self._exchange is not None, "not connected"
        return self._exchange

    @property
    def share(self) -> Share:
        """This worker's share of the work."""
        return Share(self.round.rank, len(self.round.members))

    @property
    def leads(self) -> bool:
        """Whether this worker is the one that writes."""
        return self._round is not None and self._round.rank == 0

    def begin(self, run: Run, connect: Callable[[], Exchange], in_parts: bool = False) -> None:
        """Enter the team, and bring `run` to where the others are.

        Args:
            run: this worker's.
            connect: connects the workers of the present round, as `by_sockets` does.
            in_parts: whether each will own a part, which is lost with it: then all have to be
                there, and nobody goes on without one.

        Raises:
            AlreadyFinishedError: where they have finished.
            TrainingError: where they were started with other flags.
        """
        self._run, self._connect, self._in_parts = run, connect, in_parts
        self._compare_flags()
        while True:
            self._round = self.membership.next(self._round, Why.AT_REST if self._knows else Why.NEW)
            try:
                if in_parts and len(self.round.members) < self.seat.workers:
                    raise PeersLostError("not all workers came")
                self._found()
                self._exchange = connect()
                self._meet()
            except PeersLostError as error:
                self._leave(error)
            else:
                if self.round.number == 1 and missing_nodes(self.round, self.seat):
                    size, all_of_them = len(self.round.members), self.seat.workers
                    words = words_of_missing(self.round, self.seat)
                    run.warn(f"{words}; {size} of {all_of_them} workers begin")
                return

    def together(
        self,
        operation: Callable[[], _T],
        pack: Callable[[_T], Tensor],
        unpack: Callable[[Tensor], _T],
    ) -> _T:
        """Do one operation with the others until it has worked; return its result.

        Args:
            operation: collective; its result is the same for all.
            pack: makes bytes, uint8 [N], of a result, for one who missed it.
            unpack: makes a result of these bytes.
        """
        while True:
            try:
                result = operation()
            except PeersLostError as error:
                missed = self._regroup(Why.LOST, error)
                if missed is None:
                    continue
                result = unpack(missed)
            self._done, self._last, self._fruitless = self._done + 1, partial(pack, result), 0
            return result

    def all_or_none(self, operation: Callable[[], _T]) -> _T:
        """Do one operation with the others; where one is lost, all end, and all begin again."""
        try:
            return operation()
        except PeersLostError as error:
            self._leave(error)
            raise

    def by_sockets(self) -> Exchange:
        """Connect the workers of the present round, each with each; their tensors are on the CPU.

        Raises:
            PeersLostError: where one of them is lost meanwhile, or does not come.
        """
        return sockets.connect(self.seat, self.membership, self.round)

    def by_process_group(self) -> Exchange:
        """Connect the workers of the present round as torch.distributed's default group.

        Raises:
            PeersLostError: as above.
        """
        choose_interface(self.membership.here)
        return ProcessGroup(self.seat, self.device, self.membership, self.round, self.collective)

    def is_wanted(self) -> bool:
        """Whether somebody waits to be taken in, or has to come before the run may go on."""
        return self.membership.is_wanted(self.round)

    def take_in(self) -> None:
        """Take in who asked for it; called by all between the same two steps."""
        self._regroup(Why.AT_REST, None)

    def wait_for_enough(self) -> None:
        """Wait, between two steps, until as many are there as the user asked for.

        Raises:
            TrainingError: where they do not come.
        """
        began = time.monotonic()
        while len(self.round.members) < (self.seat.plan.min_workers or 1):
            if self.is_wanted():
                self.take_in()
            elif time.monotonic() - began > self.seat.plan.timeout:
                raise TrainingError(
                    f"{len(self.round.members)} of {self.seat.workers} workers are left, "
                    f"--min-workers asks for {self.seat.plan.min_workers}"
                )
            else:
                time.sleep(0.1)

    def finish(self, action: Callable[[], None]) -> None:
        """Have the one who leads do it, or, where that one is lost, another."""
        while not self.leads:
            if self.membership.wait_for("done", while_alive=self.round.members[0]):
                self.membership.leave()
                return
            self._leave(PeersLostError("the worker that finished the run was lost"))
            try:
                self._round = self.membership.next(self._round, Why.LOST)
            except AlreadyFinishedError:
                return
        self.end_if_dropped()
        self.membership.tell("finishing", self.seat.id)
        action()
        self.membership.tell("done")
        for member in self.round.members[1:]:  # the store may end with us: let them see it
            self.membership.wait_for(f"left/{member}", member, self.seat.plan.timeout)

    def end_if_dropped(self) -> None:
        """End this process where it was taken for lost; before it writes what others may read.

        Whoever was stopped and wakes up may still find what the others sent before they went on.
        """
        if self.seat.regroups:
            self.membership.end_if_dropped(self.round)

    def gather(self, mine: Tensor, meanwhile: Callable[[], None] | None = None) -> Tensor:
        """Return [workers, ...]: each worker's tensor of the same shape, by rank.

        Args:
            mine: this worker's.
            meanwhile: what can be done while the others are waited for.
        """
        size, device = self.share.size, self.exchange.device
        every = torch.empty((size, *mine.shape), dtype=mine.dtype, device=device)
        self.exchange.gather(mine.contiguous(), every, meanwhile)
        return every

    def gather_bytes(self, mine: bytes) -> list[bytes]:
        """Return each worker's bytes, by rank."""
        device = self.exchange.device
        sizes = self.gather(torch.tensor([len(mine)], device=device)).flatten().tolist()
        padded = mine.ljust(max(1, *sizes))
        every = self.gather(tensor_of(padded).to(device)).cpu().numpy()
        return [row.tobytes()[:size] for row, size in zip(every, sizes, strict=True)]

    def broadcast(self, tensor: Tensor, source: int) -> Tensor:
        """Return the tensor, of any size and type, of the worker of rank `source`."""
        device = self.exchange.device
        shape = torch.tensor([tensor.numel()], device=device)
        self.exchange.broadcast(shape, source)
        if self.share.rank != source:
            tensor = torch.empty(int(shape), dtype=tensor.dtype, device=device)
        self.exchange.broadcast(tensor, source)
        return tensor

    @contextmanager
    def collective(self) -> Iterator[None]:
        """Turn the failure of the calls inside into `PeersLostError`, and a hang into an end.

        Raises:
            PeersLostError: see there.
        """
        line = f"worker {self.seat.slot}: a collective call hangs past its timeout"
        try:
            with self._watchdog.limit(self.seat.plan.timeout + _GRACE, line, HUNG):
                yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # torch's errors of communication have no narrower class
            # What it passed through holds the group, whose connections would stay open: a worker
            # that is no neighbour of the lost one learns of the loss only by our closing them.
            traceback.clear_frames(error.__traceback__)
            raise PeersLostError(_in_short(error)) from error

    def agree(self, key: str, value: str | None) -> str:
        """Return what the workers that know a value say; None: this one does not."""
        if value is not None:
            self.membership.tell(key, value)
            return value
        return self.membership.hear(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave for good; where an error ends this worker, it ends the run for all."""
        if isinstance(error, Exception) and not isinstance(error, AlreadyFinishedError):
            said = str(error) if isinstance(error, DigitlabError) else repr(error)
            self.membership.fail(f"worker {self.seat.slot}: {said}")
        self._leave(None)
        if isinstance(error, KeyboardInterrupt) and self._round is not None:
            self.membership.part(self.round.members, _GRACE)
        self.membership.close()

    def _compare_flags(self) -> None:
        mine = self.seat.agreed()
        theirs = json.loads(self.membership.first("flags", json.dumps(mine)))
        for flag, value in mine.items():
            if value != theirs[flag]:
                raise TrainingError(
                    f"{flag} is {value} on {platform.node()} and {theirs[flag]} elsewhere; start "
                    "all nodes with the same flags"
                )

    def _found(self) -> None:
        """Where nobody knows where the run is, the first finds out; the others wait for that."""
        if not self.round.founds:
            return
        key = f"founded/{self.round.number}"
        if self.leads:
            self._run.found()
            self._knows = True
            self.membership.tell(key)
        elif not self.membership.wait_for(key, while_alive=self.round.members[0]):
            raise PeersLostError("the worker that began the run was lost")

    def _meet(self) -> Tensor | None:
        """Bring all to the same place; return the result that this worker missed, if it did."""
        device = self.exchange.device
        mine = torch.tensor([self._done if self._knows else -1], device=device)
        done = self.gather(mine).flatten().tolist()
        most = max(done)
        missed = None
        if any(0 <= count < most for count in done):
            result = self.broadcast(self._last().to(device), done.index(most))
            missed = result if 0 <= mine.item() < most else None
        if -1 in done:
            self._tell_where_the_run_is()
        return missed

    def _tell_where_the_run_is(self) -> None:
        """Send the state of the one who leads to those who do not know it."""
        content = b""
        if self.leads:
            tensors, facts = self._run.give()
            head = json.dumps({"done": self._done, "facts": facts}).encode()
            body = len(head).to_bytes(8, "little") + head + safetensors.torch.save(tensors)
            content = hashlib.sha256(body).digest() + body
        sent = self.broadcast(tensor_of(content).to(self.exchange.device), 0)
        if self._knows:
            return
        content = sent.cpu().numpy().tobytes()
        digest, body = content[:_HASH], content[_HASH:]
        if hashlib.sha256(body).digest() != digest:
            raise TrainingError(f"worker {self.seat.slot}: the state that was sent came damaged")
        start = 8 + int.from_bytes(body[:8], "little")
        head = json.loads(body[8:start])
        self._run.take(safetensors.torch.load(body[start:]), head["facts"])
        self._done, self._knows = head["done"], True

    def _regroup(self, why: Why, error: PeersLostError | None) -> Tensor | None:
        """Go on with those who are left; return the result that this worker missed, if it did."""
        before = self.round
        while True:
            self._leave(error)
            self._round = self.membership.next(self._round, why)
            try:
                self._exchange = self._connect()
                missed = self._meet()
            except PeersLostError as failure:
                why, error = Why.LOST, failure
                continue
            self._report(before)
            return missed

    def _report(self, before: Round) -> None:
        gone = sorted(slot_of(w) for w in set(before.members) - set(self.round.members))
        come = sorted(slot_of(w) for w in set(self.round.members) - set(before.members))
        said = []
        if gone:
            said.append(f"lost worker {_words(gone)}")
        if come:
            said.append(f"took in worker {_words(come)}")
        if said:
            size, number = len(self.round.members), self.round.number
            what = f"{', '.join(said)}; {size} of {self.seat.workers} go on"
            self._run.warn(f"{what} (round {number})")

    def _leave(self, error: PeersLostError | None) -> None:
        """Let go of the others, which tells them, too, that this round is over."""
        line = f"worker {self.seat.slot}: cannot let go of the others"
        with self._watchdog.limit(self.seat.plan.timeout + _GRACE, line, HUNG):
            if self._exchange is not None:
                self._exchange.close()
                self._exchange = None
        if error is None:
            return
        print(f"round {self.round.number} is over: {error}", flush=True)
        self._fruitless += 1
        if not self.seat.regroups:
            raise TrainingError(f"{self._who_is_lost()} ({error})")
        if self._in_parts:
            time.sleep(_FIRST)
            end(f"worker {self.seat.slot}: lost another, and its part with it ({error})", APART)
        if self._fruitless > _FRUITLESS:
            raise TrainingError(
                f"{_FRUITLESS} attempts to go on with workers "
                f"{_words([slot_of(member) for member in self.round.members])} failed ({error}); "
                "look at the network between their machines"
            )

    def _who_is_lost(self) -> str:
        """Name those who were lost, where nobody regroups; takes the seconds of a silence."""
        began = time.monotonic()
        others = [worker for worker in self.round.members if worker != self.seat.id]
        while time.monotonic() - began < 2 * _GRACE:
            lost = [slot_of(worker) for worker in self.membership.lost_of(others)]
            if lost:
                return f"lost worker {_words(lost)}"
            time.sleep(0.2)
        return "lost the connection to another worker"


def _in_short(error: RuntimeError) -> str:
    """Return what gloo or NCCL says, without where in their sources, and without their advice."""
    line = str(error).partition("\n")[0]
    return re.sub(r"^(\[[^\]]*\]\s*)+", "", line).partition(". This is")[0].strip() or line


def _words(slots: list[int]) -> str:
    return ", ".join(str(slot) for slot in slots)


def tensor_of(content: bytes) -> Tensor:
    """Return bytes as uint8 [N]."""
    return torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8)
