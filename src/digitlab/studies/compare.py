"""`digitlab.compare`: a study that ships, one of the user's own, or runs that exist.

What was asked for is checked here, and what comes of it is written. Needs no torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from digitlab.config import Recipe
from digitlab.durable_files import write_whole
from digitlab.errors import ConfigError, RunError, check_training_extra
from digitlab.events import Listener
from digitlab.processes import available_cores
from digitlab.recipe_files import load_recipe, read_recorded
from digitlab.setting_names import recipe_keys
from digitlab.studies.design import load_design, shipped_studies
from digitlab.studies.run_study import StudyRunner
from digitlab.studies.study import (
    RunFigures,
    Study,
    VariantFigures,
    compared,
    run_figures,
    split_in_common,
    variant_figures,
)
from digitlab.training.interrupt import Interrupted
from digitlab.training.reporters import quiet
from digitlab.training.run_folder import RunFolder, existing_run_folder, locked
from digitlab.wording import LANGUAGES, one_of

_OURS = {"lock", "study.json"}  # one of which is in the folder of any study, however it ended
_PLACES = ("name", "description", "seed", "training.device")  # of a recipe, that vary nothing


def compare(
    study: str | PathLike[str],
    *runs: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    seeds: Sequence[int] | None = None,
    epochs: float | None = None,
    jobs: int | None = None,
    networks: Sequence[str] = (),
    language: str = "en",
    reporter: Listener | None = None,
) -> Study:
    """Compare variants of a recipe, each trained with several seeds; or runs that exist.

    What is in the study's folder already is not trained again, and what was begun is gone on with:
    the same call after a stop goes on.

    Args:
        study: the name of a study that ships, such as "optimizers"; the path of a study's TOML
            file; or the folder of a run, followed by others.
        runs: the other runs. Runs that differ in nothing but the seed are one variant.
        out: the folder of the study; None: `studies/NAME`, or, for runs that exist, none.
        seeds, epochs: in place of the study's own.
        jobs: how many runs go side by side, one thread each; None: the cores there are.
        networks: the user's own that the study's file names, as `my_module:MyNetwork`; they run
            only where they are given here.
        language: "en" or "zh", of the report.
        reporter: is called with each `digitlab.events.Event`; None: warnings go to standard error,
            all else nowhere.

    Returns:
        The study. A run that failed has its reason in place of figures.

    Raises:
        ConfigError: for a study, or anything in it, that is not allowed.
        DataError: for a source that cannot be read.
        RunError: for a folder that cannot be used or written, and for a run that has not ended.
        MissingExtraError: where the extra `train` is not installed.
        Interrupted: a KeyboardInterrupt, where a signal stopped it; the same call goes on.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"language is {language!r}; expected {one_of(LANGUAGES)}")
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        raise ConfigError(f"jobs is {jobs}; expected 1 or more")
    first = os.fspath(study)
    if runs or (first not in shipped_studies() and Path(first).is_dir()):
        if seeds is not None or epochs is not None or networks:
            raise ConfigError("seeds, epochs and networks are for a study, not for runs that exist")
        found = _of_runs([Path(first), *(Path(os.fspath(run)) for run in runs)], language)
        return found if out is None else _written(found, _made(Path(out)))
    design = load_design(first, seeds, epochs, networks)
    check_training_extra()
    folder = _made(Path("studies") / design.name if out is None else Path(out))
    runner = StudyRunner(design, folder, jobs or available_cores(), reporter or quiet)
    with locked(RunFolder(folder)):
        try:
            made = runner.run()
        except Interrupted as stopped:
            number = stopped.exit_status - 128
            raise Interrupted(RunFolder(folder), number, "the same again goes on") from None
        by_variant: dict[str, list[RunFigures]] = {}
        recipes: dict[str, Recipe] = {}
        for run in made:
            figures = run_figures(run.seed, run.folder, run.recipe.training.epochs, run.error)
            by_variant.setdefault(run.variant.name, []).append(figures)
            recipes.setdefault(run.variant.name, run.recipe)
        about = (design.name, design.description, language)
        return _written(_study(about, by_variant, recipes, folder, runner.images), folder)


def _study(
    about: tuple[str, str, str],
    by_variant: Mapping[str, Sequence[RunFigures]],
    recipes: Mapping[str, Recipe],
    folder: Path | None,
    images: Callable[[str], int | None],
    notes: Sequence[str] = (),
    may_compare: bool = True,
) -> Study:
    """Return a study of runs by their variants."""
    measured_on = split_in_common([run for runs in by_variant.values() for run in runs])
    settings = _differing(recipes)
    variants: list[VariantFigures] = [
        variant_figures(name, recipes[name].objective.name, settings[name], runs, measured_on)
        for name, runs in by_variant.items()
    ]
    count = images(measured_on) if measured_on else None
    comparisons = compared(variants, measured_on, count) if may_compare else ()
    return Study(*about, folder, measured_on, tuple(variants), comparisons, tuple(notes))


def _of_runs(paths: Sequence[Path], language: str) -> Study:
    """Return a study of runs that exist; those that differ in the seed alone are one variant."""
    recipes: dict[Recipe, list[tuple[int, RunFolder, float]]] = {}
    tested: set[str] = set()
    for path in paths:
        folder = existing_run_folder(path)
        summary = folder.read_summary()
        if summary is None:
            raise RunError(f"{path}: has not ended; go on with it first, by --resume {path}")
        own = read_recorded(folder.config).get("network_flag")
        recipe = load_recipe(folder.config, {"network.name": own} if own else {})
        hashes = summary.get("data_sha256", {})
        tested.add(str(hashes.get("test", hashes.get("valid"))))
        known = recipes.setdefault(_without_places(recipe), [])
        if any(seed == recipe.seed for seed, *_ in known):
            raise ConfigError(
                f"{path}: is a run of the same recipe and seed as another of these; a comparison "
                "needs runs that differ in something"
            )
        known.append((recipe.seed, folder, recipe.training.epochs))
    names = _names(recipes)
    notes = []
    if len(tested) > 1:
        notes.append("The runs were not measured on the same images, so they are not compared.")
    by_variant = {
        names[recipe]: [run_figures(seed, folder, epochs, None) for seed, folder, epochs in found]
        for recipe, found in recipes.items()
    }
    by_name = {names[recipe]: recipe for recipe in recipes}
    about = ("runs", f"{len(paths)} runs that were there", language)
    return _study(about, by_variant, by_name, None, lambda split: None, notes, len(tested) == 1)


def _without_places(recipe: Recipe) -> Recipe:
    training = dataclasses.replace(recipe.training, device="auto")
    return dataclasses.replace(recipe, name="", description="", seed=0, training=training)


def _names(recipes: Mapping[Recipe, Sequence[tuple[int, RunFolder, float]]]) -> dict[Recipe, str]:
    """Return a name for each recipe: in what it differs from the others, or else its run's."""
    by_place = {str(place): recipe for place, recipe in enumerate(recipes)}
    names = {}
    for place, settings in _differing(by_place).items():
        recipe = by_place[place]
        parts = [
            str(value) if key.endswith(".name") else f"{key.rpartition('.')[2]} {value}"
            for key, value in settings.items()
        ]
        names[recipe] = ", ".join(parts).replace("_", " ") if 0 < len(parts) <= 3 else ""
    for recipe, found in recipes.items():
        if not names[recipe] or list(names.values()).count(names[recipe]) > 1:
            names[recipe] = str(found[0][1].path)
    return names


def _differing(recipes: Mapping[str, Recipe]) -> dict[str, dict[str, Any]]:
    """Return of each recipe the settings in which it differs from any other, by dotted key."""
    flat: dict[str, dict[str, Any]] = {}
    for name, recipe in recipes.items():
        plain = recipe.to_dict()
        flat[name] = {}
        for key in recipe_keys():
            table, _, last = key.rpartition(".")
            flat[name][key] = plain[table][last] if table else plain[last]
    telling = [
        key
        for key in recipe_keys()
        if key not in _PLACES and len({json.dumps(one[key]) for one in flat.values()}) > 1
    ]
    return {name: {key: one[key] for key in telling} for name, one in flat.items()}


def _made(folder: Path) -> Path:
    """Return the folder of a study, made where it is not there; refuse what holds other things."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}") from None
    if inside and ("config.toml" in inside or not inside & _OURS):
        raise RunError(f"{folder}: is not empty, and no study is in it; name a new folder by --out")
    return folder


def _written(study: Study, folder: Path) -> Study:
    """Write study.json and table.csv."""
    study = dataclasses.replace(study, path=folder)
    try:
        write_whole(folder / "table.csv", study.to_csv().encode())
        text = json.dumps(study.to_json(), indent=2, ensure_ascii=False)
        write_whole(folder / "study.json", f"{text}\n".encode())
    except OSError as error:
        raise RunError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return study
