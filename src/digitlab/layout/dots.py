"""The dots of dotted paper, which are no points of numbers.

Used by page.py. Dots are small pieces, alike, each with others before and behind it in two
directions across each other; their lattice goes on where nothing is written, and points have digits
beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from digitlab.layout.pieces import Piece

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int_]
Mask = npt.NDArray[np.bool_]

LARGEST = 0.4  # of the distance to the next: so wide and high a dot is at most
ROUND, SOLID = 1.8, 0.5  # times as wide as high, or as high as wide, at most; of its box it fills
ALIKE = 2.5  # times as wide and high one dot is as another, at most
FEWEST = 40  # dots; a page of decimal numbers has fewer points
FREE = 0.2  # of the dots that have nothing else beside them
SLACK = 0.2  # of the distance to the next by which a dot misses its place
BLOCK = 256  # dots that are compared with all others at once


def dots_of_paper(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces that are the dots of dotted paper; none where there is no such paper."""
    box = np.array([one.box for one in pieces], float).reshape(-1, 4)
    sizes = box[:, 2:].max(axis=1)
    may = sizes <= ROUND * box[:, 2:].min(axis=1, initial=np.inf)
    may &= np.array([one.mask.mean() >= SOLID for one in pieces], bool)
    if may.sum() < FEWEST:
        return []
    usual = float(np.median(sizes[may]))
    chosen = np.flatnonzero(may & (sizes <= ALIKE * usual) & (sizes * ALIKE >= usual))
    middles = box[chosen, :2] + box[chosen, 2:] / 2
    on, step = _on_lattice(middles)
    chosen, middles = chosen[on], middles[on]
    if len(chosen) < FEWEST or usual > LARGEST * step:
        return []
    others = box[sizes > ALIKE * usual]
    if not len(others) or _are_free(middles, others, step).mean() < FREE:
        return []
    return [pieces[at] for at in chosen.tolist()]


def _on_lattice(middles: Numbers) -> tuple[Mask, float]:
    """Return which of some places, [N, 2], are on a square lattice, bool [N], and its step."""
    nearest = np.empty_like(middles)
    for part in _blocks(len(middles)):
        away = _lengths(middles - middles[part, None])
        away[np.arange(len(away)), np.arange(part.start, part.start + len(away))] = np.inf
        nearest[part] = middles[away.argmin(axis=1)] - middles[part]
    step = float(np.median(_lengths(nearest)))
    # A quarter of a turn is none, as to a lattice.
    turns = np.exp(4j * np.angle(nearest[:, 0] + 1j * nearest[:, 1]))
    like = np.abs(_lengths(nearest) - step) <= SLACK * step
    angle = float(np.angle(turns[like].sum())) / 4
    ahead = step * np.array([np.cos(angle), np.sin(angle)])
    aside = ahead[::-1] * (-1, 1)
    ways = [ahead, -ahead, aside, -aside]
    has = _has_others(middles, middles, ways, SLACK * step)
    on = (has[0] | has[1]) & (has[2] | has[3])
    # Digits hide the others that some would have.
    if on.any():
        ways += [ahead + aside, -ahead - aside, ahead - aside, aside - ahead]
        on |= _has_others(middles, middles[on], ways, SLACK * step).any(axis=0)
    return np.asarray(on), step


def _has_others(some: Numbers, others: Numbers, ways: Sequence[Numbers], slack: float) -> Mask:
    """Return whether some places, [N, 2], have others, [M, 2], on each way, bool [ways, N]."""
    has = np.empty((len(ways), len(some)), bool)
    for part in _blocks(len(some)):
        for at, way in enumerate(ways):
            has[at, part] = _lengths(others - (some[part, None] + way)).min(axis=1) <= slack
    return has


def _are_free(middles: Numbers, box: Numbers, reach: float) -> Mask:
    """Return which places, [N, 2], have no box, of [M, 4], so near to them, bool [N]."""
    free = np.ones(len(middles), bool)
    for x, y, width, height in box.tolist():
        from_x = np.maximum(x - middles[:, 0], middles[:, 0] - x - width)
        from_y = np.maximum(y - middles[:, 1], middles[:, 1] - y - height)
        free &= np.maximum(from_x, from_y) > reach
    return free


def _lengths(steps: Numbers) -> Numbers:
    return np.asarray(np.hypot(steps[..., 0], steps[..., 1]))


def _blocks(count: int) -> list[slice]:
    return [slice(first, first + BLOCK) for first in range(0, count, BLOCK)]
