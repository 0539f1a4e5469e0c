"""Signs beside digits of many hands: slashes and slanted ones, brackets, percent, money."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser, load_dataset
from digitlab.reading.types import Mark, Reading
from written_digits import digit_ink

Picture = npt.NDArray[np.uint8]

TEST = load_dataset("mnist").splits["test"]
READER = Recogniser()
TALL, PEN = 60, 6  # pixels

# Strokes in heights of a digit: to the right, and up from the line.
ARC = [(0.21 * (1 - t * t), 0.45 + 0.65 * t) for t in np.linspace(-1, 1, 13).tolist()]
RING = [(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 17).tolist()]
SIGNS = {
    "/": [[(0.0, -0.14), (0.42, 1.12)]],
    ")": [ARC],
    "(": [[(0.21 - x, y) for x, y in ARC]],
    "%": [
        [(0.0, 0.0), (0.6, 1.0)],
        [(0.12 + 0.12 * x, 0.85 + 0.13 * y) for x, y in RING],
        [(0.54 + 0.12 * x, 0.13 + 0.13 * y) for x, y in RING],
    ],
    "x": [[(0.0, 0.05), (0.42, 0.55)], [(0.0, 0.55), (0.42, 0.05)]],
    "€": [
        [(0.4 - 0.35 * np.cos(t), 0.5 + 0.5 * np.sin(t)) for t in np.linspace(-2.2, 2.2, 17)],
        [(0.0, 0.62), (0.5, 0.62)],
        [(0.0, 0.42), (0.45, 0.42)],
    ],
}


@cache
def leaning(digit: int) -> list[int]:
    """Return the places of a digit's images; of ones, those that lean the most come first."""
    places = np.flatnonzero(TEST.labels == digit)[:200]
    if digit != 1:
        return places.tolist()
    leans = []
    for place in places:
        ys, xs = np.nonzero(TEST.images[place] > 100)
        leans.append(float(np.polyfit(ys, xs, 1)[0]))
    return places[np.argsort(leans)][:40].tolist()


def written(lines: Sequence[str], seed: int) -> Picture:
    """Return a page of lines, its digits of the test split, no two of one hand."""
    chance = np.random.default_rng(seed)
    paper = np.full((110 * len(lines) + 60, 1100), 240.0)
    for row, line in enumerate(lines):
        x, base = 60, 110 * row + 110
        for one in line:
            if one == " ":
                x += TALL
                continue
            ink = _digit(int(one), chance) if one.isdigit() else _sign(one)
            above = ink.shape[0] - (0 if one.isdigit() else 20)
            base_here = base + round(float(chance.normal(0, 0.02)) * TALL)
            part = paper[base_here - above :, x:][: ink.shape[0], : ink.shape[1]]
            part -= 200 * ink
            x += ink.shape[1] + 9
    noisy = paper + chance.normal(0, 4, paper.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _digit(digit: int, chance: np.random.Generator) -> npt.NDArray[np.float64]:
    image = TEST.images[chance.choice(leaning(digit))]
    image = image[image.max(axis=1) > 50][:, image.max(axis=0) > 50]
    high = round(TALL * (1 + 0.05 * float(np.clip(chance.normal(), -2, 2))))
    wide = max(5, round(image.shape[1] * high / max(image.shape[0], 0.7 * image.shape[1])))
    large = cv2.resize(image / 255.0, (wide, high), interpolation=cv2.INTER_CUBIC)
    return np.asarray(1 / (1 + np.exp(-10 * (large - 0.45))), float)


def _sign(sign: str) -> npt.NDArray[np.float64]:
    canvas = np.zeros((2 * TALL, TALL), np.uint8)
    for stroke in SIGNS[sign]:
        points = [(4 + x * TALL, 2 * TALL - 20 - y * TALL) for x, y in stroke]
        fixed = np.rint(np.array(points) * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, 255, PEN, cv2.LINE_AA, shift=4)
    return canvas[:, : int(np.flatnonzero(canvas.max(axis=0)).max()) + 1] / 255.0


def marks_of(reading: Reading) -> list[Mark]:
    return [one for row in reading.rows for number in row.numbers for one in number.marks]


@pytest.mark.parametrize("seed", range(3))
def test_a_slanted_one_is_no_slash(seed: int) -> None:
    chance = np.random.default_rng(seed + 50)
    lines = [
        " ".join("".join(chance.choice(list("1123456789"), 5)) for _ in range(3)) for _ in range(4)
    ]
    marks = marks_of(READER.read(written(lines, seed)))
    assert "/" not in [one.mark for one in marks if not one.refused]


@pytest.mark.parametrize("seed", range(3))
def test_the_slashes_of_dates_and_fractions_are_read_beside_slanted_ones(seed: int) -> None:
    lines = ["21/11/2019", "13/1/14", "3/4"]
    text = READER.read(written(lines, seed)).text.split("\n")
    assert [one.count("/") for one in text] == [2, 2, 1]


@pytest.mark.parametrize("line", ["1) 2345", "(865) 2340", "86% 729", "59% 34"])
def test_brackets_and_percent_are_no_digits(line: str) -> None:
    digits = 0
    for seed in range(3):
        reading = READER.read(written([line], seed))
        signs = [one.text for one in marks_of(reading)]
        assert signs == [one for one in line if one in "()%"]
        digits += sum(len(number.digits) for row in reading.rows for number in row.numbers)
    # A wide 6 may be taken for two.
    assert abs(digits - 3 * sum(one.isdigit() for one in line)) <= 1


@pytest.mark.parametrize("line", ["23x47 865", "€234 5678"])
def test_other_signs_are_refused_where_they_stand(line: str) -> None:
    for seed in range(3):
        reading = READER.read(written([line, "4567 890"], seed), reject=None)
        first = reading.text.split("\n")[0].replace(" ", "")
        assert first[line.index("x") if "x" in line else 0] == "?"
        assert len(first) == len(line.replace(" ", ""))


@pytest.mark.parametrize("lines", [("10", "10"), ("1000", "100"), ("11", "01", "10")])
def test_lists_of_ones_and_zeros_are_read(lines: Sequence[str]) -> None:
    text = READER.read(written(lines, 1)).text
    assert len(text.split("\n")) == len(lines)
    assert "0" in text


@pytest.mark.parametrize("shift", [-6, 6])
def test_two_points_that_lean_are_a_colon(shift: int) -> None:
    paper = np.full((200, 420), 240, np.uint8)
    for text, x in (("74", 40), ("69", 230)):
        for at, one in enumerate(text):
            ink = digit_ink(one, 21, TALL, 44)
            part = paper[70 : 70 + TALL, x + 60 * at : x + 60 * at + 44]
            np.minimum(part, 255 - ink, out=part)
    cv2.circle(paper, (185 - shift, 70 + TALL - 6), 3, 20, -1)
    cv2.circle(paper, (185 + shift, 70 + 26), 3, 20, -1)
    assert READER.read(paper).text == "74:69"
