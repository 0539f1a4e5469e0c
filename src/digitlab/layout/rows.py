"""Which pieces of a page stand in one row, in the order of reading."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from digitlab.layout.pieces import Piece
from digitlab.preparation.pixels import weighted_median

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int_]

OVERLAP = 0.4  # of the lower of two neighbours' heights that stands beside the other
ALIKE = 3.2  # times as high a neighbour may be
FAR = 3.0  # heights of a digit between neighbours
ASIDE = 0.55  # of a digit's height: a chain goes on where its line leads, give or take that
BETWEEN = 0.04  # of a digit's height aside counts as much as one height between
BLOCK = 256  # pieces that are compared with all others at once
STEEPEST = 0.35  # pixels down for each across


@dataclass
class Chain:
    """Pieces that follow one another from left to right.

    Attributes:
        pieces: from left to right.
        height: of its digits, in pixels.
    """

    pieces: list[Piece]
    height: float = field(init=False)
    x: Floats = field(init=False)
    y: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.pieces.sort(key=lambda one: one.middle[0])
        self.height = float(np.percentile([one.height for one in self.pieces], 60))
        self.x, self.y = np.array([one.middle for one in self.pieces]).T

    @property
    def left(self) -> int:
        """The first column."""
        return min(one.left for one in self.pieces)

    @property
    def right(self) -> int:
        """The column behind the last."""
        return max(one.right for one in self.pieces)

    @property
    def top(self) -> int:
        """The first row."""
        return min(one.top for one in self.pieces)

    @property
    def bottom(self) -> int:
        """The row behind the last."""
        return max(one.bottom for one in self.pieces)

    def ends(self, slope: float) -> tuple[float, float]:
        """Return where its line is at its left and at its right.

        Args:
            slope: of the page; what a short chain tells of its own counts little.
        """
        x = self.x - self.x.mean()
        weight = 40 * self.height**2  # as if of pieces that stand on the page's slope
        own = (float(x @ (self.y - self.y.mean())) + weight * slope) / (float(x @ x) + weight)
        first, last = (
            np.median(part)
            for part in (self.y[:4] - own * self.x[:4], self.y[-4:] - own * self.x[-4:])
        )
        return float(first + own * self.left), float(last + own * self.right)


def find_rows(pieces: Sequence[Piece]) -> list[Chain]:
    """Return the rows that pieces stand in, in the order of reading.

    Args:
        pieces: as high as digits, in any order.
    """
    chains = [Chain(members) for members in _linked(pieces)]
    slope = _slope(chains)
    return _in_order(_filled(_joined(chains, slope)), slope)


def _joined(chains: Sequence[Chain], slope: float) -> list[Chain]:
    """Return chains, those joined that go on as one another, which most speaks for first."""
    ends = _Ends(chains, slope)
    alive = dict(enumerate(chains))
    first = np.arange(len(chains))
    pairs = [pair for one in alive for pair in ends.costs(np.full(len(chains), one), first)]
    # The least cost first, of equal ones the oldest. Pairs of what has been joined since stay in
    # the heap and are passed over: comparing all pairs again at each joining takes minutes.
    costs = [(cost, at, pair) for at, (cost, pair) in enumerate(pairs)]
    heapq.heapify(costs)
    count = len(costs)
    while costs:
        _, _, (one, other) = heapq.heappop(costs)
        if one not in alive or other not in alive:
            continue
        joined = Chain([*alive.pop(one).pieces, *alive.pop(other).pieces])
        new = ends.add(joined)
        beside = np.fromiter(alive, int, len(alive))
        both = np.stack([beside, np.full(len(beside), new)], axis=1)  # before it, and behind it
        pairs = ends.costs(both.ravel(), both[:, ::-1].ravel())
        for cost, pair in pairs:
            heapq.heappush(costs, (cost, count, pair))
            count += 1
        alive[new] = joined
    return list(alive.values())


class _Ends:
    """Where chains begin and end, and what speaks against one going on as another.

    Args:
        chains: known by their places from 0, as what is added later is.
        slope: of the page.
    """

    def __init__(self, chains: Sequence[Chain], slope: float) -> None:
        self._slope = slope
        self._count = 0
        # Each joins two, so that there are never twice as many.
        self._of = np.empty((5, 2 * len(chains)))
        for chain in chains:
            self.add(chain)

    def add(self, chain: Chain) -> int:
        """Take another chain, and return its place."""
        at, self._count = self._count, self._count + 1
        self._of[:, at] = (chain.left, chain.right, chain.height, *chain.ends(self._slope))
        return at

    def costs(self, one: Places, other: Places) -> list[tuple[float, tuple[int, int]]]:
        """Return of the pairs in which one goes on as the other how much speaks against that.

        Args:
            one, other: int [N], of each pair the places of what is on the left and on the right.

        Returns:
            Of each such pair its cost and its places.
        """
        (_, right, tall, _, last), (left, _, high, first, _) = self._of[:, one], self._of[:, other]
        lower, higher = np.minimum(tall, high), np.maximum(tall, high)
        between = left - right
        alike = higher <= np.where(between < 1.5 * higher, 2.6, 1.8) * lower
        far = self._slope * between / 2
        apart = np.abs(last + far - (first - far)) / lower
        aside = ASIDE * np.where(between < 2 * lower, 1.3, 1.0)
        may = (one != other) & alike & (between >= -0.6 * lower) & (apart <= aside)
        cost = apart + BETWEEN * np.maximum(0.0, between) / lower
        pairs = zip(one[may].tolist(), other[may].tolist(), strict=True)
        return list(zip(cost[may].tolist(), pairs, strict=True))


def _filled(chains: list[Chain]) -> list[Chain]:
    """Return chains in which short ones have been put into the gaps of others that they fit."""
    kept: list[Chain] = []
    reach = np.empty((4, len(chains)))  # first and last column, top and bottom of each
    for chain in sorted(chains, key=lambda one: -len(one.pieces)):
        first, last, top, bottom = reach[:, : len(kept)]
        middle = chain.x.mean()
        near = (first < middle) & (middle <= last) & (top < chain.bottom) & (bottom > chain.top)
        for at in np.flatnonzero(near).tolist():
            if _fits(chain, kept[at]):
                kept[at] = Chain([*kept[at].pieces, *chain.pieces])
                break
        else:
            at = len(kept)
            kept.append(chain)
        whole = kept[at]
        reach[:, at] = (whole.x[0], whole.x[-1], whole.top, whole.bottom)
    return kept


def _fits(chain: Chain, other: Chain) -> bool:
    """Whether a chain stands between two neighbours of another, and beside both."""
    behind = int(np.searchsorted(other.x, chain.x.mean()))
    if not 0 < behind < len(other.pieces):
        return False
    before, after = other.pieces[behind - 1], other.pieces[behind]
    if chain.left < before.middle[0] or chain.right > after.middle[0]:
        return False
    top, bottom = chain.top, chain.bottom
    return all(
        min(bottom, one.bottom) - max(top, one.top) >= OVERLAP * min(bottom - top, one.height)
        and max(bottom - top, one.height) <= 1.5 * ALIKE * min(bottom - top, one.height)
        for one in (before, after)
    )


def _linked(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return chains of pieces, each linked to the nearest on its right."""
    if not pieces:
        return []
    box = np.array([(one.left, one.top, one.right, one.bottom) for one in pieces], float)
    parts = _united(len(pieces), _stacked(box))
    sides = [
        np.concatenate([box[part, :2].min(axis=0), box[part, 2:].max(axis=0)]) for part in parts
    ]
    united = np.array(sides)
    away = np.concatenate([_away(united[part], united) for part in _blocks(len(united))])
    behind, before = away.argmin(axis=1), away.argmin(axis=0)
    links = [
        (one, other)
        for one, other in enumerate(behind.tolist())
        if np.isfinite(away[one, other]) and before[other] == one
    ]
    return [
        [pieces[at] for one in group for at in parts[one]] for group in _united(len(parts), links)
    ]


def _away(some: Floats, box: Floats) -> npt.NDArray[np.float32]:
    """Return how far others stand on the right of some, of boxes [M, 4] and [N, 4]: [M, N].

    Endless where they do not stand beside each other.
    """
    left, top, right, bottom = box.T
    ones = some.T[..., None]
    tall, high = bottom - top, ones[3] - ones[1]
    overlap = np.minimum(ones[3], bottom) - np.maximum(ones[1], top)
    higher, lower = np.maximum(high, tall), np.minimum(high, tall)
    gap = left - ones[2]
    may = (left + right > ones[0] + ones[2]) & (overlap >= OVERLAP * lower)
    may &= (higher <= ALIKE * lower) & (gap <= FAR * higher)
    apart = np.maximum(gap, 0) + 0.25 * np.abs(ones[1] + ones[3] - (top + bottom))
    return np.where(may, apart, np.inf).astype(np.float32)


def _stacked(box: Floats) -> list[tuple[int, int]]:
    """Return the pairs of parts of one character, one above the other, of boxes [N, 4]."""
    left, top, right, bottom = box.T
    usual = float(np.percentile(bottom - top, 60))
    pairs: list[tuple[int, int]] = []
    for part in _blocks(len(box)):
        ones = box[part].T[..., None]
        over = np.minimum(ones[2], right) - np.maximum(ones[0], left)
        narrow = np.minimum(ones[2] - ones[0], right - left)
        gap = np.maximum(ones[1], top) - np.minimum(ones[3], bottom)
        both = np.maximum(ones[3], bottom) - np.minimum(ones[1], top)
        parts = (over >= 0.5 * narrow) & (gap <= 0.15 * usual) & (both <= 1.35 * usual)
        pairs += [(part.start + one, other) for one, other in np.argwhere(parts).tolist()]
    return [(one, other) for one, other in pairs if one < other]


def _blocks(count: int) -> list[slice]:
    """Return parts of so many things; all pairs of thousands at once would take gigabytes."""
    return [slice(first, first + BLOCK) for first in range(0, count, BLOCK)]


def _united(count: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the groups that pairs make of so many things, by their numbers."""
    owner = list(range(count))

    def root(one: int) -> int:
        while owner[one] != one:
            owner[one] = owner[owner[one]]
            one = owner[one]
        return one

    for one, other in pairs:
        owner[root(other)] = root(one)
    groups: dict[int, list[int]] = {}
    for one in range(count):
        groups.setdefault(root(one), []).append(one)
    return list(groups.values())


def _slope(chains: Sequence[Chain]) -> float:
    """Return the slope that the chains of a page have, by the long ones above all."""
    slopes, weights = [0.0], [6.0]
    for chain in chains:
        if len(chain.pieces) >= 3:
            slopes.append(float(np.polyfit(chain.x, chain.y, 1)[0]))
            weights.append(float(len(chain.pieces) * np.ptp(chain.x) / max(chain.height, 1)))
    return float(np.clip(weighted_median(slopes, weights), -STEEPEST, STEEPEST))


def _in_order(chains: list[Chain], slope: float) -> list[Chain]:
    """Return rows from top to bottom of the page, as it slopes."""
    return sorted(chains, key=lambda chain: float(np.median(chain.y - slope * chain.x)))
