"""Who is in the team: agreed upon, round by round, in a rendezvous store.

A round is a list of workers that compute together. It ends when one of them is lost, or when
somebody asks to be taken in; then those who are left agree on the next. The store lives in a
process of its own (`store_process.py`); its keys are

    beat/W      grows four times a second while worker W lives
    gone/W      W's launcher saw it end
    never/S     no worker of slot S will be started again
    at/R/W      where W waits for the others of round R to connect (sockets.py)
    asks        the names of those who asked to be taken in, in that order
    join/R/W    W has left round R - 1 and waits for round R; a `Why` says from where
    round/R     the workers of round R, by rank; set once, by whoever of them first sees it ready
                (quorum.py)
    flags       what the first worker was started with, and all others must be
    end         a line: an error of one worker ended the run for all
    finishing   the worker that does what ends the run
    done        the run is finished
    left/W      W has seen that the run is finished, or was told to stop, and takes part no more

Where workers own parts, all begin again when one is lost, under keys of that attempt; and outside
of them digitlab-again/N says that somebody has begun for the Nth time.

Nothing here needs clocks that agree: a worker is silent when its beat did not grow while this one
looked on.
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from queue import SimpleQueue

import torch.distributed as dist

from digitlab.child import heed
from digitlab.errors import TrainingError
from digitlab.parallel.quorum import Move, Round, Seen, Why, missing_nodes, next_move
from digitlab.parallel.seat import Seat, slot_of
from digitlab.parallel.strategy import AlreadyFinishedError
from digitlab.parallel.watchdog import APART, DROPPED, ENDED, Watchdog
from digitlab.processes import CUT_OFF, end

_BEAT = 0.25
_SILENCE = 3.0  # seconds without a beat after which a worker is taken for lost
_POLL = 0.02
_DROPPED = "the others went on without this worker, taking it for lost"
_AGAIN = "digitlab-again"
_STARTING = 7.0  # seconds that the store's process may need to import torch


class Membership:
    """This worker's part in agreeing on rounds."""

    def __init__(self, seat: Seat, watchdog: Watchdog) -> None:
        """Connect to the store and begin to beat."""
        self.seat, self._watchdog = seat, watchdog
        self._where = f"the rendezvous store at {seat.host}:{seat.port}"
        self._seen_to_end: SimpleQueue[tuple[str, bool]] = SimpleQueue()
        if seat.regroups:  # first of all: a launcher that is gone took the store with it
            heed(self._hear_of_end)
        # On its own machine the store was started when we were, elsewhere it may not be there yet.
        patience = (
            seat.plan.start_timeout if seat.slot >= seat.per_node else seat.plan.timeout + _STARTING
        )
        waiting = timedelta(seconds=patience)
        self.here = ""  # this machine's address, as seen from the store's
        self._wait_for_the_store(patience)
        with self._answers(patience):
            self._root = dist.TCPStore(seat.host, seat.port, is_master=False, timeout=waiting)
            self.restore_timeout()
            self.store = dist.PrefixStore(seat.prefix, self._root)
            beating = self._root.clone()  # type: ignore[attr-defined]
            self._beating = dist.PrefixStore(seat.prefix, beating)
            self._again = f"{seat.attempt + 1}"
            self._attempts = dist.PrefixStore(_AGAIN, self._root)
            self._attempts.set(str(seat.attempt), "")
            self._attempts_beating = dist.PrefixStore(_AGAIN, beating)
        self._beats: dict[str, tuple[bytes, float]] = {}
        self._asks = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="digitlab-beat", daemon=True)
        self._thread.start()

    def _wait_for_the_store(self, patience: float) -> None:
        """Wait until somebody listens there: TCPStore itself would not hear of Ctrl-C meanwhile."""
        address, began = (self.seat.host, self.seat.port), time.monotonic()
        while True:
            try:
                with socket.create_connection(address, timeout=1) as probe:
                    self.here = str(probe.getsockname()[0])
            except OSError as error:
                waited = time.monotonic() - began
                if waited > patience:
                    end(
                        f"nobody listens at {address[0]}:{address[1]} ({error.strerror or error}), "
                        "where the first machine should; was the command given there?",
                        CUT_OFF,
                    )
                time.sleep(min(0.5, 0.02 + waited / 10))
            else:
                return

    def next(self, before: Round | None, why: Why) -> Round:
        """Agree on the next round that has this worker in it.

        Args:
            before: the round that this worker leaves; None where it was in none yet.
            why: from where it comes.

        Raises:
            AlreadyFinishedError: where there is none, because the run is finished.
            TrainingError: where a machine did not come at the start.
        """
        number = before.number + 1 if before else 1
        has_asked = before is None
        if before:
            self.tell(f"join/{number}/{self.seat.id}", why)
        else:
            self._ask()
        began = time.monotonic()
        while True:
            with self._answers():
                seen = self._look(number, time.monotonic() - began)
                move, chosen = next_move(seen, self.seat, why)
                if move is Move.ENTER and chosen:
                    return chosen
                if move is Move.PROPOSE and chosen:
                    self.store.compare_set(f"round/{number}", "", _said(chosen))
                    continue
                if move is Move.LEAVE:
                    raise AlreadyFinishedError
                if move is Move.GIVE_UP and chosen:
                    raise TrainingError(
                        f"{words_of_missing(chosen, self.seat)}; start what is missing, or give "
                        "--min-workers N to go on with fewer"
                    )
                if move is Move.END:
                    end(_DROPPED, DROPPED)
                if move is Move.ASK:
                    number += 1
                    if not has_asked:
                        self._ask()
                        has_asked = True
            time.sleep(_POLL)

    def _look(self, number: int, waited: float) -> Seen:
        """Return what there is to see of a round that this worker waits for."""
        decided = self.decided(number)
        is_finished = self.store.check(["done"])
        if decided or is_finished:
            return Seen(number, decided, is_finished=is_finished)
        if self._is_being_finished():
            return Seen(number, is_being_finished=True)
        before, asked = self.decided(number - 1), _names(self.store)
        members = before.members if before else ()
        lost = {worker for worker in {*asked, *members} if self.is_lost(worker)}
        came = {slot_of(worker) for worker in asked if worker not in lost}
        awaited = set() if before else set(range(self.seat.workers)) - came
        keys = {worker: f"join/{number}/{worker}" for worker in members}
        return Seen(
            number,
            before=before,
            asked=asked,
            joined={
                worker: Why(bytes(self.store.get(key)).decode())
                for worker, key in keys.items()
                if self.store.check([key])
            },
            lost=lost,
            never={slot for slot in awaited if self.store.check([f"never/{slot}"])},
            waited=waited,
        )

    def decided(self, number: int) -> Round | None:
        """Return a round that was agreed upon, or None."""
        if not self.store.check([f"round/{number}"]):
            return None
        content = json.loads(self.store.get(f"round/{number}"))
        return Round(
            number,
            tuple(content["members"]),
            tuple(content["new"]),
            content["answered"],
            self.seat.id,
        )

    def is_wanted(self, now: Round) -> bool:
        """Whether, at the last beat, somebody waited to be taken in."""
        return self._asks > now.answered

    def is_lost(self, worker: str) -> bool:
        """Whether a worker left or was seen to end, or is silent; to be asked repeatedly."""
        if self.store.check([f"gone/{worker}"]) or self.store.check([f"left/{worker}"]):
            return True
        key, now = f"beat/{worker}", time.monotonic()
        value = self.store.get(key) if self.store.check([key]) else b""
        if worker not in self._beats or self._beats[worker][0] != value:
            self._beats[worker] = (value, now)
        return now - self._beats[worker][1] > _SILENCE

    def lost_of(self, workers: Sequence[str]) -> list[str]:
        """Return which of these workers are lost; to be asked repeatedly."""
        with self._answers():
            return [worker for worker in workers if self.is_lost(worker)]

    def left_behind(self, now: Round) -> list[str]:
        """Return who is lost of a round, or waits for the next one; to be asked repeatedly."""
        following = now.number + 1
        with self._answers():
            return [
                worker
                for worker in now.members
                if self.is_lost(worker) or self.store.check([f"join/{following}/{worker}"])
            ]

    def end_if_dropped(self, now: Round) -> None:
        """End this process where the others have gone on without it, taking it for lost."""
        with self._answers():
            following = self.decided(now.number + 1)
            if self._attempts.check([self._again]):
                end("the others began again without this worker, taking it for lost", APART)
        if following and self.seat.id not in following.members:
            end(_DROPPED, DROPPED)

    def wait_for(self, key: str, while_alive: str, patience: float = math.inf) -> bool:
        """Wait until a key is there; False where who would set it is lost, or takes too long."""
        began = time.monotonic()
        while time.monotonic() - began < patience:
            with self._answers():
                if self.store.check([key]):
                    return True
                if self.is_lost(while_alive):
                    return False
            time.sleep(_POLL)
        return False

    def tell(self, key: str, value: str = "") -> None:
        """Set a key that others wait for."""
        with self._answers():
            self.store.set(key, value)

    def restore_timeout(self) -> None:
        """Undo what torch does to it when it makes a group."""
        self._root.set_timeout(timedelta(seconds=self.seat.plan.timeout))

    def first(self, key: str, value: str) -> str:
        """Set a key, where nobody has; return what it holds."""
        with self._answers():
            return bytes(self.store.compare_set(key, "", value)).decode()

    def hear(self, key: str) -> str:
        """Return the value of a key, once somebody has told it."""
        with self._answers(self.seat.plan.start_timeout):
            while not self.store.check([key]):
                time.sleep(_POLL)
            return bytes(self.store.get(key)).decode()

    def _hear_of_end(self, line: str) -> None:
        """Pass on which worker the launcher saw end, and whether no other will take its place."""
        worker, _, words = line.partition(" ")
        self._seen_to_end.put((worker, words == "lost for good"))

    def close(self) -> None:
        """Stop beating."""
        self._closed.set()
        self._thread.join()

    def leave(self) -> None:
        """Say that the store is needed no more."""
        self.close()
        self.tell(f"left/{self.seat.id}")

    def part(self, members: Sequence[str], patience: float) -> None:
        """Leave together with the others, who else would take a stop for a loss."""
        self.tell(f"left/{self.seat.id}")
        began = time.monotonic()
        with suppress(dist.DistError):  # the store went first
            while any(not self.is_lost(worker) for worker in members):
                if time.monotonic() - began > patience:
                    return
                time.sleep(_POLL)

    def fail(self, line: str) -> None:
        """End the run for all others, who print `line`; this worker goes on to end by itself."""
        self.close()
        self.tell("end", line)

    def _ask(self) -> None:
        with self._answers():
            self.store.append("asks", f"{self.seat.id} ")  # type: ignore[attr-defined]

    def _is_being_finished(self) -> bool:
        if not self.store.check(["finishing"]):
            return False
        return not self.is_lost(bytes(self.store.get("finishing")).decode())

    def _beat(self) -> None:
        """Show that this worker lives, and look whether the run was ended; in a thread."""
        count = 0
        while not self._closed.wait(_BEAT if count else 0):
            count += 1
            with self._answers():
                self._beating.set(f"beat/{self.seat.id}", str(count))
                while not self._seen_to_end.empty():
                    worker, for_good = self._seen_to_end.get()
                    self._beating.set(f"gone/{worker}", "")
                    if for_good:
                        self._beating.set(f"never/{slot_of(worker)}", "")
                self._asks = len(_names(self._beating))
                if self._attempts_beating.check([self._again]):
                    end("another machine lost a worker, and its part with it", APART)
                if self._beating.check(["end"]):
                    end(bytes(self._beating.get("end")).decode(), ENDED)

    @contextmanager
    def _answers(self, seconds: float = 0) -> Iterator[None]:
        """End the process where the store does not answer what is asked inside."""
        line = f"{self._where} does not answer: its process or its machine is lost"
        try:
            with self._watchdog.limit(seconds or self.seat.plan.timeout, line):
                yield
        except dist.DistError:
            end(line, CUT_OFF)


def words_of_missing(now: Round, seat: Seat) -> str:
    """Return which machines did not come for the first round."""
    nodes = missing_nodes(now, seat)
    which = f"machine {nodes[0]}" if len(nodes) == 1 else f"machines {', '.join(map(str, nodes))}"
    return (
        f"{which} of {-(-seat.workers // seat.per_node)} (--node-rank) did not come within "
        f"{seat.plan.start_timeout:g} s (--start-timeout)"
    )


def _names(store: dist.Store) -> list[str]:
    """Return who ever asked to be taken in, once for each time."""
    return bytes(store.get("asks")).decode().split() if store.check(["asks"]) else []


def _said(decided: Round) -> str:
    """Return a round as it stands in the store."""
    content = {"members": decided.members, "new": decided.new, "answered": decided.answered}
    return json.dumps(content)
