"""A worker's place in a team, and what its members have agreed on before; needs no torch.

Made by whoever starts a worker: the launcher (`launch.py`), or torchrun by its environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SYNCS = ("exact", "ddp")
COMPRESSIONS = ("none", "fp16", "bf16", "powersgd")


@dataclass(frozen=True)
class Seat:
    """A worker's place.

    Attributes:
        slot: which of the workers it is, from 0; a worker started again keeps it.
        start: a word that tells one start of this slot from another.
        workers: how many there are in all.
        per_node: how many of them are on each machine.
        host, port: of the rendezvous store.
        timeout: seconds after which one who does not answer is taken for lost.
        start_timeout: seconds that machines wait for each other at the start.
        min_workers: fewer than that do not go on.
        regroups: whether those who are left go on without one who is lost (not under torchrun).
        sync: "exact" or "ddp".
        compress: "none", "fp16", "bf16" or "powersgd"; for "ddp".
        local_steps: steps between two averages of the weights; for "ddp".
        ledger: whether all are told which sample went through which worker.
        prefix: of the keys in the store, another for each restart by torchrun.
        devices: CUDA devices of this worker's machine, one a worker; empty: all there are.
    """

    slot: int
    start: str
    workers: int
    per_node: int
    host: str
    port: int
    timeout: float = 30.0
    start_timeout: float = 300.0
    min_workers: int = 1
    regroups: bool = True
    sync: str = "exact"
    compress: str = "none"
    local_steps: int = 1
    ledger: bool = False
    prefix: str = "digitlab"
    devices: tuple[int, ...] = ()

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
            "--sync": self.sync,
            "--compress": self.compress,
            "--local-steps": self.local_steps,
            "--ledger": "on" if self.ledger else "off",
            "--min-workers": self.min_workers,
            "--timeout": self.timeout,
        }

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `Seat(**values)`."""
        return asdict(self)


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
