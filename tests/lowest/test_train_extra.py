"""What trains and exports, on the lowest versions allowed, too: `make test-lowest` runs this.

It also runs some of system/test_workers.py there, for what several workers need of PyTorch.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

import digitlab
from hostile_files import originals

# Older versions of matplotlib and numpy start programs that tell what the machine has.
pytestmark = pytest.mark.process


def test_a_run_leaves_what_it_should(whole: Path) -> None:
    left = {path.name for path in whole.iterdir()}
    assert {"curves.png", "confusion.png", "model.onnx", "model.safetensors"} <= left


def test_a_run_is_gone_on_with_to_the_bit(whole: Path) -> None:
    shutil.copytree(whole, "run")
    shutil.rmtree(max(Path("run/checkpoints").iterdir()))
    Path("run/summary.json").unlink()
    went_on = digitlab.train(resume="run")
    expected = json.loads((whole / "summary.json").read_text())
    assert went_on.summary["weights_sha256"] == expected["weights_sha256"]


def test_what_is_exported_opens_and_answers(whole: Path, small_data: Path) -> None:
    digitlab.export(whole, "copy.onnx")
    digitlab.export(whole, "int8.onnx", int8=True)
    images = digitlab.load_dataset(small_data).splits["test"].images
    answers = []
    for name in ("copy.onnx", "int8.onnx"):
        onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"])
        answers.append(digitlab.Recogniser(name).probabilities(images).argmax(axis=1))
    assert (answers[0] == answers[1]).mean() > 0.95


def test_tensorboard_shows_the_curves(whole: Path) -> None:
    line = [sys.executable, "-m", "tensorboard.main", "--inspect", "--logdir", str(whole)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "num_steps" in done.stdout


def test_heic_is_read() -> None:
    Path("sample.heic").write_bytes(originals()["HEIF"])
    reading = digitlab.Recogniser().read("sample.heic")
    assert reading.error is None
