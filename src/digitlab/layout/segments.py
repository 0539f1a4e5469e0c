"""Which pieces of a row are one character together, and which piece is several.

Every way to cut and join the pieces of a row is a path from left to right; the network says how
likely each character on it is, and the best path is read (over-segmentation with a lattice, as in
LeCun, Bottou, Bengio and Haffner, 1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digitlab.layout.marks import is_plus, lean_of, mark_of, slash_of
from digitlab.layout.pieces import Piece, box_of, glyph_of
from digitlab.preparation.glyph import Box

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Classify = Callable[[npt.NDArray[np.uint8]], Floats]
Lines = Callable[[float], tuple[float, float]]

PIECES = 4  # of one character at most
WIDEST = 1.5  # heights of a digit; no character put together is wider
CUTTABLE = 0.75  # heights of a digit; what is wider may be several
CUTS = 5  # of one piece
SLANTS = (-0.15, 0.0, 0.15, 0.3, 0.5)  # pixels across for each up, of cuts
CUT_COSTS = (1.6, 0.3)  # of the logarithm, for either side of a cut of a narrow and a wide piece
BROAD = 1.15  # times as wide as digits are high hardly a digit is
POINT_COST = 2.5  # of the logarithm, of a digit that a point beside it is a part of
JOIN_COST = 1.5  # of the logarithm, of pieces side by side that are one character
OVERLAP_COST = 3.5  # of the logarithm, of a character that lies over another
SLANTED = 0.3  # of the narrower: slanting digits are over one another by that
SURE = 0.97  # a piece that is a digit by itself so surely is not joined with another
ALIKE_SLASHES = 2.0  # of the logarithm, for what leans like another slash of its row
SHARP = 2.0  # times as certain as their scores say the ways to cut are (docs/benchmarks.md)
LEAST = 1e-4  # no character is less likely
NO_DIGIT = 10


@dataclass(frozen=True)
class Character:
    """A character read in a row.

    Attributes:
        box: in pixels of the ink.
        image: uint8 [28, 28], as the network sees it; None for a mark that cannot be a digit.
        likely: float32 [10] or [11], of the network; None where the image is.
        mark: what it is, where it is a mark; None for a digit.
        confidence: that it is cut out rightly; of a mark, that it is this one.
    """

    box: Box
    image: Picture | None
    likely: Floats | None
    mark: str | None
    confidence: float


@dataclass(frozen=True)
class Known:
    """A piece as the network sees it, uint8 [28, 28], and its answer, float32 [10] or [11]."""

    image: Picture
    likely: Floats


@dataclass
class _Edge:
    """A character that pieces from `first` to before `last` may be, and its logarithm."""

    first: int
    last: int
    pieces: list[Piece]
    image: Picture | None = None
    likely: Floats | None = None
    mark: str | None = None
    score: float = 0.0
    cut_cost: float = 0.0


def read_row(
    pieces: Sequence[Piece], strength: Floats, lines: Lines, classify: Classify,
    slant: float,
    known: Mapping[int, Known],
) -> list[Character]:
    """Return the characters of a row, from left to right.

    Args:
        pieces: all that stands in the row, small ones, too.
        strength: float32 [H, W], of the page.
        lines: gives the top and the bottom of digits at a column.
        classify: gives float32 [N, 10] or [N, 11] for uint8 [N, 28, 28].
        slant: of the writing, in pixels across for each up.
        known: what the network has said of single pieces, by their identity.
    """
    atoms, groups = _atoms(pieces, lines, known)
    edges = _edges(atoms, groups, lines, strength, slant, known)
    asked = [edge for edge in edges if edge.image is not None and edge.likely is None and edge.mark is None]
    if asked:
        answers = classify(np.stack([edge.image for edge in asked if edge.image is not None]))
        for edge, likely in zip(asked, answers, strict=True):
            edge.likely = likely
    for edge in edges:
        edge.score += _score(edge, lines, groups)
    characters = _best(edges, len(atoms))
    if _alike_slashes(edges, characters):
        characters = _best(edges, len(atoms))
    return characters


def _alike_slashes(edges: Sequence[_Edge], characters: Sequence[Character]) -> bool:
    """Let what leans like a slash of its row more likely be one; return whether there is a slash."""
    boxes = {one.box for one in characters if one.mark == "/"}
    slashes = [edge for edge in edges if edge.mark == "/"]
    leans = [lean_of(edge.pieces[0])[0] for edge in slashes if box_of(edge.pieces) in boxes]
    for edge in slashes:
        away = min((abs(lean_of(edge.pieces[0])[0] - lean) for lean in leans), default=1.0)
        edge.score += max(0.0, ALIKE_SLASHES * (1 - away / 0.15))
    return bool(leans)


def _atoms(
    pieces: Sequence[Piece], lines: Lines, known: Mapping[int, Known]
) -> tuple[list[Piece], list[int]]:
    """Return pieces from left to right, wide ones cut; and of each, which piece it was."""
    ordered = sorted(pieces, key=lambda one: one.middle[0])
    atoms: list[Piece] = []
    groups: list[int] = []
    for at, piece in enumerate(ordered):
        top, bottom = lines(piece.middle[0])
        tall = bottom - top
        parts = [piece]
        may = piece.width > CUTTABLE * tall and piece.height > 0.5 * tall and not is_plus(piece)
        if may and not (_is_sure(piece, known) and piece.width <= tall):
            parts = _cut(piece, tall)
        atoms += parts
        groups += [at] * len(parts)
    return atoms, groups


def _is_sure(piece: Piece, known: Mapping[int, Known]) -> bool:
    """Whether a piece by itself surely is a digit."""
    return id(piece) in known and bool(known[id(piece)].likely[:NO_DIGIT].max() > SURE)


def _cut(piece: Piece, tall: float) -> list[Piece]:
    """Return the parts of a piece between the places where least ink is cut."""
    mask = piece.mask
    height, width = mask.shape
    rows = np.arange(height)
    margin = max(2, round(0.18 * tall))
    places = np.arange(margin, width - margin)
    if not len(places):
        return [piece]
    costs = []
    for slant in SLANTS:
        shift = np.rint(slant * (height / 2 - rows)).astype(int)
        columns = places[:, None] + shift[None]
        inside = (columns >= 0) & (columns < width)
        hit = mask[rows[None], columns.clip(0, width - 1)] & inside
        costs.append(hit.sum(axis=1) + 0.01 * np.abs(places - width / 2) / width)
    cost = np.array(costs)
    chosen: list[tuple[int, int]] = []
    limit = min(CUTS, max(1, round(width / (0.3 * tall))))
    free = np.ones(len(places), bool)
    while len(chosen) < limit and free.any():
        best = np.where(free, cost.min(axis=0), np.inf)
        place = int(best.argmin())
        if best[place] > 0.5 * tall:
            break
        chosen.append((int(places[place]), int(cost[:, place].argmin())))
        free &= np.abs(places - places[place]) >= max(2, round(0.15 * tall))
    label = np.zeros(mask.shape, np.int32)
    columns = np.arange(width)
    for place, way in sorted(chosen):
        shift = np.rint(SLANTS[way] * (height / 2 - rows))
        label += columns[None] >= (place + shift)[:, None]
    parts = []
    for one in range(len(chosen) + 1):
        part = mask & (label == one)
        ys, xs = np.nonzero(part)
        if len(xs):
            left, right, top, bottom = xs.min(), xs.max() + 1, ys.min(), ys.max() + 1
            box = (piece.left + int(left), piece.top + int(top), int(right - left), int(bottom - top))
            parts.append(Piece(box, part[top:bottom, left:right], piece.peak))
    return sorted(parts, key=lambda one: one.middle[0])


def _edges(
    atoms: Sequence[Piece],
    groups: Sequence[int],
    lines: Lines,
    strength: Floats,
    slant: float,
    known: Mapping[int, Known],
) -> list[_Edge]:
    """Return all characters that the pieces of a row may be."""
    edges = []
    sure = [_is_sure(atom, known) for atom in atoms]
    for first in range(len(atoms)):
        for last in range(first + 1, min(len(atoms), first + max(PIECES, CUTS + 1)) + 1):
            chosen = list(atoms[first:last])
            box = box_of(chosen)
            top, bottom = lines(box[0] + box[2] / 2)
            tall = bottom - top
            whole = len(set(groups[first:last])) == 1
            if last - first > 1 and not whole and (box[2] > WIDEST * tall or len(set(groups[first:last])) > PIECES):
                continue
            gap = _gap(atoms, groups, first, last) / tall
            if gap > 0.3 or (sum(sure[first:last]) > 1 and _are_apart(chosen)):
                break
            if box[3] >= 0.3 * tall or (last - first == 1 and box[3] >= 0.2 * tall):
                before = known.get(id(chosen[0])) if last - first == 1 else None
                if before is not None:
                    edge = _Edge(first, last, chosen, before.image, before.likely)
                else:
                    edge = _Edge(first, last, chosen, glyph_of(chosen, strength))
                edge.score = -JOIN_COST * _is_beside(atoms, groups, first, last, tall) - 6 * gap
                edge.score -= OVERLAP_COST * _overlap(atoms, groups, first, last)
                edge.score -= POINT_COST * _has_point(chosen, groups[first:last], top, bottom)
                edge.cut_cost = _cut_cost(atoms, groups, groups[first], tall)
                edges.append(edge)
            is_uncut = all(groups.count(groups[at]) == 1 for at in range(first, last))
            if is_uncut and last - first <= 2 and (found := mark_of(chosen, top, bottom)):
                score = math.log(max(found[1], LEAST))
                if found[0] == "-":  # or the hat of a 5
                    score -= OVERLAP_COST * _overlap(atoms, groups, first, last)
                edges.append(_Edge(first, last, chosen, None, None, found[0], score))
            if is_uncut and last - first == 1:
                if 0.25 * tall <= box[3] <= tall and is_plus(chosen[0]):
                    edges.append(_Edge(first, last, chosen, None, None, "+", math.log(0.95)))
                if box[3] >= 0.9 * tall and (slash := slash_of(chosen[0], top, bottom, slant)) > 0.02:
                    whole = next((edge for edge in edges[-2:] if edge.image is not None and edge.pieces == chosen), None)
                    if whole is not None:
                        edges.append(replace(whole, mark="/", score=math.log(slash)))
                        whole.score += math.log(max(1 - slash, LEAST))
        if groups.count(groups[first]) == 1:
            edges.append(_Edge(first, first + 1, [atoms[first]], None, None, ""))
    return edges


def _overlap(atoms: Sequence[Piece], groups: Sequence[int], first: int, last: int) -> float:
    """Return how much of a character's neighbours, other than what it was cut from, is over it.

    Of the narrower one's width, beyond what slanting digits have.
    """
    left, _, width, _ = box_of(atoms[first:last])
    most = 0.0
    for at, beside in ((first - 1, first), (last, last - 1)):
        if 0 <= at < len(atoms) and groups[at] != groups[beside]:
            over = min(left + width, atoms[at].right) - max(left, atoms[at].left)
            most = max(most, over / min(width, atoms[at].width))
    return max(0.0, most - SLANTED)


def _are_apart(chosen: Sequence[Piece]) -> bool:
    """Whether pieces that follow one another stand apart, but for what slanting digits overlap."""
    return all(
        min(one.right, other.right) - max(one.left, other.left) < SLANTED * min(one.width, other.width)
        for one, other in zip(chosen, chosen[1:], strict=False)
    )


def _cut_cost(atoms: Sequence[Piece], groups: Sequence[int], group: int, tall: float) -> float:
    """Return the logarithm that a cut of a piece costs: the wider it is, the more likely it is two."""
    width = box_of([atom for atom, of in zip(atoms, groups, strict=True) if of == group])[2] / tall
    return float(np.interp(width, (0.9, 1.4), CUT_COSTS))


def _has_point(
    chosen: Sequence[Piece], groups: Sequence[int], top: float, bottom: float
) -> bool:
    """Whether a character is put together with a piece that looks like a point beside it."""
    if len(set(groups)) < 2:
        return False
    for one, group in zip(chosen, groups, strict=True):
        if groups.count(group) > 1 or mark_of([one], top, bottom) is None:
            continue
        rest = box_of([other for other in chosen if other is not one])
        over = min(rest[0] + rest[2], one.right) - max(rest[0], one.left)
        if over < 0.5 * one.width:
            return True
    return False


def _is_beside(
    atoms: Sequence[Piece], groups: Sequence[int], first: int, last: int, tall: float
) -> bool:
    """Whether a character is put together of pieces side by side that are as high as digits."""
    for at in range(first + 1, last):
        one, other = atoms[at - 1], atoms[at]
        over = min(one.right, other.right) - max(one.left, other.left)
        both = min(one.height, other.height) >= 0.5 * tall
        if both and groups[at] != groups[at - 1] and over < 0.6 * min(one.width, other.width):
            return True
    return False


def _gap(atoms: Sequence[Piece], groups: Sequence[int], first: int, last: int) -> float:
    """Return the widest gap across between pieces that follow one another."""
    widest, right = 0.0, atoms[first].right
    for at in range(first + 1, last):
        if groups[at] != groups[at - 1]:
            widest = max(widest, atoms[at].left - right)
        right = max(right, atoms[at].right)
    return widest


def _score(
    edge: _Edge, lines: Lines, groups: Sequence[int]
) -> float:
    """Return the logarithm of how likely a character stands there, beside what is said already."""
    left, edge_top, width, height = box_of(edge.pieces)
    top, bottom = lines(left + width / 2)
    tall = bottom - top
    high = height / tall
    if edge.mark == "":  # something to leave out: the larger, the less likely
        size = max(high, 0.6 * width / tall)
        return -0.05 - 14 * max(0.0, size - 0.12)
    score = -edge.cut_cost * _is_cut(edge, groups)
    if edge.mark is not None or edge.likely is None:
        return score
    if width > BROAD * tall:
        score -= 4 * (width / tall - BROAD)
    best = float(edge.likely[:NO_DIGIT].max())
    score += math.log(max(best, LEAST))
    if high < 0.5:
        score -= 8 * (0.5 - high)
    away = abs(edge_top + height / 2 - (top + bottom) / 2) / tall
    score -= 6 * max(0.0, away - 0.3)
    if high > 1.7:
        score -= 3 * (high - 1.7)
    return score


def _is_cut(edge: _Edge, groups: Sequence[int]) -> int:
    """Return at how many of its ends a character was cut from another."""
    before = edge.first > 0 and groups[edge.first - 1] == groups[edge.first]
    after = edge.last < len(groups) and groups[edge.last] == groups[edge.last - 1]
    return int(before) + int(after)


def _best(edges: Sequence[_Edge], count: int) -> list[Character]:
    """Return the characters on the best path, each with how sure it is that it stands there."""
    ends: list[list[_Edge]] = [[] for _ in range(count + 1)]
    starts: list[list[_Edge]] = [[] for _ in range(count + 1)]
    for edge in edges:
        ends[edge.last].append(edge)
        starts[edge.first].append(edge)
    best = [0.0] + [-math.inf] * count
    taken: list[_Edge | None] = [None] * (count + 1)
    until, after = [0.0] + [-math.inf] * count, [-math.inf] * count + [0.0]
    for at in range(1, count + 1):
        for edge in ends[at]:
            if best[edge.first] + edge.score > best[at]:
                best[at], taken[at] = best[edge.first] + edge.score, edge
        until[at] = float(np.logaddexp.reduce([until[edge.first] + SHARP * edge.score for edge in ends[at]]))
    for at in range(count - 1, -1, -1):
        after[at] = float(np.logaddexp.reduce([after[edge.last] + SHARP * edge.score for edge in starts[at]]))
    characters = []
    at = count
    while at > 0:
        edge = taken[at]
        assert edge is not None
        if edge.mark != "":
            sure = math.exp(min(0.0, until[edge.first] + SHARP * edge.score + after[edge.last] - until[count]))
            characters.append(Character(box_of(edge.pieces), edge.image, edge.likely, edge.mark, sure))
        at = edge.first
    return characters[::-1]
