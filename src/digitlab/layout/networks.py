"""What learned to say what ink is: two networks, of pieces by themselves and of parts in place.

Half a 0 by itself looks like a 1, and what lost its foot to a cut like another digit; the same part
in its place, uncut and beside its neighbours, does not. So both are asked, and their answers
multiplied, as experts' are (Hinton, 2002); where nothing was cut, too, two know more than one.
Trees say which groups of digits are numbers, and which are words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digitlab.layout.lattice import Edge
from digitlab.layout.pieces import in_place_of

Floats = npt.NDArray[np.float32]
Answers = Callable[[npt.NDArray[np.uint8]], Floats]

ALONE, IN_PLACE = 0.7, 1.0  # how much each says (docs/benchmarks.md)
LEAST = 1e-4  # no answer is less likely


@dataclass(frozen=True)
class Networks:
    """Two give how likely every digit is, float32 [N, ...], for uint8 [N, 28, 28].

    Attributes:
        alone: [N, 10] or, with no digit as the last, [N, 11], of images as of `glyph_of`.
        in_place: [N, 11], of images as of `in_place_of`.
        is_number: how likely digits are a number, float32 [N], by what `evidence_of` says of each,
            float32 [N, 24].
    """

    alone: Answers
    in_place: Answers
    is_number: Callable[[Floats], Floats]

    def vote(self, edges: Sequence[Edge], strength: Floats) -> None:
        """Let both say what characters are, and how likely digits are that they agree on.

        Args:
            edges: with what the first network said of them, if it was asked; of marks the score
                stays.
            strength: float32 [H, W], of the page's ink.
        """
        told = [(edge, edge.likely) for edge in edges if edge.likely is not None]
        if not told:
            return
        images = np.stack([in_place_of(edge.pieces, strength) for edge, _ in told])
        for (edge, alone), seen in zip(told, self.in_place(images), strict=True):
            both = np.maximum(alone, LEAST) ** ALONE
            both *= np.maximum(seen[: len(alone)], LEAST) ** IN_PLACE
            edge.likely = (both / both.sum()).astype(np.float32)
            if edge.mark is None:
                edge.score += math.log(both.sum())
