"""Whether gradients are computed, `grad`, and what exists for the sake of its name."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from digitlab.paddle.state import STATE
from digitlab.paddle.variable import Variable, VarType


@contextlib.contextmanager
def _without() -> Iterator[None]:
    before = STATE.training
    STATE.train(False)
    try:
        yield
    finally:
        STATE.train(before)


def no_grad(func: Callable[..., Any] | None = None) -> Any:
    """Keep no graph, and drop nothing out.

    `with no_grad():`, `@no_grad` and `@no_grad()` all do.
    """
    if func is None:
        return _without()

    @functools.wraps(func)
    def called(*args: Any, **kwargs: Any) -> Any:
        with _without():
            return func(*args, **kwargs)

    return called


def grad(
    outputs: Variable | Sequence[Variable],
    inputs: Variable | Sequence[Variable],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool = False,
    no_grad_vars: Any = None,
    backward_strategy: Any = None,
) -> list[Variable | None]:
    """Return the gradients of (the sum of) outputs by inputs, without adding to any.

    Source: python/paddle/fluid/dygraph/base.py of 1.8.
    """
    wanted = [inputs] if isinstance(inputs, Variable) else list(inputs)
    from_ = [outputs] if isinstance(outputs, Variable) else list(outputs)
    weights = [grad_outputs] if isinstance(grad_outputs, Variable) else grad_outputs
    given = weights or [None] * len(from_)
    begin = [
        torch.ones_like(output.value) if weight is None else weight.value
        for output, weight in zip(from_, given, strict=True)
    ]
    leaves = [one.value for one in wanted if one.value.is_leaf]
    kept = [leaf.grad for leaf in leaves]
    found = torch.autograd.grad(
        [output.value for output in from_],
        [one.value for one in wanted],
        begin,
        retain_graph=retain_graph,
        create_graph=create_graph,
        allow_unused=allow_unused,
    )
    for leaf, gradient in zip(leaves, kept, strict=True):
        leaf.grad = gradient
    return [None if one is None else Variable(one) for one in found]


class BackwardStrategy:
    """How 1.6 to 1.8 add gradients up; here they always are in the same order."""

    def __init__(self) -> None:
        """Begin with Paddle's default."""
        self.sort_sum_gradient = False


class VarDesc:
    """Where Paddle has the types of elements."""

    VarType = VarType
