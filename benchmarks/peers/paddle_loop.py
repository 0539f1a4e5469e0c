"""The course's network in PaddlePaddle's dynamic graph, data in memory."""

from common import BATCH, arguments, measure

chosen = arguments()

import numpy as np
import paddle
from paddle import nn

paddle.seed(1)
paddle.set_device("cpu")
arrays = np.load(chosen.data)
images = paddle.to_tensor(arrays["images"][:, None])
labels = paddle.to_tensor(arrays["labels"])
network = nn.Sequential(
    nn.Conv2D(1, 20, 5, padding=2), nn.ReLU(), nn.MaxPool2D(2, 2),
    nn.Conv2D(20, 20, 5, padding=2), nn.ReLU(), nn.MaxPool2D(2, 2),
    nn.Flatten(), nn.Linear(980, 10),
)  # fmt: skip
optimizer = paddle.optimizer.SGD(learning_rate=0.01, parameters=network.parameters())
last = paddle.zeros([])


def step(number: int) -> None:
    global last
    at = number * BATCH % (len(images) - BATCH)
    last = nn.functional.cross_entropy(network(images[at : at + BATCH]), labels[at : at + BATCH])
    last.backward()
    optimizer.step()
    optimizer.clear_grad()


measure(step, chosen.steps, lambda: float(last))
