"""Who computes together next: decided from what one worker sees of the others.

No store, no process and no clock here; membership.py looks, asks, and does what is said. (torchft's
lighthouse has such a function, too: `quorum_compute`.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum, StrEnum

from digitlab.parallel.seat import Seat, slot_of


class Why(StrEnum):
    """From where a worker comes to a round."""

    NEW = "new"  # it does not know yet where the run is
    AT_REST = "at rest"  # between two steps: others can be told where the run is
    LOST = "lost"  # out of an operation that failed


@dataclass(frozen=True)
class Round:
    """Workers that compute together.

    Attributes:
        number: of the round, from 1.
        members: their names; a worker's rank is its place among them.
        new: those of them that have to be told where the run is. In the first round, and after the
            loss of all, these are all, and the one of rank 0 finds out from the run's folder.
        answered: how many requests to be taken in had been made and are dealt with.
        me: this worker's name.
    """

    number: int
    members: tuple[str, ...]
    new: tuple[str, ...]
    answered: int
    me: str

    @property
    def rank(self) -> int:
        """This worker's rank."""
        return self.members.index(self.me)

    @property
    def founds(self) -> bool:
        """Whether nobody in this round knows where the run is."""
        return set(self.members) == set(self.new)


@dataclass(frozen=True)
class Seen:
    """What a worker sees while it waits for a round.

    Attributes:
        number: of the round that it waits for.
        decided: that round, where it is agreed upon.
        before: the round before it, None where there was none.
        asked: who ever asked to be taken in, once for each time.
        joined: who waits for this round after having been in the one before, and from where.
        lost: who of all these left, was seen to end, or is silent.
        never: slots of which no worker will be started again.
        waited: seconds for which this worker has waited.
        is_finished: whether the run is.
        is_being_finished: whether somebody who lives does what ends it.
    """

    number: int
    decided: Round | None = None
    before: Round | None = None
    asked: Sequence[str] = ()
    joined: Mapping[str, Why] | None = None
    lost: AbstractSet[str] = frozenset()
    never: AbstractSet[int] = frozenset()
    waited: float = 0.0
    is_finished: bool = False
    is_being_finished: bool = False


class Move(Enum):
    """What a worker does about what it sees."""

    WAIT = "wait"
    ENTER = "enter the round that is decided"
    PROPOSE = "propose a round"
    ASK = "ask to be taken in: this round has begun without it"
    LEAVE = "leave: the run is finished"
    END = "end: the others have gone on without it, taking it for lost"
    GIVE_UP = "give up: a machine did not come, and the user did not ask for fewer"


def next_move(seen: Seen, seat: Seat, why: Why) -> tuple[Move, Round | None]:
    """Return what a worker does next, and the round that it enters, proposes or gives up.

    Args:
        seen: what it sees.
        seat: its own.
        why: from where it comes.
    """
    if seen.decided and seat.id in seen.decided.members:
        return Move.ENTER, seen.decided
    if seen.is_finished:
        return Move.LEAVE, None
    if seen.decided:
        return (Move.ASK if why is Why.NEW else Move.END), None
    if seen.is_being_finished:
        return Move.WAIT, None
    proposed = _first_round(seen, seat) if seen.before is None else _following(seen, seat)
    if proposed is None:
        return Move.WAIT, None
    if seen.before is None and missing_nodes(proposed, seat):
        fewest = seat.plan.min_workers
        if fewest is None or len(proposed.members) < fewest:
            return Move.GIVE_UP, proposed
    return Move.PROPOSE, proposed


def missing_nodes(now: Round, seat: Seat) -> list[int]:
    """Return the machines of which no worker is in a round."""
    here = {slot_of(worker) // seat.per_node for worker in now.members}
    return [node for node in range(-(-seat.workers // seat.per_node)) if node not in here]


def _first_round(seen: Seen, seat: Seat) -> Round | None:
    """Return the round of all who came, or None while others may come."""
    here = _newcomers(seen)
    slots = {slot_of(worker) for worker in here}
    nodes = {slot // seat.per_node for slot in slots}
    for slot in set(range(seat.workers)) - slots - seen.never:
        is_started = slot // seat.per_node in nodes
        if seen.waited < (seat.plan.timeout if is_started else seat.plan.start_timeout):
            return None
    return Round(seen.number, here, here, len(seen.asked), seat.id) if here else None


def _following(seen: Seen, seat: Seat) -> Round | None:
    """Return the round of those who are left of the one before, or None while some may come.

    They keep their order. Newcomers are taken in only where all who know the run are at rest, or
    nobody who knows it is left.
    """
    assert seen.before is not None
    joined = seen.joined or {}
    left = [worker for worker in seen.before.members if worker not in seen.lost]
    if seen.waited < seat.plan.timeout and any(worker not in joined for worker in left):
        return None
    there = [worker for worker in left if worker in joined]
    knowing = [worker for worker in there if joined[worker] is not Why.NEW]
    new, answered = [], seen.before.answered
    if all(joined[worker] is Why.AT_REST for worker in knowing):
        new = [worker for worker in there if joined[worker] is Why.NEW]
        new += [worker for worker in _newcomers(seen) if worker not in there]
        answered = len(seen.asked)
    members = (*knowing, *new)
    return Round(seen.number, members, tuple(new), answered, seat.id) if members else None


def _newcomers(seen: Seen) -> tuple[str, ...]:
    """Return who asked to be taken in and is not lost, each once, by slot."""
    there = dict.fromkeys(worker for worker in seen.asked if worker not in seen.lost)
    return tuple(sorted(there, key=slot_of))
