"""What needs no PyTorch, on the lowest versions allowed, too: `make test-lowest` runs this alone.

There the base is installed and no more, so neither conftest.py nor what it imports is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import digitlab
from commands import Command, mistake
from digitlab.data import Dataset, Split, save_npz

SAMPLE = Path(digitlab.__file__).parent / "reading" / "sample.png"
MODEL = SAMPLE.parent / "models" / "default.onnx"


def some_of_mnist(path: Path, count: int) -> Path:
    splits = digitlab.load_dataset("mnist").splits.items()
    few = {name: Split(split.images[:count], split.labels[:count]) for name, split in splits}
    save_npz(Dataset("few", few), path)
    return path


@pytest.mark.parametrize("verb", ["", "train", "evaluate", "export", "read", "data", "runs"])
def test_every_verb_has_help(command: Command, verb: str) -> None:
    done = command(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"digitlab {verb}" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("raed", "No such command 'raed'"),
        ("read", "Missing argument"),
        ("data --sheets x", "there is no option --sheets; did you mean --sheet?"),
        ("train --lr 1", "there is no option --lr; did you mean --learning-rate?"),
        ("train --epochs many", "Invalid value for '--epochs'"),
    ],
)
def test_a_mistake_is_one_line(command: Command, words: str, expected: str) -> None:
    assert expected in mistake(command(*words.split()))


@pytest.mark.process
def test_a_picture_is_read_annotated_and_explained(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "digitlab", "read", str(SAMPLE), "--json"]
    line += ["--annotate", "seen", "--explain", "why"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "digitlab: annotated pictures: seen",
        "digitlab: explanations: why",
    ]
    assert json.loads(done.stdout)["text"] == "5"
    assert list(tmp_path.glob("seen/*.png"))
    assert list(tmp_path.glob("why/**/*.png"))


def test_digits_are_read_in_python() -> None:
    recogniser = digitlab.Recogniser()
    assert recogniser.read(SAMPLE).text == "5"
    few = digitlab.load_dataset("mnist").splits["test"]
    likely = recogniser.probabilities(few.images[:200])
    assert (likely.argmax(axis=1) == few.labels[:200]).mean() > 0.97


def test_a_page_of_a_pdf_is_read(tmp_path: Path) -> None:
    with Image.open(SAMPLE) as sample:
        sample.convert("RGB").save(tmp_path / "sample.pdf")
    (reading,) = digitlab.Recogniser().read_pages(tmp_path / "sample.pdf")
    assert (reading.page, reading.text) == (1, "5")


def test_data_are_saved_read_and_drawn(command: Command, tmp_path: Path) -> None:
    path = some_of_mnist(tmp_path / "few.npz", 100)
    found = digitlab.load_dataset(path)
    assert found.warnings == ()
    original = digitlab.load_dataset("mnist").splits["test"].images[:100]
    assert np.array_equal(found.splits["test"].images, original)
    assert command("data", path, "--sheet", tmp_path / "sheet.png").returncode == 0
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_model_is_evaluated_and_copied(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = some_of_mnist(tmp_path / "few.npz", 200)
    copied = command("export", MODEL, "--to", "copy.onnx", "--json")
    assert copied.returncode == 0, copied.stderr
    done = command("evaluate", "copy.onnx", "--data", path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] > 0.97
