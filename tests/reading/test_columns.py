"""Columns of a page: numbers above one another have the same, whatever is missing or leans."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.reading.columns import columns_of
from digitlab.reading.types import Box, Number, Row
from digitlab.synthesis.pages import made_page

COLUMN, LINE, DIGIT, HIGH = 200, 70, 30, 45  # pixels: of a table, and of its digits


def rows_of(boxes: list[list[Box]]) -> list[Row]:
    return [Row(tuple(Number((), box, None) for box in row), (0, 0, 1, 1)) for row in boxes]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[Box]], list[tuple[int, ...]]]:
    """Draw a table with cells that are empty, out of place and of many widths; and its columns."""
    across, down = draw(st.integers(2, 6)), draw(st.integers(2, 9))
    lean = draw(st.floats(-0.25, 0.25))
    flush = draw(st.sampled_from([0.0, 0.5, 1.0]))
    chance = draw(st.randoms(use_true_random=False))
    boxes, columns = [], []
    for line in range(down):
        # One column, and the first two rows, are whole, so that the table hangs together.
        there = [at for at in range(across) if line < 2 or at == 0 or chance.random() < 0.75]
        row = []
        for at in there:
            wide = DIGIT * chance.randint(1, 4)
            x = at * COLUMN + flush * (4 * DIGIT - wide) + chance.uniform(-8, 8)
            x += lean * line * LINE + 1000
            row.append((round(x), line * LINE + chance.randint(-6, 6), wide, HIGH))
        boxes.append(row)
        columns.append(tuple(at + 1 for at in there))
    return boxes, columns


@given(tables())
def test_a_table_gives_back_its_columns_whatever_is_missing(
    table: tuple[list[list[Box]], list[tuple[int, ...]]],
) -> None:
    boxes, columns = table
    assert columns_of(rows_of(boxes)) == tuple(columns)


@given(tables(), st.integers(1, 3))
def test_a_page_on_its_side_has_the_columns_that_it_has_upright(
    table: tuple[list[list[Box]], list[tuple[int, ...]]], turn: int
) -> None:
    boxes, columns = table
    for _ in range(turn):  # anticlockwise
        boxes = [[(y, 9000 - x - wide, high, wide) for x, y, wide, high in row] for row in boxes]
    assert columns_of(rows_of(boxes), 90 * turn) == tuple(columns)


def laid(widths: list[list[int]], places: list[list[float]], chance: Random) -> list[list[Box]]:
    """Return boxes of these widths at these places, a little off, on a page that may lean."""
    lean = chance.choice([0.0, chance.uniform(-0.15, 0.15)])
    return [
        [
            (
                round(300 + x + lean * line * LINE + chance.uniform(-5, 5)),
                line * LINE + chance.randint(-5, 5),
                wide,
                HIGH + chance.randint(-5, 5),
            )
            for x, wide in zip(row, of_row, strict=True)
        ]
        for line, (row, of_row) in enumerate(zip(places, widths, strict=True))
    ]


def wide(chance: Random, most: int = 5) -> int:
    """Return the width of a number of so many digits at most."""
    return DIGIT * chance.randint(1, most) - chance.randint(0, 6)


@pytest.mark.parametrize("mixed", [False, True])
def test_each_column_may_be_flush_left_or_right_or_centred(mixed: bool) -> None:
    for seed in range(60):
        chance = Random(seed)
        across, gap = chance.randint(3, 7), chance.choice([40, 60, 100])
        flush = [chance.choice([0, 0.5, 1]) for _ in range(across)]
        flush = flush if mixed else flush[:1] * across
        most = [chance.randint(1, 5) for _ in range(across)]
        widths, places, columns = [], [], []
        for line in range(chance.randint(3, 14)):
            there = [at for at in range(across) if line < 2 or at == 0 or chance.random() < 0.75]
            of_row = [wide(chance, most[at]) for at in there]
            starts = [DIGIT * sum(most[:at]) + gap * at for at in there]
            spare = [DIGIT * most[at] - one for at, one in zip(there, of_row, strict=True)]
            widths.append(of_row)
            places.append(
                [x + flush[at] * more for at, x, more in zip(there, starts, spare, strict=True)]
            )
            columns.append(tuple(at + 1 for at in there))
        assert columns_of(rows_of(laid(widths, places, chance))) == tuple(columns), seed


def test_numbers_that_begin_at_one_margin_are_column_1_however_ragged_their_rows() -> None:
    for seed in range(60):
        chance = Random(seed)
        widths, places = [], []
        for _ in range(chance.randint(6, 14)):
            of_row = [wide(chance) for _ in range(chance.randint(1, 5))]
            gaps = [chance.randint(25, 40) for _ in of_row]
            widths.append(of_row)
            places.append([sum(of_row[:at]) + sum(gaps[:at]) for at in range(len(of_row))])
        columns = columns_of(rows_of(laid(widths, places, chance)))
        assert all(row[0] == 1 for row in columns), seed


@pytest.mark.parametrize("flush", [0, 0.5, 1])
def test_a_sum_is_one_column_whichever_side_its_numbers_are_flush(flush: float) -> None:
    for seed in range(60):
        chance = Random(seed)
        widths = [[wide(chance, 6)] for _ in range(chance.randint(3, 12))]
        places = [[flush * (6 * DIGIT - one)] for (one,) in widths]
        assert set(columns_of(rows_of(laid(widths, places, chance)))) == {(1,)}, seed


sizes = st.integers(1, 300)
anywhere = st.tuples(st.integers(0, 900), st.integers(0, 900), sizes, sizes)


@given(st.lists(st.lists(anywhere, max_size=6), max_size=8))
def test_in_every_row_columns_rise_wherever_its_numbers_are(boxes: list[list[Box]]) -> None:
    columns = columns_of(rows_of(boxes))
    assert [len(row) for row in columns] == [len(row) for row in boxes]
    for row in columns:
        assert all(before < after for before, after in zip((0, *row), row, strict=False))


def test_where_alignment_gives_no_order_numbers_are_counted_from_the_left() -> None:
    crossed: list[list[Box]] = [
        [(0, 0, 50, 40), (200, 0, 50, 40)],
        [(200, 60, 50, 40), (0, 60, 50, 40)],  # not from left to right
    ]
    assert columns_of(rows_of(crossed)) == ((1, 2), (1, 2))
    assert columns_of([]) == ()


def test_a_number_as_wide_as_two_columns_does_not_join_them() -> None:
    boxes: list[list[Box]] = [
        [(0, 0, 350, 40), (400, 0, 60, 40)],
        *[[(0, y, 60, 40), (200, y, 60, 40), (400, y, 60, 40)] for y in (60, 120, 180)],
    ]
    assert columns_of(rows_of(boxes)) == ((1, 3), (1, 2, 3), (1, 2, 3), (1, 2, 3))


@pytest.mark.parametrize("sample", [0, 1, 3, 4, 5])  # one row of each at least is full
def test_a_made_page_of_a_table_has_its_columns(sample: int) -> None:
    images = np.zeros((10, 28, 28), np.uint8)
    for digit in range(10):
        images[digit, 4:24, 8 : 12 + digit] = 255
    page = made_page(images, np.arange(10), "table", 3, sample)
    rows = []
    for row in page.rows:
        numbers = []
        for number in row:
            x = min(one.box[0] for one in number)
            y = min(one.box[1] for one in number)
            right = max(one.box[0] + one.box[2] for one in number)
            bottom = max(one.box[1] + one.box[3] for one in number)
            numbers.append(Number((), (x, y, right - x, bottom - y), None))
        rows.append(Row(tuple(numbers), (0, 0, 1, 1)))
    columns = columns_of(rows)
    most = max(map(len, page.rows))
    assert max(max(row) for row in columns) == most
    for row, found in zip(page.rows, columns, strict=True):
        if len(row) == most:
            assert found == tuple(range(1, most + 1))


def test_a_number_between_two_columns_belongs_to_the_nearer() -> None:
    rows: list[list[Box]] = [[(0, 0, 60, 40), (70, 0, 60, 40)], [(45, 60, 60, 40)]]
    assert columns_of(rows_of(rows)) == ((1, 2), (2,))
