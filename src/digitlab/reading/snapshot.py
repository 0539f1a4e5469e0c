"""A small copy of a picture that was read, so that a notebook can show the reading in it.

Made by the recogniser and kept in a `Reading`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from digitlab.decoding import Picture
from digitlab.reading.types import Box, Digit, Reading, Row

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256  # pixels at most, 200 KB; a notebook may keep thousands of readings


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Every `step`-th pixel of a picture.

    Attributes:
        picture: uint8 [H, W] or [H, W, 3] in RGB.
        step: at least 1.
    """

    picture: Picture
    step: int

    def annotated(self, reading: Reading) -> Image:
        """Draw what was read, whose boxes are in pixels of the whole picture."""
        from digitlab.reading.annotate import annotated

        return annotated(
            self.picture, replace(reading, rows=tuple(map(self._smaller, reading.rows)))
        )

    def _smaller(self, row: Row) -> Row:
        numbers = tuple(
            replace(
                number,
                box=self._box(number.box),
                digits=tuple(map(self._digit, number.digits)),
                marks=tuple(replace(one, box=self._box(one.box)) for one in number.marks),
            )
            for number in row.numbers
        )
        return replace(row, box=self._box(row.box), numbers=numbers)

    def _digit(self, digit: Digit) -> Digit:
        rivals = tuple(map(self._box, digit.rivals))
        return replace(digit, box=self._box(digit.box), rivals=rivals)

    def _box(self, box: Box) -> Box:
        x, y, width, height = (side // self.step for side in box)
        return x, y, max(1, width), max(1, height)


def snapshot(picture: Picture) -> Snapshot:
    """Return a small copy of a picture."""
    step = -(-max(picture.shape[:2]) // SIDE)
    return Snapshot(np.ascontiguousarray(picture[::step, ::step]).copy(), step)
