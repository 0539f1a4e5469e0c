"""The picture that ships for the first `digitlab read`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from draw_sample import draw, save

import digitlab.reading
from digitlab.preparation import find_glyph, load_picture
from digitlab.reading.model_file import load_model

SAMPLE = Path(digitlab.reading.__file__).parent / "sample.png"


def test_the_sample_is_small_and_drawn_by_our_own_code(tmp_path: Path) -> None:
    assert SAMPLE.stat().st_size < 60_000
    shipped = load_picture(SAMPLE).astype(int)
    assert np.abs(shipped - draw()).mean() < 3
    save(tmp_path / "again.png")
    assert np.abs(shipped - load_picture(tmp_path / "again.png")).mean() < 3


def test_the_digit_of_the_sample_is_found_off_centre() -> None:
    x, y, width, height = find_glyph(load_picture(SAMPLE)).box
    assert (abs(x - 90), abs(y - 82), abs(width - 112), abs(height - 189)) < (6, 6, 6, 6)


def test_the_model_that_ships_is_the_one_that_its_card_names() -> None:
    models = SAMPLE.parent / "models"
    found = hashlib.sha256((models / "default.onnx").read_bytes()).hexdigest()
    assert f"| SHA-256 of the file | `{found}` |" in (models / "README.md").read_text("utf-8")
    assert load_model(models / "default.onnx").recipe == "photo"
