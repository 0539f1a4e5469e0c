"""Which way a page is up: it is read as it lies, and where that makes little sense, turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from digitlab.layout.lattice import DIGITS
from digitlab.layout.networks import Networks
from digitlab.layout.page import Look, PageRow, Picture, look_at, read_page, read_seen
from digitlab.layout.steps import Record
from digitlab.layout.words import without_words
from digitlab.preparation.glyph import Box

SENSE = 0.6  # of the characters that are surely read: pages with more are upright
BETTER = 0.15  # of them, by which it must make more sense to turn a page
FEWEST = 3  # digits that are neither 0 nor 1: with fewer, nobody can tell
MANY = 10  # such digits; of fewer, more have to be sure for a page to be turned
SURE_SENSE = 0.9  # of few
SURE = 0.8  # a character
SAMPLE = 400  # pieces of a page that tell which way up it is
UNLIKELY = 0.001  # no piece counts as less likely a digit
LIKE_DIGITS = -1.0  # the mean logarithm of how likely pieces are digits; of letters it is less


def read_upright(
    picture: Picture, networks: Networks, may_turn: bool = True
) -> tuple[list[PageRow], int]:
    """Read a page, turned where it lies on its side or stands on its head.

    Args:
        picture, networks: as of `read_page`.
        may_turn: else it is read as it is.

    Returns:
        Its rows, and by how many degrees it has to be turned clockwise to be upright: 0, 90, 180
        or 270. Boxes are in pixels of the picture as it is given.
    """
    look = look_at(picture, networks)
    rows = read_seen(look, networks)
    sense, told = _sense(rows)
    if not may_turn or (sense >= _enough(told) and without_words(rows)):
        return rows, 0
    degrees = _likeliest_turn(look, networks)
    if degrees:
        turned = read_turned(picture, networks, degrees)
        makes, told = _sense(turned)
        if told >= FEWEST and makes >= max(_enough(told), sense + BETTER):
            return turned, degrees
    return rows, 0


def _enough(told: int) -> float:
    """Return which share of so many digits has to be sure for a page to be upright."""
    return SENSE if told >= MANY else SURE_SENSE


def _likeliest_turn(look: Look, networks: Networks) -> int:
    """Return by how many degrees single pieces have to be turned to look most like digits.

    Reading a page takes long, and most of what makes no sense makes none however it is turned: then
    the answer is 0.
    """
    known = list(look.known.values())
    known = known[:: 1 + len(known) // SAMPLE]
    if len(known) < FEWEST:
        return 0
    images = np.stack([one.image for one in known])
    scores = {}
    for quarters in range(4):
        turned = np.ascontiguousarray(np.rot90(images, -quarters, axes=(1, 2)))
        likely = networks.alone(turned)[:, :DIGITS].max(axis=1)
        scores[90 * quarters] = float(np.log(np.maximum(likely, UNLIKELY)).mean())
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] > LIKE_DIGITS else 0


def read_turned(
    picture: Picture, networks: Networks, degrees: int, record: Record | None = None
) -> list[PageRow]:
    """Read a page that is upright once it is turned clockwise, by 0, 90, 180 or 270 degrees.

    Args:
        picture, networks, record: as of `read_page`.
        degrees: by how many.

    Returns:
        Its rows, with boxes in pixels of the picture as it is given.
    """
    quarters = degrees // 90
    upright = np.ascontiguousarray(np.rot90(picture, -quarters))
    height, width = picture.shape[:2]
    rows = read_page(upright, networks, record)
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
