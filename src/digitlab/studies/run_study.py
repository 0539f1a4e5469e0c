"""The runs of a study: which there are to be, how long they will take, and the making of them.

A run's folder is known by the hash of its recipe and data, so that one that is there is not made
again, and one that was begun is gone on with. Needs no torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from digitlab import events
from digitlab.config import DataConfig, Recipe
from digitlab.data import load_dataset
from digitlab.durable_files import write_whole
from digitlab.errors import ConfigError, RunError
from digitlab.events import Event, Listener
from digitlab.recipe_files import load_recipe, read_begun_in, to_toml
from digitlab.studies.design import Design, Variant
from digitlab.studies.runner import TRIALS, Crew, Task
from digitlab.training.request import Request
from digitlab.training.run_folder import RunFolder
from digitlab.wording import accuracy_text, duration

_TRIAL_SECONDS = 0.5  # of steps
_TRIAL_EPOCHS = 1e6  # where seconds are the budget: never the end of a trial
_TELLING = 0.1  # of a study tells how long the rest will take
_NAME_BYTES = 120  # of a folder's name, which file systems let have 255
_BESIDE = "seconds of a run beside its steps"


@dataclass(frozen=True)
class StudiedRun:
    """A run of a study, made or to be made.

    Attributes:
        variant: of which it is one.
        seed: its seed.
        recipe: its recipe.
        folder: where it lies.
        error: why it failed; None where it did not, or was not tried yet.
    """

    variant: Variant
    seed: int
    recipe: Recipe
    folder: RunFolder
    error: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.variant.name}, seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        """Whether it has ended."""
        return self.folder.read_summary() is not None

    def in_the_way(self) -> str | None:
        """Return what lies where it is to go on or to begin, and would fail each time."""
        path = self.folder.path
        if path.exists() and not path.is_dir():
            return f"{path}: is a file; remove it, and the same again makes the run"
        if self.folder.config.is_file():
            try:
                load_recipe(self.folder.config, self._own())
            except ConfigError as error:
                return f"{error}; remove {path}, and the same again makes the run"
        return None

    def in_words_of_a_study(self, error: str) -> str:
        """Return why it failed, with the way out that there is in a study."""
        path = self.folder.path
        if error.startswith(f"{path}: is not empty: what it holds is no run"):
            return f"{path}: holds no run; remove it, and the same again makes the run"
        return error.replace(f"go on by --resume {path}", "the same again goes on")

    def _own(self) -> dict[str, Any]:
        """Return what lets a network of the user's own run."""
        return {"network.name": self.recipe.network.name} if self.recipe.custom_network else {}

    def request(self, design: Design) -> Request:
        """Return what a process is asked for: to begin it, or to go on with it."""
        begun = self.folder.config.is_file()
        return Request(
            recipe=self.variant.recipe,
            overrides=self._own() if begun else design.overrides(self.variant, self.seed),
            threads=1,
            run_dir=None if begun else str(self.folder.path),
            resume=str(self.folder.path) if begun else None,
            ledger=False,
        )


@dataclass(frozen=True)
class Data:
    """What must be known of the data of a variant: their hashes, as text, and their splits."""

    sha256: str
    images: Mapping[str, int]


class Trials:
    """How long things took when they were tried; kept in the study's folder."""

    def __init__(self, folder: Path) -> None:
        """Read what is known; what cannot be read is tried again."""
        self._path = folder / "trials.json"
        self._known: dict[str, float] = {}
        try:
            known = json.loads(self._path.read_text("utf-8"))
            self._known = {key: float(value) for key, value in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            pass

    def get(self, key: str) -> float | None:
        """Return a figure that is known."""
        return self._known.get(key)

    def keep(self, key: str, value: float) -> None:
        """Remember a figure, and write it.

        Raises:
            RunError: where the disk refuses.
        """
        self._known[key] = value
        try:
            write_whole(self._path, f"{json.dumps(self._known, indent=2)}\n".encode())
        except OSError as error:
            raise RunError(f"{self._path}: cannot be written: {error.strerror}") from None


class StudyRunner:
    """Makes the runs of one study."""

    def __init__(self, design: Design, folder: Path, jobs: int, tell: Listener) -> None:
        """Give what is to be compared, where the study goes, and how many runs go side by side."""
        self._design, self._folder, self._jobs, self._tell = design, folder, jobs, tell
        self._trials = Trials(folder)
        self._data: dict[tuple[DataConfig, str | None], Data] = {}
        self._said: set[str] = set()
        self._untried: dict[str, str] = {}  # why the trials of variants failed

    def run(self) -> list[StudiedRun]:
        """Make all runs that are not there; return all, in the order of variants and seeds.

        Raises:
            ConfigError, DataError: where a recipe or its data are not as they must be.
            RunError: where the study's folder cannot be written.
            Interrupted: where a signal stopped it; the same call goes on.
        """
        crew = Crew(self._jobs, self._folder)
        self._sweep()
        try:
            self._try_all(crew)
            design = self._with_epochs()
            runs = self._planned(design)
            left = [run for run in runs if not run.is_finished]
            errors = self._make(crew, design, left, len(runs)) if left else {}
        finally:
            crew.close()
            self._sweep()
        return [replace(run, error=errors.get(run.name)) for run in runs]

    def _sweep(self) -> None:
        """Remove what trials left, those of a study that was killed, too."""
        shutil.rmtree(self._folder / TRIALS, ignore_errors=True)

    def _planned(self, design: Design) -> list[StudiedRun]:
        there = self._folder / "runs"
        runs = []
        for variant in design.variants:
            for seed in design.seeds:
                recipe = design.recipe(variant, seed)
                key = self._key(variant, recipe)
                found = sorted(there.glob(f"*-{key}")) if there.is_dir() else []
                path = found[0] if found else there / f"{_short(variant.name)}-seed-{seed}-{key}"
                runs.append(StudiedRun(variant, seed, recipe, RunFolder(path)))
        return runs

    def _key(self, variant: Variant, recipe: Recipe) -> str:
        """Return the hash of a recipe, whatever it is called, of its data and first weights."""
        text = to_toml(replace(recipe, name="", description="")) + self._data_of(variant).sha256
        if recipe.start_from:
            summary = RunFolder(Path(recipe.start_from)).read_summary() or {}
            text += str(summary.get("weights_sha256", ""))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def _data_of(self, variant: Variant) -> Data:
        """Return what must be known of a variant's data."""
        data = self._design.recipe(variant, self._design.seeds[0]).data
        a_file = variant.recipe.endswith(".toml")
        begun_in = read_begun_in(Path(variant.recipe)) if a_file else None
        if (data, begun_in) not in self._data:
            found = load_dataset(
                list(data.sources), data.train_on, validation=data.validation, begun_in=begun_in
            )
            self._data[data, begun_in] = Data(
                json.dumps(dict(found.sha256()), sort_keys=True),
                {name: len(split) for name, split in found.splits.items()},
            )
        return self._data[data, begun_in]

    def _trial_key(self, variant: Variant) -> str:
        """Return what a variant's trial is known by: the seed and the epochs change nothing."""
        recipe = self._design.recipe(variant, self._design.seeds[0])
        training = replace(recipe.training, epochs=1.0)
        return self._key(variant, replace(recipe, seed=0, training=training))

    def _try_all(self, crew: Crew) -> None:
        """Measure a step of each variant that has runs to make, and once what a run costs beside.

        Where seconds are the budget, each variant is measured, for its epochs follow from it, and
        long enough, however few steps its recipe's epochs have.
        """
        keys = {variant.name: self._trial_key(variant) for variant in self._design.variants}
        unknown = [one for one in self._design.variants if self._trials.get(keys[one.name]) is None]
        if self._design.seconds is None:
            left = {run.variant.name for run in self._planned(self._design) if not run.is_finished}
            unknown = [variant for variant in unknown if variant.name in left]
        if not unknown:
            return
        count = f"{len(unknown)} variants" if len(unknown) > 1 else "1 variant"
        self._tell(events.note("trial", f"trying for a moment how long {count} will take"))
        longer = {} if self._design.seconds is None else {"training.epochs": _TRIAL_EPOCHS}
        tasks = [
            Task(variant.name, self._trial_of(variant, longer), _TRIAL_SECONDS)
            for variant in unknown
        ]
        if self._trials.get(_BESIDE) is None:
            shortest = self._trial_of(unknown[0], {"training.epochs": 1e-9})
            tasks.insert(0, Task("a run of one step", shortest, math.inf))

        def hear(task: Task, event: Event) -> None:
            if event.kind != "ended":
                return
            if event.facts["error"]:  # what fails here fails again as a run, and is named there
                self._untried[task.name] = event.facts["error"]
            elif task.trial == math.inf:
                self._trials.keep(_BESIDE, event.facts["seconds"])
            elif seconds := event.facts["seconds_per_step"]:
                self._trials.keep(keys[task.name], seconds)

        crew.work(tasks, hear)

    def _trial_of(self, variant: Variant, more: Mapping[str, Any]) -> Request:
        overrides = {**self._design.overrides(variant, self._design.seeds[0]), **more}
        return Request(variant.recipe, overrides, 1, None, None, ledger=False)

    def _with_epochs(self) -> Design:
        """Return the design with epochs in place of a budget of seconds, recorded once."""
        design = self._design
        if design.seconds is None:
            return design
        variants = []
        for variant in design.variants:
            key = self._trial_key(variant)
            recorded = f"{key} for {design.seconds:g} s: epochs"
            a_step, epochs = self._trials.get(key), self._trials.get(recorded)
            if epochs is None and a_step is not None:
                recipe = design.recipe(variant, design.seeds[0])
                images = self._data_of(variant).images.get("train", 0)
                an_epoch = -(-images // recipe.training.batch_size)
                steps = max(1, round(design.seconds / a_step))
                epochs = float(f"{steps / an_epoch:.4g}")
                self._trials.keep(recorded, epochs)
            settings = {} if epochs is None else {"training.epochs": epochs}
            variants.append(replace(variant, settings={**variant.settings, **settings}))
        return replace(design, variants=tuple(variants), seconds=None)

    def _seconds_of(self, run: StudiedRun) -> float:
        """Return about how long a run will take, where its variant could be tried."""
        a_step = self._trials.get(self._trial_key(run.variant)) or 0.0
        images = self._data_of(run.variant).images.get("train", 0)
        steps = max(1.0, run.recipe.training.epochs * images / run.recipe.training.batch_size)
        return steps * a_step + (self._trials.get(_BESIDE) or 0.0)

    def _without_epochs(self, run: StudiedRun) -> str | None:
        """Return why a budget of seconds gave a run no epochs; None where it has some."""
        if self._design.seconds is None or "training.epochs" in run.variant.settings:
            return None
        return self._untried.get(run.variant.name, "its trial took no step")

    def _make(
        self, crew: Crew, design: Design, left: Sequence[StudiedRun], count: int
    ) -> dict[str, str]:
        """Make runs; return why some failed, by their names."""
        left = sorted(left, key=lambda run: design.seeds.index(run.seed))  # of each variant, soon
        by_name = {run.name: run for run in left}
        jobs = min(self._jobs, len(left))
        left_over = LeftOver({run.name: self._seconds_of(run) for run in left}, jobs)
        there = f", {count - len(left)} of them there already" if len(left) < count else ""
        seconds = left_over.seconds()
        self._tell(
            events.note(
                "plan",
                f"{count} runs{there}; up to {jobs} side by side, about "
                f"{duration(seconds)} on this machine (shorter with fewer --epochs or --seeds)",
                runs=count,
                to_make=len(left),
                side_by_side=jobs,
                seconds=round(seconds, 1),
            )
        )
        errors: dict[str, str] = {}
        for run in left:
            if error := run.in_the_way() or self._without_epochs(run):
                errors[run.name] = error
                left_over.end(run.name)
                self._tell(_ended(run, error))

        def hear(task: Task, event: Event) -> None:
            if event.kind == "warning" and event.text not in self._said:
                self._said.add(event.text)
                self._tell(events.warning(f"{task.name}: {event.text}"))
            elif event.kind == "step":
                left_over.step(task.name, event.facts["step"] / event.facts["steps"])
                self._tell(left_over.to_event(count))
            elif event.kind == "ended":
                left_over.end(task.name)
                run, error = by_name[task.name], event.facts["error"]
                if error:
                    error = errors[task.name] = run.in_words_of_a_study(error)
                self._tell(_ended(run, error))

        tasks = [Task(run.name, run.request(design)) for run in left if run.name not in errors]
        crew.work(tasks, hear)
        return errors


def _short(name: str) -> str:
    """Return of a variant's name what its folders may be called, of whole characters."""
    plain = re.sub(r"[^\w.]+", "-", name).strip("-.")
    return plain.encode()[:_NAME_BYTES].decode(errors="ignore") or "run"


def _ended(run: StudiedRun, error: str | None) -> Event:
    facts = {"run": run.name, "path": str(run.folder.path), "error": error}
    if error:
        return events.note("ended", f"{run.name}: failed: {error}", **facts)
    summary = run.folder.read_summary() or {}
    accuracy = summary.get("test_accuracy")
    text = f"{run.name}: test accuracy {accuracy_text(accuracy)}"
    return events.note("ended", text, test_accuracy=accuracy, **facts)


class LeftOver:
    """What is left of a study, in seconds: as expected, corrected by how long it took so far."""

    def __init__(self, seconds: Mapping[str, float], jobs: int) -> None:
        """Give what each run is expected to take, and how many go side by side."""
        self._seconds, self._jobs = seconds, jobs
        self._began = time.monotonic()
        self._done: set[str] = set()
        self._parts: dict[str, float] = {}

    def step(self, name: str, part: float) -> None:
        """Note how much of a run is done."""
        self._parts[name] = part

    def end(self, name: str) -> None:
        """Note that a run has ended."""
        self._done.add(name)
        self._parts.pop(name, None)

    def seconds(self) -> float:
        """Return how long the rest takes: the work of all processes, or the longest run."""
        left = [
            (1 - self._parts.get(name, 0.0)) * seconds
            for name, seconds in self._seconds.items()
            if name not in self._done
        ]
        expected = max(sum(left) / self._jobs, max(left, default=0.0))
        done = sum(self._seconds.values()) - sum(left)
        if done <= _TELLING * sum(self._seconds.values()):
            return expected
        return expected * (time.monotonic() - self._began) * self._jobs / done

    def to_event(self, count: int) -> Event:
        """Return which runs go on, how far they are, and what is left."""
        finished = count - len(self._seconds) + len(self._done)
        seconds = self.seconds()
        going = "  ".join(f"{name} {100 * part:.0f} %" for name, part in self._parts.items())
        text = f"{finished} of {count} runs  {duration(seconds)} left  {going}"
        facts = {"done": finished, "runs": count, "seconds_left": seconds, "parts": self._parts}
        return Event("progress", facts, text)
