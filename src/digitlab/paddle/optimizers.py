"""`fluid.optimizer`: the rules by which parameters move, as Paddle 1.8 has them.

They are not those of `digitlab.optimizers` or torch.optim: epsilon stands elsewhere (Adam's is not
divided by the correction of the second mean, RMSProp's is under the root), and RMSProp has a
momentum. Sources: python/paddle/fluid/optimizer.py, paddle/fluid/operators/optimizers/*_op.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from digitlab.paddle.decays import LearningRateDecay
from digitlab.paddle.state import STATE, unique_name
from digitlab.paddle.variable import Parameter, Variable

_Pairs = list[tuple[Any, Tensor]]


class Optimizer:
    """One rule, and what it remembers of each parameter.

    Attributes:
        remembers: what is remembered, by the names in saved files, in the parameter's shape.
        single: those of it that are single numbers, [1].
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    single: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        learning_rate: float | LearningRateDecay,
        parameter_list: Iterable[Parameter] | None = None,
        regularization: Any = None,
        grad_clip: Callable[[_Pairs], _Pairs] | None = None,
        name: str | None = None,
    ) -> None:
        """Give the learning rate, what is trained, and what is done to gradients before.

        Without `parameter_list`, as in 1.6, all parameters are trained that the guard has seen.
        """
        if isinstance(learning_rate, int) and not isinstance(learning_rate, bool):
            learning_rate = float(learning_rate)
        if isinstance(learning_rate, Variable):
            learning_rate = float(learning_rate)
        if not isinstance(learning_rate, float | LearningRateDecay):
            raise TypeError(
                "learning rate should be float or LearningRateDecay, got "
                f"{type(learning_rate)} here"
            )
        self._learning_rate = learning_rate
        self._parameters = None if parameter_list is None else list(parameter_list)
        self.regularization, self._grad_clip = regularization, grad_clip
        self._memory: dict[str, dict[str, Variable]] = {key: {} for key in self.remembers}
        self._loaded: Mapping[str, Any] = {}
        self._current: float | None = None

    # Steps

    def minimize(
        self,
        loss: Variable,
        startup_program: Any = None,
        parameter_list: Iterable[Parameter] | None = None,
        no_grad_set: Any = None,
        grad_clip: Callable[[_Pairs], _Pairs] | None = None,
    ) -> tuple[list[Any], list[tuple[Parameter, Variable]]]:
        """Move the parameters by the gradients that `loss.backward()` has left.

        Computes none itself, as in Paddle's dygraph mode. `grad_clip` is 1.7's.

        Raises:
            TypeError: where the loss is no variable.
        """
        if not isinstance(loss, Variable):
            raise TypeError(f"minimize: the loss is {type(loss)}; expected a Variable")
        pairs = self.backward(loss, startup_program, parameter_list, no_grad_set)
        self._move([(one, gradient.value) for one, gradient in pairs], grad_clip)
        return [], pairs

    def backward(
        self,
        loss: Variable,
        startup_program: Any = None,
        parameter_list: Iterable[Parameter] | None = None,
        no_grad_set: Any = None,
        callbacks: Any = None,
    ) -> list[tuple[Parameter, Variable]]:
        """Return the parameters that have a gradient, with it; computes none in dygraph mode."""
        left_out = {one if isinstance(one, str) else one.name for one in no_grad_set or ()}
        return [
            (one, Variable(one.value.grad))
            for one in self._trained(parameter_list)
            if one.trainable and one.value.grad is not None and one.name not in left_out
        ]

    def apply_gradients(self, params_grads: list[tuple[Parameter, Variable]]) -> list[Any]:
        """Move the parameters by these gradients."""
        self._move([(one, gradient.value) for one, gradient in params_grads], None)
        return []

    def clear_gradients(self) -> None:
        """Set all gradients to 0."""
        for one in self._trained(None):
            one.clear_gradient()

    def _trained(self, parameters: Iterable[Parameter] | None) -> list[Parameter]:
        if parameters:
            return list(parameters)
        if self._parameters is not None:
            return self._parameters
        alive = (reference() for reference in STATE.parameters)
        return [one for one in alive if one is not None]

    @torch.no_grad()
    def _move(self, pairs: _Pairs, clip: Callable[[_Pairs], _Pairs] | None) -> None:
        rate = self._learning_rate
        self._current = rate() if isinstance(rate, LearningRateDecay) else rate
        clip = clip or self._grad_clip
        if clip is not None:
            pairs = clip(pairs)
        for one, gradient in pairs:
            if clip is None and one.gradient_clip_attr is not None:
                ((_, gradient),) = one.gradient_clip_attr([(one, gradient)])
            penalty = one.regularizer or self.regularization
            if penalty is not None:
                gradient = penalty.added_to(gradient, one.value)
            own = self._current * one.optimize_attr["learning_rate"]
            self._step(one.value, gradient, own, self._memory_of(one))

    def _step(
        self, parameter: Tensor, gradient: Tensor, rate: float, memory: dict[str, Tensor]
    ) -> None:
        """Change the parameter in place, and what is remembered of it."""
        raise NotImplementedError

    def _memory_of(self, parameter: Parameter) -> dict[str, Tensor]:
        return {key: self._remembered(key, parameter).value for key in self.remembers}

    def _remembered(self, key: str, parameter: Parameter) -> Variable:
        found = self._memory[key].get(parameter.name)
        if found is None:
            begin = self._fill(key)
            if key in self.single:
                value = parameter.value.new_full((1,), begin)
            else:
                value = torch.full_like(parameter.value, begin, requires_grad=False)
            found = Variable(value, unique_name(f"{parameter.name}_{key}"))
            found.persistable = True
            if found.name in self._loaded:
                found.set_value(_array(self._loaded[found.name], found))
            self._memory[key][parameter.name] = found
        return found

    def _fill(self, key: str) -> float:
        """Return what it begins with."""
        return 0.0

    # The learning rate

    def current_step_lr(self) -> Any:
        """Return the rate of the last step as a np.float32; before the first, what it will be."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateDecay):
            return rate.step() if self._current is None else np.float32(self._current)
        return rate if self._current is None else np.float32(rate)

    def set_lr(self, value: float | Variable) -> None:
        """Set the rate.

        Raises:
            TypeError: where it is no number.
            RuntimeError: where it falls by itself.
        """
        if not isinstance(value, float | Variable):
            raise TypeError(
                "The type of 'value' in optimizer.set_lr must be (float, Variable), but received "
                f"{type(value)}."
            )
        if isinstance(self._learning_rate, LearningRateDecay):
            raise RuntimeError(
                "optimizer's learning rate can't be LearningRateDecay when invoke this API, "
                "because this will lead to conflict."
            )
        self._learning_rate = float(value)

    # State

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered, by the names in saved files, and how far a decay has come."""
        state: dict[str, Any] = {
            found.name: found for found_of in self._memory.values() for found in found_of.values()
        }
        if isinstance(self._learning_rate, LearningRateDecay):
            state["LR_Scheduler"] = self._learning_rate.state_dict()
            step = torch.tensor([self._learning_rate.step_num], dtype=torch.int32)
            state["global_step"] = Variable(step, "global_step")
        return state

    def set_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Remember what a saved state says; what belongs to no parameter yet waits for it.

        Raises:
            AssertionError: where something is missing, or has another shape.
        """
        if isinstance(self._learning_rate, LearningRateDecay):
            if "global_step" not in state_dict:
                raise AssertionError(
                    "Global step not in state dict, Dygraph use LearningRateDecay, global_step "
                    "must in state_dict"
                )
            self._learning_rate.step_num = int(np.asarray(state_dict["global_step"]).reshape(()))
        self._loaded = state_dict
        for found_of in self._memory.values():
            for found in found_of.values():
                if found.name not in state_dict:
                    raise AssertionError(f"optimizer variable {found.name} not found")
                found.set_value(_array(state_dict[found.name], found))

    set_state_dict = set_dict


def _array(value: Any, like: Variable) -> Any:
    """Return a saved value; Paddle 2 and 3 save single numbers without an axis, too."""
    array = np.asarray(value)
    return array.reshape(like.shape) if array.size == 1 and like.shape == [1] else array


class SGDOptimizer(Optimizer):
    """p -= rate × g."""

    def _step(
        self, parameter: Tensor, gradient: Tensor, rate: float, memory: dict[str, Tensor]
    ) -> None:
        parameter.add_(gradient, alpha=-rate)


class MomentumOptimizer(Optimizer):
    """v = momentum × v + g; p -= rate × v, or rate × (g + momentum × v) with `use_nesterov`."""

    remembers: ClassVar[tuple[str, ...]] = ("velocity",)

    def __init__(
        self,
        learning_rate: float | LearningRateDecay,
        momentum: float,
        parameter_list: Iterable[Parameter] | None = None,
        use_nesterov: bool = False,
        regularization: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:
        """Give what all take, and the momentum."""
        if isinstance(parameter_list, bool):  # 1.6 had use_nesterov in its place
            parameter_list, use_nesterov = None, parameter_list
        super().__init__(learning_rate, parameter_list, regularization, grad_clip, name)
        self._momentum, self._use_nesterov = momentum, use_nesterov

    def _step(
        self, parameter: Tensor, gradient: Tensor, rate: float, memory: dict[str, Tensor]
    ) -> None:
        velocity = memory["velocity"].mul_(self._momentum).add_(gradient)
        if self._use_nesterov:
            velocity = gradient.add(velocity, alpha=self._momentum)
        parameter.add_(velocity, alpha=-rate)


class AdagradOptimizer(Optimizer):
    """m += g²; p -= rate × g / (√m + epsilon)."""

    remembers: ClassVar[tuple[str, ...]] = ("moment",)

    def __init__(
        self,
        learning_rate: float | LearningRateDecay,
        epsilon: float = 1e-6,
        parameter_list: Iterable[Parameter] | None = None,
        regularization: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
        initial_accumulator_value: float = 0.0,
    ) -> None:
        """Give what all take, and epsilon."""
        super().__init__(learning_rate, parameter_list, regularization, grad_clip, name)
        self._epsilon, self._initial = epsilon, initial_accumulator_value

    def _fill(self, key: str) -> float:
        return self._initial

    def _step(
        self, parameter: Tensor, gradient: Tensor, rate: float, memory: dict[str, Tensor]
    ) -> None:
        moment = memory["moment"].addcmul_(gradient, gradient)
        parameter.addcdiv_(gradient, moment.sqrt().add_(self._epsilon), value=-rate)


class RMSPropOptimizer(Optimizer):
    """s = rho × s + (1 - rho) × g²; v = momentum × v + rate × g / √(s + epsilon); p -= v.

    With `centered`, the square of a mean of g is taken from s under the root.
    """

    remembers: ClassVar[tuple[str, ...]] = ("momentum", "mean_square", "mean_grad")

    def __init__(
        self,
        learning_rate: float | LearningRateDecay,
        rho: float = 0.95,
        epsilon: float = 1e-6,
        momentum: float = 0.0,
        centered: bool = False,
        parameter_list: Iterable[Parameter] | None = None,
        regularization: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:
        """Give what all take, and the constants."""
        super().__init__(learning_rate, parameter_list, regularization, grad_clip, name)
        self._rho, self._epsilon = rho, epsilon
        self._momentum, self._centered = momentum, centered

    def _step(
        self, parameter: Tensor, gradient: Tensor, rate: float, memory: dict[str, Tensor]
    ) -> None:
        rho = self._rho
        squares = memory["mean_square"].mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
        under = squares + self._epsilon
        if self._centered:
            mean = memory["mean_grad"].mul_(rho).add_(gradient, alpha=1 - rho)
            under.addcmul_(mean, mean, value=-1)
        velocity = memory["momentum"].mul_(self._momentum)
        velocity.addcdiv_(gradient, under.sqrt_(), value=rate)
        parameter.sub_(velocity)


class AdamOptimizer(Optimizer):
    """Kingma and Ba (2015), in the form at the end of their section 2.

    m1 and m2 are the means of g and g²; p -= rate × √(1 - beta2^t) / (1 - beta1^t) × m1 / (√m2 +
    epsilon). Epsilon is not multiplied by the root, as it is in Paddle 2 and 3:
    paddle/fluid/operators/optimizers/adam_op.h.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "moment1",
        "moment2",
        "beta1_pow_acc",
        "beta2_pow_acc",
    )
    single: ClassVar[frozenset[str]] = frozenset(("beta1_pow_acc", "beta2_pow_acc"))

    def __init__(
        self,
        learning_rate: float | LearningRateDecay = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        parameter_list: Iterable[Parameter] | None = None,
        regularization: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
        lazy_mode: bool = False,
    ) -> None:
        """Give what all take, and the constants."""
        super().__init__(learning_rate, parameter_list, regularization, grad_clip, name)
        self._beta1, self._beta2 = float(beta1), float(beta2)
        self._epsilon = epsilon

    def _fill(self, key: str) -> float:
        return {"beta1_pow_acc": self._beta1, "beta2_pow_acc": self._beta2}.get(key, 0.0)

    def _step(
        self, parameter: Tensor, gradient: Tensor, rate: float, memory: dict[str, Tensor]
    ) -> None:
        beta1, beta2 = self._beta1, self._beta2
        power1, power2 = memory["beta1_pow_acc"], memory["beta2_pow_acc"]
        rate *= (1 - float(power2)) ** 0.5 / (1 - float(power1))
        mean = memory["moment1"].mul_(beta1).add_(gradient, alpha=1 - beta1)
        squares = memory["moment2"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        parameter.addcdiv_(mean, squares.sqrt().add_(self._epsilon), value=-rate)
        power1.mul_(beta1)
        power2.mul_(beta2)


class AdamaxOptimizer(AdamOptimizer):
    """m = beta1 × m + (1 - beta1) × g; u = max(|g|, beta2 × u + epsilon).

    p -= rate / (1 - beta1^t) × m / u (Kingma and Ba, 2015, section 7.1);
    paddle/fluid/operators/optimizers/adamax_op.h.
    """

    remembers: ClassVar[tuple[str, ...]] = ("moment", "inf_norm", "beta1_pow_acc")

    def _step(
        self, parameter: Tensor, gradient: Tensor, rate: float, memory: dict[str, Tensor]
    ) -> None:
        power = memory["beta1_pow_acc"]
        mean = memory["moment"].mul_(self._beta1).add_(gradient, alpha=1 - self._beta1)
        largest = memory["inf_norm"].mul_(self._beta2).add_(self._epsilon)
        torch.maximum(gradient.abs(), largest, out=largest)
        parameter.addcdiv_(mean, largest, value=-rate / (1 - float(power)))
        power.mul_(self._beta1)


SGD, Momentum, Adagrad = SGDOptimizer, MomentumOptimizer, AdagradOptimizer
RMSProp, Adam, Adamax = RMSPropOptimizer, AdamOptimizer, AdamaxOptimizer
