"""The ONNX model answers as the PyTorch model does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from digitlab import Recogniser, networks
from digitlab.data import load_dataset
from digitlab.objectives import CrossEntropy
from digitlab.parallel.shards import network_input
from digitlab.preparation import prepare_images
from digitlab.reading.model_file import Calibration
from digitlab.recipe_files import load_recipe
from digitlab.training.model_files import onnx_model
from digitlab.wording import MADE_PICTURES


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.chaos)])
def test_probabilities_agree_with_pytorch(tmp_path: Path, count: int) -> None:
    images = prepare_images(load_dataset("mnist").splits["test"].images[:count], "2")
    network = networks.build("photo", 11, seed=4).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # what starts at zero must be seen, too
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.manual_seed(1))
        parts = torch.split(network_input(images, torch.device("cpu")), 500)
        logits = torch.cat([network(part) for part in parts]).double()
    expected = torch.softmax(logits / 1.3, dim=1).numpy()
    assert expected.max(axis=1).std() > 0.01
    path = tmp_path / "model.onnx"
    calibration, objective = Calibration(1.3, MADE_PICTURES), CrossEntropy(outputs=11)
    path.write_bytes(
        onnx_model(network, objective, load_recipe("photo"), calibration, images[:500])
    )
    given = Recogniser(path).probabilities(images, prepared=True)
    assert np.abs(given - expected).max() <= 1e-5
