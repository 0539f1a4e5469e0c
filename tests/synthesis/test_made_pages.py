"""Made pages: the same page each time, and truth that is where the ink is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab.data import load_dataset
from digitlab.errors import ConfigError
from digitlab.synthesis.page_writing import MARKS
from digitlab.synthesis.pages import PAGE_KINDS, MadePage, made_page, single

SPLIT = load_dataset("mnist").splits["test"]


def page(kind: str, sample: int, seed: int = 3) -> MadePage:
    return made_page(SPLIT.images, SPLIT.labels, kind, seed, sample)


def gaps(row: list[tuple[int, int]]) -> list[int]:
    return [after[0] - before[0] - before[1] for before, after in itertools.pairwise(row)]


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(PAGE_KINDS), st.integers(0, 2**40), st.integers(0, 2**40))
def test_any_arguments_give_a_page_and_always_the_same(kind: str, seed: int, sample: int) -> None:
    made = page(kind, sample, seed)
    again = page(kind, sample, seed)
    assert made.picture.dtype == np.uint8
    assert np.array_equal(made.picture, again.picture)
    assert made == again
    assert 1 <= len(made.rows) <= 14
    tall, wide = made.picture.shape[:2]
    for one in made.characters:
        x, y, width, height = one.box
        assert 0 <= x < x + width <= wide
        assert 0 <= y < y + height <= tall
        assert one.ink.shape == (height, width)


def test_another_seed_or_sample_gives_another_page() -> None:
    texts = {page("plain", sample, seed).text for seed in (1, 2) for sample in (1, 2)}
    assert len(texts) == 4


@pytest.mark.parametrize("kind", PAGE_KINDS)
def test_digits_are_those_of_their_images(kind: str) -> None:
    for sample in range(3):
        for one in page(kind, sample).characters:
            if one.index is None:
                assert one.text in MARKS
                assert kind == "marks"
            else:
                assert one.text == str(SPLIT.labels[one.index])


@pytest.mark.parametrize("kind", PAGE_KINDS)
def test_boxes_hold_ink_and_little_lies_around_them(kind: str) -> None:
    made = page(kind, 1)
    grey = made.picture.astype(np.float64).mean(axis=2)
    for one in made.characters:
        x, y, width, height = one.box
        inside = grey[y : y + height, x : x + width]
        around = grey[max(0, y - 8) : y + height + 8, max(0, x - 8) : x + width + 8]
        assert inside[one.ink].mean() < np.percentile(around, 80) - 5


@pytest.mark.parametrize("kind", ["plain", "ruled", "table", "boxes"])
def test_digits_stand_apart_and_numbers_further(kind: str) -> None:
    for sample in range(4):
        for row in page(kind, sample).rows:
            spans = [[(one.box[0], one.box[2]) for one in number] for number in row]
            height = max(one.box[3] for number in row for one in number)
            inner = [gap for number in spans for gap in gaps(number)]
            ends = [(number[0][0], sum(number[-1]) - number[0][0]) for number in spans]
            for gap in gaps(ends):
                assert gap >= 0.9 * height
                assert gap >= 2 * max(inner, default=0)


def apart(made: MadePage) -> list[bool]:
    """Return whether neighbours of a number have a pixel of paper between their ink."""
    free = []
    tall, wide = made.picture.shape[:2]
    for number in (number for row in made.rows for number in row):
        for before, after in itertools.pairwise(number):
            counts = np.zeros((tall + 2, wide + 2), np.uint8)
            for one, down, across in [
                (before, 0, 0),
                *((after, down, across) for down in (-1, 0, 1) for across in (-1, 0, 1)),
            ]:
                x, y, width, height = one.box
                place = np.s_[y + 1 + down : y + 1 + down + height, :]
                bit = 1 if one is before else 2
                part = counts[place][:, x + 1 + across : x + 1 + across + width]
                part |= np.where(one.ink, bit, 0).astype(np.uint8)
            free.append(not (counts == 3).any())
    return free


def test_neighbours_touch_where_the_kind_says_so_and_nowhere_else() -> None:
    assert all(all(apart(page(kind, 1))) for kind in ("plain", "ruled", "boxes", "marks"))
    touching = [free for sample in range(4) for free in apart(page("touching", sample))]
    assert 0.05 < 1 - np.mean(touching) < 0.3


def test_the_text_is_that_of_a_reading() -> None:
    made = page("marks", 0)
    assert len(made.text.splitlines()) == len(made.rows)
    assert len(made.text.split()) == sum(len(row) for row in made.rows)
    assert set("".join(made.text.split())) & set(MARKS)


def test_a_single_digit_is_cut_out_without_its_neighbours() -> None:
    made = page("touching", 1)
    row = next(row for row in made.rows if len(row[0]) > 2)
    at = made.rows.index(row)
    x, _, wide, tall = row[0][1].box
    alone = single(made, at, 0, 1)
    assert abs(alone.shape[1] - wide - 2 * round(0.35 * max(wide, tall))) <= 1
    edge = alone.astype(np.float64).mean(axis=2)[:, :2]
    assert np.ptp(edge) < 60
    assert x > 0


def test_what_cannot_be_made_is_named() -> None:
    with pytest.raises(ConfigError, match="kind = 'fog': expected one of plain, perspective"):
        page("fog", 0)
    with pytest.raises(ConfigError, match="all images are blank"):
        made_page(np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.int64), "plain", 0, 0)
