"""Which way a page is up: it is read as it lies, and where that makes little sense, turned."""

from __future__ import annotations

from collections.abc import Sequence

from digitlab.layout.lattice import Character
from digitlab.layout.likeness import likeness_turned
from digitlab.layout.networks import Networks
from digitlab.layout.page import Look, PageRow, Picture, look_at, look_at_sheet, read_seen
from digitlab.layout.steps import Record
from digitlab.layout.words import without_words

UPRIGHT = 0.9  # of the characters that are surely read: pages with more are upright
SENSE = 0.6  # of the characters that are surely read once a page is turned
BETTER = 0.15  # of them, by which it must make more sense to turn a page
MORE = 1.5  # times as many digits have to be sure, words left out, to turn a page of words
FEWEST = 3  # digits that are neither 0 nor 1: with fewer, nobody can tell
MANY = 10  # such digits; of fewer, more have to be sure for a page to be turned
SURE_SENSE = 0.9  # of few
SURE, UNLIKELY = 0.8, 0.3  # a character
SIGNS = 0.8  # of the numbers of a page have one before them, or one behind


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
    if not may_turn or (sense >= UPRIGHT and without_words(rows)):
        return rows, 0
    degrees = _likeliest_turn(look, networks)
    if degrees:
        turned = read_seen(_turned(look, degrees, networks), networks)
        makes, told = _sense(turned)
        makes_sense = told >= FEWEST and makes >= max(_enough(told), sense + BETTER)
        if makes_sense and not _is_labelled(rows, turned):
            return turned, degrees
    return rows, 0


def _enough(told: int) -> float:
    """Return which share of so many digits has to be sure for a page to be upright."""
    return SENSE if told >= MANY else SURE_SENSE


def _likeliest_turn(look: Look, networks: Networks) -> int:
    """Return by how many degrees a page has to be turned for its pieces to look most like digits.

    Reading a page takes long, and most of what makes no sense makes none however it is turned: then
    the answer is 0. Tables and boxes are found where they lie; of those that stand, the walls hold
    the digits together, so that a page with no digits to be seen is seen once more on its side.
    """
    seen, degrees = look, 0
    if len(look.known) < FEWEST:
        seen, degrees = _turned(look, 90, networks), 90
    if len(seen.known) < FEWEST:
        return 0
    scores = likeness_turned(seen.known.values(), networks)
    best = max(range(4), key=lambda quarters: scores[quarters].mean)
    return (degrees + 90 * best) % 360 if scores[best].is_of_digits else 0


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
    look = look_at(picture, networks)
    return read_seen(_turned(look, degrees, networks) if degrees else look, networks, record)


def _turned(look: Look, degrees: int, networks: Networks) -> Look:
    """Return what is seen of a page once it is turned clockwise."""
    return look_at_sheet(look.sheet.turned(degrees // 90), networks)


def _sense(found: Sequence[PageRow]) -> tuple[float, int]:
    """Return which share of the digits is surely read, and of how many.

    Ones and zeros do not count, which look alike any way up.
    """
    told = _told(found)
    return (sum(told) / len(told) if told else 0.0), len(told)


def _is_labelled(rows: Sequence[PageRow], turned: Sequence[PageRow]) -> bool:
    """Whether a page is mostly words, but for numbers that are read as well as if it is turned.

    Words make no sense either way, and may look more like digits on their heads.
    """
    kept = _told(without_words(rows))
    mostly_words = 2 * len(kept) < len(_told(rows))
    return mostly_words and sum(_told(without_words(turned))) <= MORE * sum(kept)


def _told(found: Sequence[PageRow]) -> list[bool]:
    """Return whether each digit is surely read that is neither 0 nor 1, and no sign of money."""
    numbers = [
        [one for one in number if one.mark is None] for row in found for number in row.numbers
    ]
    longer = [number for number in numbers if len(number) > 1]
    before, behind = (_are_signs([number[at] for number in longer]) for at in (0, -1))
    told = []
    for number in numbers:
        chosen = number[before : len(number) - behind] if len(number) > 1 else number
        told += [one.certainty > SURE for one in chosen if one.digit not in (0, 1)]
    return told


def _are_signs(characters: Sequence[Character]) -> bool:
    """Whether what stands first in all numbers of a page, or last, is a sign, as of money."""
    signs = sum(one.certainty < UNLIKELY for one in characters)
    return len(characters) >= FEWEST and signs >= SIGNS * len(characters)
