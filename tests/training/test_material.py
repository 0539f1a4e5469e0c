"""What a run works on: data that the last run of the process loaded are taken up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from digitlab.events import Event
from digitlab.recipe_files import load_recipe
from digitlab.training import material
from digitlab.training.given import Given


def test_the_next_run_takes_up_what_the_last_one_loaded(
    small_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    load = material.load_dataset

    def counted(source: Any, *more: Any, **named: Any) -> Any:
        loaded.append(source)
        return load(source, *more, **named)

    monkeypatch.setattr(material, "load_dataset", counted)
    given, heard = Given(), list[Event]()

    def loaded_for(**settings: Any) -> material.Material:
        asked = {key.replace("_", ".", 1): value for key, value in settings.items()}
        recipe = load_recipe("tutorial-mlp", {"data.sources": [str(small_data)], **asked})
        return material.load_material(recipe, torch.device("cpu"), None, given, heard.append)

    first, second = loaded_for(seed=1), loaded_for(seed=2, optimizer_name="adam")
    assert loaded == [str(small_data)]
    assert second.dataset is first.dataset
    assert second.data_sha256 == first.data_sha256
    assert second.state is not first.state
    prepared = loaded_for(data_preparation="2")
    assert len(loaded) == 2
    assert prepared.dataset != first.dataset
    (kept,) = given.loaded.values()
    assert kept.dataset is prepared.dataset
