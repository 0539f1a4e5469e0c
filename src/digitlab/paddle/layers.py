"""`fluid.layers`: the functions of variables.

Shapes and defaults are Paddle 1.8's: what gives one number has shape [1], losses keep a last axis
of 1, and an axis left out is the last one, but for `concat`, `argmax` and `argmin`.
Source: python/paddle/fluid/layers/nn.py, ops.py, tensor.py, loss.py and metric_op.py.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from digitlab.paddle.state import STATE
from digitlab.paddle.variable import (
    Variable,
    at_least_1d,
    numbers_of,
    quotient,
    tensor_of,
    torch_dtype,
)

_EXPONENT = -64.0  # softmax's smallest: paddle/fluid/operators/math/softmax_impl.h clips there
_TOLERABLE = 1e20  # what takes the place of infinity in cross_entropy_op.h

Activation = str | None


# Shapes


def reshape(
    x: Variable,
    shape: Any,
    actual_shape: Any = None,
    act: Activation = None,
    inplace: bool = False,
    name: str | None = None,
) -> Variable:
    """Return it in another shape, in which 0 is the length that there was and -1 what is left."""
    value = x.value
    lengths = [
        value.shape[axis] if length == 0 else length
        for axis, length in enumerate(numbers_of(shape if actual_shape is None else actual_shape))
    ]
    return activated(value.reshape(lengths), act)


def flatten(x: Variable, axis: int = 1, name: str | None = None) -> Variable:
    """Return a matrix: the axes before `axis` become one, and those from it on."""
    return Variable(x.value.reshape(math.prod(x.value.shape[:axis]), -1))


def transpose(x: Variable, perm: Sequence[int], name: str | None = None) -> Variable:
    """Return it with its axes in that order."""
    return Variable(x.value.permute(*perm))


def squeeze(input: Variable, axes: Sequence[int], name: str | None = None) -> Variable:
    """Return it without those axes, or without any of length 1 where none is named."""
    value = input.value
    wanted = [axis % value.dim() for axis in (axes or range(value.dim()))]
    return Variable(at_least_1d(value.squeeze([a for a in wanted if value.shape[a] == 1])))


def unsqueeze(input: Variable, axes: Any, name: str | None = None) -> Variable:
    """Return it with axes of length 1 at those places, one after the other."""
    value = input.value
    for axis in _listed(numbers_of(axes)):
        value = value.unsqueeze(axis)
    return Variable(value)


def concat(input: Sequence[Variable], axis: Any = 0, name: str | None = None) -> Variable:
    """Join along an axis."""
    parts = [input] if isinstance(input, Variable) else input
    return Variable(torch.cat([tensor_of(part) for part in parts], dim=int(axis)))


def stack(x: Sequence[Variable], axis: int = 0) -> Variable:
    """Join along a new axis."""
    parts = [x] if isinstance(x, Variable) else x
    return Variable(torch.stack([tensor_of(part) for part in parts], dim=axis))


def split(
    input: Variable, num_or_sections: int | Sequence[int], dim: Any = -1, name: str | None = None
) -> list[Variable]:
    """Return so many equal parts, or parts of these lengths, one of which may be -1: the rest."""
    value, axis = input.value, int(dim)
    whole = value.shape[axis]
    if isinstance(num_or_sections, int):
        if whole % num_or_sections:
            raise ValueError(
                f"fluid.layers.split: axis {axis} has length {whole}, "
                f"which {num_or_sections} does not divide"
            )
        lengths = [whole // num_or_sections] * num_or_sections
    else:
        lengths = numbers_of(num_or_sections)
        left = whole - builtins.sum(length for length in lengths if length >= 0)
        lengths = [left if length < 0 else length for length in lengths]
    return [Variable(part) for part in torch.split(value, lengths, dim=axis)]


def expand(x: Variable, expand_times: Any, name: str | None = None) -> Variable:
    """Return it so many times along each axis."""
    return Variable(x.value.repeat(numbers_of(expand_times)))


def gather(input: Variable, index: Variable, overwrite: bool = True) -> Variable:
    """Return the rows of these numbers."""
    return Variable(input.value.index_select(0, index.value.reshape(-1)))


def shape(input: Variable) -> Variable:
    """Return its lengths, int32."""
    return Variable(torch.tensor(input.shape, dtype=torch.int32, device=input.value.device))


# Values


def cast(x: Variable, dtype: Any) -> Variable:
    """Return it with elements of another type."""
    return x.astype(dtype)


def assign(input: Any, output: Variable | None = None) -> Variable:
    """Return a copy, or write into `output`."""
    new = tensor_of(input)
    if output is None:
        return Variable(new.clone())
    with torch.no_grad():
        output.value.copy_(new)
    return output


def fill_constant(
    shape: Any,
    dtype: Any,
    value: Any,
    force_cpu: bool = False,
    out: Variable | None = None,
    name: str | None = None,
) -> Variable:
    """Return one number everywhere."""
    number = value.item() if isinstance(value, Variable) else value
    kind, lengths = torch_dtype(dtype), numbers_of(shape)
    whole = kind is torch.bool or not kind.is_floating_point
    filling = int(float(number)) if whole else float(number)
    new = Variable(torch.full(lengths, filling, dtype=kind, device=STATE.device))
    return new if out is None else assign(new, out)


def create_global_var(
    shape: Any,
    value: float,
    dtype: Any,
    persistable: bool = False,
    force_cpu: bool = False,
    name: str | None = None,
) -> Variable:
    """Return one number everywhere, as a variable with a name."""
    new = fill_constant(shape, dtype, value)
    new._name, new.persistable = name, persistable
    return new


def ones(shape: Any, dtype: Any, force_cpu: bool = False) -> Variable:
    """Return ones."""
    return fill_constant(shape, dtype, 1)


def zeros(shape: Any, dtype: Any, force_cpu: bool = False, name: str | None = None) -> Variable:
    """Return zeros."""
    return fill_constant(shape, dtype, 0)


def ones_like(x: Variable, out: Variable | None = None) -> Variable:
    """Return ones in the shape of another."""
    new = Variable(torch.ones_like(x.value))
    return new if out is None else assign(new, out)


def zeros_like(x: Variable, out: Variable | None = None) -> Variable:
    """Return zeros in the shape of another."""
    new = Variable(torch.zeros_like(x.value))
    return new if out is None else assign(new, out)


def uniform_random(
    shape: Any,
    dtype: Any = "float32",
    min: float = -1.0,
    max: float = 1.0,
    seed: int = 0,
    name: str | None = None,
) -> Variable:
    """Draw evenly between two numbers."""
    new = torch.empty(numbers_of(shape), dtype=torch_dtype(dtype), device=STATE.device)
    return Variable(new.uniform_(min, max, generator=_generator(seed)))


def gaussian_random(
    shape: Any,
    mean: float = 0.0,
    std: float = 1.0,
    seed: int = 0,
    dtype: Any = "float32",
    name: str | None = None,
) -> Variable:
    """Draw from a normal distribution."""
    new = torch.empty(numbers_of(shape), dtype=torch_dtype(dtype), device=STATE.device)
    return Variable(new.normal_(mean, std, generator=_generator(seed)))


def one_hot(input: Variable, depth: Any, allow_out_of_range: bool = False) -> Variable:
    """Return float32 [N, depth] for labels [N, 1]: the last axis becomes the classes."""
    labels = input.value
    if labels.dim() > 1 and labels.shape[-1] == 1:
        labels = labels.squeeze(-1)
    return one_hot_v2(Variable(labels), depth)


def one_hot_v2(input: Variable, depth: Any, allow_out_of_range: bool = False) -> Variable:
    """Return float32 [.., depth] for labels [..], as `fluid.one_hot` does; [N, 1] stays an axis."""
    return Variable(functional.one_hot(input.value.long(), int(depth)).to(torch.float32))


# Numbers from many


def mean(x: Variable, name: str | None = None) -> Variable:
    """Return the mean of all, [1]."""
    return Variable(x.value.mean().reshape(1))


def _reduced(
    by: Callable[..., Tensor], input: Variable, dim: Any, keep_dim: bool, **more: Any
) -> Variable:
    value = input.value
    axes = numbers_of(dim)
    if axes is None or axes == []:
        axes = list(range(value.dim()))
    return Variable(at_least_1d(by(value, axes, keepdim=keep_dim, **more)))


def reduce_sum(
    input: Variable, dim: Any = None, keep_dim: bool = False, name: str | None = None
) -> Variable:
    """Return the sum over those axes, or over all."""
    return _reduced(torch.sum, input, dim, keep_dim)


def reduce_mean(
    input: Variable, dim: Any = None, keep_dim: bool = False, name: str | None = None
) -> Variable:
    """Return the mean over those axes, or over all."""
    return _reduced(torch.mean, input, dim, keep_dim)


def reduce_max(
    input: Variable, dim: Any = None, keep_dim: bool = False, name: str | None = None
) -> Variable:
    """Return the largest over those axes, or over all."""
    return _reduced(torch.amax, input, dim, keep_dim)


def reduce_min(
    input: Variable, dim: Any = None, keep_dim: bool = False, name: str | None = None
) -> Variable:
    """Return the smallest over those axes, or over all."""
    return _reduced(torch.amin, input, dim, keep_dim)


def _product(value: Tensor, axes: Any, keepdim: bool) -> Tensor:
    for axis in sorted((a % value.dim() for a in _listed(axes)), reverse=True):
        value = value.prod(axis, keepdim=keepdim)
    return value


def reduce_prod(
    input: Variable, dim: Any = None, keep_dim: bool = False, name: str | None = None
) -> Variable:
    """Return the product over those axes, or over all."""
    return _reduced(_product, input, dim, keep_dim)


def reduce_all(
    input: Variable, dim: Any = None, keep_dim: bool = False, name: str | None = None
) -> Variable:
    """Return whether all are true."""
    return _reduced(torch.all, input, dim, keep_dim)


def reduce_any(
    input: Variable, dim: Any = None, keep_dim: bool = False, name: str | None = None
) -> Variable:
    """Return whether any is true."""
    return _reduced(torch.any, input, dim, keep_dim)


def sum(x: Any) -> Variable:
    """Return the elementwise sum of several variables."""
    first, *others = [x] if isinstance(x, Variable) else x
    total = first.value
    for other in others:
        total = total + other.value
    return Variable(total)


sums = sum


def argmax(x: Variable, axis: int = 0) -> Variable:
    """Return where the largest is along an axis, the first by default; int64."""
    return Variable(at_least_1d(x.value.argmax(axis)))


def argmin(x: Variable, axis: int = 0) -> Variable:
    """Return where the smallest is along an axis, the first by default; int64."""
    return Variable(at_least_1d(x.value.argmin(axis)))


def argsort(
    input: Variable, axis: int = -1, descending: bool = False, name: str | None = None
) -> tuple[Variable, Variable]:
    """Return it sorted, and where each was; int64."""
    values, places = input.value.sort(dim=axis, descending=descending, stable=True)
    return Variable(values), Variable(places)


def topk(input: Variable, k: Any, name: str | None = None) -> tuple[Variable, Variable]:
    """Return the k largest of the last axis, and where they are; int64."""
    values, places = input.value.topk(int(k))
    return Variable(values), Variable(places)


def accuracy(
    input: Variable,
    label: Variable,
    k: int = 1,
    correct: Variable | None = None,
    total: Variable | None = None,
) -> Variable:
    """Return the share of labels [N, 1] that are among the k largest of [N, classes]; float32 [1].

    Source: python/paddle/fluid/layers/metric_op.py.
    """
    with torch.no_grad():
        labels = label.value.reshape(-1, 1)
        best = input.value.argmax(-1, keepdim=True) if k == 1 else input.value.topk(k)[1]
        right = (best == labels).any(dim=1)
        if correct is not None:
            correct.value = right.sum().reshape(1)
        if total is not None:
            total.value = torch.tensor([len(labels)], device=labels.device)
        return Variable(right.to(torch.float32).mean().reshape(1))


# Losses


def square_error_cost(input: Variable, label: Variable) -> Variable:
    """Return the squared differences, not averaged."""
    difference = input.value - tensor_of(label).to(input.value.dtype)
    return Variable(difference * difference)


def mse_loss(input: Variable, label: Variable) -> Variable:
    """Return the mean of the squared differences, [1]."""
    return mean(square_error_cost(input, label))


def cross_entropy(
    input: Variable, label: Variable, soft_label: bool = False, ignore_index: int = -100
) -> Variable:
    """Return [.., 1], minus the logarithm of the probability of each label.

    Args:
        input: [.., classes], probabilities, that is, after a softmax: no logits.
        label: int64 [.., 1]; with `soft_label`, probabilities [.., classes].
        soft_label: what labels are.
        ignore_index: a label whose loss is 0.

    Raises:
        TypeError: where labels are neither, such as floats.
        ValueError: where a label is no class.

    Source: paddle/fluid/operators/cross_entropy_op.h.
    """
    probabilities = input.value
    if soft_label:
        logarithms = probabilities.log().clamp_min(-_TOLERABLE)
        return Variable(-(label.value * logarithms).sum(-1, keepdim=True))
    labels, ignored = _classes(label, probabilities, ignore_index, "cross_entropy")
    losses = -probabilities.gather(-1, labels).log()
    losses = losses.clamp_max(_TOLERABLE)
    return Variable(losses if ignored is None else losses.masked_fill(ignored, 0.0))


def softmax_with_cross_entropy(
    logits: Variable,
    label: Variable,
    soft_label: bool = False,
    ignore_index: int = -100,
    numeric_stable_mode: bool = True,
    return_softmax: bool = False,
    axis: int = -1,
) -> Any:
    """Return [.., 1], the cross-entropy of logits; with `return_softmax` also the probabilities."""
    value = logits.value.movedim(axis, -1)
    truth = Variable(label.value.movedim(axis, -1))
    logarithms = torch.log_softmax(value, -1)
    if soft_label:
        losses = -(truth.value * logarithms).sum(-1, keepdim=True)
    else:
        labels, ignored = _classes(truth, value, ignore_index, "softmax_with_cross_entropy")
        losses = -logarithms.gather(-1, labels)
        if ignored is not None:
            losses = losses.masked_fill(ignored, 0.0)
    loss = Variable(losses.movedim(-1, axis))
    return (loss, Variable(logarithms.exp().movedim(-1, axis))) if return_softmax else loss


def sigmoid_cross_entropy_with_logits(
    x: Variable,
    label: Variable,
    ignore_index: int = -100,
    name: str | None = None,
    normalize: bool = False,
) -> Variable:
    """Return the cross-entropy of each logit with a probability, in the shape of `x`."""
    truth = label.value.to(x.value.dtype)
    losses = functional.binary_cross_entropy_with_logits(x.value, truth, reduction="none")
    kept = truth != ignore_index
    losses = losses * kept
    return Variable(losses / kept.sum() if normalize else losses)


def _classes(
    label: Variable, scores: Tensor, ignore_index: int, who: str
) -> tuple[Tensor, Tensor | None]:
    """Return int64 [.., 1] labels that are classes, and where they are to be ignored."""
    labels = label.value
    if labels.is_floating_point() or labels.dtype is torch.bool:
        raise TypeError(
            f"fluid.layers.{who}: labels are {label.dtype.value}; expected int64 "
            "(or soft_label=True, and probabilities)"
        )
    if labels.dim() == scores.dim() - 1:
        labels = labels.unsqueeze(-1)
    if labels.shape != (*scores.shape[:-1], 1):
        raise ValueError(
            f"fluid.layers.{who}: labels have shape {label.shape} beside {list(scores.shape)}; "
            f"expected {[*scores.shape[:-1], 1]}"
        )
    labels = labels.to(torch.int64)
    outside = (labels < 0) | (labels >= scores.shape[-1])
    if not outside.any():
        return labels, (labels == ignore_index) if ignore_index >= 0 else None
    ignored = labels == ignore_index
    if bool((outside & ~ignored).any()):
        raise ValueError(
            f"fluid.layers.{who}: a label is {int(labels[outside & ~ignored][0])}; "
            f"expected 0 to {scores.shape[-1] - 1}"
        )
    return labels.masked_fill(ignored, 0), ignored


# One by one


class _Softmax(torch.autograd.Function):
    """Softmax with exponents of -64 at least, so that no probability is 0; its gradient without."""

    @staticmethod
    def forward(context: Any, value: Tensor, axis: int) -> Tensor:
        shifted = (value - value.amax(axis, keepdim=True)).clamp_min_(_EXPONENT)
        result = shifted.softmax(axis)
        context.save_for_backward(result)
        context.axis = axis
        return result

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (result,) = context.saved_tensors
        weighted = gradients[0] * result
        return weighted - result * weighted.sum(context.axis, keepdim=True), None


def softmax(
    input: Variable, use_cudnn: bool = False, name: str | None = None, axis: int = -1
) -> Variable:
    """Return probabilities along an axis, the last by default."""
    return Variable(_Softmax.apply(input.value, axis))  # type: ignore[no-untyped-call]


def relu(x: Variable, name: str | None = None) -> Variable:
    """Return max(x, 0)."""
    return Variable(x.value.relu())


def sigmoid(x: Variable, name: str | None = None) -> Variable:
    """Return 1 / (1 + exp(-x))."""
    return Variable(x.value.sigmoid())


def tanh(x: Variable, name: str | None = None) -> Variable:
    """Return the hyperbolic tangent."""
    return Variable(x.value.tanh())


def leaky_relu(x: Variable, alpha: float = 0.02, name: str | None = None) -> Variable:
    """Return x, or `alpha` x where it is negative."""
    return Variable(functional.leaky_relu(x.value, alpha))


def relu6(x: Variable, threshold: float = 6.0, name: str | None = None) -> Variable:
    """Return x between 0 and `threshold`."""
    return Variable(x.value.clamp(0, threshold))


def elu(x: Variable, alpha: float = 1.0, name: str | None = None) -> Variable:
    """Return x, or `alpha` (exp(x) - 1) where it is negative."""
    return Variable(functional.elu(x.value, alpha))


def softplus(x: Variable, name: str | None = None) -> Variable:
    """Return log(1 + exp(x))."""
    return Variable(functional.softplus(x.value))


def exp(x: Variable, name: str | None = None) -> Variable:
    """Return e to the x."""
    return Variable(x.value.exp())


def log(x: Variable, name: str | None = None) -> Variable:
    """Return the natural logarithm."""
    return Variable(x.value.log())


def sqrt(x: Variable, name: str | None = None) -> Variable:
    """Return the root."""
    return Variable(x.value.sqrt())


def square(x: Variable, name: str | None = None) -> Variable:
    """Return the square."""
    return Variable(x.value * x.value)


def abs(x: Variable, name: str | None = None) -> Variable:
    """Return the absolute value."""
    return Variable(x.value.abs())


def pow(x: Variable, factor: Any = 1.0, name: str | None = None) -> Variable:
    """Return x to that power."""
    return Variable(x.value ** (factor.value if isinstance(factor, Variable) else factor))


def clip(x: Variable, min: float, max: float, name: str | None = None) -> Variable:
    """Return x between two numbers."""
    return Variable(x.value.clamp(min, max))


def scale(
    x: Variable,
    scale: Any = 1.0,
    bias: float = 0.0,
    bias_after_scale: bool = True,
    act: Activation = None,
    name: str | None = None,
) -> Variable:
    """Return x times `scale`, plus `bias` after it or before."""
    factor = scale.value if isinstance(scale, Variable) else scale
    value = x.value * factor + bias if bias_after_scale else (x.value + bias) * factor
    return activated(value, act)


def dropout(
    x: Variable,
    dropout_prob: float,
    is_test: bool = False,
    seed: int | None = None,
    name: str | None = None,
    dropout_implementation: str = "downgrade_in_infer",
) -> Variable:
    """Set each to 0 with that probability while training.

    By default the others stay as they are, and outside training all are multiplied by what was
    kept; with "upscale_in_train" the others are divided by it, and outside training nothing is
    done. Whether it trains is whether gradients are computed: not after `eval()` of any layer, nor
    within `no_grad`; `is_test` means nothing in dygraph mode. Source:
    paddle/fluid/operators/dropout_op.h.

    Raises:
        ValueError: for another way than these two.
    """
    return dropped(x, dropout_prob, not STATE.training, seed, dropout_implementation)


def dropped(
    x: Variable, dropout_prob: float, is_test: bool, seed: int | None, dropout_implementation: str
) -> Variable:
    """Do what `dropout` does; whether it trains is given."""
    if dropout_implementation not in ("downgrade_in_infer", "upscale_in_train"):
        raise ValueError(
            f"dropout_implementation is {dropout_implementation!r}; "
            "expected downgrade_in_infer or upscale_in_train"
        )
    value, kept = x.value, 1.0 - dropout_prob
    upscale = dropout_implementation == "upscale_in_train"
    if is_test:
        return Variable(value if upscale else value * kept)
    mask = torch.empty_like(value).bernoulli_(kept, generator=_generator(seed))
    return Variable(value * (mask / kept if upscale and kept else mask))


# Two at a time


def matmul(
    x: Variable,
    y: Variable,
    transpose_x: bool = False,
    transpose_y: bool = False,
    alpha: float = 1.0,
    name: str | None = None,
) -> Variable:
    """Return the product of matrices, or of many of them."""
    left = x.value.mT if transpose_x and x.value.dim() > 1 else x.value
    right = y.value.mT if transpose_y and y.value.dim() > 1 else y.value
    product = at_least_1d(left @ right)
    return Variable(product if alpha == 1.0 else product * alpha)


def mul(
    x: Variable,
    y: Variable,
    x_num_col_dims: int = 1,
    y_num_col_dims: int = 1,
    name: str | None = None,
) -> Variable:
    """Return the product of two matrices, made of arrays by joining axes on both sides."""
    rows, columns = x.value.shape[:x_num_col_dims], y.value.shape[y_num_col_dims:]
    left = x.value.reshape(math.prod(rows), -1)
    right = y.value.reshape(-1, math.prod(columns))
    return Variable((left @ right).reshape(*rows, *columns))


def _elementwise(
    by: Callable[[Tensor, Tensor], Tensor], x: Variable, y: Variable, axis: int, act: Activation
) -> Variable:
    """Apply it; `axis` is where the axes of `y` begin among those of `x`, -1: at the end."""
    right = y.value
    if axis not in (-1, x.value.dim() - right.dim()):
        right = right.reshape(*right.shape, *[1] * (x.value.dim() - axis - right.dim()))
    return activated(by(x.value, right), act)


def elementwise_add(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return x + y."""
    return _elementwise(torch.add, x, y, axis, act)


def elementwise_sub(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return x - y."""
    return _elementwise(torch.sub, x, y, axis, act)


def elementwise_mul(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return x y."""
    return _elementwise(torch.mul, x, y, axis, act)


def elementwise_div(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return x / y; of integers, without what is left."""
    return _elementwise(quotient, x, y, axis, act)


def elementwise_max(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return the larger one; where they are equal, y, which then gets the gradient."""
    return _elementwise(lambda a, b: torch.where(a > b, a, b), x, y, axis, act)


def elementwise_min(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return the smaller one; where they are equal, y, which then gets the gradient."""
    return _elementwise(lambda a, b: torch.where(a < b, a, b), x, y, axis, act)


def elementwise_pow(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return x to the power y."""
    return _elementwise(torch.pow, x, y, axis, act)


def elementwise_mod(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return what is left of x after division by y."""
    return _elementwise(torch.remainder, x, y, axis, act)


def elementwise_floordiv(
    x: Variable, y: Variable, axis: int = -1, act: Activation = None, name: str | None = None
) -> Variable:
    """Return x / y without what is left."""
    return _elementwise(torch.floor_divide, x, y, axis, act)


def equal(x: Variable, y: Variable, cond: Any = None) -> Variable:
    """Return where they are equal."""
    return x == y


def less_than(x: Variable, y: Variable, force_cpu: Any = None, cond: Any = None) -> Variable:
    """Return where x is less."""
    return x < y


def greater_than(x: Variable, y: Variable, cond: Any = None) -> Variable:
    """Return where x is more."""
    return x > y


# Activations by name, as layers take them in `act`

_ACTIVATIONS: dict[str, Callable[[Variable], Variable]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "leaky_relu": leaky_relu,
    "relu6": relu6,
    "elu": elu,
    "softplus": softplus,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "square": square,
    "abs": abs,
}


def activated(value: Tensor, act: Activation, own: bool = False) -> Variable:
    """Return a tensor after the activation of that name, as a variable.

    One that is `own`, that nobody else needs, is changed in place where that is faster.

    Raises:
        ValueError: names those that there are.
    """
    if act is None:
        return Variable(value)
    if act not in _ACTIVATIONS:
        raise ValueError(f"act={act!r}: there is no such activation; {', '.join(_ACTIVATIONS)}")
    if act == "relu" and own:
        return Variable(value.relu_())
    return _ACTIVATIONS[act](Variable(value))


def _listed(axes: Any) -> list[int]:
    return axes if isinstance(axes, list) else [axes]


def _generator(seed: int | None) -> torch.Generator | None:
    return torch.Generator(STATE.device).manual_seed(seed) if seed else None
