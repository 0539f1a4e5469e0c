"""How much the pieces of a page look like digits, each way up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from digitlab.layout.lattice import DIGITS
from digitlab.layout.networks import Networks
from digitlab.layout.segments import Known

SAMPLE = 400  # pieces of a page that tell it
UNLIKELY, SURELY = 0.001, 0.9  # no piece counts as less likely a digit; more likely ones surely are
LIKE_DIGITS = -1.0  # the mean logarithm of how likely pieces are digits; of letters it is less
MANY = 0.5  # of the pieces surely are digits, of words at most 0.4, whichever way up


@dataclass(frozen=True)
class Likeness:
    """How much pieces look like digits, one way up.

    Attributes:
        mean: of the logarithm of how likely each is one.
        sure: the share of those that surely are.
    """

    mean: float
    sure: float

    @property
    def is_of_digits(self) -> bool:
        """Whether they look like a page of digits, with letters among them or none."""
        return self.mean > LIKE_DIGITS or self.sure > MANY


def likeness_turned(known: Iterable[Known], networks: Networks) -> list[Likeness]:
    """Return how much pieces look like digits each way up, of four.

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
        mean = float(np.log(np.maximum(likely, UNLIKELY)).mean())
        scores.append(Likeness(mean, float((likely > SURELY).mean())))
    return scores
