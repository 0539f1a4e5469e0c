"""The steps from a page to its rows as pictures to look at; used where a reading is explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from digitlab.drawing import BLUE, GREEN, ORANGE, PURPLE
from digitlab.layout.pieces import Piece
from digitlab.preparation import Step
from digitlab.preparation.ink import levels

Record = Callable[[Step], None]

COLOURS = (BLUE, ORANGE, GREEN, PURPLE)  # of rows, in turn


def record_ink(
    record: Record,
    pixels: npt.NDArray[np.uint8],
    strength: npt.NDArray[np.float32],
    bare: npt.NDArray[np.float32],
) -> None:
    """Record the sheet, uint8 [H, W, C], and its ink, float32 [H, W], with and without rules."""
    record(Step("sheet, straightened", levels(pixels.astype(np.float32))))
    record(Step("its ink", levels(255 * strength)))
    record(Step("the ink without rules", levels(255 * bare)))


def record_rows(record: Record, shape: tuple[int, ...], rows: Sequence[Sequence[Piece]]) -> None:
    """Record the pieces of each row in its colour, on white of a shape [H, W]."""
    shown = np.full((*shape, 3), 255, np.uint8)
    for at, pieces in enumerate(rows):
        for one in pieces:
            part = shown[one.top : one.bottom, one.left : one.right]
            part[one.mask] = COLOURS[at % len(COLOURS)]
    record(Step("the pieces, row by row", shown))
