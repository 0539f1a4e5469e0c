"""The pictures of a batch: augmented here, or made ahead by processes where that takes long.

Used by the strategies. A picture is a function of (seed, epoch, sample), so nobody can tell who
made it, and what was made ahead is thrown away without a loss.
"""

from __future__ import annotations

import dataclasses
import json
import queue
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import numpy.typing as npt

from digitlab.data.augment import augment
from digitlab.data.batches import WHOLE, Batch, Share
from digitlab.data.dataset import Images, Labels
from digitlab.parallel.strategy import Job
from digitlab.processes import own_module, start
from digitlab.synthesis.handwriting import vary

Samples = npt.NDArray[np.int64]
_AHEAD = 3  # batches that each process works ahead


class Pictures(Protocol):
    """Gives the pictures of a share of the shards of batches."""

    def of(self, batch: Batch, share: Share = WHOLE) -> tuple[Images, Labels]:
        """Return uint8 [N, 28, 28] and int64 [N], in the order of `batch.part(share)`."""
        ...

    def close(self) -> None:
        """Let go of processes."""
        ...


def build(job: Job) -> Pictures:
    """Return what makes a job's pictures."""
    return MadeAhead(job) if job.recipe.handwriting.is_on else Augmented(job)


class Augmented:
    """Augments in this thread.

    Not on the pool that computes shards: many short numpy calls would keep its threads waiting for
    the interpreter's lock: quick took 4.4 s instead of 3.6.
    """

    def __init__(self, job: Job) -> None:
        """Give the job."""
        self.job = job

    def of(self, batch: Batch, share: Share = WHOLE) -> tuple[Images, Labels]:
        """Return the pictures; see `Pictures.of`."""
        train, recipe = self.job.train, self.job.recipe
        samples = _samples(batch, share)
        varied = augment(train.images[samples], samples, batch.epoch, recipe.seed, recipe.augment)
        return varied, train.labels[samples]

    def close(self) -> None:
        """There is nothing to let go of."""


class MadeAhead:
    """Has processes make the pictures of coming batches while this one computes gradients."""

    def __init__(self, job: Job) -> None:
        """Start as many processes as the job has threads."""
        self.job = job
        self._makers: queue.SimpleQueue[_Maker] = queue.SimpleQueue()
        for _ in range(job.threads):
            self._makers.put(_Maker(job))
        self._threads = ThreadPoolExecutor(job.threads, "digitlab-pictures")
        self._share = WHOLE
        self._coming: dict[int, Future[tuple[Images, Labels]]] = {}

    def of(self, batch: Batch, share: Share = WHOLE) -> tuple[Images, Labels]:
        """Return the pictures, and have those of the next batches made, for the same share."""
        if share != self._share:  # a worker was lost or came: what was made ahead is no more mine
            self._share, self._coming = share, {}
        for step in [step for step in self._coming if step < batch.step]:
            del self._coming[step]  # another worker had the gradient already
        last = min(batch.step + 1 + _AHEAD * self.job.threads, self.job.batches.total_steps)
        for step in range(batch.step, last):
            if step not in self._coming:
                coming = batch if step == batch.step else self.job.batches.at(step)
                samples = _samples(coming, share)
                self._coming[step] = self._threads.submit(self._made, samples, coming.epoch)
        return self._coming.pop(batch.step).result()

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self.job.threads):
            self._makers.get().close()

    def _made(self, samples: Samples, epoch: int) -> tuple[Images, Labels]:
        maker = self._makers.get()
        try:
            return maker.make(samples, epoch)
        except (OSError, EOFError):  # it was killed: these can be made here
            maker.close()
            maker = _Maker(self.job)
            recipe = self.job.recipe
            return vary(self.job.train, samples, epoch, recipe.seed, recipe.handwriting)
        finally:
            self._makers.put(maker)


def _samples(batch: Batch, share: Share) -> Samples:
    return np.concatenate([batch.samples[:0], *batch.part(share).values()])


class _Maker:
    """One process of `digitlab.synthesis.maker`, which ends when this one does."""

    def __init__(self, job: Job) -> None:
        self._process = start(own_module("digitlab.synthesis.maker"))
        train, recipe = job.train, job.recipe
        settings = {
            "seed": recipe.seed,
            "count": len(train),
            "handwriting": dataclasses.asdict(recipe.handwriting),
        }
        try:
            self._send(json.dumps(settings).encode() + b"\n")
            self._send(np.ascontiguousarray(train.images).data)
            self._send(np.ascontiguousarray(train.labels.astype("<i8")).data)
        except OSError:
            pass  # it died at once; `make` will say so

    def make(self, samples: Samples, epoch: int) -> tuple[Images, Labels]:
        """Ask for pictures and wait for them; OSError or EOFError where the process is gone."""
        asked = {"epoch": epoch, "samples": samples.tolist()}
        self._send(json.dumps(asked).encode() + b"\n")
        count = len(samples)
        pixels, labels = self._receive(count * 784), self._receive(count * 8)
        images = np.frombuffer(pixels, np.uint8).reshape(count, 28, 28)
        return images, np.frombuffer(labels, "<i8").astype(np.int64)

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.communicate()

    def _send(self, content: bytes | memoryview) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(content)
        self._process.stdin.flush()

    def _receive(self, length: int) -> bytes:
        assert self._process.stdout is not None
        content = self._process.stdout.read(length)
        if len(content) != length:
            raise EOFError
        return content
