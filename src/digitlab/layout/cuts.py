"""Where a piece of ink may be cut into characters that touch."""

from __future__ import annotations

import numpy as np

from digitlab.layout.pieces import Piece

CUTS = 7  # of one piece
SLANTS = (-0.15, 0.0, 0.15, 0.3, 0.5)  # pixels across for each up, of cuts
NARROWEST = 0.18  # of a digit's height: no part at the end is narrower
APART = 0.15  # of a digit's height: cuts are farther apart
MOST_INK = 0.5  # of a digit's height that a cut goes through


def cut(piece: Piece, tall: float) -> list[Piece]:
    """Return the parts of a piece between the straight lines that cut least ink.

    Args:
        piece: whole.
        tall: the height of the digits of its row.

    Returns:
        From left to right; the piece alone where nothing can be cut.
    """
    mask = piece.mask
    height, width = mask.shape
    rows = np.arange(height)
    margin = max(2, round(NARROWEST * tall))
    places = np.arange(margin, width - margin)
    if not len(places):
        return [piece]
    shifts = [np.rint(slant * (height / 2 - rows)).astype(int) for slant in SLANTS]
    middling = 0.01 * np.abs(places - width / 2) / width
    cost = np.array([_ink_on(piece, places[:, None] + shift[None]) for shift in shifts]) + middling
    label = np.zeros(mask.shape, np.int32)
    for place in _chosen(cost.min(axis=0), tall):
        shift = shifts[int(cost[:, place].argmin())]
        label += np.arange(width)[None] >= (places[place] + shift)[:, None]
    parts = [_part(piece, mask & (label == one)) for one in range(int(label.max()) + 1)]
    return sorted((one for one in parts if one is not None), key=lambda one: one.middle[0])


def _ink_on(piece: Piece, columns: np.ndarray) -> np.ndarray:
    """Return how many pixels of a piece lie on lines, of columns [N, height]; int [N]."""
    inside = (columns >= 0) & (columns < piece.width)
    hit = piece.mask[np.arange(piece.height)[None], columns.clip(0, piece.width - 1)]
    return np.asarray((hit & inside).sum(axis=1))


def _chosen(cost: np.ndarray, tall: float) -> list[int]:
    """Return the places of the lowest costs, float [N], that are apart, in order."""
    places = np.arange(len(cost))
    free = np.ones(len(cost), bool)
    chosen: list[int] = []
    limit = min(CUTS, max(1, round((len(cost) + 2 * NARROWEST * tall) / (0.3 * tall))))
    while len(chosen) < limit and free.any():
        best = int(np.where(free, cost, np.inf).argmin())
        if cost[best] > MOST_INK * tall:
            break
        chosen.append(best)
        free &= np.abs(places - best) >= max(2, round(APART * tall))
    return sorted(chosen)


def _part(piece: Piece, mask: np.ndarray) -> Piece | None:
    """Return the part of a piece that is in a mask, bool [h, w]; None where none is."""
    ys, xs = np.nonzero(mask)
    if not len(xs):
        return None
    left, right = int(xs.min()), int(xs.max()) + 1
    top, bottom = int(ys.min()), int(ys.max()) + 1
    box = (piece.left + left, piece.top + top, right - left, bottom - top)
    return Piece(box, mask[top:bottom, left:right], piece.peak)
