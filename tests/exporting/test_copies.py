"""Exporting models: copies that are whole and checked, and int8 copies that answer alike."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime import quantization

import digitlab
from commands import Command, mistake
from digitlab import durable_files
from digitlab.errors import DataError, ModelError
from digitlab.exporting.copies import ExportReport, export
from digitlab.preparation import VERSION
from digitlab.reading.model_file import SHIPPED_MODEL, load_model, properties, reopened, seal
from digitlab.reading.recogniser import Recogniser
from small_models import WriteModel, onnx_model

RUN = "import sys, digitlab.cli; sys.argv[0] = 'digitlab'; digitlab.cli.main()"


def run(*arguments: Any, code: str = RUN, **more: Any) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, **more)


@pytest.fixture(scope="module")
def made_int8(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> ExportReport:
    """Return what is told of an int8 copy of the model that ships."""
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    return export(SHIPPED_MODEL, path, int8=True, data=small_data)


@pytest.fixture
def int8(made_int8: ExportReport) -> Path:
    """Return that copy."""
    return Path(made_int8.path)


def test_a_copy_is_the_same_bytes_from_a_run_or_a_file(write_model: WriteModel) -> None:
    run = write_model("run/model.onnx", temperature=1.5).parent
    report = export(run, "copy.onnx")
    assert Path("copy.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    assert report.sha256 == load_model("copy.onnx").sha256
    assert (report.source, report.path) == (str(run / "model.onnx"), "copy.onnx")
    assert report.bytes == Path("copy.onnx").stat().st_size
    export("copy.onnx", Path("again.onnx"))
    assert Path("again.onnx").read_bytes() == Path("copy.onnx").read_bytes()
    assert digitlab.export is export


def test_an_earlier_file_is_replaced_but_never_the_source(write_model: WriteModel) -> None:
    source = write_model("model.onnx")
    whole = source.read_bytes()
    Path("old.onnx").write_text("old")
    export(source, "old.onnx")
    assert Path("old.onnx").read_bytes() == whole
    Path("link.onnx").symlink_to(source)
    os.link(source, "twin.onnx")
    for same in (source, Path("link.onnx"), Path("twin.onnx")):
        with pytest.raises(ModelError, match="is the model itself: name another file"):
            export(source, same)
    assert source.read_bytes() == whole


def test_a_target_that_cannot_be_is_named(write_model: WriteModel, tmp_path: Path) -> None:
    source = write_model()
    with pytest.raises(ModelError, match=r"is a folder: name a file, such as .*model\.onnx"):
        export(source, tmp_path)
    with pytest.raises(ModelError, match=r"none/a\.onnx cannot be written: there is no folder"):
        export(source, tmp_path / "none" / "a.onnx")
    with pytest.raises(ModelError, match="cannot be written: File name too long"):
        export(source, tmp_path / f"{'a' * 300}.onnx")


def test_a_run_without_a_model_and_a_changed_model_are_refused(
    write_model: WriteModel, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("")
    with pytest.raises(ModelError, match=r"has no model\.onnx.*--resume"):
        export(tmp_path / "run", "copy.onnx")
    source = write_model()
    changed = bytearray(source.read_bytes())
    changed[40] ^= 1
    source.write_bytes(changed)
    with pytest.raises(ModelError, match="was changed after it was written"):
        export(source, "copy.onnx")
    assert not Path("copy.onnx").exists()


@pytest.mark.process
def test_a_disk_that_takes_only_half_leaves_the_earlier_file(write_model: WriteModel) -> None:
    pytest.importorskip("resource")
    source = write_model()
    Path("out").mkdir()
    Path("out/model.onnx").write_text("earlier")
    half = source.stat().st_size // 2
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({half}, {half})); "
    done = run("export", source, "--to", "out/model.onnx", code=limit + RUN)
    assert done.returncode == 2
    # The first line: where coverage is measured, its own files are too large, too.
    assert done.stderr.splitlines()[0] == (
        "digitlab: out/model.onnx cannot be written: File too large; nothing was changed"
    )
    assert [(path.name, path.read_text()) for path in Path("out").iterdir()] == [
        ("model.onnx", "earlier")
    ]


def test_what_the_disk_gives_back_is_checked(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = durable_files._write_through

    def write(path: Path, content: bytes) -> None:
        honest(path, content[:50] + bytes([content[50] ^ 4]) + content[51:])

    monkeypatch.setattr(durable_files, "_write_through", write)
    with pytest.raises(ModelError, match=r"copy\.onnx"):
        export(write_model(), "copy.onnx")
    other = write_model("other.onnx", temperature=2.0).read_bytes()
    monkeypatch.setattr(durable_files, "_write_through", lambda path, _: honest(path, other))
    with pytest.raises(ModelError, match=r"copy\.onnx is not what was written"):
        export(write_model(), "copy.onnx")


def test_int8_asks_for_no_operators_that_it_has_not(int8: Path) -> None:
    model = onnx.load(int8)
    used = {node.domain for node in model.graph.node}
    assert {one.domain for one in model.opset_import} == used == {""}


def test_int8_is_smaller_and_answers_alike(
    made_int8: ExportReport, int8: Path, small_data: Path
) -> None:
    assert int8.stat().st_size < SHIPPED_MODEL.stat().st_size / 2
    assert b"QuantizeLinear" in int8.read_bytes()
    images = digitlab.load_dataset("mnist").splits["valid"].images[:500]
    before, after = (Recogniser(model).probabilities(images) for model in (SHIPPED_MODEL, int8))
    assert (before.argmax(axis=1) == after.argmax(axis=1)).mean() >= 0.997
    assert np.abs(before - after).max(axis=1).mean() < 0.01
    check = made_int8.int8
    assert check is not None
    assert (check.data, check.split, check.before.count) == (str(small_data), "test", 150)
    assert check.calibration_images == 600
    assert abs(check.loss) <= 0.01
    assert check.agreement >= 0.99
    assert check.bytes_before == SHIPPED_MODEL.stat().st_size
    assert made_int8.bytes == int8.stat().st_size


def test_int8_keeps_what_the_model_says_and_says_what_it_is(int8: Path) -> None:
    before, after = load_model(SHIPPED_MODEL), load_model(int8)
    kept = {key: after.properties[key] for key in before.properties if key != "file_sha256"}
    assert kept == {key: before.properties[key] for key in kept}
    assert after.properties["precision"] == "int8"
    assert after.properties["source_sha256"] == before.sha256
    assert (after.recipe, after.preparation) == (before.recipe, before.preparation)
    assert (after.temperature, after.output) == (before.temperature, before.output)


@pytest.mark.process
def test_int8_is_the_same_bytes_in_another_process_and_imports_no_torch(
    int8: Path, small_data: Path, tmp_path: Path
) -> None:
    code = (
        "import logging, sys, digitlab\n"
        "digitlab.export(sys.argv[1], sys.argv[2], int8=True, data=sys.argv[3])\n"
        "print([m for m in ('torch', 'matplotlib') if m in sys.modules], logging.root.handlers)"
    )
    (tmp_path / "temporary").mkdir()
    more = {"PYTHONHASHSEED": "7", "TMPDIR": str(tmp_path / "temporary")}
    done = run(SHIPPED_MODEL, "other.onnx", small_data, code=code, env={**os.environ, **more})
    assert (done.stdout, done.stderr) == ("[] []\n", "")
    assert Path("other.onnx").read_bytes() == int8.read_bytes()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_quantisers_advice_is_kept_from_the_users_log(
    write_model: WriteModel,
    small_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    honest = quantization.quantize_static

    def advise(*given: Any, **more: Any) -> None:
        logging.warning("please consider this")
        honest(*given, **more)

    monkeypatch.setattr(quantization, "quantize_static", advise)
    handlers = logging.root.handlers[:]
    export(write_model(preparation=VERSION), "int8.onnx", int8=True, data=small_data)
    assert caplog.records == []
    assert logging.root.handlers == handlers


@pytest.mark.parametrize(
    "model",
    [{"temperature": 2.0, "calibrated_on": "validation images", "no_digit": 1.0}, {"value": True}],
)
def test_eleven_outputs_temperature_and_square_error_stay(
    write_model: WriteModel, small_data: Path, model: dict[str, Any]
) -> None:
    source = write_model(preparation=VERSION, **model)
    report = export(source, "int8.onnx", int8=True, data=small_data)
    before, after = load_model(source), load_model("int8.onnx")
    assert (before.width, before.temperature) == (after.width, after.temperature)
    assert before.calibrated_on == after.calibrated_on == model.get("calibrated_on")
    assert report.int8 is not None
    assert report.int8.agreement > 0.95
    assert "NaN" not in json.dumps(report.to_json())
    assert "calibration error" in report.to_text()


def test_int8_of_int8_and_without_training_images_is_refused(int8: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is int8 already"):
        export(int8, "twice.onnx", int8=True)
    mnist = digitlab.load_dataset("mnist").splits["test"]
    np.savez(tmp_path / "t.npz", test_images=mnist.images[:9], test_labels=mnist.labels[:9])
    with pytest.raises(DataError, match=r"t\.npz has no training images, which int8 needs"):
        export(SHIPPED_MODEL, "x.onnx", int8=True, data=tmp_path / "t.npz")
    assert not Path("x.onnx").exists()


def test_a_copy_that_lost_much_is_warned_of(
    command: Command, write_model: WriteModel, small_data: Path
) -> None:
    """One pixel of a thousand times the others' weight leaves nothing for the others."""
    weights = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) * 1e-3
    weights[0] = 1e3
    source = Path("lame.onnx")
    model = onnx_model(weights, np.zeros(10, np.float32), properties("lame", "none"))
    source.write_bytes(seal(model))
    first = digitlab.load_dataset(small_data).splits["test"]
    labels = Recogniser(source).predict(first.images)
    pixels = {f"{name}_images": first.images for name in ("train", "test")}
    np.savez("own.npz", **pixels, train_labels=labels, test_labels=labels)
    report = export(source, "int8.onnx", int8=True, data="own.npz")
    *of_data, warning = report.warnings
    assert of_data
    assert "points of accuracy" in warning
    done = command("export", source, "--to", "again.onnx", "--int8", "--data", "own.npz")
    assert (done.returncode, done.stderr) == (
        0,
        "".join(f"warning: {one}\n" for one in report.warnings),
    )


def test_the_command_says_what_it_wrote(
    command: Command, write_model: WriteModel, small_data: Path
) -> None:
    source = write_model()
    done = command("export", source, "--to", "copy.onnx")
    size = source.stat().st_size
    assert (done.stdout, done.stderr) == (
        f"{source} → copy.onnx   {size:,} bytes, checked\n",
        "",
    )
    done = command("export", source, "--to", "i.onnx", "--int8", "--data", small_data, "--json")
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["path"] == "i.onnx"
    assert report["int8"]["before"]["count"] == report["int8"]["after"]["count"] == 150
    assert "--to" in mistake(command("export", source))


@pytest.mark.process
def test_a_copy_needs_no_training_extra_and_int8_says_what_it_needs(
    without_training_extra: Mapping[str, str], small_data: Path
) -> None:
    without = without_training_extra
    done = run("export", SHIPPED_MODEL, "--to", "copy.onnx", env=without)
    assert (done.returncode, done.stderr) == (0, "")
    done = run(
        "export", SHIPPED_MODEL, "--to", "int8.onnx", "--int8", "--data", small_data, env=without
    )
    assert done.returncode == 2
    assert done.stderr == (
        "digitlab: --int8 needs onnx, which is not installed; pip install 'digitlab[train]'\n"
    )
    assert not Path("int8.onnx").exists()


def test_a_run_of_ones_own_is_made_int8_with_its_own_data(
    write_model: WriteModel, small_data: Path
) -> None:
    run = write_model("run/model.onnx", preparation=VERSION).parent
    (run / "config.toml").write_text(f'[data]\nsources = ["{small_data}"]\n')
    report = export(run, "int8.onnx", int8=True)
    assert report.int8 is not None
    assert report.int8.data == str(small_data)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=40).map("x-{}".format), st.text(max_size=400), max_size=4
    )
)
def test_any_properties_are_added_as_onnx_writes_them(added: dict[str, str]) -> None:
    weights, bias = np.zeros((784, 10), np.float32), np.zeros(10, np.float32)
    first = properties("r", "none")
    sealed = seal(onnx_model(weights, bias, first))
    model = onnx.load_from_string(reopened(sealed, added))
    assert {entry.key: entry.value for entry in model.metadata_props} == {**first, **added}
    assert model.SerializeToString() == reopened(sealed, added)


def test_what_is_no_plain_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept.onnx").write_bytes(b"mine")
    (tmp_path / "link.onnx").symlink_to("kept.onnx")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link.onnx", "pipe"):
        with pytest.raises(ModelError, match="is a link or no file: name a file"):
            export(SHIPPED_MODEL, tmp_path / name)
    assert (tmp_path / "kept.onnx").read_bytes() == b"mine"
    assert (tmp_path / "pipe").is_fifo()
