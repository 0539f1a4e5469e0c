"""Small data, small runs and small models that the tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest

import digitlab
from digitlab.data import load_dataset
from digitlab.preparation import prepare
from digitlab.reading.model_file import Calibration, properties, seal
from digitlab.wording import MADE_PICTURES
from small_models import WriteModel, onnx_model, picture_of

pytest_plugins = ("own_processes", "browser", "commands", "made_fonts")

# No test asserts on time, hypothesis' deadline included; a continuous integration repeats itself.
hypothesis.settings.register_profile(
    "digitlab", deadline=None, database=None, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("digitlab")

# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Likewise what nohup starts and SIGHUP; what is started by whom it does nothing to hears it again.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)


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
    return _write_small_recipe(tmp_path, small_data)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> Path:
    """Return the run of `small_recipe` that nothing happened to; to be read and copied alone."""
    folder = tmp_path_factory.mktemp("whole")
    digitlab.train(_write_small_recipe(folder, small_data), run_dir=folder / "whole")
    return folder / "whole"


def _write_small_recipe(folder: Path, small_data: Path) -> Path:
    path = folder / "small.toml"
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


@pytest.fixture(scope="session")
def templates() -> npt.NDArray[np.uint8]:
    """Return uint8 [10, 28, 28], one prepared picture of each digit."""
    return np.stack([prepare(picture_of(digit)) for digit in range(10)])


@pytest.fixture
def write_model(tmp_path: Path, templates: npt.NDArray[np.uint8]) -> WriteModel:
    """Return a function that writes a sealed model and returns its path.

    `no_digit` adds an eleventh logit of that height; `value` makes a model of square error whose
    answer is the brightness of the first pixel times 10.
    """

    def write(
        name: str = "model.onnx",
        preparation: str = "none",
        temperature: float | None = None,
        calibrated_on: str = MADE_PICTURES,
        no_digit: float | None = None,
        value: bool = False,
    ) -> Path:
        flat = templates.reshape(10, 784).astype(np.float32) / 255
        weights, bias = 0.2 * flat.T, -0.1 * np.square(flat).sum(axis=1)
        if no_digit is not None:
            weights = np.concatenate([weights, np.zeros((784, 1), np.float32)], axis=1)
            bias = np.append(bias, np.float32(no_digit))
        if value:
            weights, bias = np.zeros((784, 1), np.float32), np.zeros(1, np.float32)
            weights[0] = 10
        calibration = None if temperature is None else Calibration(temperature, calibrated_on)
        metadata = properties("templates", preparation, calibration)
        model = onnx_model(weights, bias, metadata, "value" if value else "logits")
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seal(model))
        return path

    return write


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test where a stray `runs/` hurts nobody."""
    monkeypatch.chdir(tmp_path)
