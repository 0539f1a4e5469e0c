"""What a caller of `digitlab.train` hands over itself, not by name: data and a network's class.

A recipe names them, so that a run can be gone on with where the same are handed over again; needs
no torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from digitlab.config import CUSTOM_NETWORK
from digitlab.data.arrays import arrays_of, load_npz
from digitlab.data.dataset import Dataset
from digitlab.data.memory import PREFIX, Source, dataset_in_memory, is_named, listed_sources
from digitlab.errors import ConfigError, RunError

if TYPE_CHECKING:
    from torch.nn import Module

Network = Callable[..., "Module"]


@dataclass(frozen=True)
class Given:
    """What was handed over.

    Attributes:
        data: datasets in memory, by the name that the recipe has for them.
        network: called as `network(outputs=N)`; None where it is one that has a name.
        loaded: what the last run of this process loaded, by what it was; the next takes it up.
    """

    data: Mapping[str, Dataset] = field(default_factory=dict)
    network: Network | None = None
    loaded: dict[Hashable, Any] = field(default_factory=dict)


def named_data(data: Source | Sequence[Source]) -> tuple[list[str], dict[str, Dataset]]:
    """Return what a recipe calls each source, and those that are in memory, checked, by that name.

    Raises:
        TypeError: for what is no source.
        DataError: for data in memory that are malformed.
    """
    names: list[str] = []
    in_memory: dict[str, Dataset] = {}
    for source in listed_sources(data):
        if is_named(source):
            names.append(os.fsdecode(source))  # type: ignore[arg-type]
            continue
        dataset = dataset_in_memory(source)
        first = PREFIX + dataset.source.removeprefix(PREFIX)
        name, number = first, 1
        while name in in_memory:
            number += 1
            name = f"{first}-{number}"
        names.append(name)
        in_memory[name] = replace(dataset, source=name)
    return names, in_memory


def network_name(network: Any) -> str:
    """Return the name by which a recipe knows a class or function, such as `my_module:MyNetwork`.

    Raises:
        TypeError: for what is neither, such as a network that was made already.
    """
    name = f"{getattr(network, '__module__', '')}:{getattr(network, '__name__', '')}"
    if not callable(network) or not CUSTOM_NETWORK.fullmatch(name):
        raise TypeError(
            f"network is of type {type(network).__name__}; expected a name, or a class or function "
            "that has one and is called as MyNetwork(outputs=N)"
        )
    return name


def check_for_workers(network: Network | None) -> None:
    """Check that other processes can import what was handed over.

    Raises:
        ConfigError: for a class of a notebook, of a script, or within a function.
    """
    if network is None:
        return
    module, _, name = network_name(network).partition(":")
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not network:
        raise ConfigError(
            f"network {name} lives in this process alone, and workers are others: write it into a "
            f"file, such as my_networks.py, and import it, or train without workers"
        )


@contextmanager
def kept_for_workers(data: Mapping[str, Dataset]) -> Iterator[dict[str, str]]:
    """Keep data in memory in files while other processes need them; give their paths by name.

    Raises:
        RunError: where they cannot be written.
    """
    if not data:
        yield {}
        return
    with TemporaryDirectory(prefix="digitlab-data-", ignore_cleanup_errors=True) as folder:
        paths: dict[str, str] = {}
        try:
            for number, (name, dataset) in enumerate(data.items()):
                paths[name] = str(Path(folder) / f"{number}.npz")
                np.savez(paths[name], **arrays_of(dataset))
        except OSError as error:
            raise RunError(
                f"{folder}: the data for the workers cannot be written: {error.strerror or error}; "
                "make room there, or name another folder by TMPDIR"
            ) from error
        yield paths


def data_kept(paths: Mapping[str, str]) -> dict[str, Dataset]:
    """Return, in another process, what `kept_for_workers` has kept."""
    return {name: replace(load_npz(Path(path)), source=name) for name, path in paths.items()}
