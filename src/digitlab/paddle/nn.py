"""`fluid.dygraph.nn`: the layers with parameters, in the way of 1.7 and 1.8, and in that of 1.6.

In 1.6 the first argument of each is a name, and a layer takes its input's width from its first
input. What a layer was made of is kept by Paddle's own names and in its kinds, for lessons
print it: `self.conv1._padding`. Source: python/paddle/fluid/dygraph/nn.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import torch
from torch import Tensor
from torch.nn import functional

from digitlab.paddle.initializers import Constant, Initializer, Normal
from digitlab.paddle.layer import Layer
from digitlab.paddle.layers import activated, dropped
from digitlab.paddle.variable import Parameter, Variable

_P = ParamSpec("_P")
_L = TypeVar("_L", bound=Layer)


def _or_with_a_name(
    *without: None,
) -> Callable[[Callable[Concatenate[_L, _P], None]], Callable[Concatenate[_L, _P], None]]:
    """Let the first argument be 1.6's name; then those that 1.6 did not have are `without`."""

    def decorate(
        make: Callable[Concatenate[_L, _P], None],
    ) -> Callable[Concatenate[_L, _P], None]:
        @functools.wraps(make)
        def made(self: _L, *args: Any, **kwargs: Any) -> None:
            if args and isinstance(args[0], str):
                args = (*without, *args[1:])
            elif "name_scope" in kwargs:
                kwargs.pop("name_scope")
                args = (*without, *args)
            make(self, *args, **kwargs)

        return cast(Callable[Concatenate[_L, _P], None], made)

    return decorate


class Linear(Layer):
    """x W + b on the last axis: float [.., input_dim] to [.., output_dim].

    `weight` is [input_dim, output_dim], the transpose of PyTorch's.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        param_attr: Any = None,
        bias_attr: Any = None,
        act: str | None = None,
        dtype: Any = "float32",
    ) -> None:
        """Give the widths; W begins by Xavier's uniform rule, b as 0."""
        super().__init__(dtype=dtype)
        self._act = act
        self.weight = _weight(self, [input_dim, output_dim], param_attr)
        self.bias = self.create_parameter([output_dim], bias_attr, is_bias=True)

    def forward(self, input: Variable) -> Variable:
        """Return the output after the activation."""
        return activated(_affine(input.value, self.weight, self.bias), self._act, own=True)


class FC(Layer):
    """1.6's fully connected layer: its input's axes from `num_flatten_dims` on become one."""

    def __init__(
        self,
        name_scope: str,
        size: int,
        num_flatten_dims: int = 1,
        param_attr: Any = None,
        bias_attr: Any = None,
        act: str | None = None,
        is_test: bool = False,
        dtype: Any = "float32",
    ) -> None:
        """Give a name and the width of the output; the input's is known at the first one."""
        super().__init__(f"{name_scope}/FC", dtype)
        self._size, self._num_flatten_dims, self._act = size, num_flatten_dims, act
        self._param_attr, self._bias_attr = param_attr, bias_attr

    def _build_once(self, input: Variable) -> None:
        width = math.prod(input.shape[self._num_flatten_dims :])
        self.weight = _weight(self, [width, self._size], self._param_attr)
        self.bias = self.create_parameter([self._size], self._bias_attr, is_bias=True)

    def forward(self, input: Variable) -> Variable:
        """Return float [.., size]."""
        value = input.value
        value = value.reshape(*value.shape[: self._num_flatten_dims], -1)
        return activated(_affine(value, self.weight, self.bias), self._act, own=True)


class Conv2D(Layer):
    """Convolution of float [N, C, H, W]; `weight` is [num_filters, C / groups, height, width]."""

    @_or_with_a_name(None)
    def __init__(
        self,
        num_channels: int | None,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int | None = None,
        param_attr: Any = None,
        bias_attr: Any = None,
        use_cudnn: bool = True,
        act: str | None = None,
        dtype: Any = "float32",
    ) -> None:
        """Give the channels, the filters and their size.

        The weight begins normal with standard deviation √(2 / (channels × height × width)), where
        channels are all of the input's, also with `groups`; the bias as 0.
        """
        super().__init__(dtype=dtype)
        self._num_channels, self._num_filters, self._filter_size = (
            num_channels,
            num_filters,
            filter_size,
        )
        self._stride, self._padding, self._dilation = _two(stride), _two(padding), _two(dilation)
        self._groups, self._use_cudnn, self._act = groups, use_cudnn, act
        self._param_attr, self._bias_attr = param_attr, bias_attr
        if num_channels is not None:
            self._make(num_channels)

    def _build_once(self, input: Variable) -> None:
        if "weight" not in self._parameters:
            self._make(input.shape[1])

    def _is_lazy(self) -> bool:
        return "weight" not in self._parameters

    def _make(self, channels: int) -> None:
        groups, size = self._groups or 1, _two(self._filter_size)
        if channels % groups:
            raise ValueError(f"num_channels {channels} must be divisible by groups {groups}")
        deviation = math.sqrt(2 / (channels * math.prod(size)))
        shape = [self._num_filters, channels // groups, *size]
        made = _weight(self, shape, self._param_attr, Normal(0.0, deviation))
        trained = made.trainable  # channels last in memory, in which pooling is faster, too
        made.value = made.value.detach().contiguous(memory_format=torch.channels_last)
        made.trainable = trained
        self.weight = made
        self.bias = self.create_parameter([self._num_filters], self._bias_attr, is_bias=True)

    def forward(self, input: Variable) -> Variable:
        """Return float [N, num_filters, height, width] after the activation."""
        value = input.value
        if value.shape[1] == 1:  # of one channel, either order is the other; name the fast one
            value = value.reshape(len(value), *value.shape[2:], 1).permute(0, 3, 1, 2)
        result = functional.conv2d(
            value,
            self.weight.value,
            None if self.bias is None else self.bias.value,
            self._stride,
            self._padding,
            self._dilation,
            self._groups or 1,
        )
        return activated(result, self._act, own=True)


class Pool2D(Layer):
    """Pooling of float [N, C, H, W], by the largest ("max") or the mean ("avg").

    Source of the mean at borders (`exclusive`): paddle/fluid/operators/math/pooling.cc.
    """

    @_or_with_a_name()
    def __init__(
        self,
        pool_size: Any = -1,
        pool_type: str = "max",
        pool_stride: Any = 1,
        pool_padding: Any = 0,
        global_pooling: bool = False,
        use_cudnn: bool = True,
        ceil_mode: bool = False,
        exclusive: bool = True,
        data_format: str = "NCHW",
    ) -> None:
        """Give the window, by default with a stride of 1.

        Raises:
            ValueError: where there is no window, or another type than these two.
        """
        super().__init__()
        if pool_type not in ("max", "avg"):
            raise ValueError(f"pool_type is {pool_type!r}; expected max or avg")
        if pool_size == -1 and not global_pooling:
            raise ValueError(
                "When the global_pooling is False, pool_size must be passed and be a valid value. "
                "Received pool_size: -1"
            )
        self._pool_type, self._global_pooling = pool_type, global_pooling
        self._pool_size, self._pool_stride, self._pool_padding = (
            _two(part) for part in (pool_size, pool_stride, pool_padding)
        )
        self._use_cudnn, self._ceil_mode, self._exclusive = use_cudnn, ceil_mode, exclusive

    def forward(self, input: Variable) -> Variable:
        """Return float [N, C, height, width]."""
        value = input.value
        size, stride, padding = self._pool_size, self._pool_stride, self._pool_padding
        if self._global_pooling:
            size, stride, padding = list(value.shape[2:]), [1, 1], [0, 0]
        if self._pool_type == "max":
            return Variable(
                functional.max_pool2d(value, size, stride, padding, ceil_mode=self._ceil_mode)
            )
        return Variable(
            functional.avg_pool2d(
                value, size, stride, padding, self._ceil_mode, not self._exclusive
            )
        )


class BatchNorm(Layer):
    """Batch normalisation over all axes but the second (Ioffe and Szegedy, 2015).

    `momentum` is what the running statistics keep, and the running variance is of the batch as it
    is, not the estimate for all that PyTorch takes: paddle/fluid/operators/batch_norm_op.cc.
    """

    @_or_with_a_name()
    def __init__(
        self,
        num_channels: int,
        act: str | None = None,
        is_test: bool = False,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        param_attr: Any = None,
        bias_attr: Any = None,
        dtype: Any = "float32",
        data_layout: str = "NCHW",
        in_place: bool = False,
        moving_mean_name: str | None = None,
        moving_variance_name: str | None = None,
        do_model_average_for_mean_and_var: bool = True,
        use_global_stats: bool = False,
        trainable_statistics: bool = False,
    ) -> None:
        """Give the channels; the scale begins as 1, the shift as 0."""
        super().__init__(dtype=dtype)
        self._act, self._is_test, self._momentum, self._epsilon = act, is_test, momentum, epsilon
        self._use_global_stats, self._trainable_statistics = use_global_stats, trainable_statistics
        self._data_layout, self._in_place = data_layout, in_place
        self._param_attr, self._bias_attr = param_attr, bias_attr
        one, zero = Constant(1.0), Constant(0.0)
        self.weight = self.create_parameter([num_channels], param_attr, None, False, one)
        self.bias = self.create_parameter([num_channels], bias_attr, None, True, zero)
        for name, asked, begin in (
            ("_mean", moving_mean_name, zero),
            ("_variance", moving_variance_name, one),
        ):
            made = self.create_parameter([num_channels], asked, None, False, begin)
            assert made is not None
            made.trainable = False
            self.add_parameter(name, made)

    def forward(self, input: Variable) -> Variable:
        """Return the input, normalised, scaled and shifted, after the activation."""
        value, mean, variance = input.value, self._mean.value, self._variance.value
        by_batch = (self.training and not self._is_test) or self._trainable_statistics
        if by_batch and not self._use_global_stats:
            with torch.no_grad():
                axes = [axis for axis in range(value.dim()) if axis != 1]
                new_variance, new_mean = torch.var_mean(value, axes, correction=0)
                mean.lerp_(new_mean, 1 - self._momentum)
                variance.lerp_(new_variance, 1 - self._momentum)
            result = functional.batch_norm(
                value, None, None, self._of("weight"), self._of("bias"), True, 0.0, self._epsilon
            )
        else:
            weight, bias = self._of("weight"), self._of("bias")
            result = functional.batch_norm(
                value, mean, variance, weight, bias, False, 0.0, self._epsilon
            )
        return activated(result, self._act, own=True)

    def _of(self, name: str) -> Tensor | None:
        one: Parameter | None = self._parameters.get(name)
        return None if one is None else one.value


class Dropout(Layer):
    """Sets each to 0 with probability `p` while training; see `fluid.layers.dropout`."""

    def __init__(
        self,
        p: float = 0.5,
        seed: int | None = None,
        dropout_implementation: str = "downgrade_in_infer",
        is_test: bool = False,
    ) -> None:
        """Give the probability, and what happens to the others."""
        super().__init__()
        self._dropout_prob, self._seed, self._is_test = p, seed, is_test
        self._dropout_implementation = dropout_implementation

    def forward(self, input: Variable) -> Variable:
        """Return what is left."""
        if self._dropout_prob == 0:
            return input
        way = self._dropout_implementation
        return dropped(input, self._dropout_prob, not self.training, self._seed, way)


class Embedding(Layer):
    """Rows of a table by their numbers: int64 [..] to float [.., width]."""

    @_or_with_a_name()
    def __init__(
        self,
        size: Any,
        is_sparse: bool = False,
        is_distributed: bool = False,
        padding_idx: int | None = None,
        param_attr: Any = None,
        dtype: Any = "float32",
    ) -> None:
        """Give [rows, width]; the row `padding_idx` reads as 0, and is not trained."""
        super().__init__(dtype=dtype)
        self._size, self._is_sparse, self._is_distributed = size, is_sparse, is_distributed
        self._padding_idx = -1 if padding_idx is None else padding_idx % size[0]
        self._param_attr = param_attr
        self.weight = _weight(self, list(size), param_attr)

    def forward(self, input: Variable) -> Variable:
        """Return the rows."""
        numbers = input.value.to(torch.int64)
        none = self._padding_idx < 0
        rows = functional.embedding(numbers, self.weight.value, None if none else self._padding_idx)
        if not none:
            rows = rows.masked_fill((numbers == self._padding_idx).unsqueeze(-1), 0.0)
        return Variable(rows)


def _weight(
    layer: Layer, shape: list[int], attr: Any, begin: Initializer | None = None
) -> Parameter:
    """Return a new parameter that a layer cannot do without."""
    made = layer.create_parameter(shape, attr, default_initializer=begin)
    if made is None:
        raise AssertionError("param_attr should not be False here.")
    return made


def _affine(value: Tensor, weight: Parameter, bias: Parameter | None) -> Tensor:
    if bias is not None and value.dim() == 2:
        return torch.addmm(bias.value, value, weight.value)
    product = value @ weight.value
    return product if bias is None else product + bias.value


def _two(size: Any) -> list[int]:
    """Return height and width; one number is both."""
    if isinstance(size, int):
        return [size, size]
    height, width = size
    return [int(height), int(width)]
