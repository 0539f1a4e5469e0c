"""The networks: each a visible list of layers, with the initialisation that belongs to it.

Used by training; a network takes float32 [N, 1, 28, 28] in [0, 1] and gives float32 [N, outputs].
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digitlab.config import CUSTOM_NETWORK
from digitlab.errors import ConfigError
from digitlab.setting_names import nearest_network
from digitlab.wording import did_you_mean


def mlp(outputs: int) -> nn.Module:
    """Return the course's fully connected network: 784 → 10 → 10 → outputs, sigmoid between."""
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 10),
        nn.Sigmoid(),
        nn.Linear(10, 10),
        nn.Sigmoid(),
        nn.Linear(10, outputs),
    )
    return _initialised_as_in_the_course(network)


def cnn(outputs: int) -> nn.Module:
    """Return the course's convolutional network: twice convolution, ReLU, pooling; then linear.

    Pooling stands before ReLU here: the same function and the same gradient, on a quarter of the
    values.
    """
    network = nn.Sequential(
        nn.Conv2d(1, 20, kernel_size=5, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(20, 20, kernel_size=5, padding=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.ReLU(),
        nn.Linear(980, outputs),
    )
    return _initialised_as_in_the_course(network)


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        """Give the constant."""
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        """Return the images times the constant."""
        return images * self.factor


def quick(outputs: int) -> nn.Module:
    """Return the default recipe's network: three convolutions, most work on 7 x 7 pixels.

    The first has a stride of 2, for it is the slowest for its size: it has one input channel.
    """
    return nn.Sequential(
        Scale(1 / 0.3081),  # the standard deviation of MNIST's training pixels becomes 1
        nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(16, 64, kernel_size=3, padding=1),
        nn.Flatten(),  # before ReLU, whose backward is ten times slower on channels-last memory
        nn.ReLU(),
        nn.Linear(3136, outputs),
    )


class Residual(nn.Module):
    """Two convolutions added to their input (He, Zhang, Ren and Sun, 2016), without normalisation.

    The weights of the second start at zero, so that the block starts as the identity but for a
    bias, and depth costs nothing (Zhang, Dauphin and Ma, 2019).
    """

    def __init__(self, channels: int) -> None:
        """Give the number of channels, which stays."""
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        nn.init.kaiming_normal_(self.first.weight)
        nn.init.zeros_(self.second.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 [N, channels, H, W] of the same shape."""
        inner: Tensor = self.second(self.first(images.relu()).relu())
        return images + inner


def photo(outputs: int) -> nn.Module:
    """Return the network of the model that ships: three residual blocks, most on 7 x 7 pixels."""
    return nn.Sequential(
        Scale(1 / 0.3081),
        nn.Conv2d(1, 32, kernel_size=5, stride=2, padding=2),
        Residual(32),
        nn.ReLU(),
        nn.Conv2d(32, 80, kernel_size=3, stride=2, padding=1),
        Residual(80),
        Residual(80),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Flatten(),
        nn.Linear(720, outputs),
    )


_OURS: dict[str, Callable[[int], nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "quick": quick,
    "photo": photo,
}


def build(
    name: str, outputs: int, seed: int, make: Callable[..., nn.Module] | None = None
) -> nn.Module:
    """Return a network with initial weights drawn from `seed`.

    Args:
        name: one of ours, or `my_module:MyNetwork`, which is imported (the current folder is looked
            in first) and called as `MyNetwork(outputs=N)`.
        outputs: the width of the last layer.
        seed: of the initial weights; torch's own generator is left as it was.
        make: what is called in place of the one of that name.

    Raises:
        ConfigError: where a network of the user's own cannot be imported, made or trained.
    """
    ours = _OURS.get(name) if make is None else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ours(outputs) if ours else _called(make or _imported(name), name, outputs)
        if not isinstance(network, nn.Module):
            raise ConfigError(
                f"--network {name}: gave {type(network).__name__}, no torch.nn.Module"
            )
        _check(network, name, outputs)
    return network


def _check(network: nn.Module, name: str, outputs: int) -> None:
    """Check parameters, and the output for two black images."""
    for key, parameter in network.named_parameters():
        if parameter.dtype != torch.float32:
            raise ConfigError(f"--network {name}: {key} is {parameter.dtype}; expected float32")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError(f"--network {name}: has no parameter to train")
    network.eval()
    with torch.no_grad():
        shape = tuple(_output(network, name).shape)
    network.train()
    if shape != (2, outputs):
        raise ConfigError(
            f"--network {name}: gives shape {shape} for two images; expected (2, {outputs})"
        )


def _output(network: nn.Module, name: str) -> Tensor:
    """Return the output for two black images; name the layer that does not fit."""
    entered: list[tuple[str, nn.Module]] = []

    def enter(key: str) -> Callable[[nn.Module, Any], None]:
        return lambda layer, _: entered.append((key, layer))

    hooks = [
        hook
        for key, layer in network.named_modules()
        if not list(layer.children()) and key
        for hook in (
            layer.register_forward_pre_hook(enter(key)),
            layer.register_forward_hook(lambda *_: entered.clear()),
        )
    ]
    try:
        output: Tensor = network(torch.zeros(2, 1, 28, 28))
    except RuntimeError as error:
        if not entered:
            raise
        (key, layer), reason = entered[-1], str(error).partition("\n")[0]
        raise ConfigError(f"--network {name}: its layer {key}, {layer}: {reason}") from None
    finally:
        for hook in hooks:
            hook.remove()
    return output


def _initialised_as_in_the_course(network: nn.Module) -> nn.Module:
    """Initialise as Paddle does: it matters most for the small fully connected network.

    Linear layers Xavier-uniform (Glorot and Bengio, 2010), convolutions normal with standard
    deviation sqrt(2 / (input channels x kernel area)), biases 0.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.weight[0].numel()))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def _imported(name: str) -> Callable[..., nn.Module]:
    """Import `my_module:MyNetwork`."""
    if not CUSTOM_NETWORK.fullmatch(name):
        raise ConfigError(f"--network {name}: there is no such network")
    module_name, class_name = name.split(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        way_out = "; run where the file lies, or put its folder on PYTHONPATH"
        if module_name.endswith(".py"):  # the name of the file, not of the module
            way_out = did_you_mean(f"--network {nearest_network(name, ())}")
        raise ConfigError(
            f"--network {name}: cannot import {module_name} ({error}){way_out}"
        ) from None
    finally:
        if added:
            sys.path.remove(here)
    try:
        make: Callable[..., nn.Module] = getattr(module, class_name)
    except AttributeError:
        raise ConfigError(f"--network {name}: {module_name} has no {class_name}") from None
    return make


def _called(make: Callable[..., nn.Module], name: str, outputs: int) -> nn.Module:
    try:
        return make(outputs=outputs)
    except TypeError as error:
        class_name = name.rpartition(":")[2]
        raise ConfigError(
            f"--network {name}: cannot be called as {class_name}(outputs={outputs}): {error}"
        ) from None
