"""The reference: the MNIST example of pytorch/examples, its network and settings, data in memory.

Network, Adadelta at 1.0, StepLR 0.7 an epoch, batch 64, normalisation and the 60,000 training
images as in https://github.com/pytorch/examples/tree/main/mnist. After every epoch it prints the
seconds of training so far (without evaluation) and the test accuracy as JSON, until the accuracy
asked for is reached.
"""

import argparse
import json
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import StepLR

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--accuracy", type=float, required=True)
parser.add_argument("--most-epochs", type=int, default=14)
chosen = parser.parse_args()
torch.set_num_threads(chosen.threads)
torch.manual_seed(chosen.seed)

arrays = np.load(chosen.data)


def prepared(name: str) -> torch.Tensor:
    pixels = torch.from_numpy(arrays[name]).float().unsqueeze(1) / 255
    return (pixels - 0.1307) / 0.3081


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        x = torch.flatten(self.dropout1(functional.max_pool2d(x, 2)), 1)
        x = self.dropout2(functional.relu(self.fc1(x)))
        return functional.log_softmax(self.fc2(x), dim=1)


images, labels = prepared("train_images"), torch.from_numpy(arrays["train_labels"])
test_images, test_labels = prepared("test_images"), torch.from_numpy(arrays["test_labels"])
network = Net()
optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
seconds = 0.0
for epoch in range(1, chosen.most_epochs + 1):
    network.train()
    began = time.perf_counter()
    for batch in torch.randperm(len(images)).split(64):
        optimizer.zero_grad()
        functional.nll_loss(network(images[batch]), labels[batch]).backward()
        optimizer.step()
    scheduler.step()
    seconds += time.perf_counter() - began
    network.eval()
    with torch.no_grad():
        parts = [network(part).argmax(1) for part in test_images.split(1000)]
    accuracy = float((torch.cat(parts) == test_labels).float().mean())
    print(json.dumps({"epoch": epoch, "seconds": seconds, "accuracy": accuracy}), flush=True)
    if accuracy >= chosen.accuracy:
        break
