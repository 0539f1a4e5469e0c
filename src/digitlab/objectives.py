"""The losses, and how a network's output becomes a digit; used by training.

Cross-entropy treats a digit as one of ten classes; square error treats it as a quantity, which it
is not, and the tutorial shows what that costs. Whatever a network gives for one image is one row
of numbers; an objective knows what each of them means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from digitlab import boxes
from digitlab.config import Recipe
from digitlab.preparation.glyph import SIDE

# Chosen on validation data: see docs/benchmarks.md.
_BOX_WEIGHT = 5.0  # of the box's loss, beside cross-entropy's 1


class Objective(Protocol):
    """A loss and its reading.

    Attributes:
        outputs: how many numbers a network gives for an image.
        looks_at_images: whether the loss depends on what the network was given.
    """

    outputs: int
    looks_at_images: bool

    def loss(self, output: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Return the loss summed (not averaged) over samples, a scalar.

        Args:
            output: float32 [N, outputs], what the network gave.
            labels: int64 [N].
            images: what it was given, [N, 1, 28, 28] or [N, 28, 28], float32 from 0 to 1 or uint8.
        """
        ...

    def digits(self, output: Tensor) -> Tensor:
        """Return int64 [N], the digits that an output means."""
        ...

    def answers(self, output: Tensor) -> Tensor:
        """Return int64 [N], the digits that an output means, or 10 where it means none."""
        ...

    def named(self, output: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the model file by name, each [N, ...]; see docs/formats.md."""
        ...

    def figures(self, output: Tensor, images: Tensor) -> Mapping[str, float | None]:
        """Return what there is to measure besides loss and accuracy, by name; see `loss`."""
        ...


class CrossEntropy:
    """Softmax cross-entropy in nats, optionally with smoothed labels (Szegedy et al., 2016)."""

    looks_at_images = False

    def __init__(self, label_smoothing: float = 0.0, outputs: int = 10) -> None:
        """Give `label_smoothing`, the probability spread evenly over all `outputs`, 10 or 11."""
        self.label_smoothing = label_smoothing
        self.outputs = outputs

    def loss(self, output: Tensor, labels: Tensor, images: Tensor) -> Tensor:
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

    def named(self, output: Tensor) -> dict[str, Tensor]:
        """Return the logits."""
        return {"logits": output}

    def figures(self, output: Tensor, images: Tensor) -> Mapping[str, float | None]:
        """Return nothing."""
        return {}


class CrossEntropyAndBox(CrossEntropy):
    """Cross-entropy of the digit, and the distance of a box from that of the ink.

    The last four outputs are the box: x, y, width and height as fractions of the image's side. Its
    loss is smooth L1 (Girshick, 2015), quadratic below a pixel, and 0 for an image without ink. The
    truth is in the image itself, as it was augmented.
    """

    looks_at_images = True

    def __init__(self, label_smoothing: float = 0.0, answers: int = 10) -> None:
        """Give `label_smoothing`, as of `CrossEntropy`, and how many answers there are."""
        super().__init__(label_smoothing, answers + boxes.NUMBERS)

    def loss(self, output: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Return the sum of both; see `Objective.loss`."""
        digits = super().loss(output[:, : -boxes.NUMBERS], labels, images)
        truths = torch.from_numpy(boxes.ink_boxes(_pixels(images))).to(output.device) / SIDE
        inked = truths[:, 2:3] > 0
        told = torch.where(inked, output[:, -boxes.NUMBERS :], truths)
        distance = functional.smooth_l1_loss(told, truths, reduction="sum", beta=1 / SIDE)
        return digits + _BOX_WEIGHT * distance

    def answers(self, output: Tensor) -> Tensor:
        """Return the most probable of all answers."""
        return super().answers(output[:, : -boxes.NUMBERS])

    def named(self, output: Tensor) -> dict[str, Tensor]:
        """Return the logits, and the box in pixels."""
        box = output[:, -boxes.NUMBERS :] * SIDE
        return {"logits": output[:, : -boxes.NUMBERS], "box": box}

    def figures(self, output: Tensor, images: Tensor) -> Mapping[str, float | None]:
        """Return the mean IoU of boxes and ink; None where there is no ink."""
        box = self.named(output)["box"].cpu().numpy()
        return {"mean_iou": boxes.mean_iou(box, _pixels(images))}


class SquareError:
    """Squared distance between one output and the digit as a number."""

    outputs = 1
    looks_at_images = False

    def loss(self, output: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Return the summed squared error; see `Objective.loss`."""
        return functional.mse_loss(output[:, 0], labels.to(output.dtype), reduction="sum")

    def digits(self, output: Tensor) -> Tensor:
        """Return the nearest of 0..9 (halves go to the even digit, as in numpy's rint)."""
        return output[:, 0].nan_to_num().round().clamp(0, 9).to(torch.int64)

    def answers(self, output: Tensor) -> Tensor:
        """Return the nearest of 0..9: this objective has no other answer."""
        return self.digits(output)

    def named(self, output: Tensor) -> dict[str, Tensor]:
        """Return the value."""
        return {"value": output}

    def figures(self, output: Tensor, images: Tensor) -> Mapping[str, float | None]:
        """Return nothing."""
        return {}


def build(recipe: Recipe) -> Objective:
    """Return the objective that a recipe names, with as many outputs as its data have answers."""
    if recipe.objective.name == "square-error":
        return SquareError()
    answers = 11 if recipe.handwriting.no_digit else 10
    smoothing = recipe.objective.label_smoothing
    if recipe.objective.name == "cross-entropy-and-box":
        return CrossEntropyAndBox(smoothing, answers)
    return CrossEntropy(smoothing, answers)


def _pixels(images: Tensor) -> npt.NDArray[Any]:
    """Return [N, 28, 28] of images of either shape."""
    return images.detach().cpu().numpy().reshape(-1, SIDE, SIDE)
