"""`fluid.dygraph.Layer`: what holds parameters, and what holds layers.

Source: python/paddle/fluid/dygraph/layers.py and container.py of 1.7.
"""

from __future__ import annotations

import re
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from digitlab.paddle import collective
from digitlab.paddle.initializers import Constant, Initializer, Xavier, attributes
from digitlab.paddle.state import STATE, unique_name
from digitlab.paddle.variable import Parameter, Variable, torch_dtype


class Layer:
    """A part of a network: parameters, and layers that it is made of, each by a name."""

    def __init__(self, name_scope: str | None = None, dtype: Any = "float32") -> None:
        """Give what its parameters' names begin with, by default the class's name in snake case."""
        scope = name_scope or _snake_case(type(self).__name__)
        self.__dict__.update(
            _full_name=unique_name(scope),
            _dtype=dtype,
            training=True,
            _built=False,
            _parameters=OrderedDict(),
            _sub_layers=OrderedDict(),
            _loaddict_holder={},
            _pre_hooks=OrderedDict(),
            _post_hooks=OrderedDict(),
        )

    # Computing

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Compute; every network of a script says how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def _build_once(self, *inputs: Any) -> None:
        """Make what depends on the first input; 1.6's layers take their widths from it."""

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """Return what `forward` does, between the hooks."""
        if not self._built:
            self._build_once(*inputs)
            self.__dict__["_built"] = True
            if STATE.collective:
                collective.broadcast(
                    one.value for one in self._parameters.values() if one is not None
                )
        for hook in self._pre_hooks.values():
            changed = hook(self, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        outputs = self.forward(*inputs, **kwargs)
        for hook in self._post_hooks.values():
            changed = hook(self, inputs, outputs)
            outputs = outputs if changed is None else changed
        return outputs

    def train(self) -> None:
        """Train: this and all that it is made of normalise by the batch and drop out.

        Gradients are computed, for all layers of the process: as in Paddle 1.8, there is one
        switch for that.
        """
        STATE.train(True)
        self._set_training(True)

    def eval(self) -> None:
        """Evaluate: this and all that it is made of normalise by what was learned, drop nothing.

        No gradients are computed from now on, by no layer of the process.
        """
        STATE.train(False)
        self._set_training(False)

    def _set_training(self, training: bool) -> None:
        for layer in (self, *self.sublayers()):
            layer.__dict__["training"] = training

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> HookRemoveHelper:
        """Call `hook(layer, inputs)` before each `forward`; what it returns takes their place."""
        return HookRemoveHelper(self._pre_hooks, hook)

    def register_forward_post_hook(self, hook: Callable[..., Any]) -> HookRemoveHelper:
        """Call `hook(layer, inputs, outputs)` after each; what it returns takes their place."""
        return HookRemoveHelper(self._post_hooks, hook)

    # What it holds

    def full_name(self) -> str:
        """Return its name, which its parameters' names begin with."""
        return str(self._full_name)

    def create_parameter(
        self,
        shape: Any,
        attr: Any = None,
        dtype: Any = None,
        is_bias: bool = False,
        default_initializer: Initializer | None = None,
    ) -> Parameter | None:
        """Return a new parameter, which belongs to a layer when it is set as its attribute.

        None where `attr` is False. It begins as `attr` says, else as `default_initializer` does,
        else a bias as 0 and the rest by Xavier. 1.6 had `attr` before `shape`.
        """
        if not isinstance(shape, list | tuple):
            shape, attr = attr, shape
        asked = attributes(attr)
        if asked is None:
            return None
        begin = asked.initializer or default_initializer
        kind = torch_dtype(dtype or self._dtype)
        value = torch.empty([int(length) for length in shape], dtype=kind, device=STATE.device)
        with torch.no_grad():
            (begin or (Constant(0.0) if is_bias else Xavier())).fill(value)
        value.requires_grad_(asked.trainable)
        name = asked.name or unique_name(f"{self._full_name}.{'b' if is_bias else 'w'}")
        made = Parameter(value, name, asked.learning_rate, asked.regularizer, asked.gradient_clip)
        STATE.parameters.append(weakref.ref(made))
        return made

    def create_variable(
        self, name: str | None = None, persistable: bool | None = None, dtype: Any = None
    ) -> Variable:
        """Return a new variable, a 0 that is to be set."""
        value = torch.zeros(1, dtype=torch_dtype(dtype or self._dtype), device=STATE.device)
        return Variable(value, name)

    def add_parameter(self, name: str, parameter: Parameter | None) -> Parameter | None:
        """Hold a parameter under a name, and return it.

        Raises:
            TypeError: where it is no parameter.
        """
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(f"add_parameter({name!r}): {type(parameter)} is no Parameter")
        self._parameters[name] = parameter
        if parameter is not None and name in self._loaddict_holder:
            parameter.set_value(self._loaddict_holder.pop(name))
        return parameter

    def add_sublayer(self, name: str, sublayer: Layer) -> Layer:
        """Hold a layer under a name, and return it.

        Raises:
            TypeError: where it is no layer.
        """
        if not isinstance(sublayer, Layer):
            raise TypeError(f"add_sublayer({name!r}): {type(sublayer)} is no Layer")
        self._sub_layers[name] = sublayer
        return sublayer

    def parameters(self, include_sublayers: bool = True) -> list[Parameter]:
        """Return the parameters, each once."""
        return [one for _, one in self.named_parameters(include_sublayers=include_sublayers)]

    def named_parameters(
        self, prefix: str = "", include_sublayers: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters, each once, by their names in `state_dict`."""
        seen: set[int] = set()
        holders: list[tuple[str, Layer]] = [(prefix, self)]
        if include_sublayers:
            holders += self.named_sublayers(prefix=prefix)
        for path, holder in holders:
            for name, one in holder._parameters.items():
                if one is not None and id(one) not in seen:
                    seen.add(id(one))
                    yield _joined(path, name), one

    def sublayers(self, include_sublayers: bool = True) -> list[Layer]:
        """Return the layers that it is made of, and those that they are made of."""
        if not include_sublayers:
            return list(self._sub_layers.values())
        return [layer for _, layer in self.named_sublayers()]

    def named_sublayers(
        self,
        prefix: str = "",
        include_sublayers: bool = True,
        include_self: bool = False,
        layers_set: set[Layer] | None = None,
    ) -> Iterator[tuple[str, Layer]]:
        """Yield the layers by their paths, each once."""
        seen = set() if layers_set is None else layers_set
        if include_self and self not in seen:
            seen.add(self)
            yield prefix, self
        for name, layer in self._sub_layers.items():
            if layer in seen:
                continue
            path = _joined(prefix, name)
            seen.add(layer)
            yield path, layer
            if include_sublayers:
                yield from layer.named_sublayers(path, layers_set=seen)

    def clear_gradients(self) -> None:
        """Set the gradients of all parameters to 0."""
        for one in self.parameters():
            one.clear_gradient()

    # State

    def state_dict(
        self,
        destination: dict[str, Variable] | None = None,
        include_sublayers: bool = True,
        structured_name_prefix: str = "",
    ) -> dict[str, Variable]:
        """Return the parameters by their paths, such as `conv1.weight`."""
        state: dict[str, Variable] = OrderedDict() if destination is None else destination
        for name, one in self._parameters.items():
            if one is not None:
                state[structured_name_prefix + name] = one
        if include_sublayers:
            for name, layer in self._sub_layers.items():
                layer.state_dict(state, True, f"{structured_name_prefix}{name}.")
        return state

    def set_dict(
        self,
        stat_dict: Mapping[str, Any],
        include_sublayers: bool = True,
        use_structured_name: bool = True,
    ) -> None:
        """Give the parameters the values of a saved state.

        What belongs to a layer of 1.6 that has no parameters yet waits for its first input.

        Raises:
            RuntimeError: where a parameter is not in it.
            AssertionError: where one has another shape.
        """
        left = set(stat_dict)
        for path, one in self.state_dict(include_sublayers=include_sublayers).items():
            key = path if use_structured_name else one.name
            if key not in stat_dict:
                raise RuntimeError(
                    f"Parameter not found, Can't not find [ {path} ] in stat_dict "
                    f"use_structured_name is set to [{use_structured_name}]"
                )
            one.set_value(_values(stat_dict[key]))
            left.discard(key)
        holders = [("", self), *self.named_sublayers()]
        for key in sorted(left):
            path, _, name = key.rpartition(".")
            holder = next((layer for at, layer in holders if at == path), None)
            if holder is not None and holder._is_lazy() and not holder._built:
                holder._loaddict_holder[name] = _values(stat_dict[key])
                left.discard(key)
        left.discard("StructuredToParameterName@@")
        if left:
            warnings.warn(
                f"Varibale [ {' '.join(sorted(left))} ] are not used, "
                "because not included in layers state_dict",
                stacklevel=2,
            )

    load_dict = set_dict
    set_state_dict = set_dict

    def _is_lazy(self) -> bool:
        """Return whether it makes its parameters at its first input."""
        return type(self)._build_once is not Layer._build_once

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            if isinstance(value, Parameter | Layer):
                raise ValueError(
                    f"super({type(self).__name__}, self).__init__() should be called first"
                )
            self.__dict__[name] = value
            return
        if isinstance(value, Parameter):
            self._forget(name)
            self.add_parameter(name, value)
        elif isinstance(value, Layer):
            self._forget(name)
            self._sub_layers[name] = value
        elif value is None and name in self._parameters:
            self._parameters[name] = None
        else:
            self._parameters.pop(name, None)
            self._sub_layers.pop(name, None)
            object.__setattr__(self, name, value)

    def _forget(self, name: str) -> None:
        """Let go of what an attribute of that name was."""
        for held in (self.__dict__, self._parameters, self._sub_layers):
            held.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        for key in ("_parameters", "_sub_layers"):
            held = self.__dict__.get(key, {})
            if name in held:
                return held[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for held in (self._parameters, self._sub_layers):
            if name in held:
                del held[name]
                return
        object.__delattr__(self, name)


class HookRemoveHelper:
    """What takes a hook away again."""

    def __init__(self, hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> None:
        """Add it."""
        self._hooks = hooks
        hooks[id(self)] = hook

    def remove(self) -> None:
        """Take it away."""
        self._hooks.pop(id(self), None)


class Sequential(Layer):
    """Layers one after another; given one by one, or as pairs of name and layer."""

    def __init__(self, *layers: Any) -> None:
        """Give them; a name before them is 1.6's name_scope."""
        scope = layers[0] if layers and isinstance(layers[0], str) else None
        super().__init__(scope)
        for number, layer in enumerate(layers[1:] if scope else layers):
            name, one = layer if isinstance(layer, tuple | list) else (number, layer)
            self.add_sublayer(str(name), one)

    def forward(self, input: Any) -> Any:
        """Return what the last gives."""
        for layer in self._sub_layers.values():
            input = layer(input)
        return input

    def __getitem__(self, name: Any) -> Layer:
        if isinstance(name, int):
            return self.sublayers(False)[name]
        layer: Layer = self._sub_layers[str(name)]
        return layer

    def __setitem__(self, name: Any, layer: Layer) -> None:
        self.add_sublayer(str(name), layer)

    def __len__(self) -> int:
        return len(self._sub_layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._sub_layers.values())


class LayerList(Layer):
    """A list of layers."""

    def __init__(self, sublayers: Iterable[Layer] | None = None) -> None:
        """Give them."""
        super().__init__()
        self.extend(sublayers or ())

    def append(self, sublayer: Layer) -> LayerList:
        """Add one at the end."""
        self.add_sublayer(str(len(self)), sublayer)
        return self

    def extend(self, sublayers: Iterable[Layer]) -> LayerList:
        """Add some at the end."""
        for layer in sublayers:
            self.append(layer)
        return self

    def __getitem__(self, index: int) -> Layer:
        return self.sublayers(False)[index]

    def __len__(self) -> int:
        return len(self._sub_layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._sub_layers.values())


class ParameterList(Layer):
    """A list of parameters."""

    def __init__(self, parameters: Iterable[Parameter] | None = None) -> None:
        """Give them."""
        super().__init__()
        for one in parameters or ():
            self.append(one)

    def append(self, parameter: Parameter) -> ParameterList:
        """Add one at the end."""
        self.add_parameter(str(len(self)), parameter)
        return self

    def __getitem__(self, index: int) -> Parameter:
        one: Parameter = list(self._parameters.values())[index]
        return one

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())


def _values(value: Any) -> Any:
    return value if isinstance(value, Variable) else np.asarray(value)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _snake_case(name: str) -> str:
    partly = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", partly).lower()
