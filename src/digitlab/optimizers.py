"""How parameters move, and how the learning rate changes with the step; used by training.

The rules are PyTorch's, on one vector that holds all parameters: a step is then a handful of calls
however many layers there are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from digitlab.config import OptimizerConfig, ScheduleConfig


def build(config: OptimizerConfig, parameters: Tensor) -> torch.optim.Optimizer:
    """Return the optimizer that a recipe names, for float32 [P] parameters."""
    rate, decay, epsilon = config.learning_rate, config.weight_decay, config.epsilon
    betas = (config.beta1, config.beta2)
    match config.name:
        case "sgd":
            return torch.optim.SGD([parameters], lr=rate, weight_decay=decay)
        case "momentum":
            return torch.optim.SGD(
                [parameters],
                lr=rate,
                momentum=config.momentum,
                nesterov=config.nesterov,
                weight_decay=decay,
            )
        case "adagrad":
            return torch.optim.Adagrad([parameters], lr=rate, weight_decay=decay, eps=epsilon)
        case "rmsprop":
            return torch.optim.RMSprop(
                [parameters],
                lr=rate,
                alpha=config.alpha,
                eps=epsilon,
                weight_decay=decay,
            )
        case "adam":
            return torch.optim.Adam(
                [parameters], lr=rate, betas=betas, eps=epsilon, weight_decay=decay
            )
        case _:
            return torch.optim.AdamW(
                [parameters], lr=rate, betas=betas, eps=epsilon, weight_decay=decay
            )


def learning_rate(
    config: ScheduleConfig, highest: float, step: int, total_steps: int, steps_per_epoch: int
) -> float:
    """Return the learning rate of a global step, a pure function of it.

    `constant`; `step` (times `factor` after every `every` epochs); `cosine` (from the highest down
    to `final` of it, Loshchilov and Hutter, 2017); `one-cycle` (a line up from `initial` over the
    first `warmup` of the steps, then a line down to `final`, Smith, 2018).

    Args:
        config: the schedule.
        highest: the recipe's learning rate.
        step: the global step, from 0.
        total_steps: of the run.
        steps_per_epoch: of the data.
    """
    progress = step / total_steps
    match config.name:
        case "step":
            drops = math.floor(step / (config.every * steps_per_epoch) + 1e-9)
            return highest * config.factor**drops
        case "cosine":
            falling = 0.5 * (1 + math.cos(math.pi * progress))
            return highest * (config.final + (1 - config.final) * falling)
        case "one-cycle":
            if progress < config.warmup:
                return highest * _between(config.initial, 1.0, progress / config.warmup)
            down = (progress - config.warmup) / (1 - config.warmup) if config.warmup < 1 else 1.0
            return highest * _between(1.0, config.final, down)
        case _:
            return highest


def _between(start: float, end: float, fraction: float) -> float:
    return start + (end - start) * fraction
