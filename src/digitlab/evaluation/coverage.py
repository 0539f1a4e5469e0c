"""How good a model is at knowing when not to answer: accuracy over coverage, and refusals.

Coverage is the fraction of digits that are read. Used by measure.py and robustness.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.evaluation.figures import Probabilities, fraction_of, wilson_interval
from digitlab.reading.refusal import refused
from digitlab.wording import percent

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

COVERAGES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
REJECTS = (0.001, 0.003, 0.01, 0.03, 0.1)


@dataclass(frozen=True)
class Selection:
    """What is read where something is refused.

    Attributes:
        reject: what `--reject` was; None for what is refused by default.
        count: digits.
        read: digits that are not refused.
        errors: digits that are read and wrong.
    """

    reject: float | None
    count: int
    read: int
    errors: int

    @property
    def refused(self) -> int:
        """Digits that are not read."""
        return self.count - self.read

    @property
    def coverage(self) -> float | None:
        """The fraction that is read; None without digits."""
        return fraction_of(self.read, self.count)

    @property
    def error(self) -> float | None:
        """The fraction of what is read that is wrong, the realised error; None of nothing."""
        return fraction_of(self.errors, self.read)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval (Wilson, 1927)."""
        return wilson_interval(self.errors, self.read) if self.read else None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "reject": self.reject,
            "count": self.count,
            "read": self.read,
            "refused": self.refused,
            "errors": self.errors,
            "coverage": self.coverage,
            "error": self.error,
            "error_interval_95": None if self.interval is None else list(self.interval),
        }


@dataclass(frozen=True)
class Coverage:
    """Accuracy over coverage.

    Attributes:
        accuracies: of the most confident digits, at each of COVERAGES.
        area: under the curve of error over coverage, 0 at best (AURC; Geifman, Uziel and El-Yaniv,
            2019).
        selections: what is read by default, then at each of REJECTS where the model is calibrated.
        errors: float64 [N], of which the n-th is the errors among the n + 1 most confident.
    """

    accuracies: tuple[float, ...]
    area: float
    selections: tuple[Selection, ...]
    errors: npt.NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "accuracy_at": [
                {"coverage": coverage, "accuracy": accuracy}
                for coverage, accuracy in zip(COVERAGES, self.accuracies, strict=True)
            ],
            "area": self.area,
            "selections": [selection.to_json() for selection in self.selections],
        }

    def to_text(self) -> str:
        """Return two small tables for a terminal."""
        shown = (f"{percent(accuracy):>9}" for accuracy in self.accuracies)
        return "\n".join(
            [
                "coverage           "
                + "".join(f"{percent(coverage, 0):>9}" for coverage in COVERAGES),
                "accuracy           " + "".join(shown),
                f"area under error over coverage  {self.area:.5f}",
                "",
                "refusal              read  refused     wrong of what is read",
                *(_row(selection) for selection in self.selections),
            ]
        )


def coverage_of(
    probabilities: Probabilities, confidences: Floats, right: Flags, calibrated: bool
) -> Coverage:
    """Measure accuracy over coverage on N digits, N at least 1.

    Args:
        probabilities: float [N, 10] or [N, 11].
        confidences: float [N], the probability of each answer.
        right: bool [N], whether the answer is the label.
        calibrated: whether the model takes a number for `--reject`.
    """
    errors = errors_by_confidence(confidences, right)
    count = len(right)
    read = np.arange(1, count + 1)
    most = [max(1, round(coverage * count)) for coverage in COVERAGES]
    rejects = (None, *REJECTS) if calibrated else (None,)
    return Coverage(
        accuracies=tuple(float(1 - errors[n - 1] / n) for n in most),
        area=float(np.mean(errors / read)),
        selections=tuple(
            select(reject, refused(probabilities, reject), right) for reject in rejects
        ),
        errors=errors,
    )


def errors_by_confidence(confidences: Floats, right: Flags) -> npt.NDArray[np.float64]:
    """Return the errors among the 1, 2, ..., N most confident answers, float64 [N].

    Answers of equal confidence share their errors evenly, so that their order does not matter.
    """
    order = np.argsort(-confidences, kind="stable")
    ordered, wrong = confidences[order], ~right[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sizes = np.diff(np.append(starts, len(ordered)))
    shares = np.add.reduceat(wrong.astype(np.float64), starts) / sizes
    return np.cumsum(np.repeat(shares, sizes))


def select(reject: float | None, refusals: Flags, right: Flags) -> Selection:
    """Count what is read; refusals and right are bool [N]."""
    read = int((~refusals).sum())
    return Selection(reject, len(right), read, int((~refusals & ~right).sum()))


def _row(selection: Selection) -> str:
    name = "by default" if selection.reject is None else f"--reject {selection.reject:g}"
    return f"{name:<16}{said(selection)}"


def said(selection: Selection) -> str:
    """Return coverage, refusals, and the realised error with its interval, in columns."""
    first = f"{percent(selection.coverage or 0):>9}{selection.refused:>9,}"
    if selection.error is None or selection.interval is None:
        return f"{first}{'-':>10}"
    low, high = selection.interval
    return f"{first}{percent(selection.error):>10} ({percent(low)} to {percent(high)})"
