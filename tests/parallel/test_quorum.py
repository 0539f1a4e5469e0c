"""Who computes together next, case by case: no store, no process, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.parallel.plan import Workers
from digitlab.parallel.quorum import Move, Round, Seen, Why, missing_nodes, next_move
from digitlab.parallel.seat import Seat, slot_of

NEW, REST, LOST = Why.NEW, Why.AT_REST, Why.LOST
ME = "0.a"
PLAN = Workers(timeout=30, start_timeout=300)


def seat(me: str = ME, workers: int = 3, per_node: int = 3) -> Seat:
    return Seat(slot_of(me), me.partition(".")[2], workers, per_node, "host", 1, plan=PLAN)


def round_of(
    number: int, members: Sequence[str], new: Sequence[str] = (), answered: int = 3
) -> Round:
    return Round(number, tuple(members), tuple(new), answered, ME)


FIRST = round_of(1, ["0.a", "1.a", "2.a"], ["0.a", "1.a", "2.a"])
ALL = {"0.a": LOST, "1.a": LOST, "2.a": LOST}
AT_REST = {"0.a": REST, "1.a": REST, "2.a": REST}

# What is seen, from where this worker comes, what it does, and the round that it is about.
CASES = {
    "the first round waits for a worker that was started here": (
        Seen(1, asked=["0.a", "2.a"], waited=29), NEW, Move.WAIT, None,
    ),
    "but not for ever": (
        Seen(1, asked=["2.a", "0.a"], waited=30), NEW,
        Move.PROPOSE, round_of(1, ["0.a", "2.a"], ["0.a", "2.a"], 2),
    ),
    "nor for one that will never come": (
        Seen(1, asked=["0.a", "2.a"], never={1}), NEW,
        Move.PROPOSE, round_of(1, ["0.a", "2.a"], ["0.a", "2.a"], 2),
    ),
    "once all are there, they begin at once, by slot": (
        Seen(1, asked=["2.a", "0.a", "1.a"]), NEW, Move.PROPOSE, FIRST,
    ),
    "one that was started again counts by its new name": (
        Seen(1, asked=["0.a", "1.a", "2.a", "1.b"], lost={"1.a"}), NEW, Move.PROPOSE,
        round_of(1, ["0.a", "1.b", "2.a"], ["0.a", "1.b", "2.a"], 4),
    ),
    "who asked twice is there once": (
        Seen(1, asked=["0.a", "1.a", "0.a", "2.a"]), NEW, Move.PROPOSE,
        round_of(1, FIRST.members, FIRST.new, 4),
    ),
    "where all who asked are lost, there is no round": (
        Seen(1, asked=["0.a"], lost={"0.a"}, waited=1000), NEW, Move.WAIT, None,
    ),
    "a round that is decided is entered": (
        Seen(1, decided=FIRST), NEW, Move.ENTER, FIRST,
    ),
    "even where the run is finished meanwhile": (
        Seen(1, decided=FIRST, is_finished=True), NEW, Move.ENTER, FIRST,
    ),
    "a finished run has no further round": (
        Seen(2, is_finished=True), LOST, Move.LEAVE, None,
    ),
    "who knows the run and was left out ends": (
        Seen(2, decided=round_of(2, ["1.a"])), LOST, Move.END, None,
    ),
    "also from rest": (
        Seen(2, decided=round_of(2, ["1.a"])), REST, Move.END, None,
    ),
    "who is new and was left out asks for the next": (
        Seen(2, decided=round_of(2, ["1.a"])), NEW, Move.ASK, None,
    ),
    "while somebody ends the run nobody begins a round": (
        Seen(2, before=FIRST, joined=ALL, is_being_finished=True), LOST, Move.WAIT, None,
    ),
    "after a loss those who are left go on in their order": (
        Seen(2, before=FIRST, asked=FIRST.members, joined=ALL, lost={"0.a"}), LOST,
        Move.PROPOSE, round_of(2, ["1.a", "2.a"]),
    ),
    "they wait for one that has not noticed": (
        Seen(2, before=FIRST, joined={"0.a": LOST}, lost={"1.a"}, waited=29), LOST,
        Move.WAIT, None,
    ),
    "until it is too late": (
        Seen(2, before=FIRST, joined={"0.a": LOST}, lost={"1.a"}, waited=30), LOST,
        Move.PROPOSE, round_of(2, ["0.a"]),
    ),
    "who joined and was lost then is left out": (
        Seen(2, before=FIRST, joined=ALL, lost={"2.a"}), LOST,
        Move.PROPOSE, round_of(2, ["0.a", "1.a"]),
    ),
    "after a loss nobody new is taken in, and the wish is kept": (
        Seen(2, before=FIRST, asked=[*FIRST.members, "1.b"], joined=ALL, lost={"1.a"}), LOST,
        Move.PROPOSE, round_of(2, ["0.a", "2.a"], answered=3),
    ),
    "from rest it is taken in, at the end": (
        Seen(2, before=FIRST, asked=[*FIRST.members, "1.b"], joined=AT_REST, lost={"1.a"}), REST,
        Move.PROPOSE, round_of(2, ["0.a", "2.a", "1.b"], ["1.b"], 4),
    ),
    "a single one out of a failed operation keeps the new ones out": (
        Seen(2, before=FIRST, asked=[*FIRST.members, "1.b"],
             joined={**AT_REST, "2.a": LOST}, lost={"1.a"}), REST,
        Move.PROPOSE, round_of(2, ["0.a", "2.a"], answered=3),
    ),
    "who was in a round and still is new stays new": (
        Seen(2, before=FIRST, asked=FIRST.members, joined={**AT_REST, "2.a": NEW}), REST,
        Move.PROPOSE, round_of(2, ["0.a", "1.a", "2.a"], ["2.a"]),
    ),
    "where nobody is left who knows, the new ones begin": (
        Seen(2, before=FIRST, asked=[*FIRST.members, "0.b"], joined={},
             lost={"0.a", "1.a", "2.a"}), NEW,
        Move.PROPOSE, round_of(2, ["0.b"], ["0.b"], 4),
    ),
    "where nobody is left at all, there is no round": (
        Seen(2, before=FIRST, asked=FIRST.members, joined={}, lost={"0.a", "1.a", "2.a"}), NEW,
        Move.WAIT, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_worker_does_what_it_should(name: str) -> None:
    seen, why, move, chosen = CASES[name]
    assert next_move(seen, seat(), why) == (move, chosen)


@pytest.mark.parametrize(
    ("waited", "asked", "move"),
    [
        (299, ["0.a", "1.a"], Move.WAIT),  # the other machine may take long to come
        (300, ["0.a", "1.a"], Move.GIVE_UP),
        (29, ["0.a", "1.a", "2.a"], Move.WAIT),  # it has come: its other worker was started, too
        (30, ["0.a", "1.a", "2.a"], Move.PROPOSE),
        (0, ["0.a", "1.a", "2.a", "3.a"], Move.PROPOSE),
    ],
)
def test_another_machine_is_waited_for_longer_than_another_worker(
    waited: float, asked: list[str], move: Move
) -> None:
    two_by_two = seat(workers=4, per_node=2)
    assert next_move(Seen(1, asked=asked, waited=waited), two_by_two, NEW)[0] is move


@pytest.mark.parametrize(
    ("fewest", "move"), [(None, Move.GIVE_UP), (3, Move.GIVE_UP), (2, Move.PROPOSE)]
)
def test_without_a_machine_a_run_begins_only_where_so_few_were_asked_for(
    fewest: int | None, move: Move
) -> None:
    asked = replace(seat(workers=4, per_node=2), plan=replace(PLAN, min_workers=fewest))
    seen = Seen(1, asked=["0.a", "1.a"], waited=300)
    assert next_move(seen, asked, NEW) == (move, round_of(1, ["0.a", "1.a"], ["0.a", "1.a"], 2))
    assert missing_nodes(round_of(1, ["0.a", "1.a"]), asked) == [1]


names = st.sampled_from([f"{slot}.{start}" for slot in range(4) for start in "ab"])


@given(
    before=st.lists(names, min_size=1, max_size=4, unique=True),
    asked=st.lists(names, max_size=6),
    joined=st.dictionaries(names, st.sampled_from(Why)),
    lost=st.sets(names),
    waited=st.sampled_from([0.0, 29.0, 31.0]),
)
def test_whatever_is_seen_no_lost_or_unknown_worker_is_in_the_next_round(
    before: list[str], asked: list[str], joined: dict[str, Why], lost: set[str], waited: float
) -> None:
    joined = {worker: why for worker, why in joined.items() if worker in before}
    old = Round(1, tuple(before), (), 0, ME)
    seen = Seen(2, before=old, asked=asked, joined=joined, lost=lost, waited=waited)
    move, chosen = next_move(seen, seat(workers=4, per_node=4), LOST)
    if chosen is None:
        assert move is Move.WAIT
        return
    assert not set(chosen.members) & lost
    assert set(chosen.members) <= set(joined) | set(asked)
    assert len(set(chosen.members)) == len(chosen.members)
    assert set(chosen.new) <= set(chosen.members)
    kept = [worker for worker in chosen.members if worker not in chosen.new]
    assert kept == [worker for worker in before if worker in kept]
    # Whoever lives and has not come by then was waited for.
    missing = set(before) - lost - set(joined)
    assert not missing or waited > 30
