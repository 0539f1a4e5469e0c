"""Copies of model files for whoever reads without the run: as they are, or int8.

`export` is what `digitlab export` and `digitlab.export` call. A copy is checked before it is put in
place and once more where it lies; nothing of PyTorch is imported.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.data.dataset import Dataset, Images
from digitlab.data.memory import Source
from digitlab.durable_files import write_whole
from digitlab.errors import DataError, ModelError
from digitlab.evaluation import (
    Evaluation,
    EvaluationReport,
    evaluate_split,
    evenly,
    load_data_of,
)
from digitlab.exporting.quantise import PRECISION, SOURCE, quantise
from digitlab.preparation import prepare_images
from digitlab.reading.model_file import Model, load_model
from digitlab.reading.orientation import warnings_of
from digitlab.reading.recogniser import Recogniser
from digitlab.wording import percent

CALIBRATION_IMAGES = 1000  # ranges of activations did not change with more
NOTABLE_LOSS = 0.001  # of accuracy; a good model loses less
_SPEED_BATCH, _SPEED_ROUNDS = 500, 5
_SPLITS = ("test", "valid", "train")  # on which a copy is measured: the first that is there


@dataclass(frozen=True)
class Int8Check:
    """An int8 copy beside the model that it was made of.

    Attributes:
        calibration_images: training images on which the ranges were measured.
        data, split: on what both were measured.
        before, after: their figures.
        agreement: fraction of images to which both give the same digit.
        bytes_before: size of the model.
        images_per_second: of both, before and after, on this machine.
    """

    calibration_images: int
    data: str
    split: str
    before: Evaluation
    after: Evaluation
    agreement: float
    bytes_before: int
    images_per_second: tuple[float, float]

    @property
    def loss(self) -> float:
        """How much accuracy int8 costs, as a fraction; below 0 where it gained."""
        return (self.before.accuracy or 0.0) - (self.after.accuracy or 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "calibration_images": self.calibration_images,
            "data": self.data,
            "split": self.split,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "agreement": self.agreement,
            "bytes_before": self.bytes_before,
            "images_per_second_before": self.images_per_second[0],
            "images_per_second_after": self.images_per_second[1],
        }


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        source: the model file that was copied.
        path: the copy.
        bytes: its size.
        sha256: its identity, as in its seal.
        int8: how good it is beside the source; None for a plain copy, which is the same bytes.
        data_warnings: what may be wrong with the data that int8 was measured on, one line each.
    """

    source: str
    path: str
    bytes: int
    sha256: str
    int8: Int8Check | None
    data_warnings: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, one line each; empty where all is well."""
        if self.int8 is None or self.int8.loss <= NOTABLE_LOSS:
            return self.data_warnings
        costs = (
            f"int8 costs {100 * self.int8.loss:.2f} points of accuracy: compare it on pictures of "
            "your own, or use the model as it was"
        )
        return (*self.data_warnings, costs)

    def to_json(self) -> dict[str, Any]:
        """Return what `digitlab export --json` shows."""
        return {
            "source": self.source,
            "path": self.path,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "int8": None if self.int8 is None else self.int8.to_json(),
        }

    def to_text(self) -> str:
        """Return what `digitlab export` shows on a terminal."""
        first = f"{self.source} → {self.path}   {self.bytes:,} bytes, checked"
        if self.int8 is None:
            return first
        check, (slow, fast) = self.int8, self.int8.images_per_second
        rows = [
            ("", "before", "int8"),
            ("accuracy", *(_with_interval(one) for one in (check.before, check.after))),
            ("calibration error", *(_calibration(one) for one in (check.before, check.after))),
            *_boxes(check),
            ("bytes", f"{check.bytes_before:,}", f"{self.bytes:,}"),
            ("images a second", f"{slow:,.0f}", f"{fast:,.0f}"),
        ]
        table = [f"{name:<28}{before:>30}{after:>32}".rstrip() for name, before, after in rows]
        return "\n".join(
            [
                first,
                f"ranges measured on {check.calibration_images:,} training images; accuracy on "
                f"{check.before.count:,} images of {check.data}, split {check.split}; "
                f"both answer alike on {percent(check.agreement)}",
                "",
                *table,
            ]
        )


def export(
    model: str | PathLike[str] | None,
    to: str | Path,
    *,
    int8: bool = False,
    data: Source | Sequence[Source] | None = None,
    threads: int = 1,
) -> ExportReport:
    """Copy a model file to where it is wanted, whole and checked; or an int8 copy of it.

    Args:
        model: a RUN folder, an .onnx file, or None for the model that ships.
        to: the file to write; an earlier one is replaced.
        int8: quantise, which needs the extra `train` and pictures.
        data: of which int8 takes training images, and images to measure on; None: what a RUN
            learned from, and MNIST for whatever else. Not used for a plain copy.
        threads: of onnxruntime while the copy is measured.

    Raises:
        ModelError: where the model is none of ours, `to` is the model itself or cannot be written,
            or int8 is impossible.
        DataError: for int8, where the data cannot be loaded or have no training images.
        MissingExtraError: for int8, where `onnx` is not installed.
    """
    recogniser = Recogniser(model, threads)
    source, target = recogniser.model.path, Path(to)
    _check_target(source, target)
    content = source.read_bytes()
    check: Int8Check | None = None
    warned: tuple[str, ...] = ()
    if int8:
        dataset = load_data_of(model, data)
        warned = warnings_of(dataset)
        content, check = _int8(recogniser, content, dataset, threads)
    _put(target, content)
    written = load_model(target)
    if written.path.read_bytes() != content:
        raise ModelError(f"{target} is not what was written: check the disk")
    return ExportReport(str(source), str(target), len(content), written.sha256, check, warned)


def _check_target(source: Path, target: Path) -> None:
    # os.path, not pathlib, whose questions raise for names that no file can have.
    if os.path.isdir(target):
        raise ModelError(f"{target} is a folder: name a file, such as {target / 'model.onnx'}")
    if os.path.exists(target) and os.path.samefile(source, target):
        raise ModelError(f"{target} is the model itself: name another file")
    # What replaces a file replaces a link or a device, too, and not what stands behind it.
    if os.path.islink(target) or (os.path.exists(target) and not os.path.isfile(target)):
        raise ModelError(f"{target} is a link or no file: name a file")
    if not os.path.isdir(target.parent):
        raise ModelError(f"{target} cannot be written: there is no folder {target.parent}")


def _put(target: Path, content: bytes) -> None:
    try:
        write_whole(target, content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{target} cannot be written: {reason}; nothing was changed") from error


def _int8(
    before: Recogniser, model_bytes: bytes, dataset: Dataset, threads: int
) -> tuple[bytes, Int8Check]:
    """Return an int8 copy and how good it is."""
    model = before.model
    if model.properties.get(PRECISION) == "int8":
        raise ModelError(f"{model.path} is int8 already: export the model that it was made of")
    training = dataset.splits.get("train")
    if training is None or not len(training):
        raise DataError(f"{dataset.source} has no training images, which int8 needs; try --data")
    chosen = evenly(len(training), CALIBRATION_IMAGES)
    inputs = _inputs(model, training.images[chosen])
    content = quantise(model_bytes, {PRECISION: "int8", SOURCE: model.sha256}, inputs)
    name = next(name for name in _SPLITS if len(dataset.splits.get(name, ())))
    with TemporaryDirectory(prefix="digitlab-") as folder:
        path = Path(folder) / "int8.onnx"
        path.write_bytes(content)
        after = Recogniser(path, threads)
    reports = [evaluate_split(one, dataset, name) for one in (before, after)]
    return content, _compared(reports, before, after, inputs, len(model_bytes))


def _compared(
    reports: Sequence[EvaluationReport],
    before: Recogniser,
    after: Recogniser,
    inputs: npt.NDArray[np.float32],
    bytes_before: int,
) -> Int8Check:
    first, second = reports
    return Int8Check(
        calibration_images=len(inputs),
        data=first.data,
        split=first.split,
        before=first.evaluation,
        after=second.evaluation,
        agreement=float(np.mean(first.predictions == second.predictions)),
        bytes_before=bytes_before,
        images_per_second=(_speed(before.model, inputs), _speed(after.model, inputs)),
    )


def _inputs(model: Model, images: Images) -> npt.NDArray[np.float32]:
    """Return images as a model wants them, float32 [N, 1, 28, 28]."""
    prepared = prepare_images(images, model.preparation)
    return (prepared[:, None] / np.float32(255)).astype(np.float32)


def _speed(model: Model, inputs: npt.NDArray[np.float32]) -> float:
    """Return how many images a second a model reads in batches."""
    batch, times = inputs[:_SPEED_BATCH], []
    for _ in range(_SPEED_ROUNDS):
        began = time.perf_counter()
        model.session.run(None, {"images": batch})
        times.append(time.perf_counter() - began)
    return len(batch) / statistics.median(times)


def _with_interval(evaluation: Evaluation) -> str:
    if evaluation.accuracy is None or evaluation.interval is None:
        return "-"
    low, high = evaluation.interval
    return f"{percent(evaluation.accuracy)} ({percent(low)} to {percent(high)})"


def _boxes(check: Int8Check) -> list[tuple[str, ...]]:
    """Return the row of boxes; none for a model that tells none."""
    ious = (check.before.mean_iou, check.after.mean_iou)
    told = [f"{iou:.3f}" for iou in ious if iou is not None]
    return [("mean IoU of boxes", *told)] if len(told) == len(ious) else []


def _calibration(evaluation: Evaluation) -> str:
    error = evaluation.calibration_error
    return "-" if error is None else percent(error)
