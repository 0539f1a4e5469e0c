"""Order and shards are functions of seed, epoch and sample, and nothing is lost or repeated."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from digitlab.chance import hashed, uniform
from digitlab.data.batches import Batches


@given(
    count=st.integers(1, 300),
    batch_size=st.integers(1, 70),
    shards=st.integers(1, 9),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_epoch_sees_every_sample_exactly_once(
    count: int, batch_size: int, shards: int, seed: int
) -> None:
    batches = Batches(count, batch_size, shards, 2, seed)
    for epoch in range(2):
        steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
        made = [batches.at(step) for step in steps]
        seen = np.concatenate([batch.samples for batch in made])
        assert sorted(seen) == list(range(count))
        assert [len(batch.samples) for batch in made[:-1]] == [batch_size] * (len(made) - 1)
        for batch in made:
            assert batch.epoch == epoch
            assert np.array_equal(np.concatenate(batch.shards), batch.samples)
            sizes = [len(shard) for shard in batch.shards]
            assert len(sizes) == shards
            assert max(sizes) - min(sizes) <= 1


@given(start=st.integers(0, 40))
def test_a_batch_does_not_depend_on_what_was_asked_before(start: int) -> None:
    walked, fresh = Batches(95, 10, 4, 5, 7), Batches(95, 10, 4, 5, 7)
    for step in range(start):
        walked.at(step)
    assert np.array_equal(walked.at(start).samples, fresh.at(start).samples)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [Batches(1000, 10, 4, 2, seed).order(epoch) for seed in (1, 2) for epoch in (0, 1)]
    for i, first in enumerate(orders):
        for second in orders[i + 1 :]:
            assert np.mean(first == second) < 0.02


def test_a_fraction_of_an_epoch_is_a_number_of_steps() -> None:
    assert Batches(1000, 10, 4, 0.25, 1).total_steps == 25
    assert Batches(1000, 10, 4, 1.5, 1).total_steps == 150
    assert Batches(1000, 10, 4, 1e-9, 1).total_steps == 1
    ends = [step for step in range(150) if Batches(1000, 10, 4, 1.5, 1).ends_epoch(step)]
    assert ends == [99, 149]


def test_the_bits_are_the_same_in_every_version() -> None:
    # Written down from the first version: a change here changes every run that ever was.
    assert hashed(1, "order", 0, np.arange(3)).tolist() == [
        16294208416658607535,
        15204172177749531820,
        15319343049838170038,
    ]


def test_uniform_numbers_are_uniform_and_unrelated() -> None:
    numbers = uniform(3, "augment", 5, np.arange(20000)[:, None], np.arange(2))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.allclose(np.histogram(numbers, 10, (0, 1))[0] / numbers.size, 0.1, atol=0.005)
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.03
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03
