"""Several workers as threads of this process, each with a network of its own, joined by sockets.

For tests of bits: what a strategy computes is the same as in processes, and starting one costs
nothing. Faults need processes (system/test_parts.py).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from digitlab import objectives
from digitlab.config import Recipe
from digitlab.data.batches import Batches
from digitlab.data.dataset import Split
from digitlab.parallel.build import build_strategy
from digitlab.parallel.exchange import Exchange, PeersLostError
from digitlab.parallel.plan import Workers
from digitlab.parallel.quorum import Round
from digitlab.parallel.seat import Seat
from digitlab.parallel.sockets import Sockets
from digitlab.parallel.strategy import Held, Job, Part, Piece, Run, Strategy, Wish
from digitlab.parallel.team import Team
from digitlab.training.state import TrainingState

WATCHDOG_SECONDS = 60
_T = TypeVar("_T")


class ThreadTeam(Team):
    """A team of which everybody is there, and nobody is lost."""

    def __init__(self, seat: Seat, exchange: Exchange) -> None:
        self.seat, self.device = seat, torch.device("cpu")
        names = tuple(f"{slot}.a" for slot in range(seat.workers))
        self._round = Round(1, names, (), 0, names[seat.slot])
        self._exchange = exchange

    def begin(self, run: Run, connect: Callable[[], Exchange], in_parts: bool = False) -> None:
        pass

    def finish(self, action: Callable[[], None]) -> None:
        if self.leads:
            action()

    def all_or_none(self, operation: Callable[[], _T]) -> _T:
        return operation()

    def end_if_dropped(self) -> None:
        pass


@dataclass
class StateOnly:
    """What a strategy needs of a run."""

    state: TrainingState

    def found(self) -> None:
        pass

    def give(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return self.state.tensors(), self.state.facts()

    def take(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self.state.load(tensors, facts)

    def warn(self, text: str) -> None:
        pass

    def keep(self, part: Part) -> None:
        self.state.keep(part)

    def pieces(self) -> dict[str, Piece]:
        return self.state.pieces()

    def move(self, vector: Tensor, step: int, parts: int) -> None:
        self.state.move_by(vector, 0.01 / parts)

    def taken(self) -> int:
        return self.state.optimizer.steps

    def hold(self, tensors: Mapping[str, Tensor]) -> None:
        self.state.hold(tensors)

    def held(self) -> Held:
        return self.state.held()


@dataclass
class Trained:
    """What came of some steps.

    Attributes:
        tensors: of the whole state, as in a checkpoint.
        steps: loss, right answers and whether finite, of each step.
        outputs: for 300 images, by the weights of the steps, by their moving average, and, in the
            worker that leads, by the whole weights at the end.
        saved: the whole after each step.
        held: bytes a process.
    """

    tensors: dict[str, Tensor]
    steps: list[tuple[float, int, bool]]
    outputs: list[Tensor]
    saved: list[dict[str, Tensor]]
    held: list[Held]


def train(
    make: Callable[[], nn.Module],
    recipe: Recipe,
    plan: Workers | None = None,
    *,
    samples: int = 70,
    steps: int = 5,
    begun: Mapping[str, Tensor] | None = None,
    step: int = 0,
) -> Trained:
    """Train for some steps with `plan.count` workers; None: one process alone, as is.

    Args:
        make: makes the network, after torch was seeded.
        recipe: batch size, shards, optimizer and so on.
        plan: how workers share the work.
        samples: in an epoch.
        steps: how many.
        begun, step: go on from these tensors of a checkpoint, of this step.
    """
    leader, *others = each(
        make, recipe, plan, partial(_steps, steps), samples=samples, begun=begun, step=step
    )
    for other in others:
        assert other.steps == leader.steps
        assert all(map(torch.equal, other.outputs, leader.outputs))
        assert not any(other.saved)
    return leader


def each(
    make: Callable[[], nn.Module],
    recipe: Recipe,
    plan: Workers | None,
    work: Callable[[Strategy, TrainingState, Job], _T],
    *,
    samples: int = 70,
    begun: Mapping[str, Tensor] | None = None,
    step: int = 0,
) -> list[_T]:
    """Return what `work` returns in each of `plan.count` workers; see `train`."""
    workers = plan.here if plan else 1

    def prepared(slot: int, exchange: Exchange | None) -> tuple[Strategy, TrainingState, Job]:
        torch.manual_seed(recipe.seed)
        state = TrainingState(make(), recipe)
        if begun is not None:
            taken = {"optimizer_steps": step, "step": step, "skips": 0, "skips_in_a_row": 0}
            state.load(begun, taken)
        team = None
        if plan and exchange:
            seat = Seat(slot, "a", workers, workers, "", 0, plan)
            team = ThreadTeam(seat, exchange)
        job = Job(
            recipe,
            state.network,
            objectives.build(recipe),
            digits(samples),
            Batches(samples, recipe.training.batch_size, recipe.training.shards, 9, recipe.seed),
            torch.device("cpu"),
            1,
        )
        return build_strategy(job, team), state, job

    def run(exchange: Exchange | None, strategy: Strategy, state: TrainingState, job: Job) -> _T:
        torch.set_num_threads(1)
        with closing(exchange) if exchange else nullcontext():  # nobody waits for one that failed
            try:
                strategy.begin(StateOnly(state))
                return work(strategy, state, job)
            finally:
                strategy.close()

    if plan is None:
        return [run(None, *prepared(0, None))]
    with connected(workers) as exchanges, ThreadPoolExecutor(workers) as pool:
        # All here, one after another: torch's generator is one for all threads.
        ready = [(exchange, *prepared(slot, exchange)) for slot, exchange in enumerate(exchanges)]
        running = [pool.submit(run, *one) for one in ready]
        failed = [one.exception(WATCHDOG_SECONDS) for one in running]
        for error in sorted(filter(None, failed), key=lambda e: isinstance(e, PeersLostError)):
            raise error
        return [one.result() for one in running]


def _steps(steps: int, strategy: Strategy, state: TrainingState, job: Job) -> Trained:
    done, saved = [], []
    for step in range(state.step, state.step + steps):
        gradient = strategy.gradient(job.batches.at(step), Wish())
        done.append((gradient.loss, gradient.correct, gradient.is_finite()))
        if gradient.is_finite():
            state.move(gradient, 0.01)
        else:
            state.skip()
        saved.append(strategy.whole())
    images = digits(300).images
    outputs = [strategy.outputs(images)]
    with state.averaged():
        outputs.append(strategy.outputs(images))
    ended: list[dict[str, Tensor]] = []

    def end() -> None:
        outputs.append(strategy.outputs(images))
        ended.append(state.tensors())

    strategy.finish(end)
    return Trained(ended[0] if ended else {}, done, outputs, saved, list(strategy.held()))


def assert_same_bits(one: Trained, other: Trained) -> None:
    """Check every tensor after every step, every loss, every output."""
    assert one.steps == other.steps
    for mine, theirs in zip([*one.saved, one.tensors], [*other.saved, other.tensors], strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine:
            assert torch.equal(mine[name], theirs[name]), name
    assert all(map(torch.equal, one.outputs, other.outputs))


def plan_of(workers: int, parallel: str, **more: Any) -> Workers:
    """Return a plan of that many workers."""
    return replace(Workers(workers), parallel=parallel, **more)


@contextmanager
def connected(count: int) -> Iterator[list[Sockets]]:
    """Yield the exchanges of workers that are connected, each with each."""
    peers: list[dict[int, socket.socket]] = [{} for _ in range(count)]
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as listening:
        for a, b in combinations(range(count), 2):
            peers[a][b] = stack.enter_context(socket.create_connection(listening.getsockname()))
            peers[b][a] = stack.enter_context(listening.accept()[0])
        yield [Sockets(rank, mine, WATCHDOG_SECONDS) for rank, mine in enumerate(peers)]


def digits(count: int) -> Split:
    """Return pictures and labels, the same each time; what they show does not matter."""
    source = np.random.default_rng(count)
    images = source.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return Split(images, source.integers(0, 10, count))
