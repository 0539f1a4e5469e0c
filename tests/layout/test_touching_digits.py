"""What touches is told apart, with a second network; and what looks like one digit, or a table."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digitlab import Recogniser, load_dataset
from digitlab.evaluation import score
from digitlab.evaluation.pages import PageScore
from digitlab.layout.networks import Networks
from digitlab.reading.types import Reading
from digitlab.synthesis.pages import made_page

Picture = npt.NDArray[np.uint8]

TEST = load_dataset("mnist").splits["test"]
READER = Recogniser()


def touching() -> PageScore:
    pages = [made_page(TEST.images, TEST.labels, "touching", 5, at) for at in range(8)]
    return sum((score(one.text, READER.read(one.picture)) for one in pages), PageScore())


def numbers(digits: str, gaps: int = 5, margin: int = 60) -> Picture:
    """Return a row of the first test digits of these kinds, of 84 pixels, on white paper."""
    parts = []
    for one in digits:
        image = TEST.images[np.flatnonzero(TEST.labels == int(one))[1]]
        large = cv2.resize(image, (84, 84), interpolation=cv2.INTER_CUBIC)
        inked = np.flatnonzero((large > 80).any(axis=0))
        parts += [large[:, inked[0] : inked[-1] + 1], np.zeros((84, gaps), np.uint8)]
    return 255 - np.pad(np.concatenate(parts, axis=1), margin)


def test_more_of_what_touches_is_read_with_the_second_network_than_without() -> None:
    with_it = touching()
    assert with_it.right >= 0.88 * with_it.digits
    networks = READER.networks
    READER.__dict__["networks"] = Networks(
        networks.alone,
        lambda images: np.ones((len(images), 11), np.float32),
        networks.is_number,
    )
    try:
        without = touching()
    finally:
        READER.__dict__["networks"] = networks
    assert without.right < with_it.right - 0.02 * with_it.digits


def test_the_rule_of_a_margin_parts_no_number() -> None:
    rows = [numbers(digits)[:, :480] for digits in ("83348641", "80466300", "83360085")]
    ruled = np.concatenate(rows)
    between = 60 + len(numbers("8", margin=0)[0])
    cv2.line(ruled, (between + 1, 0), (between + 1, len(ruled)), 150, 2)
    reading: Reading = READER.read(ruled, reject="none")
    assert [len(line.split()) for line in reading.text.splitlines()] == [1, 1, 1]


def test_numbers_that_hang_on_the_lines_of_a_page_are_read() -> None:
    chance = np.random.default_rng(2)  # so that no digit stands free of a line
    lines = ["".join(chance.choice(list("0123456789"), 9)) for _ in range(4)]
    sheet = np.full((700, 1000), 245, np.uint8)
    for y in range(100, 700, 70):
        cv2.line(sheet, (0, y), (1000, y), 125, 3)
    for at, line in enumerate(lines):
        x, y = 70, 135 + 140 * at
        for one in line:
            image = TEST.images[np.flatnonzero(TEST.labels == int(one))[chance.integers(0, 60)]]
            image = image[image.max(axis=1) > 60][:, image.max(axis=0) > 60]
            ink = cv2.resize(image, (max(8, round(image.shape[1] * 60 / len(image))), 60))
            part = sheet[y : y + 60, x : x + ink.shape[1]]
            np.minimum(part, 255 - ink, out=part)
            x += ink.shape[1] + 9
    noisy = sheet + chance.normal(0, 4, sheet.shape)
    counts = score("\n".join(lines), READER.read(noisy.clip(0, 255).astype(np.uint8)))
    assert counts.right >= 0.85 * counts.digits


def test_rules_of_squared_paper_part_no_number_and_those_of_a_table_do() -> None:
    squared = np.concatenate([numbers("83548641", gaps=14)] * 3)
    for first in ("83", "8354", "835486"):
        x = 60 + numbers(first, gaps=14, margin=0).shape[1] - 7
        cv2.line(squared, (x, 0), (x, len(squared)), 150, 2)
    reading: Reading = READER.read(squared, reject="none")
    assert [len(line.split()) for line in reading.text.splitlines()] == [1, 1, 1]
    cells = [
        [numbers(two, gaps=8, margin=24) for two in line.split()]
        for line in ("83 54", "20 46", "92 36")
    ]
    wide = max(cell.shape[1] for line in cells for cell in line)
    table = np.concatenate(
        [
            np.concatenate(
                [np.pad(c, ((0, 0), (0, wide - c.shape[1])), constant_values=255) for c in line], 1
            )
            for line in cells
        ]
    )
    for x in (2, wide, 2 * wide - 3):
        cv2.line(table, (x, 0), (x, len(table)), 90, 2)
    assert READER.read(table, reject="none").text.splitlines() == ["83 54", "20 46", "92 36"]
