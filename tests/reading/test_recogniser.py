"""The recogniser: digits, probabilities, refusals and readings, from any source."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from digitlab import GuardedDecoder, Limits, preparation
from digitlab.data import load_dataset
from digitlab.errors import CalibrationWarning, ConfigError, ModelError, PictureError
from digitlab.reading import model_file
from digitlab.reading import recogniser as recogniser_module
from digitlab.reading.recogniser import Recogniser
from small_models import WriteModel, picture_of

Templates = npt.NDArray[np.uint8]


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", picture)[1])


def in_the_corner(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    moved = np.zeros_like(image)
    ys, xs = np.nonzero(image)
    glyph = image[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    moved[1 : 1 + len(glyph), 1 : 1 + glyph.shape[1]] = glyph
    return moved


def test_a_file_its_bytes_and_its_array_read_alike(write_model: WriteModel, tmp_path: Path) -> None:
    recogniser = Recogniser(write_model())
    for digit in range(10):
        picture = picture_of(digit)
        file = tmp_path / f"{digit}.png"
        file.write_bytes(png(picture))
        readings = [recogniser.read(one) for one in (file, str(file), png(picture), picture)]
        assert [reading.text for reading in readings] == [str(digit)] * 4
        assert [reading.file for reading in readings] == [str(file), str(file), None, None]
        assert len({reading.rows for reading in readings}) == 1


def test_a_reading_has_one_digit_with_its_box_and_probabilities(write_model: WriteModel) -> None:
    picture = picture_of(4)
    reading = Recogniser(write_model()).read(picture, name="four")
    (row,) = reading.rows
    (number,) = row.numbers
    (digit,) = number.digits
    ys, xs = np.nonzero(picture < 128)
    expected = np.array([xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()])
    assert np.abs(np.array(digit.box) - expected).max() <= 2
    assert row.box == number.box == digit.box
    assert (reading.file, digit.digit, digit.refused, reading.error) == ("four", 4, False, None)
    assert digit.probabilities is not None
    assert digit.confidence == number.confidence == max(digit.probabilities)
    assert sum(digit.probabilities) == pytest.approx(1, abs=1e-6)


def test_a_picture_that_cannot_be_read_is_an_entry_and_the_others_are_read(
    write_model: WriteModel, tmp_path: Path
) -> None:
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    blank = np.full((50, 50), 200, np.uint8)
    sources = [picture_of(1), text, tmp_path / "none.png", blank, picture_of(2)]
    readings = list(Recogniser(write_model()).read_many(sources))
    codes = [reading.error and reading.error.code for reading in readings]
    assert codes == [None, "not-a-picture", "missing", None, None]
    assert [reading.text for reading in readings] == ["1", "", "", "", "2"]
    assert readings[3].to_text() == "no digit found"
    assert readings[1].to_json()["rows"] == readings[3].to_json()["rows"] == []
    assert str(text) in readings[1].to_json()["error"]["message"]


def test_an_empty_name_can_be_seen(write_model: WriteModel) -> None:
    reading = Recogniser(write_model()).read("")
    assert reading.error is not None
    assert reading.error.message == "'': no such file; check the path"


def test_bytes_are_called_what_the_caller_calls_them(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    reading = recogniser.read(b"junk", name="upload 7")
    assert reading.file == "upload 7"
    assert reading.error is not None
    assert reading.error.message.startswith("upload 7 ")


def test_the_limit_of_pixels_is_an_option(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    error = recogniser.read(png(picture_of(3)), max_pixels=100).error
    assert error is not None
    assert error.code == "too-large"
    many = recogniser.read_many([png(picture_of(3))], max_pixels=100)
    assert [reading.error for reading in many] == [error]


@pytest.mark.parametrize("name", ["none", "2"])
def test_dataset_images_are_prepared_as_the_model_says(
    write_model: WriteModel, templates: Templates, name: str
) -> None:
    moved = np.stack([in_the_corner(template) for template in templates])
    answers = Recogniser(write_model(preparation=name)).predict(moved)
    assert (answers == np.arange(10)).all() == (name == "2")


def test_files_are_prepared_whatever_the_model_says(
    write_model: WriteModel, templates: Templates
) -> None:
    for name in ("none", "2"):
        recogniser = Recogniser(write_model(preparation=name))
        moved = np.stack([in_the_corner(template) for template in templates])
        assert "".join(recogniser.read(png(one)).text for one in moved) == "0123456789"


def test_probabilities_take_bytes_floats_and_other_sizes(
    write_model: WriteModel, templates: Templates
) -> None:
    recogniser = Recogniser(write_model())
    expected = recogniser.probabilities(templates)
    assert expected.dtype == np.float32
    assert expected.shape == (10, 10)
    assert np.abs(expected.sum(axis=1) - 1).max() < 1e-6
    floats = recogniser.probabilities(templates / 255.0)
    assert np.abs(expected - floats).max() < 1e-6
    large = np.stack([picture_of(digit) for digit in range(10)])
    assert np.abs(recogniser.probabilities(large) - expected).max() < 1e-6
    assert np.abs(recogniser.probabilities(large / 255.0) - expected).max() < 1e-6


def test_no_images_give_no_answers(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model(no_digit=0.0))
    assert recogniser.probabilities(np.zeros((0, 28, 28), np.uint8)).shape == (0, 11)
    assert recogniser.probabilities(np.zeros((0, 90, 60), np.uint8)).shape == (0, 11)
    assert recogniser.predict(np.zeros((0, 28, 28))).dtype == np.int64


@pytest.mark.parametrize(
    "images",
    [
        np.full((1, 28, 28), 255.0),
        np.full((1, 28, 28), np.nan),
        np.full((1, 28, 28), -0.1),
        np.full((1, 28, 28), -1),
        np.full((1, 28, 28), 256),
        np.zeros((1, 28, 28, 3), np.uint8),
        np.zeros((1, 3, 28, 28), np.uint8),
        np.zeros((28, 28, 1), np.uint8),
        np.zeros((5, 784), np.uint8),
        np.zeros(784, np.uint8),
        np.zeros((1, 0, 28), np.uint8),
        np.float32(0),
    ],
)
@pytest.mark.parametrize("prepared", [False, True])
def test_arrays_of_another_shape_or_range_are_one_line(
    write_model: WriteModel, images: Templates, prepared: bool
) -> None:
    recogniser = Recogniser(write_model())
    with pytest.raises(PictureError, match=r"^images .*expected") as caught:
        recogniser.probabilities(images, prepared=prepared)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "images", [None, "3", object(), np.zeros((1, 28, 28), complex), np.zeros((1, 28, 28), object)]
)
def test_what_holds_no_numbers_is_a_type_error(write_model: WriteModel, images: object) -> None:
    with pytest.raises(TypeError, match=r"^the images: .*expected integers") as caught:
        Recogniser(write_model()).probabilities(images)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_that_are_not_finite_are_said_in_plain_words(
    write_model: WriteModel, value: float, dtype: type
) -> None:
    image = np.zeros((1, 28, 28), dtype)
    image[0, 3, 4] = value
    recogniser, words = (
        Recogniser(write_model()),
        r"have values that are NaN \(not a number\) or inf",
    )
    for prepared in (True, False):
        with pytest.raises(PictureError, match=rf"^images {words}.*; expected floats from 0 to 1$"):
            recogniser.probabilities(image, prepared=prepared)
    error = recogniser.read(image[0]).error
    assert error is not None
    assert "values that are NaN (not a number) or infinite; expected" in error.message


def test_a_row_of_784_pixels_says_how_it_becomes_an_image(write_model: WriteModel) -> None:
    with pytest.raises(PictureError, match=r"reshape\(-1, 28, 28\)"):
        Recogniser(write_model()).probabilities(np.zeros((5, 784), np.uint8))


@pytest.mark.parametrize("name", preparation.VERSIONS)
def test_images_are_taken_as_programs_have_them(
    write_model: WriteModel, templates: Templates, name: str
) -> None:
    recogniser = Recogniser(write_model(preparation=name))
    expected = recogniser.probabilities(templates)
    floats = torch.tensor(templates / 255, requires_grad=True)
    alike = [
        templates.astype(np.int64),
        templates[:, None],
        templates[..., None],
        torch.tensor(templates),
        torch.tensor(templates).long()[:, None],
        floats,
        floats.float()[:, None],
        list(templates),
        list(floats),
    ]
    for images in alike:
        assert np.abs(recogniser.probabilities(images) - expected).max() < 1e-6  # type: ignore[arg-type]
    inked = templates > 127
    of_bools = recogniser.probabilities(inked)
    assert np.array_equal(of_bools, recogniser.probabilities(inked.astype(np.uint8) * 255))
    coarse = recogniser.probabilities(floats.bfloat16())  # type: ignore[arg-type]
    assert (coarse.argmax(axis=1) == expected.argmax(axis=1)).all()
    alone = recogniser.probabilities(templates[7])
    assert alone.shape == (1, 10)
    assert np.abs(alone[0] - expected[7]).max() < 1e-6
    assert recogniser.predict(templates[7].tolist()).tolist() == [7]


def test_strided_and_other_floats_are_the_same_images(
    write_model: WriteModel, templates: Templates
) -> None:
    recogniser = Recogniser(write_model())
    expected = recogniser.probabilities(templates)
    padded = np.zeros((20, 56, 84), np.uint8)
    padded[::2, ::2, ::3] = templates
    assert np.array_equal(recogniser.probabilities(padded[::2, ::2, ::3]), expected)
    turned = np.asfortranarray(templates)
    assert np.array_equal(recogniser.probabilities(turned), expected)
    assert np.array_equal(recogniser.probabilities(templates[::-1])[::-1], expected)
    for kind in (np.float16, np.float32, np.float64):
        floats = (templates / 255).astype(kind)
        assert np.abs(recogniser.probabilities(floats) - expected).max() < 2e-3
    before = templates.copy()
    recogniser.probabilities(templates / np.float32(255))
    assert np.array_equal(before, templates)


@pytest.mark.parametrize("side", [28, 90])
@pytest.mark.parametrize("name", preparation.VERSIONS)
def test_a_blank_image_is_no_digit_and_costs_the_others_nothing(
    write_model: WriteModel, side: int, name: str
) -> None:
    ground = 0 if side == 28 else 230
    images = np.full((3, side, side), ground, np.uint8)
    images[1] = picture_of(7, side) if side == 90 else preparation.prepare(picture_of(7))
    eleven = Recogniser(write_model("a.onnx", preparation=name, no_digit=-3.0))
    likely = eleven.probabilities(images)
    assert likely[0].tolist() == likely[2].tolist() == [0.0] * 10 + [1.0]
    assert np.array_equal(likely[1], eleven.probabilities(images[1:2])[0])
    ten = Recogniser(write_model("b.onnx", preparation=name))
    assert ten.probabilities(images)[::2] == pytest.approx(np.full((2, 10), 0.1))
    assert ten.predict(images).tolist() == [0, 7, 0]
    values = Recogniser(write_model("c.onnx", preparation=name, value=True)).values(images)
    assert np.isnan(values).tolist() == [True, False, True]


def test_what_is_prepared_is_not_prepared_again(
    write_model: WriteModel, templates: Templates
) -> None:
    moved = np.stack([in_the_corner(template) for template in templates])
    plain, again = (
        Recogniser(write_model("a.onnx")),
        Recogniser(write_model("b.onnx", preparation.VERSION)),
    )
    expected = plain.probabilities(moved)
    assert np.array_equal(again.probabilities(moved, prepared=True), expected)
    assert not np.allclose(again.probabilities(moved), expected)
    with pytest.raises(PictureError, match=r"expected \[N, 28, 28\]"):
        plain.probabilities(np.zeros((1, 90, 90), np.uint8), prepared=True)


def test_an_answer_does_not_depend_on_the_batch(
    write_model: WriteModel, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = Recogniser(write_model(no_digit=-3.0))
    noise = np.random.default_rng(0).integers(0, 60, (700, 28, 28))
    images = np.clip(templates[np.arange(700) % 10] + noise, 0, 255).astype(np.uint8)
    together = recogniser.probabilities(images)
    alone = np.concatenate([recogniser.probabilities(image[None]) for image in images])
    assert np.abs(together - alone).max() <= 1e-6
    monkeypatch.setattr(recogniser_module, "BATCH", 7)
    assert np.abs(together - recogniser.probabilities(images)).max() <= 1e-6
    threads = Recogniser(write_model(no_digit=-3.0), threads=2)
    assert np.abs(together - threads.probabilities(images)).max() <= 1e-6


def test_the_shipped_model_answers_alike_alone_and_in_a_batch() -> None:
    recogniser = Recogniser()
    images = load_dataset("mnist").splits["test"].images[:2000]
    together = recogniser.probabilities(images)
    alone = np.concatenate([recogniser.probabilities(image[None]) for image in images])
    assert np.abs(together - alone).max() <= 1e-6
    assert (together.argmax(axis=1) == alone.argmax(axis=1)).all()
    for image, likely in zip(images[:100], together, strict=False):
        prepared = preparation.prepare(255 - image)
        alike = preparation.prepare_images(image[None], recogniser.model.preparation)[0]
        among = recogniser.probabilities(np.stack([alike, prepared]), prepared=True)
        assert np.abs(among[0] - likely).max() <= 1e-6
        digit = recogniser.read(255 - image).rows[0].numbers[0].digits[0]
        assert digit.probabilities is not None
        if preparation.find_glyph(255 - image).disturbed:  # less certain, but of the same opinion
            assert among[1, :10].argmax() == np.argmax(digit.probabilities)
            assert max(digit.probabilities) < among[1, :10].max()
        else:
            assert np.abs(among[1, :10] - digit.probabilities).max() <= 1e-6


@pytest.mark.process
def test_a_guarded_decoder_gives_the_same_reading(write_model: WriteModel, tmp_path: Path) -> None:
    recogniser = Recogniser(write_model())
    file = tmp_path / "3.png"
    file.write_bytes(png(picture_of(3)))
    sources = [file, str(file), png(picture_of(3)), picture_of(3), b"junk", tmp_path / "gone.png"]
    with GuardedDecoder(Limits(max_pixels=160 * 160)) as decoder:
        guarded = list(recogniser.read_many(sources, decoder=decoder))
    assert guarded == list(recogniser.read_many(sources))
    with GuardedDecoder(Limits(max_pixels=160 * 160 - 1)) as decoder:
        error = recogniser.read(file, decoder=decoder).error
    assert error is not None
    assert error.code == "too-large"


def test_a_higher_temperature_gives_less_confidence(
    write_model: WriteModel, templates: Templates
) -> None:
    cold = Recogniser(write_model("a.onnx", temperature=1.0)).probabilities(templates)
    warm = Recogniser(write_model("b.onnx", temperature=2.0)).probabilities(templates)
    expected = np.sqrt(cold) / np.sqrt(cold).sum(axis=1, keepdims=True)
    assert np.abs(warm - expected).max() < 1e-6
    plain = Recogniser(write_model("c.onnx")).probabilities(templates)
    assert np.array_equal(plain, cold)


def test_what_is_most_likely_no_digit_is_refused(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model(no_digit=50.0))
    reading = recogniser.read(picture_of(6))
    digit = reading.rows[0].numbers[0].digits[0]
    assert (reading.text, digit.digit, digit.refused) == ("?", 6, True)
    assert digit.probabilities is not None
    assert len(digit.probabilities) == 10
    assert sum(digit.probabilities) < 0.5
    assert recogniser.read(picture_of(6), reject="none").text == "6"
    assert recogniser.predict(preparation.prepare(picture_of(6))[None]).tolist() == [6]


def test_a_number_refuses_what_is_not_certain_enough(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model(temperature=2.0))
    certain = recogniser.read(picture_of(5)).rows[0].numbers[0].confidence
    assert certain is not None
    wrong = 1 - certain
    assert recogniser.read(picture_of(5), reject=wrong * 1.01).text == "5"
    assert recogniser.read(picture_of(5), reject=wrong * 0.99).text == "?"


def test_a_number_needs_a_calibrated_model(write_model: WriteModel) -> None:
    for path in (write_model("a.onnx"), write_model("b.onnx", value=True, temperature=1.0)):
        with pytest.raises(ModelError, match="not calibrated"):
            Recogniser(path).read(picture_of(5), reject=0.1)
    with pytest.raises(ModelError, match="not calibrated"):
        Recogniser(write_model()).read_many([], reject=0.1)


def test_a_number_beyond_what_the_model_was_calibrated_on_is_a_warning_once(
    write_model: WriteModel,
) -> None:
    path = write_model(temperature=1.0, calibrated_on="validation images")
    recogniser = Recogniser(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reject in (None, "none"):
            recogniser.read(picture_of(5), reject=reject)
        Recogniser(write_model("made.onnx", temperature=1.0)).read(picture_of(5), reject=0.1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            recogniser.read(picture_of(5), reject=0.1)
            list(recogniser.read_many([picture_of(5)], reject=0.1))
    assert [(str(one.message), one.category, one.filename) for one in told] == [
        (
            f"{path} was calibrated on validation images: reject = 0.1 promises nothing about "
            "other pictures, such as photographs",
            CalibrationWarning,
            __file__,
        )
    ]


@pytest.mark.parametrize("reject", ["all", 0, 1, -0.1, float("nan")])
def test_any_other_reject_is_named(write_model: WriteModel, reject: float | str) -> None:
    with pytest.raises(ConfigError, match="reject = "):
        Recogniser(write_model(temperature=1.0)).read(picture_of(5), reject=reject)


def test_square_error_reads_the_nearest_digit_without_confidence(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model(value=True))
    images = np.zeros((4, 28, 28))
    images[:, 0, 0] = (0.04, 0.66, 0.94, 1.0)
    assert recogniser.predict(images).tolist() == [0, 7, 9, 9]
    assert recogniser.values(images).tolist() == pytest.approx([0.4, 6.6, 9.4, 10])
    digit = recogniser.read(picture_of(5)).rows[0].numbers[0].digits[0]
    assert (digit.digit, digit.confidence, digit.probabilities) == (0, None, None)
    with pytest.raises(ModelError, match="square error"):
        recogniser.probabilities(images)
    with pytest.raises(ModelError, match="gives logits"):
        Recogniser(write_model()).values(images)


def test_a_run_is_read_by_its_model(write_model: WriteModel) -> None:
    path = write_model("run/model.onnx")
    assert Recogniser(path.parent).read(picture_of(8)).text == "8"
    assert Recogniser(str(path)).model.path == path


def test_a_run_without_a_model_says_why_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no run folder"):
        Recogniser(tmp_path)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ModelError, match=r"has no model\.onnx.*--resume"):
        Recogniser(tmp_path)


def test_the_shipped_model_is_the_default(
    write_model: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "SHIPPED_MODEL", write_model("default.onnx"))
    assert Recogniser().read(picture_of(2)).text == "2"
    monkeypatch.setattr(model_file, "SHIPPED_MODEL", tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="ships without a model"):
        Recogniser()


def test_threads_are_at_least_one(write_model: WriteModel) -> None:
    with pytest.raises(ConfigError, match="threads = 0"):
        Recogniser(write_model(), threads=0)


@pytest.mark.process
def test_reading_imports_nothing_of_training() -> None:
    code = (
        "import sys, digitlab, digitlab.preparation, digitlab.evaluation\n"
        "import digitlab.reading.command, digitlab.exporting.copies\n"
        "import digitlab.reading.annotate, digitlab.reading.explain, digitlab.reading.sheet\n"
        "from pathlib import Path\n"
        "sample = Path(digitlab.__file__).parent / 'reading' / 'sample.png'\n"
        "with digitlab.GuardedDecoder() as decoder:\n"
        "    assert digitlab.Recogniser().read(sample, decoder=decoder).text == '5'\n"
        "print(sorted({'torch', 'onnx', 'safetensors', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_digits_of_28_pixels_on_light_ground_are_pictures(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model(preparation=preparation.VERSION))
    digits = load_dataset("mnist").splits["test"].images[:40]
    dark = recogniser.probabilities(digits)
    assert np.abs(recogniser.probabilities(255 - digits) - dark).mean() < 0.01
    white = recogniser.probabilities(np.full((1, 28, 28), 255, np.uint8))
    assert white == pytest.approx(np.full((1, 10), 0.1))
