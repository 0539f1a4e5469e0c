"""Measuring a model: from what a user names to a report. Used by `digitlab evaluate` and export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitlab.boxes import mean_iou
from digitlab.data.dataset import Dataset, Images
from digitlab.data.memory import Source, dataset_in_memory, is_pair
from digitlab.errors import ConfigError, DataError, ModelError
from digitlab.evaluation.coverage import coverage_of
from digitlab.evaluation.figures import (
    CLASSES,
    Probabilities,
    confidences_of,
    evaluate_predictions,
)
from digitlab.evaluation.report import EvaluationReport
from digitlab.evaluation.robustness import PICTURES, Progress, measure_kinds, measure_no_digits
from digitlab.preparation import prepare_images

if TYPE_CHECKING:
    from digitlab.reading.recogniser import Recogniser

Sources = Source | Sequence[Source]


def evaluate(
    model: str | PathLike[str] | Recogniser | None = None,
    data: Sources | None = None,
    split: str = "test",
    *,
    degraded: bool = False,
    pictures: int = PICTURES,
    no_digits: str | Path | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Run a model over a split of some data.

    Args:
        model: a RUN folder, an .onnx file, a Recogniser, or None for the model that ships.
        data: one source or several, as `digitlab.load_dataset` takes them, also a `Dataset`; or
            arrays (images, labels), which are that split; None: what a RUN learned from, and
            MNIST for whatever else.
        split: "train", "valid" or "test".
        degraded: whether pictures are made of the split's digits, by kind of degradation, and read.
        pictures: of each kind, at most, at least 1.
        no_digits: a folder of pictures that hold no digit, to be read, too.
        threads: of onnxruntime; not used where `model` is a Recogniser.
        progress: is called with (done, all) after each picture that is made or read.

    Raises:
        TypeError: for data of another type.
        ModelError: where the model cannot be loaded, or has no confidences for what was asked.
        DataError: where the data cannot be loaded, lack the split or have no image in it, or
            `no_digits` holds no picture.
        ConfigError: where `pictures` is below 1.
    """
    from digitlab.reading.orientation import warnings_of
    from digitlab.reading.recogniser import Recogniser

    recogniser = model if isinstance(model, Recogniser) else Recogniser(model, threads)
    if recogniser.model.output == "value" and (degraded or no_digits is not None):
        raise ModelError(
            f"{recogniser.model.path} was trained with square error and has no confidences: "
            "it cannot be measured on degraded pictures or on what is no digit"
        )
    if pictures < 1:
        raise ConfigError(f"pictures = {pictures}: expected at least 1")
    if is_pair(data):
        dataset = dataset_in_memory(data, split)
    else:
        dataset = load_data_of(None if isinstance(model, Recogniser) else model, data)
    report = evaluate_split(
        recogniser, dataset, split, pictures if degraded else 0, no_digits, progress
    )
    return replace(report, warnings=warnings_of(dataset))


def load_data_of(model: str | PathLike[str] | None, data: Sources | None) -> Dataset:
    """Load the data that a user names; else what a RUN learned from; else MNIST.

    Raises:
        DataError: where they cannot be loaded.
    """
    from digitlab.data import load_dataset
    from digitlab.recipe_files import read_begun_in, read_data_config

    config = Path(model) / "config.toml" if model is not None else Path()
    if data is not None or not config.is_file():
        return load_dataset("mnist" if data is None else data)
    named = read_data_config(config)
    return load_dataset(named.sources, validation=named.validation, begun_in=read_begun_in(config))


def evaluate_split(
    recogniser: Recogniser,
    dataset: Dataset,
    split: str,
    pictures: int = 0,
    no_digits: str | Path | None = None,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Run a model over a split of a dataset; see `evaluate`.

    Args:
        recogniser: the model.
        dataset: which has the split.
        split: "train", "valid" or "test".
        pictures: of each kind of degradation; 0 for none.
        no_digits: a folder of pictures that hold no digit.
        progress: is called after each picture.

    Raises:
        DataError: where the split is missing or empty, or `no_digits` holds no picture.
    """
    if split not in dataset.splits:
        there = ", ".join(dataset.splits) or "none"
        raise DataError(f"{dataset.source} has no split {split!r}: expected one of {there}")
    samples = dataset.splits[split]
    images, labels = samples.images, samples.labels
    if not len(labels):
        raise DataError(f"{dataset.source}: split {split!r} has no images; try another split")
    probabilities: Probabilities | None = None
    if recogniser.model.output == "logits":
        probabilities = recogniser.probabilities(images)
        predictions = probabilities[:, :CLASSES].argmax(axis=1).astype(np.int64)
    else:
        predictions = recogniser.predict(images)
    confidences = confidences_of(predictions, probabilities)
    right = predictions == labels
    wrong = np.flatnonzero(~right)
    order = wrong if confidences is None else wrong[np.argsort(-confidences[wrong], kind="stable")]
    coverage = kinds = none = None
    if probabilities is not None and confidences is not None:
        calibrated = recogniser.model.calibrated_on is not None
        coverage = coverage_of(probabilities, confidences, right, calibrated)
        if pictures:
            kinds = measure_kinds(recogniser, samples, pictures, progress)
        if no_digits is not None:
            none = measure_no_digits(recogniser, no_digits, probabilities, progress)
    return EvaluationReport(
        model=str(recogniser.model.path),
        data=dataset.source,
        split=split,
        evaluation=replace(
            evaluate_predictions(labels, predictions, probabilities),
            mean_iou=_mean_iou(recogniser, images),
        ),
        mistakes=order.astype(np.int64),
        labels=labels,
        predictions=predictions,
        confidences=confidences,
        images=images,
        coverage=coverage,
        kinds=kinds or (),
        no_digits=none,
        calibrated_on=recogniser.model.calibrated_on,
    )


def _mean_iou(recogniser: Recogniser, images: Images) -> float | None:
    """Return how well a model's boxes fit the ink of images as it sees them; None without boxes."""
    if not recogniser.model.boxes:
        return None
    prepared = prepare_images(images, recogniser.model.preparation)
    return mean_iou(recogniser.boxes(prepared, prepared=True), prepared)
