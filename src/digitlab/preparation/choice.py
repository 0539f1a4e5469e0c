"""Which of the components of a picture's ink are its one digit; used to read single digits."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.glyph import INKED, Box, stroke_width
from digitlab.preparation.pixels import edge

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Worths = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Corners = tuple[int, int, int, int]  # left, top, right and bottom

NEAR = 0.3  # of the digit's longer side: its parts are nearer
LEAST = 0.03  # of the heaviest part's ink: other parts have more
LONGEST = 1.5  # of the heaviest part's longer side: lines and boxes are longer than parts
ALONG = 0.1  # of the border of the picture; no stroke covers more
RINGED = 0.3  # of a circle's height: a digit inside is higher
ROUND = 1.8  # times as wide as high, or as high as wide, a circle is at most
RING = 0.68  # of the way from its middle to its edge: nearly all of a circle is farther out
RING_TURNS = 30  # of 36 directions in which it is seen
FLAT = 3.5  # times as wide as high, a line below a digit is at least
APART = 0.025  # of the digit's height between it and a line below
OFF_MIDDLE = 0.3  # of the picture's width, from a side: no 1 that runs from edge to edge
AT_SIDE = 0.08  # the same: no 1 that runs out of the picture at one end
SLIM = 0.2  # of its height that a border is wide, its tilt with it
DASH = (0.2, 1.0)  # of the digit's height that a minus is wide
FLAT_DASH = 1.6  # times as wide as high it is at least
CUT = 0.25  # what ink counts that runs out of the picture

# Of the taller part's height: parts of one character, one above the other, are nearer.
STACKED = 0.05
OVER = 0.5  # of the narrower part's width: of such parts, one lies over the other
ALIKE = 2.0  # times the digit's height or its half: other characters are as high
FINE = 0.5  # of the heaviest character's stroke: remains of printed lines are finer
RIVALS = 12  # the heaviest; whoever has to tell one from several needs no more
PARTS = 100  # the heaviest; a page of noise has thousands


class Components:
    """The components of ink, and which of them is most likely the digit or its heaviest part.

    The heaviest wins, where ink along the edge of the picture does not count (a ruled line), a
    component that is cut by the edge counts a quarter, and a frame around others nothing.

    Args:
        ink: float32 [H, W] in [0, 1], not blank.
        newer: as version 3 does it: without circles around a digit and lines below it.
    """

    def __init__(self, ink: Floats, newer: bool = False) -> None:
        self._ink = ink
        mask = (ink > INKED).view(np.uint8)
        # Each component takes a square of four pixels at least, so that 16 bits number them all.
        kind = cv2.CV_16U if mask.size < 4 * 65_000 else cv2.CV_32S
        _, found, stats, _ = cv2.connectedComponentsWithStats(mask, ltype=kind)
        self._labels = labels = np.asarray(found, np.int32)
        self._count = len(stats)
        self._kept = np.zeros(self._count, bool)
        self._borders = np.zeros(self._count, bool)
        if self._count < 2:
            return
        left, top, self._width, self._height = (stats[:, side] for side in range(4))
        self._left, self._top = left, top
        self._right, self._bottom = left + self._width, top + self._height
        self._cut = (left == 0) | (top == 0)
        self._cut |= (self._right == ink.shape[1]) | (self._bottom == ink.shape[0])
        xs, ys = np.reshape(cv2.findNonZero(mask), (-1, 2)).T  # few pixels have ink
        label, amount = labels[ys, xs], ink[ys, xs]
        self._mass = np.bincount(label, amount, len(stats))
        rows, columns = ink.shape[0] // 16, ink.shape[1] // 16
        inner = (ys >= rows) & (ys < ink.shape[0] - rows)
        inner &= (xs >= columns) & (xs < ink.shape[1] - columns)
        inside = np.bincount(label[inner], amount[inner], len(stats))
        worth = np.where(self._cut, CUT * inside, inside)
        border = edge(labels)
        along = np.bincount(border, minlength=len(stats)) > ALONG * len(border)
        worth[along] *= CUT**2
        worth[0] = -1
        if newer:
            self._set_aside(worth)
            self._set_borders_aside(worth)
        self._main = main = _main(worth, labels, np.asarray(stats, np.int32))
        # What may be a part of the digit, or another beside it: no speck, line, edge or box.
        longest = LONGEST * max(self._width[main], self._height[main])
        self._like = (np.maximum(self._width, self._height) <= longest) & ~along & (worth >= 0)
        self._like &= self._mass >= LEAST * self._mass[main]

    def _set_aside(self, worth: Worths) -> None:
        """Let circles around others, and lines below others, be worth less than nothing."""
        if self._count < 3:  # the ground is a component, too
            return
        order = np.argsort(-self._mass, kind="stable")[:PARTS]
        order = order[self._mass[order] > 0]
        sides = (self._left, self._top, self._right, self._bottom)
        boxes = list(zip(*(side[order].tolist() for side in sides), strict=True))
        for one, box in zip(order.tolist(), boxes, strict=True):
            if not (_is_flat(box) or any(_is_around(box, other) for other in boxes)):
                continue
            others = order[(order != one) & (worth[order] > 0)].astype(np.int32)
            if not len(others) or worth[one] < 0:
                continue
            if self._is_ring(one, others) or self._is_underline(one, others):
                worth[one] = -1

    def _set_borders_aside(self, worth: Worths) -> None:
        """Let borders be worth less than nothing where there is something large enough else."""
        self._borders = self._are_borders()
        large = ~self._borders & (worth > 0) & (self._height >= 0.25 * self._ink.shape[0])
        if self._borders.any() and large.any():
            worth[self._borders] = -1

    def _is_ring(self, one: int, others: Labels) -> bool:
        """Whether a component runs around another that is large enough for a digit."""
        width, height = int(self._width[one]), int(self._height[one])
        inside = (self._left[others] > self._left[one]) & (self._right[others] < self._right[one])
        inside &= (self._top[others] > self._top[one]) & (self._bottom[others] < self._bottom[one])
        inside &= self._height[others] >= RINGED * height
        if not inside.any() or not 1 / ROUND <= width / height <= ROUND:
            return False
        top, left = int(self._top[one]), int(self._left[one])
        part = (self._labels[top : top + height, left : left + width] == one).view(np.uint8)
        # Rays from the middle meet it nearly everywhere, and far out.
        rows, columns = np.nonzero(part)
        y, x = (rows - (height - 1) / 2) / height * 2, (columns - (width - 1) / 2) / width * 2
        if np.percentile(np.hypot(x, y), 5) < RING:
            return False
        turns = np.unique(np.floor(np.arctan2(y, x) * (36 / (2 * np.pi))))
        return len(turns) >= RING_TURNS

    def _is_underline(self, one: int, others: Labels) -> bool:
        """Whether a component is a flat line below another, apart from it."""
        width, height = self._width[one], self._height[one]
        if width < FLAT * height or width < 5:
            return False
        tall = others[self._height[others] > self._width[others] / FLAT]
        over = np.minimum(self._right[tall], self._right[one]) - np.maximum(
            self._left[tall], self._left[one]
        )
        high = self._height[tall]
        below = (over >= OVER * np.minimum(self._width[tall], width)) & (high >= 0.6 * width / 2)
        gap = self._top[one] - self._bottom[tall]
        below &= (gap >= APART * high) & (gap <= 0.6 * high) & (high > 2 * height)
        return bool(below.any())

    def digit(self) -> Floats:
        """Return the ink, float32 [H, W], of the digit and its near parts, without the rest.

        Parts that belong to it, such as the hat of a 5 or the pieces of a broken stroke, are near
        and not too small.
        """
        if self._count < 2:
            return self._ink
        main = self._main
        kept = self._kept
        kept[main] = True
        box = [self._left[main], self._top[main], self._right[main], self._bottom[main]]
        joinable = self._like & (~self._cut | self._cut[main])
        while True:
            reach = NEAR * max(box[2] - box[0], box[3] - box[1])
            gap_x = np.maximum(self._left - box[2], box[0] - self._right)
            gap_y = np.maximum(self._top - box[3], box[1] - self._bottom)
            new = (np.maximum(gap_x, gap_y) <= reach) & joinable & ~kept
            if not new.any():
                break
            kept |= new
            box = [self._left[kept].min(), self._top[kept].min()]
            box += [self._right[kept].max(), self._bottom[kept].max()]
        left, top, right, bottom = (int(edge) for edge in box)
        part = self._only(kept, (left, top, right - left, bottom - top))
        ink = np.zeros_like(self._ink)
        left, top = max(0, left - 2), max(0, top - 2)
        ink[top : top + part.shape[0], left : left + part.shape[1]] = part
        return ink

    def is_a_border(self) -> bool:
        """Whether the heaviest is a line beside the paper, and nothing else is large enough."""
        return bool(self._count > 1 and self._borders[self._main])

    def _are_borders(self) -> Mask:
        """Return which components are straight upright lines off the middle of the picture."""
        high, wide = self._ink.shape
        middle = (self._left + self._right) / 2
        aside = np.minimum(middle, wide - middle) / wide
        slim = self._width <= SLIM * self._height
        first, last = self._top <= 1, self._bottom >= high - 1
        found = first & last & (aside < OFF_MIDDLE)
        found |= (first | last) & (self._height >= 0.6 * high) & (aside < AT_SIDE)
        return np.asarray(slim & found)

    def is_alone(self) -> bool:
        """Whether what `digit` gave is one piece, not cut by the edge, and all else are specks."""
        if self._count < 2:
            return True
        large = self._mass >= LEAST * self._mass[self._main]
        large[0] = False
        return bool(large.sum() <= 1 and self._kept.sum() == 1 and not self._cut[self._main])

    def is_signed(self) -> bool:
        """Whether a dash stands to the left of the heaviest part, as a minus does."""
        if self._count < 3:  # the ground is a component, too
            return False
        tall = self._height[self._main]
        wide, high = self._width / tall, self._height / tall
        flat = (wide >= DASH[0]) & (wide <= DASH[1]) & (wide >= FLAT_DASH * high) & ~self._cut
        gap = (self._left[self._main] - self._right) / tall
        middle = (self._top + self._bottom) / 2 - (self._top + self._bottom)[self._main] / 2
        beside = (gap > 0) & (gap < 1.2) & (np.abs(middle) < 0.25 * tall)
        return bool((flat & beside & (self._mass >= LEAST * self._mass[self._main])).any())

    def rivals(self) -> Iterator[tuple[Box, Floats]]:
        """Yield what may be a digit of its own: box and ink, float32, of each, the heaviest first.

        Those are characters about as high as that of the heaviest part, which is one of them, and
        written with a like pen. Parts are one character where one lies over the other. Nothing is
        yielded where there is but one.
        """
        characters = self._characters() if self._count > 2 else []
        if len(characters) < 2:  # the ground is a component, too
            return
        finest = 0.0
        for kept in sorted(characters, key=lambda one: -self._mass[one].sum())[:RIVALS]:
            left, top = self._left[kept].min(), self._top[kept].min()
            right, bottom = self._right[kept].max(), self._bottom[kept].max()
            box = (int(left), int(top), int(right - left), int(bottom - top))
            ink = self._only(kept, box)
            width = stroke_width((ink > INKED).view(np.uint8))
            finest = finest or FINE * width
            if width >= finest:
                yield box, ink

    def _characters(self) -> list[Mask]:
        """Return the components, bool [N], of each character that is about as high as the main."""
        if not self._like[self._main]:  # it runs along the border: no digit does
            return []
        # The soft edge of a stroke that is cut need not reach the picture's edge.
        cut = (self._left <= 1) | (self._top <= 1) | (self._right >= self._ink.shape[1] - 1)
        cut |= self._bottom >= self._ink.shape[0] - 1
        parts = np.flatnonzero(self._like & (~cut | cut[self._main]))
        parts = parts[np.argsort(-self._mass[parts], kind="stable")][:PARTS]
        left, top, right, bottom = (
            side[parts].astype(float) for side in (self._left, self._top, self._right, self._bottom)
        )
        owner = np.arange(len(parts))  # of each part, the heaviest part of its character
        while True:
            heads = np.flatnonzero(owner == np.arange(len(parts)))
            over = np.minimum.outer(right[heads], right[heads])
            over -= np.maximum.outer(left[heads], left[heads])
            narrow = np.minimum.outer((right - left)[heads], (right - left)[heads])
            tall = np.maximum.outer((bottom - top)[heads], (bottom - top)[heads])
            gap = np.maximum.outer(top[heads], top[heads])
            gap -= np.minimum.outer(bottom[heads], bottom[heads])
            first, second = np.nonzero(
                np.triu((over >= OVER * narrow) & (gap <= STACKED * tall), 1)
            )
            if not len(first):
                break
            keeps, joins = heads[first[0]], heads[second[0]]
            owner[owner == joins] = keeps
            left[keeps], top[keeps] = min(left[keeps], left[joins]), min(top[keeps], top[joins])
            right[keeps] = max(right[keeps], right[joins])
            bottom[keeps] = max(bottom[keeps], bottom[joins])
        height = bottom - top
        usual = height[owner[np.flatnonzero(parts == self._main)[0]]]
        alike = heads[(height[heads] >= usual / ALIKE) & (height[heads] <= usual * ALIKE)]
        return [np.isin(np.arange(self._count), parts[owner == head]) for head in alike]

    def _only(self, kept: Mask, box: Box) -> Floats:
        """Return the ink of some components, bool [N], and what is near them, in a box."""
        left, top, width, height = box
        part = np.s_[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
        # The soft edge of a stroke lies outside its mask.
        around = cv2.dilate(kept[self._labels[part]].view(np.uint8), np.ones((5, 5), np.uint8))
        return np.asarray(self._ink[part] * around, np.float32)


def _is_flat(box: Corners) -> bool:
    left, top, right, bottom = box
    return right - left >= FLAT * (bottom - top)


def _is_around(box: Corners, other: Corners) -> bool:
    """Whether another that is large enough for a digit is within a box."""
    left, top, right, bottom = box
    x, y, x_end, y_end = other
    within = left < x and x_end < right and top < y and y_end < bottom
    return within and y_end - y >= RINGED * (bottom - top)


def _main(worth: Worths, labels: Labels, stats: Labels) -> int:
    """Return the component that is worth most and no frame around another."""
    left, top, width, height = (stats[:, side] for side in range(4))
    right, bottom = left + width, top + height
    worth = worth.copy()
    while True:
        main = int(worth.argmax())
        enclosed = (left > left[main]) & (top > top[main]) & (right < right[main])
        enclosed &= (bottom < bottom[main]) & (height > 0.25 * height[main]) & (worth > 0)
        if not (enclosed.any() and _is_frame(labels == main, stats[main])):
            return main
        worth[main] = -1


def _is_frame(component: Mask, stats: npt.NDArray[np.int32]) -> bool:
    """Whether a component runs along the border of its own box, as no digit does."""
    left, top, width, height = stats[:4]
    part = component[top : top + height, left : left + width]
    rim_y, rim_x = max(1, height // 8), max(1, width // 8)
    if part[rim_y:-rim_y, rim_x:-rim_x].sum() > 0.5 * part.sum():
        return False
    sides = (
        part[:rim_y].any(axis=0).mean(),
        part[-rim_y:].any(axis=0).mean(),
        part[:, :rim_x].any(axis=1).mean(),
        part[:, -rim_x:].any(axis=1).mean(),
    )
    return bool(min(sides) > 0.85)
