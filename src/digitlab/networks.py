"""The networks: each a visible list of layers, with the initialisation that belongs to it.

Used by training; a network takes float32 [N, 1, 28, 28] in [0, 1] and gives float32 [N, outputs].
"""

from __future__ import annotations

import importlib
import math
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digitlab import boxes
from digitlab.branches import Branches
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
    return _residual(outputs, 32, 80, 2)


def photo_wide(outputs: int) -> nn.Module:
    """Return the network of the model for pages: `photo` with more channels and a block more."""
    return _residual(outputs, 40, 112, 3)


def _residual(outputs: int, first: int, then: int, blocks: int) -> nn.Module:
    """Return a network with one residual block on 14 x 14 pixels, and others on 7 x 7.

    Args:
        outputs: the width of the last layer.
        first: the channels on 14 x 14 pixels.
        then: those on 7 x 7.
        blocks: how many are there.
    """
    return nn.Sequential(
        Scale(1 / 0.3081),
        nn.Conv2d(1, first, kernel_size=5, stride=2, padding=2),
        Residual(first),
        nn.ReLU(),
        nn.Conv2d(first, then, kernel_size=3, stride=2, padding=1),
        *(Residual(then) for _ in range(blocks)),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Flatten(),
        nn.Linear(9 * then, outputs),
    )


def two_columns(outputs: int) -> nn.Module:
    """Return two columns of convolutions, which exchange at one layer and at the end.

    AlexNet was cut so, for two GPUs (Krizhevsky, Sutskever and Hinton, 2012): the third convolution
    of each column is the first to see both.
    """
    network = nn.Sequential(
        Scale(1 / 0.3081),
        Branches(
            *(
                nn.Sequential(
                    nn.Conv2d(1, 10, kernel_size=5, stride=2, padding=2),
                    nn.ReLU(),
                    nn.Conv2d(10, 20, kernel_size=3, padding=1),
                    nn.MaxPool2d(2),
                    nn.ReLU(),
                )
                for _ in range(2)
            )
        ),
        Branches(
            *(
                nn.Sequential(
                    nn.Conv2d(40, 24, kernel_size=3, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(24, 24, kernel_size=3, padding=1),
                    nn.MaxPool2d(3, stride=2),
                    nn.Flatten(),
                    nn.ReLU(),
                )
                for _ in range(2)
            )
        ),
        nn.Linear(432, outputs),
    )
    return _initialised_as_in_the_course(network)


def two_heads(outputs: int) -> nn.Module:
    """Return a trunk with two heads: which digit, and the box of its ink.

    YOLO9000 tells what a thing is and where it is from one trunk (Redmon and Farhadi, 2017).

    Args:
        outputs: the answers of the first head, and the four numbers of the second.
    """
    return nn.Sequential(
        Scale(1 / 0.3081),
        nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        Branches(
            nn.Sequential(
                nn.Conv2d(16, 64, kernel_size=3, padding=1),
                nn.Flatten(),
                nn.ReLU(),
                nn.Linear(3136, outputs - boxes.NUMBERS),
            ),
            nn.Sequential(
                nn.Conv2d(16, 32, kernel_size=3, padding=1),
                nn.Flatten(),
                nn.ReLU(),
                nn.Linear(1568, boxes.NUMBERS),
            ),
        ),
    )


_NOT_USERS = {
    Path(__file__).parent,
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    Path(torch.__file__).parent,
}

_OURS: dict[str, Callable[[int], nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "quick": quick,
    "photo": photo,
    "photo-wide": photo_wide,
    "two-columns": two_columns,
    "two-heads": two_heads,
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
    """Check parameters, and the output for two black images, in evaluation and in training."""
    for key, parameter in network.named_parameters():
        if parameter.dtype != torch.float32:
            raise ConfigError(f"--network {name}: {key} is {parameter.dtype}; expected float32")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError(f"--network {name}: has no parameter to train")
    for training in (False, True):
        network.train(training)
        with torch.no_grad(), _same_buffers(network):
            output = _output(network, name)
        if not isinstance(output, Tensor):
            raise ConfigError(
                f"--network {name}: gives {type(output).__name__}; expected one tensor"
            )
        if output.shape != (2, outputs):
            shape = tuple(output.shape)
            raise ConfigError(
                f"--network {name}: gives shape {shape} for two images; expected (2, {outputs})"
            )


@contextmanager
def _same_buffers(network: nn.Module) -> Iterator[None]:
    """Give buffers back the values that they have, as a trial in training moves BatchNorm's."""
    before = [
        (layer, key, buffer, buffer.clone())
        for layer in network.modules()
        for key, buffer in layer.named_buffers(recurse=False)
        if not nn.parameter.is_lazy(buffer)
    ]
    yield
    for layer, key, buffer, value in before:
        setattr(layer, key, buffer)
        buffer.copy_(value)


def _output(network: nn.Module, name: str) -> Any:
    """Return the output for two black images; name the layer that does not fit, and the line."""
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
        return network(torch.zeros(2, 1, 28, 28))
    except Exception as error:
        what = f"its forward fails{_place_of(error)}"
        if entered:
            key, layer = entered[-1]
            what = f"its layer {key}, {' '.join(str(layer).split())}{_place_of(error)}"
        raise ConfigError(f"--network {name}: {what}: {_reason(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()


def _place_of(error: BaseException) -> str:
    """Return `, in my_module.py, line 7`: where the user's own code stood last; or nothing."""
    place: tuple[str, int | None] | None = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        place = (frame.f_code.co_filename, line) if _is_users(frame.f_code.co_filename) else place
    if isinstance(error, SyntaxError) and error.filename:
        place = error.filename, error.lineno
    if place is None:
        return ""
    path = Path(place[0])
    with suppress(ValueError, OSError):
        path = path.relative_to(Path.cwd())
    return f", in {path}, line {place[1]}"


def _is_users(file: str) -> bool:
    """Whether a file is neither Python's, nor of something installed, nor of ours."""
    return not file.startswith("<frozen ") and not any(map(Path(file).is_relative_to, _NOT_USERS))


def _reason(error: BaseException) -> str:
    """Return the class and the first line of an exception."""
    line = str(error).strip().partition("\n")[0][:300]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


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
    except Exception as error:  # which the module raises itself
        raise ConfigError(
            f"--network {name}: {module_name} cannot be imported{_place_of(error)}: "
            f"{_reason(error)}"
        ) from error
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
    except Exception as error:
        what = f"fails as it is made{_place_of(error)}: {_reason(error)}"
        if isinstance(error, TypeError) and not _place_of(error):  # its own code was not reached
            class_name = name.rpartition(":")[2]
            what = f"cannot be called as {class_name}(outputs={outputs}): {error}"
        raise ConfigError(f"--network {name}: {what}") from error
