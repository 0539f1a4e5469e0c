"""Explanations: what the network saw is what it read, and where it looked is what mattered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from digitlab import Recogniser, preparation
from digitlab.decoding import load_picture
from digitlab.errors import DigitlabError
from digitlab.layout.page import read_page
from digitlab.preparation import VERSION, Glyph, Step, find_glyph
from digitlab.reading import explain as explain_module
from digitlab.reading import page_or_digit as page_or_digit_module
from digitlab.reading import sheet as sheet_module
from digitlab.reading.explain import PATCH, ExplainedDigit, attention, explain_reading
from digitlab.reading.pages import Page
from digitlab.reading.sheet import explanation_sheet
from digitlab.reading.types import REASONS, Digit, Mark, Number, Reading, Row
from small_models import WriteModel, picture_of, written

Templates = npt.NDArray[np.uint8]
Finder = Callable[..., npt.NDArray[np.uint8]]
PAPER = (250, 250, 248)


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Finder:
    """Return what makes a picture of digits side by side, each of which is found, the last first.

    That is what finding will do for pages; here it is told where the digits are.
    """

    def make(*digits: int) -> npt.NDArray[np.uint8]:
        pictures = [picture_of(digit) for digit in digits]

        def found(
            _: Any,
            name: str = "",
            record: Callable[[Step], None] | None = None,
            version: str = VERSION,
        ) -> Any:
            glyphs = []
            for at, picture in enumerate(pictures):
                glyph = find_glyph(picture, name, record, version)
                x, *rest = glyph.box
                glyphs.append(Glyph(glyph.image, (x + 160 * at, *rest)))
            return tuple(reversed(glyphs))

        for module in (explain_module, page_or_digit_module):
            monkeypatch.setattr(module, "find_glyphs", found)
        return np.hstack(pictures)

    return make


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
        (one,) = explanation.digits
        assert np.array_equal(one.image, preparation.prepare(picture))
        assert np.array_equal(explanation.steps[-1].image, one.image)
        assert [step.name for step in explanation.steps] == [
            step.name for step in preparation.explain(picture)
        ]
        assert one.digit == reading.rows[0].numbers[0].digits[0]
        assert one.digit.probabilities is not None
        assert one.no_digit == pytest.approx(1 - sum(one.digit.probabilities), abs=1e-5)


def test_a_picture_is_prepared_once_to_be_explained(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser, looks = Recogniser(write_model()), []
    find_ink = preparation.find_ink

    def counted(*arguments: Any) -> Any:
        looks.append(arguments)
        return find_ink(*arguments)

    monkeypatch.setattr(preparation, "find_ink", counted)
    reading = recogniser.read(picture_of(7))
    to_read = len(looks)
    explain_reading(recogniser, picture_of(7), reading)
    assert len(looks) == 2 * to_read > 0


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
    assert list(content) == ["reading", "no_digit", "patch", "attention", "image", "steps"]
    assert content["steps"]
    assert len(list(folder.iterdir())) == 3


def test_an_explanation_has_no_file_that_is_cut_short(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    recogniser, picture = Recogniser(write_model()), picture_of(3)
    explanation = explain_reading(recogniser, picture, recogniser.read(picture))
    explanation.write(Path("three"))
    before = {path: path.read_bytes() for path in Path("three").iterdir()}
    monkeypatch.setattr("digitlab.durable_files._write_through", write_half)
    with pytest.raises(DigitlabError, match="three: the explanation cannot be written: No space"):
        explanation.write(Path("three"))
    assert {path: path.read_bytes() for path in Path("three").iterdir()} == before


@pytest.mark.parametrize("options", [{}, {"no_digit": -3.0}, {"value": True}])
def test_each_of_several_digits_is_explained_as_if_it_were_alone(
    write_model: WriteModel, several: Finder, tmp_path: Path, options: dict[str, float]
) -> None:
    recogniser = Recogniser(write_model(**options))
    picture = several(3, 1, 4)
    reading = recogniser.read(picture, name="three.png")
    explanation = explain_reading(recogniser, picture, reading)
    assert [one.digit for one in explanation.digits] == list(reading.rows[0].numbers[0].digits)
    for digit, one in zip((3, 1, 4), explanation.digits, strict=True):
        assert np.array_equal(one.image, preparation.prepare(picture_of(digit)))
        assert np.array_equal(one.attention, attention(recogniser, one.image))
        if one.digit.probabilities is not None:
            left = 1 - sum(one.digit.probabilities)
            assert one.no_digit == (None if not options else pytest.approx(left, abs=1e-5))
    folder = tmp_path / "three"
    explanation.write(folder)
    content = json.loads((folder / "explanation.json").read_text())
    assert list(content)[-1] == "digits"
    assert len(content["digits"]) == 3
    for shown, one in zip(content["digits"], explanation.digits, strict=True):
        assert list(shown) == ["box", "no_digit", "attention", "image"]
        assert shown["box"] == list(one.digit.box)
        assert np.array_equal(shown["image"], one.image)
        assert np.abs(np.array(shown["attention"]) - one.attention).max() < 1e-6
        assert shown["no_digit"] == one.no_digit
    first = content["digits"][0]
    for key in ("no_digit", "attention", "image"):
        assert content[key] == first[key]
    for at, one in enumerate(explanation.digits):
        name = f"network-saw-{at + 1}.png" if at else "network-saw.png"
        assert np.array_equal(load_picture(folder / name), one.image)


def test_the_sheet_has_a_block_a_digit(write_model: WriteModel, several: Finder) -> None:
    recogniser = Recogniser(write_model(no_digit=-3.0))
    seen: dict[int, npt.NDArray[np.uint8]] = {}
    for digits in ((3,), (3, 1, 4)):
        picture = several(*digits)
        sheet = explanation_sheet(explain_reading(recogniser, picture, recogniser.read(picture)))
        seen[len(digits)] = np.asarray(sheet)
    colours = [(drawn == (11, 97, 189)).all(axis=2) for drawn in seen.values()]
    bars = [(found[:, 800:].sum(axis=1) > 60).astype(int) for found in colours]  # of the best
    assert [int((np.diff(found) == 1).sum()) for found in bars] == [1, 3]
    assert (seen[3][-16:] == PAPER).all()  # nothing was cut off


def test_the_sheet_shows_and_explains_more_than_one_digit(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    reading = recogniser.read(picture_of(3))
    (digit,) = reading.rows[0].numbers[0].digits
    found = {}
    for rivals in ((), ((120, 20, 20, 60),)):
        several = replace(digit, reason="more than one digit", rivals=rivals)
        row = Row((Number((several,), several.box, None),), several.box)
        explanation = explain_reading(recogniser, picture_of(3), Reading("a.png", (row,)))
        drawn = np.asarray(explanation_sheet(explanation))
        picture_ends = 560  # pixels
        greens = (drawn == (0, 128, 96)).all(axis=2)
        found[len(rivals)] = greens[:picture_ends].sum(), drawn.shape[0], explanation.to_json()
    assert found[0][0] == 0
    assert found[1][0] > 100
    assert found[1][1] > found[0][1]  # the lines that say what the frames are
    assert found[1][2] == found[0][2]


def test_the_sheet_of_a_page_says_which(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    drawn = {
        number: explanation_sheet(
            explain_reading(recogniser, page.picture, recogniser.read(page, name="sheet.pdf"))
        )
        for number in (None, 1, 2)
        for page in [Page(number, picture_of(3))]
    }
    assert len({sheet.tobytes() for sheet in drawn.values()}) == 3
    assert len({sheet.crop((0, 120, *sheet.size)).tobytes() for sheet in drawn.values()}) == 1


def test_a_sheet_of_very_many_digits_still_is_a_picture(
    write_model: WriteModel, several: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = Recogniser(write_model())
    picture = several(3, 1)
    explanation = explain_reading(recogniser, picture, recogniser.read(picture))
    many = explain_module.Explanation(
        picture, explanation.reading, explanation.steps, explanation.digits * 100
    )
    sheet = explanation_sheet(many)
    assert 20_000 < sheet.height < 32_767
    assert (np.asarray(sheet)[-16:] == PAPER).all()
    monkeypatch.setattr(sheet_module, "_MOST_ANSWERS", 1)
    assert explanation_sheet(many).height < 3000


@pytest.mark.parametrize(
    ("digits", "marks", "refused", "expected"),
    [
        ((), 0, False, "no digit found"),
        ((5,), 0, False, "read as 5, 81.2 % certain"),
        ((5,), 0, True, "refused as unsure (5, 81.2 %)"),
        ((5, 6), 0, False, "read as 56, 25.0 % certain"),
        ((5, 6), 0, True, "read as ?? (unsure)"),
        ((5,), 1, False, "read as -5, 25.0 % certain"),
        ((1,) * 99, 0, False, f"read as {'1' * 33}..., 25.0 % certain"),
    ],
)
def test_the_title_says_what_was_read_and_how_certain_that_is(
    digits: tuple[int, ...], marks: int, refused: bool, expected: str
) -> None:
    box = (0, 0, 9, 9)
    found = tuple(
        Digit(digit, 0.8125, "unsure" if refused else None, box, None) for digit in digits
    )
    number = Number(found, box, 0.25, (Mark("-", 0.9, False, box, 0),) * marks)
    blank = np.zeros((28, 28))
    explained = tuple(
        ExplainedDigit(one, blank.astype(np.uint8), blank.astype(np.float32), None) for one in found
    )
    rows = (Row((number,), box),) if digits else ()
    reading = Reading("a.png", rows)
    assert sheet_module.title(explain_module.Explanation(blank, reading, (), explained)) == expected


@pytest.mark.parametrize("reason", sorted(set(REASONS) - {"unsure"}))
def test_the_title_says_why_a_digit_is_refused(reason: str) -> None:
    box = (0, 0, 9, 9)
    digit = Digit(5, 0.8125, reason, box, None)
    reading = Reading("a.png", (Row((Number((digit,), box, 0.8125),), box),))
    blank = np.zeros((28, 28), np.uint8)
    explained = (ExplainedDigit(digit, blank, blank.astype(np.float32), None),)
    explanation = explain_module.Explanation(blank, reading, (), explained)
    assert sheet_module.title(explanation) == f"refused as {reason}"


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


@pytest.fixture(scope="module")
def reader() -> Recogniser:
    return Recogniser()  # the model that ships knows what is no digit, which pages need


def test_a_page_is_explained_from_its_sheet_to_its_least_certain_digits(
    reader: Recogniser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(explain_module, "MOST", 3)
    picture = written("27  33  45", "72      54", "33  25  72")
    cv2.line(picture, (20, 145), (picture.shape[1] - 20, 145), (90, 90, 90), 2)
    reading = reader.read(picture, name="table.png")
    explanation = explain_reading(reader, picture, reading)
    assert [step.name for step in explanation.steps] == [
        "picture",
        "sheet, straightened",
        "its ink",
        "the ink without rules",
        "the pieces, row by row",
    ]
    _, _, ink, bare, pieces = (step.image for step in explanation.steps)
    assert (ink > 0).sum() > (bare > 0).sum() > 0.5 * (ink > 0).sum()
    colours = {tuple(one) for one in pieces.reshape(-1, 3).tolist()} - {(255, 255, 255)}
    assert len(colours) == len(reading.rows) == 3
    digits = [
        (digit, f"row {row}, column {column}, digit {at}")
        for row, columns in ((1, (1, 2, 3)), (2, (1, 3)), (3, (1, 2, 3)))
        for number, column in zip(reading.rows[row - 1].numbers, columns, strict=True)
        for at, digit in enumerate(number.digits, 1)
    ]
    least = sorted(digits, key=lambda one: (not one[0].refused, one[0].confidence))[:3]
    assert [(one.digit, one.place) for one in explanation.digits] == least
    for one in explanation.digits:
        likely = reader.probabilities(one.image[None], prepared=True)[0, :10]
        assert one.digit.confidence == pytest.approx(likely[one.digit.digit], abs=0.3)
        assert int(likely.argmax()) == one.digit.digit
        assert np.array_equal(one.attention, attention(reader, one.image))
    explanation.write(tmp_path / "table")
    content = json.loads((tmp_path / "table/explanation.json").read_text())
    assert content["reading"] == json.loads(json.dumps(reading.to_json()))
    assert [one["box"] for one in content["digits"]] == [list(one.box) for one, _ in least]
    names = {path.name for path in (tmp_path / "table").iterdir()}
    assert names == {"explanation.json", "explanation.png", *(
        f"network-saw{number}.png" for number in ("", "-2", "-3")
    )}  # fmt: skip


def test_a_page_on_its_side_is_explained_as_it_is_read_and_one_that_may_not_turn_too(
    reader: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_module, "MOST", 1)
    upright = written("27  33  45", "72      54", "33  25  72")
    lying = np.ascontiguousarray(np.rot90(upright))
    reading = reader.read(lying)
    assert reading.text == "27 33 45\n72 54\n33 25 72"
    explanation = explain_reading(reader, lying, reading)
    assert explanation.steps[1].image.shape == upright.shape
    assert explanation.digits[0].place.startswith("row ")
    # Read as it lies, as it is where pages may not be turned.
    one, two = next(row for row in read_page(lying, reader.networks) if row.numbers).numbers[0][:2]
    digits = tuple(Digit(5, 0.4, "unsure", found.box, None) for found in (one, two))
    row = Row((Number(digits, one.box, None),), one.box)
    explanation = explain_reading(reader, lying, Reading("a.png", (row,)))
    assert explanation.steps[1].image.shape == lying.shape
    assert explanation.digits[0].digit == digits[0]


def test_the_sheet_of_a_page_shows_it_large_and_says_how_many_digits_it_leaves_out(
    reader: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_module, "MOST", 2)
    picture = written("27  33  45", "72      54", "33  25  72")
    said = []
    heading = sheet_module._Page.heading

    def heard(page: Any, text: str) -> None:
        said.append(text)
        heading(page, text)

    monkeypatch.setattr(sheet_module._Page, "heading", heard)
    drawn = np.asarray(explanation_sheet(explain_reading(reader, picture, reader.read(picture))))
    assert said[0] == "How the picture was prepared"
    assert all(one.startswith("Row ") and "column" in one for one in said[1:3])
    assert said[3:] == ["and 14 more digits, which are more certain"]
    assert (drawn[-16:] == PAPER).all()
    frame = np.flatnonzero((drawn[300] == (196, 196, 200)).all(axis=1))
    assert frame.max() - frame.min() > 800  # its digits can be read


def test_blank_paper_is_explained_by_itself(write_model: WriteModel, tmp_path: Path) -> None:
    recogniser = Recogniser(write_model())
    blank = np.full((50, 60), 220, np.uint8)
    explanation = explain_reading(recogniser, blank, recogniser.read(blank))
    assert (explanation.steps, explanation.digits) == ((), ())
    explanation.write(tmp_path / "blank")
    content = json.loads((tmp_path / "blank/explanation.json").read_text())
    assert list(content) == ["reading", "no_digit", "patch", "attention", "image", "steps"]
    assert [content[key] for key in ("no_digit", "attention", "image", "steps")] == [None] * 3 + [
        []
    ]
    assert not (tmp_path / "blank/network-saw.png").exists()
    assert Image.open(tmp_path / "blank/explanation.png").size[0] == 1120


def test_where_nothing_can_be_written_it_is_one_line(write_model: WriteModel) -> None:
    Path("file").touch()
    recogniser = Recogniser(write_model())
    explanation = explain_reading(recogniser, picture_of(3), recogniser.read(picture_of(3)))
    with pytest.raises(DigitlabError, match="file/x: the explanation cannot be written"):
        explanation.write(Path("file/x"))
