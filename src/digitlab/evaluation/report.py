"""What `digitlab evaluate` says: the report of a model, as text, JSON and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from digitlab.evaluation.coverage import Coverage
from digitlab.evaluation.figures import Evaluation, Labels
from digitlab.evaluation.robustness import Kind, NoDigits, kinds_text
from digitlab.wording import accuracy_text, calibration_text, percent

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """An evaluation, what it was made from, and its most confident mistakes.

    Attributes:
        model: the model file.
        data: the source, as the user named it.
        split: of the source.
        evaluation: the figures.
        mistakes: int64 [M], the indices in the split, the most confident first.
        labels: int64 [N], the truth.
        predictions: int64 [N], the answers.
        confidences: float64 [N], or None for a network trained with square error.
        images: uint8 [N, 28, 28], the split.
        coverage: accuracy over coverage, and refusals; None for a network trained with square
            error, which has no confidence.
        kinds: figures by kind of degradation; empty where they were not asked for.
        no_digits: figures on pictures without digits; None where they were not asked for.
        warnings: what may be wrong with the data, one line each.
        calibrated_on: what the model's temperature was found on, as `Recogniser.model` has it; None
            where it is not calibrated.
    """

    model: str
    data: str
    split: str
    evaluation: Evaluation
    mistakes: Labels
    labels: Labels
    predictions: Labels
    confidences: npt.NDArray[np.float64] | None
    images: npt.NDArray[np.uint8]
    coverage: Coverage | None = None
    kinds: tuple[Kind, ...] = ()
    no_digits: NoDigits | None = None
    warnings: tuple[str, ...] = ()
    calibrated_on: str | None = None

    def __repr__(self) -> str:
        accuracy = accuracy_text(self.evaluation.accuracy)
        return (
            f"<EvaluationReport: {self.model} on {self.data}, {self.split}: accuracy {accuracy}, "
            f"{self.evaluation.errors:,} errors of {self.evaluation.count:,}>"
        )

    def _repr_html_(self) -> str:
        from digitlab import notebook

        parts = [self.evaluation.to_html()]
        if self.coverage is not None:
            parts.append(notebook.note(calibration_text(self.calibrated_on)))
        mistakes = self.mistakes_picture(most=16)
        if mistakes is not None:
            parts += [notebook.note("the most confident mistakes, truth → answer:")]
            parts += [notebook.picture(mistakes, "the most confident mistakes")]
        return notebook.shown(f"{self.model} on {self.data}, split {self.split}", *parts)

    def to_json(self) -> dict[str, Any]:
        """Return what `digitlab evaluate --json` shows."""
        about = {"model": self.model, "data": self.data, "split": self.split}
        return {
            **about,
            "calibrated_on": self.calibrated_on,
            **self.evaluation.to_json(),
            "coverage": None if self.coverage is None else self.coverage.to_json(),
            "degraded": [kind.to_json() for kind in self.kinds],
            "no_digits": None if self.no_digits is None else self.no_digits.to_json(),
            "warnings": list(self.warnings),
        }

    def to_text(self) -> str:
        """Return what `digitlab evaluate` shows on a terminal."""
        first = f"{self.model} on {self.data}, split {self.split}"
        if self.coverage is not None:
            first += f"\n{calibration_text(self.calibrated_on)}"
        parts = [first, self.evaluation.to_text()]
        if self.coverage is not None:
            parts.append(self.coverage.to_text())
        if self.kinds:
            parts.append(kinds_text(self.kinds))
        if self.no_digits is not None:
            parts.append(self.no_digits.to_text())
        return "\n\n".join(parts)

    def mistakes_picture(self, most: int = 40, columns: int = 8) -> Image.Image | None:
        """Draw the most confident mistakes, each with truth, answer and confidence: "4 → 9  97 %".

        Without confidences, as with square error, they are the first, and captions "4 → 9".

        Args:
            most: mistakes that are shown.
            columns: of the sheet.

        Returns:
            A picture, or None where there is no mistake to show.
        """
        from digitlab.contact_sheet import contact_sheet

        shown = self.mistakes[:most]
        if not len(shown):
            return None
        captions = [self._caption(int(index)) for index in shown]
        first = "The first" if self.confidences is None else "The most confident"
        count = len(self.mistakes)
        title = f"{first} {len(shown)} of {count:,} mistakes" if count > len(shown) else ""
        title = title or (f"All {count:,} mistakes" if count > 1 else "The only mistake")
        note = "7 → 2: a 7 that was answered 2"
        if self.confidences is not None:
            note += "; the confidence of the answer in %"
        return contact_sheet(
            self.images[shown], captions, min(columns, len(shown)), title=title, note=note
        )

    def write_mistakes(self, path: Path) -> bool:
        """Save the picture of mistakes; return False, writing nothing, where there is none.

        Raises:
            DataError: where the file cannot be written.
        """
        from digitlab.contact_sheet import save_picture

        picture = self.mistakes_picture()
        if picture is None:
            return False
        save_picture(picture, path)
        return True

    def write_chart(self, path: Path) -> bool:
        """Save the picture of accuracy over coverage and by kind of degradation.

        Returns False, writing nothing, where a network has no confidence to draw.

        Raises:
            DataError: where the file cannot be written.
        """
        from digitlab.contact_sheet import save_picture
        from digitlab.evaluation.coverage_chart import draw_chart

        if self.coverage is None:
            return False
        save_picture(draw_chart(self.coverage, self.kinds), path)
        return True

    def _caption(self, index: int) -> str:
        answer = f"{self.labels[index]} → {self.predictions[index]}"
        if self.confidences is None:
            return answer
        return f"{answer}  {percent(self.confidences[index], 0)}"
