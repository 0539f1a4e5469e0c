"""Annotated pictures: the box surrounds the digit, and the label stays within the picture."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.reading.annotate import LARGEST, SMALLEST, Sides, Tag, annotated, label, tags
from digitlab.reading.types import REASONS, Box, Digit, Mark, Number, Reading, Row
from digitlab.wording import certainty

BLUE, ORANGE, GREEN = (11, 97, 189), (186, 74, 0), (0, 128, 96)
PURPLE = (142, 48, 122)


def reading(box: Box, refused: bool = False, confidence: float | None = 0.9) -> Reading:
    digit = Digit(5, confidence, "unsure" if refused else None, box, None)
    return Reading("a.png", (Row((Number((digit,), box, confidence),), box),))


def in_a_row(count: int, gap: int, side: int = 60, top: int = 100) -> list[Digit]:
    """Return digits that stand side by side, each a little higher or lower than the one before."""
    places = ((40 + at * (side + gap), top + at % 3 * 5) for at in range(count))
    return [
        Digit(at % 10, 0.997, "unsure" if at == 1 else None, (*place, side, 90), None)
        for at, place in enumerate(places)
    ]


def overlap(one: Sides, other: Sides) -> bool:
    across = one[0] <= other[2] and other[0] <= one[2]
    return across and one[1] <= other[3] and other[1] <= one[3]


def in_nobodys_way(placed: list[Tag], written: Sequence[Digit | Mark]) -> bool:
    """Return whether no label lies on another, nor on what is written."""
    sides = [
        (x, y, x + wide - 1, y + high - 1) for x, y, wide, high in (one.box for one in written)
    ]
    return not any(
        overlap(placed[at].label, place)
        for at, other in itertools.permutations(range(len(placed)), 2)
        for place in (placed[other].label, sides[other])
    )


def extent(drawn: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero((drawn == colour).all(axis=2))
    return int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())


@pytest.mark.parametrize("shape", [(28, 28), (500, 700), (3000, 1000, 3), (1, 2000), (2000, 1, 3)])
def test_pictures_of_any_size_become_ones_that_can_be_looked_at(shape: tuple[int, ...]) -> None:
    drawn = annotated(np.full(shape, 200, np.uint8), reading((0, 0, shape[1], shape[0])))
    assert drawn.mode == "RGB"
    assert SMALLEST <= max(drawn.size) <= LARGEST
    assert (np.asarray(drawn) == BLUE).all(axis=2).any()


@pytest.mark.parametrize("box", [(200, 300, 100, 150), (0, 0, 60, 60), (640, 440, 60, 60)])
def test_the_box_surrounds_the_digit_and_hides_nothing_of_it(box: Box) -> None:
    x, y, width, height = box
    picture = np.full((500, 700), 255, np.uint8)
    picture[y : y + height, x : x + width] = 0
    drawn = np.asarray(annotated(picture, reading(box)))
    left, top, right, bottom = extent(drawn, BLUE)
    assert left <= max(x - 1, 0)
    assert top <= max(y - 1, 0)
    assert right >= min(x + width, 699)
    assert bottom >= min(y + height, 499)
    inner = drawn[y + 34 : y + height - 34, x + 4 : x + width - 4]
    assert inner.size == 0 or (inner == 0).all() or box[0] in (0, 640)


def test_a_refused_digit_has_another_colour() -> None:
    picture = np.full((500, 700), 255, np.uint8)
    drawn = np.asarray(annotated(picture, reading((200, 200, 50, 90), refused=True)))
    assert (drawn == ORANGE).all(axis=2).any()
    assert not (drawn == BLUE).all(axis=2).any()


def test_blank_paper_says_so() -> None:
    drawn = np.asarray(annotated(np.full((500, 700), 255, np.uint8), Reading("a.png")))
    assert (drawn[:30, :60] != 255).any()
    assert (drawn[100:] == 255).all()


def test_labels_never_claim_more_than_is_known() -> None:
    box = (0, 0, 1, 1)
    assert label(Digit(5, 0.99999, None, box, None)) == "5  99.9 %"
    assert label(Digit(5, None, None, box, None)) == "5"
    assert certainty(1.0) == "100.0 %"


@pytest.mark.parametrize("reason", REASONS)
def test_a_label_says_why_a_digit_is_refused_where_there_is_room(reason: str) -> None:
    said = "unsure (5, 41.2 %)" if reason == "unsure" else reason
    digits = [Digit(5, 0.4129, reason, (at, 300, 60, 90), None) for at in (100, 900)]
    assert [tag.text for tag in tags(digits, 1.0, (1600, 800))] == [f"? {said}"] * 2
    crowd = [Digit(5, 0.4129, reason, (at * 55, 300, 50, 90), None) for at in range(20)]
    assert {tag.text for tag in tags(crowd, 1.0, (1600, 800))} == {
        "?5" if reason == "unsure" else "?"
    }


def test_the_picture_itself_is_not_drawn_on() -> None:
    picture = np.full((500, 700, 3), 255, np.uint8)
    annotated(picture, reading((10, 10, 50, 90)))
    assert (picture == 255).all()


def test_a_digit_alone_has_its_label_above_or_below_whatever_its_size() -> None:
    for box, below in (((200, 300, 9, 9), False), ((200, 3, 400, 300), True)):
        (tag,) = tags([Digit(5, 0.987, None, box, None)], 1.0, (1600, 800))
        assert (tag.text, tag.letters) == ("5  98.7 %", 50)
        assert tag.label[0] == tag.frame[0]
        assert tag.label[1] == tag.frame[3] if below else tag.label[3] == tag.frame[1] - 1


@pytest.mark.parametrize(("count", "gap"), [(1, 0), (3, 300), (3, 40), (3, 5), (20, 10), (25, 0)])
def test_labels_of_neighbours_lie_neither_on_each_other_nor_on_frames(count: int, gap: int) -> None:
    digits = in_a_row(count, gap)
    placed = tags(digits, 1.0, (1600, 800))
    assert len(placed) == count
    assert in_nobodys_way(placed, digits)
    for tag, digit in zip(placed, digits, strict=True):
        assert tag.text.startswith("?" if digit.refused else str(digit.digit))
        left, top, right, bottom = tag.label
        assert 0 <= left < right < 1600
        assert 0 <= top < bottom < 800
        assert left in (tag.frame[0], 0) or right in (tag.frame[2], 1599)


def test_labels_become_a_little_smaller_before_they_become_shorter() -> None:
    said = {}
    for gap in (300, 60, 0):
        placed = tags(in_a_row(12 if gap < 100 else 5, gap)[2:], 1.0, (1600, 800))
        said[gap] = {(tag.letters, "%" in tag.text) for tag in placed}
    assert said == {300: {(45, True)}, 60: {(31, True)}, 0: {(45, False)}}


def test_a_label_makes_way_to_the_other_side() -> None:
    boxes: list[Box] = [(400, 200, 60, 90), (480, 100, 60, 300)]
    digits = [Digit(5, 0.9, None, box, None) for box in boxes]
    placed = tags(digits, 1.0, (1600, 800))
    assert {(tag.letters, tag.text) for tag in placed} == {(50, "~5  90.0 %")}
    assert placed[0].label[2] == placed[0].frame[2]
    assert in_nobodys_way(placed, digits)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 300)), max_size=30))
def test_any_digits_have_a_label_within_the_picture(corners: list[tuple[int, int]]) -> None:
    digits = [Digit(5, 0.999, None, (*corner, 30, 40), None) for corner in corners]
    placed = tags(digits, 1.0, (560, 400))
    assert [tag.text[0] for tag in placed] == ["5"] * len(digits)
    for tag in placed:
        assert 0 <= tag.label[0] < tag.label[2] < 560
        assert 0 <= tag.label[1] < tag.label[3] < 400


def page(*digits: Digit, marks: tuple[Mark, ...] = ()) -> Reading:
    number = Number(digits, (0, 0, 9, 9), None, marks)
    return Reading("a.png", (Row((number,), (0, 0, 9, 9)),))


def test_a_page_shows_how_certain_each_character_is_by_colour_and_by_sign() -> None:
    confidences = (0.99, 0.98, 0.3)
    digits = tuple(
        Digit(5, confidence, "unsure" if confidence < 0.5 else None, (at, 100, 60, 90), None)
        for at, confidence in zip((100, 400, 700), confidences, strict=True)
    )
    placed = tags(digits, 1.0, (900, 300))
    assert [tag.text for tag in placed] == ["5  99.0 %", "~5  98.0 %", "? unsure (5, 30.0 %)"]
    drawn = np.asarray(annotated(np.full((300, 900), 255, np.uint8), page(*digits)))
    frames = {}
    for colour, tag in zip((BLUE, PURPLE, ORANGE), placed, strict=True):
        left, _, _, bottom = tag.frame
        x = np.arange(left, left + 60)
        if colour == ORANGE:
            x = x[5:]
        frames[colour] = (drawn[bottom, x] == colour).all(axis=1)
        assert (drawn[110:180, left + 8 : left + 60] == 255).all()
    assert frames[BLUE].all()
    assert frames[ORANGE].all()
    assert 0.3 < frames[PURPLE].mean() < 0.8  # dashes
    legend = drawn[300:]
    assert legend.shape[0] > 20
    assert all((legend == colour).all(axis=2).any() for colour in (BLUE, PURPLE, ORANGE))


def test_a_mark_or_a_digit_without_confidence_is_not_called_sure() -> None:
    digits = in_a_row(2, 300)
    mark = Mark(".", None, False, (300, 180, 9, 9), 1)
    placed = tags([digits[0], mark], 1.0, (1600, 800))
    assert [tag.text for tag in placed] == ["0  99.7 %", "~."]


def test_the_legend_of_a_narrow_page_is_broken_into_lines_and_not_cut_off() -> None:
    digits = (Digit(1, 0.999, None, (10, 10, 20, 40), None),) * 2
    wide, narrow = (
        np.asarray(annotated(np.full((high, across), 255, np.uint8), page(*digits)))
        for high, across in ((200, 900), (900, 60))
    )
    assert narrow.shape[0] - 2000 * (narrow.shape[0] > 2000) > 60
    for drawn in (wide, narrow):
        assert (drawn[-3:] == (250, 250, 248)).all()
        assert (drawn[-60:] == ORANGE).all(axis=2).any()


def test_a_hundred_digits_have_legible_labels_that_spare_other_rows_and_are_drawn_fast() -> None:
    digits = [one for row in range(10) for one in in_a_row(10, 8, 20, 30 + 45 * row)]
    digits = [replace(one, box=(*one.box[:2], 20, 28)) for one in digits]
    picture = np.full((500, 340), 255, np.uint8)
    began = time.perf_counter()
    drawn = annotated(picture, page(*digits))
    assert time.perf_counter() - began < 0.5
    assert drawn.width > 1.5 * 340  # small writing is enlarged
    scale = drawn.width / 340
    placed = tags(digits, scale, (drawn.width, round(500 * scale)))
    assert min(tag.letters for tag in placed) >= 0.25 * 28 * scale
    larger = [replace(one, box=tuple(round(side * scale) for side in one.box)) for one in digits]
    assert in_nobodys_way(placed, larger)


def test_characters_without_any_room_still_have_their_labels() -> None:
    digits = [Digit(5, 0.999, None, (10, 10, 30, 40), None)] * 40
    assert [tag.text for tag in tags(digits, 1.0, (60, 60))] == ["5"] * 40


def test_several_digits_and_marks_are_drawn_each_with_its_box() -> None:
    digits = tuple(in_a_row(3, 100))
    marks = (
        Mark("-", 0.999, False, (5, 140, 20, 6), 0),
        Mark(".", 0.4, True, (130, 180, 8, 8), 1),
    )
    picture = np.full((400, 800), 255, np.uint8)
    reading = page(*digits, marks=marks)
    drawn = np.asarray(annotated(picture, reading))
    (number,) = reading.rows[0].numbers
    for one in number.written:
        x, y, width, height = one.box
        colour = ORANGE if one.refused else BLUE
        for at in ((y - 2, x + width // 2), (y + height // 2, x + width + 1)):
            assert tuple(drawn[at]) == colour, one
        assert (drawn[y : y + height, x : x + width] == 255).all()
    placed = tags(number.written, 1.0, (800, 400))
    assert [tag.text.split()[0] for tag in placed] == ["-", "0", "?.", "?1", "2"]
    assert in_nobodys_way(placed, number.written)


def test_where_more_than_one_is_seen_the_others_have_frames_in_a_colour_of_their_own() -> None:
    picture = np.full((400, 800), 255, np.uint8)
    boxes: tuple[Box, ...] = ((300, 100, 60, 90), (420, 100, 60, 90), (540, 130, 60, 90))
    for inside in (False, True):  # of what was taken, or beside it
        taken: Box = (300, 100, 300, 120) if inside else (180, 100, 60, 90)
        digit = Digit(5, 0.9, "more than one digit", taken, None, boxes)
        row = Row((Number((digit,), taken, None),), taken)
        drawn = np.asarray(annotated(picture, Reading("a.png", (row,))))
        for x, y, width, height in boxes:
            assert (drawn[y : y + height, x : x + width] == 255).all()
            for side in (drawn[y : y + height, x - 1], drawn[y : y + height, x + width]):
                assert (side == GREEN).all()
            for side in (drawn[y - 1, x : x + width], drawn[y + height, x : x + width]):
                assert (side == GREEN).all()
        x, y, width, height = taken
        assert tuple(drawn[y + height + 3, x + 50]) == ORANGE
        (tag,) = tags([digit], 1.0, (800, 400))
        assert tag.text == "? more than one digit"


def test_a_label_spares_the_others_as_long_as_it_says_why() -> None:
    taken: Box = (400, 300, 60, 90)
    for gaps, largest in ((400, True), (36, False), (2, True)):  # 2: there is no room anywhere
        around = tuple(
            (400 + across * (60 + gaps), 300 + down * (90 + gaps), 60, 90)
            for across in (-2, -1, 0, 1, 2)
            for down in (-1, 0, 1)
            if across or down
        )
        digit = Digit(5, 0.9, "more than one digit", taken, None, around)
        (tag,) = tags([digit], 1.0, (1600, 800))
        assert tag.text == "? more than one digit"
        assert (tag.letters == 50) is largest
        left, top, right, bottom = tag.label
        covered = [
            box
            for box in around
            if overlap((left, top, right, bottom), (*box[:2], box[0] + 59, box[1] + 89))
        ]
        assert bool(covered) == (gaps == 2)


def test_labels_of_marks_say_what_was_read() -> None:
    box = (0, 0, 1, 1)
    assert label(Mark(",", 0.99999, False, box, 1)) == ",  99.9 %"
    assert label(Mark("-", None, True, box, 0)) == "? -"
