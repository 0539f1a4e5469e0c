"""The model file: the seal finds any change, and the contract is checked in one line."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from digitlab.errors import ModelError
from digitlab.reading import model_file
from digitlab.reading.model_file import Calibration, check_seal, load_model, properties, seal
from digitlab.wording import MADE_PICTURES
from small_models import WriteModel, onnx_model

WEIGHTS, BIAS = np.zeros((784, 10), np.float32), np.zeros(10, np.float32)


def refused(path: Path, model: bytes) -> str:
    path.write_bytes(model)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_sealed_model_loads_and_tells_its_properties(write_model: WriteModel) -> None:
    path = write_model(preparation="2", temperature=1.25)
    model = load_model(path)
    assert (model.recipe, model.preparation, model.temperature) == ("templates", "2", 1.25)
    assert (model.output, model.width, model.path) == ("logits", 10, path)
    assert model.sha256 == check_seal(path.read_bytes(), "it") == model.properties["file_sha256"]


def test_widths_of_the_contract_are_told_apart(write_model: WriteModel) -> None:
    assert load_model(write_model(no_digit=0.0)).width == 11
    assert load_model(write_model(value=True)).output == "value"
    assert load_model(write_model()).temperature is None


def test_a_model_says_on_what_it_was_calibrated(write_model: WriteModel, tmp_path: Path) -> None:
    for on in ("validation images", "made pictures", "what a later version writes"):
        assert load_model(write_model(temperature=1.5, calibrated_on=on)).calibrated_on == on
    assert load_model(write_model()).calibrated_on is None
    path = tmp_path / "earlier.onnx"  # of a version that did not write it down
    path.write_bytes(
        seal(onnx_model(WEIGHTS, BIAS, {**properties("r", "none"), "temperature": "1.5"}))
    )
    assert load_model(path).calibrated_on == "made pictures"


def test_one_changed_bit_is_refused_before_onnxruntime_sees_the_bytes(
    write_model: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *given, **_: seen.append(given))
    whole = write_model().read_bytes()
    entry = whole.index(b"file_sha256")
    # All bits of the seal's entry, and some of everything else.
    of_the_seal = range(8 * (entry - 2), 8 * (entry + 77))
    elsewhere = random.Random(0).sample(range(8 * len(whole)), 300)
    for place in (*of_the_seal, *elsewhere):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        message = refused(tmp_path / "changed.onnx", bytes(changed))
        assert "was changed" in message or "found no" in message
    assert seen == []


def test_a_cut_off_or_lengthened_model_is_refused(write_model: WriteModel, tmp_path: Path) -> None:
    whole = write_model().read_bytes()
    end_of_key = whole.index(b"file_sha256") + 13
    for model in (b"", whole[:-1], whole + b"\0", whole[: end_of_key + 20]):
        refused(tmp_path / "cut.onnx", model)


def test_a_model_without_or_with_two_seals_is_refused(tmp_path: Path) -> None:
    unsealed = properties("r", "none")
    none = {key: value for key, value in unsealed.items() if key != "file_sha256"}
    model = onnx_model(WEIGHTS, BIAS, none)
    assert "found no" in refused(tmp_path / "a.onnx", model)
    with pytest.raises(ModelError, match="found no"):
        seal(model)
    twice = onnx_model(WEIGHTS, BIAS, unsealed)
    entry = b"\x0a\x0bfile_sha256\x12\x40" + b"0" * 64
    twice += b"\x72" + bytes([len(entry)]) + entry  # metadata_props is field 14
    with pytest.raises(ModelError, match="found 2"):
        seal(twice)


def test_a_sealed_model_is_not_sealed_again(write_model: WriteModel) -> None:
    with pytest.raises(ModelError, match="not 64 zeros"):
        seal(write_model().read_bytes())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"preparation": "9"}, "preparation = '9'"),
        ({"preparation": ""}, "no property preparation"),
        ({"recipe": ""}, "no property recipe"),
        ({"temperature": "0"}, "temperature = '0'"),
        ({"temperature": "hot"}, "temperature = 'hot'"),
        ({"temperature": "inf"}, "temperature = 'inf'"),
    ],
)
def test_a_wrong_property_is_named(tmp_path: Path, change: dict[str, str], expected: str) -> None:
    model = seal(onnx_model(WEIGHTS, BIAS, {**properties("r", "none"), **change}))
    assert expected in refused(tmp_path / "m.onnx", model)


def test_inputs_and_outputs_are_checked(tmp_path: Path) -> None:
    metadata = properties("r", "none")
    renamed = onnx_model(WEIGHTS, BIAS, metadata, input_name="x")
    assert "takes x" in refused(tmp_path / "a.onnx", seal(renamed))
    fixed = onnx_model(WEIGHTS, BIAS, metadata, input_shape=(1, 1, 28, 28))
    assert "expected one input" in refused(tmp_path / "b.onnx", seal(fixed))
    seven = onnx_model(WEIGHTS[:, :7], BIAS[:7], metadata)
    assert "expected logits" in refused(tmp_path / "c.onnx", seal(seven))
    other = onnx_model(WEIGHTS, BIAS, metadata, output="scores")
    assert "gives scores" in refused(tmp_path / "d.onnx", seal(other))


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = onnx_model(WEIGHTS, BIAS, {**properties("r", "none"), "location": "weights.bin"})
    assert "other files" in refused(tmp_path / "m.onnx", seal(model))


def test_sealed_bytes_that_are_no_onnx_are_refused(tmp_path: Path) -> None:
    junk = b"junk\x0a\x0bfile_sha256\x12\x40" + b"0" * 64
    assert "onnxruntime" in refused(tmp_path / "m.onnx", seal(junk))


def test_a_missing_model_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        load_model(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path)


def test_the_contract_has_a_property_for_each_field() -> None:
    assert list(properties("r", "1", Calibration(2, MADE_PICTURES))) == [
        "recipe",
        "preparation",
        "temperature",
        "calibrated_on",
        "digitlab_version",
        "file_sha256",
    ]
    assert properties("r", "1", Calibration(2, MADE_PICTURES))["temperature"] == "2.0"
    assert properties("r", "1")["file_sha256"] == model_file.UNSEALED
