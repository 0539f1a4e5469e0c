"""Figures of answers: accuracy with its interval, confusions, calibration, AUROC.

Accuracy is that of the best of ten digits with refusal off. Used by the other files here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.wording import accuracy_text, percent

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating]

CLASSES = 10
CALIBRATION_BINS = 15
Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the answers of a model are worth.

    Attributes:
        count: samples.
        errors: samples whose best digit is not the label.
        accuracy: fraction of samples that are right; None without samples.
        interval: its 95 % interval, from and to (Wilson, 1927); None without samples.
        precision: for each digit, the fraction of its answers that are right; None where it was
            never the answer.
        recall: for each digit, the fraction of its samples that are right; None where it has none.
        confusion_matrix: int64 [10, 10], rows the truth, columns the answer.
        calibration_error: expected calibration error in 15 bins of equal width (Guo, Pleiss, Sun
            and Weinberger, 2017); None without probabilities.
        mean_iou: of the boxes that a model tells with those of the ink, over the images that have
            any; None for a model that tells none.
    """

    count: int
    errors: int
    accuracy: float | None
    interval: tuple[float, float] | None
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    confusion_matrix: Labels
    calibration_error: float | None
    mean_iou: float | None = None

    def __repr__(self) -> str:
        accuracy = accuracy_text(self.accuracy)
        return f"<Evaluation: accuracy {accuracy}, {self.errors:,} errors of {self.count:,}>"

    def _repr_html_(self) -> str:
        from digitlab import notebook

        return notebook.shown("Evaluation", self.to_html())

    def to_html(self) -> str:
        """Return the figures and the confusions of each digit as tables of HTML."""
        from digitlab import notebook

        if self.accuracy is None or self.interval is None:
            return notebook.note("no samples")
        low, high = self.interval
        figures = [
            ("accuracy", f"{percent(self.accuracy)} ({percent(low)} to {percent(high)})"),
            ("errors", f"{self.errors:,} of {self.count:,}"),
        ]
        if self.calibration_error is not None:
            figures.append(("calibration error", percent(self.calibration_error)))
        if self.mean_iou is not None:
            figures.append(("mean IoU of boxes", f"{self.mean_iou:.3f}"))
        rows = [
            (
                digit,
                _percent(self.precision[digit]),
                _percent(self.recall[digit]),
                *(count or None for count in self.confusion_matrix[digit].tolist()),
            )
            for digit in range(CLASSES)
        ]
        head = ("digit", "precision", "recall", *(f"as {digit}" for digit in range(CLASSES)))
        return notebook.table(figures) + notebook.table(rows, head)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` shows; what is not defined is null, never NaN."""
        return {
            "count": self.count,
            "errors": self.errors,
            "accuracy": self.accuracy,
            "accuracy_interval_95": None if self.interval is None else list(self.interval),
            "precision": list(self.precision),
            "recall": list(self.recall),
            "confusion_matrix": self.confusion_matrix.tolist(),
            "calibration_error": self.calibration_error,
            "mean_iou": self.mean_iou,
        }

    def to_text(self) -> str:
        """Return a table for a terminal: the figures, then a row of confusions for each digit."""
        if self.accuracy is None or self.interval is None:
            return "no samples"
        low, high = self.interval
        lines = [
            f"accuracy           {percent(self.accuracy):>9}   "
            f"(95 % interval {percent(low)} to {percent(high)})",
            f"errors             {self.errors:8,}   of {self.count:,}",
        ]
        if self.calibration_error is not None:
            lines.append(f"calibration error  {percent(self.calibration_error):>9}")
        if self.mean_iou is not None:
            lines.append(f"mean IoU of boxes  {self.mean_iou:>9.3f}")
        answers = "".join(f"{digit:>6}" for digit in range(CLASSES))
        lines += ["", f"digit  precision   recall   read as{answers}"]
        for digit in range(CLASSES):
            figures = "".join(
                f"{_percent(one[digit]):>10}" for one in (self.precision, self.recall)
            )
            counts = (f"{count or '·':>6}" for count in self.confusion_matrix[digit].tolist())
            lines.append(f"{digit:>5}{figures}          {''.join(counts)}")
        return "\n".join(lines)


def evaluate_predictions(
    labels: Labels, predictions: Labels, probabilities: Probabilities | None = None
) -> Evaluation:
    """Compare answers with the truth.

    Args:
        labels: int64 [N], each 0..9.
        predictions: int64 [N], each 0..9, the best of ten digits.
        probabilities: float [N, 10] or [N, 11], the eleventh for "no digit"; None where a model
            has none.
    """
    confusion = np.bincount(labels * CLASSES + predictions, minlength=CLASSES**2)
    confusion = confusion.reshape(CLASSES, CLASSES).astype(np.int64)
    right = np.diagonal(confusion)
    count, correct = int(confusion.sum()), int(right.sum())
    confidences = confidences_of(predictions, probabilities)
    return Evaluation(
        count=count,
        errors=count - correct,
        accuracy=fraction_of(correct, count),
        interval=wilson_interval(correct, count) if count else None,
        precision=tuple(map(fraction_of, right.tolist(), confusion.sum(axis=0).tolist())),
        recall=tuple(map(fraction_of, right.tolist(), confusion.sum(axis=1).tolist())),
        confusion_matrix=confusion,
        calibration_error=(
            None
            if confidences is None or not count
            else calibration_error(confidences, predictions == labels)
        ),
    )


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a fraction (Wilson, 1927); `trials` is at least 1.

    Unlike the textbook's normal interval it stays within [0, 1] and holds near 100 %.
    """
    fraction = successes / trials
    scale = 1 + Z_95**2 / trials
    centre = (fraction + Z_95**2 / (2 * trials)) / scale
    variance = fraction * (1 - fraction) / trials + Z_95**2 / (4 * trials**2)
    half = Z_95 * math.sqrt(variance) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration_error(confidences: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]) -> float:
    """Return the expected calibration error: 15 bins, |accuracy - confidence| weighted by count.

    Args:
        confidences: float [N], N at least 1, the probability of each answer.
        right: bool [N], whether the answer is the label.
    """
    # Bins are open on the left, as in Guo et al. (2017), so that 1.0 falls into the last, the 15th.
    bins = np.maximum(np.ceil(confidences * CALIBRATION_BINS).astype(np.int64), 1)
    surplus = np.bincount(bins, confidences - right)
    return float(np.abs(surplus).sum() / len(confidences))


def auroc(positive: npt.NDArray[np.floating], negative: npt.NDArray[np.floating]) -> float:
    """Return how often a positive score is above a negative one; a tie counts a half.

    It is the area under the curve of true over false positives (Hanley and McNeil, 1982).

    Args:
        positive: float [N], N at least 1.
        negative: float [M], M at least 1.
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).sum() / (2 * len(positive) * len(negative)))


def confidences_of(
    predictions: Labels, probabilities: Probabilities | None
) -> npt.NDArray[np.float64] | None:
    """Return the probability of each answer, float64 [N]; None where there are none."""
    if probabilities is None:
        return None
    return probabilities[np.arange(len(predictions)), predictions].astype(np.float64)


def fraction_of(part: int, whole: int) -> float | None:
    """Return a fraction; None of nothing."""
    return part / whole if whole else None


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else percent(fraction)
