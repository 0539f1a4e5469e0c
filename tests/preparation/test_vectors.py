"""docs/vectors/ is what whoever writes the preparation in another language tests by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_vectors import cases, vector
from PIL import Image

from digitlab import Recogniser
from digitlab.preparation import VERSION, normalise

FOLDER = Path(__file__).parents[2] / "docs" / "vectors"
WRITTEN = json.loads((FOLDER / "vectors.json").read_text("utf-8"))
VECTORS = {one["name"]: one for one in WRITTEN["vectors"]}


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser()


def ink_of(written: dict[str, Any]) -> np.ndarray:
    picture = Image.open(FOLDER / written["ink"])
    assert picture.mode == "L"
    return np.asarray(picture)


@pytest.mark.parametrize("name", VECTORS)
def test_the_ink_of_each_vector_becomes_its_image_to_the_number(
    name: str, recogniser: Recogniser
) -> None:
    written = VECTORS[name]
    image = normalise(ink_of(written).astype(np.float32) / np.float32(255))
    assert image.tolist() == written["image"]
    likely = recogniser.probabilities(image[None], prepared=True)[0]
    assert likely == pytest.approx(written["probabilities"], abs=1e-5)


def test_the_vectors_are_those_of_this_version_and_of_the_model_that_ships(
    recogniser: Recogniser,
) -> None:
    assert WRITTEN["preparation"] == VERSION
    assert WRITTEN["model_sha256"] == recogniser.model.sha256  # else: make_vectors.py
    drawn = dict(cases())
    assert list(drawn) == list(VECTORS)
    for name, ink in drawn.items():
        assert np.array_equal(ink, ink_of(VECTORS[name])), name
    one = vector("seven", drawn["seven"], recogniser)
    assert one["image"] == VECTORS["seven"]["image"]


def test_the_vectors_are_small_and_complete() -> None:
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sum(files.values()) < 200_000
    assert set(files) == {"vectors.json", *(one["ink"] for one in VECTORS.values())}
