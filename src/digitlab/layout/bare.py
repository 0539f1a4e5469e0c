"""The ink of a page without its rules, and its pieces: what is left of rules is none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.layout.ink import strongest
from digitlab.layout.lines import TILT
from digitlab.layout.networks import Networks
from digitlab.layout.pieces import Piece, find_pieces, in_place_of, without_pieces
from digitlab.layout.rules import Ruled, without_rules
from digitlab.layout.segments import NO_DIGIT
from digitlab.preparation.pixels import weighted_median

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LIKELY = 0.8  # a digit: no rule is in it
LARGE, HALF = 0.25, 0.5  # of a page's side that tables take, and of their width that a rule does
ACROSS, HANGING = 0.6, 0.5  # of the page's width that lines run across, and of its ink on these
BAR = 1.36, 1.6  # heights of characters: as long as the shortest rules, lying and standing
BROAD = 1.6  # times as high: as wide a digit is at most
SLIMMEST = 14  # times as high as wide a digit is at most
FRAMED = 0.9  # of the sides of its box that a frame covers
PENCIL = 0.4  # of the strongest rule: what is weaker is no pen
REMAINS = 0.12  # of a digit's height: remains of rules are thinner, and specks on them smaller
DUST = 0.03  # of a digit's height: what is so thin, and on a rule, is its end or edge
SPECK = 0.3  # of a digit's height: a mark on the edge of the page that is smaller is none
WALL, BENT = 0.25, 0.02  # times as wide as long a wall is, and of that by which it is bent
CORNER = 0.1  # of its length by which a wall misses the rules at its ends
BEYOND = 2.0  # heights of a digit: so far before and behind it is a rule looked for
RULED = 0.2, 0.12  # of the strongest pen: rules are stronger, and faint ones
CRUMBS = 0.1  # of the ink that is left: where more is faint, faint rules are looked for
FEWER = 0.5  # of what is faint is left where these are found
SLIM = 0.35  # times as wide as long a remain of a rule is at most
USUAL = 0.05  # of the page's longer side: as high as characters are where nothing tells
FEWEST = 8  # pixels of a frame, high and wide
LOWEST = 7  # pixels; lower digits cannot be read
TALLEST = 0.95  # of the page's height


def bare(strength: Floats, uncut: Sequence[Piece], networks: Networks) -> tuple[Ruled, list[Piece]]:
    """Return the ink of a page without its rules, and its pieces.

    Args:
        strength: float32 [H, W].
        uncut: the pieces of that.
        networks: which are asked what has a bar as long as a rule.
    """
    height = _height_before(uncut, strength.shape)
    large = _large_digits(uncut, height, strength, networks)

    def found_by(level: float) -> tuple[Ruled, list[Piece]]:
        return _bare(strength, uncut, networks, level, height, large)

    found = found_by(RULED[0])
    faint, ink = _faint(found[1]), sum(int(one.mask.sum()) for one in found[1])
    if faint <= CRUMBS * ink:
        return found
    fainter = found_by(RULED[1])
    return fainter if _faint(fainter[1]) < FEWER * faint else found


def _faint(pieces: Sequence[Piece]) -> int:
    """Return how many pixels of the ink are faint, as what stays of faint rules is."""
    return sum(int(one.mask.sum()) for one in pieces if one.peak < PENCIL)


def _bare(
    strength: Floats,
    uncut: Sequence[Piece],
    networks: Networks,
    level: float,
    height: float,
    large: Sequence[Piece],
) -> tuple[Ruled, list[Piece]]:
    """Return what `bare` does, where rules are stronger than a level.

    Args:
        strength, uncut, networks: as of `bare`.
        level: what is stronger counts as ink.
        height: of characters, as far as is known while rules are among them.
        large: pieces of that height or more in which no rule is.
    """
    pieces = list(uncut)
    ruled = _without_rules(strength, level, height, large)
    if ruled.strength is not strength:
        pieces = find_pieces(ruled.strength)
        again = usual_height(pieces, strength.shape)
        if abs(again - height) > 0.25 * height:  # rules had been taken for digits
            large = _large_digits(uncut, again, strength, networks)
            ruled = _without_rules(strength, level, again, large)
            pieces = find_pieces(ruled.strength)
    height = usual_height(pieces, strength.shape)
    return ruled, [one for one in pieces if not (_is_frame(one) or _is_remains(one, ruled, height))]


def _without_rules(strength: Floats, level: float, height: float, digits: Sequence[Piece]) -> Ruled:
    """Take the rules out of the ink of a page; no pen may have been as strong as they were.

    Args:
        strength: float32 [H, W].
        level: what is stronger counts as ink.
        height: of its characters.
        digits: in which no rule is.
    """
    rest = without_pieces(strength, digits)
    ruled = without_rules(rest, level, height)
    if ruled.strength is rest:
        return replace(ruled, strength=strength)
    left = ruled.strength + (strength - rest)
    _, level = strongest(left)
    left /= np.float32(min(max(level, PENCIL), 1.0))
    return replace(ruled, strength=np.minimum(left, np.float32(2)))


def _large_digits(
    pieces: Sequence[Piece], height: float, strength: Floats, networks: Networks
) -> list[Piece]:
    """Return the pieces that are likely digits as they are, and have a bar as long as rules are.

    Among small print, the flat top of a 5 or a 7 is such.
    """
    may = [
        one
        for one in pieces
        if (one.width >= BAR[0] * height or one.height >= BAR[1] * height)
        and LOWEST <= one.height <= TALLEST * strength.shape[0]
        and one.width <= BROAD * one.height
        and one.height <= SLIMMEST * one.width
        and not _is_frame(one)
    ]
    if not may:
        return []
    seen = networks.in_place(np.stack([in_place_of([one], strength) for one in may]))
    return [one for one, likely in zip(may, seen, strict=True) if likely[:NO_DIGIT].max() > LIKELY]


def _is_remains(piece: Piece, ruled: Ruled, height: float) -> bool:
    """Whether a piece is what is left of a rule: slim along it or along the edge of the page.

    Or a speck on the side of a box, where two rules cross, on the edge, or hardly one on a rule.
    """
    high, wide = ruled.strength.shape
    upright, lying = piece.width <= SLIM * piece.height, piece.height <= SLIM * piece.width
    left, top, right, bottom = piece.left, piece.top, piece.right, piece.bottom
    is_speck = max(piece.width, piece.height) <= SPECK * height
    if (upright or is_speck) and (left <= 1 or right >= wide - 1):
        return True
    if (lying or is_speck) and (top <= 1 or bottom >= high - 1):
        return True
    around = np.s_[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2]
    across, down = bool(ruled.across[around].any()), bool(ruled.down[around].any())
    if max(piece.width, piece.height) <= REMAINS * height:
        is_dust = min(piece.width, piece.height) <= max(1, DUST * height)
        if ruled.sides[around].any() or (across and down) or (is_dust and (across or down)):
            return True
    if _is_wall(piece, ruled):
        return True
    reach = round(BEYOND * height)
    if upright and piece.width <= REMAINS * height:
        return _is_on(ruled.down[:, around[1]], top, bottom, reach)
    if lying and piece.height <= REMAINS * height:
        return _is_on(ruled.across[around[0]].T, left, right, reach)
    return False


def _is_wall(piece: Piece, ruled: Ruled) -> bool:
    """Whether a piece is a straight bar that stands from one rule to another, as walls do."""
    if piece.width > WALL * piece.height or not _is_straight(piece):
        return False
    reach = max(2, round(CORNER * piece.height))
    columns = np.s_[max(0, piece.left - 1) : piece.right + 1]
    lying = ruled.across[:, columns] | ruled.sides[:, columns]
    return all(
        bool(lying[max(0, end - reach) : end + reach].any()) for end in (piece.top, piece.bottom)
    )


def _is_straight(piece: Piece) -> bool:
    """Whether a standing piece is a straight line, as thick above as below."""
    thick = piece.mask.sum(axis=1)
    rows = np.flatnonzero(thick)
    middle = (piece.mask @ np.arange(piece.width))[rows] / thick[rows]
    slope, start = np.polyfit(rows, middle, 1)
    bent = np.abs(middle - (start + slope * rows)) > max(1.0, BENT * piece.height)
    usual = float(np.median(thick[rows]))
    return bool(bent.mean() < 0.1 and (np.abs(thick - usual) <= max(1.0, 0.5 * usual)).mean() > 0.8)


def _is_on(rules: Mask, first: int, last: int, reach: int) -> bool:
    """Whether a rule runs along most of what is between two places, or before and behind it.

    Args:
        rules: bool [N, n], where they are, along them first.
        first, last: the places.
        reach: how far before and behind is looked.
    """
    along = rules[max(0, first - 2) : last + 2].any(axis=1)
    before, behind = rules[max(0, first - reach) : first], rules[last : last + reach]
    beyond = np.concatenate([before, behind]).any(axis=1)
    return bool(along.mean() > 0.5 or (beyond.size and beyond.mean() > 0.5))


def _height_before(pieces: Sequence[Piece], shape: tuple[int, ...]) -> float:
    """Return how high characters are before rules are taken out.

    Where most ink hangs on lines across the page, the few pieces between them tell nothing.
    """
    inked = [(one, int(one.mask.sum())) for one in pieces]
    large = ((one, ink) for one, ink in inked if _share(one, shape) > LARGE)
    hanging = sum(ink for one, ink in large if one.width > ACROSS * shape[1] or _is_lattice(one))
    if hanging > HANGING * sum(ink for _, ink in inked):
        return USUAL * max(shape)
    return usual_height(pieces, shape)


def usual_height(pieces: Sequence[Piece], shape: tuple[int, ...]) -> float:
    """Return how high characters are, by the pieces that may be some."""
    like = [
        one
        for one in pieces
        if one.height >= LOWEST
        and one.height <= TALLEST * shape[0]
        and one.width <= BROAD * one.height
        and one.height <= 8 * one.width
        and not _is_frame(one)
    ]
    if not like:
        return USUAL * max(shape)
    tall = [float(one.height) for one in like]
    return weighted_median(tall, tall)


def _share(piece: Piece, shape: tuple[int, ...]) -> float:
    """Return how much of a side of a page a piece takes."""
    return max(piece.width / shape[1], piece.height / shape[0])


def _is_lattice(piece: Piece) -> bool:
    """Whether two lines lie in a piece, or more, half as long as it is wide."""
    size = max(FEWEST, round(HALF * piece.width))
    slack = max(1, round(TILT * size / 2))
    thick = cv2.dilate(piece.mask.view(np.uint8), np.ones((2 * slack + 1, 1), np.uint8))
    window = np.ones((1, size), np.uint8)
    runs = cv2.erode(thick, window, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    on = np.pad(np.asarray(runs, np.uint8).any(axis=1).astype(np.int8), 1)
    return int((np.diff(on) > 0).sum()) >= 2


def _is_frame(piece: Piece) -> bool:
    """Whether a piece runs along both sides and the bottom of its own box, as no digit does."""
    rim = max(1, min(piece.height, piece.width) // 8)
    if min(piece.height, piece.width) < FEWEST or piece.mask[rim:-rim, rim:-rim].mean() > 0.5:
        return False
    sides = (
        piece.mask[:, :rim].any(axis=1),
        piece.mask[:, -rim:].any(axis=1),
        piece.mask[-rim:].any(axis=0),
    )
    return min(float(side.mean()) for side in sides) > FRAMED
