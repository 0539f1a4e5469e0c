"""Learning rates that fall, counted by calls of `minimize`.

Source: python/paddle/fluid/dygraph/learning_rate_scheduler.py. The functions of `fluid.layers`
return these, as they do in dygraph mode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from digitlab.paddle.variable import Variable


class LearningRateDecay:
    """A learning rate by the number of the step; a call gives it and goes on to the next.

    Attributes:
        step_num: how far it has come.
        step_size: by how much a call goes on.
    """

    def __init__(self, begin: int = 0, step: int = 1, dtype: Any = "float32") -> None:
        """Give the first number and how far a call goes."""
        self.step_num, self.step_size = begin, step

    def __call__(self) -> float:
        """Return this step's rate; the next call gives the next one's."""
        rate = self.step()
        self.step_num += self.step_size
        return rate

    def step(self) -> float:
        """Return this step's rate."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return how far it has come."""
        return {"step_num": self.step_num}

    def set_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Be as far as that."""
        self.step_num = int(state_dict["step_num"])

    set_state_dict = set_dict


def _number(value: Any) -> float:
    return float(value) if isinstance(value, Variable) else value


class PiecewiseDecay(LearningRateDecay):
    """One rate before each boundary, and the last one after them."""

    def __init__(
        self,
        boundaries: Sequence[int],
        values: Sequence[float],
        begin: int = 0,
        step: int = 1,
        dtype: Any = "float32",
    ) -> None:
        """Give steps, and one rate more than those."""
        super().__init__(begin, step)
        self.boundaries, self.values = list(boundaries), [_number(value) for value in values]
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"PiecewiseDecay: {len(self.values)} values beside {len(self.boundaries)} "
                f"boundaries; expected {len(self.boundaries) + 1}"
            )

    def step(self) -> float:
        """Return this step's rate."""
        for boundary, value in zip(self.boundaries, self.values, strict=False):
            if self.step_num < boundary:
                return value
        return self.values[-1]


class _Fraction(LearningRateDecay):
    """What is a function of the steps divided by `decay_steps`."""

    def __init__(
        self,
        learning_rate: Any,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        begin: int = 0,
        step: int = 1,
        dtype: Any = "float32",
    ) -> None:
        """Give the first rate, and how fast it falls; with `staircase` at whole fractions alone."""
        super().__init__(begin, step)
        self.learning_rate = _number(learning_rate)
        self.decay_steps, self.decay_rate, self.staircase = decay_steps, decay_rate, staircase

    def _fraction(self) -> float:
        fraction = self.step_num / self.decay_steps
        return math.floor(fraction) if self.staircase else fraction


class ExponentialDecay(_Fraction):
    """rate × decay_rate ^ (step / decay_steps)."""

    def step(self) -> float:
        """Return this step's rate."""
        return float(self.learning_rate * self.decay_rate ** self._fraction())


class NaturalExpDecay(_Fraction):
    """rate × e ^ (-decay_rate × step / decay_steps)."""

    def step(self) -> float:
        """Return this step's rate."""
        return self.learning_rate * math.exp(-self.decay_rate * self._fraction())


class InverseTimeDecay(_Fraction):
    """rate / (1 + decay_rate × step / decay_steps)."""

    def step(self) -> float:
        """Return this step's rate."""
        return self.learning_rate / (1 + self.decay_rate * self._fraction())


class PolynomialDecay(LearningRateDecay):
    """Down to an end within `decay_steps`, along a power; with `cycle` ever longer again."""

    def __init__(
        self,
        learning_rate: Any,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        begin: int = 0,
        step: int = 1,
        dtype: Any = "float32",
    ) -> None:
        """Give the first rate, the steps, the last rate and the power."""
        super().__init__(begin, step)
        self.learning_rate, self.decay_steps = _number(learning_rate), decay_steps
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def step(self) -> float:
        """Return this step's rate."""
        steps, at = self.decay_steps, self.step_num
        if self.cycle:
            steps *= max(1, math.ceil(at / steps))
        else:
            at = min(at, steps)
        falling = float((1 - at / steps) ** self.power)
        return (self.learning_rate - self.end_learning_rate) * falling + self.end_learning_rate


class CosineDecay(LearningRateDecay):
    """Down along half a cosine, the same within an epoch (Loshchilov and Hutter, 2017)."""

    def __init__(
        self,
        learning_rate: Any,
        step_each_epoch: int,
        epochs: int,
        begin: int = 0,
        step: int = 1,
        dtype: Any = "float32",
    ) -> None:
        """Give the first rate, the steps of an epoch and the epochs."""
        super().__init__(begin, step)
        self.learning_rate = _number(learning_rate)
        self.step_each_epoch, self.epochs = step_each_epoch, epochs

    def step(self) -> float:
        """Return this step's rate."""
        epoch = math.floor(self.step_num / self.step_each_epoch)
        return self.learning_rate * 0.5 * (math.cos(epoch * math.pi / self.epochs) + 1)


class NoamDecay(LearningRateDecay):
    """Up over `warmup_steps`, then down by the root of the step (Vaswani et al., 2017)."""

    def __init__(
        self,
        d_model: float,
        warmup_steps: int,
        begin: int = 1,
        step: int = 1,
        dtype: Any = "float32",
        learning_rate: float = 1.0,
    ) -> None:
        """Give the width of the model and the steps until the highest rate."""
        super().__init__(begin, step)
        self.d_model, self.warmup_steps = d_model, warmup_steps
        self.learning_rate = learning_rate

    def step(self) -> float:
        """Return this step's rate."""
        rising = self.warmup_steps**-1.5 * self.step_num
        return float(self.learning_rate * self.d_model**-0.5 * min(self.step_num**-0.5, rising))


class LinearLrWarmup(LearningRateDecay):
    """Along a line from one rate to another, then another decay or rate."""

    def __init__(
        self,
        learning_rate: Any,
        warmup_steps: int,
        start_lr: float,
        end_lr: float,
        begin: int = 1,
        step: int = 1,
        dtype: Any = "float32",
    ) -> None:
        """Give what follows, the steps of the line, and its ends."""
        super().__init__(begin, step)
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.start_lr, self.end_lr = start_lr, end_lr

    def step(self) -> float:
        """Return this step's rate."""
        after = self.learning_rate
        if isinstance(after, LearningRateDecay):
            after = after()
        if self.step_num < self.warmup_steps:
            slope = (self.end_lr - self.start_lr) / self.warmup_steps
            return slope * self.step_num + self.start_lr
        return _number(after)


def piecewise_decay(boundaries: Sequence[int], values: Sequence[float]) -> PiecewiseDecay:
    """Return `PiecewiseDecay`."""
    return PiecewiseDecay(boundaries, values)


def exponential_decay(
    learning_rate: Any, decay_steps: int, decay_rate: float, staircase: bool = False
) -> ExponentialDecay:
    """Return `ExponentialDecay`."""
    return ExponentialDecay(learning_rate, decay_steps, decay_rate, staircase)


def natural_exp_decay(
    learning_rate: Any, decay_steps: int, decay_rate: float, staircase: bool = False
) -> NaturalExpDecay:
    """Return `NaturalExpDecay`."""
    return NaturalExpDecay(learning_rate, decay_steps, decay_rate, staircase)


def inverse_time_decay(
    learning_rate: Any, decay_steps: int, decay_rate: float, staircase: bool = False
) -> InverseTimeDecay:
    """Return `InverseTimeDecay`."""
    return InverseTimeDecay(learning_rate, decay_steps, decay_rate, staircase)


def polynomial_decay(
    learning_rate: Any,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> PolynomialDecay:
    """Return `PolynomialDecay`."""
    return PolynomialDecay(learning_rate, decay_steps, end_learning_rate, power, cycle)


def cosine_decay(learning_rate: Any, step_each_epoch: int, epochs: int) -> CosineDecay:
    """Return `CosineDecay`."""
    return CosineDecay(learning_rate, step_each_epoch, epochs)


def noam_decay(d_model: float, warmup_steps: int, learning_rate: float = 1.0) -> NoamDecay:
    """Return `NoamDecay`."""
    return NoamDecay(d_model, warmup_steps, learning_rate=learning_rate)


def linear_lr_warmup(
    learning_rate: Any, warmup_steps: int, start_lr: float, end_lr: float
) -> LinearLrWarmup:
    """Return `LinearLrWarmup`."""
    return LinearLrWarmup(learning_rate, warmup_steps, start_lr, end_lr)
