"""What comes of a study: plain values, as a table for people, as CSV and as JSON.

A `Study` is gathered from the folders of its runs, so that its figures are theirs.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from digitlab import notebook
from digitlab.config import Recipe
from digitlab.studies.sentences import on_chance, overview
from digitlab.studies.statistics import Comparison, mean_interval
from digitlab.studies.words import rounded, words
from digitlab.training.metrics import read_metrics
from digitlab.training.run_folder import RunFolder
from digitlab.wording import accuracy_text, is_formula

REACHED = (0.90, 0.97, 0.99)
_IMAGES_JUDGED = 1000  # over so many is the accuracy that is reached
_MOST = 1e12  # steps or seconds of a run; what is above was written by no run
_MOST_LOSS = 1e40  # float32 ends before
COLUMNS = (
    *("variant", "objective", "runs", "failed", "accuracy", "accuracy_low", "accuracy_high"),
    *("images_low", "images_high", "loss", "seconds", "images_per_second", "parameters", "epochs"),
    *(f"seconds_to_{100 * accuracy:.0f}" for accuracy in REACHED),
)


@dataclass(frozen=True)
class Curves:
    """How a run went.

    Attributes:
        steps, seconds, loss, accuracy: of each step, from 1: seconds of training so far, and loss
            and accuracy of its batch; the loss is None where it was not finite.
        valid_steps, valid_loss, valid_accuracy: where the validation split was measured.
    """

    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    loss: tuple[float | None, ...]
    accuracy: tuple[float, ...]
    valid_steps: tuple[int, ...]
    valid_loss: tuple[float | None, ...]
    valid_accuracy: tuple[float, ...]


@dataclass(frozen=True)
class RunFigures:
    """A run of a study.

    Attributes:
        seed, path: its seed, and its folder.
        error: why it has no figures; None where it has ended.
        test_accuracy, valid_accuracy: fractions; None where there is no such split.
        test_interval: 95 % interval of the test accuracy, by the number of test images.
        valid_loss: mean over the validation split at the end.
        seconds: of training.
        images_per_second, parameters, epochs: as its summary and its recipe say.
        seconds_to: by accuracy: seconds of training until so large a part of the last 1,000 images
            was told right before they were learned from; None where that was never reached.
        data_sha256: of the data's splits, by their names.
        confusion_matrix: 10 x 10, truth by answer, on the split of `Study.measured_on`; None where
            single answers are not known.
    """

    seed: int
    path: str
    error: str | None = None
    test_accuracy: float | None = None
    test_interval: tuple[float, float] | None = None
    valid_accuracy: float | None = None
    valid_loss: float | None = None
    seconds: float | None = None
    images_per_second: float | None = None
    parameters: int | None = None
    epochs: float | None = None
    seconds_to: Mapping[str, float | None] | None = None
    data_sha256: Mapping[str, str] = field(default_factory=dict)
    confusion_matrix: tuple[tuple[int, ...], ...] | None = None

    def curves(self) -> Curves:
        """Return loss and accuracy over the steps; of a run that is gone, none."""
        steps, valid = _measured(RunFolder(Path(self.path)))
        return Curves(
            steps=tuple(line["step"] for line in steps),
            seconds=tuple(line["seconds"] for line in steps),
            loss=tuple(line["loss"] for line in steps),
            accuracy=tuple(line["accuracy"] for line in steps),
            valid_steps=tuple(line["step"] for line in valid),
            valid_loss=tuple(line["valid_loss"] for line in valid),
            valid_accuracy=tuple(line["valid_accuracy"] for line in valid),
        )


@dataclass(frozen=True)
class VariantFigures:
    """One of what a study compares: means over its runs that have ended; None where none has.

    Attributes:
        name: the variant's.
        objective: the loss that it is trained with; losses of different ones do not compare.
        settings: what tells it from the others, by the dotted key of a recipe.
        runs: one a seed, with those that failed.
        accuracy: on the split of `Study.measured_on`.
        accuracy_interval: 95 % interval of the mean, by the spread over seeds; None with one.
        images_interval: 95 % interval by the number of test images: the mean of those of the runs.
        loss: on the validation split.
        seconds: of training.
        images_per_second, parameters, epochs: as those of `RunFigures`.
        seconds_to: as `RunFigures.seconds_to`; None where any run did not reach it.
    """

    name: str
    objective: str
    settings: Mapping[str, Any]
    runs: tuple[RunFigures, ...]
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None
    images_interval: tuple[float, float] | None
    loss: float | None
    seconds: float | None
    images_per_second: float | None
    parameters: int | None
    epochs: float | None
    seconds_to: Mapping[str, float | None]

    def row(self) -> dict[str, Any]:
        """Return the line of a table, by `COLUMNS`."""
        low, high = self.accuracy_interval or (None, None)
        images_low, images_high = self.images_interval or (None, None)
        failed = sum(run.error is not None for run in self.runs)
        values = (
            *(self.name, self.objective, len(self.runs), failed, self.accuracy, low, high),
            *(images_low, images_high, self.loss, self.seconds, self.images_per_second),
            *(self.parameters, self.epochs, *self.seconds_to.values()),
        )
        return dict(zip(COLUMNS, values, strict=True))


@dataclass(frozen=True)
class Study:
    """Several runs that differ in one thing, and what their differences are worth.

    Attributes:
        name, description: the study's.
        language: "en" or "zh", of the report.
        path: its folder; None where it was given none.
        measured_on: the split of the accuracies, "test" or "valid"; None where runs have none in
            common.
        variants: what is compared.
        comparisons: of each variant with each other; empty where their data are not the same.
        notes: what must be known to judge the figures.
    """

    name: str
    description: str
    language: str
    path: Path | None
    measured_on: str | None
    variants: tuple[VariantFigures, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[tuple[str, RunFigures], ...]:
        """The runs that failed, each with the name of its variant."""
        return tuple(
            (variant.name, run)
            for variant in self.variants
            for run in variant.runs
            if run.error is not None
        )

    def table(self) -> list[dict[str, Any]]:
        """Return a line a variant, by column."""
        return [variant.row() for variant in self.variants]

    def sentences(self) -> list[str]:
        """Return what the figures show, and what they do not, a sentence each."""
        return [*overview(self), *on_chance(self), *self.notes]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain: dict[str, Any] = json.loads(
            json.dumps(
                {
                    "format_version": 1,
                    **asdict(self),
                    "path": None if self.path is None else str(self.path),
                    "sentences": self.sentences(),
                }
            )
        )
        return plain

    def to_csv(self) -> str:
        """Return the table as CSV, an empty cell for what is not known.

        A name that a spreadsheet would take for a formula has an apostrophe before it.
        """
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.table():
            name = row["variant"]
            writer.writerow({**row, "variant": f"'{name}" if is_formula(name) else name})
        return out.getvalue()

    def to_text(self) -> str:
        """Return the table and the sentences for a terminal."""
        key = "titled_as" if self.description else "titled"
        lines = [words(self.language).say(key, name=self.name, description=self.description)]
        rows = self.cells()
        widths = [max(cell_len(row[place]) for row in rows) for place in range(len(rows[0]))]
        for first, *others in rows:
            cells = [first + " " * (widths[0] - cell_len(first))]
            cells += [
                " " * (width - cell_len(cell)) + cell
                for cell, width in zip(others, widths[1:], strict=True)
            ]
            lines.append("  ".join(cells).rstrip())
        lines += ["", *self.sentences()] if self.sentences() else []
        return "\n".join([*lines, *self.failures()])

    def failures(self) -> list[str]:
        """Return which runs failed, and why, a sentence each."""
        say = words(self.language).say
        return [
            say("failed", name=name, seed=run.seed, reason=run.error) for name, run in self.failed
        ]

    def cells(self) -> list[list[str]]:
        """Return the table as it is shown, its head first, in the study's language."""
        spoken = words(self.language)
        named = spoken.tables["columns"]
        several = len({variant.objective for variant in self.variants}) > 1
        rows = [
            [
                *(named["variant"], named[f"{self.measured_on or ''}_accuracy".lstrip("_")]),
                *(named["by_seeds"], named["by_images"], named["loss"], named["seconds"]),
                *(named["images_per_second"], named["parameters"], named["epochs"]),
                *(named["to"].format(accuracy=rounded(accuracy)) for accuracy in REACHED),
            ]
        ]
        for one in self.variants:
            loss = _figure(one.loss, ".4f")
            rows.append(
                [
                    *(one.name, "" if one.accuracy is None else accuracy_text(one.accuracy)),
                    *(spoken.span(one.accuracy_interval), spoken.span(one.images_interval)),
                    spoken.of_objective(loss, one.objective) if several and loss else loss,
                    *(_figure(one.seconds, ".1f"), _figure(one.images_per_second, ",.0f")),
                    *(_figure(one.parameters, ",d"), _figure(one.epochs, "g")),
                    *(_figure(one.seconds_to.get(f"{accuracy:g}"), ".1f") for accuracy in REACHED),
                ]
            )
        return rows

    def __repr__(self) -> str:
        return f"<Study {self.name}: {', '.join(variant.name for variant in self.variants)}>"

    def _repr_html_(self) -> str:
        head, *rows = self.cells()
        parts = [notebook.note(sentence) for sentence in (*self.sentences(), *self.failures())]
        if self.path is not None:
            with suppress(OSError):  # it may be gone
                curves = (self.path / "curves.png").read_bytes()
                parts.append(notebook.picture(curves, "accuracy and loss over the steps"))
        return notebook.shown(f"Study {self.name}", notebook.table(rows, head), *parts)


def run_figures(recipe: Recipe, folder: RunFolder, error: str | None) -> RunFigures:
    """Return the figures of a run, from what its folder holds."""
    summary, epochs = folder.read_summary(), recipe.training.epochs
    if summary is None:
        return RunFigures(recipe.seed, str(folder.path), error or "has not ended", epochs=epochs)
    interval = summary.get("test_interval")
    steps, valid = _measured(folder)
    return RunFigures(
        recipe.seed,
        str(folder.path),
        None,
        summary.get("test_accuracy"),
        None if interval is None else (interval[0], interval[1]),
        summary.get("valid_accuracy"),
        valid[-1]["valid_loss"] if valid else None,
        summary.get("train_seconds"),
        summary.get("images_per_second"),
        summary.get("parameters"),
        epochs,
        seconds_to(steps, recipe.training.batch_size),
        summary.get("data_sha256", {}),
    )


def seconds_to(steps: Sequence[Mapping[str, Any]], batch_size: int) -> dict[str, float | None]:
    """Return when a run reached each of `REACHED`, by its steps; see `RunFigures.seconds_to`."""
    window: deque[float] = deque(maxlen=math.ceil(_IMAGES_JUDGED / batch_size))
    found: dict[str, float | None] = {f"{accuracy:g}": None for accuracy in REACHED}
    for line in steps:
        window.append(line["accuracy"])
        mean = math.fsum(window) / len(window)
        for accuracy in REACHED:
            key = f"{accuracy:g}"
            if len(window) == window.maxlen and found[key] is None and mean >= accuracy:
                found[key] = line["seconds"]
    return found


def variant_figures(
    name: str,
    objective: str,
    settings: Mapping[str, Any],
    runs: Sequence[RunFigures],
    measured_on: str | None,
) -> VariantFigures:
    """Return what the runs of a variant have in common."""
    ended = [run for run in runs if run.error is None]
    accuracies = list(accuracies_of(runs, measured_on).values())
    intervals = [run.test_interval for run in ended if run.test_interval]
    by_images = None
    if measured_on == "test" and intervals:
        by_images = (_mean(one[0] for one in intervals), _mean(one[1] for one in intervals))

    def mean(of: Callable[[RunFigures], float | None]) -> float | None:
        values = [value for run in ended if (value := of(run)) is not None]
        return _mean(values) if values and len(values) == len(ended) else None

    def reached(key: str) -> float | None:
        return mean(lambda run: (run.seconds_to or {}).get(key))

    return VariantFigures(
        name,
        objective,
        settings,
        tuple(runs),
        _mean(accuracies) if accuracies else None,
        mean_interval(accuracies),
        by_images,
        mean(lambda run: run.valid_loss),
        mean(lambda run: run.seconds),
        mean(lambda run: run.images_per_second),
        ended[0].parameters if ended else None,
        mean(lambda run: run.epochs),
        {f"{accuracy:g}": reached(f"{accuracy:g}") for accuracy in REACHED},
    )


def split_in_common(runs: Sequence[RunFigures]) -> str | None:
    """Return the split on which all runs that have ended were measured: test, or else valid."""
    ended = [run for run in runs if run.error is None]
    if ended and all(run.test_accuracy is not None for run in ended):
        return "test"
    if ended and all(run.valid_accuracy is not None for run in ended):
        return "valid"
    return None


def accuracies_of(runs: Sequence[RunFigures], measured_on: str | None) -> dict[int, float]:
    """Return accuracies by seed, of the runs that have ended."""
    found = {}
    for run in runs:
        value = run.test_accuracy if measured_on == "test" else run.valid_accuracy
        if run.error is None and measured_on and value is not None:
            found[run.seed] = value
    return found


def _measured(folder: RunFolder) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the lines of a run's steps, and those of its validation.

    The file may be gone, or damaged by whatever came by: a line that lacks a figure, or has one
    that cannot be, is passed over.
    """
    kinds = {
        "step": {"step": _MOST, "seconds": _MOST, "loss": None, "accuracy": 1.0},
        "epoch": {"step": _MOST, "valid_loss": None, "valid_accuracy": 1.0},
    }
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    with suppress(OSError):
        for line in read_metrics(folder.metrics):
            for kind, figures in kinds.items():
                if line["kind"] == kind and all(
                    _may_be(line.get(key, ""), most) for key, most in figures.items()
                ):
                    found[kind].append(line)
    return found["step"], found["epoch"]


def _may_be(value: Any, most: float | None) -> bool:
    """Whether a value is a figure from 0 to `most`; None is that of a loss, which may be none."""
    if value is None:
        return most is None
    return type(value) in (int, float) and 0 <= value <= (_MOST_LOSS if most is None else most)


def _mean(values: Any) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
