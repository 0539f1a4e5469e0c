"""Numbers on dotted paper: its dots are no marks, and points that stand in columns are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser
from digitlab.evaluation.page_score import score
from digitlab.synthesis.pages import made_page
from written_digits import TEST, digit_ink

Picture = npt.NDArray[np.uint8]

READER = Recogniser()
PAPER, PEN = 238, 50
TALL = 46  # pixels, a digit
ROWS = ("267 49", "3852 70", "94 6318", "50 72")


def paper(pitch: int, radius: int, grey: int) -> Picture:
    """Return dotted paper."""
    page = np.full((620, 800), PAPER, np.uint8)
    for y in range(11, page.shape[0], pitch):
        for x in range(7, page.shape[1], pitch):
            cv2.circle(page, (x, y), radius, grey, -1, cv2.LINE_AA)
    return page


def write(page: Picture, text: str, left: int, line: int, which: int) -> None:
    """Write a row onto a page, its digits on that line, of the test digits so many of their kind.

    A point is a disc on the line.
    """
    x = left
    for one in text:
        if one == " ":
            x += TALL
        elif one == ".":
            cv2.circle(page, (x + 3, line - 3), 3, PEN, -1, cv2.LINE_AA)
            x += 15
        else:
            ink = digit_ink(one, which, TALL) / 255
            part = page[line - TALL : line, x : x + ink.shape[1]]
            part[:] = np.minimum(part, np.rint(PAPER + (PEN - PAPER) * np.clip(1.5 * ink, 0, 1)))
            x += ink.shape[1] + 9


def text_of(page: Picture, degrees: float = 0) -> list[str]:
    high, wide = page.shape
    matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), degrees, 0.8 if degrees else 1)
    seen = cv2.warpAffine(
        cv2.GaussianBlur(page, (0, 0), 0.6), matrix, (wide, high), borderValue=PAPER
    )
    return READER.read(np.repeat(seen[..., None], 3, axis=2), reject="none").text.split("\n")


def numbers(rows: Sequence[str], page: Picture) -> Picture:
    for at, row in enumerate(rows):
        write(page, row, 90, 120 + 130 * at, at)
    return page


@pytest.mark.parametrize(("pitch", "radius"), [(25, 2), (32, 2), (40, 2), (40, 3)])
@pytest.mark.parametrize("grey", [140, 190])
def test_the_dots_of_paper_are_no_marks(pitch: int, radius: int, grey: int) -> None:
    assert text_of(numbers(ROWS, paper(pitch, radius, grey))) == list(ROWS)


def test_the_dots_of_paper_held_askew_are_no_marks() -> None:
    assert text_of(numbers(ROWS, paper(32, 2, 140)), 8) == list(ROWS)


@pytest.mark.parametrize("before", ["", "3."])
def test_what_is_written_at_even_distances_is_read(before: str) -> None:
    page = np.full((1130, 1000), PAPER, np.uint8)
    rows = [[f"{before}{(3 * at + row) % 10}" for at in range(6)] for row in range(7)]
    for row, cells in enumerate(rows):
        for at, cell in enumerate(cells):
            write(page, cell, 60 + 150 * at, 120 + 150 * row, 1)
    assert text_of(page) == [" ".join(cells) for cells in rows]


def test_where_rules_cross_no_points_are_left() -> None:
    page = made_page(TEST.images, TEST.labels, "ruled", 1, 16)
    found = score(page.text, READER.read(page.picture))
    assert found.marks_extra <= 1
    assert found.numbers_grouped >= found.numbers - 2
