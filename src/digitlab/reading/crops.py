"""Pictures of the cells of a page, each with its row and column in its name.

Used by `digitlab read --crops`, so that who checks doubtful numbers finds each by itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from digitlab.decoding import Picture
from digitlab.durable_files import write_whole
from digitlab.errors import DigitlabError
from digitlab.reading.columns import columns_of
from digitlab.reading.picture_files import STANDARD_INPUT, OutputFolder, marked_png
from digitlab.reading.types import Box, Number, Reading

MARGIN = 0.3  # of a number's height, on every side
LEAST = 4  # pixels


def write_crops(folder: OutputFolder, picture: Picture, reading: Reading) -> Reading:
    """Write a PNG of each number, such as `NAME-r2c3.png`, and return the reading with their paths.

    All cells of a picture have one name, numbered where another picture has that.

    Args:
        folder: where they go.
        picture: uint8 [H, W] or [H, W, 3], upright.
        reading: of that picture; rows and columns are counted as in CSV.

    Raises:
        DigitlabError: where one cannot be written.
    """
    columns = columns_of(reading.rows, reading.turned)
    cells = [(row, column) for row, found in enumerate(columns, 1) for column in found]
    places = iter(folder.cells(reading.file or STANDARD_INPUT, cells, reading.page))
    rows = []
    for row in reading.rows:
        numbers: list[Number] = []
        for number, place in zip(row.numbers, places, strict=False):  # each row takes its own
            cell = Image.fromarray(cell_of(picture, number.box, reading.turned))
            try:
                write_whole(place, marked_png(cell))
            except OSError as error:
                reason = error.strerror or str(error)
                raise DigitlabError(f"{place}: the cell cannot be written: {reason}") from error
            numbers.append(replace(number, crop=str(place)))
        rows.append(replace(row, numbers=tuple(numbers)))
    return replace(reading, rows=tuple(rows))


def cell_of(picture: Picture, box: Box, turned: int = 0) -> Picture:
    """Return the part of a picture in a box, with a margin of `MARGIN` as far as there is any.

    Args:
        picture: uint8 [H, W] or [H, W, 3].
        box: in its pixels.
        turned: by how many degrees, clockwise, the page is turned to be read; so is the part.
    """
    x, y, width, height = box
    margin = max(LEAST, round(MARGIN * (height if turned % 180 == 0 else width)))
    top, left = max(0, y - margin), max(0, x - margin)
    part = picture[top : y + height + margin, left : x + width + margin]
    return np.rot90(part, -turned // 90)
