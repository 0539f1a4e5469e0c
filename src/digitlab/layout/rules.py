"""The lines of tables, boxes and ruled paper, taken out of the ink of a page.

A rule is straight, thin and longer than any stroke of a digit, or a side of a box; where a stroke
crosses it, the stroke is kept, as staff lines are taken out of scores (Dalitz, Droettboom, Pranzas
and Fujinaga, 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.layout.lines import lying_lines
from digitlab.layout.sides import sides_of_boxes

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

LONG = (1.7, 2.0)  # heights of a digit that a rule is long: across, and down
THICK = 0.3  # of a digit's height; thicker is no rule


@dataclass(frozen=True)
class Ruled:
    """Ink without rules.

    Attributes:
        strength: float32 [H, W], what is left.
        across, down: bool [H, W], where long rules were, lying and standing.
        sides: bool [H, W], where sides of boxes and teeth of combs were.
    """

    strength: Floats
    across: Mask
    down: Mask
    sides: Mask


def without_rules(strength: Floats, level: float, height: float) -> Ruled:
    """Take the rules out of the ink of a page.

    Args:
        strength: float32 [H, W] of the ink.
        level: what is stronger counts as ink.
        height: of digits, in pixels.
    """
    turned = np.ascontiguousarray(strength.T)
    across = lying_lines(strength, level, height, LONG[0] * height, THICK)
    down = _turned(lying_lines(turned, level, height, LONG[1] * height, THICK))
    lying, standing = sides_of_boxes(strength, level, height, down)
    if not any(mask.any() for mask in (across, down, lying, standing)):
        return Ruled(strength, across > 0, down > 0, lying > 0)
    inked = (strength > level).view(np.uint8)
    rest = inked & ~across & ~down & ~lying & ~standing
    flat, upright = across | lying, down | standing
    gone = (flat & ~_crossed(flat, rest, height)) > 0
    gone |= (upright & ~_turned(_crossed(_turned(upright), _turned(rest), height))) > 0
    # The soft edge of a rule goes with it, but not that of what is left.
    left = (inked.view(bool) & ~gone).view(np.uint8)
    edge = cv2.dilate(gone.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    spared = cv2.dilate(left, np.ones((3, 3), np.uint8)) > 0
    bare = np.where(gone | (edge & ~spared), np.float32(0), strength)
    return Ruled(np.asarray(bare, np.float32), across > 0, down > 0, (lying | standing) > 0)


def _turned(mask: Picture) -> Picture:
    return np.ascontiguousarray(mask.T)


def _crossed(band: Picture, rest: Picture, height: float) -> Picture:
    """Return where a stroke crosses lying rules, uint8 [H, W].

    Args:
        band: where these are.
        rest: all other ink.
        height: of digits.
    """
    reach, side = max(2, round(THICK * height)), max(1, round(0.08 * height))
    # What touches a rule from above and from below, two pixels high at least, crosses it.
    above = np.roll(band, -1, 0) & rest & np.roll(rest, 1, 0)
    below = np.roll(band, 1, 0) & rest & np.roll(rest, -1, 0)
    size = (2 * reach + 1, 2 * side + 1)
    downwards, upwards = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    downwards[: reach + 1], upwards[reach:] = 1, 1
    from_above, from_below = cv2.dilate(above, downwards), cv2.dilate(below, upwards)
    return np.asarray(from_above, np.uint8) & np.asarray(from_below, np.uint8) & band
