"""What is said of numbers on a page, so that words can be told from them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from digitlab.layout.evidence import FIGURES, evidence_of, likely_numbers
from digitlab.layout.lattice import Character

LARGE = st.integers(0, 4000)
SIZES = st.integers(1, 400)


@st.composite
def characters(draw: st.DrawFn) -> Character:
    box = (draw(LARGE), draw(LARGE), draw(SIZES), draw(SIZES))
    if draw(st.integers(0, 3)) == 0:
        return Character(box, None, None, draw(st.sampled_from(".,-:/")), draw(st.floats(0, 1)))
    width = draw(st.sampled_from([10, 11]))
    likely = np.full(width, 0.01, np.float32)
    likely[draw(st.integers(0, width - 1))] = 0.9
    return Character(box, None, likely, None, draw(st.floats(0, 1)))


PAGES = st.lists(
    st.lists(st.lists(characters(), min_size=1, max_size=5), min_size=1, max_size=4), max_size=5
)


@given(PAGES)
def test_any_page_has_figures_for_each_number_with_digits(
    page: list[list[list[Character]]],
) -> None:
    asked: list[np.ndarray] = []

    def is_number(evidence: np.ndarray) -> np.ndarray:
        asked.append(evidence)
        return np.linspace(0.5, 1, len(evidence), dtype=np.float32)

    likely = likely_numbers(page, is_number)
    assert [len(row) for row in likely] == [len(row) for row in page]
    with_digits = [any(one.mark is None for one in number) for row in page for number in row]
    assert [one > 0 for row in likely for one in row] == with_digits
    assert len(asked) == any(with_digits)
    for evidence in asked:
        assert evidence.shape == (sum(with_digits), len(FIGURES))
        assert np.isfinite(evidence).all()
    answers = [one for row in likely for one in row if one]
    assert answers == sorted(answers)  # each gets its own


@given(PAGES, st.integers(0, 500), st.integers(0, 500), st.sampled_from([2, 4]))
def test_where_on_the_page_and_how_large_says_nothing(
    page: list[list[list[Character]]], x: int, y: int, scale: int
) -> None:
    def moved(one: Character) -> Character:
        left, top, width, height = one.box
        box = (scale * left + x, scale * top + y, scale * width, scale * height)
        return Character(box, None, one.likely, one.mark, one.confidence)

    rows = [[number for number in row if any(one.mark is None for one in number)] for row in page]
    rows = [row for row in rows if row]
    same = [[[moved(one) for one in number] for number in row] for row in rows]
    np.testing.assert_allclose(evidence_of(same), evidence_of(rows), atol=2e-3)
