"""Pages of print, specks and digits on their head: what is read, and how much is asked for it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser
from digitlab.layout.networks import Answers, Floats, Networks
from digitlab.layout.pieces import Piece
from digitlab.layout.rows import Chain, find_rows
from digitlab.layout.upright import read_upright
from digitlab.layout.words import without_words
from digitlab.reading.types import Reading
from written_digits import digit_ink

Picture = npt.NDArray[np.uint8]

READER = Recogniser()
WORDS = (
    "The quick brown fox jumps over the",
    "lazy dog and runs away from home",
    "Some more text, with a comma; and",
    "an invoice for Mr. Smith of Boston",
    "Please buy milk, bread, cheese",
    "Zoo keeper goes Salsa dancing",
    "Loose hills will still fill it all",
    "Bill of sale: go to Ohio soon",
)
LINE = "Dear Sir or Madam, we thank you for your order of last week"


class Asked:
    """The networks, and how many images they have been asked about."""

    def __init__(self) -> None:
        self.images = 0
        ours = READER.networks
        self.networks = Networks(
            self._counted(ours.alone), self._counted(ours.in_place), ours.is_number
        )

    def _counted(self, answers: Answers) -> Answers:
        def count(images: Picture) -> Floats:
            self.images += len(images)
            return answers(images)

        return count


def printed(lines: int) -> Picture:
    paper = np.full((70 + 40 * lines, 1150, 3), 240, np.uint8)
    words = LINE.split()
    for at in range(lines):
        line = " ".join(words[at % len(words) :] + words[: at % len(words)])
        place = (30, 60 + 40 * at)
        cv2.putText(paper, line, place, cv2.FONT_HERSHEY_DUPLEX, 0.9, (30, 30, 40), 1, cv2.LINE_AA)
    return paper


def written(paper: Picture, number: str, x: int, y: int, tall: int = 60) -> None:
    """Write a test digit of each kind on paper, the upper left of the first at x, y."""
    for one in number:
        cover = digit_ink(one, 3, tall)[..., None] / 255
        width = cover.shape[1]
        part = paper[y : y + tall, x : x + width]
        part[:] = np.rint(part * (1 - 0.9 * cover))
        x += width + tall // 3


def test_print_is_not_cut_and_joined_in_every_way() -> None:
    asked = Asked()
    rows, turned = read_upright(printed(12), asked.networks)
    assert not without_words(rows)
    assert turned == 0
    letters = 12 * len(LINE.replace(" ", ""))
    assert asked.images < 6 * letters  # once each, of some how they look turned, and short words


def test_a_number_on_a_page_of_print_is_found() -> None:
    page = np.concatenate([printed(12), np.full((160, 1150, 3), 240, np.uint8)])
    written(page, "47205", 560, 600)
    reading = READER.read(page, reject="none")
    assert [number for number in read_by(reading) if number == "47205"]


@pytest.mark.parametrize(("font", "size"), [(2, 1.1), (5, 1.4), (6, 0.8), (6, 1.1), (7, 1.1)])
def test_of_words_no_letter_is_a_digit_because_it_looks_like_one(font: int, size: float) -> None:
    paper = np.full((550, 1150), 240, np.uint8)
    for at, line in enumerate(WORDS):
        cv2.putText(paper, line, (30, 60 + 60 * at), font, size, 35, 2, cv2.LINE_AA)
    digits = sum(map(str.isdigit, READER.read(paper).text))
    assert digits <= len("it all")  # which stands evenly, and is sure


def test_a_short_number_of_digits_across_each_other_is_no_word() -> None:
    paper = np.full((520, 400), 240, np.uint8)
    for row, numbers in enumerate(("53 2", "72 4", "27 8", "8")):
        for at, number in enumerate(numbers.split()):
            written(paper[..., None], number, 40 + 220 * at, 30 + 120 * row)
    for at, one in enumerate("68"):
        written(paper[..., None], one, 240 + 14 * at, 390)
    assert READER.read(paper, reject="none").text.splitlines()[:3] == ["53 2", "72 4", "27 8"]
    assert READER.read(paper).text.splitlines()[3].startswith("8 ")


def test_a_number_on_its_head_is_turned() -> None:
    number = "4579018"
    paper = np.full((200, 700, 3), 236, np.uint8)
    written(paper, number, 50, 70)
    assert READER.read(paper).text == number
    turned = np.ascontiguousarray(np.rot90(paper, 2))
    reading = READER.read(turned)
    assert reading.text == number
    assert reading.turned == 180


def test_specks_are_no_numbers_and_cost_little() -> None:
    chance = np.random.default_rng(1)
    paper = np.full((600, 900), 245, np.uint8)
    specks = (chance.random(paper.shape) < 0.01).astype(np.uint8)
    paper[cv2.dilate(specks, np.ones((3, 3), np.uint8)) > 0] = 0
    asked = Asked()
    rows, _ = read_upright(paper, asked.networks)
    assert not without_words(rows)
    assert asked.images < 6_000


def test_each_chain_is_measured_once_however_many_stand_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Too far apart to be linked at once, so that all of them are joined one by one.
    mask = np.ones((20, 12), bool)
    grid = [Piece((90 * x, 50 * y + x % 3, 12, 20), mask, 1.0) for y in range(8) for x in range(12)]
    order = np.random.default_rng(2).permutation(len(grid)).tolist()
    measured = []
    ends = Chain.ends

    def counted(chain: Chain, slope: float) -> tuple[float, float]:
        measured.append(chain)
        return ends(chain, slope)

    monkeypatch.setattr(Chain, "ends", counted)
    rows = find_rows([grid[at] for at in order])
    assert [[one.left for one in row.pieces] for row in rows] == [[90 * x for x in range(12)]] * 8
    assert len(measured) < 2 * len(grid)


def read_by(reading: Reading) -> list[str]:
    numbers = [number.text for row in reading.rows for number in row.numbers]
    return [one for one in numbers if one.strip("?")]
