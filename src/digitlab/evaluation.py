"""How good a model is on a split: accuracy with its interval, confusions, calibration, mistakes.

Used by training at its end, by `digitlab evaluate` and by studies; needs no PyTorch. Accuracy is
that of the best of ten digits with refusal off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from digitlab.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

    from digitlab.reading.recogniser import Recogniser

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating]

CLASSES = 10
CALIBRATION_BINS = 15
Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
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
    """

    count: int
    errors: int
    accuracy: float | None
    interval: tuple[float, float] | None
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    confusion_matrix: Labels
    calibration_error: float | None

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
        }

    def to_text(self) -> str:
        """Return a table for a terminal: the figures, then a row of confusions for each digit."""
        if self.accuracy is None or self.interval is None:
            return "no samples"
        low, high = self.interval
        lines = [
            f"accuracy           {self.accuracy:8.2%}   (95 % interval {low:.2%} to {high:.2%})",
            f"errors             {self.errors:8,}   of {self.count:,}",
        ]
        if self.calibration_error is not None:
            lines.append(f"calibration error  {self.calibration_error:8.2%}")
        answers = "".join(f"{digit:>6}" for digit in range(CLASSES))
        lines += ["", f"digit  precision   recall   read as{answers}"]
        for digit in range(CLASSES):
            figures = _percent(self.precision[digit]) + _percent(self.recall[digit])
            counts = (f"{count or '·':>6}" for count in self.confusion_matrix[digit].tolist())
            lines.append(f"{digit:>5}{figures}          {''.join(counts)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation, what it was made from, and its most confident mistakes.

    Attributes:
        model: the model file.
        data: the source, as the user named it.
        split: of the source.
        evaluation: the figures.
        mistakes: int64 [M], the indices in the split, the most confident first.
        labels: int64 [N], the truth.
        predictions: int64 [N], the answers.
        confidences: float64 [N], or None for a network trained with square error.
        images: uint8 [N, 28, 28], the split.
    """

    model: str
    data: str
    split: str
    evaluation: Evaluation
    mistakes: Labels
    labels: Labels
    predictions: Labels
    confidences: npt.NDArray[np.float64] | None
    images: npt.NDArray[np.uint8]

    def to_json(self) -> dict[str, Any]:
        """Return what `digitlab evaluate --json` shows."""
        about = {"model": self.model, "data": self.data, "split": self.split}
        return {**about, **self.evaluation.to_json()}

    def to_text(self) -> str:
        """Return what `digitlab evaluate` shows on a terminal."""
        return f"{self.model} on {self.data}, split {self.split}\n\n{self.evaluation.to_text()}"

    def mistakes_picture(self, most: int = 40, columns: int = 8) -> Image.Image | None:
        """Draw the most confident mistakes with captions like "4 → 9  97 %".

        Args:
            most: mistakes that are shown.
            columns: of the sheet.

        Returns:
            A picture, or None where there is no mistake to show.
        """
        from digitlab.pictures import contact_sheet

        shown = self.mistakes[:most]
        if not len(shown):
            return None
        captions = [self._caption(int(index)) for index in shown]
        return contact_sheet(self.images[shown], captions, min(columns, len(shown)))

    def write_mistakes(self, path: Path) -> bool:
        """Save the picture of mistakes; return False, writing nothing, where there is none.

        Raises:
            DataError: where the file cannot be written.
        """
        picture = self.mistakes_picture()
        if picture is None:
            return False
        try:
            picture.save(path)
        except (OSError, ValueError) as error:  # ValueError: a suffix that Pillow does not know
            reason = getattr(error, "strerror", None) or str(error)
            raise DataError(f"{path} cannot be written: {reason}; try a .png elsewhere") from error
        return True

    def _caption(self, index: int) -> str:
        answer = f"{self.labels[index]} → {self.predictions[index]}"
        if self.confidences is None:
            return answer
        return f"{answer}  {self.confidences[index]:.0%}".replace("%", " %")


def evaluate(
    model: str | Path | Recogniser | None = None,
    data: str | Path | Sequence[str | Path] | None = None,
    split: str = "test",
    *,
    threads: int = 1,
) -> EvaluationReport:
    """Run a model over a split of some data.

    Args:
        model: a RUN folder, an .onnx file, a Recogniser, or None for the model that ships.
        data: one source or several, as `digitlab.load_dataset` takes them; None: what a RUN
            learned from, and MNIST for whatever else.
        split: "train", "valid" or "test".
        threads: of onnxruntime; not used where `model` is a Recogniser.

    Raises:
        ModelError: where the model cannot be loaded.
        DataError: where the data cannot be loaded, lack the split or have no image in it.
    """
    from digitlab.config import read_sources
    from digitlab.data import load_dataset
    from digitlab.reading.recogniser import Recogniser

    recogniser = model if isinstance(model, Recogniser) else Recogniser(model, threads)
    if data is None:
        config = Path(model) / "config.toml" if isinstance(model, str | Path) else Path()
        data = read_sources(config) if config.is_file() else "mnist"
    dataset = load_dataset(data)
    if split not in dataset.splits:
        there = ", ".join(dataset.splits) or "none"
        raise DataError(f"{dataset.source} has no split {split!r}: expected one of {there}")
    images, labels = dataset.splits[split].images, dataset.splits[split].labels
    if not len(labels):
        raise DataError(f"{dataset.source}: split {split!r} has no images; try another split")
    probabilities: Probabilities | None = None
    if recogniser.model.output == "logits":
        probabilities = recogniser.probabilities(images)
        predictions = probabilities[:, :CLASSES].argmax(axis=1).astype(np.int64)
    else:
        predictions = recogniser.predict(images)
    confidences = _confidences(predictions, probabilities)
    wrong = np.flatnonzero(predictions != labels)
    order = wrong if confidences is None else wrong[np.argsort(-confidences[wrong], kind="stable")]
    return EvaluationReport(
        model=str(recogniser.model.path),
        data=dataset.source,
        split=split,
        evaluation=evaluate_predictions(labels, predictions, probabilities),
        mistakes=order.astype(np.int64),
        labels=labels,
        predictions=predictions,
        confidences=confidences,
        images=images,
    )


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
    confidences = _confidences(predictions, probabilities)
    return Evaluation(
        count=count,
        errors=count - correct,
        accuracy=_fraction(correct, count),
        interval=wilson_interval(correct, count) if count else None,
        precision=tuple(map(_fraction, right.tolist(), confusion.sum(axis=0).tolist())),
        recall=tuple(map(_fraction, right.tolist(), confusion.sum(axis=1).tolist())),
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


def _confidences(
    predictions: Labels, probabilities: Probabilities | None
) -> npt.NDArray[np.float64] | None:
    if probabilities is None:
        return None
    return probabilities[np.arange(len(predictions)), predictions].astype(np.float64)


def _fraction(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(fraction: float | None) -> str:
    return f"{'-' if fraction is None else format(fraction, '.2%'):>10}"
