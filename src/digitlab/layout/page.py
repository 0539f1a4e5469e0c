"""From the pixels of a page to the characters in its rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.layout.bare import LOWEST, TALLEST, bare, usual_height
from digitlab.layout.dots import dots_of_paper
from digitlab.layout.evidence import likely_numbers
from digitlab.layout.ink import WORK_SIDE, page_inks
from digitlab.layout.lattice import Character
from digitlab.layout.likeness import Likeness, likeness_turned
from digitlab.layout.marks import has_hole, is_underline, lean_of
from digitlab.layout.networks import Networks
from digitlab.layout.numbers import parted
from digitlab.layout.pieces import Piece, find_pieces, without_pieces
from digitlab.layout.rows import Chain, find_rows
from digitlab.layout.rules import Ruled
from digitlab.layout.segments import (
    NO_DIGIT,
    Hand,
    Known,
    Lines,
    known_of,
    read_row,
)
from digitlab.layout.sheet import Sheet, sheets
from digitlab.layout.steps import Record, record_ink, record_rows
from digitlab.layout.tilt import FEWEST as FEWEST_TILTED
from digitlab.layout.tilt import tilt_of_digits, tilts_of_lines
from digitlab.preparation.pixels import weighted_median

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

LIKELY = 0.8  # a digit: those are like the others of their page
CLEAR = 0.25  # of what may be ink that is surely digits: of bright ink on a dark page, say
TINY, MANY = 0.01, 6  # of the page's longer side: fewer that are lower, or like letters, are noise
DISC = 0.7  # of its box that a disc fills, which is 0.79 for a whole one
ROUND = 0.95  # of its convex hull: what fills less has a notch, as thick digits have
SMALL = 0.7  # of a row's height: what is lower beside it is no row
LOW = 0.4  # of the height of the page's digits: what is lower is no digit
DOUBTFUL = 0.5  # a piece that is less likely a digit may be a letter
# Of the pieces in rows of print 0.4 to 0.8 are such, of numbers at most 0.1 (docs/benchmarks.md).
LETTERS, FEW_LETTERS = 0.3, 0.15  # in a row of words, and on a page of words
SHORT, FEW = 10, 3  # pieces: of fewer than 10 one tells, on a page of words; fewer than 3 do not
APART = 0.3  # heights of a digit between words
FEW_DOUBTFUL, DOUBT = 0.3, 2  # of the pieces of a number, and of a short one
LARGER = 1.5  # times as high as their row: digits beside small print; as the page's: no digit
MORE_LIKE, LESS_LIKE = 0.05, 0.15  # of the mean logarithm of how likely pieces are digits
STEADY = 3.0  # heights of a digit: on what is shorter a row has no slope of its own
EVEN = 0.5  # a number: only more likely ones are read, and say whether a page was written on
FAINT = 0.35  # of the strength of the page's digits: what is fainter is no writing


@dataclass(frozen=True)
class PageRow:
    """A row of numbers.

    Attributes:
        numbers: the characters of each, from left to right.
        likely: of each, how likely it is a number, and no word.
    """

    numbers: tuple[tuple[Character, ...], ...]
    likely: tuple[float, ...]


@dataclass(frozen=True)
class Look:
    """What is seen of a page before its rows are read.

    Attributes:
        sheet: the part of the picture that is read.
        strength: of its ink, float32 [H, W].
        ruled: the same without rules.
        pieces: of that ink.
        known: what the network says of single pieces that may be digits, by their identity.
    """

    sheet: Sheet
    strength: Floats
    ruled: Ruled
    pieces: Sequence[Piece]
    known: Mapping[int, Known]


def read_page(picture: Picture, networks: Networks, record: Record | None = None) -> list[PageRow]:
    """Return the rows on a page, in the order of reading; boxes in pixels of the picture.

    Args:
        picture: uint8 [H, W], [H, W, 3] or [H, W, 4].
        networks: which are asked what ink is.
        record: is given each step of the way, from the sheet to the pieces of its rows.
    """
    return read_seen(look_at(picture, networks), networks, record)


def look_at(picture: Picture, networks: Networks) -> Look:
    """Return what is seen of a page, its rows straight; arguments as of `read_page`."""
    found = sheets(picture.reshape(*picture.shape[:2], -1)[..., :3], WORK_SIDE)
    look = _clearest([look_at_sheet(one, networks) for one in found])
    # What only lines tell has to show more digits: one may be a fold across a straight page.
    slope = _tilt_of(look)
    for tilts, least in (
        (tilts_of_lines(look.strength), MORE_LIKE),
        ((slope, slope), -LESS_LIKE),
    ):
        if any(tilts) and look.pieces:
            boxes = [one.box for one in look.pieces]
            straight = look_at_sheet(look.sheet.straightened(*tilts, boxes), networks)
            if not _tilt_of(straight) and _is_like_digits(straight, look, least, networks):
                return straight
    return look


def _tilt_of(look: Look) -> float:
    """Return by how many degrees rows slope, as far as digits tell."""
    return tilt_of_digits([one for one in look.pieces if id(one) in look.known])


def look_at_sheet(sheet: Sheet, networks: Networks) -> Look:
    """Return what is seen of a sheet as it lies."""
    return _clearest([_look(sheet, strength, networks) for strength in page_inks(sheet.pixels)])


def _clearest(looks: Sequence[Look]) -> Look:
    """Return the look at a page that shows most digits with least beside them; the first of equals.

    What follows the first has to be clear: the grain of a page has a few digits in it, too.
    """
    clear = [looks[0], *(one for one in looks[1:] if _share_of_digits(one) > CLEAR)]
    return max(clear, key=lambda look: _sure_digits(look) * _share_of_digits(look))


def _look(sheet: Sheet, strength: Floats, networks: Networks) -> Look:
    """Return what is seen of a sheet whose ink has some strength, float32 [H, W]."""
    pieces = find_pieces(strength)
    dots = dots_of_paper(pieces)
    if dots:
        strength = without_pieces(strength, dots)
        pieces = find_pieces(strength)
    ruled, pieces = bare(strength, pieces, networks)
    return Look(sheet, strength, ruled, pieces, _known(pieces, ruled.strength, networks))


def _sure_digits(look: Look) -> int:
    """Return how many pieces are surely digits, other than ones, which lines are like."""
    return sum(_is_likely(one) and one.likely.argmax() != 1 for one in look.known.values())


def _is_likely(known: Known) -> bool:
    """Whether a piece is so likely a digit that it is like the others of its page."""
    return bool(known.likely[:NO_DIGIT].max() > LIKELY)


def _share_of_digits(look: Look) -> float:
    """Return how much of all ink is surely digits; ones are, too."""
    sure = {at for at, one in look.known.items() if _is_likely(one)}
    ink = sum(int(one.mask.sum()) for one in look.pieces)
    return sum(int(one.mask.sum()) for one in look.pieces if id(one) in sure) / max(1, ink)


def _is_like_digits(straight: Look, tilted: Look, least: float, networks: Networks) -> bool:
    """Whether a page looks like digits once it is turned, and more so, whichever way up it is.

    Args:
        straight, tilted: what is seen of it once it is turned, and as it lies.
        least: by how much the mean logarithm of how likely its pieces are digits has to rise; where
            it may fall, more that surely are will do. Where hardly any were seen before, it is not
            asked.
        networks: of which the first is asked.
    """
    if len(straight.known) < FEWEST_TILTED:
        return False
    after = _likeliest(straight, networks)
    if not after.is_of_digits or len(tilted.known) < FEWEST_TILTED:
        return after.is_of_digits  # rules that are tilted hold most digits together
    before = _likeliest(tilted, networks)
    return after.mean > before.mean + least or (least < 0 and after.sure > before.sure)


def _likeliest(look: Look, networks: Networks) -> Likeness:
    """Return how much what is seen looks like digits, the way up that it does most."""
    return max(likeness_turned(look.known.values(), networks), key=lambda one: one.mean)


def read_seen(look: Look, networks: Networks, record: Record | None = None) -> list[PageRow]:
    """Return the rows on a page that was looked at; arguments and rows as of `read_page`."""
    if record is not None:
        record_ink(record, look.sheet.pixels, look.strength, look.ruled.strength)
    pieces, known, strength = look.pieces, look.known, look.ruled.strength
    if not known:
        return []
    digits = [one for one in pieces if id(one) in known]
    sure = [one for one in digits if _is_likely(known[id(one)])]
    others = [one for one in sure if known[id(one)].likely.argmax() != 1]
    sure = others if len(others) >= FEW else sure  # thin remains of rules are like ones
    height = float(np.median([one.height for one in sure or digits]))
    inks = [int(one.mask.sum()) for one in sure]
    peak = weighted_median([one.peak for one in sure], inks) if sure else 1.0
    pieces = [one for one in pieces if one.height < LOW * height or not _is_hole(one)]
    high = [one for one in pieces if id(one) in known and one.height >= LOW * height]
    body = [one for one in high if one.peak >= FAINT * peak]
    body = [one for one in body if not _is_cut(one, strength.shape, known, height)]
    among_words = _are_words(body, known)
    if height < TINY * max(strength.shape) and (len(body) < MANY or among_words):
        return []
    rows = _without_small(find_rows(body))
    body = [one for row in rows for one in row.pieces]
    hand = Hand(strength, networks, _slant(sure), known)
    lines = [_lines(chain) for chain in rows]
    beside = _beside(rows, lines, pieces, body, peak)
    whole = [[*chain.pieces, *others] for chain, others in zip(rows, beside, strict=True)]
    if record is not None:
        record_rows(record, strength.shape, whole)
    found = [
        (
            chain.height,
            _read_among_words(chain, members, line, hand)
            if _are_words(chain.pieces, known, among_words)
            else [read_row(members, line, hand)],
        )
        for chain, members, line in zip(rows, whole, lines, strict=True)
    ]
    numbers = parted(found, look.ruled)
    likely = likely_numbers(numbers, networks.is_number)
    if _are_specks(numbers, likely, TINY * max(strength.shape)):
        return []
    return [
        PageRow(tuple(tuple(_placed(one, look.sheet) for one in number) for number in row), those)
        for row, those in zip(numbers, likely, strict=True)
    ]


def _are_specks(
    rows: Sequence[Sequence[Sequence[Character]]],
    likely: Sequence[tuple[float, ...]],
    lowest: float,
) -> bool:
    """Whether all that is likely a number are a few digits, and lower: so the grain of paper is."""
    pairs = zip(itertools.chain(*rows), itertools.chain(*likely), strict=True)
    digits = [one for number, value in pairs if value > EVEN for one in number if one.mark is None]
    return 0 < len(digits) < MANY and max(one.box[3] for one in digits) < lowest


def _are_words(
    pieces: Sequence[Piece], known: Mapping[int, Known], among_words: bool = False
) -> bool:
    """Whether many pieces of a row, or of a page, are no digits by themselves.

    Cutting and joining print and specks in every way takes long and makes no numbers. What is
    wider than high does not count, which may be several digits.
    """
    narrow = [one for one in pieces if one.width <= one.height]
    if len(narrow) < FEW:
        return False
    letters = _doubtful(narrow, known) / len(narrow)
    if among_words:
        return letters >= (FEW_LETTERS if len(narrow) >= SHORT else 1 / SHORT)
    return len(narrow) >= SHORT and letters >= LETTERS


def _doubtful(pieces: Sequence[Piece], known: Mapping[int, Known]) -> int:
    """Return how many pieces are no digits by themselves, more likely than not."""
    return sum(float(known[id(one)].likely[:NO_DIGIT].max()) < DOUBTFUL for one in pieces)


def _read_among_words(
    chain: Chain, members: Sequence[Piece], line: Lines, hand: Hand
) -> list[list[Character]]:
    """Return the characters of a row with words in it: of these, each piece as it is by itself.

    Args:
        chain: of the row.
        members: all that stands in it, small pieces, too.
        line: where its digits stand.
        hand: of the page.

    Returns:
        Stretches of the row from left to right: what may be a word shares none with a number.
    """
    body = {id(one) for one in chain.pieces}
    stretches: list[list[Character]] = []
    was_sure = False
    for group in _groups(members, chain.height):
        pieces = [one for one in group if id(one) in body]
        if not pieces:
            continue
        is_sure = not _doubtful(pieces, hand.known)
        if not (is_sure and was_sure):
            stretches.append([])
        if _is_word(pieces, hand.known):
            stretches[-1] += [_by_itself(one, hand.known) for one in pieces]
        else:
            own = _lines(Chain(pieces)) if len(pieces) > 1 else line
            stretches[-1] += read_row(group, own, hand)
        was_sure = is_sure
    return stretches


def _groups(pieces: Sequence[Piece], height: float) -> list[list[Piece]]:
    """Return the pieces of a row of that height in groups, from left to right, with gaps between.

    The higher what stands beside a gap, the wider it is: digits may be larger than their label.
    """
    groups: list[list[Piece]] = []
    end, tall = 0.0, height
    for piece in sorted(pieces, key=lambda one: one.left):
        if not groups or piece.left - end > APART * max(tall, piece.height):
            groups.append([])
            end, tall = piece.right, height
        groups[-1].append(piece)
        end, tall = max(end, piece.right), max(tall, piece.height)
    return groups


def _is_word(pieces: Sequence[Piece], known: Mapping[int, Known]) -> bool:
    """Whether many pieces that stand together are no digits by themselves."""
    doubtful = _doubtful(pieces, known)
    return doubtful > FEW_DOUBTFUL * len(pieces) and doubtful >= min(DOUBT, len(pieces))


def _by_itself(piece: Piece, known: Mapping[int, Known]) -> Character:
    """Return a piece as the digit that it is most like."""
    return Character(piece.box, known[id(piece)].image, known[id(piece)].likely, None, 1.0)


def _known(pieces: Sequence[Piece], strength: Floats, networks: Networks) -> dict[int, Known]:
    """Return what the networks say of the pieces that may be digits, or several that touch.

    By the identity of the piece.
    """
    height = usual_height(pieces, strength.shape)
    may = [
        one
        for one in pieces
        if one.height >= max(LOWEST, 0.3 * height)
        and one.height <= TALLEST * strength.shape[0] + 1
        and one.width <= 12 * one.height
        and one.height <= (24 if one.height > 0.5 * strength.shape[0] else 14) * one.width
    ]
    return known_of(may, strength, networks)


def _slant(digits: Sequence[Piece]) -> float:
    """Return how far upright strokes of digits lean to the right, in pixels for each up."""
    leans = [lean_of(one)[0] for one in digits if one.height > 1.8 * one.width]
    return float(np.median(leans)) if len(leans) >= 3 else 0.15


def _is_hole(piece: Piece) -> bool:
    """Whether a piece is a disc, as punched holes and blots are: nowhere hollow."""
    round_enough = 0.6 <= piece.width / piece.height <= 1.6
    if not round_enough or float(piece.mask.mean()) <= DISC or has_hole(piece):
        return False
    hull = cv2.convexHull(np.argwhere(piece.mask)[:, ::-1].astype(np.int32))
    filled = np.zeros(piece.mask.shape, np.uint8)
    cv2.fillConvexPoly(filled, hull, 1)
    return float(piece.mask.sum()) > ROUND * float(filled.sum())


def _is_cut(
    piece: Piece, shape: tuple[int, ...], known: Mapping[int, Known], height: float
) -> bool:
    """Whether a piece runs out of the picture and is not surely a digit of about some height."""
    inside = piece.left > 1 and piece.top > 1
    inside = inside and piece.right < shape[1] - 1 and piece.bottom < shape[0] - 1
    return not inside and not (known[id(piece)].is_sure and piece.height <= LARGER * height)


def _without_small(rows: Sequence[Chain]) -> list[Chain]:
    """Return rows without those that are marks in or just below another."""
    tall = np.array([row.height for row in rows])
    many = np.array([len(row.pieces) for row in rows])
    left = np.array([row.left for row in rows]) - tall
    right = np.array([row.right for row in rows]) + tall
    kept = []
    for row in rows:
        x, y = float(row.x.mean()), float(row.y.mean())
        larger = (row.height < SMALL * tall) & (len(row.pieces) < many)
        near = np.flatnonzero(larger & (left <= x) & (x <= right)).tolist()
        others = (rows[at] for at in near)
        if not any(
            abs(y - float(np.interp(x, other.x, other.y))) < 0.85 * other.height for other in others
        ):
            kept.append(row)
    return kept


def _lines(chain: Chain) -> Lines:
    """Return what gives the top and the bottom of a row's digits at a column."""
    tall = chain.height
    like = [one for one in chain.pieces if 0.7 * tall <= one.height <= 1.5 * tall] or chain.pieces
    x = np.array([one.middle[0] for one in like])
    sides = [np.array([getattr(one, side) for one in like], float) for side in ("top", "bottom")]
    near = [np.argsort(np.abs(x - column))[:7] for column in x]
    middle = (sides[0] + sides[1]) / 2
    slopes = [_slope(x[at], middle[at], STEADY * tall) for at in near]
    top, bottom = (
        np.array(
            [
                np.median(side[at] - slope * (x[at] - column))
                for column, at, slope in zip(x, near, slopes, strict=True)
            ]
        )
        for side in sides
    )

    def at(column: float) -> tuple[float, float]:
        first, last = float(np.interp(column, x, top)), float(np.interp(column, x, bottom))
        return first, max(last, first + 0.5 * tall)

    return at


def _slope(x: Numbers, y: Numbers, least: float) -> float:
    """Return the slope of points, the median of all pairs' (Theil, 1950; Sen, 1968).

    Args:
        x, y: float64 [N].
        least: of what is between the first and the last point, for less tells nothing.
    """
    if np.ptp(x) < least:
        return 0.0
    one, other = np.triu_indices(len(x), 1)
    apart = x[other] - x[one]
    far = np.abs(apart) > 0.1 * least
    return float(np.median((y[other] - y[one])[far] / apart[far]))


def _beside(
    rows: Sequence[Chain],
    lines: Sequence[Lines],
    pieces: Sequence[Piece],
    body: Sequence[Piece],
    peak: float,
) -> list[list[Piece]]:
    """Return of each row the small pieces in it: marks, parts of digits, specks; no underlines."""
    taken = {id(one) for one in body}
    found: list[list[Piece]] = [[] for _ in rows]
    heights = np.array([row.height for row in rows])
    left = np.array([row.left for row in rows]) - 1.2 * heights
    right = np.array([row.right for row in rows]) + 1.2 * heights
    for piece in pieces:
        if id(piece) in taken or piece.peak < FAINT * peak:
            continue
        best, nearest = None, 1.0
        x, y = piece.middle
        near = (left <= x) & (x <= right) & (piece.height <= 1.2 * heights)
        for at in np.flatnonzero(near).tolist():
            row = rows[at]
            away = abs(y - float(np.interp(x, row.x, row.y))) / _height_at(row, x)
            if away < min(nearest, 0.85):
                best, nearest = at, away
        if best is not None and not is_underline(piece, *lines[best](x)):
            found[best].append(piece)
    return found


def _height_at(row: Chain, column: float) -> float:
    """Return how high a row is at a column: higher than usual where digits stand by small print."""
    near = np.argsort(np.abs(row.x - column))[:3]
    local = float(np.median([row.pieces[at].height for at in near]))
    return local if local > LARGER * row.height else row.height


def _placed(character: Character, sheet: Sheet) -> Character:
    return replace(character, box=sheet.box_in_picture(character.box))
