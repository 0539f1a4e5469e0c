"""Made pages on which nothing is written: what is read on them is a mistake."""

from __future__ import annotations

import math

import cv2
import numpy as np

from digitlab.chance import Draws
from digitlab.synthesis.lens import Picture, check_kind, colours, compressed, plain_sheet
from digitlab.synthesis.page_paper import (
    View,
    close,
    evenly_lit,
    fold,
    grained,
    photographed,
    punch,
    rule,
    scanned,
    seen,
    shaded,
    soil_sheet,
)
from digitlab.synthesis.page_writing import PageChance
from digitlab.synthesis.pages import PAGE_KINDS

BLANK_KINDS = ("plain", "ruled", "stained", "folded", "shadowed")


def made_blank_page(kind: str, seed: int, sample: int) -> Picture:
    """Return a picture of a sheet on which nobody has written.

    Any of them may have specks of dust or punched holes, lie on a table or end in the picture. The
    kind adds its own:

    - ``plain``: nothing; ``ruled``: lines or squares; ``stained``: spots, or the ring of a cup;
    - ``folded``: one to three folds; ``shadowed``: edges of shadows.

    Args:
        kind: one of `BLANK_KINDS`.
        seed: of the whole set of pages, at least 0.
        sample: of this page in the set, at least 0.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ConfigError: for another kind.
    """
    check_kind(kind, BLANK_KINDS)
    chance = PageChance(seed, len(PAGE_KINDS) + BLANK_KINDS.index(kind), sample)
    draws = chance.draws(0, count=1200)
    size = _size(draws)
    view, bleed = _view(size, draws)
    paper, _ = colours(draws, board=False)
    sheet = plain_sheet((size[1] + 2 * bleed, size[0] + 2 * bleed), paper)
    long = max(size)
    if kind == "ruled":
        pitch = long * draws.between(0.02, 0.04)
        rule(sheet, draws.between(0, pitch), pitch, pitch, draws.chance(0.4), draws)
    soil_sheet(sheet, draws, stains=1 + int(draws.next() * 3) if kind == "stained" else 0)
    if draws.chance(0.25):
        punch(sheet, draws)
    if kind == "folded":
        sheet = fold(sheet, chance.draws(1))
    picture = evenly_lit(seen(sheet, view, paper, draws), draws, scan=view.flat)
    if kind == "shadowed":
        picture = shaded(picture, draws)
    if not view.flat:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), draws.between(0.3, 1.2)), np.uint8)
    picture = grained(picture, draws.between(0.5, 6.0), chance, 2)
    return compressed(picture, int(draws.between(50, 96))) if draws.chance(0.6) else picture


def _size(draws: Draws) -> tuple[int, int]:
    """Return width and height of a sheet in pixels."""
    long = math.exp(draws.between(math.log(600), math.log(2200)))
    aspect = draws.choice((0.707, 0.75, 1.0, 1.333, 1.414))
    return round(long * min(1.0, aspect)), round(long / max(1.0, aspect))


def _view(size: tuple[int, int], draws: Draws) -> tuple[View, int]:
    """Return how a sheet is seen, and how many pixels of paper it needs around itself."""
    how = draws.next()
    if how < 0.35:
        return photographed(size, draws), 0
    if how < 0.6:
        return scanned(size), 0
    bleed = math.ceil(0.07 * max(size))
    return close(size, bleed, draws), bleed
