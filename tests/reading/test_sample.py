"""The pictures that ship for the first `digitlab read`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from draw_sample import TABLE, draw, draw_page, save

import digitlab.reading
from digitlab import Recogniser
from digitlab.preparation import find_glyph, load_picture
from digitlab.reading.columns import columns_of
from digitlab.reading.model_file import load_model

SAMPLE = Path(digitlab.reading.__file__).parent / "sample.png"
PAGE = SAMPLE.with_name("page.jpg")


@pytest.mark.parametrize(("file", "drawing"), [(SAMPLE, draw), (PAGE, draw_page)])
def test_the_samples_are_small_and_drawn_by_our_own_code(
    tmp_path: Path, file: Path, drawing: Callable[[], npt.NDArray[np.uint8]]
) -> None:
    assert file.stat().st_size < 60_000
    shipped = load_picture(file).astype(int)
    assert np.abs(shipped - drawing()).mean() < 4
    save(tmp_path)
    assert np.abs(shipped - load_picture(tmp_path / file.name)).mean() < 3


def test_the_page_of_the_samples_is_a_table_with_an_empty_cell() -> None:
    rows = Recogniser().read(PAGE).rows
    assert [row.text for row in rows] == [" ".join(filter(None, cells)) for cells in TABLE]
    assert columns_of(rows) == ((1, 2, 3), (1, 2, 3), (1, 3), (1, 2, 3))


def test_the_digit_of_the_sample_is_found_off_centre() -> None:
    x, y, width, height = find_glyph(load_picture(SAMPLE)).box
    assert (abs(x - 90), abs(y - 82), abs(width - 112), abs(height - 189)) < (6, 6, 6, 6)


@pytest.mark.parametrize(("name", "recipe"), [("default", "photo"), ("in-number", "in-number")])
def test_the_models_that_ship_are_those_that_their_card_names(name: str, recipe: str) -> None:
    models = SAMPLE.parent / "models"
    found = hashlib.sha256((models / f"{name}.onnx").read_bytes()).hexdigest()
    assert f"| SHA-256 of the file | `{found}` |" in (models / "README.md").read_text("utf-8")
    assert load_model(models / f"{name}.onnx").recipe == recipe
