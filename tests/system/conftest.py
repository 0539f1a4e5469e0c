"""Small runs for the tests of several workers, and the one process that they must agree with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import crews
import numpy as np
import pytest

import digitlab


@pytest.fixture
def crew_folder(tmp_path: Path, small_data: Path) -> Path:
    """Return a folder with data, networks (`crews.NETWORKS`) and two recipes for crews."""
    return _furnish(tmp_path, small_data)


def _furnish(folder: Path, small_data: Path) -> Path:
    arrays = dict(np.load(small_data))
    # Corners that make `Poisoned` fail: a few, so that they meet every worker.
    arrays["train_images"][5:600:150, 0, 0] = 255
    arrays["train_images"][55:600:300, 0, 0] = 150
    np.savez_compressed(folder / "data.npz", **arrays)
    (folder / "crew_networks.py").write_text(crews.NETWORKS)
    for optimizer in ("momentum", "adamw"):
        (folder / f"{optimizer}.toml").write_text(crews.RECIPE.format(optimizer=optimizer))
    return folder


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> Callable[..., Path]:
    """Return what trains a network by a recipe in one process, once; gives the run's folder."""
    folder = _furnish(tmp_path_factory.mktemp("alone"), small_data)

    def train(recipe: str, network: str, epochs: int = 4) -> Path:
        run = folder / f"{recipe}-{network}-{epochs}"
        if not run.exists():
            with chdir(folder):
                digitlab.train(
                    f"{recipe}.toml",
                    network=f"crew_networks:{network}",
                    epochs=epochs,
                    augment="none" if network == "Poisoned" else None,
                    run_dir=run,
                    ledger=True,
                )
        return run

    return train


@pytest.fixture
def hosts() -> Iterator[Callable[..., crews.Hosts]]:
    """Return what makes hosts, which are removed after the test; skips where none can be made."""
    if why := crews.why_no_hosts():
        pytest.skip(why)
    made: list[crews.Hosts] = []

    def make(count: int, relay: crews.Relay | None = None) -> crews.Hosts:
        made.append(crews.Hosts(count, relay))
        return made[-1]

    yield make
    for several in made:
        several.remove()
