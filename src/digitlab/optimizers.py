"""How parameters move, and how the learning rate changes with the step; used by training.

The rules work on one vector that holds all parameters, so each is a few lines to read. They are our
own, and a test holds them against `torch.optim`, because that imports PyTorch's compiler: it took
0.7 to 1.2 of the 2.5 seconds that a short run needs around its training.
"""

from __future__ import annotations

import math

from torch import Tensor, zeros_like

from digitlab.config import OptimizerConfig, ScheduleConfig

# The vectors that a rule keeps from step to step; all begin at 0.
_MEMORY = {
    "sgd": (),
    "momentum": ("velocity",),
    "adagrad": ("square_sum",),
    "rmsprop": ("square_mean",),
    "adam": ("mean", "square_mean"),
    "adamw": ("mean", "square_mean"),
}


class Optimizer:
    """One of six rules, on float32 [P] parameters.

    Attributes:
        memory: float32 [P] vectors by name, what the rule remembers.
        steps: how many steps were taken.
    """

    def __init__(self, config: OptimizerConfig, parameters: Tensor) -> None:
        """Give the rule and the vector that `step` changes in place."""
        self.config, self.parameters = config, parameters
        self.memory = {name: zeros_like(parameters) for name in _MEMORY[config.name]}
        self.steps = 0

    def step(self, gradient: Tensor, rate: float) -> None:
        """Move the parameters once, against a gradient float32 [P], by a learning rate."""
        config = self.config
        self.steps += 1
        if config.weight_decay and config.name == "adamw":
            self.parameters.mul_(1 - rate * config.weight_decay)  # Loshchilov and Hutter, 2019
        elif config.weight_decay:
            gradient = gradient.add(self.parameters, alpha=config.weight_decay)
        match config.name:
            case "sgd":
                self.parameters.add_(gradient, alpha=-rate)
            case "momentum":
                self._momentum(gradient, rate)
            case "adagrad":
                self._adagrad(gradient, rate)
            case "rmsprop":
                self._rmsprop(gradient, rate)
            case _:
                self._adam(gradient, rate)

    def _momentum(self, gradient: Tensor, rate: float) -> None:
        """Polyak (1964); with `nesterov`, looking ahead (Sutskever et al., 2013)."""
        velocity = self.memory["velocity"].mul_(self.config.momentum).add_(gradient)
        if self.config.nesterov:
            velocity = gradient.add(velocity, alpha=self.config.momentum)
        self.parameters.add_(velocity, alpha=-rate)

    def _adagrad(self, gradient: Tensor, rate: float) -> None:
        """Duchi, Hazan and Singer (2011)."""
        squares = self.memory["square_sum"].addcmul_(gradient, gradient)
        self.parameters.addcdiv_(gradient, squares.sqrt().add_(self.config.epsilon), value=-rate)

    def _rmsprop(self, gradient: Tensor, rate: float) -> None:
        """Tieleman and Hinton (2012)."""
        decay = self.config.alpha
        squares = self.memory["square_mean"].mul_(decay)
        squares.addcmul_(gradient, gradient, value=1 - decay)
        self.parameters.addcdiv_(gradient, squares.sqrt().add_(self.config.epsilon), value=-rate)

    def _adam(self, gradient: Tensor, rate: float) -> None:
        """Kingma and Ba (2015), both means corrected for their start at 0."""
        beta1, beta2 = self.config.beta1, self.config.beta2
        mean = self.memory["mean"].lerp_(gradient, 1 - beta1)
        squares = self.memory["square_mean"].mul_(beta2)
        squares.addcmul_(gradient, gradient, value=1 - beta2)
        root = squares.sqrt().div_(math.sqrt(1 - beta2**self.steps)).add_(self.config.epsilon)
        self.parameters.addcdiv_(mean, root, value=-rate / (1 - beta1**self.steps))


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
