"""The course's network in a plain PyTorch loop: data in memory, NCHW, PyTorch's own allocator."""

from common import BATCH, arguments, measure

chosen = arguments()

import numpy as np
import torch
from torch import nn

torch.set_num_threads(chosen.threads)
torch.manual_seed(1)
arrays = np.load(chosen.data)
images = torch.from_numpy(arrays["images"]).unsqueeze(1)
labels = torch.from_numpy(arrays["labels"])
network = nn.Sequential(
    nn.Conv2d(1, 20, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(20, 20, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(980, 10),
)  # fmt: skip
optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
last = torch.zeros(())


def step(number: int) -> None:
    global last
    at = number * BATCH % (len(images) - BATCH)
    optimizer.zero_grad()
    last = nn.functional.cross_entropy(network(images[at : at + BATCH]), labels[at : at + BATCH])
    last.backward()
    optimizer.step()


measure(step, chosen.steps, lambda: last.item())
