"""Which way a page is up: it is read as it lies, and where that makes little sense, turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from digitlab.layout.page import PageRow, Picture, read_page
from digitlab.layout.segments import Classify
from digitlab.layout.steps import Record
from digitlab.preparation.glyph import Box

SENSE = 0.6  # of the characters that are surely read: pages with more are upright
BETTER = 0.2  # of them, by which it must make more sense to turn a page
FEWEST = 3  # digits that are neither 0 nor 1: with fewer, nobody can tell
MANY = 10  # such digits; of fewer, more have to be sure for a page to be turned
SURE_SENSE = 0.9  # of few
SURE = 0.8  # a character


def read_upright(
    picture: Picture, classify: Classify, may_turn: bool = True
) -> tuple[list[PageRow], int]:
    """Read a page, turned where it lies on its side or stands on its head.

    Args:
        picture, classify: as of `read_page`.
        may_turn: else it is read as it is.

    Returns:
        Its rows, and by how many degrees it has to be turned clockwise to be upright: 0, 90, 180
        or 270. Boxes are in pixels of the picture as it is given.
    """
    best, turned, most = read_page(picture, classify), 0, 0.0
    sense, told = _sense(best)
    if not may_turn or sense >= SENSE or told < FEWEST:
        return best, 0
    for degrees in (90, 270, 180):
        rows = read_turned(picture, classify, degrees)
        makes, told = _sense(rows)
        enough = SENSE if told >= MANY else SURE_SENSE
        if told >= FEWEST and makes >= max(enough, sense + BETTER) and makes > most:
            best, turned, most = rows, degrees, makes
    return best, turned


def read_turned(
    picture: Picture, classify: Classify, degrees: int, record: Record | None = None
) -> list[PageRow]:
    """Read a page that is upright once it is turned clockwise, by 0, 90, 180 or 270 degrees.

    Args:
        picture, classify, record: as of `read_page`.
        degrees: by how many.

    Returns:
        Its rows, with boxes in pixels of the picture as it is given.
    """
    quarters = degrees // 90
    upright = np.ascontiguousarray(np.rot90(picture, -quarters))
    height, width = picture.shape[:2]
    rows = read_page(upright, classify, record)
    return [_turned_back(row, quarters, width, height) for row in rows]


def _sense(found: Sequence[PageRow]) -> tuple[float, int]:
    """Return which share of the digits is surely read, and of how many.

    Ones and zeros do not count, which look alike any way up.
    """
    digits = [
        one
        for row in found
        for number in row.numbers
        for one in number
        if one.mark is None and one.digit not in (0, 1)
    ]
    told = [one.certainty > SURE for one in digits]
    return (sum(told) / len(told) if told else 0.0), len(told)


def _turned_back(row: PageRow, quarters: int, width: int, height: int) -> PageRow:
    """Return a row of a page that was turned clockwise, in pixels of the page as it was."""
    numbers = (
        tuple(replace(one, box=_box_before(one.box, quarters, width, height)) for one in number)
        for number in row.numbers
    )
    return PageRow(tuple(numbers))


def _box_before(box: Box, quarters: int, width: int, height: int) -> Box:
    """Return a box, in a picture of that size, which is at `box` once it is turned clockwise."""
    x, y, wide, tall = box
    if quarters == 1:
        return y, height - x - wide, tall, wide
    if quarters == 2:
        return width - x - wide, height - y - tall, wide, tall
    if quarters == 3:
        return width - y - tall, x, tall, wide
    return box
