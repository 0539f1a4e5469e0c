"""How parameters begin: Paddle's initializers, and `ParamAttr`, which names one.

Source: python/paddle/fluid/initializer.py and param_attr.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digitlab.paddle.variable import Array


class Initializer:
    """Fills a new parameter."""

    seed = 0

    def fill(self, tensor: Tensor) -> None:
        """Give float [..] its first values."""
        raise NotImplementedError

    def _generator(self, tensor: Tensor) -> torch.Generator | None:
        """Return a generator of its own where it has a seed; else the process's is used."""
        if not self.seed:
            return None
        return torch.Generator(tensor.device).manual_seed(self.seed)


class Constant(Initializer):
    """One number everywhere."""

    def __init__(self, value: float = 0.0, force_cpu: bool = False) -> None:
        """Give the number."""
        self.value = value

    def fill(self, tensor: Tensor) -> None:
        """Fill."""
        tensor.fill_(self.value)


class Uniform(Initializer):
    """Evenly between two numbers."""

    def __init__(self, low: float = -1.0, high: float = 1.0, seed: int = 0, **_: Any) -> None:
        """Give the ends."""
        self.low, self.high, self.seed = low, high, seed

    def fill(self, tensor: Tensor) -> None:
        """Draw."""
        tensor.uniform_(self.low, self.high, generator=self._generator(tensor))


class Normal(Initializer):
    """A normal distribution."""

    def __init__(self, loc: float = 0.0, scale: float = 1.0, seed: int = 0) -> None:
        """Give mean and standard deviation."""
        self.loc, self.scale, self.seed = loc, scale, seed

    def fill(self, tensor: Tensor) -> None:
        """Draw."""
        tensor.normal_(self.loc, self.scale, generator=self._generator(tensor))


class TruncatedNormal(Normal):
    """A normal distribution, drawn again beyond two standard deviations."""

    def fill(self, tensor: Tensor) -> None:
        """Draw."""
        low, high = self.loc - 2 * self.scale, self.loc + 2 * self.scale
        generator = self._generator(tensor)
        torch.nn.init.trunc_normal_(tensor, self.loc, self.scale, low, high, generator)


class Xavier(Initializer):
    """By the mean of inputs and outputs (Glorot and Bengio, 2010)."""

    def __init__(
        self,
        uniform: bool = True,
        fan_in: float | None = None,
        fan_out: float | None = None,
        seed: int = 0,
    ) -> None:
        """Choose the uniform or the normal distribution; fans are of the shape by default."""
        self.uniform, self.fan_in, self.fan_out, self.seed = uniform, fan_in, fan_out, seed

    def fill(self, tensor: Tensor) -> None:
        """Draw."""
        fan_in, fan_out = _fans(tensor.shape)
        fan_in = fan_in if self.fan_in is None else self.fan_in
        fan_out = fan_out if self.fan_out is None else self.fan_out
        _draw(self, tensor, math.sqrt(2 / (fan_in + fan_out)), self.uniform)


class MSRA(Initializer):
    """By the number of inputs (He, Zhang, Ren and Sun, 2015)."""

    def __init__(self, uniform: bool = True, fan_in: float | None = None, seed: int = 0) -> None:
        """Choose the uniform or the normal distribution; the fan is of the shape by default."""
        self.uniform, self.fan_in, self.seed = uniform, fan_in, seed

    def fill(self, tensor: Tensor) -> None:
        """Draw."""
        fan_in = _fans(tensor.shape)[0] if self.fan_in is None else self.fan_in
        _draw(self, tensor, math.sqrt(2 / fan_in), self.uniform)


class NumpyArrayInitializer(Initializer):
    """The values of an array."""

    def __init__(self, value: Array) -> None:
        """Give the array."""
        if not isinstance(value, np.ndarray):
            raise TypeError("NumpyArrayInitializer: value must be a numpy.ndarray")
        self.value = value

    def fill(self, tensor: Tensor) -> None:
        """Copy."""
        if tuple(tensor.shape) != self.value.shape:
            raise ValueError(
                f"NumpyArrayInitializer: the array has shape {list(self.value.shape)}, "
                f"the parameter {list(tensor.shape)}"
            )
        tensor.copy_(torch.tensor(self.value))


class ParamAttr:
    """What a layer is told of a parameter; `regularizer` and rate take precedence."""

    def __init__(
        self,
        name: str | None = None,
        initializer: Initializer | None = None,
        learning_rate: float = 1.0,
        regularizer: Any = None,
        trainable: bool = True,
        gradient_clip: Any = None,
        do_model_average: bool = False,
    ) -> None:
        """Give what is to differ from the layer's own way."""
        self.name, self.initializer, self.learning_rate = name, initializer, learning_rate
        self.regularizer, self.trainable, self.gradient_clip = regularizer, trainable, gradient_clip


def attributes(attr: Any) -> ParamAttr | None:
    """Return what was given as `param_attr` or `bias_attr`; None for False: no such parameter.

    Raises:
        TypeError: where it is nothing that Paddle takes there.
    """
    if attr is False:
        return None
    if attr is None or attr is True:
        return ParamAttr()
    if isinstance(attr, ParamAttr):
        return attr
    if isinstance(attr, str):
        return ParamAttr(name=attr)
    if isinstance(attr, Initializer):
        return ParamAttr(initializer=attr)
    if hasattr(attr, "added_to"):
        return ParamAttr(regularizer=attr)
    raise TypeError(f"{type(attr)} cast to ParamAttr: it is neither ParamAttr nor what makes one")


def _fans(shape: Sequence[int]) -> tuple[float, float]:
    """Return inputs and outputs of a weight [in, out] or [out, in, height, width]."""
    if len(shape) < 2:
        count = shape[0] if shape else 1
        return count, count
    if len(shape) == 2:
        return shape[0], shape[1]
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _draw(by: Initializer, tensor: Tensor, deviation: float, uniform: bool) -> None:
    if uniform:
        end = deviation * math.sqrt(3)
        tensor.uniform_(-end, end, generator=by._generator(tensor))
    else:
        tensor.normal_(0.0, deviation, generator=by._generator(tensor))
