"""Chooses the strategy of a run; used by `training/run.py` alone.

What several workers need is imported where there are several: a run by itself starts faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from digitlab.parallel.seat import Seat
from digitlab.parallel.strategy import Job, Strategy

if TYPE_CHECKING:
    from digitlab.parallel.team import Team


@contextmanager
def entered_team(seat: Seat | None, device: torch.device) -> Iterator[Team | None]:
    """Find the other workers, and tell them what ends this one; None where it is alone."""
    if seat is None:
        yield None
        return
    from digitlab.parallel.team import Team

    with Team(seat, device) as team:
        yield team


def build_strategy(job: Job, team: Team | None) -> Strategy:
    """Return the strategy of a job: all shards in this process, or this worker's among others'.

    Raises:
        ConfigError: where the network cannot be shared as was asked for.
    """
    if team is None:
        from digitlab.parallel.shards import ShardPool

        return ShardPool(job)
    plan = team.seat.plan
    if plan.parallel == "pipeline":
        from digitlab.parallel.pipeline import Pipeline

        return Pipeline(job, team)
    if plan.parallel == "tensor":
        from digitlab.parallel.tensor_parallel import TensorParallel

        return TensorParallel(job, team)
    if plan.parallel == "branches":
        from digitlab.parallel.branch_parallel import BranchParallel

        return BranchParallel(job, team)
    if plan.staleness:
        from digitlab.parallel.stale import Stale

        return Stale(job, team)
    if plan.parallel == "parameter-server":
        from digitlab.parallel.parameter_server import ParameterServer

        return ParameterServer(job, team)
    if plan.sync == "ddp":
        from digitlab.parallel.ddp import Averaged

        return Averaged(job, team)
    from digitlab.parallel.data_parallel import DataParallel

    return DataParallel(job, team)
