"""Which digits are refused, and why: the one rule, used by the recogniser and by evaluation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from digitlab.reading.types import NO_DIGIT, UNSURE

DIGITS = 10


def refused(
    probabilities: npt.NDArray[np.floating], reject: float | str | None
) -> npt.NDArray[np.bool_]:
    """Return which of N answers, the best of ten digits, are refused: bool [N].

    Args:
        probabilities: float [N, 10], or [N, 11] where the eleventh is "no digit".
        reject: None refuses what is most likely no digit; "none" refuses nothing; a number R
            between 0 and 1 also refuses what is wrong with a probability above R.
    """
    if reject == "none":
        return np.zeros(len(probabilities), bool)
    best = probabilities[:, :DIGITS].max(axis=1)
    refusals: npt.NDArray[np.bool_] = (probabilities[:, DIGITS:] > best[:, None]).any(axis=1)
    if reject is None:
        return refusals
    return np.asarray(refusals | (1 - best.astype(np.float64) > float(reject)))


def reasons(
    probabilities: npt.NDArray[np.floating], reject: float | str | None
) -> list[str | None]:
    """Return why each of N answers is refused; None where it is not.

    Args:
        probabilities, reject: as of `refused`.
    """
    no_digit = refused(probabilities, None).tolist()
    return [
        (NO_DIGIT if is_no_digit else UNSURE) if is_refused else None
        for is_refused, is_no_digit in zip(
            refused(probabilities, reject).tolist(), no_digit, strict=True
        )
    ]
