"""Servers that do not wait: each push once, nobody too far ahead, rests where all is in (T4)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from thread_teams import WATCHDOG_SECONDS, StateOnly, ThreadTeam, connected, digits, plan_of
from torch import Tensor, nn

from digitlab import objectives
from digitlab.config import OptimizerConfig, Recipe, TrainingConfig
from digitlab.data.batches import Batches, Share
from digitlab.errors import ConfigError
from digitlab.parallel.build import build_strategy
from digitlab.parallel.parameter_server import cut_rows, part_of
from digitlab.parallel.seat import Seat
from digitlab.parallel.shards import ShardPool
from digitlab.parallel.strategy import Job, Push, Wish
from digitlab.training.state import TrainingState

EPOCH = 7  # steps


def recipe(optimizer: str = "momentum", **training: Any) -> Recipe:
    settings = {"batch_size": 12, "shards": 3, "moving_average": 0.9, **training}
    return Recipe(optimizer=OptimizerConfig(name=optimizer), training=TrainingConfig(**settings))


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.ReLU(), nn.Linear(6, 10))


def job_of(network: nn.Module, config: Recipe) -> Job:
    training, samples = config.training, 78  # the last batch of an epoch is of 6
    batches = Batches(samples, training.batch_size, training.shards, 3, config.seed)
    cpu = torch.device("cpu")
    return Job(config, network, objectives.build(config), digits(samples), batches, cpu, 1)


@dataclass
class Ended:
    """What one process came to."""

    taken: int
    position: int
    pushes: list[Push] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)
    whole: dict[str, Tensor] = field(default_factory=dict)
    finite: list[bool] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    hits: list[tuple[int, int | None]] = field(default_factory=list)


def run(
    workers: int,
    servers: int,
    staleness: int,
    *,
    config: Recipe | None = None,
    steps: int = 2 * EPOCH,
    wish: Callable[[int, int], Wish] = lambda slot, step: Wish(),
    network: Callable[[int], nn.Module] = lambda slot: small(),
    begun: tuple[dict[str, Tensor], int, int] | None = None,
) -> list[Ended]:
    """Train, as the loop does; return what each process came to, by slot.

    Args:
        workers, servers, staleness: of the plan.
        config: the recipe.
        steps: after which to end; at an epoch's end.
        wish: what a process wishes for at a step.
        network: of a slot.
        begun: tensors, step and steps of the rule to go on from.
    """
    config = config or recipe()
    plan = plan_of(workers, "parameter-server", servers=servers, staleness=staleness)
    networks = []
    for slot in range(plan.here):
        torch.manual_seed(1)
        networks.append(network(slot))

    def work(slot: int, exchange: Any) -> Ended:
        torch.set_num_threads(1)
        state = TrainingState(networks[slot], config)
        if begun:
            tensors, step, taken = begun
            facts = {"optimizer_steps": taken, "step": step, "skips": 0, "skips_in_a_row": 0}
            state.load(tensors, facts)
        job = job_of(networks[slot], config)
        seat = Seat(slot, "a", plan.here, plan.here, "", 0, plan, ledger=True)
        strategy = build_strategy(job, ThreadTeam(seat, exchange))
        strategy.begin(StateOnly(state))
        ended = Ended(0, 0)
        while state.step < steps:
            step = state.step
            gradient = strategy.gradient(job.batches.at(step), wish(slot, step))
            ended.pushes += gradient.pushes
            ended.finite.append(gradient.is_finite())
            ended.losses.append(gradient.loss)
            ended.hits.append((gradient.correct, gradient.samples))
            assert gradient.taken is not None
            state.follow(gradient.taken, gradient.is_finite())
            if job.batches.ends_epoch(step):
                strategy.outputs(digits(300).images)
            if gradient.granted.save or gradient.granted.stop:
                ended.granted.append(step)
                ended.whole = strategy.whole()
                ended.taken = state.optimizer.steps
            if gradient.granted.stop:
                break
        ended.position = state.step
        if not ended.granted:
            strategy.finish(lambda: None)
            ended.whole = state.tensors() if slot == 0 else {}
            ended.taken = state.optimizer.steps
        strategy.close()
        return ended

    with connected(plan.here) as exchanges, ThreadPoolExecutor(plan.here) as pool:
        running = [pool.submit(work, slot, one) for slot, one in enumerate(exchanges)]
        try:
            return [one.result(WATCHDOG_SECONDS) for one in running]
        except BaseException:
            for exchange in exchanges:
                exchange.close()
            raise


def assert_each_once(pushes: list[Push], workers: int, servers: int, steps: int) -> None:
    """Check that every server took every push once, and counted it."""
    for server in range(workers, workers + servers):
        mine = [push for push in pushes if push.server == server]
        assert [push.taken for push in mine] == list(range(1, 1 + len(mine)))
        assert sorted((push.worker, push.step) for push in mine) == [
            (worker, step + 1) for worker in range(workers) for step in range(steps)
        ]
        for push in mine:
            assert 0 <= push.read < push.taken


def replayed(pushes: list[Push], config: Recipe, workers: int, servers: int) -> dict[str, Tensor]:
    """Return what comes of taking these pushes one by one, by weights as they were read."""

    def fresh() -> nn.Module:
        torch.manual_seed(1)
        return small()

    network = fresh()
    job = job_of(network, config)
    pool = ShardPool(job)
    shapes = {name: p.shape for name, p in network.named_parameters()}
    ranges = cut_rows(list(shapes.values()), servers)
    states = []
    for numbers in ranges:
        states.append(TrainingState(fresh(), config))
        states[-1].keep(part_of(shapes, numbers))
    history = [[state.vector.clone()] for state in states]  # by server and version
    queues = [[p for p in pushes if p.server == workers + k] for k in range(servers)]
    reads = {(p.server - workers, p.worker, p.step): p.read for p in pushes}
    gradients: dict[tuple[int, int], Tensor] = {}
    while any(queues):
        before = sum(map(len, queues))
        for k, queue in enumerate(queues):
            if not queue:
                continue
            key = (queue[0].worker, queue[0].step)
            read = [reads[server, *key] for server in range(servers)]
            if any(len(history[server]) <= read[server] for server in range(servers)):
                continue  # another server has to come so far first
            if key not in gradients:
                vector = torch.cat([history[server][read[server]] for server in range(servers)])
                torch.nn.utils.vector_to_parameters(vector, network.parameters())
                batch, share = job.batches.at(key[1] - 1), Share(key[0], workers)
                (part,) = pool.parts(batch, share).values()
                (samples,) = batch.part(share).values()
                gradients[key] = part.vector * (len(batch.samples) / len(samples))
            numbers = ranges[k]
            states[k].move_by(gradients[key][numbers.start : numbers.stop], 0.01 / workers)
            history[k].append(states[k].vector.clone())
            queue.pop(0)
        assert sum(map(len, queues)) < before, "a push read what came after it"
    parts = [state.tensors() for state in states]
    names = {name for part in parts for name in part}
    return {
        name: torch.cat([part[name] for part in parts if name in part]) for name in sorted(names)
    }


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize(("servers", "staleness"), [(1, 2), (2, 4)])
def test_the_log_tells_all_that_the_servers_did(
    servers: int, staleness: int, optimizer: str
) -> None:
    """Replayed by one process, push by push, it gives the same bits."""
    config = recipe(optimizer)
    leader, second, third, server, *_ = run(3, servers, staleness, config=config)
    for step in range(2 * EPOCH):  # a third of the batch each
        mean = sum(one.losses[step] for one in (leader, second, third)) / 3
        assert server.losses[step] == pytest.approx(mean)
    assert_each_once(leader.pushes, 3, servers, 2 * EPOCH)
    assert max(push.ahead for push in leader.pushes) <= staleness
    assert leader.taken == 3 * 2 * EPOCH
    again = replayed(leader.pushes, config, 3, servers)
    assert again.keys() == leader.whole.keys()
    for name, tensor in again.items():
        assert torch.equal(tensor, leader.whole[name]), name


def test_one_worker_learns_as_one_process_does() -> None:
    """The mean over its part is that of the batch, and its rate the whole one."""
    config = recipe("adamw", shards=1)
    torch.manual_seed(1)
    alone = TrainingState(small(), config)
    job = job_of(alone.network, config)
    pool = ShardPool(job)
    losses, hits = [], []
    for step in range(2 * EPOCH):
        gradient = pool.gradient(job.batches.at(step), Wish())
        losses.append(gradient.loss)
        hits.append(gradient.correct)
        alone.move(gradient, 0.01)
    leader, server, _ = run(1, 2, 3, config=config)
    assert leader.losses == server.losses == losses
    assert leader.hits == [
        (count, 6 if step % EPOCH == 6 else 12) for step, count in enumerate(hits)
    ]
    for name, tensor in alone.tensors().items():
        assert torch.equal(tensor, leader.whole[name]), name


def test_nobody_is_further_ahead_than_the_bound_and_so_far_they_may_be() -> None:
    """Worker 1 takes its first step once worker 0 is two steps ahead, and cannot go further."""
    calls, at_bound, beyond = [0], threading.Event(), threading.Event()
    seen_beyond = []

    class Fast(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            if self.training and values.requires_grad:
                calls[0] += 1
                (
                    at_bound if calls[0] == 3 else beyond if calls[0] == 4 else threading.Event()
                ).set()
            return values

    class Slow(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            if self.training and values.requires_grad and not seen_beyond:
                assert at_bound.wait(WATCHDOG_SECONDS)
                seen_beyond.append(beyond.wait(0.3))
            return values

    def network(slot: int) -> nn.Module:
        return nn.Sequential(*small(), (Fast(), Slow(), nn.Identity())[slot])

    leader, *_ = run(2, 1, 2, config=recipe(shards=2), network=network)
    assert seen_beyond == [False]
    assert max(push.ahead for push in leader.pushes) == 2
    assert_each_once(leader.pushes, 2, 1, 2 * EPOCH)


def test_a_wish_is_granted_after_one_step_at_which_all_rest() -> None:
    def wish(slot: int, step: int) -> Wish:
        return Wish(save=slot == 0 and step == 1, stop=2 * (slot == 2 and step >= EPOCH + 1))

    every = run(3, 2, 2, wish=wish, steps=3 * EPOCH)
    leader = every[0]
    (position,) = {one.position for one in every}
    assert len({tuple(one.granted) for one in every}) == 1
    saved, stopped = leader.granted
    assert 1 <= saved <= 4
    assert EPOCH + 1 <= stopped < 3 * EPOCH
    assert position == stopped + 1
    assert leader.taken == 3 * position
    assert_each_once(leader.pushes, 3, 2, position)
    # And from there on.
    end, *_ = run(3, 2, 2, begun=(leader.whole, position, leader.taken), steps=3 * EPOCH)
    pushes = [*leader.pushes, *end.pushes]
    assert_each_once(pushes, 3, 2, 3 * EPOCH)
    again = replayed(pushes, recipe(), 3, 2)
    for name, tensor in again.items():
        assert torch.equal(tensor, end.whole[name]), name


@pytest.mark.parametrize("slot", range(5))
def test_whoever_is_asked_to_stop_stops_all(slot: int) -> None:
    """Also a server that grants no wishes, of which signals may reach one alone."""

    def wish(who: int, step: int) -> Wish:
        return Wish(stop=15 * (who == slot and step >= 1))

    every = run(3, 2, 2, wish=wish, steps=3 * EPOCH)
    assert len({one.position for one in every}) == 1
    assert {len(one.granted) for one in every} == {1}


def test_a_checkpoint_waits_until_nothing_is_under_way() -> None:
    """Worker 1 wishes for one, gets it after step 0 or 1, and waits there for worker 0."""
    calls, third = [0], threading.Event()
    seen_third = []

    class Fast(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            if self.training and values.requires_grad:
                calls[0] += 1
                if calls[0] == 3:
                    third.set()
            return values

    class Slow(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            if self.training and values.requires_grad and not seen_third:
                seen_third.append(third.wait(0.5))
            return values

    def network(slot: int) -> nn.Module:
        return nn.Sequential(*small(), (Slow(), Fast(), nn.Identity())[slot])

    def wish(slot: int, step: int) -> Wish:
        return Wish(save=slot == 1 and step == 0)

    leader, *_ = run(2, 1, 4, config=recipe(shards=2), network=network, wish=wish)
    assert seen_third == [False]
    assert leader.granted in ([0], [1])
    assert leader.taken == 2 * (leader.granted[0] + 1)


def test_a_push_that_is_not_finite_is_taken_by_no_server() -> None:
    class Poison(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return values * float("nan") if self.training and values.requires_grad else values

    def network(slot: int) -> nn.Module:
        return nn.Sequential(*small(), Poison() if slot == 0 else nn.Identity())

    leader, other, *_ = run(2, 2, 1, config=recipe(shards=2), network=network)
    assert not any(leader.finite)
    assert all(other.finite)
    assert {push.worker for push in leader.pushes} == {1}
    assert leader.taken == 2 * EPOCH
    assert all(tensor.isfinite().all() for tensor in leader.whole.values())


def test_a_network_with_buffers_is_refused() -> None:
    def network(slot: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10))

    with pytest.raises(ConfigError, match="has buffers \\(BatchNorm\\), which only --staleness 0"):
        run(2, 1, 1, network=network)
