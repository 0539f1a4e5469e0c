"""The device that a run computes on: the one asked for, or the best that is there."""

from __future__ import annotations

from dataclasses import replace

import torch

from digitlab.config import Recipe
from digitlab.errors import ConfigError
from digitlab.parallel.seat import Seat


def with_device(recipe: Recipe) -> Recipe:
    """Return the recipe with `auto` replaced by the device that is there.

    Raises:
        ConfigError: where the device asked for is not there.
    """
    asked = recipe.training.device
    chosen = asked
    if asked == "auto":
        chosen = "cpu"
        if torch.cuda.is_available():
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
            f"{torch.cuda.device_count()}); give fewer --workers, or --devices"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)
