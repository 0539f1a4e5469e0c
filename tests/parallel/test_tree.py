"""The order of additions: whoever holds which shards, the bits of the sum are the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from digitlab.data.batches import Batches, Share
from digitlab.parallel.tree import fold, root


def add(left: np.float32, right: np.float32) -> np.float32:
    return np.float32(left + right)


@st.composite
def sums(draw: st.DrawFn) -> tuple[list[np.float32], list[int]]:
    """Return numbers of very different sizes, and where they are cut into runs for workers."""
    numbers = st.floats(-1e6, 1e6, width=32).map(np.float32)
    leaves = draw(st.lists(numbers, min_size=1, max_size=40))
    cuts = draw(st.lists(st.integers(0, len(leaves)), max_size=8).map(sorted))
    return leaves, [0, *cuts, len(leaves)]


@given(sums())
def test_any_dealing_gives_the_same_bits(case: tuple[list[np.float32], list[int]]) -> None:
    leaves, cuts = case
    places = {(0, place): leaf for place, leaf in enumerate(leaves)}
    whole = fold(places, len(leaves), add)
    assert set(whole) == {root(len(leaves))}
    sent = {}
    for start, end in pairwise(cuts):
        mine = {(0, place): leaves[place] for place in range(start, end)}
        sent |= fold(mine, len(leaves), add)
    together = fold(sent, len(leaves), add)
    assert set(together) == {root(len(leaves))}
    assert together[root(len(leaves))].tobytes() == whole[root(len(leaves))].tobytes()


def test_neighbours_are_added_first_and_an_odd_one_moves_up() -> None:
    words = {(0, place): letter for place, letter in enumerate("abcde")}
    assert fold(words, 5, lambda left, right: f"({left}{right})") == {(3, 0): "(((ab)(cd))e)"}


def test_a_worker_sends_few_sums_and_not_every_shard() -> None:
    mine = {(0, place): "x" for place in range(4, 8)}
    assert fold(mine, 8, lambda left, right: left + right) == {(2, 1): "xxxx"}


@given(st.integers(0, 100), st.integers(1, 20))
def test_shares_are_even_and_cover_everything_once(count: int, size: int) -> None:
    shares = [Share(rank, size).of(count) for rank in range(size)]
    assert [thing for share in shares for thing in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_eight_shards_on_three_workers_are_three_three_and_two() -> None:
    assert [len(Share(rank, 3).of(8)) for rank in range(3)] == [3, 3, 2]


def test_a_batch_deals_only_the_shards_that_hold_samples() -> None:
    batches = Batches(count=53, batch_size=50, shards=4, epochs=1, seed=1)
    last = batches.at(1)
    assert len(last.samples) == 3
    parts = [last.part(Share(rank, 2)) for rank in range(2)]
    assert [number for part in parts for number in part] == list(last.filled)
    dealt = np.concatenate([samples for part in parts for samples in part.values()])
    assert dealt.tolist() == last.samples.tolist()
