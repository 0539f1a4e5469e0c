"""Made pages with exact truth: rows of handwritten numbers as scanners and cameras see them.

Used where pages are learned, measured and tested. The digits are a dataset's; writer, paper, light
and lens are made up, by page_writing.py, page_layout.py and page_paper.py. Each page is a function
of its arguments, as everything that is random is (docs/design.md, invariant 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.errors import ConfigError
from digitlab.synthesis.camera import can_be_photographed
from digitlab.synthesis.lens import (
    Picture,
    blurred,
    check_kind,
    colours,
    compressed,
    plain_sheet,
)
from digitlab.synthesis.page_layout import Character, Layout, lay_out, planned
from digitlab.synthesis.page_paper import (
    View,
    close,
    evenly_lit,
    fold,
    grained,
    photographed,
    print_lines,
    rule,
    scanned,
    seen,
    shaded,
    soil_sheet,
)
from digitlab.synthesis.page_writing import Hand, PageChance, hand_of, lay_ink

Floats = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]

PAGE_KINDS = (
    "plain",
    "perspective",
    "shadow",
    "ruled",
    "table",
    "boxes",
    "blur",
    "jpeg",
    "touching",
    "marks",
)
_CLOSE = {"shadow": 0.6, "ruled": 0.4, "table": 0.6, "boxes": 0.4, "blur": 0.7, "jpeg": 0.5}
_SCANS = ("plain", "touching", "marks")
_INKED = 0.3  # of a pixel: from there on it belongs to a character's box


@dataclass(frozen=True)
class WrittenCharacter:
    """One digit or mark on a page.

    Attributes:
        text: "0" to "9", or one of `page_writing.MARKS`.
        box: x, y, width and height of its ink, in pixels of the picture.
        index: of the image that a digit was written from; None of a mark.
        ink: bool [height, width], where in the box its ink lies.
    """

    text: str
    box: Box
    index: int | None
    ink: npt.NDArray[np.bool_] = field(compare=False, repr=False)


WrittenNumber = tuple[WrittenCharacter, ...]
WrittenRow = tuple[WrittenNumber, ...]


@dataclass(frozen=True)
class MadePage:
    """A picture of a page, and what is written on it.

    Attributes:
        picture: uint8 [H, W, 3], RGB.
        rows: from top to bottom, each of numbers from left to right, each of characters.
    """

    picture: Picture = field(compare=False, repr=False)
    rows: tuple[WrittenRow, ...]

    @property
    def text(self) -> str:
        """What is written, as `Reading.text` has it: spaces between numbers, a line a row."""
        return "\n".join(
            " ".join("".join(one.text for one in number) for number in row) for row in self.rows
        )

    @property
    def characters(self) -> Iterator[WrittenCharacter]:
        """All digits and marks, in the order of reading."""
        return (one for row in self.rows for number in row for one in number)


def made_page(
    images: Picture, labels: npt.NDArray[np.int64], kind: str, seed: int, sample: int
) -> MadePage:
    """Return a page as somebody might write it and take a picture of it.

    A page has 1 to 14 rows of numbers of 1 to 11 digits by one writer with one pen, upright, with
    digits that stand apart by a twentieth of their height or more, and numbers by at least their
    height and 2.2 times the widest gap between the row's digits. Some have columns. It is about
    450 to 2,200 pixels on its longer side, one in twenty as large as a phone takes it. The kind
    adds its own:

    - ``plain``: nothing: a scan; ``perspective``: a photograph of a sheet on a darker table;
    - ``shadow``: edges of shadows and folds; ``ruled``: lines or squares, with writing on them;
    - ``table``: numbers in printed cells, whose lines some digits touch;
    - ``boxes``: a printed box around each digit, as on forms;
    - ``blur``: out of focus, or moved; ``jpeg``: small, and of quality 8 to 40;
    - ``touching``: one in seven neighbours touch or overlap by a little;
    - ``marks``: decimal points and commas, minus, slashes of dates, colons of times.

    Args:
        images: uint8 [N, 28, 28], ink bright; blank ones are not used.
        labels: int64 [N].
        kind: one of `PAGE_KINDS`.
        seed: of the whole set of pages, at least 0.
        sample: of this page in the set, at least 0.

    Raises:
        ConfigError: for another kind, or where all images are blank.
    """
    check_kind(kind, PAGE_KINDS)
    inked = can_be_photographed(images)
    if not len(inked):
        raise ConfigError("all images are blank: nothing can be written with them")
    chance = PageChance(seed, PAGE_KINDS.index(kind), sample)
    plan = planned(kind, chance.draws(3))
    paper_draws = chance.draws(4, count=1200)
    paper, pen = colours(paper_draws, board=False)
    hand = hand_of(plan.height, pen, chance.draws(5), chance.noise(6, 128))
    layout = lay_out(plan, hand, images[inked], labels[inked], chance)
    view, bleed = _view(kind, layout.size, paper_draws)
    shape = (layout.size[1] + 2 * bleed, layout.size[0] + 2 * bleed)
    sheet = plain_sheet(shape, paper)
    _print(sheet, layout, bleed, kind, paper_draws)
    rows = tuple(
        tuple(
            tuple(_written(sheet, one, bleed, hand, view, inked) for one in word.characters)
            for word in row
        )
        for row in layout.rows
    )
    if kind == "shadow":
        sheet = fold(sheet, chance.draws(7))
    picture = seen(sheet, view, paper, paper_draws)
    return MadePage(_taken(picture, kind, plan.height, chance), rows)


def single(page: MadePage, row: int, number: int, character: int, margin: float = 0.35) -> Picture:
    """Return one digit cut out of its page, with whatever has become of it there.

    What neighbours leave in the margin is painted over with the ground around it.

    Args:
        page: the page.
        row, number, character: which one, from 0.
        margin: around its box, as a part of the box's longer side.

    Returns:
        uint8 [H, W, 3].
    """
    chosen = page.rows[row][number][character]
    x, y, wide, tall = chosen.box
    around = max(4, round(margin * max(wide, tall)))
    left, top = max(0, x - around), max(0, y - around)
    part = page.picture[top : y + tall + around, left : x + wide + around]
    frame = (left, top, part.shape[1], part.shape[0])
    others = np.zeros(part.shape[:2], np.uint8)
    for one in page.characters:
        if one is not chosen:
            _mark_ink(others, one, frame)
    own = np.zeros(part.shape[:2], np.uint8)
    _mark_ink(own, chosen, frame)
    if not others.any():
        return part.copy()
    to_others, to_own = (
        cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5).astype(np.float32) for mask in (others, own)
    )
    spread = max(3.0, 0.1 * max(wide, tall))  # as far as blur carries ink
    over = (to_others <= spread) & (to_others < to_own)
    ground = ((to_others > spread) & (to_own > spread)).astype(np.float32)
    return _painted_over(part, over, ground, 0.3 * max(wide, tall))


def _view(kind: str, size: tuple[int, int], draws: Draws) -> tuple[View, int]:
    """Return how a sheet is seen, and how many pixels of paper it needs around itself."""
    if kind == "perspective":
        return photographed(size, draws), 0
    if not draws.chance(_CLOSE.get(kind, 0.0)):
        return scanned(size), 0
    bleed = math.ceil(0.07 * max(size))
    return close(size, bleed, draws), bleed


def _print(sheet: Picture, layout: Layout, bleed: int, kind: str, draws: Draws) -> None:
    """Lay what is on the sheet before anybody writes, in place."""
    if kind == "ruled" and layout.paper_lines is not None:
        first, pitch = layout.paper_lines
        offset = draws.between(-0.05, 0.08) * layout.height
        rule(sheet, first + bleed + offset, pitch, layout.height, draws.chance(0.4), draws)
    lines = ((a + bleed, b + bleed, c + bleed, d + bleed) for a, b, c, d in layout.printed)
    print_lines(sheet, lines, layout.height, draws)
    if kind not in _SCANS and draws.chance(0.3):
        soil_sheet(sheet, draws, stains=int(draws.chance(0.2)))


def _written(
    sheet: Picture,
    character: Character,
    bleed: int,
    hand: Hand,
    view: View,
    inked: npt.NDArray[np.int64],
) -> WrittenCharacter:
    """Write a character on the sheet, in place, and return where the view shows it."""
    left, top = round(character.left) + bleed, round(character.top) + bleed
    cover = character.ink.cover
    lay_ink(sheet, cover, left, top, hand)
    index = None if character.index is None else int(inked[character.index])
    if view.flat:
        x, y, shown = left, top, cover
    else:
        x, y, shown = _shown(cover, left, top, view)
    mask = shown >= min(_INKED, 0.6 * float(shown.max()))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    ink = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    box = (x + int(columns[0]), y + int(rows[0]), ink.shape[1], ink.shape[0])
    return WrittenCharacter(character.text, box, index, ink)


def _shown(cover: Floats, left: int, top: int, view: View) -> tuple[int, int, Floats]:
    """Return the ink of a character as a view shows it, and where that begins."""
    tall, wide = cover.shape
    there = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    matrix = view.matrix @ there
    corners = np.array([(-1, -1, 1), (wide, -1, 1), (wide, tall, 1), (-1, tall, 1)]) @ matrix.T
    points = corners[:, :2] / corners[:, 2:]
    x, y = (math.floor(place) for place in points.min(axis=0).tolist())
    right, bottom = (math.ceil(place) for place in points.max(axis=0).tolist())
    back = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]], np.float64)
    size = (right - x + 1, bottom - y + 1)
    shown = cv2.warpPerspective(cover, back @ matrix, size, flags=cv2.INTER_LINEAR)
    return x, y, np.asarray(shown, np.float32)


def _taken(picture: Picture, kind: str, height: float, chance: PageChance) -> Picture:
    """Return what light, lens, sensor and file make of what is seen."""
    draws = chance.draws(8, count=128)
    scan = kind in _SCANS
    picture = evenly_lit(picture, draws, scan)
    if kind == "shadow":
        picture = shaded(picture, draws)
    if kind == "blur":
        picture = blurred(draws, picture, height)
    elif not scan:  # no lens is as sharp as its pixels
        soft = draws.between(0.3, 0.8)
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), soft), np.uint8)
    picture = grained(picture, draws.between(0.5, 2.5 if scan else 6.0), chance, 9)
    if kind == "jpeg":
        return compressed(picture, int(draws.between(8, 41)))
    return compressed(picture, int(draws.between(60, 96))) if draws.chance(0.6) else picture


def _mark_ink(mask: npt.NDArray[np.uint8], one: WrittenCharacter, frame: Box) -> None:
    """Set to 1, in place, where a character has ink in a part of its page."""
    x, y, wide, tall = one.box
    left, top = max(x, frame[0]), max(y, frame[1])
    right, bottom = min(x + wide, frame[0] + frame[2]), min(y + tall, frame[1] + frame[3])
    if left < right and top < bottom:
        part = mask[top - frame[1] : bottom - frame[1], left - frame[0] : right - frame[0]]
        part |= one.ink[top - y : bottom - y, left - x : right - x].astype(np.uint8)


def _painted_over(
    part: Picture, over: npt.NDArray[np.bool_], ground: Floats, sigma: float
) -> Picture:
    """Return a picture with the mean of the ground around where `over` is true."""
    if not ground.any():
        ground = np.asarray(1 - over, np.float32)
    weight = cv2.GaussianBlur(ground, (0, 0), sigma) + 1e-6
    near = cv2.GaussianBlur(part * ground[..., None], (0, 0), sigma) / weight[..., None]
    return np.where(over[..., None], np.rint(near.clip(0, 255)), part).astype(np.uint8)
