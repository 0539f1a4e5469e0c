"""All shards of a batch in one process, side by side on a pool of threads.

The arithmetic of a shard (`gradient_of_shard`) and the order in which shards are added (`tree_sum`)
are the same whoever computes them; that is what makes the bits independent of threads and workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from digitlab.data.batches import Batch, hashed
from digitlab.data.dataset import Images, Labels
from digitlab.parallel import pictures
from digitlab.parallel.strategy import BatchGradient, Job

_EVALUATION_BATCH = 250  # fixed: the size of a batch can change an output's last bits


@dataclass(frozen=True)
class ShardInput:
    """A shard's number, its pictures float32 [N, 1, 28, 28] and its labels int64 [N]."""

    number: int
    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ShardGradient:
    """One shard's part of a `BatchGradient`, already divided by the size of the batch."""

    vector: Tensor
    loss: float
    correct: int
    buffers: tuple[Tensor, ...]


class ShardPool:
    """The strategy of one process: a pool of threads, one intra-op thread to a shard."""

    def __init__(self, job: Job) -> None:
        """Start the pool; `job.threads` sets its size and never changes a bit."""
        self.job = job
        self.pictures = pictures.build(job)
        self.one_by_one = job.device.type != "cpu" or has_state_or_chance(job.network)
        self._pool = ThreadPoolExecutor(
            job.threads, "digitlab-shard", initializer=torch.set_num_threads, initargs=(1,)
        )

    def gradient(self, batch: Batch) -> BatchGradient:
        """Return the ordered sum over shards; see `Strategy.gradient`."""
        shards = shard_inputs(self.job, batch, *self.pictures.of(batch))
        if self.one_by_one:
            parts = [gradient_of_seeded_shard(self.job, batch, shard) for shard in shards]
        else:
            parts = list(self._pool.map(lambda s: gradient_of_shard(self.job, batch, s), shards))
        return combine(parts)

    def outputs(self, images: Images, after: Callable[[int], None] | None = None) -> Tensor:
        """Return the network's outputs in evaluation mode; see `Strategy.outputs`."""
        starts = range(0, len(images), _EVALUATION_BATCH)
        parts: Iterator[Tensor]
        with evaluation_mode(self.job.network):
            if self.one_by_one:
                parts = (self._outputs_from(images, start) for start in starts)
            else:
                parts = self._pool.map(lambda start: self._outputs_from(images, start), starts)
            collected = []
            for start, part in zip(starts, parts, strict=True):
                collected.append(part)
                if after:
                    after(min(start + _EVALUATION_BATCH, len(images)))
        return torch.cat(collected) if collected else torch.zeros(0, self.job.objective.outputs)

    def close(self) -> None:
        """Stop the threads and what makes pictures."""
        self._pool.shutdown()
        self.pictures.close()

    @torch.inference_mode()
    def _outputs_from(self, images: Images, start: int) -> Tensor:
        inputs = network_input(images[start : start + _EVALUATION_BATCH], self.job.device)
        output: Tensor = self.job.network(inputs)
        return output.float().cpu()


def shard_inputs(job: Job, batch: Batch, images: Images, labels: Labels) -> list[ShardInput]:
    """Return the pictures and labels of the batch's shards, of those of its samples.

    A shard left empty by a small last batch is left out.
    """
    shards = {number: shard for number, shard in enumerate(batch.shards) if len(shard)}
    sizes = [len(shard) for shard in shards.values()]
    inputs = torch.split(network_input(images, job.device), sizes)
    truths = torch.split(torch.from_numpy(labels).to(job.device), sizes)
    return [ShardInput(*parts) for parts in zip(shards, inputs, truths, strict=True)]


def gradient_of_shard(job: Job, batch: Batch, shard: ShardInput) -> ShardGradient:
    """Compute one shard: forward, loss, backward.

    By `torch.autograd.grad`, not `backward()`: threads must not add into one shared `.grad`.
    """
    if job.recipe.training.precision == "bf16":
        with torch.autocast(job.device.type, torch.bfloat16):
            output = job.network(shard.images).float()
    else:
        output = job.network(shard.images)
    loss = job.objective.loss(output, shard.labels) / len(batch.samples)
    gradients = torch.autograd.grad(loss, job.parameters, allow_unused=True)
    vector = torch.cat(
        [
            torch.zeros_like(parameter).reshape(-1) if gradient is None else gradient.reshape(-1)
            for parameter, gradient in zip(job.parameters, gradients, strict=True)
        ]
    )
    correct = int((job.objective.answers(output.detach()) == shard.labels).sum())
    return ShardGradient(vector, float(loss.detach()), correct, ())


def gradient_of_seeded_shard(job: Job, batch: Batch, shard: ShardInput) -> ShardGradient:
    """Compute one shard of a network with state or chance, leaving its buffers as they were.

    Torch's own dropout draws from the default generator, so it is seeded by (seed, step, shard);
    running statistics start equal for each shard and are combined in shard order by `combine`.
    """
    before = [buffer.clone() for buffer in job.network.buffers()]
    chance = hashed(job.recipe.seed, "chance", batch.step, shard.number)
    torch.manual_seed(int(chance[0] >> np.uint64(1)))
    part = gradient_of_shard(job, batch, shard)
    weight = len(shard.labels) / len(batch.samples)
    buffers = list(job.network.buffers())  # again: forward may have put new tensors in their place
    after = [b * weight if b.is_floating_point() else b.clone() for b in buffers]
    for buffer, old in zip(buffers, before, strict=True):
        buffer.copy_(old)
    return ShardGradient(part.vector, part.loss, part.correct, tuple(after))


def combine(parts: Sequence[ShardGradient]) -> BatchGradient:
    """Add shards in the fixed order; buffers are averaged by samples, counters take the largest."""
    buffers = []
    for versions in zip(*(part.buffers for part in parts), strict=True):
        if versions[0].is_floating_point():
            buffers.append(tree_sum(versions))
        else:
            buffers.append(torch.stack(versions).amax(dim=0))
    return BatchGradient(
        vector=tree_sum([part.vector for part in parts]),
        loss=tree_sum([torch.tensor(part.loss, dtype=torch.float64) for part in parts]).item(),
        correct=sum(part.correct for part in parts),
        buffers=tuple(buffers),
    )


def tree_sum(parts: Sequence[Tensor]) -> Tensor:
    """Return the sum by pairs of neighbours, then pairs of pairs: a fixed order of additions."""
    level = list(parts)
    while len(level) > 1:
        pairs = [a + b for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def network_input(images: Images, device: torch.device) -> Tensor:
    """Return float32 [N, 1, 28, 28] in [0, 1] for uint8 [N, 28, 28], channels last in memory.

    Convolution and above all pooling are faster so. `contiguous(memory_format=channels_last)` would
    do nothing: with one channel torch takes either order for the other, and keeps the slow one.
    """
    pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device)
    return pixels.to(torch.float32).div_(255).unsqueeze(-1).permute(0, 3, 1, 2)


def has_state_or_chance(network: nn.Module) -> bool:
    """Whether shards of this network must run one after another.

    So it is for buffers (BatchNorm), and for whatever draws random numbers (Dropout, or a
    `functional.dropout` in `forward`): a trial run shows whether torch's generator moved.
    """
    if any(True for _ in network.buffers()):
        return True
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        network(torch.zeros(2, 1, 28, 28))
        return not torch.equal(before, torch.get_rng_state())


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Switch a network to evaluation and back to training."""
    network.eval()
    try:
        yield
    finally:
        network.train()
