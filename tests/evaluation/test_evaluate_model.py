"""Evaluating a model on a split: the report, its mistakes and their picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import digitlab.data
import digitlab.reading.guard
from commands import Command
from digitlab.data.dataset import Dataset, Split
from digitlab.errors import ConfigError, DataError, ModelError
from digitlab.evaluation import evaluate
from digitlab.preparation import prepare
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.refusal import refused
from digitlab.synthesis import camera
from digitlab.wording import percent
from small_models import WriteModel, picture_of

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
    assert shown["coverage"]["accuracy_at"][-1] == {"coverage": 1.0, "accuracy": 0.8}
    assert (shown["degraded"], shown["no_digits"]) == ([], None)
    assert report.to_text().startswith(f"{path} on swapped, split test\nnot calibrated\n\naccuracy")


@pytest.mark.parametrize("on", ["validation images", "made pictures"])
def test_a_report_says_on_what_the_model_was_calibrated(
    write_model: WriteModel, data: Dataset, on: str
) -> None:
    report = evaluate(write_model(temperature=1.5, calibrated_on=on), data.source)
    assert report.calibrated_on == report.to_json()["calibrated_on"] == on
    assert f"split test\ncalibrated on {on}\n\naccuracy" in report.to_text()
    assert f"<p>calibrated on {on}</p>" in report._repr_html_()


def test_what_may_be_wrong_with_the_data_is_told(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    test = digitlab.data.load_dataset("mnist").splits["test"]
    lying = Split(test.images[:30].transpose(0, 2, 1), test.labels[:30])
    dataset = Dataset("mine", {"test": lying}, ("passed over: holdout",))
    report = evaluate(write_model(), dataset)
    assert "passed over: holdout" in report.warnings
    assert report.warnings[-1].startswith("mine: the digits seem to lie on their sides")
    assert report.to_json()["warnings"] == list(report.warnings)
    monkeypatch.setattr(digitlab, "evaluate", lambda *_, **__: report)
    done = command("evaluate", "model.onnx", "--json")
    assert done.stderr.splitlines() == [f"warning: {one}" for one in report.warnings]


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
    report = evaluate(write_model(value=True, temperature=1.0), data.source)
    assert report.predictions.tolist() == [0] * 10
    assert report.evaluation.calibration_error is None
    assert report.calibrated_on is None
    assert "calibrated" not in report.to_text()
    assert report.mistakes.tolist() == list(range(1, 10))


def test_mistakes_are_drawn_with_truth_answer_and_confidence(
    write_model: WriteModel, data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn = []

    said = []

    def sheet(
        images: Templates, captions: list[str], columns: int, title: str, note: str
    ) -> Image.Image:
        drawn.append((images, captions, columns))
        said.append((title, note))
        return Image.new("L", (9, 9))

    pictures = pytest.importorskip("digitlab.contact_sheet")
    monkeypatch.setattr(pictures, "contact_sheet", sheet)
    report = evaluate(write_model(), data.source)
    assert report.write_mistakes(tmp_path / "mistakes.png")
    assert (tmp_path / "mistakes.png").exists()
    images, captions, columns = drawn[0]
    assert np.array_equal(images, data.splits["test"].images[[4, 9]])
    assert report.confidences is not None
    assert captions[0] == f"9 → 4  {percent(report.confidences[4], 0)}"
    assert columns == 2
    evaluate(write_model(value=True), data.source).mistakes_picture(most=1)
    assert drawn[1][1] == ["1 → 0"]
    assert said[0][0] == "All 2 mistakes"
    assert "7 → 2: a 7 that was answered 2" in said[0][1]
    assert "confidence" in said[0][1]
    assert said[1][0].startswith("The first 1 of ")  # square error knows no confidence
    assert "confiden" not in said[1][1]
    with pytest.raises(DataError, match="cannot be written"):
        report.write_mistakes(tmp_path / "none" / "mistakes.png")


def test_without_mistakes_nothing_is_drawn(
    write_model: WriteModel, templates: Templates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("digitlab.contact_sheet")
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


def test_how_many_digits_are_refused_by_default_is_told(
    write_model: WriteModel, data: Dataset
) -> None:
    coverage = evaluate(write_model(no_digit=50.0, temperature=1.0), data.source).coverage
    assert coverage is not None
    assert [one.refused for one in coverage.selections] == [10] * 6
    coverage = evaluate(write_model(no_digit=-50.0), data.source).coverage
    assert coverage is not None
    assert [(one.reject, one.refused) for one in coverage.selections] == [(None, 0)]


@pytest.mark.parametrize("no_digit", [None, 3.0, 6.0])
@pytest.mark.parametrize("reject", [None, "none", 0.05, 0.5])
def test_refusals_are_those_of_the_recogniser(
    write_model: WriteModel, no_digit: float | None, reject: float | str | None
) -> None:
    recogniser = Recogniser(write_model(no_digit=no_digit, temperature=1.5))
    pictures = [picture_of(digit) for digit in range(10)]
    readings = [recogniser.read(picture, reject=reject) for picture in pictures]
    likely = recogniser.probabilities(np.stack([prepare(picture) for picture in pictures]))
    assert ["?" in one.text for one in readings] == refused(likely, reject).tolist()


def test_kinds_of_pictures_go_the_whole_way_of_a_users_picture(
    write_model: WriteModel, data: Dataset, templates: Templates
) -> None:
    recogniser = Recogniser(write_model(temperature=1.5))
    heard: list[tuple[int, int]] = []
    report = evaluate(
        recogniser,
        data.source,
        degraded=True,
        pictures=2,
        progress=lambda *told: heard.append(told),
    )
    assert [kind.name for kind in report.kinds] == list(camera.KINDS)
    assert heard == [(done, 2 * len(camera.KINDS)) for done in range(1, heard[-1][1] + 1)]
    split = data.splits["test"]
    for kind in report.kinds:
        pictures = [camera.photograph(split.images[i], kind.name, 1, i) for i in (0, 9)]
        readings = [recogniser.read(picture, reject=0.01) for picture in pictures]
        digits = [one.rows[0].numbers[0].digits[0] for one in readings if one.rows]
        right = [digit.digit == label for digit, label in zip(digits, (0, 4), strict=True)]
        assert kind.evaluation.count - kind.evaluation.errors == sum(right)
        assert (kind.selection.reject, kind.found) == (0.01, len(digits))
        assert kind.selection.refused == sum(digit.refused for digit in digits)
    assert report.kinds[0].evaluation.errors == 1  # the one that is labelled otherwise
    rows = report.to_text().splitlines()
    assert len([row for row in rows if row.split()[:1] == ["low-resolution"]]) == 1
    assert "NaN" not in json.dumps(report.to_json())


def test_what_is_not_found_is_wrong_and_refused(
    write_model: WriteModel, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = np.full((60, 60, 3), 230, np.uint8)
    monkeypatch.setattr(camera, "photograph", lambda *_: paper)
    for kind in evaluate(write_model(), data.source, degraded=True, pictures=4).kinds:
        assert (kind.found, kind.evaluation.errors) == (0, 4)
        assert (kind.selection.reject, kind.selection.read) == (None, 0)


def test_blank_images_are_not_photographed(
    write_model: WriteModel, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = templates.copy()
    images[:8] = 0
    split = Dataset("faint", {"test": Split(images, np.arange(10))})
    monkeypatch.setattr(digitlab.data, "load_dataset", lambda _: split)
    report = evaluate(write_model(), "faint", degraded=True, pictures=5)
    assert report.kinds[0].evaluation.count == 2
    images[:] = 0
    with pytest.raises(DataError, match="blank"):
        evaluate(write_model(), "faint", degraded=True)


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Return a folder of four pictures without digits, a damaged one, a text and a hidden file."""
    folder = tmp_path / "strange"
    (folder / "deeper").mkdir(parents=True)
    noise = np.random.default_rng(1).integers(0, 255, (3, 40, 40), np.uint8)
    Image.fromarray(noise[0]).save(folder / "a.png")
    Image.fromarray(noise[1]).save(folder / "b.png")
    Image.fromarray(noise[2]).save(folder / "deeper" / "c.png")
    Image.new("L", (40, 40), 255).save(folder / "blank.png")
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden").write_text("no picture either")
    return folder


@pytest.mark.process
@pytest.mark.parametrize(("no_digit", "score"), [(None, "doubt"), (1.0, "no digit")])
def test_pictures_without_digits_are_told_from_digits(
    write_model: WriteModel,
    templates: Templates,
    strange: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_digit: float | None,
    score: str,
) -> None:
    right = Dataset("right", {"test": Split(templates, np.arange(10))})
    monkeypatch.setattr(digitlab.data, "load_dataset", lambda _: right)
    recogniser = Recogniser(write_model(no_digit=no_digit))
    report = evaluate(recogniser, "right", no_digits=strange)
    found = report.no_digits
    assert found is not None
    assert (found.count, found.score) == (4, score)
    assert [Path(path).name for path in found.unreadable] == ["cut.png"]
    assert (found.auroc, found.refused_at_kept) == (1.0, 1.0)
    names = [strange / name for name in ("a.png", "b.png", "blank.png", "deeper/c.png")]
    read = [any(digit.isdigit() for digit in recogniser.read(name).text) for name in names]
    assert found.refused == 4 - sum(read) >= 1
    assert "cannot be read: " in report.to_text()
    assert report.to_json()["no_digits"]["auroc"] == 1.0


@pytest.mark.process
def test_every_page_of_a_document_without_digits_is_read(
    write_model: WriteModel, data: Dataset, strange: Path
) -> None:
    pages = [Image.new("L", (60, 60), 220) for _ in range(3)]
    pages[0].save(strange / "blank.tif", save_all=True, append_images=pages[1:])
    progress: list[tuple[int, int]] = []
    report = evaluate(
        write_model(),
        data.source,
        no_digits=strange,
        progress=lambda done, of: progress.append((done, of)),
    )
    assert report.no_digits is not None
    assert report.no_digits.count == 4 + 3
    assert progress[-1] == (6, 6)  # files


@pytest.mark.process
def test_pictures_without_digits_are_decoded_where_a_decoder_may_die(
    write_model: WriteModel, data: Dataset, strange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, Path(__file__).parents[1] / "reading" / "misbehaving_decoder.py")
    misbehaving = digitlab.reading.guard.GuardedDecoder(command=command)
    monkeypatch.setattr(digitlab.reading.guard, "GuardedDecoder", lambda: misbehaving)
    with (strange / "b.png").open("ab") as file:
        file.write(b"DO:abort")
    found = evaluate(write_model(), data.source, no_digits=strange).no_digits
    assert found is not None
    assert [Path(path).name for path in found.unreadable] == ["b.png", "cut.png"]
    assert found.count == 3


@pytest.mark.process
def test_a_folder_without_pictures_is_named(
    write_model: WriteModel, data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        evaluate(write_model(), data.source, no_digits=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no picture that can be read"):
        evaluate(write_model(), data.source, no_digits=tmp_path / "empty")


def test_what_needs_confidence_is_refused_for_square_error(
    write_model: WriteModel, data: Dataset, strange: Path
) -> None:
    for asked in ({"degraded": True}, {"no_digits": strange}):
        with pytest.raises(ModelError, match="square error and has no confidences"):
            evaluate(write_model(value=True), data.source, **asked)
    report = evaluate(write_model(value=True), data.source)
    assert report.coverage is None
    assert not report.write_chart(Path("chart.png"))
    with pytest.raises(ConfigError, match="pictures = 0"):
        evaluate(write_model(), data.source, pictures=0)


def test_the_chart_is_a_picture(write_model: WriteModel, data: Dataset) -> None:
    report = evaluate(write_model(), data.source, degraded=True, pictures=1)
    assert report.write_chart(Path("chart.png"))
    assert Image.open("chart.png").size[1] > 600
    with pytest.raises(DataError, match="cannot be written"):
        report.write_chart(Path("none/chart.png"))
