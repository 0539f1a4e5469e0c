"""The losses, and how a network's output becomes a digit; used by training.

Cross-entropy treats a digit as one of ten classes; square error treats it as a quantity, which it
is not, and the tutorial shows what that costs.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from digitlab.config import Recipe


class Objective(Protocol):
    """A loss and its reading."""

    outputs: int

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the loss summed (not averaged) over samples, a scalar.

        Args:
            output: float32 [N, outputs], what the network gave.
            labels: int64 [N].
        """
        ...

    def digits(self, output: Tensor) -> Tensor:
        """Return int64 [N], the digits that an output means."""
        ...

    def answers(self, output: Tensor) -> Tensor:
        """Return int64 [N], the digits that an output means, or 10 where it means none."""
        ...


class CrossEntropy:
    """Softmax cross-entropy in nats, optionally with smoothed labels (Szegedy et al., 2016)."""

    def __init__(self, label_smoothing: float = 0.0, outputs: int = 10) -> None:
        """Give `label_smoothing`, the probability spread evenly over all `outputs`, 10 or 11."""
        self.label_smoothing = label_smoothing
        self.outputs = outputs

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the summed cross-entropy; see `Objective.loss`."""
        return functional.cross_entropy(
            output, labels, label_smoothing=self.label_smoothing, reduction="sum"
        )

    def digits(self, output: Tensor) -> Tensor:
        """Return the most probable of ten digits."""
        return output[:, :10].argmax(dim=1)

    def answers(self, output: Tensor) -> Tensor:
        """Return the most probable of all answers."""
        return output.argmax(dim=1)


class SquareError:
    """Squared distance between one output and the digit as a number."""

    outputs = 1

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the summed squared error; see `Objective.loss`."""
        return functional.mse_loss(output[:, 0], labels.to(output.dtype), reduction="sum")

    def digits(self, output: Tensor) -> Tensor:
        """Return the nearest of 0..9 (halves go to the even digit, as in numpy's rint)."""
        return output[:, 0].nan_to_num().round().clamp(0, 9).to(torch.int64)

    def answers(self, output: Tensor) -> Tensor:
        """Return the nearest of 0..9: this objective has no other answer."""
        return self.digits(output)


def build(recipe: Recipe) -> Objective:
    """Return the objective that a recipe names, with as many outputs as its data have answers."""
    if recipe.objective.name == "square-error":
        return SquareError()
    outputs = 11 if recipe.handwriting.no_digit else 10
    return CrossEntropy(recipe.objective.label_smoothing, outputs)
