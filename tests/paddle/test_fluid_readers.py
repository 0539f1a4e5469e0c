"""Readers, and the digits that they read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from digitlab.data import load_dataset
from digitlab.paddle import readers
from digitlab.paddle.modules import install


def ten() -> Iterator[int]:
    return iter(range(10))


def test_batches_keep_the_last_smaller_one_unless_told_not_to() -> None:
    assert list(readers.batch(ten, 4)()) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(readers.batch(ten, 4, drop_last=True)()) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(ValueError, match="batch_size=0"):
        readers.batch(ten, 0)


def test_shuffling_is_by_pythons_random_and_within_the_buffer() -> None:
    shuffled = readers.shuffle(ten, 5)
    random.seed(1)
    first = list(shuffled())
    random.seed(1)
    assert list(shuffled()) == first
    assert sorted(first[:5]) == list(range(5))
    assert sorted(first) == list(range(10)) != first


def test_readers_are_put_together() -> None:
    letters = lambda: iter("abcdefghij")  # noqa: E731
    assert list(readers.chain(ten, ten)()) == [*range(10), *range(10)]
    assert list(readers.compose(ten, letters)())[1] == (1, "b")
    assert list(readers.firstn(ten, 2)()) == [0, 1]
    assert list(readers.map_readers(lambda a, b: (b, a), ten, letters)())[2] == ("c", 2)
    assert list(readers.xmap_readers(lambda a: a + 1, ten, 4, 8)()) == list(range(1, 11))
    with pytest.raises(readers.ComposeNotAligned):
        list(readers.compose(ten, lambda: iter("ab"))())
    short = readers.compose(ten, lambda: iter("ab"), check_alignment=False)
    assert len(list(short())) == 2


def test_what_is_cached_is_read_once() -> None:
    calls = []

    def reader() -> Iterator[int]:
        calls.append(1)
        return ten()

    cached = readers.cache(reader)
    assert list(cached()) == list(cached()) == list(range(10))
    assert calls == [1]


def test_each_worker_reads_other_batches_and_all_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for number in range(3):
        monkeypatch.setenv("PADDLE_TRAINERS_NUM", "3")
        monkeypatch.setenv("PADDLE_TRAINER_ID", str(number))
        seen.append(list(readers.distributed_batch_reader(readers.batch(ten, 1))()))
    assert seen == [[[0], [3], [6]], [[1], [4], [7]], [[2], [5], [8]]]
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "1")
    monkeypatch.setenv("PADDLE_TRAINER_ID", "0")
    assert len(list(readers.distributed_batch_reader(readers.batch(ten, 1))())) == 10


def test_mnist_is_the_one_that_comes_with_digitlab() -> None:
    test = load_dataset("mnist").splits["test"]
    samples = list(readers.mnist_test()())
    image, label = samples[7]
    assert len(samples) == 10_000
    assert (image.shape, image.dtype, type(label)) == ((784,), np.float32, int)
    assert label == test.labels[7]
    assert (image.min(), image.max()) == (-1, 1)
    np.testing.assert_allclose((image + 1) * 127.5, test.images[7].reshape(-1), atol=1e-4)
    assert sum(1 for _ in readers.mnist_train()()) == 60_000


def test_a_loader_gives_variables() -> None:
    def samples() -> Iterator[Any]:
        for number in range(5):
            yield np.full(3, number, "float32"), number

    with install() as paddle, paddle.fluid.dygraph.guard():
        loader = paddle.fluid.io.DataLoader.from_generator(capacity=5, return_list=True)
        loader.set_sample_list_generator(paddle.batch(samples, 2), places=paddle.fluid.CPUPlace())
        for _ in range(2):  # again from the beginning
            parts = [(images.shape, labels.numpy().tolist()) for images, labels in loader()]
            assert parts == [([2, 3], [0, 1]), ([2, 3], [2, 3]), ([1, 3], [4])]
        loader.set_sample_generator(samples, batch_size=2)
        assert len(list(loader())) == 2
        loader.set_batch_generator(lambda: iter([(np.zeros(2), np.ones(3))]))
        ((zeros, ones),) = list(loader)
        assert (zeros.shape, ones.shape) == ([2], [3])
        with pytest.raises(RuntimeError, match="set_batch_generator"):
            list(paddle.fluid.io.DataLoader.from_generator())
