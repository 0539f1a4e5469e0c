"""Data parallel by PyTorch's DistributedDataParallel: faster on GPUs, and not to the bit.

Each worker takes its samples of a batch in one go; DDP averages the gradients while backward still
runs (Li et al., 2020), as they are, or compressed: as float16 or bfloat16, or as matrices of low
rank whose error is carried over (PowerSGD, Vogels et al., 2019). Or each takes several steps alone,
and then the weights are averaged (local SGD, Stich, 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import chain

import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook
from torch.nn.parallel import DistributedDataParallel

from digitlab.data.batches import Batch
from digitlab.data.dataset import Images
from digitlab.parallel.collective import Collective, as_bytes, as_floats
from digitlab.parallel.exchange import Exchange
from digitlab.parallel.shards import ShardGradient, in_precision, network_input
from digitlab.parallel.strategy import Job, all_finite
from digitlab.parallel.team import Team, tensor_of

_RANK = 2  # of PowerSGD's matrices
_FROM = 100  # steps before PowerSGD begins, as its authors advise for a start that moves fast


class Averaged(Collective):
    """The strategy of one worker of several whose gradients, or weights, are averaged."""

    def __init__(self, job: Job, team: Team) -> None:
        """Prepare; the network is wrapped once the others are known."""
        super().__init__(job, team)
        torch.set_num_threads(job.threads)
        self._local = team.seat.plan.local_steps > 1
        self._sends_buffers = any(True for _ in job.network.buffers())  # before each forward
        self._model: DistributedDataParallel | None = None
        self._round = 0
        self._power: powerSGD_hook.PowerSGDState | None = None
        self._remembered: dict[str, Tensor] = {}

    def connect(self) -> Exchange:
        """Connect as DDP does; see `Collective.connect`."""
        return self.team.by_process_group()

    def outputs(self, images: Images, after: Callable[[int], None] | None = None) -> Tensor:
        """Return the outputs; after steps alone, of the averaged weights."""
        if self._local and self._together:
            self._average()
        return super().outputs(images, after)

    def memory(self) -> dict[str, Tensor]:
        """Return what compression carries over, of each worker, by rank."""
        if self._local:
            self._average()
        if self.team.seat.plan.compress != "powersgd":
            return super().memory()
        return super().memory() | self.team.together(self._carried, _saved, _loaded)

    def remember(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `memory` gave; of no use to another number of workers."""
        self._remembered = dict(tensors)

    def _gradient(self, batch: Batch, wishes: Tensor) -> tuple[Tensor, ShardGradient]:
        if self._local and batch.step % self.team.seat.plan.local_steps == 0:
            self._set_weights(self._mean_weights())
        loss, correct = self._backward(batch)
        vector = torch.cat(
            [
                (torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1)
                for p in self.job.parameters
            ]
        )
        if self._local and not all_finite(vector):
            loss = float("nan")  # the gradient of one: tell all, so that nobody takes this step
        sums = torch.tensor([loss, correct], dtype=torch.float64, device=self.job.device)
        every = self.team.gather(torch.cat([wishes, sums.view(torch.uint8)]))
        wished, sent = every[:, : len(wishes)], every[:, len(wishes) :].contiguous()
        total_loss, total_correct = sent.view(torch.float64).sum(0).tolist()
        buffers = tuple(buffer.clone() for buffer in self.job.network.buffers())
        return wished, ShardGradient(vector, total_loss, int(total_correct), buffers)

    def _backward(self, batch: Batch) -> tuple[float, int]:
        """Leave the mean gradient in the parameters; return this worker's part of loss and hits."""
        share = self.team.share
        # Alone, and in what does not communicate, an error is one of the user's network.
        exchange = self.team.collective if share.size > 1 else nullcontext
        with exchange():
            model = self._wrapped()
        part = batch.part(share)
        images, labels = self.pool.pictures.of(batch, share if part else share._replace(rank=0))
        inputs, truths = network_input(images, self.job.device), torch.from_numpy(labels)
        truths = truths.to(self.job.device)
        whole = len(truths) if self._local else len(batch.samples)
        # DDP divides by the number of workers; who has no samples of a small batch adds nothing.
        weight = (1 if self._local else share.size) / whole if part else 0.0
        self.job.network.zero_grad()
        with model.no_sync() if self._local else nullcontext():
            with (
                exchange() if self._sends_buffers else nullcontext(),
                in_precision(self.job),
            ):
                output = model(inputs)
            output = output.float()
            loss = self.job.objective.loss(output, truths, inputs)
            with exchange():
                (loss * weight).backward()  # type: ignore[no-untyped-call]
        if not part:
            return 0.0, 0
        correct = int((self.job.objective.answers(output.detach()) == truths).sum())
        return float(loss.detach()) / len(batch.samples), correct

    def _wrapped(self) -> DistributedDataParallel:
        """Return the network as DDP wraps it for the present round."""
        if self._model is None or self._round != self.team.round.number:
            self._model = None  # the old one's hooks hang on the parameters
            self._round = self.team.round.number
            self._model = DistributedDataParallel(
                self.job.network, find_unused_parameters=self.job.recipe.custom_network
            )
            self._compress(self._model)
        return self._model

    def _compress(self, model: DistributedDataParallel) -> None:
        match self.team.seat.plan.compress:
            case "fp16":
                model.register_comm_hook(None, default_hooks.fp16_compress_hook)
            case "bf16":
                model.register_comm_hook(None, default_hooks.bf16_compress_hook)
            case "powersgd":
                self._power = powerSGD_hook.PowerSGDState(
                    None, matrix_approximation_rank=_RANK, start_powerSGD_iter=_FROM
                )
                self._restore(self._power)
                model.register_comm_hook(self._power, powerSGD_hook.powerSGD_hook)

    def _carried(self) -> dict[str, Tensor]:
        """Gather what PowerSGD carries from step to step in each worker."""
        assert self._power is not None
        mine = {"iter": torch.tensor([self._power.iter])}
        for kind in ("error_dict", "p_memory_dict", "q_memory_dict"):
            for bucket, tensor in getattr(self._power, kind).items():
                mine[f"{kind}/{bucket}"] = tensor.cpu()
        every = self.team.gather_bytes(safetensors.torch.save(mine))
        named = (
            {f"{rank}/{name}": tensor for name, tensor in safetensors.torch.load(said).items()}
            for rank, said in enumerate(every)
        )
        return dict(chain.from_iterable(tensors.items() for tensors in named))

    def _restore(self, power: powerSGD_hook.PowerSGDState) -> None:
        """Give PowerSGD what was carried, where there were as many workers as now."""
        ranks = {name.partition("/")[0] for name in self._remembered}
        remembered, self._remembered = self._remembered, {}
        if len(ranks) != self.team.share.size:
            return
        for name, tensor in remembered.items():
            rank, kind, *bucket = name.split("/")
            if int(rank) != self.team.share.rank:
                continue
            if kind == "iter":
                power.iter = int(tensor)
            else:
                getattr(power, kind)[int(bucket[0])] = tensor.to(self.job.device)

    def _average(self) -> None:
        """Give all workers the mean of their weights."""
        self._set_weights(self.team.together(self._mean_weights, as_bytes, as_floats))

    def _mean_weights(self) -> Tensor:
        vector = torch.cat([parameter.detach().reshape(-1) for parameter in self.job.parameters])
        with self.team.collective():
            dist.all_reduce(vector)
        return vector / self.team.share.size

    def _set_weights(self, mean: Tensor) -> None:
        sizes = [parameter.numel() for parameter in self.job.parameters]
        parts = torch.split(mean, sizes)
        with torch.no_grad():
            for parameter, part in zip(self.job.parameters, parts, strict=True):
                parameter.copy_(part.view(parameter.shape))


def _saved(tensors: dict[str, Tensor]) -> Tensor:
    return tensor_of(safetensors.torch.save(tensors))


def _loaded(content: Tensor) -> dict[str, Tensor]:
    return safetensors.torch.load(content.cpu().numpy().tobytes())
