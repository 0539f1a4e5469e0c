"""What is a mark between digits, by its shape and its place in the row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from digitlab.layout.pieces import Piece, box_of

DOT = 0.32  # of a digit's height that a point is high or wide at most
COMMA = 0.55, 0.45  # of a digit's height that a comma is high and wide at most
SMALL = 0.17  # of a digit's height: what is lower is no comma that slants through its box
SOLID, SLIM = 0.5, 0.25  # of its box that a point fills, and a comma
BELOW = 0.1  # of a digit's height that a comma reaches below the line
# Heights of a digit: how long an underline is, how far below the digits, and how high, at most.
UNDERLINE, UNDER, FLAT = 0.45, 0.06, 0.15

# A slash against a 1, of the logarithm: the differences of their means by the product of their
# deviations, which for 105 ones that lean were 0.037 below and 0.049 above (docs/benchmarks.md).
BELOW_LINE, ABOVE_LINE = (0.065, 70.0), (0.045, 35.0)  # in heights of a digit, and for each
LEANING, ASIDE, LEANS = 0.1, 0.2, 4.0  # more than the page's ones, at most beside that, for each
LEAST_LEAN = 0.12  # pixels across for each up: what leans less is no slash
SURELY = 7.0  # no place says more

# In 76 ones no bow was deeper than 0.06 of its height in those higher than 1.08 times the others.
TALL_BRACKET = 1.05  # heights of a digit
BOW = 0.065  # of its height that a bracket is deep at least: slashes are flatter
BRACKET_PEN = 0.25  # of its height that a bracket's stroke is wide at most
BRACKET, PERCENT = 0.98, 0.95  # the probability that what looks like one is one


def mark_of(pieces: Sequence[Piece], top: float, bottom: float) -> tuple[str, float] | None:
    """Return the mark that pieces are, and how likely; None where they look like none.

    Args:
        pieces: one, or two that stand one above the other, or the three of a percent sign.
        top: of the digits of their row, in pixels of the page.
        bottom: of the digits of their row.
    """
    if len(pieces) == 3:
        return ("%", PERCENT) if _is_percent(pieces, top, bottom) else None
    if len(pieces) == 2:
        return _pair(pieces, top, bottom)
    piece = pieces[0]
    tall = bottom - top
    width, height = piece.width / tall, piece.height / tall
    middle = (piece.middle[1] - top) / tall
    if max(width, height) <= DOT or (
        height <= COMMA[0] and width <= COMMA[1] and piece.bottom > bottom - 0.1 * tall
    ):
        return _point(piece, width, height, middle, (piece.bottom - bottom) / tall)
    if (
        height <= 0.4
        and width >= max(0.22, 1.5 * height)
        and 0.22 < middle < 0.85
        and _slimness(piece) >= 1.8
    ):
        return "-", 0.97 if 0.3 <= middle <= 0.75 else 0.6
    return None


def is_underline(piece: Piece, top: float, bottom: float) -> bool:
    """Whether a piece is a flat stroke below the digits of its row, as blanks for one digit have.

    Args:
        piece: whole.
        top, bottom: of the digits of its row, in pixels of the page.
    """
    tall = bottom - top
    flat = piece.height <= FLAT * tall and piece.width >= UNDERLINE * tall
    return flat and piece.top >= bottom + UNDER * tall


def slash_of(piece: Piece, top: float, bottom: float, slant: float) -> float | None:
    """Return how much likelier a piece that may be a 1 has its shape and place if it is a slash.

    Of ones, however they lean, few reach below or above the digits beside them; most slashes do.

    Args:
        piece: whole.
        top, bottom: of the digits of its row.
        slant: of the ones of the page, in pixels across for each up.

    Returns:
        The logarithm of the ratio; None where it cannot be a slash.
    """
    lean, is_straight = lean_of(piece)
    if not is_straight or lean < LEAST_LEAN:
        return None
    tall = bottom - top
    below, above = (piece.bottom - bottom) / tall, (top - piece.top) / tall
    aside = min(max(lean - slant - LEANING, -ASIDE), ASIDE)
    ratio = LEANS * aside
    for reach, (least, each) in ((below, BELOW_LINE), (above, ABOVE_LINE)):
        ratio += each * (reach - least)
    return min(max(ratio, -SURELY), SURELY)


def bracket_of(piece: Piece, top: float, bottom: float) -> tuple[str, float]:
    """Return which bracket a piece may be, and how likely: one that is a bow, and tall.

    Args:
        piece: whole.
        top, bottom: of the digits of its row.
    """
    ys, xs = np.nonzero(piece.mask)
    high = piece.height / (bottom - top)
    slim = piece.width <= 0.6 * piece.height and len(xs) <= BRACKET_PEN * piece.height**2
    if high < TALL_BRACKET or not slim:
        return "(", 0.0
    along = 2 * (ys + 0.5) / piece.height - 1
    bow = np.polyfit(along, xs, 2)
    away = float(np.percentile(np.abs(xs - np.polyval(bow, along)), 97))
    if away > 0.8 * len(xs) / piece.height + 0.5:
        return "(", 0.0
    depth = abs(float(bow[0])) / piece.height
    if depth < BOW:
        return "(", 0.0
    score = 100 * (depth - 0.085) + 10 * min(high - 1.1, 0.15) - 1  # brackets are few
    return "(" if bow[0] > 0 else ")", min(1 / (1 + math.exp(-score)), BRACKET)


def _is_percent(pieces: Sequence[Piece], top: float, bottom: float) -> bool:
    """Whether three pieces are a leaning stroke with a ring at either side."""
    left, stroke, right = sorted(pieces, key=lambda one: one.middle[0])
    tall = bottom - top
    lean, is_straight = lean_of(stroke)
    rings = all(
        min(one.height, one.width) / tall >= 0.12 and max(one.height, one.width) <= 0.55 * tall
        for one in (left, right)
    )
    middle = stroke.middle[1]
    apart = left.middle[1] < middle - 0.1 * tall and right.middle[1] > middle + 0.1 * tall
    return rings and apart and is_straight and lean > 0.15 and stroke.height >= 0.7 * tall


def _point(
    piece: Piece, width: float, height: float, middle: float, below: float
) -> tuple[str, float] | None:
    filled = float(piece.mask.mean())
    if height >= SMALL and has_hole(piece):  # a small 0
        return None
    if max(width, height) < 0.05 or middle < 0.3 or filled < (SOLID if height < SMALL else SLIM):
        return None
    if middle < 0.62:
        return (".", 0.9) if height <= 0.3 else None
    lean = height > 1.35 * width and height >= 0.17
    score = (
        6 * (below - BELOW)
        + 5 * (height - 0.2)
        + 1.2 * (height / max(width, 0.05) - 1.3)
        + 0.5 * lean
        + 4 * max(0.0, 0.55 - filled)
    )
    comma = 1 / (1 + math.exp(-2.5 * score))
    return (",", comma) if comma > 0.5 else (".", 1 - comma)


def has_hole(piece: Piece) -> bool:
    """Whether ink encloses a part of a piece's box."""
    ground = cv2.copyMakeBorder(
        (~piece.mask).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1
    )
    return int(cv2.connectedComponents(ground, connectivity=4)[0]) > 2


def _pair(pieces: Sequence[Piece], top: float, bottom: float) -> tuple[str, float] | None:
    """Return a colon or equals sign of two pieces, one above the other."""
    tall = bottom - top
    upper, lower = sorted(pieces, key=lambda one: one.middle[1])
    if abs(upper.middle[0] - lower.middle[0]) > 0.25 * tall or lower.top < upper.bottom:
        return None
    _, y, wide, high = box_of(pieces)
    small = all(max(one.width, one.height) <= DOT * tall for one in pieces)
    if small and 0.2 <= high / tall <= 1.0 and wide <= 0.4 * tall and y > top - 0.1 * tall:
        return ":", 0.97
    flat = all(one.width >= 1.6 * one.height and one.width >= 0.22 * tall for one in pieces)
    if flat and high <= 0.7 * tall and min(one.width for one in pieces) > 0.5 * wide:
        return "=", 0.9
    return None


def is_plus(piece: Piece) -> bool:
    """Whether a piece is a cross, with four arms: up, down and to both sides."""
    mask = piece.mask
    high, wide = mask.shape
    if min(high, wide) < 5 or not 0.5 <= wide / high <= 2 or mask.mean() > 0.6:
        return False
    ys, xs = np.nonzero(mask)
    y, x = float(ys.mean()), float(xs.mean())
    turns = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    for share in (0.4, 0.6):
        rows = np.rint(y + share * high / 2 * np.sin(turns)).astype(int).clip(0, high - 1)
        columns = np.rint(x + share * wide / 2 * np.cos(turns)).astype(int).clip(0, wide - 1)
        hit = mask[rows, columns]
        starts = np.flatnonzero(hit & ~np.roll(hit, 1))
        if len(starts) != 4:
            return False
        ends = [(start + int(np.argmin(np.roll(hit, -start)))) for start in starts.tolist()]
        middles = (
            np.array(
                [(start + end - 1) / 2 for start, end in zip(starts.tolist(), ends, strict=True)]
            )
            * 5
        )
        away = np.abs(middles - 90 * np.rint(middles / 90))
        if away.max() > 40 or len(set((np.rint(middles / 90) % 4).tolist())) != 4:
            return False
    return True


def lean_of(piece: Piece) -> tuple[float, bool]:
    """Return how many pixels a piece leans to the right for each up, and whether it is straight."""
    ys, xs = np.nonzero(piece.mask)
    if piece.height < 4:
        return 0.0, False
    slope, offset = np.polyfit(ys, xs, 1)
    along = math.hypot(1, slope)
    away = np.abs(xs - slope * ys - offset) / along
    thick = max(1.0, len(xs) / (piece.height * along))
    straight = float(np.percentile(away, 97)) <= 0.75 * thick + 0.5 and thick < 0.3 * piece.height
    return float(-slope), straight


def _slimness(piece: Piece) -> float:
    """Return how much longer than wide a piece is, whichever way it lies."""
    ys, xs = np.nonzero(piece.mask)
    if len(xs) < 3:
        return 1.0
    spread = np.linalg.eigvalsh(np.cov(np.stack([xs, ys])) + np.eye(2) / 12)
    return float(math.sqrt(spread[1] / max(spread[0], 1e-6)))
