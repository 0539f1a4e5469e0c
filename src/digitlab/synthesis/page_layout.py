"""Where the numbers of a made page stand: on lines, in columns, in cells or in boxes.

Used by pages.py. Everything here is in pixels of the flat sheet, before any camera.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.synthesis.lens import Picture
from digitlab.synthesis.page_writing import MARKS, Hand, Ink, PageChance, write_digit, write_mark

Segment = tuple[float, float, float, float]  # x and y of a printed line's start and end

CLOSEST = 0.05  # heights between digits that do not touch
WIDEST = 0.5  # heights between digits of a number, but for boxes
APART = 2.2  # times the widest gap of a row between its digits: the least gap between its numbers
_LINE = 1.0  # heights: the least gap between numbers
_TOUCHING = 0.2  # of the neighbours on a page where digits touch
_MOST = 220  # characters a page, about
_SMALLEST = 400  # pixels of the longer side of what stands on a sheet, and paper around it
_LENGTHS = ((1, 3), (2, 5), (4, 7), (7, 11), (1, 11))  # of the numbers of a page
_MARKED = (
    ("0.0", "00.0", "00.00", "0.000", "000.0"),
    ("0,0", "00,0", "00,00", "000,00", "0.000,0", "00.000,00"),
    ("-0", "-00", "-000", "-0.0", "-0,0"),
    ("0/0/0000", "00/00/0000", "0/00", "00/0/00"),
    ("00:00", "0:00", "00:00:00"),
)


@dataclass(frozen=True, eq=False)
class Character:
    """A written character: which one, of which image, its ink, and its left and top edge."""

    text: str
    index: int | None
    ink: Ink
    left: float
    top: float

    @property
    def right(self) -> float:
        """The first pixel to the right of it."""
        return self.left + len(self.ink.cover[0])

    def moved(self, across: float, down: float) -> Character:
        """Return it moved by some pixels."""
        return replace(self, left=self.left + across, top=self.top + down)


@dataclass(frozen=True, eq=False)
class Word:
    """A number on a line of its own, from x = 0; `height` is that of its digits, in pixels."""

    characters: tuple[Character, ...]
    height: float

    @property
    def width(self) -> float:
        """Pixels from its first to its last ink."""
        return max(one.right for one in self.characters)

    @property
    def widest_gap(self) -> float:
        """The widest gap between its characters, in pixels; 0 of a single one."""
        pairs = zip(self.characters, self.characters[1:], strict=False)
        return max([0.0, *(after.left - before.right for before, after in pairs)])

    def at(self, x: float, line: Line) -> Word:
        """Return it where it stands on a line of writing."""
        placed = (one.moved(x, line.y(x + one.left)) for one in self.characters)
        return replace(self, characters=tuple(placed))


@dataclass(frozen=True)
class Line:
    """A line of writing: its height in the middle of the sheet, slope, and bend.

    Attributes:
        level: y at the middle of the sheet.
        slope: y a pixel of x.
        bend: how much lower both ends are, in pixels.
        half: half the width of the sheet.
    """

    level: float
    slope: float
    bend: float
    half: float

    def y(self, x: float) -> float:
        """Return the height of the line."""
        away = x - self.half
        return self.level + self.slope * away + self.bend * (away / self.half) ** 2


@dataclass(frozen=True, eq=False)
class Layout:
    """What stands where.

    Attributes:
        size: width and height of the sheet.
        height: of digits.
        rows: the numbers of each row.
        printed: lines that are printed below the writing.
        paper_lines: height of the first line of ruled paper, and their distance; None without.
    """

    size: tuple[int, int]
    height: float
    rows: tuple[tuple[Word, ...], ...]
    printed: tuple[Segment, ...] = ()
    paper_lines: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """What a page is to be like, before anything is written; sizes in pixels."""

    kind: str
    size: tuple[int, int]
    height: float
    rows: int
    most: int  # numbers a row
    lengths: tuple[int, int]
    columns: bool
    leading: float  # from line to line, in heights
    margin: float
    box: float  # from box to box, in heights; 0 without


def planned(kind: str, draws: Draws) -> Plan:
    """Return what a page of a kind is to be like."""
    long = math.exp(draws.between(math.log(900), math.log(2200)))
    rare = draws.next()
    photo = rare < 0.05 and kind in ("plain", "perspective", "shadow", "ruled", "table")
    if photo:
        long = 4000.0
    elif rare > 0.93:
        long = draws.between(500, 900)
    if kind == "jpeg":
        long = draws.between(500, 1100)
    aspect = draws.choice((0.707, 0.707, 0.75, 1.0, 1.333, 1.414, 2.0))
    if photo:
        aspect = draws.choice((0.75, 1.333))
    size = (long * min(1.0, aspect), long / max(1.0, aspect))
    low, high = (45.0, 110.0) if photo else (20.0, 45.0 if kind == "jpeg" else 110.0)
    height = min(math.exp(draws.between(math.log(low), math.log(high))), min(size) / 8)
    columns = kind == "table" or (kind != "boxes" and draws.chance(0.3))
    return Plan(
        kind=kind,
        size=(round(size[0]), round(size[1])),
        height=max(20.0, height),
        rows=1 + int(draws.next() * 14),
        most=(2 if columns else 1) + int(draws.next() * 7),
        lengths=draws.choice(_LENGTHS[:3] if kind == "table" else _LENGTHS),
        columns=columns,
        leading=draws.between(1.6, 2.8),
        margin=draws.between(0.5, 1.5),
        box=draws.between(1.15, 1.5) if kind == "boxes" else 0.0,
    )


def lay_out(
    plan: Plan, hand: Hand, images: Picture, labels: npt.NDArray[np.int64], chance: PageChance
) -> Layout:
    """Write the numbers of a page, and say where each stands.

    Args:
        plan: what the page is to be like.
        hand: who writes it.
        images: uint8 [N, 28, 28], none blank.
        labels: int64 [N].
        chance: the page's.
    """
    draws = chance.draws(0, count=1024)  # four for each cell of the largest table, and more
    writer = _Writer(plan, images, labels, chance, draws)
    rows, characters = [], 0
    for at in range(plan.rows):
        words = writer.row(at, hand)
        characters += sum(len(word.characters) for word in words)
        rows.append(words)
        if characters > _MOST:
            break
    if plan.kind == "table":
        return _grid(plan, rows, draws)
    return _lines(plan, rows, draws)


class _Writer:
    """Writes the numbers of a page, each character from draws of its own."""

    def __init__(
        self,
        plan: Plan,
        images: Picture,
        labels: npt.NDArray[np.int64],
        chance: PageChance,
        draws: Draws,
    ) -> None:
        self._plan, self._images, self._labels = plan, images, labels
        self._chance = chance
        self._uneven = draws.chance(0.4)  # rows of different sizes
        self._gap = draws.between(0.08, 0.3)
        self._tucked = draws.choice((0.0, 0.0, 0.5, 0.8))  # how far digits lean into each other

    def row(self, at: int, hand: Hand) -> list[Word]:
        """Return the numbers of a row that have room beside each other, at least one."""
        plan, draws = self._plan, self._chance.draws(1, at, count=256)
        spread = 0.35 if self._uneven and plan.kind not in ("ruled", "boxes") else 0.05
        hand = hand.of_height(max(18.0, hand.height * (1 + draws.between(-spread, spread))))
        room = (plan.size[0] - 2 * plan.margin * plan.height) / hand.height
        step = plan.box or 0.8 + self._gap
        words: list[Word] = []
        for number in range(plan.most):
            text = self._template(draws)[: max(1, int((room - 0.4) / step))]
            room -= step * len(text) + 1.2
            if room < 0 and words:
                break
            words.append(self._word(text.rstrip("".join(MARKS)) or "0", (at, number), hand))
        return words

    def _template(self, draws: Draws) -> str:
        """Return a number in which each 0 stands for any digit."""
        if self._plan.kind == "marks" and draws.chance(0.7):
            return draws.choice(draws.choice(_MARKED))
        low, high = self._plan.lengths
        return "0" * (low + int(draws.next() * (high - low + 1)))

    def _word(self, template: str, place: tuple[int, int], hand: Hand) -> Word:
        """Return a number, written from left to right."""
        written: list[Character] = []
        for at, form in enumerate(template):
            draws = self._chance.draws(2, *place, at)
            index, text = None, form
            if form == "0":
                index = int(draws.next() * len(self._images))
                text = str(self._labels[index])
                ink = write_digit(self._images[index], hand, draws)
            else:
                ink = write_mark(form, hand, draws)
            left = self._left(written, ink, at, hand, draws)
            written.append(Character(text, index, ink, left, ink.top))
        first = min(one.left for one in written)
        return Word(tuple(one.moved(-first, 0) for one in written), hand.height)

    def _left(
        self, written: Sequence[Character], ink: Ink, at: int, hand: Hand, draws: Draws
    ) -> float:
        """Return where the next character begins."""
        if self._plan.box:
            free = self._plan.box * self._plan.height - len(ink.cover[0])
            aside = draws.between(-0.35, 0.35) * max(0.0, free - 0.1 * hand.height)
            return at * self._plan.box * self._plan.height + free / 2 + aside
        if not written:
            return 0.0
        before = written[-1]
        uneven = self._gap * draws.between(0.4, 1.7)
        # A pixel more, for characters are moved to whole ones in the end.
        gap = hand.height * min(WIDEST, max(CLOSEST, uneven)) + 1
        both_digits = before.index is not None and ink.cover.shape[0] > 0.6 * hand.height
        if self._plan.kind == "touching" and both_digits and draws.chance(_TOUCHING):
            free = clearance(before.ink, ink, 0.0)
            over = min(draws.between(0.1, 0.9) * hand.width, 0.05 * hand.height)
            if free < 0.15 * hand.height:  # else one would lie within the other
                return before.right - free - over
        free = clearance(before.ink, ink, CLOSEST * hand.height)
        tucked = self._tucked * min(free, 0.25 * hand.height)
        return max(before.right + gap - tucked, before.left + 0.15 * hand.height)


def clearance(before: Ink, after: Ink, around: float) -> float:
    """Return how far a character can move into the one before it until their ink meets.

    Args:
        before: to the left, where both stand on the same line and touch with their edges.
        after: to the right.
        around: pixels up and down in which ink counts as beside other ink.
    """
    top = min(before.top, after.top)
    rows = [round(one.top - top) for one in (before, after)]
    tall = max(row + len(one.cover) for row, one in zip(rows, (before, after), strict=True))
    free = []
    for row, one, turned in ((rows[0], before, True), (rows[1], after, False)):
        mask = one.cover > 0.3
        mask = mask[:, ::-1] if turned else mask
        first = np.where(mask.any(axis=1), mask.argmax(axis=1), 10_000)
        side = np.full(tall, 10_000, np.float32)
        side[row : row + len(first)] = first
        kernel = np.ones((2 * math.ceil(around) + 1, 1), np.uint8)
        free.append(np.asarray(cv2.erode(side[:, None], kernel))[:, 0])
    least = float((free[0] + free[1]).min())
    return least if least < 5_000 else 0.0


def _gap_of(row: Sequence[Word]) -> float:
    """Return the least gap between the numbers of a row, in pixels."""
    widest = max(word.widest_gap for word in row)
    return max(_LINE * 1.1 * max(word.height for word in row), APART * widest) + 1


def _lines(plan: Plan, rows: Sequence[list[Word]], draws: Draws) -> Layout:
    """Return numbers on lines of writing, one after the other or in columns."""
    wide, height = plan.size[0], plan.height
    ruled = plan.kind in ("ruled", "boxes")
    slope = 0.0 if ruled else math.tan(math.radians(draws.between(-2.5, 2.5)))
    bend = 0.0 if ruled else draws.between(-0.35, 0.35) * height
    margin = plan.margin * height
    level = margin + 1.3 * height + abs(slope) * wide / 2 + abs(bend)
    first, pitch = level, plan.leading * height
    starts = _columns(plan, rows, draws) if plan.columns else None
    laid: list[tuple[Word, ...]] = []
    for row in rows:
        tallest = max(word.height for word in row)
        step = pitch if ruled else pitch * draws.between(0.95, 1.2) * max(1.0, tallest / height)
        level += (step if laid else 0.0) + (pitch if ruled and draws.chance(0.1) else 0.0)
        if level + 0.3 * height + abs(slope) * wide / 2 + abs(bend) > plan.size[1] and laid:
            break
        own = draws.between(-0.1, 0.1) * height / wide
        line = Line(level, slope + own, bend * draws.between(0.8, 1.0), wide / 2)
        at = starts or _flow(row, margin, draws)
        laid.append(_placed(row, at, line, wide - 0.3 * height))
    printed = _boxes(plan, laid, draws) if plan.box else ()
    layout = Layout(plan.size, height, tuple(laid), printed, (first, pitch) if ruled else None)
    return _fitted(layout, draws)


def _placed(row: Sequence[Word], at: Sequence[float], line: Line, end: float) -> tuple[Word, ...]:
    """Return the numbers of a row where they begin, as many as end before the sheet does."""
    placed = [word.at(x, line) for word, x in zip(row, at, strict=False) if x + word.width <= end]
    return tuple(placed) or (row[0].at(at[0], line),)


def _flow(row: Sequence[Word], margin: float, draws: Draws) -> list[float]:
    """Return where the numbers of a row begin that follow each other."""
    x = margin + (draws.between(0, 1) * row[0].height if draws.chance(0.5) else 0.0)
    starts, least = [], _gap_of(row)
    loose = draws.between(1.0, 1.8)
    for word in row:
        starts.append(x)
        x += word.width + least * draws.between(1.0, loose)
    return starts


def _columns(plan: Plan, rows: Sequence[list[Word]], draws: Draws) -> list[float]:
    """Return where columns begin."""
    gap = max(_gap_of(row) for row in rows) * draws.between(1.0, 1.4)
    x, starts = plan.margin * plan.height, []
    for at in range(max(len(row) for row in rows)):
        starts.append(x)
        x += gap + max(row[at].width for row in rows if at < len(row))
    return starts


def _boxes(plan: Plan, rows: Sequence[Sequence[Word]], draws: Draws) -> tuple[Segment, ...]:
    """Return the lines of a printed box around each character."""
    pitch = plan.box * plan.height
    apart = draws.choice((0.0, 0.0, draws.between(0.06, 0.15) * pitch))
    above, below = draws.between(1.12, 1.3) * plan.height, draws.between(0.1, 0.25) * plan.height
    comb = draws.chance(0.2)  # boxes that are open above
    lines: list[Segment] = []
    for row in rows:
        for word in row:
            level = word.characters[0].top - word.characters[0].ink.top
            start = _first_box(word, pitch)
            for at in range(len(word.characters)):
                left, right = start + at * pitch + apart / 2, start + (at + 1) * pitch - apart / 2
                top, bottom = level - above, level + below
                lines += [(left, top, left, bottom), (right, top, right, bottom)]
                lines += [(left, bottom, right, bottom)]
                lines += [] if comb else [(left, top, right, top)]
    return tuple(lines)


def _first_box(word: Word, pitch: float) -> float:
    """Return where the first box of a number begins, so that all have their digits inside."""
    low = max(one.right - (at + 1) * pitch for at, one in enumerate(word.characters))
    high = min(one.left - at * pitch for at, one in enumerate(word.characters))
    return (low + high) / 2


def _grid(plan: Plan, rows: Sequence[list[Word]], draws: Draws) -> Layout:
    """Return numbers in the cells of a printed table, some of which are empty."""
    height = plan.height
    inside = max(_gap_of(row) for row in rows) / 2 * draws.between(1.0, 1.5)
    edges, limit = [draws.between(0.3, 1.2) * height], plan.size[0]
    for at in range(max(len(row) for row in rows)):
        edge = edges[-1] + 2 * inside + max(row[at].width for row in rows if at < len(row))
        if edge > limit and at:
            break
        edges.append(edge)
    tall = draws.between(1.25, 2.2) * height * (1.3 if _uneven(rows) else 1.0)
    fewest = max(1, min(len(rows), int((plan.size[1] - 2 * height) / tall)))
    top, laid = draws.between(0.3, 1.2) * height, []
    align, low = draws.choice((0.0, 0.5, 1.0)), draws.choice((0.0, 0.1, 0.3, 0.5))
    for at, row in enumerate(rows[:fewest]):
        free = tall - max(word.height for word in row)
        cells = []
        for word, left, right in zip(row, edges, edges[1:], strict=False):
            if draws.chance(0.08):
                continue
            spare = right - left - word.width - 2 * inside
            where = min(1.0, max(0.0, align + draws.between(-0.15, 0.15)))
            below = max(-0.04 * height, low * free + draws.between(-0.1, 0.1) * height)
            level = top + (at + 1) * tall - below
            line = Line(level, draws.between(-0.02, 0.02), 0.0, left + inside)
            cells.append(word.at(left + inside + spare * where, line))
        laid.append(tuple(cells))
    bottom = top + fewest * tall
    lines = [(edges[0], y, edges[-1], y) for y in (top + at * tall for at in range(fewest + 1))]
    if draws.chance(0.85):
        lines += [(x, top, x, bottom) for x in edges]
    if not any(laid):
        line = Line(top + tall - 0.1 * height, 0.0, 0.0, 1.0)
        laid[0] = (rows[0][0].at(edges[0] + inside, line),)
    kept = tuple(row for row in laid if row)
    return _fitted(Layout(plan.size, height, kept, tuple(lines)), draws, whole=0.2)


def _uneven(rows: Sequence[Sequence[Word]]) -> bool:
    heights = [word.height for row in rows for word in row]
    return max(heights) > 1.15 * min(heights)


def _fitted(layout: Layout, draws: Draws, whole: float = 0.45) -> Layout:
    """Return the sheet with all its numbers in it: whole, or cut to what stands on it."""
    characters = [one for row in layout.rows for word in row for one in word.characters]
    lefts = [one.left for one in characters] + [line[0] for line in layout.printed]
    rights = [one.right for one in characters] + [line[2] for line in layout.printed]
    tops = [one.top for one in characters] + [line[1] for line in layout.printed]
    ends = [one.top + len(one.ink.cover) for one in characters]
    ends += [line[3] for line in layout.printed]
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(ends)
    spare = max(0.0, _SMALLEST - max(right - left, bottom - top)) / 2
    frame = [draws.between(0.25, 1.5) * layout.height + spare for _ in range(4)]
    if draws.chance(whole):  # the sheet as planned, unless something stands beside it
        across, down = min(0.0, left - frame[0]), min(0.0, top - frame[1])
        wide = max(layout.size[0] - across, right + frame[2] - across)
        tall = max(layout.size[1] - down, bottom + frame[3] - down)
    else:
        across, down = left - frame[0], top - frame[1]
        wide, tall = right + frame[2] - across, bottom + frame[3] - down
    return _shifted(layout, -across, -down, (math.ceil(wide) + 1, math.ceil(tall) + 1))


def _shifted(layout: Layout, across: float, down: float, size: tuple[int, int]) -> Layout:
    """Return a layout moved on its sheet, characters to whole pixels."""
    rows = []
    for row in layout.rows:
        words = []
        for word in row:
            moved = (one.moved(across, down) for one in word.characters)
            whole = (replace(one, left=round(one.left), top=round(one.top)) for one in moved)
            words.append(replace(word, characters=tuple(whole)))
        rows.append(tuple(words))
    printed = tuple(
        (left + across, top + down, right + across, bottom + down)
        for left, top, right, bottom in layout.printed
    )
    ruled = layout.paper_lines
    paper_lines = None if ruled is None else (ruled[0] + down, ruled[1])
    return replace(layout, size=size, rows=tuple(rows), printed=printed, paper_lines=paper_lines)
