"""Explanations: what the network saw is what it read, and where it looked is what mattered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from digitlab import Recogniser, preparation
from digitlab.decoding import load_picture
from digitlab.errors import DigitlabError
from digitlab.reading.explain import PATCH, attention, explain_reading
from digitlab.reading.sheet import explanation_sheet
from small_models import WriteModel, picture_of

Templates = npt.NDArray[np.uint8]


def test_attention_is_the_loss_of_probability_under_each_patch(
    write_model: WriteModel, templates: Templates
) -> None:
    recogniser = Recogniser(write_model(no_digit=-3.0))
    image, half = templates[4], PATCH // 2
    found = attention(recogniser, image)
    assert found.shape == (28, 28)
    assert found.dtype == np.float32
    whole = recogniser.probabilities(image[None])[0, 4]
    for y, x in ((0, 0), (14, 14), (9, 17), (27, 3)):
        covered = image.copy()
        covered[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = 0
        expected = whole - recogniser.probabilities(covered[None])[0, 4]
        assert found[y, x] == pytest.approx(expected, abs=1e-6)
    assert found[0, 0] == 0  # ground over ground
    assert found.max() > 0.01


def test_the_image_is_what_was_read_whatever_the_model_prepares(write_model: WriteModel) -> None:
    for name in preparation.VERSIONS:
        recogniser = Recogniser(write_model(preparation=name, no_digit=-3.0))
        picture = picture_of(7)
        reading = recogniser.read(picture, name="seven.png")
        explanation = explain_reading(recogniser, picture, reading)
        assert explanation.image is not None
        assert np.array_equal(explanation.image, preparation.prepare(picture))
        assert np.array_equal(explanation.steps[-1].image, explanation.image)
        assert explanation.digit == reading.rows[0].numbers[0].digits[0]
        assert explanation.digit.probabilities is not None
        assert explanation.no_digit == pytest.approx(
            1 - sum(explanation.digit.probabilities), abs=1e-5
        )


def test_an_explanation_is_written_for_people_and_for_programs(
    write_model: WriteModel, tmp_path: Path
) -> None:
    recogniser = Recogniser(write_model())
    picture = picture_of(3)
    reading = recogniser.read(picture, name="three.png")
    explain_reading(recogniser, picture, reading).write(tmp_path / "a" / "three")
    folder = tmp_path / "a" / "three"
    assert np.array_equal(load_picture(folder / "network-saw.png"), preparation.prepare(picture))
    assert load_picture(folder / "explanation.png").shape[1] == 1120
    content = json.loads((folder / "explanation.json").read_text())
    assert content["reading"] == json.loads(json.dumps(reading.to_json()))
    assert np.shape(content["attention"]) == np.shape(content["image"]) == (28, 28)
    assert content["steps"]


@pytest.mark.parametrize(
    ("options", "reject"),
    [({}, None), ({"no_digit": 50.0}, None), ({"value": True}, None), ({"no_digit": -3.0}, "none")],
)
def test_every_kind_of_answer_can_be_drawn(
    write_model: WriteModel, options: dict[str, float], reject: str | None
) -> None:
    recogniser = Recogniser(write_model(**options))
    large = np.stack([picture_of(2, 3000, 90)] * 3, axis=2)
    for picture in (picture_of(6), large, picture_of(1, 40, 2)):
        reading = recogniser.read(picture, name=f"{'x' * 300}\n\x1b.png", reject=reject)
        sheet = explanation_sheet(explain_reading(recogniser, picture, reading))
        assert sheet.mode == "RGB"
        assert 600 < sheet.height < 2500


def test_extreme_shapes_can_be_drawn(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    for shape in ((2000, 30), (30, 2000)):
        picture = np.full(shape, 255, np.uint8)
        picture[5:-5, 12:16] = 0
        reading = recogniser.read(picture)
        assert explanation_sheet(explain_reading(recogniser, picture, reading)).height < 2500


def test_blank_paper_is_explained_by_itself(write_model: WriteModel, tmp_path: Path) -> None:
    recogniser = Recogniser(write_model())
    blank = np.full((50, 60), 220, np.uint8)
    explanation = explain_reading(recogniser, blank, recogniser.read(blank))
    assert (explanation.image, explanation.attention, explanation.digit) == (None, None, None)
    explanation.write(tmp_path / "blank")
    assert json.loads((tmp_path / "blank/explanation.json").read_text())["attention"] is None
    assert not (tmp_path / "blank/network-saw.png").exists()
    assert Image.open(tmp_path / "blank/explanation.png").size[0] == 1120


def test_where_nothing_can_be_written_it_is_one_line(write_model: WriteModel) -> None:
    Path("file").touch()
    recogniser = Recogniser(write_model())
    explanation = explain_reading(recogniser, picture_of(3), recogniser.read(picture_of(3)))
    with pytest.raises(DigitlabError, match="file/x: the explanation cannot be written"):
        explanation.write(Path("file/x"))
