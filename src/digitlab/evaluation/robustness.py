"""How a model does on pictures as cameras take them, and on what is no digit.

Both go the whole way of a user's picture: the recogniser finds the glyph, prepares it and answers.
Used by measure.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from digitlab.data.dataset import Split
from digitlab.errors import CalibrationWarning, DataError
from digitlab.evaluation.coverage import Selection, said, select
from digitlab.evaluation.figures import (
    CLASSES,
    Evaluation,
    Probabilities,
    auroc,
    evaluate_predictions,
)
from digitlab.wording import counted, percent

if TYPE_CHECKING:
    from digitlab.reading.recogniser import Recogniser
    from digitlab.reading.types import Digit, Reading

Found = TypeVar("Found")
Progress = Callable[[int, int], None]  # is told how many pictures are done, of how many

PICTURES = 500  # a kind
REJECT = 0.01  # at which kinds are compared
KEPT = 0.99  # of the digits, where what is no digit is to be refused
_SEED = 1  # of the made pictures
_NOTHING = (0.0,) * CLASSES  # the probabilities of ten where nothing was found


@dataclass(frozen=True)
class Kind:
    """A model on made pictures of one kind.

    Attributes:
        name: one of `digitlab.synthesis.camera.KINDS`.
        evaluation: the figures, refusal off; a digit that was not found is an error.
        found: pictures in which a digit was found.
        selection: what is read at REJECT; by default where the model is not calibrated.
    """

    name: str
    evaluation: Evaluation
    found: int
    selection: Selection

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": self.name,
            "found": self.found,
            **self.evaluation.to_json(),
            "selection": self.selection.to_json(),
        }


@dataclass(frozen=True)
class NoDigits:
    """A model on pictures without digits, beside digits.

    Attributes:
        folder: where the pictures lie.
        count: pictures.
        refused: of them, by default; one in which nothing was found is refused, too.
        unreadable: pictures and folders that cannot be read; not counted.
        score: by what they are told apart: "no digit", its probability where the model has one,
            or "doubt", 1 less the confidence.
        auroc: how often a picture without a digit has a higher score than a digit.
        refused_at_kept: the fraction of them that is refused where 99 % of the digits are kept.
    """

    folder: str
    count: int
    refused: int
    unreadable: tuple[str, ...]
    score: str
    auroc: float
    refused_at_kept: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "folder": self.folder,
            "count": self.count,
            "refused": self.refused,
            "unreadable": list(self.unreadable),
            "score": self.score,
            "auroc": self.auroc,
            "refused_at_99_percent_kept": self.refused_at_kept,
        }

    def to_text(self) -> str:
        """Return a line for a terminal, and one where files were passed over."""
        text = (
            f"{self.folder}: {counted(self.count, 'picture')} without digits, "
            f"{percent(self.refused / self.count, 1)} refused by default, "
            f"{percent(self.refused_at_kept, 1)} where {percent(KEPT, 0)} of the digits are kept; "
            f"AUROC {self.auroc:.3f} by {self.score}"
        )
        if self.unreadable:
            text += f"\npassed over, cannot be read: {', '.join(self.unreadable)}"
        return text


def measure_kinds(
    recogniser: Recogniser, split: Split, pictures: int, progress: Progress | None
) -> tuple[Kind, ...]:
    """Read made pictures of a split's digits, each kind of them.

    Args:
        recogniser: with probabilities.
        split: whose digits are photographed, evenly from its first to its last.
        pictures: of each kind, at most.
        progress: is called after each picture.
    """
    from digitlab.synthesis.camera import KINDS, can_be_photographed, photograph

    inked = can_be_photographed(split.images)
    if not len(inked):
        raise DataError("all images of the split are blank: none can be photographed")
    chosen = inked[evenly(len(inked), pictures)]
    kinds = []
    for at, name in enumerate(KINDS):
        made = (photograph(split.images[i], name, _SEED, int(i)) for i in chosen)
        with warnings.catch_warnings():  # what it does not promise is what is measured here
            warnings.simplefilter("ignore", CalibrationWarning)
            readings = recogniser.read_many(made, reject=_reject(recogniser))
        told = _told(readings, progress, at * len(chosen), len(KINDS) * len(chosen))
        kinds.append(_kind(name, [_digit(one) for one in told], split.labels[chosen], recogniser))
    return tuple(kinds)


def kinds_text(kinds: tuple[Kind, ...]) -> str:
    """Return a table for a terminal, a row a kind."""
    reject = kinds[0].selection.reject
    at = "by default" if reject is None else f"at --reject {reject:g}"
    lines = [
        f"made pictures, {kinds[0].evaluation.count:,} a kind; right with refusal off, read {at}",
        "",
        "kind               right                    calibration     read  refused"
        "     wrong of what is read",
    ]
    for kind in kinds:
        low, high = kind.evaluation.interval or (0.0, 1.0)
        error = kind.evaluation.calibration_error
        calibration = "-" if error is None else percent(error)
        right = f"{percent(kind.evaluation.accuracy or 0)} ({percent(low)} to {percent(high)})"
        lines.append(f"{kind.name:<16}{right:<29}{calibration:>7}{said(kind.selection)}")
    return "\n".join(lines)


def measure_no_digits(
    recogniser: Recogniser, folder: str | Path, digits: Probabilities, progress: Progress | None
) -> NoDigits:
    """Read pictures and pages that hold no digit, and compare how sure the model is of digits.

    Args:
        recogniser: with probabilities.
        folder: of pictures, at any depth; found and decoded as `digitlab read` does.
        digits: float [N, 10 or 11], the answers to digits.
        progress: is called after each picture.

    Raises:
        DataError: where the folder is missing or has no picture.
    """
    from digitlab.reading.guard import GuardedDecoder
    from digitlab.reading.picture_files import find_pictures

    if not Path(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder of pictures without digits")
    files = list(find_pictures([Path(folder)]))
    found: list[tuple[float, ...]] = []
    refusals, unreadable = 0, []
    with GuardedDecoder() as decoder:
        pages = (
            list(recogniser.read_pages(one, decoder=decoder)) if isinstance(one, Path) else [one]
            for one in files
        )
        for reading in chain.from_iterable(_told(pages, progress, 0, len(files))):
            digit = _digit(reading)
            if reading.error is not None:
                page = "" if reading.page is None else f", page {reading.page}"
                unreadable.append(f"{reading.file}{page}")
                continue
            refusals += digit is None or digit.refused
            found.append(_NOTHING if digit is None else digit.probabilities or _NOTHING)
    if not found:
        raise DataError(f"{folder}: holds no picture that can be read")
    # Where the model knows "no digit", its probability tells letters from digits better than
    # doubt does; without it, doubt is all there is.
    score = "no digit" if recogniser.model.width > CLASSES else "doubt"
    without, kept = _scores(np.array(found), score), _scores(digits[:, :CLASSES], score)
    return NoDigits(
        folder=str(folder),
        count=len(found),
        refused=refusals,
        unreadable=tuple(unreadable),
        score=score,
        auroc=auroc(without, kept),
        refused_at_kept=float(np.mean(without > np.quantile(kept, KEPT))),
    )


def _scores(ten: Probabilities, score: str) -> npt.NDArray[np.float64]:
    """Return how likely it is no digit, float64 [N], from the probabilities of ten, [N, 10]."""
    likely = ten.astype(np.float64)
    return np.asarray(1 - (likely.sum(axis=1) if score == "no digit" else likely.max(axis=1)))


def evenly(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """Return at most `wanted` of the numbers 0 to count - 1, evenly from first to last."""
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64)


def _reject(recogniser: Recogniser) -> float | None:
    return None if recogniser.model.calibrated_on is None else REJECT


def _kind(
    name: str, digits: list[Digit | None], labels: npt.NDArray[np.int64], recogniser: Recogniser
) -> Kind:
    found = np.array([digit is not None for digit in digits])
    # What was not found counts as the digit after the right one.
    answers = [
        (label + 1) % CLASSES if digit is None else digit.digit
        for digit, label in zip(digits, labels.tolist(), strict=True)
    ]
    likely = [_NOTHING if digit is None else digit.probabilities or _NOTHING for digit in digits]
    predictions = np.array(answers, np.int64)
    refusals = np.array([digit is None or digit.refused for digit in digits])
    return Kind(
        name=name,
        evaluation=evaluate_predictions(labels, predictions, np.array(likely)),
        found=int(found.sum()),
        selection=select(_reject(recogniser), refusals, predictions == labels),
    )


def _digit(reading: Reading) -> Digit | None:
    """Return the digit of a reading; None where none was found."""
    found = [digit for row in reading.rows for number in row.numbers for digit in number.digits]
    return found[0] if found else None


def _told(
    found: Iterable[Found], progress: Progress | None, done: int, count: int
) -> Iterator[Found]:
    for at, one in enumerate(found, done + 1):
        yield one
        if progress is not None:
            progress(at, count)
