"""Model files for the tests of reading: nearest templates of ten drawn digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from small_models import WriteModel, onnx_model, picture_of

from digitlab.preparation import prepare
from digitlab.reading.model_file import properties, seal


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
        metadata = properties("templates", preparation, temperature)
        model = onnx_model(weights, bias, metadata, "value" if value else "logits")
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seal(model))
        return path

    return write
