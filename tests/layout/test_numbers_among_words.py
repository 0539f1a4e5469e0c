"""Numbers beside words, titles and labels: each is read with its marks, and no letter is."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser
from digitlab.layout.lattice import Character
from digitlab.layout.page import PageRow
from digitlab.layout.words import without_words
from written_digits import digit_ink

Picture = npt.NDArray[np.uint8]

READER = Recogniser()
LABELS = ("Kitchen meter", "Bathroom heat", "Garage parking", "Chamber rent", "Street market")


def drawn(paper: Picture, text: str, x: int, y: int, tall: int = 44) -> None:
    """Write test digits and marks; the upper left of the first is at x, y."""
    for at, one in enumerate(text):
        if one in ".,-":
            x += _marked(paper, one, x, y, tall)
            continue
        ink = digit_ink(one, (21, 31, 42)[at % 3], tall)
        part = paper[y : y + tall, x : x + ink.shape[1]]
        np.minimum(part, 255 - ink, out=part)
        x += ink.shape[1] + tall // 6


def _marked(paper: Picture, mark: str, x: int, y: int, tall: int) -> int:
    """Draw a mark; return how far on the next character is."""
    foot = y + tall
    if mark == "-":
        cv2.line(paper, (x, y + tall // 2), (x + tall // 2, y + tall // 2), 20, 4)
    elif mark == ".":
        cv2.circle(paper, (x + 4, foot - 4), 4, 20, -1)
    else:
        cv2.line(paper, (x + 5, foot - 4), (x, foot + 6), 20, 4)
    return {"-": tall // 2 + 12, ".": 20, ",": 24}[mark]


def form(numbers: tuple[str, ...], labels: tuple[str, ...] = LABELS, font: int = 2) -> Picture:
    paper = np.full((80 + 130 * len(numbers), 800), 240, np.uint8)
    for row, (label, number) in enumerate(zip(labels, numbers, strict=False)):
        y = 60 + 130 * row
        cv2.putText(paper, label, (40, y + 38), font, 1.4, 40, 2, cv2.LINE_AA)
        drawn(paper, number, 460, y)
    return paper


@pytest.mark.parametrize("font", [0, 6, 7])
def test_no_page_is_turned_because_its_labels_make_no_sense(font: int) -> None:
    numbers = ("96", "28", "60", "95", "68")
    reading = READER.read(form(numbers, font=font))
    assert reading.turned == 0
    assert all(one in reading.text.split() for one in numbers)
    turned = READER.read(np.ascontiguousarray(np.rot90(form(("72", "43", "54"), ("",) * 3), 2)))
    assert turned.turned == 180


def numbers_on(paper: Picture) -> list[str]:
    reading = READER.read(paper)
    return [number.text for row in reading.rows for number in row.numbers]


@pytest.mark.parametrize("mark", [".", ",", "-"])
def test_marks_in_numbers_beside_printed_labels_are_read(mark: str) -> None:
    digits = ("627", "384", "592", "748", "273")
    marked = "-{0}{1}" if mark == "-" else "{0}" + mark + "{1}"
    numbers = tuple(marked.format(one[:2], one[2:]) for one in digits)
    found = numbers_on(form(numbers))
    assert sum(one in found for one in numbers) >= 4
    assert not any(one in found for one in digits)  # a mark is never dropped in silence


def test_one_digit_beside_a_label_or_below_a_title_is_a_number() -> None:
    single = ("7", "4", "3", "5", "8")
    assert sum(one in numbers_on(form(single)) for one in single) >= 4
    titled = form(single, ("", "", "", "", ""))
    title = np.full((100, 800), 240, np.uint8)
    cv2.putText(title, "Marks of class", (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.8, 40, 3)
    assert numbers_on(np.concatenate([title, titled])) == list(single)


def test_a_digit_that_cannot_be_told_hides_no_other() -> None:
    paper = form(("274", "386"), ("", ""))
    cv2.line(paper, (515, 60), (555, 104), 20, 20)
    cv2.line(paper, (555, 60), (515, 104), 20, 20)
    lines = READER.read(paper).text.splitlines()
    assert lines[1] == "386"
    assert "?" in lines[0]


def test_a_thick_zero_is_no_punched_hole() -> None:
    paper = form(("72", "38", "5"), ("", "", ""))
    cv2.ellipse(paper, (530, 60 + 260 + 22), (13, 17), 0, 0, 360, 20, 17)
    assert numbers_on(paper)[2:] == ["50"]
    cv2.circle(paper, (545, 60 + 260 + 30), 30, 20, -1)
    assert numbers_on(paper)[2:] == ["5"]


def test_a_row_of_marks_alone_is_no_number() -> None:
    dash = Character((10, 20, 12, 3), None, None, "-", 0.97)
    number = tuple(
        Character((x, 60, 20, 30), None, np.eye(11, dtype=np.float32)[digit], None, 1.0)
        for x, digit in ((10, 4), (40, 7), (70, 2))
    )
    rows = [PageRow(((dash,), (dash,)), (0.0, 0.0)), PageRow((number,), (1.0,))]
    assert without_words(rows) == rows[1:]
    assert without_words(rows[:1]) == []


def sentence(before: str, number: str, behind: str, space: float) -> Picture:
    """Return print with a number in it, and spaces in heights of its digits around that."""
    paper = np.full((130, 900), 240, np.uint8)
    cv2.putText(paper, before, (30, 88), 0, 1.5, 40, 3, cv2.LINE_AA)
    x = 30 + cv2.getTextSize(before, 0, 1.5, 3)[0][0] + round(44 * space)
    drawn(paper, number, x, 44)
    ink = np.flatnonzero((paper[:, x:] < 128).any(axis=0))
    place = (x + int(ink[-1]) + round(44 * space), 88)
    cv2.putText(paper, behind, place, 0, 1.5, 40, 3, cv2.LINE_AA)
    return paper


@pytest.mark.parametrize("space", [0.4, 0.6, 1.0])
def test_numbers_in_sentences_are_read_whatever_the_space_around_them(space: float) -> None:
    lines = (("Room", "274", "floor"), ("We paid", "386", "francs"), ("Call", "4928", "today"))
    paper = np.concatenate([sentence(*line, space) for line in lines])
    assert numbers_on(paper) == [number for _, number, _ in lines]


def test_a_one_or_a_zero_beside_a_label_is_a_number() -> None:
    numbers = ("7", "1", "4", "0", "8")
    assert numbers_on(form(numbers)) == list(numbers)


def test_the_bars_of_digits_among_small_labels_are_no_rules() -> None:
    paper = form(("2", "5", "9"))
    for row in range(3):
        corner = (600, 64 + 130 * row)
        cv2.line(paper, (540, 64 + 130 * row), corner, 20, 5)  # a 7 with a flat top
        cv2.line(paper, corner, (560, 104 + 130 * row), 20, 5)
    assert "".join(numbers_on(paper)) == "275797"


def test_words_whose_letters_look_like_digits_are_left_out_beside_others() -> None:
    words = ("Kitchen", "Soap", "Butter", "Isabel", "Market", "Bus", "Zoo")
    numbers = ("274", "386", "592", "748", "263", "859", "937")
    found = numbers_on(form(numbers, words, font=0))
    assert [one for one in found if set(one) != {"?"}] == list(numbers)


def priced(sign: str) -> Picture:
    paper = np.full((620, 420), 240, np.uint8)
    for row, number in enumerate(("26", "73", "69", "84", "22")):
        y = 40 + 110 * row
        cv2.putText(paper, sign, (40, y + 44), 0, 1.7, 30, 4, cv2.LINE_AA)
        drawn(paper, number, 88, y)
    return paper


@pytest.mark.parametrize("sign", ["$", "#"])
def test_a_sign_before_each_number_hides_none_and_turns_no_page(sign: str) -> None:
    reading = READER.read(priced(sign))
    assert reading.turned == 0
    found = [number.text for row in reading.rows for number in row.numbers]
    assert [one[-2:] for one in found] == ["26", "73", "69", "84", "22"]


def test_degrees_and_powers_are_no_digits() -> None:
    paper = form(("62", "48", "75"), ("", "", ""))
    for row in range(3):
        ink = np.flatnonzero((paper[60 + 130 * row : 104 + 130 * row] < 128).any(axis=0))
        cv2.circle(paper, (int(ink[-1]) + 14, 68 + 130 * row), 7, 20, 3, cv2.LINE_AA)
    assert [one[:2] for one in numbers_on(paper)] == ["62", "48", "75"]
    assert all("?" in one[2:] for one in numbers_on(paper))


def test_digits_far_apart_are_numbers_of_their_own() -> None:
    paper = np.full((420, 700), 240, np.uint8)
    for row, digits in enumerate(("274", "386", "953")):
        for column, one in enumerate(digits):
            drawn(paper, one, 60 + 200 * column, 40 + 120 * row)
    assert READER.read(paper).text == "2 7 4\n3 8 6\n9 5 3"


def test_printed_rings_to_be_ticked_are_no_zeros() -> None:
    numbers = ("27", "54", "38", "96")
    paper = form(numbers, ("",) * 4)
    for row in range(4):
        cv2.circle(paper, (200, 82 + 130 * row), 22, 20, 3, cv2.LINE_AA)
    assert numbers_on(paper) == list(numbers)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_page_with_labels_is_turned(quarters: int) -> None:
    numbers = ("62743", "38425", "59236", "74849")
    paper = form(numbers, ("Anna", "Otto", "Paul", "Lea"))
    reading = READER.read(np.ascontiguousarray(np.rot90(paper, quarters)))
    assert reading.turned == 90 * quarters
    assert sum(one in reading.text.split() for one in numbers) >= 3
