"""Makes the files beside it: python made_by_paddle_1.py FOLDER, by PaddlePaddle 1.8.5, Python 3.7.

VERSION.pdparams and .pdopt are of save_dygraph, VERSION.npz holds the same as numpy saves it.
"""

import sys
from pathlib import Path

import numpy as np
import paddle
from paddle import fluid
from paddle.fluid import dygraph


class Network(dygraph.Layer):
    def __init__(self):
        super().__init__()
        self.conv = dygraph.Conv2D(1, 2, 3)
        self.norm = dygraph.BatchNorm(2)
        self.fc1 = dygraph.Linear(8, 3)
        self.fc2 = dygraph.Linear(3, 3)

    def forward(self, images):
        features = self.norm(self.conv(images))
        return self.fc2(self.fc1(fluid.layers.reshape(features, [2, 8])))


def main(folder):
    with dygraph.guard(fluid.CPUPlace()):
        fluid.default_startup_program().random_seed = 1
        fluid.default_main_program().random_seed = 1
        network = Network()
        images = dygraph.to_variable(np.arange(32, dtype="float32").reshape(2, 1, 4, 4) / 32)
        loss = fluid.layers.mean(network(images))
        loss.backward()
        rate = dygraph.PiecewiseDecay([2, 4], [0.1, 0.01, 0.001], 0)
        adam = fluid.optimizer.Adam(rate, parameter_list=network.parameters())
        adam.minimize(loss)
        path = folder / paddle.__version__
        arrays = {}
        for state in (network.state_dict(), adam.state_dict()):
            fluid.save_dygraph(state, str(path))
            arrays.update({key: one.numpy() for key, one in state.items() if hasattr(one, "numpy")})
        np.savez_compressed(f"{path}.npz", **arrays)


main(Path(sys.argv[1]))
