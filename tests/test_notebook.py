"""What a notebook shows: a line where there is one line, else HTML that stands by itself."""

from __future__ import annotations

import base64
import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import digitlab
from digitlab import Dataset, Recogniser, RunResult, Split
from digitlab.reading.pages import Page
from digitlab.reading.snapshot import SIDE
from small_models import WriteModel, picture_of

ODD = "<b>&\"'é.png"


class Parts(HTMLParser):
    """The pictures, the text and the tags of HTML; every tag must be closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pictures: list[Image.Image] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            source = dict(attrs)["src"] or ""
            kind, _, code = source.partition(",")
            assert kind == "data:image/png;base64"
            self.pictures.append(Image.open(io.BytesIO(base64.b64decode(code, validate=True))))
            assert dict(attrs)["alt"]
        elif tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def shown(value: Any) -> Parts:
    html = value._repr_html_()
    assert len(html) < 400_000
    assert "b" not in Parts(html).tags  # names are text
    return Parts(html)


def line(value: Any) -> str:
    text = repr(value)
    assert "\n" not in text
    assert len(text) < 160
    return text


@pytest.fixture
def recogniser(write_model: WriteModel) -> Recogniser:
    return Recogniser(write_model(temperature=1.5))


@pytest.fixture
def dataset(templates: np.ndarray) -> Dataset:
    labels = np.arange(10)
    wrong = Split(templates, np.where(labels == 4, 9, labels))
    return Dataset(ODD, {"train": Split(templates[:5], labels[:5]), "test": wrong}, ("<b> warns",))


def test_a_dataset_is_its_counts_and_a_contact_sheet(dataset: Dataset) -> None:
    assert line(dataset) == f"<Dataset {ODD!r}: train 5, test 10>"
    assert line(dataset.splits["train"]) == "<Split: 5 images>"
    parts = shown(dataset)
    assert ODD in parts.text
    assert "<b> warns" in parts.text
    assert re.search(r"test\s+10\s+1\s+1\s+1\s+1\s+0\s+1\s+1\s+1\s+1\s+2", parts.text)
    (sheet,) = parts.pictures
    assert sheet.width < 800
    assert shown(Dataset("none", {})).pictures == []


@pytest.mark.parametrize("size", [28, 160, 1000])
def test_a_reading_is_its_text_and_the_picture_with_it(recogniser: Recogniser, size: int) -> None:
    picture = picture_of(5, size, max(2, size // 18))
    reading = recogniser.read(picture, name=ODD)
    assert line(reading) == f"<Reading of {ODD!r}: {reading.to_text()}>"
    parts = shown(reading)
    assert ODD in parts.text
    assert reading.to_text() in parts.text
    (drawn,) = parts.pictures
    blue = (np.asarray(drawn.convert("RGB")) == (11, 97, 189)).all(axis=2)
    x, y, width, height = reading.rows[0].box
    factor = drawn.width / size
    ys, xs = np.nonzero(blue)  # the frame, and a label that begins or ends at one of its sides
    assert xs.min() == pytest.approx(x * factor, abs=24)
    assert ys.max() >= (y + height) * factor - 24
    assert width < size


def test_a_reading_keeps_little_and_is_equal_to_one_that_keeps_nothing(
    recogniser: Recogniser,
) -> None:
    colour = np.dstack([picture_of(5, 1500, 80)] * 3)
    reading = recogniser.read(colour)
    (of_many,) = recogniser.read_many([colour])
    assert reading.picture is not None
    assert max(reading.picture.picture.shape[:2]) <= SIDE  # type: ignore[attr-defined]
    assert of_many.picture is None
    assert reading == of_many
    assert hash(reading) == hash(of_many)
    assert reading.to_json() == of_many.to_json()
    assert shown(of_many).pictures == []
    colour[:] = 0  # what the caller does with it later is not shown
    assert np.asarray(shown(reading).pictures[0]).mean() > 100


def test_what_was_not_read_says_why(recogniser: Recogniser) -> None:
    missing = recogniser.read(f"/{ODD}")
    assert line(missing).startswith("<Reading of ")
    assert "missing: " in line(missing)
    assert "no such file" in shown(missing).text
    blank = recogniser.read(Page(3, np.full((40, 40), 200, np.uint8)))
    assert line(blank) == "<Reading, page 3: no digit found>"
    assert len(shown(blank).pictures) == 1


def test_a_recogniser_is_its_model(recogniser: Recogniser, write_model: WriteModel) -> None:
    assert (
        line(recogniser)
        == "<Recogniser model.onnx: templates, 10 outputs, calibrated on made pictures>"
    )
    assert "calibrated on made pictures" in shown(recogniser).text
    assert recogniser.model.sha256 in shown(recogniser).text
    assert "<b>.onnx" in shown(Recogniser(write_model("<b>.onnx"))).text
    plain = Recogniser(write_model(no_digit=0.0))
    assert line(plain) == "<Recogniser model.onnx: templates, 11 outputs, not calibrated>"
    value = Recogniser(write_model(value=True))
    assert line(value) == "<Recogniser model.onnx: templates, square error>"
    assert "value" in shown(value).text


def test_an_evaluation_is_its_table_and_its_mistakes(
    recogniser: Recogniser, dataset: Dataset
) -> None:
    report = digitlab.evaluate(recogniser, data=dataset)
    assert "accuracy 90.00 %, 1 errors of 10>" in line(report.evaluation)
    assert ODD in repr(report)
    assert "accuracy 90.00 %, 1 errors of 10>" in repr(report)
    parts = shown(report)
    assert len(parts.pictures) == 1
    assert parts.tags.count("tr") == 3 + 11
    assert "90.00 %" in shown(report.evaluation).text
    train = digitlab.evaluate(recogniser, data=dataset, split="train")
    assert shown(train).pictures == []  # nothing is wrong
    assert report != train
    assert report == report


def test_a_run_is_its_figures_and_its_curves_for_as_long_as_they_are_there(whole: Path) -> None:
    shutil.copytree(whole, ODD)
    run = RunResult(Path(ODD), digitlab.train(resume=whole).summary)
    assert re.fullmatch(r"<RunResult .*: small, test accuracy \d+\.\d\d %>", line(run))
    Image.new("RGB", (30, 20)).save(f"{ODD}/curves.png")
    parts = shown(run)
    assert ODD in parts.text
    assert "small" in parts.text
    steps = RunResult(Path(ODD), {**run.summary, "parameters": 43_386, "steps": 1_170})
    assert "parameters43,386" in (text := "".join(shown(steps).text.split()))
    assert "steps1,170" in text
    assert [picture.size for picture in parts.pictures] == [(30, 20)]
    shutil.rmtree(ODD)
    assert shown(run).pictures == []
    assert line(RunResult(Path("gone"), {})) == "<RunResult gone: None, test accuracy none>"
