"""Evaluating a model on a split: the report, its mistakes and their picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from small_models import WriteModel

import digitlab.data
from digitlab.data.dataset import Dataset, Split
from digitlab.errors import DataError
from digitlab.evaluation import evaluate
from digitlab.reading.recogniser import Recogniser

Templates = npt.NDArray[np.uint8]


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, templates: Templates) -> Dataset:
    """Return the templates as a test split in which the 4 and the 9 are labelled 9 and 4."""
    labels = np.arange(10)
    labels[[4, 9]] = (9, 4)
    faint = templates.copy()
    faint[9] //= 2
    nothing = Split(templates[:0], labels[:0])
    dataset = Dataset("swapped", {"test": Split(faint, labels), "valid": nothing})
    monkeypatch.setattr(digitlab.data, "load_dataset", lambda _: dataset, raising=False)
    return dataset


def test_a_report_says_what_was_measured(write_model: WriteModel, data: Dataset) -> None:
    path = write_model()
    report = evaluate(path, data.source)
    assert (report.evaluation.accuracy, report.evaluation.errors) == (0.8, 2)
    shown = json.loads(json.dumps(report.to_json()))
    assert (shown["model"], shown["data"], shown["split"]) == (str(path), "swapped", "test")
    assert shown["calibration_error"] > 0
    assert report.to_text().startswith(f"{path} on swapped, split test\n\naccuracy")


def test_the_most_confident_mistake_comes_first(write_model: WriteModel, data: Dataset) -> None:
    report = evaluate(write_model(), data.source)
    assert report.confidences is not None
    assert report.confidences[4] > report.confidences[9]
    assert report.mistakes.tolist() == [4, 9]


def test_accuracy_is_the_best_of_ten_with_refusal_off(
    write_model: WriteModel, data: Dataset
) -> None:
    report = evaluate(Recogniser(write_model(no_digit=50.0)), data.source)
    assert report.evaluation.accuracy == 0.8


def test_square_error_is_evaluated_without_confidence(
    write_model: WriteModel, data: Dataset
) -> None:
    report = evaluate(write_model(value=True), data.source)
    assert report.predictions.tolist() == [0] * 10
    assert report.evaluation.calibration_error is None
    assert report.mistakes.tolist() == list(range(1, 10))


def test_mistakes_are_drawn_with_truth_answer_and_confidence(
    write_model: WriteModel, data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn = []

    def sheet(images: Templates, captions: list[str], columns: int) -> Image.Image:
        drawn.append((images, captions, columns))
        return Image.new("L", (9, 9))

    pictures = pytest.importorskip("digitlab.pictures")
    monkeypatch.setattr(pictures, "contact_sheet", sheet)
    report = evaluate(write_model(), data.source)
    assert report.write_mistakes(tmp_path / "mistakes.png")
    assert (tmp_path / "mistakes.png").exists()
    images, captions, columns = drawn[0]
    assert np.array_equal(images, data.splits["test"].images[[4, 9]])
    assert report.confidences is not None
    assert captions[0] == f"9 → 4  {report.confidences[4]:.0%}".replace("%", " %")
    assert columns == 2
    evaluate(write_model(value=True), data.source).mistakes_picture(most=1)
    assert drawn[1][1] == ["1 → 0"]
    with pytest.raises(DataError, match="cannot be written"):
        report.write_mistakes(tmp_path / "none" / "mistakes.png")


def test_without_mistakes_nothing_is_drawn(
    write_model: WriteModel, templates: Templates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("digitlab.pictures")
    right = Dataset("right", {"test": Split(templates, np.arange(10))})
    monkeypatch.setattr(digitlab.data, "load_dataset", lambda _: right, raising=False)
    report = evaluate(write_model(), "right")
    assert not report.write_mistakes(tmp_path / "mistakes.png")
    assert not (tmp_path / "mistakes.png").exists()


def test_a_split_that_is_not_there_or_is_empty_is_named(
    write_model: WriteModel, data: Dataset
) -> None:
    with pytest.raises(DataError, match="no split 'train': expected one of test, valid"):
        evaluate(write_model(), data.source, split="train")
    with pytest.raises(DataError, match="split 'valid' has no images"):
        evaluate(write_model(), data.source, split="valid")
