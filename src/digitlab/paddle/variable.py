"""Variables: what Paddle's dynamic graph computes with, around a tensor of PyTorch.

A variable holds a tensor instead of being one. Nearly every method means another thing in the two
(`shape` is a list, `numpy()` never refuses, a mean has shape [1], `gradient()` is an array), and a
name that Paddle did not have has to be an error. What it costs is one small object an operation.
Source: python/paddle/fluid/dygraph/varbase_patch_methods.py and math_op_patch.py.
"""

from __future__ import annotations

import difflib
import enum
import operator
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from digitlab.paddle.state import STATE, unique_name

Array = npt.NDArray[Any]


class VarType(enum.Enum):
    """The types of elements, by Paddle's names."""

    BOOL = "bool"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FP16 = "float16"
    FP32 = "float32"
    FP64 = "float64"

    def __str__(self) -> str:
        return f"VarType.{self.name}"


_TORCH: dict[str, torch.dtype] = {kind.value: getattr(torch, kind.value) for kind in VarType}
# What C++ calls them, where it is not their name and _t.
_PRINTED = {
    "bool": "bool",
    "int32": "int",
    "float16": "float16",
    "float32": "float",
    "float64": "double",
}
_KINDS = {dtype: VarType(name) for name, dtype in _TORCH.items()}


def torch_dtype(dtype: Any) -> torch.dtype:
    """Return PyTorch's type for "float32", np.float32, VarType.FP32 or the like.

    Raises:
        TypeError: where Paddle has no such type.
    """
    if isinstance(dtype, VarType):
        return _TORCH[dtype.value]
    try:
        return _TORCH[np.dtype(dtype).name]
    except (TypeError, KeyError):
        raise TypeError(f"dtype {dtype!r} is none of {', '.join(_TORCH)}") from None


class LessonArray(np.ndarray[Any, Any]):
    """An array that is a number where it has one element, as all were before NumPy 2.4.

    Lessons write `float(loss.numpy())` of what Paddle 1 gives as [1].
    """

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()


class Variable:
    """An array that remembers how it was computed.

    Attributes:
        value: the tensor.
        persistable: kept for the sake of scripts that ask.
    """

    __slots__ = ("__weakref__", "_gradient", "_name", "persistable", "value")
    __array_ufunc__ = None  # so that `array * variable` asks the variable

    def __init__(self, value: Tensor, name: str | None = None) -> None:
        """Hold a tensor."""
        self.value = value
        self._name = name
        self._gradient: Tensor | None = None
        self.persistable = False
        if not value.is_leaf:
            _remember(self)

    # What it is

    @property
    def name(self) -> str:
        """Its name, given when it is first asked for."""
        if self._name is None:
            self._name = unique_name("tmp")
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def shape(self) -> list[int]:
        """The lengths of its axes; of a single number, [1]."""
        return list(self.value.shape)

    @property
    def dtype(self) -> VarType:
        """The type of its elements."""
        return _KINDS[self.value.dtype]

    @property
    def stop_gradient(self) -> bool:
        """Whether no gradient is computed for it; so it is for all that was made from arrays."""
        return not self.value.requires_grad

    @stop_gradient.setter
    def stop_gradient(self, stop: bool) -> None:
        if stop:
            self.value = self.value.detach()
        elif not self.value.requires_grad and self.value.is_floating_point():
            self.value = self.value.detach().requires_grad_()
            _replaced_each_time(self.value)

    def numpy(self) -> LessonArray:
        """Return a copy as an array."""
        return _copy(self.value.detach()).view(LessonArray)

    def item(self) -> Any:
        """Return the only element as a number."""
        return self.value.item()

    def detach(self) -> Variable:
        """Return a variable with the same values, of which the graph knows nothing."""
        return Variable(self.value.detach())

    def set_value(self, value: Array | Variable) -> None:
        """Take the values of an array or a variable.

        Raises:
            AssertionError: where shape or type are others, as in Paddle.
        """
        new = value.value.detach() if isinstance(value, Variable) else torch.tensor(value)
        if new.shape != self.value.shape:
            raise AssertionError(
                f"Variable Shape not match, Variable [ {self.name} ] need tensor with shape "
                f"{self.shape} but load set tensor with shape {list(new.shape)}"
            )
        if new.dtype != self.value.dtype:
            raise AssertionError(
                f"Variable dtype not match, Variable [ {self.name} ] need tensor with dtype "
                f"{self.dtype} but load tensor with dtype {_KINDS.get(new.dtype, new.dtype)}"
            )
        with torch.no_grad():
            self.value.copy_(new)

    def astype(self, dtype: Any) -> Variable:
        """Return it with elements of another type."""
        return Variable(self.value.to(torch_dtype(dtype)))

    # Gradients

    def backward(self, backward_strategy: Any = None, retain_graph: bool = False) -> None:
        """Give whatever it was computed from the gradient of (the sum of) this.

        It takes the place of an earlier one: in Paddle 1, unlike 2, gradients of several calls are
        not added up (seen with 1.8.5). Does nothing where no gradient is wanted.
        """
        if not self.value.requires_grad:
            return
        _watch_all()
        torch.autograd.backward(self.value, torch.ones_like(self.value), retain_graph=retain_graph)

    def gradient(self) -> LessonArray | None:
        """Return the gradient as an array; None where there was no backward pass to it."""
        gradient = self.value.grad if self.value.is_leaf else self._gradient
        return None if gradient is None else _copy(gradient).view(LessonArray)

    def clear_gradient(self) -> None:
        """Set the gradient to 0: in Paddle it stays there, and an optimizer goes on with it."""
        gradient = self.value.grad if self.value.is_leaf else self._gradient
        if gradient is not None:
            gradient.zero_()

    def _heard(self, gradient: Tensor) -> None:
        self._gradient = gradient

    # Python's protocols

    def __len__(self) -> int:
        return len(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = _copy(self.value.detach())
        return array if dtype is None else array.astype(dtype)

    def __float__(self) -> float:
        return float(self.value.item())

    def __int__(self) -> int:
        return int(self.value.item())

    def __index__(self) -> int:
        number: Any = self.value.item()
        return operator.index(number)

    def __bool__(self) -> bool:
        return bool(self.value.detach().any())

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        """Return what 1.8.5 prints: all numbers in a line, in the digits that C++ shows."""
        numbers = self.value.detach().flatten().tolist()
        shown = " ".join(
            f"{number:g}" if self.value.is_floating_point() else f"{number:d}" for number in numbers
        )
        kind = _PRINTED.get(self.dtype.value, f"{self.dtype.value}_t")
        return (
            f"name {self.name}, dtype: {self.dtype} shape: {self.shape} \tlod: {{}}\n"
            f"\tdim: {', '.join(map(str, self.shape))}\n\tlayout: NCHW\n\tdtype: {kind}\n"
            f"\tdata: [{shown}]\n"
        )

    def to_string(self, throw_on_error: bool = True, with_details: bool = False) -> str:
        """Return what printing shows."""
        return repr(self)

    def __getitem__(self, index: Any) -> Variable:
        parts = index if isinstance(index, tuple) else (index,)
        value, plain = self.value, []
        for part in parts:
            if isinstance(part, Variable):
                part = part.value if part.value.numel() > 1 else int(part)
            plain.append(part)
        if any(isinstance(part, slice) and (part.step or 1) < 0 for part in plain):
            value, plain = _turned(value, plain)
        return Variable(at_least_1d(value[tuple(plain)]))

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"'Variable' object has no attribute {name!r}{_near(name)}")

    # Arithmetic

    def __neg__(self) -> Variable:
        return Variable(-self.value)

    def __abs__(self) -> Variable:
        return Variable(self.value.abs())

    def __add__(self, other: Any) -> Variable:
        return Variable(torch.add(*_pair(self, other)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Variable:
        return Variable(torch.sub(*_pair(self, other)))

    def __rsub__(self, other: Any) -> Variable:
        left, right = _pair(self, other)
        return Variable(right - left)

    def __mul__(self, other: Any) -> Variable:
        return Variable(torch.mul(*_pair(self, other)))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Variable:
        return Variable(quotient(*_pair(self, other)))

    def __rtruediv__(self, other: Any) -> Variable:
        left, right = _pair(self, other)
        return Variable(quotient(right, left))

    def __pow__(self, other: Any) -> Variable:
        return Variable(torch.pow(*_pair(self, other)))

    def __rpow__(self, other: Any) -> Variable:
        left, right = _pair(self, other)
        return Variable(right**left)

    def __floordiv__(self, other: Any) -> Variable:
        return Variable(torch.floor_divide(*_pair(self, other)))

    def __mod__(self, other: Any) -> Variable:
        return Variable(torch.remainder(*_pair(self, other)))

    def __matmul__(self, other: Any) -> Variable:
        return Variable(torch.matmul(*_pair(self, other)))

    def __eq__(self, other: object) -> Variable:  # type: ignore[override]
        if other is None or isinstance(other, str):
            return NotImplemented
        return Variable(torch.eq(*_pair(self, other)))

    def __ne__(self, other: object) -> Variable:  # type: ignore[override]
        if other is None or isinstance(other, str):
            return NotImplemented
        return Variable(torch.ne(*_pair(self, other)))

    def __lt__(self, other: Any) -> Variable:
        return Variable(torch.lt(*_pair(self, other)))

    def __le__(self, other: Any) -> Variable:
        return Variable(torch.le(*_pair(self, other)))

    def __gt__(self, other: Any) -> Variable:
        return Variable(torch.gt(*_pair(self, other)))

    def __ge__(self, other: Any) -> Variable:
        return Variable(torch.ge(*_pair(self, other)))


class Parameter(Variable):
    """A variable that is trained.

    Attributes:
        optimize_attr: `learning_rate`, by which the optimizer's is multiplied.
        regularizer: its own, which takes the place of the optimizer's.
        gradient_clip_attr: its own clipping.
    """

    __slots__ = ("gradient_clip_attr", "optimize_attr", "regularizer")

    def __init__(
        self,
        value: Tensor,
        name: str,
        learning_rate: float = 1.0,
        regularizer: Any = None,
        gradient_clip: Any = None,
    ) -> None:
        """Hold a leaf of the graph; whether it is trained is whether that requires a gradient."""
        super().__init__(value, name)
        self.persistable = True
        if value.requires_grad:
            _replaced_each_time(value)
        self.optimize_attr = {"learning_rate": learning_rate}
        self.regularizer, self.gradient_clip_attr = regularizer, gradient_clip

    @property
    def trainable(self) -> bool:
        """Whether it is trained."""
        return self.value.requires_grad

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        if trainable and not self.value.requires_grad:
            _replaced_each_time(self.value.requires_grad_())
        self.value.requires_grad_(trainable)

    @property
    def stop_gradient(self) -> bool:
        """The opposite of `trainable`."""
        return not self.value.requires_grad

    @stop_gradient.setter
    def stop_gradient(self, stop: bool) -> None:
        self.trainable = not stop


def to_variable(
    value: Any, name: str | None = None, zero_copy: bool | None = None, dtype: Any = None
) -> Variable:
    """Return a variable with a copy of an array's values; a variable as it is.

    No gradient is computed for it until its `stop_gradient` is set to False.

    Raises:
        TypeError: where it is none of these.
    """
    if isinstance(value, Variable):
        return value if dtype is None else value.astype(dtype)
    if not isinstance(value, np.ndarray | np.generic | list | tuple | int | float):
        raise TypeError(
            "The type of 'value' in fluid.dygraph.to_variable must be numpy.ndarray or Variable, "
            f"but received {type(value)}"
        )
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(
            "fluid.dygraph.to_variable: the array holds objects of unequal length, not numbers"
        )
    kind = torch_dtype(array.dtype if dtype is None else dtype)
    tensor = torch.tensor(np.ascontiguousarray(array), dtype=kind, device=STATE.device)
    return Variable(at_least_1d(tensor), name or unique_name("generated_var"))


def tensor_of(value: Any) -> Tensor:
    """Return the tensor of a variable, or of what can be made one."""
    return value.value if isinstance(value, Variable) else to_variable(value).value


def numbers_of(value: Any) -> Any:
    """Return plain numbers where a shape or an axis may be given as variables."""
    if isinstance(value, Variable):
        return value.value.tolist()
    if isinstance(value, Sequence):
        return [int(part) for part in value]
    return value if value is None or isinstance(value, bool) else int(value)


def at_least_1d(tensor: Tensor) -> Tensor:
    """Return [1] for a single number: Paddle 1 has no arrays without an axis."""
    return tensor.reshape(1) if tensor.dim() == 0 else tensor


def _pair(left: Variable, right: Any) -> tuple[Tensor, Any]:
    """Return both operands; the right one takes the type of the left, as in Paddle 1."""
    tensor = left.value
    if isinstance(right, float) and not tensor.is_floating_point():
        if right != int(right):
            raise AssertionError(f"float value {right} cannot convert to integer")
        return tensor, int(right)
    if isinstance(right, bool | int | float):
        return tensor, right
    other = tensor_of(right)
    return tensor, other if other.dtype == tensor.dtype else other.to(tensor.dtype)


def quotient(left: Any, right: Any) -> Tensor:
    """Return the quotient; of integers, without what is left."""
    tensor = left if isinstance(left, Tensor) else right
    rounded = None if tensor.is_floating_point() else "trunc"
    if rounded and not isinstance(left, Tensor):
        left = torch.full_like(right, left)
    return torch.div(left, right, rounding_mode=rounded) if rounded else left / right


def _turned(value: Tensor, parts: Iterable[Any]) -> tuple[Tensor, list[Any]]:
    """Return the tensor with those axes flipped whose slices go backwards, and slices for that."""
    plain: list[Any] = []
    for axis, part in enumerate(parts):
        if isinstance(part, slice) and (part.step or 1) < 0:
            start, stop, step = part.indices(value.shape[axis])
            last = value.shape[axis] - 1
            value, part = value.flip(axis), slice(last - start, last - stop, -step)
        plain.append(part)
    return value, plain


def _copy(tensor: Tensor) -> Array:
    return np.array(tensor.cpu().numpy(), order="C")


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, [one for one in dir(Variable) if one[0] != "_"], n=1)
    return f"; the nearest there is: Variable.{near[0]}" if near else ""


# Paddle keeps the gradient of what lies between, too. PyTorch would keep all of them, at the cost
# of a copy each; here those variables keep it that the script still holds when it goes backward.

_LIVE: list[weakref.ref[Variable]] = []
_MANY = 1000


def _remember(variable: Variable) -> None:
    if len(_LIVE) >= _MANY:
        _LIVE[:] = [one for one in _LIVE if one() is not None][-_MANY // 2 :]
    _LIVE.append(weakref.ref(variable))


def _replaced_each_time(leaf: Tensor) -> None:
    """Have each backward pass replace the gradient of a leaf of the graph, not add to it."""
    reference = weakref.ref(leaf)

    def drop(_: Tensor) -> None:
        leaf = reference()
        if leaf is not None:
            leaf.grad = None

    leaf.register_hook(drop)  # type: ignore[no-untyped-call]


def _watch_all() -> None:
    for reference in _LIVE:
        variable = reference()
        if variable is not None and not variable.value.is_leaf:
            variable.value.register_hook(_listener(reference))  # type: ignore[no-untyped-call]
    _LIVE.clear()


def _listener(reference: weakref.ref[Variable]) -> Callable[[Tensor], None]:
    def hear(gradient: Tensor) -> None:
        variable = reference()
        if variable is not None:
            variable._heard(gradient)

    return hear
