"""More than one digit in a picture is a number or a page; one with anything beside it is not."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab import Recogniser, load_dataset
from digitlab.preparation import find_glyph
from digitlab.reading.refusal import besides, several
from digitlab.reading.types import Box, Digit, Reading
from digitlab.synthesis.camera import photograph
from small_models import WriteModel

Bytes = npt.NDArray[np.uint8]
Place = tuple[float, float, float]  # left, top and height

TEST = load_dataset("mnist").splits["test"]
READER = Recogniser()
SEVERAL = "more than one digit"


def cropped(index: int) -> Bytes:
    image = TEST.images[index]
    return image[image.max(axis=1) > 60][:, image.max(axis=0) > 60]


def ink_of(digits: list[Bytes], places: list[Place], shape: tuple[int, int]) -> Bytes:
    """Lay digits on black, each at its place; what stands out of the picture is cut."""
    ink = np.zeros((shape[0] + 400, shape[1] + 400), np.uint8)
    for digit, (left, top, height) in zip(digits, places, strict=True):
        size = (max(1, round(digit.shape[1] * height / digit.shape[0])), round(height))
        large = cv2.resize(digit, size, interpolation=cv2.INTER_CUBIC)
        y, x = round(top) + 200, round(left) + 200
        part = ink[y : y + size[1], x : x + size[0]]
        np.maximum(part, large, out=part)
    return ink[200:-200, 200:-200].copy()


def on_paper(ink: Bytes) -> Bytes:
    sharp = np.clip((ink / 255 - 0.4) * 3 + 0.5, 0, 1)[..., None]
    light = np.linspace(225, 190, ink.shape[1])[None, :, None]
    return np.rint(light * (1 - sharp) + np.array([40.0, 45, 90]) * sharp).astype(np.uint8)


def row(count: int, first: int, gap: float, height: float = 60) -> Bytes:
    """Digits side by side, gap pixels between them."""
    digits = [cropped(first + at) for at in range(count)]
    widths = [one.shape[1] * height / one.shape[0] for one in digits]
    lefts = [40 + sum(widths[:at]) + at * gap for at in range(count)]
    shape = (round(2.2 * height), round(80 + sum(widths) + count * gap))
    return ink_of(digits, [(left, 0.6 * height, height) for left in lefts], shape)


def reason(reading: Reading) -> str | None:
    return reading.rows[0].numbers[0].digits[0].reason


def labels(first: int, count: int) -> str:
    return "".join(map(str, TEST.labels[first : first + count]))


def alike(read: str, true: str) -> int:
    """Return how many characters of a text are read, in place."""
    return sum(one == other for one, other in zip(read, true, strict=False))


@pytest.mark.parametrize("gap", [6, 15, 40, 90])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_row_of_digits_is_read_as_a_number(count: int, gap: float) -> None:
    pictures = [on_paper(row(count, 20 * at, gap)) for at in range(10)]
    texts = [one.text for one in READER.read_many(pictures)]
    assert sum(len(text) == count for text in texts) >= 9
    right = sum(alike(text, labels(20 * at, count)) for at, text in enumerate(texts))
    assert right >= 0.9 * 10 * count - 1  # crops of the dataset: some are read as another


def test_a_column_and_a_page_are_read_row_by_row() -> None:
    for across, down in ((1, 4), (5, 6)):
        grid = list(itertools.product(range(down), range(across)))
        digits = [cropped(at) for at in range(len(grid))]
        places = [(30 + 70.0 * x, 30 + 80.0 * y, 50.0) for y, x in grid]
        picture = on_paper(ink_of(digits, places, (80 * down + 60, 70 * across + 60)))
        rows = [one.text.replace(" ", "") for one in READER.read(picture).rows]
        true = [labels(across * at, across) for at in range(down)]
        assert [len(one) for one in rows] == [across] * down
        assert sum(map(alike, rows, true)) >= 0.95 * across * down - 1


@pytest.mark.parametrize("gap", [9, 15])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_narrow_column_is_more_than_one(count: int, gap: int) -> None:
    texts = []
    for first in range(10):
        digits = [cropped(10 * first + at) for at in range(count)]
        places = [(40 - digits[at].shape[1], 30 + at * (60.0 + gap), 60.0) for at in range(count)]
        shape = (60 + count * (60 + gap), 110)
        texts.append(READER.read(on_paper(ink_of(digits, places, shape))).text)
    assert sum(text.count("\n") == count - 1 for text in texts) >= (4 if count == 2 else 8)
    assert sum(len(text) == 1 and text != "?" for text in texts) <= 3


def test_an_array_of_several_digits_is_a_number() -> None:
    array = np.concatenate(list(TEST.images[[3, 8, 7]]), axis=1)
    for picture in (array, 255 - array):
        text = READER.read(picture).text
        assert len(text) == 3
        assert alike(text, "".join(map(str, TEST.labels[[3, 8, 7]]))) >= 2


def test_what_is_refused_is_read_where_nothing_is_to_be() -> None:
    picture = on_paper(row(3, 0, 40))
    strict, read = READER.read(picture, reject=1e-6), READER.read(picture, reject="none")
    assert (strict.text, read.text) == ("???", labels(0, 3))
    assert [digit.digit for digit in strict.rows[0].numbers[0].digits] == TEST.labels[:3].tolist()
    assert "unsure" in str(strict.to_json())


@pytest.mark.parametrize("kind", ["plain", "ruled", "squared", "shadow", "noise", "thin"])
def test_one_digit_is_not_more_than_one(kind: str) -> None:
    pictures = [photograph(image, kind, 11, at) for at, image in enumerate(TEST.images[:60])]
    reasons = [reason(one) for one in READER.read_many(pictures) if one.rows]
    assert reasons.count(SEVERAL) == 0


def test_remains_of_neighbours_and_specks_are_no_digits() -> None:
    chance = np.random.default_rng(4)
    reasons = []
    for at in range(60):
        digits = [cropped(3 * at + one) for one in range(3)]
        middle = digits[1].shape[1] * 60 / digits[1].shape[0]
        left = -0.7 * digits[0].shape[1] * 60 / digits[0].shape[0]
        shape = (110, round(60 + middle))
        places = [(left, 25.0, 60.0), (30.0, 25.0, 60.0), (shape[1] - 5.0, 25.0, 60.0)]
        picture = on_paper(ink_of(digits, places, shape))
        for x, y, radius in chance.integers((0, 0, 1), (shape[1], shape[0], 4), (4, 3)).tolist():
            cv2.circle(picture, (x, y), radius, (60, 60, 60), -1)
        reasons.append(reason(READER.read(picture)))
    assert reasons.count(SEVERAL) == 0
    assert reasons.count(None) >= 54  # the others are not sure enough


def test_a_digit_of_a_few_pixels_is_too_small() -> None:
    for height, expected in ((4, "too small"), (5, "too small"), (12, None)):
        paper = np.full((40, 40, 3), 220, np.uint8)
        small = cv2.resize(cropped(0), (height, height), interpolation=cv2.INTER_AREA)
        paper[15 : 15 + height, 15 : 15 + height] -= (small * 0.7).astype(np.uint8)[..., None]
        assert reason(READER.read(paper)) == expected


def test_rivals_are_as_high_as_the_digit_and_of_its_pen() -> None:
    picture = on_paper(row(3, 0, 40))
    boxes = sorted(rival.box for rival in find_glyph(picture).rivals)
    assert len(boxes) == 3
    assert all(abs(height - 60) < 8 for _, _, _, height in boxes)
    with_line = on_paper(row(1, 0, 0))
    assert find_glyph(with_line).rivals == ()
    cv2.line(with_line, (16, 30), (16, 95), (90, 90, 90), 2)
    assert len(find_glyph(with_line).rivals) < 2


WHOLE: Box = (10, 10, 60, 50)


def answer(confidence: float | None, box: Box, why: str | None = None) -> Digit:
    return Digit(1, confidence, why, box, None)


@pytest.mark.parametrize(
    ("whole", "rivals", "expected"),
    [
        (answer(0.9, WHOLE), [], False),
        (answer(0.9, WHOLE), [answer(0.99, WHOLE)], False),
        (answer(0.9, WHOLE), [answer(0.99, WHOLE), answer(0.99, (100, 10, 40, 50))], True),
        (answer(0.9, WHOLE), [answer(0.99, WHOLE), answer(0.6, (100, 10, 40, 50))], False),
        (
            answer(0.9, WHOLE),
            [answer(0.99, WHOLE), answer(0.9, (100, 10, 40, 50), "not a digit")],
            False,
        ),
        # Parts of what was taken: the surer reading holds, and pieces of strokes are none.
        (
            answer(0.9, WHOLE),
            [answer(0.95, (10, 10, 20, 50)), answer(0.97, (40, 10, 20, 50))],
            True,
        ),
        (
            answer(0.9, WHOLE),
            [answer(0.8, (10, 10, 20, 50)), answer(0.97, (40, 10, 20, 50))],
            False,
        ),
        (
            answer(0.2, WHOLE),
            [answer(0.8, (10, 10, 20, 25)), answer(0.97, (40, 35, 20, 25))],
            False,
        ),
        (
            answer(0.0, WHOLE, "not a digit"),
            [answer(0.55, (10, 10, 20, 50)), answer(0.97, (40, 10, 20, 50))],
            True,
        ),
        (answer(None, WHOLE), [answer(None, WHOLE), answer(None, (100, 10, 40, 50))], True),
    ],
)
def test_two_rivals_that_are_digits_make_several(
    whole: Digit, rivals: list[Digit], expected: bool
) -> None:
    seen = several(whole, rivals)
    assert (len(seen) > 1) is expected
    assert seen == tuple(one for one in rivals if expected and not one.refused)


def test_a_digit_that_is_seen_is_beside_the_one_that_was_taken_or_a_part_of_it() -> None:
    far, near, left, right = (100, 10, 40, 50), (74, 10, 40, 50), (10, 10, 20, 50), (40, 9, 20, 50)
    almost = (12, 8, 59, 49)
    for seen, expected in (
        ([almost, far], (far,)),
        ([far, almost, near], (far, near)),
        ([left, right], (left, right)),
        ([left, far, right], (left, far, right)),
        ([far, near], (far, near)),
    ):
        answers = [answer(0.9, box) for box in seen]
        assert besides(answer(0.9, WHOLE), answers) == expected


@pytest.mark.parametrize(("count", "gap", "side"), [(2, 40, 1), (5, 40, 1), (5, 40, 4), (2, 40, 8)])
def test_each_digit_of_a_number_has_its_box(count: int, gap: float, side: int) -> None:
    """Also in a picture of which they are a small part, that is looked at twice."""
    picture = on_paper(row(count, 4, gap))
    rows, columns = picture.shape[:2]
    paper = np.full((rows * side, columns * side, 3), 210, np.uint8)
    paper[:rows, :columns] = picture
    digits = [digit for one in READER.read(paper).rows[0].numbers for digit in one.digits]
    columns_of_ink = (picture.min(axis=(0, 2)) < 120).astype(int)
    edges = np.flatnonzero(np.diff(columns_of_ink)) + 1
    stands = [(int(left), int(right)) for left, right in edges.reshape(-1, 2)]
    assert len(digits) == count
    for (x, y, width, height), ends in zip((one.box for one in digits), stands, strict=True):
        assert (x, x + width) == pytest.approx(ends, abs=6)
        assert (y, y + height) == pytest.approx((36, 96), abs=6)


def test_a_network_without_probabilities_refuses_more_than_one(write_model: WriteModel) -> None:
    """Nobody can weigh ways to cut a row by values, so that no page is read."""
    reading = Recogniser(write_model(value=True)).read(on_paper(row(3, 0, 40)))
    (digit,) = reading.rows[0].numbers[0].digits
    assert (reading.text, digit.reason, len(digit.rivals)) == ("?", SEVERAL, 2)
    assert "rivals" not in str(reading.to_json())
