"""The lines of tables, boxes and ruled paper, taken out of the ink of a page.

A rule is straight, thin and longer than any stroke of a digit, or a side of a closed box; where a
stroke crosses it, the stroke is kept, as staff lines are taken out of scores (Dalitz, Droettboom,
Pranzas and Fujinaga, 2008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

LONG = (1.7, 2.0)  # heights of a digit that a rule is long: across, and down
SIDE = 0.9  # heights of a digit that a side of a box is long
TILT = 0.08  # pixels down for each across by which a rule may lie askew
THICK = 0.3  # of a digit's height; thicker is no rule
TEETH = 4  # of a comb at least, that are as long and stand as high
UNEVEN = 0.08  # of the distance between teeth, by which one may be off
MOSTLY = 0.75  # of the teeth are not
DARKER = 1.6  # times as strong as its rule: ink on it


@dataclass(frozen=True)
class Ruled:
    """Ink without rules.

    Attributes:
        strength: float32 [H, W], what is left.
        across, down: bool [H, W], where long rules were, lying and standing.
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
    turned = np.ascontiguousarray(strength.T)
    across = _bands(strength, level, height, LONG[0] * height)
    down = _turned(_bands(turned, level, height, LONG[1] * height))
    lying, standing = _boxes(strength, level, height, across, down)
    if not any(mask.any() for mask in (across, down, lying, standing)):
        return Ruled(strength, across > 0, down > 0)
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
    return Ruled(np.asarray(bare, np.float32), across > 0, down > 0)


def _turned(mask: Picture) -> Picture:
    return np.ascontiguousarray(mask.T)


def _bands(strength: Floats, level: float, height: float, length: float) -> Picture:
    """Return where lying rules are, uint8 [H, W].

    Args:
        strength: float32 [H, W].
        level: what is stronger counts as ink.
        height: of digits.
        length: of a rule, at least; in pixels, as all of these.
    """
    inked = (strength > level).view(np.uint8)
    size = max(12, round(length))
    slack = max(1, round(TILT * size / 2))
    thick = cv2.dilate(inked, np.ones((2 * slack + 1, 1), np.uint8))
    runs = cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, size), np.uint8))
    near = np.asarray(runs, np.uint8) & inked
    count, labels, stats, _ = cv2.connectedComponentsWithStats(near)
    band = np.zeros_like(inked)
    for one in range(1, count):
        left, top, width, tall, _ = stats[one].tolist()
        if width < 0.8 * size:
            continue
        part = np.s_[top : top + tall, left : left + width]
        on = _on_rule(labels[part] == one, strength[part], height)
        if on is not None:
            band[part] |= on.view(np.uint8)
    return band


def _on_rule(part: Mask, strength: Floats, height: float) -> Mask | None:
    """Return where in its box one rule is, without strokes along it; None where it is too thick.

    Args:
        part: bool [h, w], the rule and what of strokes is near to it.
        strength: float32 [h, w].
        height: of digits.
    """
    counted = part.sum(axis=0)
    thick = float(np.median(counted[counted > 0]))
    if thick > max(THICK * height, 3):
        return None
    rows, columns = np.arange(part.shape[0])[:, None], np.arange(part.shape[1])
    clean = (counted > 0) & (counted <= 1.3 * thick + 1)
    if clean.sum() < 4:
        return None
    middle = (part * rows).sum(axis=0)[clean] / counted[clean]
    window = max(1, int(height))
    padded = np.pad(middle, window // 2, mode="edge")
    smooth = np.median(
        np.lib.stride_tricks.sliding_window_view(padded, window // 2 * 2 + 1)[
            :: max(1, window // 4)
        ],
        axis=1,
    )
    centre = np.interp(columns, columns[clean][:: max(1, window // 4)], smooth)
    on = part & (np.abs(rows - centre) <= thick / 2 + 1)
    level = float(np.median(strength[on])) if on.any() else 0.0
    return np.asarray(on & (strength <= DARKER * level + 0.15))


def _boxes(
    strength: Floats, level: float, height: float, across: Picture, down: Picture
) -> tuple[Picture, Picture]:
    """Return the short sides of closed boxes, lying and standing, uint8 [H, W] each."""
    free = np.where((across | down) > 0, np.float32(0), strength)
    lying = _bands(free, level, height, SIDE * height)
    # A standing side ends at lying ones, which may have been long.
    standing = _turned(
        _bands(
            np.ascontiguousarray(np.where(down > 0, 0, strength).T.astype(np.float32)),
            level,
            height,
            SIDE * height,
        )
    )
    reach = max(2, round(0.12 * height))
    teeth = _turned(_alike(_ending_at(_turned(standing), _turned(across), reach, any), reach))
    for _ in range(3):
        standing = _turned(_ending_at(_turned(standing), _turned(across | lying), reach))
        lying = _ending_at(lying, down | standing, reach)
    return lying, standing | teeth


def _alike(band: Picture, reach: int) -> Picture:
    """Return those lying rules of which others begin and end alike, at equal distances: a comb."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(band)
    begin, end, place = stats[:, 0], stats[:, 0] + stats[:, 2], stats[:, 1] + stats[:, 3] / 2
    close = max(1.0, reach / 3)
    alike = np.abs(np.subtract.outer(begin, begin)) <= close
    alike &= np.abs(np.subtract.outer(end, end)) <= close
    alike[:, 0] = False
    kept = np.zeros(count, np.uint8)
    for one in range(1, count):
        apart = np.diff(np.sort(place[alike[one]]))
        if len(apart) >= TEETH - 1:
            steps = apart / max(float(np.median(apart)), 1.0)
            kept[one] = np.mean(np.abs(steps - np.rint(steps)) < UNEVEN) >= MOSTLY
    return np.asarray(kept[labels], np.uint8)


def _ending_at(
    band: Picture, others: Picture, reach: int, sides: Callable[[Iterable[object]], bool] = all
) -> Picture:
    """Return the parts of lying rules that end at others, on both sides or on any."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(band)
    kept = np.zeros(count, np.uint8)
    for one in range(1, count):
        left, top, width, tall, _ = stats[one].tolist()
        rows = slice(max(0, top - reach), top + tall + reach)
        ends = (
            others[rows, max(0, left - reach) : left + reach + 1],
            others[rows, left + width - reach - 1 : left + width + reach],
        )
        kept[one] = sides([end.any() for end in ends])
    return np.asarray(kept[labels], np.uint8)


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
