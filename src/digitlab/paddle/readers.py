"""Readers: `paddle.batch`, `paddle.reader`, `paddle.dataset.mnist` and `fluid.io.DataLoader`.

A reader is a function that, called, gives samples one after another.
Source: python/paddle/reader/decorator.py, batch.py, dataset/mnist.py and fluid/reader.py.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from digitlab.data import load_dataset
from digitlab.paddle.collective import ParallelEnv
from digitlab.paddle.variable import Array, Variable, to_variable

Reader = Callable[[], Iterable[Any]]


class ComposeNotAligned(ValueError):  # noqa: N818 -- its name is Paddle's
    """Readers that were composed have unequal lengths."""


def batch(reader: Reader, batch_size: int, drop_last: bool = False) -> Reader:
    """Return a reader of lists of so many samples; the last, smaller one is kept by default.

    Raises:
        ValueError: where the size is not positive.
    """
    if int(batch_size) <= 0:
        raise ValueError("batch_size should be a positive integer value, but got batch_size="
                         f"{batch_size}")  # fmt: skip

    def batches() -> Iterator[list[Any]]:
        samples = iter(reader())
        while part := list(itertools.islice(samples, int(batch_size))):
            if len(part) == batch_size or not drop_last:
                yield part

    return batches


def shuffle(reader: Reader, buf_size: int) -> Reader:
    """Return a reader that shuffles so many samples at a time, by Python's `random`."""

    def shuffled() -> Iterator[Any]:
        samples = iter(reader())
        while part := list(itertools.islice(samples, buf_size)):
            random.shuffle(part)
            yield from part

    return shuffled


def cache(reader: Reader) -> Reader:
    """Return a reader that reads once and remembers."""
    samples = tuple(reader())
    return lambda: iter(samples)


def buffered(reader: Reader, size: int) -> Reader:
    """Return the reader; what it would read ahead comes when it is asked for."""
    return reader


def firstn(reader: Reader, n: int) -> Reader:
    """Return a reader of the first samples."""
    return lambda: itertools.islice(reader(), n)


def chain(*readers: Reader) -> Reader:
    """Return a reader of one after another."""
    return lambda: itertools.chain.from_iterable(reader() for reader in readers)


def map_readers(func: Callable[..., Any], *readers: Reader) -> Reader:
    """Return a reader of what a function makes of a sample of each."""
    return lambda: map(func, *(reader() for reader in readers))


def xmap_readers(
    mapper: Callable[[Any], Any],
    reader: Reader,
    process_num: int,
    buffer_size: int,
    order: bool = False,
) -> Reader:
    """Return a reader of what a function makes of each, in the order of the samples."""
    return lambda: map(mapper, reader())


def multiprocess_reader(
    readers: Iterable[Reader], use_pipe: bool = True, queue_size: int = 1000
) -> Reader:
    """Return a reader of all, one after another, in this process."""
    return chain(*readers)


def compose(*readers: Reader, check_alignment: bool = True) -> Reader:
    """Return a reader of tuples of a sample of each, tuples among them opened.

    Raises:
        ComposeNotAligned: when one ends before another, unless they need not be aligned.
    """

    def parts(sample: Any) -> tuple[Any, ...]:
        return sample if isinstance(sample, tuple) else (sample,)

    def composed() -> Iterator[tuple[Any, ...]]:
        end = object()
        each = [reader() for reader in readers]
        together: Iterable[tuple[Any, ...]] = zip(*each, strict=False)
        if check_alignment:
            together = itertools.zip_longest(*each, fillvalue=end)
        for samples in together:
            if any(sample is end for sample in samples):
                raise ComposeNotAligned("outputs of readers are not aligned.")
            yield tuple(itertools.chain.from_iterable(map(parts, samples)))

    return composed


def distributed_batch_reader(batch_reader: Reader) -> Reader:
    """Return a reader of every so many-th batch, each worker's beginning at its number.

    Batches at the end that are too few for all are left out, so that all do the same steps.
    Source: python/paddle/fluid/contrib/reader/distributed_reader.py.
    """
    place = ParallelEnv()

    def own() -> Iterator[Any]:
        if place.nranks < 2:
            yield from batch_reader()
            return
        print(f"start data reader (trainers_num: {place.nranks}, trainer_id: {place.local_rank})")
        batches = iter(batch_reader())
        while len(round_ := list(itertools.islice(batches, place.nranks))) == place.nranks:
            yield round_[place.local_rank]

    return own


# MNIST, of the digits that come with digitlab


@functools.cache
def _digits(training: bool) -> tuple[Array, Array]:
    """Return float32 [N, 784] in [-1, 1], ink high, and int64 [N]; 60,000 or 10,000."""
    splits = load_dataset("mnist").splits
    parts = [splits["train"], splits["valid"]] if training else [splits["test"]]
    pixels = np.concatenate([part.images for part in parts]).reshape(-1, 784)
    return pixels.astype(np.float32) / 255.0 * 2.0 - 1.0, np.concatenate([p.labels for p in parts])


def _mnist(training: bool) -> Reader:
    def samples() -> Iterator[tuple[Array, int]]:
        images, labels = _digits(training)
        yield from zip(images, labels.tolist(), strict=True)

    return samples


def mnist_train() -> Reader:
    """Return a reader of the 60,000 training samples: float32 [784] in [-1, 1], and a label."""
    return _mnist(True)


def mnist_test() -> Reader:
    """Return a reader of the 10,000 test samples: float32 [784] in [-1, 1], and a label."""
    return _mnist(False)


class DataLoader:
    """What a script makes by `from_generator` and goes through: lists of variables."""

    def __init__(self) -> None:
        """Begin without a generator."""
        self._arrays: Reader | None = None

    @staticmethod
    def from_generator(
        feed_list: Any = None,
        capacity: int | None = None,
        use_double_buffer: bool = True,
        iterable: bool = True,
        return_list: bool = False,
        use_multiprocess: bool = False,
        drop_last: bool = True,
    ) -> DataLoader:
        """Return a loader; it gives lists in dygraph mode, whatever `return_list` says."""
        return DataLoader()

    def set_batch_generator(self, reader: Reader, places: Any = None) -> DataLoader:
        """Give a reader of batches, each a tuple of arrays."""
        self._arrays = reader
        return self

    def set_sample_list_generator(self, reader: Reader, places: Any = None) -> DataLoader:
        """Give a reader of lists of samples, as `paddle.batch` makes."""

        def arrays() -> Iterator[list[Array]]:
            for samples in reader():
                yield [np.stack([np.asarray(part) for part in parts]) for parts in zip(*samples)]  # noqa: B905

        self._arrays = arrays
        return self

    def set_sample_generator(
        self, reader: Reader, batch_size: int, drop_last: bool = True, places: Any = None
    ) -> DataLoader:
        """Give a reader of samples, and how many make a batch."""
        return self.set_sample_list_generator(batch(reader, batch_size, drop_last))

    def __call__(self) -> Iterator[list[Variable]]:
        return iter(self)

    def __iter__(self) -> Iterator[list[Variable]]:
        if self._arrays is None:
            raise RuntimeError("DataLoader: no generator was set; call set_batch_generator first")
        for arrays in self._arrays():
            parts = arrays if isinstance(arrays, tuple | list) else [arrays]
            yield [to_variable(part) for part in parts]
