"""All shards of a batch in one process, side by side on a pool of threads.

The arithmetic of a shard (`gradient_of_shard`) and the order in which shards are added (`fold`)
are the same whoever computes them; that is what makes the bits independent of threads and workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from digitlab.chance import hashed
from digitlab.data.batches import WHOLE, Batch, Share
from digitlab.data.dataset import Images
from digitlab.parallel import batch_pictures
from digitlab.parallel.strategy import BatchGradient, Held, Job, Run, Wish, values_of
from digitlab.parallel.tree import Node, fold, root

EVALUATION_BATCH = 250  # fixed: the size of a batch can change an output's last bits


@dataclass(frozen=True)
class ShardInput:
    """A shard's number, its pictures float32 [N, 1, 28, 28] and its labels int64 [N]."""

    number: int
    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ShardGradient:
    """A shard's part of a `BatchGradient`, divided by the batch's size; or a sum of such parts.

    Attributes:
        vector: float32 [P].
        loss: summed.
        correct: how many samples were answered right.
        buffers: of the network, those that are no integers weighted by samples.
    """

    vector: Tensor
    loss: float
    correct: int
    buffers: tuple[Tensor, ...]

    def __add__(self, right: ShardGradient) -> ShardGradient:
        """Return the sum; of buffers that count, the larger."""
        pairs = zip(self.buffers, right.buffers, strict=True)
        return ShardGradient(
            self.vector + right.vector,
            self.loss + right.loss,
            self.correct + right.correct,
            tuple(a + b if a.is_floating_point() else torch.maximum(a, b) for a, b in pairs),
        )


class ShardPool:
    """The strategy of one process: a pool of threads, one intra-op thread to a shard."""

    leads = True

    def __init__(self, job: Job) -> None:
        """Start the pool; `job.threads` sets its size and never changes a bit."""
        self.job = job
        self.one_by_one = job.device.type != "cpu" or has_state_or_chance(job.network)
        self._pool = ThreadPoolExecutor(
            job.threads, "digitlab-shard", initializer=torch.set_num_threads, initargs=(1,)
        )
        # In this thread where there is nobody to share with: handing over would only take time.
        self._map = map if self.one_by_one or job.threads == 1 else self._pool.map
        self._prepared: tuple[int, Share, list[ShardInput]] | None = None
        self._run: Run

    @cached_property
    def pictures(self) -> batch_pictures.Pictures:
        """Who makes the pictures of batches; begun where they are asked for."""
        return batch_pictures.build(self.job)

    def begin(self, run: Run) -> None:
        """Have the run begin or go on from its last checkpoint; see `Strategy.begin`."""
        self._run = run
        run.found()

    def gradient(self, batch: Batch, wish: Wish) -> BatchGradient:
        """Return the ordered sum over shards; see `Strategy.gradient`."""
        leaves = len(batch.filled)
        total = fold(self.parts(batch), leaves, ShardGradient.__add__)[root(leaves)]
        work = {"0": {number: samples.tolist() for number, samples in batch.part(WHOLE).items()}}
        return BatchGradient(total.vector, total.loss, total.correct, total.buffers, wish, work)

    def parts(self, batch: Batch, share: Share = WHOLE) -> dict[Node, ShardGradient]:
        """Compute a share of a batch's shards; by their place in the tree of those filled."""
        shards = self.inputs(batch, share)
        self._prepared = None

        def gradient_of(shard: ShardInput) -> ShardGradient:
            if self.one_by_one:
                return gradient_of_seeded_shard(self.job, batch, shard)
            return gradient_of_shard(self.job, shard, len(batch.samples))

        parts = self._map(gradient_of, shards)
        places = share.of(len(batch.filled))
        return {(0, place): part for place, part in zip(places, parts, strict=True)}

    def inputs(self, batch: Batch, share: Share = WHOLE) -> list[ShardInput]:
        """Return what a share of a batch's shards is computed from, in the order of `filled`."""
        if self._prepared and self._prepared[:2] == (batch.step, share):
            return self._prepared[2]
        part = batch.part(share)
        if not part:
            return []
        images, labels = self.pictures.of(batch, share)
        sizes = [len(samples) for samples in part.values()]
        inputs = torch.split(network_input(images, self.job.device), sizes)
        truths = torch.split(torch.from_numpy(labels).to(self.job.device), sizes)
        return [ShardInput(*shard) for shard in zip(part, inputs, truths, strict=True)]

    def prepare_after(self, batch: Batch, share: Share) -> None:
        """Make the pictures of a share of the next batch, while there is time."""
        if batch.step + 1 < self.job.batches.total_steps:
            following = self.job.batches.at(batch.step + 1)
            self._prepared = following.step, share, self.inputs(following, share)

    def outputs(self, images: Images, after: Callable[[int], None] | None = None) -> Tensor:
        """Return the network's outputs in evaluation mode; see `Strategy.outputs`."""
        return self.outputs_of(images, range(0, len(images), EVALUATION_BATCH), after)

    def outputs_of_share(self, images: Images, share: Share) -> Tensor:
        """Return the outputs of a share of all batches of an evaluation, as `joined` takes them.

        Each share has as many rows as the largest; its own come first.
        """
        starts = range(0, len(images), EVALUATION_BATCH)
        mine = share.of(len(starts))
        outputs = self.outputs_of(images, starts[mine.start : mine.stop])
        room = torch.zeros(rows_of_share(len(images), share.size), self.job.objective.outputs)
        room[: len(outputs)] = outputs
        return room

    def outputs_of(
        self, images: Images, starts: range, after: Callable[[int], None] | None = None
    ) -> Tensor:
        """Return the outputs of the batches of `EVALUATION_BATCH` images that begin at `starts`."""
        with evaluation_mode(self.job.network):
            parts = self._map(lambda start: self._outputs_from(images, start), starts)
            collected = []
            for start, part in zip(starts, parts, strict=True):
                collected.append(part)
                if after:
                    after(min(start + EVALUATION_BATCH, len(images)))
        return torch.cat(collected) if collected else torch.zeros(0, self.job.objective.outputs)

    def finish(self, action: Callable[[], None]) -> None:
        """Do it; see `Strategy.finish`."""
        action()

    def whole(self) -> dict[str, Tensor]:
        """Return all tensors, which are here; see `Strategy.whole`."""
        return values_of(self._run.pieces())

    def held(self) -> list[Held]:
        """Return what this process holds; see `Strategy.held`."""
        return [self._run.held()]

    def memory(self) -> dict[str, Tensor]:
        """Return nothing: all that changes is in the run."""
        return {}

    def remember(self, tensors: Mapping[str, Tensor]) -> None:
        """Take nothing."""

    def close(self) -> None:
        """Stop the threads and what makes pictures."""
        self._pool.shutdown()
        if "pictures" in vars(self):
            self.pictures.close()

    @torch.inference_mode()
    def _outputs_from(self, images: Images, start: int) -> Tensor:
        inputs = network_input(images[start : start + EVALUATION_BATCH], self.job.device)
        output: Tensor = self.job.network(inputs)
        return output.float().cpu()


def gradient_of_shard(job: Job, shard: ShardInput, size: int) -> ShardGradient:
    """Compute one shard of a batch of `size` samples: forward, loss, backward.

    By `torch.autograd.grad`, not `backward()`: threads must not add into one shared `.grad`.
    """
    with in_precision(job):
        output = job.network(shard.images)
    if output.dtype == torch.bfloat16:
        output = output.float()
    loss = job.objective.loss(output, shard.labels, shard.images) / size
    gradients = torch.autograd.grad(loss, job.parameters, allow_unused=True)
    vector = as_vector(job.parameters, gradients, job.device)
    correct = int((job.objective.answers(output.detach()) == shard.labels).sum())
    return ShardGradient(vector, float(loss.detach()), correct, ())


def gradient_of_seeded_shard(job: Job, batch: Batch, shard: ShardInput) -> ShardGradient:
    """Compute one shard of a network with state or chance, leaving its buffers as they were.

    Torch's own dropout draws from the default generator, so it is seeded by (seed, step, shard);
    running statistics start equal for each shard and are added in shard order, weighted.
    """
    before = [buffer.clone() for buffer in job.network.buffers()]
    chance = hashed(job.recipe.seed, "chance", batch.step, shard.number)
    torch.manual_seed(int(chance[0] >> np.uint64(1)))
    part = gradient_of_shard(job, shard, len(batch.samples))
    weight = len(shard.labels) / len(batch.samples)
    # Asked for again: forward may have put new tensors in their place.
    after = weighted(job.network.buffers(), weight)
    put_back(job.network.buffers(), before)
    return ShardGradient(part.vector, part.loss, part.correct, after)


def in_precision(job: Job) -> AbstractContextManager[object]:
    """Have what is computed meanwhile computed in the recipe's precision."""
    if job.recipe.training.precision == "bf16":
        return torch.autocast(job.device.type, torch.bfloat16)
    return nullcontext()


def as_vector(
    parameters: Iterable[Tensor], gradients: Iterable[Tensor | None], device: torch.device
) -> Tensor:
    """Return the gradients of parameters end to end, float32 [P]; zeros in place of None."""
    parts = [
        torch.zeros_like(parameter).reshape(-1) if gradient is None else gradient.reshape(-1)
        for parameter, gradient in zip(parameters, gradients, strict=True)
    ]
    return torch.cat(parts) if parts else torch.zeros(0, device=device)


def weighted(buffers: Iterable[Tensor], weight: float) -> tuple[Tensor, ...]:
    """Return copies of buffers, as those of a shard that is such a part of its batch."""
    return tuple(b * weight if b.is_floating_point() else b.clone() for b in buffers)


def put_back(buffers: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    """Give buffers other values."""
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)


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
    return draws_random_numbers(network, torch.device("cpu"))


def draws_random_numbers(network: nn.Module, device: torch.device) -> bool:
    """Whether a trial run of a network, on its device, moves torch's generator there."""
    cuda = [device] if device.type == "cuda" else []
    state = [buffer.clone() for buffer in network.buffers()]
    with torch.random.fork_rng(devices=cuda), torch.no_grad():
        before = [torch.get_rng_state(), *map(torch.cuda.get_rng_state, cuda)]
        network(torch.zeros(2, 1, 28, 28, device=device))
        after = [torch.get_rng_state(), *map(torch.cuda.get_rng_state, cuda)]
        put_back(network.buffers(), state)
        return not all(map(torch.equal, before, after))


def rows_of_share(count: int, size: int) -> int:
    """Return how many rows `outputs_of_share` gives of `count` images, of which `size` have one."""
    batches = range(0, count, EVALUATION_BATCH)
    return len(Share(0, size).of(len(batches))) * EVALUATION_BATCH


def joined(every: Sequence[Tensor], count: int) -> Tensor:
    """Return the outputs of `count` images, of what `outputs_of_share` gave of each share."""
    batches = len(range(0, count, EVALUATION_BATCH))
    shares = [Share(place, len(every)).of(batches) for place in range(len(every))]
    rows = [
        outputs[: len(share) * EVALUATION_BATCH]
        for outputs, share in zip(every, shares, strict=True)
    ]
    return torch.cat(rows)[:count]


def evaluation_rows(count: int, after: Callable[[int], None] | None) -> Iterator[slice]:
    """Yield the rows of each batch of an evaluation; `after` is told how many are done."""
    for start in range(0, count, EVALUATION_BATCH):
        rows = slice(start, min(start + EVALUATION_BATCH, count))
        yield rows
        if after:
            after(rows.stop)


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Switch a network to evaluation and back to training."""
    network.eval()
    try:
        yield
    finally:
        network.train()
