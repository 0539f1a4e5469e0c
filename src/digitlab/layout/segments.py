"""Which pieces of a row are one character together, and which piece is several.

Every way to cut and join the pieces of a row is a path from left to right; the network says how
likely each character on it is, and the best path is read (over-segmentation with a lattice, as in
LeCun, Bottou, Bengio and Haffner, 1998).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from digitlab.layout.cuts import CUTS, cut
from digitlab.layout.lattice import NOTHING, Character, Edge, Slash, best_path
from digitlab.layout.marks import bracket_of, is_plus, lean_of, mark_of, slash_of
from digitlab.layout.networks import LEAST, Networks
from digitlab.layout.pieces import Piece, box_of, glyph_of, in_place_of

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Lines = Callable[[float], tuple[float, float]]

PIECES = 4  # of one character at most
WIDEST = 1.5  # heights of a digit; no character put together is wider
CUTTABLE = 0.75  # heights of a digit; what is wider may be several
SINGLE = 1.2  # heights of a digit; what is wider is cut, however surely it is one
NEAREST = 0.3  # heights of a digit; pieces of one character are nearer
LOWEST = 0.3, 0.2  # heights of a digit that one is high at least: put together, and by itself
SURE = 0.97  # a piece that is a digit by itself so surely is not joined with another
ALSO_SURE = 0.5  # that it is this digit, in its place
SLANTED = 0.3  # of the narrower: slanting digits are over one another by that
NO_DIGIT = 10

# Of the logarithm. Chosen on made pages of validation digits (docs/benchmarks.md).
CUT_COSTS = (0.7, 0.0)  # for either side of a cut of a narrow and of a wide piece
STROKE_COST = 0.6  # for each stroke but one that is severed at either side
CUT_WIDTHS = (0.9, 1.25)  # heights of a digit, that these are wide
BROAD, BROAD_COST = 1.15, 4.0  # for each height of a digit by which one is wider than that
LOW, LOW_COST = 0.5, 8.0  # likewise lower
HIGH, HIGH_COST = 1.7, 3.0  # likewise higher
ASIDE, ASIDE_COST = 0.3, 6.0  # likewise above or below the middle of the row
GAP_COST = 6.0  # for each height of a digit between pieces
JOIN_COST = 1.5  # of pieces side by side that are one character
POINT_COST = 2.5  # of a digit that a point beside it is a part of
OVERLAP_COST = 3.5  # of a character that lies over another
HALF_COST = 2.0  # of a point that is one of a colon's two by its place
STRONG = 0.7  # times as strong as the row's pen: marks are, most specks are not
MARK_COST = 1.0  # of leaving out what looks like a strong mark
SPECK, LEFT_OUT, SIZE_COST = 0.12, 0.05, 14.0  # of what is left out: the larger, the less likely
OTHER = 0.2  # how likely a piece that is no digit is something written, such as a sign of money
PLUS = 0.95  # the probability that a cross is one


@dataclass(frozen=True)
class Known:
    """A piece as the network sees it, uint8 [28, 28], and its answer, float32 [10] or [11].

    Attributes:
        is_sure: whether it surely is a digit, and no more than one.
    """

    image: Picture
    likely: Floats
    is_sure: bool


def known_of(pieces: Sequence[Piece], strength: Floats, networks: Networks) -> dict[int, Known]:
    """Return what the networks say of pieces, by the identity of each.

    A narrow 1 that touches a wider digit is easily taken for a part of it: what is sure and wide
    enough for two is looked at in its place, too.
    """
    if not pieces:
        return {}
    images = np.stack([glyph_of([one], strength) for one in pieces])
    answers = networks.alone(images)
    sure = answers[:, :NO_DIGIT].max(axis=1) > SURE
    wide = [
        at
        for at in np.flatnonzero(sure).tolist()
        if pieces[at].width > CUTTABLE * pieces[at].height
    ]
    if wide:
        seen = networks.in_place(np.stack([in_place_of([pieces[at]], strength) for at in wide]))
        digits = answers[wide, :NO_DIGIT].argmax(axis=1)
        sure[wide] = seen[np.arange(len(wide)), digits] > ALSO_SURE
    return {
        id(one): Known(image, likely, bool(is_sure))
        for one, image, likely, is_sure in zip(pieces, images, answers, sure, strict=True)
    }


@dataclass(frozen=True)
class Hand:
    """What is known of a page before its rows are read.

    Attributes:
        strength: float32 [H, W], of its ink.
        networks: which are asked what ink is.
        slant: of the writing, in pixels across for each up.
        known: what the network has said of single pieces, by their identity.
    """

    strength: Floats
    networks: Networks
    slant: float
    known: Mapping[int, Known]


def read_row(pieces: Sequence[Piece], lines: Lines, hand: Hand) -> list[Character]:
    """Return the characters of a row, from left to right.

    Args:
        pieces: all that stands in the row, small ones, too.
        lines: gives the top and the bottom of digits at a column.
        hand: of the page.
    """
    row = _Row(pieces, lines, hand)
    edges = list(row.edges())
    asked = [edge for edge in edges if edge.image is not None and edge.likely is None]
    if asked:
        images = np.stack([edge.image for edge in asked if edge.image is not None])
        answers = hand.networks.alone(images)
        for edge, likely in zip(asked, answers, strict=True):
            edge.likely = likely
    hand.networks.vote(edges, hand.strength)
    for edge in edges:
        edge.score += row.score(edge)
    return best_path(edges, len(row.atoms))


class _Row:
    """The pieces of a row, wide ones cut.

    Attributes:
        atoms: the pieces and the parts of pieces, from left to right.
        of: of each atom, the number of its piece.
    """

    def __init__(self, pieces: Sequence[Piece], lines: Lines, hand: Hand) -> None:
        self._lines, self._hand = lines, hand
        self.atoms: list[Piece] = []
        self.of: list[int] = []
        self._pen = float(np.median([one.peak for one in pieces]))
        for at, piece in enumerate(sorted(pieces, key=lambda one: one.middle[0])):
            _, _, tall = self._around(piece.middle[0])
            may = piece.width > CUTTABLE * tall and piece.height > 0.5 * tall
            known = hand.known.get(id(piece))
            whole = known is not None and known.is_sure and piece.width <= SINGLE * tall
            parts = cut(piece, tall) if may and not whole and not is_plus(piece) else [piece]
            self.atoms += parts
            self.of += [at] * len(parts)
        self._parts = Counter(self.of)

    def edges(self) -> Iterator[Edge]:
        """Yield all characters that the pieces of a row may be, with what their places say."""
        most = max(PIECES, CUTS + 1)
        for first in range(len(self.atoms)):
            for last in range(first + 1, min(len(self.atoms), first + most) + 1):
                chosen = self.atoms[first:last]
                together = last - first > 1 and len(set(self.of[first:last])) > 1
                x, _, width, _ = box_of(chosen)
                _, _, tall = self._around(x + width / 2)
                if self._are_apart(first, last, tall):
                    break
                pieces = len(set(self.of[first:last]))
                if not together or (width <= WIDEST * tall and pieces <= PIECES):
                    yield from self._edges_of(chosen, first, last)
            if self._is_whole(first, first + 1):
                yield self._nothing(first)

    def _nothing(self, at: int) -> Edge:
        """Return a piece as what is left out: one that looks like a mark, only if it is faint."""
        edge = Edge(at, at + 1, [self.atoms[at]], mark=NOTHING)
        top, bottom, _ = self._around(self.atoms[at].middle[0])
        if self._strength([self.atoms[at]]) >= 1 and mark_of([self.atoms[at]], top, bottom):
            edge.score -= MARK_COST
        return edge

    def _strength(self, pieces: Sequence[Piece]) -> float:
        """Return how strong pieces are beside the least that marks of the row's pen have."""
        return min(one.peak for one in pieces) / (STRONG * self._pen)

    def _edges_of(self, chosen: list[Piece], first: int, last: int) -> Iterator[Edge]:
        """Yield what some atoms may be: a digit, and the marks that they look like."""
        x, _, width, height = box_of(chosen)
        top, bottom, tall = self._around(x + width / 2)
        digit = None
        if height >= LOWEST[last - first == 1] * tall:
            digit = self._digit(chosen, first, last)
            yield digit
        if not self._is_whole(first, last) or last - first > 3:
            return
        if mark := mark_of(chosen, top, bottom):
            # Else a dash may be the hat of a 5, and a point one of a colon's.
            score = math.log(max(mark[1] * min(1.0, self._strength(chosen)), LEAST))
            score -= OVERLAP_COST * self._overlap(first, last)
            score -= HALF_COST * self._is_half_of_pair(first, last, top, bottom)
            yield Edge(first, last, chosen, mark=mark[0], score=score)
        if last - first > 1 or digit is None:
            return
        if 0.25 * tall <= height <= tall and is_plus(chosen[0]):
            yield Edge(first, last, chosen, mark="+", score=math.log(PLUS))
        ratio = slash_of(chosen[0], top, bottom, self._hand.slant) if height >= 0.9 * tall else None
        if ratio is not None:
            digit.slash = Slash(ratio, lean_of(chosen[0])[0])
        bracket, likely = bracket_of(chosen[0], top, bottom)
        if likely > 0.02:
            # With its image: one without another half is a digit in the end.
            yield replace(digit, mark=bracket, score=math.log(likely))
            digit.score += math.log(1 - likely)

    def _digit(self, chosen: list[Piece], first: int, last: int) -> Edge:
        """Return some atoms as a digit, with what their places say of it."""
        x, _, width, _ = box_of(chosen)
        top, bottom, tall = self._around(x + width / 2)
        known = self._hand.known.get(id(chosen[0])) if last - first == 1 else None
        edge = Edge(first, last, chosen)
        edge.image = glyph_of(chosen, self._hand.strength) if known is None else known.image
        edge.likely = None if known is None else known.likely
        edge.score -= JOIN_COST * self._is_beside(first, last, tall)
        edge.score -= GAP_COST * self._gap(first, last) / tall
        edge.score -= OVERLAP_COST * self._overlap(first, last)
        edge.score -= POINT_COST * self._has_point(first, last, top, bottom)
        whole = box_of(
            [one for one, of in zip(self.atoms, self.of, strict=True) if of == self.of[first]]
        )
        cost = float(np.interp(whole[2] / tall, CUT_WIDTHS, CUT_COSTS))
        for strokes in self._severed(first, last):
            edge.score -= cost + STROKE_COST * max(0, strokes - 1)
        return edge

    def score(self, edge: Edge) -> float:
        """Return the logarithm of how likely a character is by its looks and its size."""
        x, y, width, height = box_of(edge.pieces)
        top, bottom, tall = self._around(x + width / 2)
        high, wide = height / tall, width / tall
        if edge.mark == NOTHING:
            return -LEFT_OUT - SIZE_COST * max(0.0, max(high, 0.6 * wide) - SPECK)
        if edge.mark is not None or edge.likely is None:
            return 0.0
        aside = abs(y + height / 2 - (top + bottom) / 2) / tall
        likely = float(edge.likely[:NO_DIGIT].max())
        single = edge.last - edge.first == 1 and self._is_whole(edge.first, edge.last)
        if single and len(edge.likely) > NO_DIGIT:
            likely = max(likely, OTHER * float(edge.likely[NO_DIGIT]))
        return (
            math.log(max(likely, LEAST))
            - BROAD_COST * max(0.0, wide - BROAD)
            - LOW_COST * max(0.0, LOW - high)
            - HIGH_COST * max(0.0, high - HIGH)
            - ASIDE_COST * max(0.0, aside - ASIDE)
        )

    def _around(self, column: float) -> tuple[float, float, float]:
        """Return the top, the bottom and the height of digits at a column."""
        top, bottom = self._lines(column)
        return top, bottom, bottom - top

    def _is_whole(self, first: int, last: int) -> bool:
        """Whether none of some atoms was cut from another."""
        return all(self._parts[self.of[at]] == 1 for at in range(first, last))

    def _severed(self, first: int, last: int) -> Iterator[int]:
        """Yield how many strokes were severed at each end where a character was cut."""
        if first > 0 and self.of[first - 1] == self.of[first]:
            yield self.atoms[first].severed[0]
        if last < len(self.of) and self.of[last] == self.of[last - 1]:
            yield self.atoms[last - 1].severed[1]

    def _are_apart(self, first: int, last: int, tall: float) -> bool:
        """Whether atoms cannot be one character: two are digits by themselves, or a gap is wide."""
        if self._gap(first, last) > NEAREST * tall:
            return True
        known = [self._hand.known.get(id(atom)) for atom in self.atoms[first:last]]
        if sum(one is not None and one.is_sure for one in known) < 2:
            return False
        return all(
            _over(one, other) < SLANTED * min(one.width, other.width)
            for one, other in pairwise(self.atoms[first:last])
        )

    def _gap(self, first: int, last: int) -> float:
        """Return the widest gap across between pieces that follow one another, in pixels."""
        widest, right = 0.0, self.atoms[first].right
        for at in range(first + 1, last):
            if self.of[at] != self.of[at - 1]:
                widest = max(widest, self.atoms[at].left - right)
            right = max(right, self.atoms[at].right)
        return widest

    def _is_beside(self, first: int, last: int, tall: float) -> bool:
        """Whether a character is put together of pieces side by side, as high as digits."""
        for at in range(first + 1, last):
            one, other = self.atoms[at - 1], self.atoms[at]
            high = min(one.height, other.height) >= 0.5 * tall
            apart = _over(one, other) < 0.6 * min(one.width, other.width)
            if high and apart and self.of[at] != self.of[at - 1]:
                return True
        return False

    def _has_point(self, first: int, last: int, top: float, bottom: float) -> bool:
        """Whether a character is put together with a piece that looks like a mark beside it."""
        if len(set(self.of[first:last])) < 2:
            return False
        chosen = range(first, last)
        points = [
            self.atoms[at]
            for at in chosen
            if self._is_whole(at, at + 1) and mark_of([self.atoms[at]], top, bottom)
        ]
        body = [one for one in self.atoms[first:last] if all(one is not point for point in points)]
        if not points or not body:
            return False
        x, _, width, _ = box_of(body)
        return any(min(x + width, one.right) - max(x, one.left) < 0.5 * one.width for one in points)

    def _is_half_of_pair(self, first: int, last: int, top: float, bottom: float) -> bool:
        """Whether a piece and one beside it are a mark together, as the points of a colon are."""
        if last - first > 1:
            return False
        pairs = (self.atoms[max(0, first - 1) : last], self.atoms[first : last + 1])
        return any(len(pair) == 2 and mark_of(pair, top, bottom) is not None for pair in pairs)

    def _overlap(self, first: int, last: int) -> float:
        """Return how much of a character's neighbours is over it, of the narrower one's width.

        Beyond what slanting digits have; what it was cut from is no neighbour.
        """
        x, _, width, _ = box_of(self.atoms[first:last])
        most = 0.0
        for at, beside in ((first - 1, first), (last, last - 1)):
            if 0 <= at < len(self.atoms) and self.of[at] != self.of[beside]:
                one = self.atoms[at]
                over = min(x + width, one.right) - max(x, one.left)
                most = max(most, over / min(width, one.width))
        return max(0.0, most - SLANTED)


def _over(one: Piece, other: Piece) -> int:
    """Return how many columns two pieces share; less than 0 where they are apart."""
    return min(one.right, other.right) - max(one.left, other.left)
