"""Workers of one lesson: who is there, and what they add up. Launched by `digitlab paddle launch`.

The launcher tells a worker its place by PADDLE_TRAINER_ID, PADDLE_TRAINERS_NUM,
PADDLE_TRAINER_ENDPOINTS and PADDLE_CURRENT_ENDPOINT; the first endpoint is where all meet.
Source: python/paddle/fluid/dygraph/parallel.py and parallel_helper.py of 1.7.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from digitlab.paddle.state import STATE


class ParallelEnv:
    """A worker's place, from its environment; alone: the only one."""

    def __init__(self) -> None:
        """Read it."""
        environment = os.environ
        self.nranks = int(environment.get("PADDLE_TRAINERS_NUM", "1"))
        self.local_rank = int(environment.get("PADDLE_TRAINER_ID", "0"))
        self.dev_id = int(environment.get("FLAGS_selected_gpus", "0").split(",")[0] or 0)
        self.trainer_endpoints = environment.get("PADDLE_TRAINER_ENDPOINTS", "").split(",")
        self.current_endpoint = environment.get("PADDLE_CURRENT_ENDPOINT", "")
        self.rank, self.world_size, self.device_id = self.local_rank, self.nranks, self.dev_id


@dataclass
class ParallelStrategy:
    """What `prepare_context` gives and `DataParallel` takes."""

    nranks: int = 1
    local_rank: int = 0
    trainer_endpoints: tuple[str, ...] = ()
    current_endpoint: str = ""


def default_strategy() -> ParallelStrategy:
    """Return that of this worker's environment."""
    place = ParallelEnv()
    endpoints = tuple(place.trainer_endpoints)
    return ParallelStrategy(place.nranks, place.local_rank, endpoints, place.current_endpoint)


def prepare_context(strategy: ParallelStrategy | None = None) -> ParallelStrategy | None:
    """Meet the other workers; None where there are none.

    Raises:
        RuntimeError: where the environment names no endpoint to meet at.
    """
    strategy = strategy or default_strategy()
    if strategy.nranks < 2:
        return None
    if STATE.collective:
        return strategy
    meeting = strategy.trainer_endpoints[0] if strategy.trainer_endpoints else ""
    if ":" not in meeting:
        raise RuntimeError(
            f"PADDLE_TRAINERS_NUM is {strategy.nranks}, but PADDLE_TRAINER_ENDPOINTS names no "
            "place to meet; start workers by digitlab paddle launch"
        )
    import torch.distributed

    torch.distributed.init_process_group(
        "gloo",
        init_method=f"tcp://{meeting}",
        rank=strategy.local_rank,
        world_size=strategy.nranks,
        timeout=timedelta(minutes=30),
    )
    atexit.register(_part)
    STATE.collective = True
    return strategy


def add_up(tensors: Iterable[Tensor]) -> None:
    """Replace each by the sum of all workers', in one exchange a type."""
    import torch.distributed

    _exchange(tensors, torch.distributed.all_reduce)


def broadcast(tensors: Iterable[Tensor]) -> None:
    """Replace each by the first worker's."""
    import torch.distributed

    _exchange(tensors, lambda joined: torch.distributed.broadcast(joined, 0))


@torch.no_grad()
def _exchange(tensors: Iterable[Tensor], by: Callable[[Tensor], Any]) -> None:
    """Have all of a type changed as one tensor on the processor, and take their parts of it."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for one in tensors:
        groups.setdefault(one.dtype, []).append(one)
    for group in groups.values():
        joined = torch.cat([one.reshape(-1).cpu() for one in group])
        by(joined)
        parts = torch.split(joined, [one.numel() for one in group])
        for one, part in zip(group, parts, strict=True):
            one.copy_(part.reshape(one.shape))


def _part() -> None:
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    STATE.collective = False
