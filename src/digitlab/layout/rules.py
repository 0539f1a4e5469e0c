"""The lines of tables, boxes and ruled paper, taken out of the ink of a page.

A rule is straight, thin and longer than any stroke of a digit; where a stroke crosses it, the
stroke is kept, as staff lines are taken out of scores (Dalitz, Droettboom, Pranzas and Fujinaga,
2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

LONG = (1.7, 2.0)  # heights of a digit that a rule is long: across, and down
TILT = 0.08  # pixels down for each across by which a rule may lie askew
THICK = 0.3  # of a digit's height; thicker is no rule


@dataclass(frozen=True)
class Ruled:
    """Ink without rules.

    Attributes:
        strength: float32 [H, W], what is left.
        across, down: bool [H, W], where rules were, lying and standing.
    """

    strength: Floats
    across: Mask
    down: Mask


def without_rules(strength: Floats, level: float, height: float) -> Ruled:
    """Take the rules out of the ink of a page.

    Args:
        strength: float32 [H, W] of the ink.
        level: what is stronger counts as ink.
        height: of digits, in pixels.
    """
    inked = (strength > level).view(np.uint8)
    across = _bands(inked, height, LONG[0])
    down = np.ascontiguousarray(_bands(np.ascontiguousarray(inked.T), height, LONG[1]).T)
    if not across.any() and not down.any():
        return Ruled(strength, across > 0, down > 0)
    rest = inked & ~across & ~down
    gone = (across & ~_crossed(across, rest, height)) > 0
    gone |= (down & ~_crossed(down.T, rest.T, height).T) > 0
    # The soft edge of a rule goes with it, but not that of what is left.
    left = (inked.view(bool) & ~gone).view(np.uint8)
    edge = cv2.dilate(gone.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    spared = cv2.dilate(left, np.ones((3, 3), np.uint8)) > 0
    bare = np.where(gone | (edge & ~spared), np.float32(0), strength)
    return Ruled(np.asarray(bare, np.float32), across > 0, down > 0)


def _bands(inked: Picture, height: float, long: float) -> Picture:
    """Return where lying rules are, uint8 [H, W].

    Args:
        inked: uint8 [H, W], 0 or 1.
        height: of digits.
        long: of these, what a rule is long.
    """
    length = max(12, round(long * height))
    slack = max(1, round(TILT * length / 2))
    thick = cv2.dilate(inked, np.ones((2 * slack + 1, 1), np.uint8))
    runs = cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    band = cv2.dilate(runs, np.ones((3, 1), np.uint8)) & inked
    return _thin(np.asarray(band, np.uint8), height)


def _crossed(band: Picture, rest: Picture, height: float) -> Picture:
    """Return where a stroke crosses lying rules, uint8 [H, W].

    Args:
        band: where these are.
        rest: all other ink.
        height: of digits.
    """
    band, rest = np.ascontiguousarray(band), np.ascontiguousarray(rest)
    reach, side = max(2, round(THICK * height)), max(1, round(0.08 * height))
    # What touches a rule from above and from below, two pixels high at least, crosses it.
    above = np.roll(band, -1, 0) & rest & np.roll(rest, 1, 0)
    below = np.roll(band, 1, 0) & rest & np.roll(rest, -1, 0)
    size = (2 * reach + 1, 2 * side + 1)
    downwards, upwards = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    downwards[: reach + 1], upwards[reach:] = 1, 1
    return np.asarray(cv2.dilate(above, downwards) & cv2.dilate(below, upwards) & band, np.uint8)


def _thin(band: Picture, height: float) -> Picture:
    """Return what of a band, uint8 [H, W], belongs to parts that are thin as rules are."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(band)
    if count < 2:
        return band
    mean = stats[:, cv2.CC_STAT_AREA] / np.maximum(stats[:, cv2.CC_STAT_WIDTH], 1)
    fine = mean <= max(THICK * height, 3)
    fine &= stats[:, cv2.CC_STAT_WIDTH] >= height
    fine[0] = False
    return fine[labels].view(np.uint8)
