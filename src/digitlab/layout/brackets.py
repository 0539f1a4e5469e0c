"""Which bows in a row are brackets: those that belong together, and those behind an item's number.

A bent 1 looks like a bracket; but a bracket has its other half, or stands behind the number of an
item of a list, as in "2) 750".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from digitlab.layout.lattice import Character

BRACKETS = ("(", ")")
CERTAIN, HALF = 0.9, 0.4
ITEM = 2  # digits of an item's number at most


def with_brackets(row: Sequence[Sequence[Character]]) -> list[list[Character]]:
    """Return the numbers of a row in which bows without another half are digits, or doubtful."""
    written = [one for number in row for one in number]
    opened: list[int] = []
    kept: set[int] = set()
    for at, one in enumerate(written):
        if one.mark == "(":
            opened.append(at)
        elif one.mark == ")" and opened:
            kept |= {opened.pop(), at}
        elif one.mark == ")" and 1 <= at <= ITEM and all(two.mark is None for two in written[:at]):
            kept.add(at)
    places = count()
    return [
        [
            _unpaired(one) if one.mark in BRACKETS and at not in kept else one
            for at, one in ((next(places), one) for one in number)
        ]
        for number in row
    ]


def _unpaired(one: Character) -> Character:
    """Return what has no other half: refused where it surely looks like a bracket, else a digit."""
    if one.confidence > CERTAIN:
        return replace(one, confidence=one.confidence * HALF)
    return replace(one, mark=None)
