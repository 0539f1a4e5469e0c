"""`digitlab.compare`: a study that ships, one of the user's own, or runs that exist.

What was asked for is checked here, and what comes of it is written. Needs no torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from digitlab import signals
from digitlab.config import Recipe
from digitlab.errors import ConfigError, RunError, check_installed, check_training_extra
from digitlab.events import Event, Listener
from digitlab.processes import available_cores
from digitlab.recipe_files import load_recipe, read_recorded
from digitlab.setting_names import recipe_keys
from digitlab.studies.answers import Answers, answers_of, compared
from digitlab.studies.design import Design, load_design, shipped_studies
from digitlab.studies.run_study import StudyRunner
from digitlab.studies.study import (
    RunFigures,
    Study,
    run_figures,
    split_in_common,
    variant_figures,
)
from digitlab.studies.words import words
from digitlab.studies.write_study import write_study
from digitlab.training.interrupt import Interrupted
from digitlab.training.reporters import quiet
from digitlab.training.run_folder import RunFolder, existing_run_folder, locked
from digitlab.wording import LANGUAGES, one_of, printable

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
        language: "en" or "zh", of the sentences and the report.
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
    folder = None if out is None else Path(out)
    jobs, tell = jobs or available_cores(), reporter or quiet
    if runs or (first not in shipped_studies() and Path(first).is_dir()):
        if seeds is not None or epochs is not None or networks:
            raise ConfigError("seeds, epochs and networks are for a study, not for runs that exist")
        if folder is not None:
            check_installed("the report of a study", ("matplotlib", "jinja2"))
        paths = [Path(first), *(Path(os.fspath(run)) for run in runs)]
        with _that_goes_on(folder or paths[0]):
            gathered = _of_runs(paths, language)
            if folder is None:
                return _shown(gathered, None, jobs, tell)
            with _held(folder, gathered.name, makes_runs=False):
                return _shown(gathered, folder, jobs, tell)
    design = load_design(first, seeds, epochs, networks)
    if first in shipped_studies():
        design = _translated(design, language)
    check_training_extra()
    folder = folder or Path("studies") / design.name
    with _that_goes_on(folder), _held(folder, design.name, makes_runs=True):
        gathered = _Gathered(design.name, design.description, language)
        for run in StudyRunner(design, folder, jobs, tell).run():
            gathered.add(run.variant.name, run.recipe, run.folder, run.error)
        return _shown(gathered, folder, jobs, tell)


@contextmanager
def _that_goes_on(folder: Path) -> Iterator[None]:
    """Say of whatever a signal stops that the same again goes on; in the main thread, of any."""

    def stop(number: int) -> None:
        raise Interrupted(RunFolder(folder), number)

    try:
        with signals.heard(stop):
            yield
    except KeyboardInterrupt as stopped:
        number = stopped.exit_status - 128 if isinstance(stopped, Interrupted) else signal.SIGINT
        raise Interrupted(RunFolder(folder), number, "the same again goes on") from None


def _translated(design: Design, language: str) -> Design:
    """Return a study that ships with its names in a language; they change no run."""
    shipped = words(language).shipped
    variants = tuple(dataclasses.replace(one, name=shipped(one.name)) for one in design.variants)
    return dataclasses.replace(design, description=shipped(design.description), variants=variants)


@dataclass
class _Gathered:
    """The runs that a study is to show, by their variants."""

    name: str
    description: str
    language: str
    runs: dict[str, list[RunFigures]] = field(default_factory=dict)
    recipes: dict[str, Recipe] = field(default_factory=dict)

    def add(self, variant: str, recipe: Recipe, folder: RunFolder, error: str | None) -> None:
        """Take the figures of a run."""
        figures = run_figures(recipe, folder, error)
        self.runs.setdefault(variant, []).append(figures)
        self.recipes.setdefault(variant, recipe)


def _shown(gathered: _Gathered, folder: Path | None, jobs: int, tell: Listener) -> Study:
    """Return the study of what was gathered; write it, and its report, where it has a folder."""

    def measured(done: int, every: int) -> None:
        tell(Event("progress", {"measured": done, "runs": every}, f"{done} of {every} runs asked"))

    measured_on = split_in_common([run for runs in gathered.runs.values() for run in runs])
    ended = [run for runs in gathered.runs.values() for run in runs if run.error is None]
    same = len({run.data_sha256.get(measured_on or "") for run in ended}) <= 1
    answers = None
    if measured_on is not None and same:
        answers = answers_of(ended, measured_on, jobs, measured)
    study = _study_of(gathered, measured_on, same, answers)
    if folder is not None:
        study = dataclasses.replace(study, path=folder)
        write_study(study, answers)
    return study


def _study_of(
    gathered: _Gathered, measured_on: str | None, same: bool, answers: Answers | None
) -> Study:
    """Return a study of runs by their variants."""
    settings = _differing(gathered.recipes)
    variants = [
        variant_figures(
            name,
            gathered.recipes[name].objective.name,
            settings[name],
            [run if answers is None else answers.told(run) for run in runs],
            measured_on,
        )
        for name, runs in gathered.runs.items()
    ]
    return Study(
        gathered.name,
        gathered.description,
        gathered.language,
        None,
        measured_on,
        tuple(variants),
        compared(variants, measured_on, answers) if same else (),
        tuple(_notes(gathered, measured_on, same, answers)),
    )


def _notes(
    gathered: _Gathered, measured_on: str | None, same: bool, answers: Answers | None
) -> list[str]:
    """Return what must be known to judge the figures."""
    say = words(gathered.language).say
    if all(run.error is not None for runs in gathered.runs.values() for run in runs):
        return []
    if measured_on is None:
        return [say("no_split")]
    if not same:
        return [say("other_images")]
    if answers is None:
        return [say("no_data")]
    if answers.missing:
        reason = next(iter(answers.missing.values()))
        return [say("not_asked", count=len(answers.missing), reason=reason)]
    return []


def _of_runs(paths: Sequence[Path], language: str) -> _Gathered:
    """Return runs that exist; those that differ in the seed alone are one variant."""
    if len(paths) < 2:
        existing_run_folder(paths[0])
        raise ConfigError(
            f"{paths[0]}: is one run; a comparison needs at least two that differ in something"
        )
    recipes: dict[Recipe, list[tuple[Recipe, RunFolder]]] = {}
    for path in paths:
        folder = existing_run_folder(path)
        if folder.read_summary() is None:
            raise RunError(f"{path}: has not ended; go on with it first, by --resume {path}")
        own = read_recorded(folder.config).get("network_flag")
        recipe = load_recipe(folder.config, {"network.name": own} if own else {})
        known = recipes.setdefault(_without_places(recipe), [])
        if any(other.seed == recipe.seed for other, _ in known):
            raise ConfigError(
                f"{path}: is a run of the same recipe and seed as another of these; a comparison "
                "needs runs that differ in something"
            )
        known.append((recipe, folder))
    gathered = _Gathered("runs", words(language).say("there", count=len(paths)), language)
    names = _names({one: found[0][1].path for one, found in recipes.items()})
    for one, found in recipes.items():
        for recipe, folder in found:
            gathered.add(names[one], recipe, folder, None)
    return gathered


def _without_places(recipe: Recipe) -> Recipe:
    training = dataclasses.replace(recipe.training, device="auto")
    return dataclasses.replace(recipe, name="", description="", seed=0, training=training)


def _names(recipes: Mapping[Recipe, Path]) -> dict[Recipe, str]:
    """Return a name for each recipe, no two alike, that can be printed.

    It is in what the recipe differs from the others, or else the path of its run.
    """
    by_place = {str(place): recipe for place, recipe in enumerate(recipes)}
    names = {}
    for place, settings in _differing(by_place).items():
        recipe = by_place[place]
        parts = [
            str(value) if key.endswith(".name") else f"{key.rpartition('.')[2]} {value}"
            for key, value in settings.items()
        ]
        told = ", ".join(parts).replace("_", " ") if 0 < len(parts) <= 3 else ""
        names[recipe] = printable(told)
    told_once = Counter(names.values())
    for recipe, path in recipes.items():
        if not names[recipe] or told_once[names[recipe]] > 1:
            names[recipe] = printable(str(path))
    if len(set(names.values())) < len(names):  # a path that is like what tells another run apart
        names = {
            recipe: f"{number}: {name}" for number, (recipe, name) in enumerate(names.items(), 1)
        }
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


@contextmanager
def _held(folder: Path, name: str, *, makes_runs: bool) -> Iterator[None]:
    """Make the folder of a study where it is not there, and hold it; refuse what is another's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}") from None
    if inside and ("config.toml" in inside or not inside & _OURS):
        raise RunError(f"{folder}: is not empty, and no study is in it; name a new folder by --out")
    if "runs" in inside and not makes_runs:
        raise RunError(f"{folder}: holds a study with its own runs; name a new folder by --out")
    with locked(RunFolder(folder)):
        other = _name_of_study_in(folder)
        if other not in (None, name):
            raise RunError(
                f"{folder}: holds another study, {printable(str(other))}; name a new folder by "
                "--out"
            )
        yield


def _name_of_study_in(folder: Path) -> Any:
    """Return the name that a folder's study.json has; None where it has none."""
    try:
        figures = json.loads((folder / "study.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return figures.get("name") if isinstance(figures, dict) else None
