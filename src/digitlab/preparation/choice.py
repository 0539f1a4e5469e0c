"""Which of the components of a picture's ink are its one digit; used to read single digits."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.preparation.glyph import INKED

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Worths = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NEAR = 0.3  # of the digit's longer side: its parts are nearer
LEAST = 0.03  # of the heaviest part's ink: other parts have more
LONGEST = 1.5  # of the heaviest part's longer side: lines and boxes are longer than parts
ALONG = 0.1  # of the border of the picture; no stroke covers more
CUT = 0.25  # what ink counts that runs out of the picture


def digit_only(ink: Floats) -> Floats:
    """Keep the component that is most likely the digit and its near parts; clear the rest.

    The heaviest component wins, where ink along the edge of the picture does not count (a ruled
    line), a component that is cut by the edge counts a quarter, and a frame around others nothing.
    Parts that belong to it, such as the hat of a 5 or the pieces of a broken stroke, are near and
    not too small.

    Args:
        ink: float32 [H, W] in [0, 1].

    Returns:
        float32 [H, W]
    """
    mask = (ink > INKED).view(np.uint8)
    # Each component takes a square of four pixels at least, so that 16 bits number them all.
    kind = cv2.CV_16U if mask.size < 4 * 65_000 else cv2.CV_32S
    _, found, stats, _ = cv2.connectedComponentsWithStats(mask, ltype=kind)
    if len(stats) < 2:
        return ink
    labels = np.asarray(found, np.int32)
    left, top, width, height = (stats[:, side] for side in range(4))
    right, bottom = left + width, top + height
    edges = (left == 0) * 1 + (top == 0) + (right == ink.shape[1]) + (bottom == ink.shape[0])
    cut = edges > 0
    xs, ys = np.reshape(cv2.findNonZero(mask), (-1, 2)).T  # few pixels have ink
    label, amount = labels[ys, xs], ink[ys, xs]
    mass = np.bincount(label, amount, len(stats))
    rows, columns = ink.shape[0] // 16, ink.shape[1] // 16
    inner = (ys >= rows) & (ys < ink.shape[0] - rows)
    inner &= (xs >= columns) & (xs < ink.shape[1] - columns)
    inside = np.bincount(label[inner], amount[inner], len(stats))
    worth = np.where(cut, CUT * inside, inside)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    along = np.bincount(border, minlength=len(stats)) > ALONG * len(border)
    worth[along] *= CUT**2
    worth[0] = -1
    main = _main(worth, labels, np.asarray(stats, np.int32))
    kept = np.zeros(len(stats), bool)
    kept[main] = True
    box = [left[main], top[main], right[main], bottom[main]]
    longest = LONGEST * max(width[main], height[main])
    joinable = (~cut | cut[main]) & (mass >= LEAST * mass[main])
    joinable &= (np.maximum(width, height) <= longest) & ~along & (worth >= 0)
    while True:
        reach = NEAR * max(box[2] - box[0], box[3] - box[1])
        gap_x = np.maximum(left - box[2], box[0] - right)
        gap_y = np.maximum(top - box[3], box[1] - bottom)
        new = (np.maximum(gap_x, gap_y) <= reach) & joinable & ~kept
        if not new.any():
            break
        kept |= new
        box = [left[kept].min(), top[kept].min(), right[kept].max(), bottom[kept].max()]
    # The soft edge of a stroke lies outside its mask.
    around = cv2.dilate(kept[labels].view(np.uint8), np.ones((5, 5), np.uint8))
    return ink * around


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
