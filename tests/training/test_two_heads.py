"""A network that tells a box beside the digit is trained, measured, exported and read with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from torch import nn

import digitlab
from digitlab.boxes import MEANING, ink_boxes, mean_iou
from digitlab.branches import Branches
from digitlab.data.dataset import Dataset, Split
from digitlab.errors import ModelError
from digitlab.reading.model_file import load_model, seal
from digitlab.training.metrics import read_metrics


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Return few images of MNIST, one of each split black."""
    splits = {}
    for name, count in (("train", 1000), ("valid", 100), ("test", 100)):
        whole = digitlab.load_dataset("mnist").splits[name]
        images = whole.images[:count].copy()
        images[0] = 0
        splits[name] = Split(images, whole.labels[:count])
    return Dataset("few", splits)


@dataclass
class Trained:
    path: Path
    summary: dict[str, float]


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("two-heads") / "run"
    made = digitlab.train(
        "two-heads", data=digits, epochs=4, batch_size=32, threads=1, run_dir=folder
    )
    return Trained(made.path, dict(made.summary))


def test_a_run_says_how_well_its_boxes_fit(run: Trained) -> None:
    *_, last = (
        line for line in read_metrics(run.path / "metrics.jsonl") if line["kind"] == "epoch"
    )
    assert last["valid_mean_iou"] == run.summary["valid_mean_iou"]
    assert run.summary["test_mean_iou"] > 0.74  # 0.72: the mean box of all training images
    assert json.loads((run.path / "model.json").read_text())["outputs"] == 14


def test_evaluation_and_the_recogniser_agree_with_the_run(run: Trained, digits: Dataset) -> None:
    report = digitlab.evaluate(run.path, data=digits)
    assert report.evaluation.accuracy == run.summary["test_accuracy"]
    assert report.evaluation.mean_iou == pytest.approx(run.summary["test_mean_iou"], abs=1e-4)
    assert f"mean IoU of boxes  {report.evaluation.mean_iou:>9.3f}" in report.to_text()
    assert report.to_json()["mean_iou"] == report.evaluation.mean_iou
    images = digits.splits["test"].images
    told = digitlab.Recogniser(run.path).boxes(images)
    assert told.shape == (100, 4)
    assert told.dtype == np.float32
    assert not told[0].any()  # of a blank image
    assert mean_iou(told, images) == pytest.approx(report.evaluation.mean_iou)
    assert np.abs(told - ink_boxes(images)).mean() < 4  # pixels


def test_the_model_file_has_a_second_output_that_says_what_it_means(run: Trained) -> None:
    model = load_model(run.path / "model.onnx")
    assert model.boxes
    assert [one.name for one in model.session.get_outputs()] == ["logits", "box"]
    assert model.properties["box"] == MEANING
    assert model.temperature is not None


def test_int8_keeps_the_box(run: Trained, digits: Dataset) -> None:
    report = digitlab.export(run.path, "int8.onnx", int8=True, data=digits)
    assert report.int8 is not None
    before, after = report.int8.before.mean_iou, report.int8.after.mean_iou
    assert before is not None
    assert after == pytest.approx(before, abs=0.02)
    assert f"mean IoU of boxes{before:>41.3f}" in report.to_text()
    reading = digitlab.Recogniser("int8.onnx").read(picture())
    assert len(reading.text) == 1


def picture() -> npt.NDArray[np.uint8]:
    paper = np.full((80, 80), 255, np.uint8)
    paper[20:60, 38:44] = 0
    return paper


@pytest.mark.parametrize(
    ("meaning", "expected"), [("", "no property box"), ("corners", "box = 'corners', expected 'x,")]
)
def test_a_box_of_another_meaning_is_refused(run: Trained, meaning: str, expected: str) -> None:
    model = onnx.load(run.path / "model.onnx")
    changed = {one.key: one.value for one in model.metadata_props}
    changed |= {"box": meaning, "file_sha256": "0" * 64}
    onnx.helper.set_model_props(model, {key: value for key, value in changed.items() if value})
    Path("other.onnx").write_bytes(seal(model.SerializeToString()))
    with pytest.raises(ModelError, match=expected):
        load_model("other.onnx")


def test_a_model_without_boxes_says_so() -> None:
    with pytest.raises(ModelError, match="tells no boxes"):
        digitlab.Recogniser().boxes(np.zeros((1, 28, 28), np.uint8))


class Own(nn.Sequential):
    def __init__(self, outputs: int) -> None:
        super().__init__(nn.Flatten(), Branches(nn.Linear(784, outputs - 4), nn.Linear(784, 4)))


def test_a_network_of_ones_own_may_tell_boxes(digits: Dataset) -> None:
    made = digitlab.train(
        "two-heads", network=Own, data=digits, epochs=0.5, threads=1, run_dir="own"
    )
    assert digitlab.Recogniser(made).boxes(digits.splits["test"].images).shape == (100, 4)
