"""Makes the files beside it: python made_by_paddle.py FOLDER, with PaddlePaddle 3.3.1, numpy 2.4.6.

state.npz, adam.npz and types.npz hold the same as numpy saves it, for tests to compare with.
"""

import sys
from pathlib import Path

import numpy as np
import paddle
from paddle import nn


def main(folder):
    paddle.seed(1)
    network = nn.Sequential(
        ("conv", nn.Conv2D(1, 2, 3)),
        ("norm", nn.BatchNorm2D(2)),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(8, 3)),
    )
    schedule = paddle.optimizer.lr.StepDecay(0.01, 2)
    adam = paddle.optimizer.Adam(schedule, parameters=network.parameters())
    network(paddle.ones([2, 1, 4, 4])).mean().backward()
    adam.step()
    schedule.step()
    state, weight = network.state_dict(), network.fc.weight
    types = {
        **{kind: weight.astype(kind) for kind in ("bfloat16", "float16", "float64", "int64")},
        "bool": paddle.to_tensor(True),
        "scalar": paddle.to_tensor(3.0),
        "empty": paddle.zeros([0, 3]),
    }
    for protocol in (2, 3, 4):
        paddle.save(state, str(folder / f"state-{protocol}.pdparams"), protocol=protocol)
    paddle.save(adam.state_dict(), str(folder / "adam.pdopt"))
    nested = {"model": state, "opt": adam.state_dict(), "epoch": 100, "note": "the first"}
    paddle.save(nested, str(folder / "nested-4.pdparams"))
    paddle.save(nested, str(folder / "nested-2.pdparams"), protocol=2)
    paddle.save(types, str(folder / "types.pdparams"))
    paddle.save(weight, str(folder / "tensor.pdparams"))
    paddle.save(weight, str(folder / "binary.pdparams"), use_binary_format=True)
    for name, made in (("state", state), ("adam", adam.state_dict()), ("types", types)):
        arrays = {key: np.array(one) for key, one in made.items() if not isinstance(one, dict)}
        np.savez_compressed(folder / f"{name}.npz", **arrays)


main(Path(sys.argv[1]))
