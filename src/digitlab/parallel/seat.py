"""A worker's place among the others, and what was asked of all; needs no torch.

Made by whoever starts a worker: the launcher (`launch.py`), or torchrun by its environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from digitlab.parallel.plan import Workers


@dataclass(frozen=True)
class Seat:
    """A worker's place.

    Attributes:
        slot: which of the workers it is, from 0; a worker started again keeps it.
        start: a word that tells one start of this slot from another.
        workers: how many there are in all.
        per_node: how many of them are on each machine.
        host, port: of the rendezvous store.
        plan: what was asked for on this worker's machine.
        regroups: whether those who are left go on without one who is lost (not under torchrun).
        ledger: whether all are told which sample went through which worker.
        prefix: of the keys in the store, another for each restart by torchrun.
    """

    slot: int
    start: str
    workers: int
    per_node: int
    host: str
    port: int
    plan: Workers = field(default_factory=Workers)
    regroups: bool = True
    ledger: bool = False
    prefix: str = "digitlab"

    @property
    def id(self) -> str:
        """The worker's name among the others, another after each start."""
        return f"{self.slot}.{self.start}"

    @property
    def local(self) -> int:
        """Which of its machine's workers it is, from 0."""
        return self.slot % self.per_node

    def agreed(self) -> dict[str, Any]:
        """Return what must be the same for all workers, by the flag that says it."""
        return {
            "--workers": self.per_node,
            "--workers times --nodes": self.workers,
            "--ledger": "on" if self.ledger else "off",
            **self.plan.same_for_all(),
        }

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `seat_of_json`."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**values, "plan": self.plan.to_json()}


def seat_of_json(values: Mapping[str, Any]) -> Seat:
    """Return the seat of what `Seat.to_json` gave."""
    return Seat(**{**values, "plan": Workers(**values["plan"])})


def seat_here(plan: Workers, local: int, start: str, port: int, ledger: bool) -> Seat:
    """Return the place of one of this machine's workers.

    Args:
        plan: of this machine.
        local: which of its workers, from 0.
        start: a word that tells its starts apart.
        port: of the rendezvous store.
        ledger: see `Seat`.
    """
    return Seat(
        slot=plan.node_rank * plan.here + local,
        start=start,
        workers=plan.everywhere,
        per_node=plan.here,
        host=plan.address()[0],
        port=port,
        plan=plan,
        ledger=ledger,
    )


def slot_of(worker: str) -> int:
    """Return the slot that a worker's name says."""
    return int(worker.partition(".")[0])


def seat_of_torchrun(environment: Mapping[str, str] | None = None) -> Seat | None:
    """Return the place that torchrun gives by the environment, or None where it did not start us.

    There the agent ends all workers when one is lost, so nobody regroups.
    """
    environment = os.environ if environment is None else environment
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    return Seat(
        slot=int(environment["RANK"]),
        start=environment.get("TORCHELASTIC_RESTART_COUNT", "0"),
        workers=int(environment["WORLD_SIZE"]),
        per_node=int(environment["LOCAL_WORLD_SIZE"]),
        host=environment["MASTER_ADDR"],
        port=int(environment["MASTER_PORT"]),
        regroups=False,
        prefix=f"digitlab/{environment.get('TORCHELASTIC_RESTART_COUNT', 0)}",
    )
