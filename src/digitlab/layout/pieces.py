"""The connected pieces of a page's ink, and what the network wants of any of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.glyph import Box, framed, greys, normalise, surrounding

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Picture = npt.NDArray[np.uint8]

INKED = 0.3  # of the strongest pen's strength
FAINT = 0.16  # what is weaker is no ink of any pen
WEAK, FULL = 0.2, 0.65  # of a piece's own strength: where ink begins, and is whole
TALL, HARDLY = 8, 0.45  # pixels high; the mean of what is strong in a piece that is faint
SPECK = 2  # pixels; what is smaller either way is noise
MOST = 4000  # pieces, the largest; a page of noise has more


@dataclass(frozen=True)
class Piece:
    """A connected piece of ink, or a part of one that was cut.

    Attributes:
        box: x, y, width and height, in pixels of the ink.
        mask: bool [h, w], where in its box it is.
        peak: how strong it is where it is strong.
        severed: how many strokes were cut at its left and at its right.
    """

    box: Box
    mask: npt.NDArray[np.bool_]
    peak: float
    severed: tuple[int, int] = (0, 0)

    @property
    def left(self) -> int:
        """The first column."""
        return self.box[0]

    @property
    def top(self) -> int:
        """The first row."""
        return self.box[1]

    @property
    def right(self) -> int:
        """The column behind the last."""
        return self.box[0] + self.box[2]

    @property
    def bottom(self) -> int:
        """The row behind the last."""
        return self.box[1] + self.box[3]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.box[2]

    @property
    def height(self) -> int:
        """In pixels."""
        return self.box[3]

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the box."""
        return self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2


def find_pieces(strength: Floats) -> list[Piece]:
    """Return the connected pieces of ink; faint ones, too, where no strong one is.

    Where most are hardly strong anywhere, as pencil between printed rules is, those are whole.
    """
    seen = (strength > FAINT).view(np.uint8)
    strong = (strength > INKED).view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(seen)
    theirs, values = np.asarray(labels)[strong > 0], strength[strong > 0]
    area, sums = np.bincount(theirs, minlength=count), np.bincount(theirs, values, count)
    is_strong = area > 0
    tall = is_strong & (stats[:, 3] >= TALL)
    tall[0] = False
    faint = tall & (sums <= HARDLY * area)
    if 2 * faint.sum() > tall.sum():  # else their strokes would break
        is_strong &= ~faint
    is_strong[0] = True
    inked = np.where(is_strong[labels], strong, seen)
    _, found, stats, _ = cv2.connectedComponentsWithStats(np.asarray(inked, np.uint8))
    large = np.maximum(stats[:, 2], stats[:, 3]) >= SPECK
    large[0] = False
    chosen = np.flatnonzero(large)
    chosen = chosen[np.argsort(-stats[chosen, 4], kind="stable")][:MOST]
    return [
        _piece(strength, np.asarray(found, np.int32), one, stats[one]) for one in chosen.tolist()
    ]


def _piece(strength: Floats, labels: Labels, label: int, stats: Labels) -> Piece:
    left, top, width, height = stats[:4].tolist()
    part = np.s_[top : top + height, left : left + width]
    mask = labels[part] == label
    inside = strength[part][mask]
    at = max(0, len(inside) - 1 - len(inside) // 8)
    return Piece((left, top, width, height), mask, float(np.partition(inside, at)[at]))


def without_pieces(strength: Floats, pieces: Sequence[Piece]) -> Floats:
    """Return the ink of a page without some of its pieces and their soft edges."""
    if not pieces:
        return strength
    bare = strength.copy()
    for one in pieces:
        left, top = max(0, one.left - 2), max(0, one.top - 2)
        part = bare[top : one.bottom + 2, left : one.right + 2]
        mask = np.zeros(part.shape, np.uint8)
        y, x = one.top - top, one.left - left
        mask[y : y + one.height, x : x + one.width] = one.mask
        part[cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0] = 0
    return bare


def box_of(pieces: Sequence[Piece]) -> Box:
    """Return the box around some pieces."""
    return surrounding([one.box for one in pieces])


def ink_of(pieces: Sequence[Piece], strength: Floats) -> Floats:
    """Return the ink of some pieces, float32 [h, w] in [0, 1], with a margin of two pixels.

    Args:
        pieces: one at least.
        strength: float32 [H, W], of the page.
    """
    left, top, width, height = box_of(pieces)
    mask = np.zeros((height + 4, width + 4), np.uint8)
    for one in pieces:
        y, x = one.top - top + 2, one.left - left + 2
        mask[y : y + one.height, x : x + one.width] |= one.mask.view(np.uint8)
    around = cv2.dilate(mask, np.ones((3, 3), np.uint8))  # the soft edge of a stroke
    ink = np.zeros(mask.shape, np.float32)
    y, x = max(0, top - 2), max(0, left - 2)
    part = strength[y : top + height + 2, x : left + width + 2]
    ink[y - top + 2 : y - top + 2 + part.shape[0], x - left + 2 : x - left + 2 + part.shape[1]] = (
        part
    )
    return _whole(ink, pieces) * around


def _whole(strength: Floats, pieces: Sequence[Piece]) -> Floats:
    """Return ink from 0 to 1: how near strength is to that of some pieces where they are strong."""
    peak = max(one.peak for one in pieces)
    ink = strength - np.float32(WEAK * peak)
    ink /= np.float32((FULL - WEAK) * peak)
    return np.asarray(np.clip(ink, 0, 1), np.float32)


def glyph_of(pieces: Sequence[Piece], strength: Floats) -> Picture:
    """Return some pieces as the network wants them, uint8 [28, 28]."""
    return normalise(ink_of(pieces, strength))


def in_place_of(pieces: Sequence[Piece], strength: Floats) -> Picture:
    """Return some pieces where they stand, uint8 [28, 28]: with all ink that is around them."""
    left, top, width, height = box_of(pieces)
    reach = max(width, height)  # more than the frame has around its box
    x, y = max(0, left - reach), max(0, top - reach)
    part = strength[y : top + height + reach, x : left + width + reach]
    return greys(framed(_whole(part, pieces), (left - x, top - y, width, height)))
