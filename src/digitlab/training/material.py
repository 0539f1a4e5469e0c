"""What a run works on: its data, its network and its objective, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from digitlab import events, networks, objectives
from digitlab.config import Recipe
from digitlab.data import join_datasets, load_dataset
from digitlab.data.dataset import Dataset, Split
from digitlab.errors import DataError
from digitlab.events import Listener
from digitlab.objectives import Objective
from digitlab.preparation import prepare_images
from digitlab.reading.orientation import lying_warning
from digitlab.recipe_files import read_recorded
from digitlab.training.given import Given
from digitlab.training.state import TrainingState


@dataclass(frozen=True)
class Material:
    """What a run works on, before its first step.

    Attributes:
        sources: each source by itself, prepared as the recipe says.
        dataset: all sources joined.
        data_sha256: of the joined splits, before preparation.
        objective: the recipe's.
        state: with fresh weights.
        device: where the network is.
    """

    sources: Sequence[Dataset]
    dataset: Dataset
    data_sha256: Mapping[str, str]
    objective: Objective
    state: TrainingState
    device: torch.device


def load_material(
    recipe: Recipe, device: torch.device, begun_in: str | None, given: Given, tell: Listener
) -> Material:
    """Load the data and make the network, before anything is written.

    Args:
        recipe: the run's.
        device: where the network goes.
        begun_in: where the recipe's relative paths were written, if not here.
        given: what is taken in place of the sources and the network of these names.
        tell: hears of warnings.
    """
    tell(events.phase("data"))
    what = (recipe.data, recipe.handwriting.is_on, begun_in)
    if what not in given.loaded:
        given.loaded.clear()  # one at a time: they may be large
        given.loaded[what] = _load(recipe, begun_in, given)
    data: _Data = given.loaded[what]
    for warning in data.warnings:
        tell(events.warning(warning))
    tell(events.phase("network"))
    objective = objectives.build(recipe)
    network = networks.build(recipe.network.name, objective.outputs, recipe.seed, given.network)
    network = network.to(device)
    return Material(
        sources=data.sources,
        dataset=data.dataset,
        data_sha256=data.sha256,
        objective=objective,
        state=TrainingState(network, recipe),
        device=device,
    )


@dataclass(frozen=True)
class _Data:
    """The parts of `Material` that are data, and what the user should know of them."""

    sources: Sequence[Dataset]
    dataset: Dataset
    sha256: Mapping[str, str]
    warnings: Sequence[str]


def _load(recipe: Recipe, begun_in: str | None, given: Given) -> _Data:
    sources = [
        load_dataset(
            given.data.get(source, source),
            recipe.data.train_on,
            validation=recipe.data.validation,
            begun_in=begun_in,
        )
        for source in recipe.data.sources
    ]
    joined = join_datasets(sources)
    if not len(joined.splits.get("train", ())):
        raise DataError(f"{joined.source}: has no training images")
    prepared = [_prepared(source, recipe) for source in sources]
    warnings = [one for one in (*joined.warnings, *map(lying_warning, sources)) if one]
    return _Data(prepared, join_datasets(prepared), joined.sha256(), warnings)


def repeats_data(recipe: str | Path, data_sha256: Mapping[str, str]) -> bool:
    """Whether a recipe that is a run's config.toml was run on these data; true for all others."""
    path = Path(recipe)
    recorded = read_recorded(path) if path.suffix == ".toml" else {}
    return bool(recorded.get("data_sha256", data_sha256) == data_sha256)


def _prepared(dataset: Dataset, recipe: Recipe) -> Dataset:
    version = recipe.data.preparation
    splits = {
        # Other hands are made of the images as they are, and end in the same preparation.
        name: split
        if name == "train" and recipe.handwriting.is_on
        else Split(prepare_images(split.images, version), split.labels)
        for name, split in dataset.splits.items()
    }
    return Dataset(dataset.source, splits, dataset.warnings)
