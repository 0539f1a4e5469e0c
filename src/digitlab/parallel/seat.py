"""A worker's place among the others, and what was asked of all; needs no torch.

Made by whoever starts a worker: the launcher (`launch.py`), or torchrun by its environment.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from digitlab.errors import ConfigError
from digitlab.parallel.plan import Workers

# What torchrun sets for each worker and we heed; the first is no other program's.
_MARK = "TORCHELASTIC_RUN_ID"
_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Seat:
    """A worker's place.

    Attributes:
        slot: which of the workers it is, from 0; a worker started again keeps it.
        start: a word that tells one start of this slot from another.
        workers: how many there are in all, servers of parameters included.
        per_node: how many of them are on each machine.
        host, port: of the rendezvous store.
        plan: what was asked for on this worker's machine.
        regroups: whether those who are left go on without one who is lost (not under torchrun).
        ledger: whether all are told which sample went through which worker.
        prefix: of the keys in the store, another for each restart of all.
        attempt: how often our launcher began again with all.
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
    attempt: int = 0

    @property
    def id(self) -> str:
        """The worker's name among the others, another after each start."""
        return f"{self.slot}.{self.start}"

    @property
    def servers(self) -> tuple[int, ...]:
        """The slots of those that own parameters: the last of each machine, or of torchrun's."""
        every = self.per_node if self.regroups else self.workers
        first = every - self.plan.servers_here
        return tuple(slot for slot in range(self.workers) if slot % every >= first)

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


def seat_here(
    plan: Workers, local: int, start: str, port: int, ledger: bool, attempt: int = 0
) -> Seat:
    """Return the place of one of this machine's workers.

    Args:
        plan: of this machine.
        local: which of its workers, from 0.
        start: a word that tells its starts apart.
        port: of the rendezvous store.
        ledger: see `Seat`.
        attempt: how often all began again.
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
        prefix=f"digitlab/{attempt}" if attempt else "digitlab",
        attempt=attempt,
    )


def slot_of(worker: str) -> int:
    """Return the slot that a worker's name says."""
    return int(worker.partition(".")[0])


def seat_of_torchrun(environment: Mapping[str, str] | None = None) -> Seat | None:
    """Return the place that torchrun gives by the environment, or None where it did not start us.

    There the agent ends all workers when one is lost, so nobody regroups.

    Raises:
        ConfigError: where a variable holds what torchrun never sets.
    """
    environment = os.environ if environment is None else environment
    if not all(environment.get(name) for name in (_MARK, *_OF_TORCHRUN)):
        return None
    workers = _number(environment, "WORLD_SIZE", 1, None)
    return Seat(
        slot=_number(environment, "RANK", 0, workers - 1),
        start=environment.get("TORCHELASTIC_RESTART_COUNT", "0"),
        workers=workers,
        per_node=_number(environment, "LOCAL_WORLD_SIZE", 1, workers),
        host=environment["MASTER_ADDR"],
        port=_number(environment, "MASTER_PORT", 1, 65535),
        regroups=False,
        prefix=f"digitlab/{environment.get('TORCHELASTIC_RESTART_COUNT', 0)}",
    )


def leftover_of_torchrun(
    seat: Seat | None, environment: Mapping[str, str] | None = None
) -> str | None:
    """Return a line on variables that torchrun left behind, where it is safe to pass over them.

    Args:
        seat: what `seat_of_torchrun` made of them.
        environment: of this process.

    Raises:
        ConfigError: where they name several workers and it is certain that there are none: one of
            several must not train alone.
    """
    environment = os.environ if environment is None else environment
    if not environment.get(_MARK):
        return None
    if seat is None:
        missing = next(name for name in _OF_TORCHRUN if not environment.get(name))
        return f"{_MARK} is passed over, since {missing} is not set; {way_out()}"
    if seat.slot >= seat.per_node or not _is_refused(seat.host, seat.port):
        return None
    why = f"nobody listens at MASTER_ADDR:MASTER_PORT, {seat.host}:{seat.port}, as torchrun does"
    if seat.workers > 1:
        raise ConfigError(f"{_MARK} is set, but {why}; {way_out()}")
    return f"{_MARK} is passed over, since {why}; {way_out()}"


def way_out() -> str:
    """Say how a process is told that torchrun did not start it."""
    if sys.platform == "win32":
        how = f"Remove-Item Env:{_MARK} (PowerShell) or set {_MARK}= (cmd)"
    else:
        how = f"unset {_MARK}"
    return f"if torchrun did not start this: {how}"


def _number(environment: Mapping[str, str], name: str, least: int, most: int | None) -> int:
    text = environment[name]
    if text.isascii() and text.isdigit():
        number = int(text)
        if least <= number and (most is None or number <= most):
            return number
    expected = f"{least} or more" if most is None else f"{least} to {most}"
    raise ConfigError(f"{name} is {text!r}; torchrun sets {expected}; {way_out()}")


def _is_refused(host: str, port: int) -> bool:
    """Whether it is certain that nobody listens; torchrun does before it starts a worker."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False  # perhaps later
    return False
