"""What the runs of a study answer on the images that all were measured on.

Answers come from where those of `digitlab evaluate` come from, so that their figures are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digitlab.data.dataset import Dataset, Images, Labels, Split
from digitlab.errors import DigitlabError
from digitlab.evaluation.figures import Z_95, Evaluation
from digitlab.evaluation.measure import evaluate_split, load_data_of
from digitlab.evaluation.report import EvaluationReport
from digitlab.reading.recogniser import Recogniser
from digitlab.studies.statistics import Comparison, compare_all
from digitlab.studies.study import RunFigures, VariantFigures, accuracies_of

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Answers:
    """What runs answer, by the path of each.

    Attributes:
        name: of the split, "test" or "valid".
        split: its images and labels.
        predictions: int64 [N] of each run.
        evaluations: the figures of each run, as `digitlab evaluate` gives them.
        missing: why a run has none.
    """

    name: str
    split: Split
    predictions: Mapping[str, Labels]
    evaluations: Mapping[str, Evaluation]
    missing: Mapping[str, str]

    @property
    def images(self) -> Images:
        """uint8 [N, 28, 28]."""
        return self.split.images

    @property
    def labels(self) -> Labels:
        """int64 [N]."""
        return self.split.labels

    def told(self, run: RunFigures) -> RunFigures:
        """Return the figures of a run with those that its answers give."""
        found = self.evaluations.get(run.path)
        if found is None:
            return run
        matrix = tuple(tuple(map(int, row)) for row in found.confusion_matrix)
        if self.name == "test":
            return replace(
                run,
                test_accuracy=found.accuracy,
                test_interval=found.interval,
                confusion_matrix=matrix,
            )
        return replace(run, valid_accuracy=found.accuracy, confusion_matrix=matrix)

    def right(self, runs: Sequence[str]) -> npt.NDArray[np.bool_] | None:
        """Return whether each run told each image right, bool [R, N]; None where one has none."""
        if not runs or any(run not in self.predictions for run in runs):
            return None
        return np.stack([self.predictions[run] == self.labels for run in runs])


@dataclass(frozen=True)
class Disagreement:
    """An image that one variant told right and the other did not.

    Attributes:
        index: of the image.
        label: its truth.
        wrong: what each run of the other answered.
        ahead: by how many runs the first told it right more often.
    """

    index: int
    label: int
    wrong: tuple[int, ...]
    ahead: int


def answers_of(
    runs: Sequence[RunFigures], measured_on: str, jobs: int = 1, tell: Tell | None = None
) -> Answers | None:
    """Return what runs answer on a split; None where their data are not there as they were.

    Args:
        runs: which have ended, all measured on the same images.
        measured_on: "test" or "valid".
        jobs: how many are asked side by side, a thread each.
        tell: is called with (done, all) after each run.
    """
    dataset = _data_of(runs, measured_on)
    if dataset is None:
        return None

    def ask(run: RunFigures) -> EvaluationReport | str:
        try:
            return evaluate_split(Recogniser(run.path), dataset, measured_on)
        except DigitlabError as error:
            return str(error)

    reports: dict[str, EvaluationReport] = {}
    missing: dict[str, str] = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            for done, (run, report) in enumerate(zip(runs, pool.map(ask, runs), strict=True), 1):
                if isinstance(report, str):
                    missing[run.path] = report
                else:
                    reports[run.path] = report
                if tell is not None:
                    tell(done, len(runs))
        finally:  # whoever stops waits for those that are being asked alone
            pool.shutdown(wait=False, cancel_futures=True)
    return Answers(
        measured_on,
        dataset.splits[measured_on],
        {path: one.predictions for path, one in reports.items()},
        {path: one.evaluation for path, one in reports.items()},
        missing,
    )


def compared(
    variants: Sequence[VariantFigures], measured_on: str | None, answers: Answers | None = None
) -> tuple[Comparison, ...]:
    """Return each variant compared with each other, where both have runs that ended."""
    accuracies = {one.name: accuracies_of(one.runs, measured_on) for one in variants}
    known = {name: by_seed for name, by_seed in accuracies.items() if by_seed}
    if answers is None:
        return tuple(compare_all(known, None))
    paths = {one.name: {run.seed: run.path for run in one.runs} for one in variants}
    found = []
    for one in compare_all(known, len(answers.labels)):
        first = answers.right([paths[one.first][seed] for seed in one.seeds])
        second = answers.right([paths[one.second][seed] for seed in one.seeds])
        if first is not None and second is not None:
            one = replace(one, images_interval=interval_over_images(first, second))
        found.append(one)
    return tuple(found)


def interval_over_images(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the 95 % interval of a difference of accuracies, by the spread over the images.

    Args:
        first, second: bool [R, N], whether each run of a variant told each image right, the same
            seeds in the same order.
    """
    of_images = first.mean(axis=0) - second.mean(axis=0)
    half = Z_95 * float(of_images.std()) / math.sqrt(len(of_images))
    mean = float(of_images.mean())
    return mean - half, mean + half


def disagreements(
    answers: Answers, right: Sequence[str], wrong: Sequence[str]
) -> list[Disagreement]:
    """Return images that runs told right and others did not, the clearest first.

    Args:
        answers: of all of them.
        right, wrong: the runs of two variants, the same seeds in the same order.
    """
    told, missed = answers.right(right), answers.right(wrong)
    if told is None or missed is None:
        return []
    ahead = told.sum(axis=0) - missed.sum(axis=0)
    chosen = np.flatnonzero(ahead > 0)
    order = chosen[np.lexsort((chosen, -ahead[chosen]))]
    return [
        Disagreement(
            int(at),
            int(answers.labels[at]),
            tuple(int(answers.predictions[run][at]) for run in wrong),
            int(ahead[at]),
        )
        for at in order
    ]


def _data_of(runs: Sequence[RunFigures], split: str) -> Dataset | None:
    """Return the data of the first run whose data can be found; None where they have changed."""
    for run in runs:
        try:
            dataset = load_data_of(run.path, None)
        except DigitlabError:
            continue
        if dataset.sha256().get(split) == run.data_sha256.get(split):
            return dataset
    return None
