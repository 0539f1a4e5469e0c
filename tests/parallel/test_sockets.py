"""The exchange over sockets: everybody gets everything, and nobody waits for the lost."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import combinations
from typing import TypeVar

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from digitlab.parallel.exchange import PeersLostError
from digitlab.parallel.membership import Membership
from digitlab.parallel.quorum import Round
from digitlab.parallel.seat import Seat
from digitlab.parallel.sockets import Sockets, connect
from digitlab.parallel.watchdog import Watchdog

WATCHDOG_SECONDS = 60
_T = TypeVar("_T")


@contextmanager
def workers(count: int, timeout: float = WATCHDOG_SECONDS) -> Iterator[list[Sockets]]:
    """Yield workers that are connected, each with each."""
    peers: list[dict[int, socket.socket]] = [{} for _ in range(count)]
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as listening:
        for a, b in combinations(range(count), 2):
            peers[a][b] = stack.enter_context(socket.create_connection(listening.getsockname()))
            peers[b][a] = stack.enter_context(listening.accept()[0])
        yield [Sockets(rank, mine, timeout) for rank, mine in enumerate(peers)]


def at_once(actions: Sequence[Callable[[], _T]]) -> list[_T]:
    """Return what each gives, each in a thread of its own."""
    with ThreadPoolExecutor(len(actions)) as pool:
        running = [pool.submit(action) for action in actions]
        return [action.result(WATCHDOG_SECONDS) for action in running]


def gathered(worker: Sockets, mine: Tensor, count: int) -> Tensor:
    every = torch.zeros((count, *mine.shape), dtype=mine.dtype)
    worker.gather(mine, every, None)
    return every


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(st.integers(0, 3_000_000), min_size=1, max_size=3),
    st.sampled_from([torch.uint8, torch.int64, torch.float32]),
)
def test_everybody_gets_everything_by_rank(count: int, sizes: list[int], kind: torch.dtype) -> None:
    with workers(count) as several:
        for size in sizes:  # one after the other: nobody waits for all to have the last one
            sent = [torch.randint(0, 250, (size // kind.itemsize,)).to(kind) for _ in several]
            got = at_once(
                [
                    lambda worker=worker, mine=mine: gathered(worker, mine, count)
                    for worker, mine in zip(several, sent, strict=True)
                ]
            )
            assert all(torch.equal(every, torch.stack(sent)) for every in got)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_one_tells_all_others(case: tuple[int, int]) -> None:
    count, source = case
    with workers(count) as several:
        tensors = [torch.full((100, 1000), float(rank)) for rank in range(count)]
        at_once(
            [
                lambda worker=worker, tensor=tensor: worker.broadcast(tensor, source)
                for worker, tensor in zip(several, tensors, strict=True)
            ]
        )
        assert all(torch.equal(tensor, torch.full_like(tensor, source)) for tensor in tensors)


def test_what_can_be_done_meanwhile_is_done_once_before_all_is_there() -> None:
    done = []
    with workers(2) as (one, other):
        late = torch.full((10,), 7.0)

        def meanwhile() -> None:
            done.append(True)
            gathered_by_other.append(other)

        gathered_by_other: list[Sockets] = []
        every = torch.zeros(2, 10)

        def wait_and_send() -> None:
            while not gathered_by_other:
                time.sleep(0.01)
            gathered(other, late, 2)

        at_once([lambda: one.gather(torch.zeros(10), every, meanwhile), wait_and_send])
        assert done == [True]
        assert torch.equal(every[1], late)


@pytest.mark.parametrize("bytes_before", [0, 1000, 20_000_000])
def test_the_loss_of_one_is_an_error_of_all_others(bytes_before: int) -> None:
    def loses(worker: Sockets) -> bool:
        with pytest.raises(PeersLostError, match=r"closed the connection|reset|[Bb]roken pipe"):
            gathered(worker, torch.zeros(20_000_001, dtype=torch.uint8), 3)
        worker.close()
        return True

    with workers(3) as (lost, *others):

        def end() -> bool:
            sent = {rank: memoryview(bytes(bytes_before)) for rank in (1, 2)}
            lost._transfer(sent, {rank: memoryview(bytearray(bytes_before)) for rank in (1, 2)})
            lost.close()
            return True

        assert at_once([end, *(lambda worker=worker: loses(worker) for worker in others)])


def test_an_error_of_what_is_done_meanwhile_is_no_loss() -> None:
    def fail() -> None:
        raise OSError("disk full")

    with workers(2) as (one, _), pytest.raises(OSError, match="disk full"):
        one.gather(torch.zeros(10), torch.zeros(2, 10), fail)


def test_who_is_silent_is_taken_for_lost() -> None:
    with workers(2, timeout=0.3) as (one, _), pytest.raises(PeersLostError, match=r"for 0\.3 s"):
        gathered(one, torch.zeros(10), 2)


@pytest.fixture
def memberships() -> Iterator[list[Membership]]:
    """Return the memberships of two workers of one store."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    seats = [Seat(slot, "a", 2, 2, "127.0.0.1", store.port, regroups=False) for slot in (0, 1)]
    several = [Membership(seat, Watchdog()) for seat in seats]
    yield several
    for membership in several:
        membership.close()


def round_of(me: Membership, *members: str) -> Round:
    return Round(1, members, (), 0, me.seat.id)


def test_whoever_does_not_know_the_round_is_not_taken_for_a_worker(
    memberships: list[Membership],
) -> None:
    first, second = memberships
    strangers = []

    def come_late() -> Tensor:
        host, port, _ = second.hear(f"at/1/{first.seat.id}").split()
        for said in (b"GET / HTTP/1.1\r\n\r\n\r\n", bytes(16) + b"\1\0\0\0"):
            stranger = socket.create_connection((host, int(port)))
            stranger.sendall(said)
            strangers.append(stranger)
        mine = connect(second.seat, second, round_of(second, first.seat.id, second.seat.id))
        return gathered(mine, torch.tensor([2]), 2)

    def come() -> Tensor:
        mine = connect(first.seat, first, round_of(first, first.seat.id, second.seat.id))
        return gathered(mine, torch.tensor([1]), 2)

    assert [every.flatten().tolist() for every in at_once([come, come_late])] == [[1, 2], [1, 2]]
    for stranger in strangers:
        stranger.settimeout(WATCHDOG_SECONDS)
        assert stranger.recv(1) == b""  # they were hung up on
        stranger.close()


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("said", ["gone", "join/2", "beat"])
def test_who_is_lost_or_gave_up_or_does_not_come_is_not_waited_for(
    memberships: list[Membership], leads: bool, said: str
) -> None:
    first, second = memberships
    (lost, left) = (first, second) if leads else (second, first)
    threading.Timer(0.5, lambda: left.tell(f"{said}/{lost.seat.id}")).start()
    with pytest.raises(PeersLostError, match=f"worker {lost.seat.slot} "):
        connect(left.seat, left, round_of(left, first.seat.id, second.seat.id))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4), st.booleans())
def test_what_is_posted_comes_in_its_order_and_nobody_waits_to_post(
    sizes: list[int], flushes: bool
) -> None:
    """Both post all before either receives: more than what lies under way between two."""
    with workers(2) as several:

        def swap(rank: int) -> list[Tensor]:
            mine, other = several[rank], 1 - rank
            for place, size in enumerate(sizes):
                mine.post(torch.full((size,), 2 * place + rank, dtype=torch.uint8), other)
            got = [torch.empty(size, dtype=torch.uint8) for size in sizes]
            for tensor in got:
                mine.receive(tensor, other)
            if flushes:
                mine.flush()
            every = gathered(mine, torch.tensor([rank]), 2)  # after all that was posted
            assert every.flatten().tolist() == [0, 1]
            return got

        for rank, got in enumerate(at_once([lambda: swap(0), lambda: swap(1)])):
            for place, tensor in enumerate(got):
                assert bool((tensor == 2 * place + 1 - rank).all())
