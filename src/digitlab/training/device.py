"""The device that a run computes on: the one asked for, or the best that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from digitlab.config import Recipe
from digitlab.errors import ConfigError
from digitlab.parallel.seat import Seat


def with_device(recipe: Recipe, workers: int = 1) -> Recipe:
    """Return the recipe with `auto` replaced by the device that is there.

    Args:
        recipe: what was asked for.
        workers: of this machine; `auto` is CUDA where each can have a device of its own.

    Raises:
        ConfigError: where the device asked for is not there.
    """
    asked = recipe.training.device
    chosen = asked
    if asked == "auto":
        chosen = "cpu"
        if torch.cuda.is_available() and torch.cuda.device_count() >= workers:
            chosen = "cuda"
        elif torch.backends.mps.is_available():
            chosen = "mps"
    elif asked == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device mps is not there; try --device auto")
    elif asked.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(asked.partition(":")[2] or 0) >= count:
            raise ConfigError(
                f"device {asked} is not there (CUDA devices here: {count}); try --device auto"
            )
    if recipe.training.precision == "bf16" and not chosen.startswith("cuda"):
        raise ConfigError(f"training.precision bf16 needs a CUDA device, not {chosen}")
    return replace(recipe, training=replace(recipe.training, device=chosen))


def device_of(recipe: Recipe, seat: Seat | None) -> torch.device:
    """Return the device of this process: of several workers on CUDA, each has one of its own.

    Raises:
        ConfigError: where there are not so many.
    """
    device = torch.device(recipe.training.device)
    if seat is None or device.type != "cuda":
        return device
    index = seat.plan.devices[seat.local] if seat.plan.devices else seat.local
    if index >= torch.cuda.device_count():
        raise ConfigError(
            f"worker {seat.slot} has no CUDA device {index} (there are "
            f"{torch.cuda.device_count()}); give fewer --workers, --devices, or "
            "--device cpu"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Have a CUDA device compute the same bits each time, in float32 and not in its short form.

    What has no such algorithm is warned of by PyTorch. On CPUs nothing needs to be set.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read where CUDA is first used
    cudnn = torch.backends.cudnn
    memory: Any = torch.utils.deterministic  # mypy takes this module for a constant
    before = cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    algorithms = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    filled = memory.fill_uninitialized_memory
    generator = torch.cuda.get_rng_state(device)
    cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # takes time, for who reads what nobody wrote
    try:
        yield
    finally:
        cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
        torch.use_deterministic_algorithms(algorithms[0], warn_only=algorithms[1])
        memory.fill_uninitialized_memory = filled
        torch.cuda.set_rng_state(generator, device)
