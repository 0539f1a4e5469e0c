"""Why a picture was read as it was: what the network saw, the way to it, and where it looked.

Used by `digitlab read --explain`; drawn by sheet.py. Where it looked is found by covering places
and asking again (Zeiler and Fergus, 2014), which needs answers alone, no gradients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from digitlab.decoding import Picture
from digitlab.durable_files import write_whole
from digitlab.errors import DigitlabError
from digitlab.layout.upright import read_turned
from digitlab.preparation import SIDE, Step
from digitlab.reading.columns import columns_of
from digitlab.reading.glyphs import find_glyphs
from digitlab.reading.picture_files import marked_png
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.types import Digit, Reading

Floats = npt.NDArray[np.float32]

PATCH = 7  # pixels a side; a quarter of the image, wide enough to cut a stroke
MOST = 24  # digits of a page, the least certain ones; where it looked takes 0.3 s for each


@dataclass(frozen=True)
class ExplainedDigit:
    """What can be said about one digit that was read.

    Attributes:
        digit: what was answered, refused or not.
        image: uint8 [28, 28], what the network saw.
        attention: float32 [28, 28], by how much the probability of the answer falls when a patch
            around a pixel is covered with ground, negative where it rises; for a network trained
            with square error, by how much its value changes.
        no_digit: the probability of no digit at all; None for networks without that answer.
        place: where on a page it is, in words; empty elsewhere.
    """

    digit: Digit
    image: Picture
    attention: Floats
    no_digit: float | None
    place: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the image and the attention, for programs; the answer is in the reading."""
        return {
            "box": list(self.digit.box),
            "no_digit": self.no_digit,
            "attention": [[round(float(value), 6) for value in row] for row in self.attention],
            "image": self.image.tolist(),
        }


@dataclass(frozen=True)
class Explanation:
    """What can be said about one reading of one picture.

    Attributes:
        picture: uint8 [H, W] or [H, W, 3], upright.
        reading: what was read in it.
        steps: of the preparation, each with a name and an image; empty for blank paper.
        digits: that was read; of a page at most `MOST`, the least certain first; empty for blank
            paper.
    """

    picture: Picture
    reading: Reading
    steps: tuple[Step, ...]
    digits: tuple[ExplainedDigit, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the reading, and of each digit the image and the attention, for programs.

        Those of the first digit stand by themselves; `digits` has all, where there are several.
        """
        digits = [one.to_json() for one in self.digits]
        first = digits[0] if digits else {}
        shown = {
            "reading": self.reading.to_json(),
            "no_digit": first.get("no_digit"),
            "patch": PATCH,
            "attention": first.get("attention"),
            "image": first.get("image"),
            "steps": [step.name for step in self.steps],
        }
        return shown | ({"digits": digits} if len(digits) > 1 else {})

    def write(self, folder: Path) -> None:
        """Write explanation.png for people, explanation.json, and what the network saw.

        That is network-saw.png for the first digit, network-saw-2.png and so on for the others.

        Raises:
            DigitlabError: where they cannot be written.
        """
        from digitlab.reading.sheet import explanation_sheet

        try:
            folder.mkdir(parents=True, exist_ok=True)
            sheet = explanation_sheet(self)
            write_whole(folder / "explanation.png", marked_png(sheet))
            for number, one in enumerate(self.digits, 1):
                name = "network-saw.png" if number == 1 else f"network-saw-{number}.png"
                write_whole(folder / name, marked_png(Image.fromarray(one.image)))
            text = json.dumps(self.to_json(), indent=None) + "\n"
            write_whole(folder / "explanation.json", text.encode())
        except OSError as error:
            reason = error.strerror or str(error)
            raise DigitlabError(f"{folder}: the explanation cannot be written: {reason}") from error


def explain_reading(recogniser: Recogniser, picture: Picture, reading: Reading) -> Explanation:
    """Explain a reading of a picture: the digits in it, and the way from the picture to them.

    Args:
        recogniser: that gave the reading.
        picture: uint8 [H, W] or [H, W, 3], upright, as `load_picture` gives it.
        reading: of that picture, without an error.
    """
    places = _places(reading)
    if not places:  # blank: nothing to explain, but the picture itself
        return Explanation(picture, reading, (), ())
    steps: list[Step] = []
    name, version = reading.file or "the picture", recogniser.model.preparation
    glyphs = find_glyphs(picture, name, steps.append, version)
    if sum(len(number.written) for row in reading.rows for number in row.numbers) > len(glyphs):
        return _explain_page(recogniser, picture, reading, places)
    image_at = {glyph.box: glyph.image for glyph in glyphs}
    chosen = [(digit, image_at[digit.box], "") for digit, _ in places]
    return Explanation(picture, reading, tuple(steps), _explained(recogniser, chosen))


def _explain_page(
    recogniser: Recogniser, picture: Picture, reading: Reading, places: list[tuple[Digit, str]]
) -> Explanation:
    """Explain a page, which is read again to see its steps, and its least certain digits."""
    steps: list[Step] = [Step("picture", picture)]
    rows = read_turned(picture, recogniser.networks, reading.turned, steps.append)
    found = (one for row in rows for number in row.numbers for one in number)
    image_at = {one.box: one.image for one in found if one.image is not None}
    places = [(digit, place) for digit, place in places if digit.box in image_at]
    places.sort(key=lambda one: (not one[0].refused, one[0].confidence or 0.0))
    chosen = [(digit, image_at[digit.box], place) for digit, place in places[:MOST]]
    return Explanation(picture, reading, tuple(steps), _explained(recogniser, chosen))


def _places(reading: Reading) -> list[tuple[Digit, str]]:
    """Return each digit of a reading, and where it stands in words, as CSV counts."""
    return [
        (digit, f"row {at}, column {column}, digit {place}")
        for at, (row, columns) in enumerate(
            zip(reading.rows, columns_of(reading.rows, reading.turned), strict=True), 1
        )
        for number, column in zip(row.numbers, columns, strict=True)
        for place, digit in enumerate(number.digits, 1)
    ]


def _explained(
    recogniser: Recogniser, chosen: Sequence[tuple[Digit, Picture, str]]
) -> tuple[ExplainedDigit, ...]:
    """Explain digits, each with its image and its place."""
    no_digits: list[float | None] = [None] * len(chosen)
    if recogniser.model.output == "logits":
        images = np.stack([image for _, image, _ in chosen])
        likely = recogniser.probabilities(images, prepared=True)
        no_digits = [float(one[10]) if len(one) > 10 else None for one in likely]
    return tuple(
        ExplainedDigit(digit, image, attention(recogniser, image), no_digit, place)
        for (digit, image, place), no_digit in zip(chosen, no_digits, strict=True)
    )


def attention(recogniser: Recogniser, image: Picture) -> Floats:
    """Return by how much the answer for an image suffers when a place is covered.

    Args:
        recogniser: any; one with probabilities or with values.
        image: uint8 [28, 28] from `preparation.prepare`.

    Returns:
        float32 [28, 28]: the probability of the best digit less that with the square of `PATCH`
        pixels around a pixel set to ground; or the change of the value.
    """
    covered = np.repeat(image[None], SIDE * SIDE, axis=0)
    half = PATCH // 2
    for at, one in enumerate(covered):
        y, x = divmod(at, SIDE)
        one[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = 0
    images = np.concatenate([image[None], covered])
    if recogniser.model.output == "value":
        values = recogniser.values(images, prepared=True)
        changes = np.abs(np.nan_to_num(values[1:]) - values[0])
    else:
        likely = recogniser.probabilities(images, prepared=True)
        answer = likely[:, int(likely[0, :10].argmax())]
        changes = answer[0] - answer[1:]
    return np.asarray(changes, np.float32).reshape(SIDE, SIDE)
