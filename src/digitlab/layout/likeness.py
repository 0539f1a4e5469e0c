"""How much the pieces of a page look like digits, each way up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from digitlab.layout.lattice import DIGITS
from digitlab.layout.networks import Networks
from digitlab.layout.segments import Known

SAMPLE = 400  # pieces of a page that tell it
UNLIKELY = 0.001  # no piece counts as less likely a digit
LIKE_DIGITS = -1.0  # the mean logarithm of how likely pieces are digits; of letters it is less
CLEARLY = 0.4  # more than any other way up: letters among digits lower all ways alike


def likeness_turned(known: Iterable[Known], networks: Networks) -> list[float]:
    """Return the mean logarithm of how likely pieces are digits, each way up; float [4].

    That is turned clockwise by 0, 90, 180 and 270 degrees.

    Args:
        known: of single pieces, one at least.
        networks: of which the first is asked.
    """
    some = list(known)
    images = np.stack([one.image for one in some[:: 1 + len(some) // SAMPLE]])
    scores = []
    for quarters in range(4):
        turned = np.ascontiguousarray(np.rot90(images, -quarters, axes=(1, 2)))
        likely = networks.alone(turned)[:, :DIGITS].max(axis=1)
        scores.append(float(np.log(np.maximum(likely, UNLIKELY)).mean()))
    return scores


def are_like_digits(scores: Sequence[float]) -> bool:
    """Whether pieces look like digits, one way up at least, by their likeness each way."""
    return max(scores) > LIKE_DIGITS or clearness(scores) > CLEARLY


def clearness(scores: Sequence[float]) -> float:
    """Return by how much more pieces look like digits one way up than any other."""
    second, first = sorted(scores)[-2:]
    return first - second
