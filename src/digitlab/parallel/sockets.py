"""The exchange of `exact` on CPUs: each worker has a socket to each other, used where it trains.

Gloo hands an exchange from thread to thread, each of which has to wait for a core while all cores
compute: for two workers on two cores this is a tenth more images a second (docs/benchmarks.md).
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from secrets import token_bytes

import torch
from torch import Tensor

from digitlab.parallel.exchange import PeersLostError
from digitlab.parallel.membership import Membership, Round
from digitlab.parallel.seat import Seat, slot_of

_AWAKE = 0.005  # seconds that a worker stays awake while it waits
_TICK = 0.1  # seconds between two looks at who is lost
_TOKEN = 16  # bytes that only the workers of a round know
_CONNECTING = 4.0  # seconds for each of the others to connect


class Sockets:
    """An exchange over a socket to each other worker."""

    def __init__(self, rank: int, peers: Mapping[int, socket.socket], timeout: float) -> None:
        """Give the connected sockets by rank, and the seconds of silence that are forgiven."""
        self._rank, self._peers, self._timeout = rank, peers, timeout
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
        """Send to and fill from others, by rank; what is left of each is kept in the two."""
        sent = {rank: content for rank, content in sent.items() if content}
        got = {rank: content for rank, content in got.items() if content}
        with _as_loss():
            self._send(sent)
        if meanwhile:
            meanwhile()
        awake, silent = time.perf_counter() + _AWAKE, 0.0
        while sent or got:
            with _as_loss():
                # Both, always: two that only send would wait for each other.
                if self._send(sent) | self._receive(got):
                    silent = 0.0
                elif time.perf_counter() < awake:
                    _give_way()
                elif not self._wait(sent, got):
                    silent += _TICK  # not by the clock: who was stopped has not waited
            if silent > self._timeout:
                raise PeersLostError(f"nothing came for {self._timeout:g} s")

    def _send(self, left: dict[int, memoryview]) -> bool:
        """Send what others take at once; return whether they took anything."""
        moved = False
        for rank, content in list(left.items()):
            with suppress(BlockingIOError):
                _shorten(left, rank, self._peers[rank].send(content))
                moved = True
        return moved

    def _receive(self, left: dict[int, memoryview]) -> bool:
        """Take what is there; return whether anything was."""
        moved = False
        for rank, content in list(left.items()):
            with suppress(BlockingIOError):
                count = self._peers[rank].recv_into(content)
                if not count:
                    raise PeersLostError("another worker closed the connection")
                _shorten(left, rank, count)
                moved = True
        return moved

    def _wait(self, sent: Mapping[int, memoryview], got: Mapping[int, memoryview]) -> bool:
        """Sleep until something can be sent or received, or for a moment; return whether it can."""
        with selectors.DefaultSelector() as selector:
            for rank in {*sent, *got}:
                write = selectors.EVENT_WRITE if rank in sent else 0
                read = selectors.EVENT_READ if rank in got else 0
                selector.register(self._peers[rank], write | read)
            return bool(selector.select(_TICK))


def connect(seat: Seat, membership: Membership, now: Round) -> Sockets:
    """Connect the workers of a round: each with those before it, and then those after it with it.

    Raises:
        PeersLostError: where one of them is lost meanwhile, or does not come.
    """
    peers: dict[int, socket.socket] = {}
    try:
        with (
            _as_loss(),
            socket.create_server((_address(seat), 0), backlog=len(now.members)) as listening,
        ):
            token = token_bytes(_TOKEN)
            host, port = listening.getsockname()[:2]
            membership.tell(f"at/{now.number}/{seat.id}", f"{host} {port} {token.hex()}")
            for rank, member in enumerate(now.members[: now.rank]):
                peers[rank] = _call(membership, now, member)
            _answer(listening, token, membership, now, peers)
    except BaseException:
        _close(peers)
        raise
    return Sockets(now.rank, peers, seat.timeout)


def _call(membership: Membership, now: Round, member: str) -> socket.socket:
    """Connect with a worker that listens, or soon will."""
    key = f"at/{now.number}/{member}"
    if not membership.wait_for(key, while_alive=member):
        raise PeersLostError(f"worker {slot_of(member)} was lost before it could be connected with")
    host, port, token = membership.hear(key).split()
    peer = socket.create_connection((host, int(port)), timeout=_CONNECTING)
    peer.sendall(bytes.fromhex(token) + now.rank.to_bytes(4, "little"))
    return peer


def _answer(
    listening: socket.socket,
    token: bytes,
    membership: Membership,
    now: Round,
    peers: dict[int, socket.socket],
) -> None:
    """Take the connections of the workers after this one; whoever does not know `token` is none."""
    listening.settimeout(_TICK)
    began = time.monotonic()
    while awaited := [
        member for rank, member in enumerate(now.members) if rank not in (now.rank, *peers)
    ]:
        try:
            peer, _ = listening.accept()
        except TimeoutError:
            late = time.monotonic() - began > _CONNECTING * len(now.members)
            if missed := awaited if late else membership.lost_of(awaited):
                slots = ", ".join(str(slot_of(member)) for member in missed)
                raise PeersLostError(f"worker {slots} did not connect") from None
            continue
        peer.settimeout(_CONNECTING)
        with suppress(OSError):
            hello = peer.recv(_TOKEN + 4, socket.MSG_WAITALL)
            if hello[:_TOKEN] == token and len(hello) == _TOKEN + 4:
                peers[int.from_bytes(hello[_TOKEN:], "little")] = peer
                continue
        peer.close()


def _address(seat: Seat) -> str:
    """Return this machine's address for the others: that from which it reaches the store."""
    if seat.workers == seat.per_node:
        return "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((socket.gethostbyname(seat.host), seat.port))
        return str(probe.getsockname()[0])


@contextmanager
def _as_loss() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PeersLostError(error.strerror or str(error)) from error


def _close(peers: Mapping[int, socket.socket]) -> None:
    for peer in peers.values():
        peer.close()


def _content(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor; writing to them writes to it."""
    content: memoryview = tensor.detach().reshape(-1).view(torch.uint8).numpy().data
    return content


def _shorten(left: dict[int, memoryview], rank: int, count: int) -> None:
    """Take away the bytes that are done with."""
    left[rank] = left[rank][count:]
    if not left[rank]:
        del left[rank]


def _give_way() -> None:
    """Let another thread have this core; Windows has no other way than a sleep of no length.

    To sleep would take longer: a core of a virtual machine that went to sleep took 3 to 9 ms to
    wake up at every fourth step. Four workers on two cores are faster so, too.
    """
    if sys.platform == "win32":
        time.sleep(0)
    else:
        os.sched_yield()
