"""Real PaddlePaddle reads what is written here, and computes the same with it; and the reverse.

It runs in an interpreter of its own, which may have PaddlePaddle 1.8, too; see real_paddle.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from real_paddle import PYTHON, needs_paddle

from digitlab import networks
from digitlab.config import NetworkConfig, Recipe
from digitlab.paddle.export_run import export_parameters
from digitlab.paddle.matching import fitted
from digitlab.paddle.parameter_files import load, save
from digitlab.training.model_files import model_card, write_weights
from digitlab.training.run_folder import RunFolder
from digitlab.training.state import weights_sha256

# The course's convolutional network, whose class each major version spells in its own way.
_LESSON = """
import sys
import numpy as np
import paddle

folder, = sys.argv[1:]
images = np.load(folder + "/images.npy")
if paddle.__version__.startswith("1."):
    from paddle import fluid
    from paddle.fluid import dygraph
    class Network(dygraph.Layer):
        def __init__(self):
            super().__init__()
            self.conv1 = dygraph.Conv2D(1, 20, 5, padding=2, act="relu")
            self.conv2 = dygraph.Conv2D(20, 20, 5, padding=2, act="relu")
            self.pool = dygraph.Pool2D(2, "max", 2)
            self.fc = dygraph.Linear(980, 10)
        def forward(self, x):
            x = self.pool(self.conv2(self.pool(self.conv1(x))))
            return self.fc(fluid.layers.reshape(x, [x.shape[0], -1]))
    load = lambda path: fluid.load_dygraph(path)[0]
    save = lambda state, path, protocol: fluid.save_dygraph(state, path)
    fluid.enable_dygraph()
    tensor = dygraph.to_variable
else:
    from paddle import nn
    class Network(nn.Layer):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2D(1, 20, 5, padding=2)
            self.conv2 = nn.Conv2D(20, 20, 5, padding=2)
            self.pool = nn.MaxPool2D(2)
            self.fc = nn.Linear(980, 10)
        def forward(self, x):
            x = self.pool(self.conv1(x).clip(0.0))
            return self.fc(self.pool(self.conv2(x).clip(0.0)).flatten(1))
    load = lambda path: paddle.load(path + ".pdparams")
    save = lambda state, path, protocol: paddle.save(state, path + ".pdparams", protocol=protocol)
    tensor = paddle.to_tensor
network = Network()
for name in ("format-1", "format-2"):
    state = load(folder + "/" + name)
    assert sorted(state) == sorted(network.state_dict()), sorted(state)
    network.set_dict(state)
    np.save(folder + "/" + name + ".npy", network(tensor(images)).numpy())
network = Network()
for protocol in (2, 3, 4):
    save(network.state_dict(), folder + "/own-%d" % protocol, protocol)
np.save(folder + "/own.npy", network(tensor(images)).numpy())
print(paddle.__version__)
"""


@needs_paddle
@pytest.mark.process
def test_paddle_computes_the_same_with_the_same_parameters(tmp_path: Path) -> None:
    images = np.random.default_rng(1).random((4, 1, 28, 28), np.float32)
    np.save(tmp_path / "images.npy", images)
    ours = networks.build("cnn", 10, seed=1)
    run = tmp_path / "run"
    _write_run(run, ours)
    for format in (1, 2):
        export_parameters(run, tmp_path / f"format-{format}.pdparams", format)
    subprocess.run([PYTHON, "-c", _LESSON, tmp_path], check=True)
    expected = ours(torch.from_numpy(images)).detach().numpy()
    for name in ("format-1", "format-2"):
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, atol=1e-5)
    for protocol in (2, 3, 4):
        weights, _ = fitted(ours, load(tmp_path / f"own-{protocol}.pdparams"), {})
        ours.load_state_dict(weights)
        given = ours(torch.from_numpy(images)).detach().numpy()
        np.testing.assert_allclose(given, np.load(tmp_path / "own.npy"), atol=1e-5)


_OPTIMIZER = """
import sys
import numpy as np
import paddle

folder, = sys.argv[1:]
if paddle.__version__.startswith("1."):
    sys.exit(77)
layer = paddle.nn.Linear(2, 3)
adam = paddle.optimizer.Adam(paddle.optimizer.lr.StepDecay(0.1, 2), parameters=layer.parameters())
adam.set_state_dict(paddle.load(folder + "/saved.pdopt"))
state = adam.state_dict()
assert state["LR_Scheduler"] == {"last_epoch": 3, "last_lr": 0.05}, state
assert np.array_equal(state["linear_0.w_0_moment1_0"].numpy(), np.arange(6).reshape(2, 3))
"""


@needs_paddle
@pytest.mark.process
@pytest.mark.parametrize("format", [1, 2])
def test_paddle_takes_the_state_of_an_optimizer(format: int, tmp_path: Path) -> None:
    moment = np.arange(6, dtype=np.float32).reshape(2, 3)
    moments = {f"linear_0.w_0_moment{number}_0": moment for number in (1, 2)}
    schedule = {"LR_Scheduler": {"last_epoch": 3, "last_lr": 0.05}}
    save({**moments, **schedule}, tmp_path / "saved.pdopt", format)
    done = subprocess.run([PYTHON, "-c", _OPTIMIZER, tmp_path], check=False)
    if done.returncode == 77:
        pytest.skip("the state of optimizers has other keys in PaddlePaddle 1")
    assert done.returncode == 0


def _write_run(path: Path, network: torch.nn.Module) -> None:
    path.mkdir()
    weights = network.state_dict()
    card = model_card(Recipe(network=NetworkConfig(name="cnn")), 10, weights_sha256(weights))
    write_weights(RunFolder(path), weights, card)
