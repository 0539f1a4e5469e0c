"""The sides of printed boxes and combs, each for one digit, as forms have them.

Used by rules.py. A box or a comb has a lying side with a standing one at each of its ends; strokes
of digits hardly meet so. Boxes stand apart or share a wall, or each has its own. The teeth of a
comb may be shorter than digits: they stand on one line, at even distances along all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.layout.lines import lying_lines

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

LONG = (0.9, 1.05)  # heights of a digit that a side is long, lying and standing: digits are lower
THICK = 0.5  # of a digit's height; thicker are not even two walls beside each other
CORNER = 0.08  # of a digit's height by which two sides miss each other at a corner
ALIKE = 0.15  # of a digit's height by which sides of one length differ
PRINTED = 1.6  # times as strong one side of a box is as another, at most
TOOTH, STEP = 0.25, 0.5  # heights of a digit that teeth are long, and apart, at least
FEWEST = 3  # teeth of one length, or two and others
EVEN = 0.04  # of the distance between two teeth by which one misses its place
MOST = 0.6  # of its teeth and walls that are found
LONGER = 2.0  # times as long as others a tooth is that touches a digit
END = 3  # pixels of a side that tell where it ends


@dataclass(frozen=True)
class _Sides:
    """Straight lines that may be sides.

    Attributes:
        labels: int32 [H, W], on each pixel the number of its line, from 1; 0 where none is.
        ends: int64 [N, 2, 2], x and y of both ends of each, the left or the upper one first.
        thick: float64 [N], across each, in pixels.
        dark: float64 [N], how strong each is.
    """

    labels: npt.NDArray[np.int32]
    ends: Places
    thick: Numbers
    dark: Numbers

    @property
    def length(self) -> Numbers:
        """In pixels; float64 [N]."""
        across, down = (self.ends[:, 1] - self.ends[:, 0]).T
        return np.asarray(np.hypot(across, down))

    def turned(self) -> _Sides:
        """Return them with across and down swapped."""
        labels = np.ascontiguousarray(self.labels.T)
        return _Sides(labels, self.ends[..., ::-1], self.thick, self.dark)

    def drawn(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a picture, [H, W], with a value of each, [N], on its pixels, and 0 elsewhere."""
        return np.concatenate([np.zeros(1, values.dtype), values])[self.labels]


def sides_of_boxes(
    strength: Floats, level: float, height: float, down: Picture
) -> tuple[Picture, Picture]:
    """Return where sides of boxes and combs are, lying and standing, uint8 [H, W] each.

    Args:
        strength: float32 [H, W] of the ink.
        level: what is stronger counts as ink.
        height: of digits, in pixels.
        down: uint8 [H, W], where long standing rules are, which boxes may have as walls.
    """
    lying = _sides(strength, level, height, LONG[0])
    if not len(lying.thick):
        return np.zeros_like(down), np.zeros_like(down)
    turned = np.ascontiguousarray(strength.T)
    closed, walls = _boxes(lying, turned, level, height, down)
    return closed, walls | _teeth(lying, turned, level, height)


def _boxes(
    lying: _Sides, turned: Floats, level: float, height: float, down: Picture
) -> tuple[Picture, Picture]:
    """Return where sides as long as digits are high are, lying and standing, uint8 [H, W] each.

    Args:
        lying: lines that may be sides.
        turned: float32 [W, H], the ink with across and down swapped.
        level, height, down: as of `sides_of_boxes`.
    """
    bare = np.where(down.T > 0, np.float32(0), turned)
    standing = _sides(bare, level, height, LONG[1]).turned()
    if not len(standing.thick):
        return np.zeros_like(down), np.zeros_like(down)
    reach = max(2, round(CORNER * height))
    around = np.ones((2 * reach + 1,) * 2, np.uint8)
    corner = _at(lying.ends, _numbers_at_ends(standing, reach)) - 1  # -1 where none meets it
    ratio = lying.dark[:, None] / standing.dark[corner]
    meets = (corner >= 0) & (np.abs(np.log(ratio)) <= np.log(PRINTED))
    # All that stand on such a lying side and are as long as at its ends are walls: teeth, too.
    tall = np.where(meets.all(axis=1), standing.length[corner].mean(axis=1), 0)
    expected = cv2.dilate(lying.drawn(tall.astype(np.float32)), around)
    missed = np.abs(_at(standing.ends, np.asarray(expected)) - standing.length[:, None])
    walls = np.asarray((missed <= max(2.0, ALIKE * height)).any(axis=1))
    # All that lie from the end of a wall to that of another are sides.
    ends = (corner >= 0) & walls[corner]
    ends |= _at(lying.ends, np.asarray(cv2.dilate(down, around))) > 0
    closed = np.asarray(ends.all(axis=1))
    return lying.drawn(closed.view(np.uint8)), standing.drawn(walls.view(np.uint8))


def _teeth(lying: _Sides, turned: Floats, level: float, height: float) -> Picture:
    """Return where the short teeth of combs are, uint8 [H, W]; arguments as of `_boxes`."""
    standing = _sides(turned, level, height, TOOTH).turned()
    reach = max(2, round(CORNER * height))
    around = np.ones((2 * reach + 1,) * 2, np.uint8)
    feet = _at(standing.ends, np.asarray(cv2.dilate(lying.labels.astype(np.float32), around)))
    feet = feet.astype(int) - 1  # -1 where none meets it
    teeth = np.zeros(len(feet), bool)
    for end in (0, 1):  # those that hang from a line, and those that stand on it
        for line in np.flatnonzero(np.bincount(feet[:, end] + 1)[1:] >= FEWEST).tolist():
            like = np.abs(np.log(standing.dark / lying.dark[line])) <= np.log(PRINTED)
            like &= standing.thick <= PRINTED * lying.thick[line]
            on = np.flatnonzero(like & (feet[:, end] == line))
            x, length = standing.ends[on, end, 0], standing.length[on]
            teeth[on] |= _are_teeth(x, length, lying.ends[line, :, 0], height)
    return standing.drawn(teeth.view(np.uint8))


def _are_teeth(x: Places, length: Numbers, ends: Places, height: float) -> npt.NDArray[np.bool_]:
    """Return which strokes on a line are the teeth of a comb, bool [N].

    Args:
        x: where they stand.
        length: of each, in pixels.
        ends: the first and the last column of the line.
        height: of digits.
    """
    apart = max(2.0, ALIKE * height / 2)
    none = np.zeros(len(x), bool)
    short = np.flatnonzero(length < LONG[1] * height)
    if len(short) < FEWEST - 1:
        return none
    alike = np.abs(length[short] - length[short, None]) <= apart
    first = int(alike.sum(axis=1).argmax())
    usual, places = float(length[short[first]]), np.sort(x[short[alike[first]]])
    if len(places) < FEWEST - 1:
        return none
    step = float(np.median(np.diff(places)))
    if step < STEP * height:
        return none
    slack = apart + EVEN * step
    origin = max(places.tolist(), key=lambda one: int(_meets(places, one, step, slack).sum()))
    found = int(_meets(places, origin, step, slack).sum())
    # What touches a digit is longer, and so are the walls at the ends.
    on = _meets(x, origin, step, slack) & (length >= usual - apart)
    # The line ends with one of them, or where the next would be.
    closed = _meets(ends, origin, step, slack).all()
    # Two of one length do where walls or others stand at even distances, too.
    fewest = max(FEWEST + (found < FEWEST), MOST * (np.ptp(ends) / step + 1))
    return on & (length <= LONGER * usual) if closed and on.sum() >= fewest else none


def _meets(x: Places, origin: float, step: float, slack: float) -> npt.NDArray[np.bool_]:
    """Return which columns are so near to a number of even steps from one, bool [N]."""
    return np.asarray(np.abs((x - origin + step / 2) % step - step / 2) <= slack)


def _sides(strength: Floats, level: float, height: float, long: float) -> _Sides:
    """Return the lines that lie in ink and may be sides, which are so many digits long."""
    band = lying_lines(strength, level, height, long * height, THICK)
    count, found, stats, _ = cv2.connectedComponentsWithStats(band)
    labels = np.asarray(found, np.int32)
    ends, thick, dark = np.zeros((count - 1, 2, 2)), np.zeros(count - 1), np.zeros(count - 1)
    for at, (left, top, width, tall, area) in enumerate(stats[1:].tolist()):
        box = np.s_[top : top + tall, left : left + width]
        part = labels[box] == at + 1
        first, last = (float(np.nonzero(end)[0].mean()) for end in (part[:, :END], part[:, -END:]))
        ends[at] = (left, top + first), (left + width - 1, top + last)
        thick[at] = area / width
        dark[at] = np.median((strength[box] * part).max(axis=0))
    return _Sides(labels, np.rint(ends).astype(np.int64), thick, dark)


def _numbers_at_ends(sides: _Sides, reach: int) -> npt.NDArray[np.int32]:
    """Return around both ends of each its number, from 1; 0 elsewhere; int32 [H, W]."""
    numbers = np.zeros_like(sides.labels)
    for at, thick in enumerate(sides.thick.tolist()):
        around = reach + round(thick / 2)
        for x, y in sides.ends[at].tolist():
            left, top = max(0, x - around), max(0, y - around)
            numbers[top : y + around + 1, left : x + around + 1] = at + 1
    return numbers


def _at(places: Places, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what a picture, [H, W], has at places, x and y; of those in the last axis."""
    return np.asarray(values[places[..., 1], places[..., 0]])
