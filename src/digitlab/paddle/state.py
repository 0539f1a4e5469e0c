"""What Paddle keeps for the whole process: device, seeds, names, mode; one object, `STATE`."""

from __future__ import annotations

import contextlib
import weakref
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from digitlab.paddle.notices import tell


@dataclass(frozen=True)
class CPUPlace:
    """The processor."""


@dataclass(frozen=True)
class CUDAPlace:
    """A GPU, by its number."""

    id: int = 0

    def get_device_id(self) -> int:
        """Return its number."""
        return self.id


@dataclass(frozen=True)
class CUDAPinnedPlace:
    """Memory of the host that a GPU reads fast; here the processor's, as any other."""


Place = CPUPlace | CUDAPlace | CUDAPinnedPlace


class Program:
    """What a static graph would stand in; here it holds a seed alone.

    Paddle starts each operation anew from the seed; here all draw from one generator, which
    setting the seed starts anew.
    """

    def __init__(self) -> None:
        """Begin without a seed: each run then draws other numbers."""
        self._seed = 0

    @property
    def random_seed(self) -> int:
        """The seed of what is drawn from now on; 0: none was set."""
        return self._seed

    @random_seed.setter
    def random_seed(self, seed: int) -> None:
        if not isinstance(seed, int):
            raise ValueError("Program.random_seed must be an integer")
        self._seed = seed
        if seed:
            torch.manual_seed(seed)


@dataclass
class State:
    """What is of the process, not of one network.

    Attributes:
        device: where new variables lie.
        forced: "cpu" or "cuda" where the user overrides the places in the script.
        training: whether a graph is kept for gradients; `train()` and `eval()` of any layer switch
            it for all, and `no_grad` does. Set it by `train`.
        in_guard: whether a `guard()` is open.
        names: how many names of each kind were given.
        parameters: those made so far, for optimizers of 1.6 that are given none.
        collective: whether workers are connected.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    forced: str | None = None
    training: bool = True
    in_guard: bool = False
    names: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    parameters: list[weakref.ref[Any]] = field(default_factory=list)
    main: Program = field(default_factory=Program)
    startup: Program = field(default_factory=Program)
    collective: bool = False
    told: set[str] = field(default_factory=set)

    def reset(self) -> None:
        """Be as in a new process."""
        self.__init__()  # type: ignore[misc]
        self.train(True)

    def train(self, training: bool) -> None:
        """Keep a graph from now on, or do not.

        Source: `_train_mode` of python/paddle/fluid/dygraph/tracer.py.
        """
        self.training = training
        torch.set_grad_enabled(training)

    def tell_once(self, line: str) -> None:
        """Say a line on standard error, the first time."""
        if line not in self.told:
            self.told.add(line)
            tell(line)


STATE = State()


def force_device(name: str | None) -> None:
    """Have all run on "cpu" or "cuda", whatever places the script names; None: as it names them."""
    STATE.forced = name
    if name is not None:
        STATE.device = device_of(None)


def is_compiled_with_cuda() -> bool:
    """Return whether there is a GPU to use."""
    return torch.cuda.is_available() and STATE.forced != "cpu"


def device_of(place: Place | None) -> torch.device:
    """Return the device that a place means here; None means a GPU where there is one.

    Says in a line where it is another than the script asks for.
    """
    if place is None:
        place = CUDAPlace(0) if is_compiled_with_cuda() else CPUPlace()
    if STATE.forced == "cpu" or (STATE.forced is None and not isinstance(place, CUDAPlace)):
        return torch.device("cpu")
    number = place.id if isinstance(place, CUDAPlace) else 0
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        STATE.tell_once(f"CUDAPlace({number}): there is no CUDA device here; running on the CPU")
        return torch.device("cpu")
    if number >= count:
        STATE.tell_once(
            f"CUDAPlace({number}): this machine has {count} of them; running on {number % count}"
        )
    return torch.device("cuda", number % count)


def unique_name(key: str) -> str:
    """Return `key_0`, then `key_1`, as Paddle names layers, parameters and variables.

    Source: python/paddle/fluid/unique_name.py.
    """
    number = STATE.names[key]
    STATE.names[key] += 1
    return f"{key}_{number}"


@contextlib.contextmanager
def guard(place: Place | None = None) -> Iterator[None]:
    """Open dygraph mode on a place; names begin anew, and training mode is on.

    So a network that is made again has the names under which its optimizer's state was saved.
    Source: python/paddle/fluid/dygraph/base.py.
    """
    before = dict(STATE.__dict__)
    _open(place)
    try:
        yield
    finally:
        kept = {"forced", "told", "collective"}
        STATE.__dict__.update({key: before[key] for key in before if key not in kept})
        STATE.train(STATE.training)


def enable_dygraph(place: Place | None = None) -> None:
    """Be in dygraph mode from now on; nothing where a guard is open."""
    if not STATE.in_guard:
        _open(place)


def disable_dygraph() -> None:
    """Leave dygraph mode."""
    STATE.in_guard = False


def enabled() -> bool:
    """Return whether dygraph mode is on."""
    return STATE.in_guard


def _open(place: Place | None) -> None:
    STATE.device = device_of(place)
    STATE.in_guard = True
    STATE.train(True)
    STATE.names, STATE.parameters = defaultdict(int), []
    STATE.main, STATE.startup = Program(), Program()


def default_main_program() -> Program:
    """Return what holds the seed of dropout."""
    return STATE.main


def default_startup_program() -> Program:
    """Return what holds the seed of initial values."""
    return STATE.startup


@contextlib.contextmanager
def program_guard(main: Program, startup: Program | None = None) -> Iterator[None]:
    """Have these be the default programs."""
    before = STATE.main, STATE.startup
    STATE.main, STATE.startup = main, startup or STATE.startup
    try:
        yield
    finally:
        STATE.main, STATE.startup = before


def cpu_places(device_count: int | None = None) -> list[CPUPlace]:
    """Return so many places of the processor, one by default."""
    return [CPUPlace()] * (device_count or 1)


def cuda_places(device_ids: list[int] | None = None) -> list[CUDAPlace]:
    """Return a place for each GPU, or for those of these numbers."""
    numbers = range(torch.cuda.device_count()) if device_ids is None else device_ids
    return [CUDAPlace(number) for number in numbers]


def set_flags(flags: dict[str, Any]) -> None:
    """Take settings of Paddle's engine, of which none means anything here."""
