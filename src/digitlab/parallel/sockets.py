"""The exchange of `exact` on CPUs: each worker has a socket to each other, used where it trains.

Gloo hands an exchange from thread to thread, each of which has to wait for a core while all cores
compute: without that, two workers on two cores do a tenth more images (docs/benchmarks.md).
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from secrets import token_bytes

import torch
from torch import Tensor

from digitlab.parallel.exchange import PeersLostError
from digitlab.parallel.membership import Membership
from digitlab.parallel.quorum import Round
from digitlab.parallel.seat import Seat, slot_of

_AWAKE = 0.005  # seconds that a worker stays awake while it waits
_TICK = 0.1  # seconds between two looks at who is lost
_TOKEN = 16  # bytes that only the workers of a round know
_RANK = 4  # bytes of a rank
_CONNECTING = 5.0  # seconds that connecting may take: all of a round begin it at the same time


class Sockets:
    """An exchange over a socket to each other worker."""

    device = torch.device("cpu")

    def __init__(self, rank: int, peers: Mapping[int, socket.socket], timeout: float) -> None:
        """Give the connected sockets by rank, and the seconds of silence that are forgiven."""
        self._rank, self._peers, self._timeout = rank, peers, timeout
        self._posted: dict[int, deque[memoryview]] = {peer: deque() for peer in peers}
        for peer in peers.values():
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def gather(self, mine: Tensor, every: Tensor, meanwhile: Callable[[], None] | None) -> None:
        """See `Exchange`."""
        every[self._rank] = mine
        content = _content(mine)
        self._transfer(
            dict.fromkeys(self._peers, content),
            {rank: _content(every[rank]) for rank in self._peers},
            meanwhile,
        )

    def broadcast(self, tensor: Tensor, source: int) -> None:
        """See `Exchange`."""
        content = _content(tensor)
        if source == self._rank:
            self._transfer(dict.fromkeys(self._peers, content), {})
        else:
            self._transfer({}, {source: content})

    def post(self, tensor: Tensor, rank: int) -> None:
        """Begin to send one worker a contiguous tensor, which must stay as it is until `flush`.

        What the other does not take at once goes on its way in later calls.
        """
        self._post(rank, _content(tensor))
        with _as_loss():
            self._send()

    def receive(self, tensor: Tensor, rank: int) -> None:
        """Fill a contiguous tensor with what a worker posted, in the order of its posts."""
        self._wait_for({rank: _content(tensor)}, until_sent=False)

    def ready(self, ranks: Sequence[int]) -> list[int]:
        """Wait until something of one of these workers is here; return of which of them there is.

        Raises:
            PeersLostError: where nothing comes, and nothing can be sent, for too long.
        """
        silent = 0.0
        with _as_loss():
            while silent <= self._timeout:
                moved = self._send()
                found = self._select(ranks)
                if came := [rank for rank in ranks if found.get(rank, 0) & selectors.EVENT_READ]:
                    return came
                silent = 0.0 if moved or found else silent + _TICK
        raise PeersLostError(f"nothing came for {self._timeout:g} s")

    def flush(self) -> None:
        """Wait until all that was posted is sent; before what `Exchange` has."""
        self._wait_for({}, until_sent=True)

    def close(self) -> None:
        """See `Exchange`."""
        for peer in self._peers.values():
            peer.close()

    def _transfer(
        self,
        sent: dict[int, memoryview],
        got: dict[int, memoryview],
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Send to and fill from others, by rank."""
        for rank, content in sent.items():
            self._post(rank, content)
        with _as_loss():
            self._send()
        if meanwhile:
            meanwhile()
        self._wait_for(got, until_sent=True)

    def _wait_for(self, got: dict[int, memoryview], until_sent: bool) -> None:
        """Fill from others, by rank, and send on what was posted."""
        got = {rank: content for rank, content in got.items() if content}
        awake, silent = time.perf_counter() + _AWAKE, 0.0
        with _as_loss():
            while got or (until_sent and any(self._posted.values())):
                # Both, always: two that only send would wait for each other.
                if self._send() | self._receive(got):
                    silent = 0.0
                elif time.perf_counter() < awake:
                    _give_way()
                elif not self._select(got):
                    silent += _TICK  # not by the clock: who was stopped has not waited
                if silent > self._timeout:
                    raise PeersLostError(f"nothing came for {self._timeout:g} s")

    def _post(self, rank: int, content: memoryview) -> None:
        if content:
            self._posted[rank].append(content)

    def _send(self) -> bool:
        """Send what others take at once; return whether they took anything."""
        moved = False
        for rank, waiting in self._posted.items():
            with suppress(BlockingIOError):
                while waiting:
                    count = self._peers[rank].send(waiting[0])
                    moved = True
                    waiting[0] = waiting[0][count:]
                    if not waiting[0]:
                        waiting.popleft()
        return moved

    def _receive(self, left: dict[int, memoryview]) -> bool:
        """Take what is there; return whether anything was."""
        moved = False
        for rank, content in list(left.items()):
            with suppress(BlockingIOError):
                count = self._peers[rank].recv_into(content)
                if not count:
                    raise PeersLostError("another worker closed the connection")
                moved = True
                left[rank] = content[count:]
                if not left[rank]:
                    del left[rank]
        return moved

    def _select(self, ranks: Collection[int]) -> dict[int, int]:
        """Sleep until something can be sent, or received of these, or for a moment.

        Returns:
            For which workers what can be done: selectors' bits, by rank.
        """
        with selectors.DefaultSelector() as selector:
            sent = {rank for rank, waiting in self._posted.items() if waiting}
            for rank in {*sent, *ranks}:
                write = selectors.EVENT_WRITE if rank in sent else 0
                read = selectors.EVENT_READ if rank in ranks else 0
                selector.register(self._peers[rank], write | read, rank)
            return {key.data: events for key, events in selector.select(_TICK)}


class _Connecting:
    """How the workers of a round come to have a socket to each other.

    Each listens, calls those before it, and then answers those after it. Both sides show that they
    know what only the store told them.
    """

    def __init__(self, seat: Seat, membership: Membership, now: Round) -> None:
        """Begin the time that all of it may take."""
        self._seat, self._membership, self._round = seat, membership, now
        self._began = time.monotonic()
        self._token = token_bytes(_TOKEN)
        self.peers: dict[int, socket.socket] = {}

    def all(self) -> None:
        """Connect with all others."""
        with self._listen() as listening:
            listening.settimeout(_TICK)
            for rank in range(self._round.rank):
                self._call(rank)
            while len(self.peers) < len(self._round.members) - 1:
                self._check()
                with suppress(TimeoutError):
                    self._answer(listening.accept()[0])

    def _listen(self) -> socket.socket:
        """Listen, and tell where; the first machine's workers are found where the store is."""
        seat, here = self._seat, self._membership.here
        alone = seat.workers == seat.per_node
        listening = socket.create_server(
            (here if alone else "", 0),
            family=socket.AF_INET6 if ":" in here else socket.AF_INET,
            backlog=1024,
        )
        host = seat.host if seat.slot < seat.per_node and not alone else here
        told = f"{host} {listening.getsockname()[1]} {self._token.hex()}"
        self._membership.tell(self._key(self._round.rank), told)
        return listening

    def _call(self, rank: int) -> None:
        """Connect with a worker before this one, which listens or soon will."""
        key, member = self._key(rank), self._round.members[rank]
        while not self._membership.wait_for(key, while_alive=member, patience=_TICK):
            self._check()
        host, port, token = self._membership.hear(key).split()
        peer = socket.create_connection((host, int(port)), timeout=_CONNECTING)
        self.peers[rank] = peer
        peer.sendall(_proof(bytes.fromhex(token), self._round.rank))
        if _read(peer) != _proof(bytes.fromhex(token), rank):
            raise PeersLostError(f"worker {slot_of(member)} did not answer")

    def _answer(self, peer: socket.socket) -> None:
        """Take the call of a worker after this one; hang up on anybody else."""
        peer.settimeout(_TICK)
        with suppress(OSError):
            said = _read(peer)
            for rank in range(self._round.rank + 1, len(self._round.members)):
                if said == _proof(self._token, rank):
                    peer.sendall(_proof(self._token, self._round.rank))
                    self.peers[rank] = peer
                    return
        peer.close()

    def _check(self) -> None:
        """Give up where somebody was lost, or has given up, or it takes too long."""
        gone = self._membership.left_behind(self._round)
        if not gone and time.monotonic() - self._began > _CONNECTING:
            gone = [m for r, m in enumerate(self._round.members) if r not in self.peers]
            gone.remove(self._seat.id)
        if gone:
            slots = ", ".join(str(slot_of(member)) for member in gone)
            raise PeersLostError(f"worker {slots} did not connect")

    def _key(self, rank: int) -> str:
        return f"at/{self._round.number}/{self._round.members[rank]}"


def connect(seat: Seat, membership: Membership, now: Round) -> Sockets:
    """Connect the workers of a round, each with each.

    Raises:
        PeersLostError: where one of them is lost meanwhile, or does not come.
    """
    connecting = _Connecting(seat, membership, now)
    try:
        with _as_loss():
            connecting.all()
            return Sockets(now.rank, connecting.peers, seat.plan.timeout)
    except BaseException:
        for peer in connecting.peers.values():
            peer.close()
        raise


def _proof(token: bytes, rank: int) -> bytes:
    """Return what a worker says to show that it is of this round."""
    return token + rank.to_bytes(_RANK, "little")


def _read(peer: socket.socket) -> bytes:
    """Return as many bytes as a proof has, or fewer where no more come."""
    said = b""
    while len(said) < _TOKEN + _RANK and (more := peer.recv(_TOKEN + _RANK - len(said))):
        said += more
    return said


@contextmanager
def _as_loss() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PeersLostError(error.strerror or str(error)) from error


def _content(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor; writing to them writes to it."""
    content: memoryview = tensor.detach().reshape(-1).view(torch.uint8).numpy().data
    return content


def _give_way() -> None:
    """Let another thread have this core; Windows has no other way than a sleep of no length.

    To sleep would take longer: a core of a virtual machine that went to sleep took 3 to 9 ms to
    wake up at every fourth step. Four workers on two cores are faster so, too.
    """
    if sys.platform == "win32":
        time.sleep(0)
    else:
        os.sched_yield()
