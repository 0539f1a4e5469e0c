"""Small data and small runs that the tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from digitlab.data import load_dataset

# No test asserts on time, hypothesis' deadline included; a continuous integration repeats itself.
hypothesis.settings.register_profile(
    "digitlab", deadline=None, database=None, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("digitlab")

# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an .npz of 600 / 150 / 150 of MNIST's digits."""
    mnist = load_dataset("mnist")
    arrays = {}
    for name, count in (("train", 600), ("valid", 150), ("test", 150)):
        arrays[f"{name}_images"] = mnist.splits[name].images[:count]
        arrays[f"{name}_labels"] = mnist.splits[name].labels[:count]
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez_compressed(path, **arrays)
    return path


@pytest.fixture
def small_recipe(tmp_path: Path, small_data: Path) -> Path:
    """Return a recipe that trains in a fraction of a second, with everything on."""
    path = tmp_path / "small.toml"
    path.write_text(
        f"""
        [data]
        sources = ["{small_data}"]
        [network]
        name = "mlp"
        [augment]
        shift = 1
        rotation = 10
        elastic = 0.5
        stroke = 0.3
        [optimizer]
        name = "adamw"
        learning_rate = 0.01
        [schedule]
        name = "one-cycle"
        [training]
        epochs = 2
        batch_size = 50
        shards = 4
        moving_average = 0.9
        calibrate = 12
        """
    )
    return path


@pytest.fixture
def without_training_extra(tmp_path: Path) -> Mapping[str, str]:
    """Return an environment in which a finder that refuses that extra stands before all others."""
    folder = tmp_path / "no-training-extra"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'onnx', 'safetensors', 'matplotlib'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    return {**os.environ, "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test where a stray `runs/` hurts nobody."""
    monkeypatch.chdir(tmp_path)
