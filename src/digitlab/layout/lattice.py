"""The best of all ways from the left to the right of a row, and how sure each step on it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digitlab.layout.pieces import Piece, box_of
from digitlab.preparation.glyph import Box

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

SHARP = 2.0  # times as certain as their scores say the ways to cut are (docs/benchmarks.md)
DIGITS = 10
NOTHING = ""  # the mark of what is left out


@dataclass(frozen=True)
class Slash:
    """How a straight stroke looks like a slash.

    Attributes:
        ratio: the logarithm of how much likelier its looks are than if it is a digit.
        lean: in pixels to the right for each up.
    """

    ratio: float
    lean: float


@dataclass(frozen=True)
class Character:
    """A character read in a row.

    Attributes:
        box: x, y, width and height in pixels.
        image: uint8 [28, 28], as the network sees it; None for a mark that cannot be a digit.
        likely: float32 [10] or [11], of the network; None where the image is.
        mark: what it is, where it is a mark; None for a digit.
        confidence: that it is cut out rightly; of a mark, that it is this one.
        slash: of what may be a slash, how its shape and place look like one.
    """

    box: Box
    image: Picture | None
    likely: Floats | None
    mark: str | None
    confidence: float
    slash: Slash | None = None

    @property
    def digit(self) -> int | None:
        """The most likely digit; None for a mark that cannot be one."""
        return None if self.likely is None else int(self.likely[:DIGITS].argmax())

    @property
    def certainty(self) -> float:
        """The probability that it is this digit, or this mark."""
        if self.mark is not None or self.likely is None:
            return self.confidence
        return float(self.likely[:DIGITS].max()) * self.confidence


@dataclass
class Edge:
    """What some of a row's pieces, from `first` to before `last`, may be.

    Attributes:
        first, last: of the pieces in the row.
        pieces: these.
        image, likely, mark, slash: as of `Character`; of what is left out the mark is `NOTHING`.
        score: the logarithm of how likely that is.
    """

    first: int
    last: int
    pieces: list[Piece]
    image: Picture | None = None
    likely: Floats | None = None
    mark: str | None = None
    slash: Slash | None = None
    score: float = 0.0


def best_path(edges: Sequence[Edge], count: int) -> list[Character]:
    """Return the characters on the path of the highest score (Viterbi, 1967), from the left.

    Args:
        edges: of which at least one path leads from the first piece to behind the last.
        count: of the pieces.

    Returns:
        Each with the probability that all paths give it, by the forward-backward algorithm.
    """
    ends: list[list[Edge]] = [[] for _ in range(count + 1)]
    starts: list[list[Edge]] = [[] for _ in range(count + 1)]
    for edge in edges:
        ends[edge.last].append(edge)
        starts[edge.first].append(edge)
    best = [0.0] + [-math.inf] * count
    taken: dict[int, Edge] = {}
    before, behind = [0.0] + [-math.inf] * count, [-math.inf] * count + [0.0]
    for at in range(1, count + 1):
        for edge in ends[at]:
            if best[edge.first] + edge.score > best[at]:
                best[at], taken[at] = best[edge.first] + edge.score, edge
        before[at] = _sum(before[edge.first] + SHARP * edge.score for edge in ends[at])
    for at in range(count - 1, -1, -1):
        behind[at] = _sum(behind[edge.last] + SHARP * edge.score for edge in starts[at])
    characters = []
    at = count
    while at > 0:
        edge = taken[at]
        if edge.mark != NOTHING:
            share = before[edge.first] + SHARP * edge.score + behind[edge.last] - before[count]
            sure = math.exp(min(0.0, share))
            box = box_of(edge.pieces)
            characters.append(Character(box, edge.image, edge.likely, edge.mark, sure, edge.slash))
        at = edge.first
    return characters[::-1]


def _sum(logarithms: Iterable[float]) -> float:
    """Return the logarithm of the sum of what these are the logarithms of."""
    return float(np.logaddexp.reduce(list(logarithms)))
