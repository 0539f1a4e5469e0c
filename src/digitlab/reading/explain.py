"""Why a picture was read as it was: what the network saw, the way to it, and where it looked.

Used by `digitlab read --explain`; drawn by sheet.py. Where it looked is found by covering places
and asking again (Zeiler and Fergus, 2014), which needs answers alone, no gradients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from digitlab.decoding import Picture
from digitlab.errors import DigitlabError, PictureError
from digitlab.preparation import SIDE, Step, explain, prepare
from digitlab.reading.picture_files import marked_png
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.types import Digit, Reading

Floats = npt.NDArray[np.float32]

PATCH = 7  # pixels a side; a quarter of the image, wide enough to cut a stroke


@dataclass(frozen=True)
class Explanation:
    """What can be said about one reading of one picture.

    Attributes:
        picture: uint8 [H, W] or [H, W, 3], upright.
        reading: what was read in it.
        steps: of the preparation, each with a name and an image; empty for blank paper.
        image: uint8 [28, 28], what the network saw; None for blank paper.
        attention: float32 [28, 28], by how much the probability of the answer falls when a patch
            around a pixel is covered with ground, negative where it rises; for a network trained
            with square error, by how much its value changes. None where `image` is.
        no_digit: the probability of no digit at all; None for networks without that answer.
    """

    picture: Picture
    reading: Reading
    steps: tuple[Step, ...]
    image: Picture | None
    attention: Floats | None
    no_digit: float | None

    @property
    def digit(self) -> Digit | None:
        """The digit that was read, refused or not; None for blank paper."""
        return self.reading.rows[0].numbers[0].digits[0] if self.reading.rows else None

    def to_json(self) -> dict[str, Any]:
        """Return the reading, the image and the attention, for programs."""
        return {
            "reading": self.reading.to_json(),
            "no_digit": self.no_digit,
            "patch": PATCH,
            "attention": _rounded(self.attention),
            "image": None if self.image is None else self.image.tolist(),
            "steps": [step.name for step in self.steps],
        }

    def write(self, folder: Path) -> None:
        """Write explanation.png for people, explanation.json, and the image as network-saw.png.

        Raises:
            DigitlabError: where they cannot be written.
        """
        from digitlab.reading.sheet import explanation_sheet

        try:
            folder.mkdir(parents=True, exist_ok=True)
            sheet = explanation_sheet(self)
            (folder / "explanation.png").write_bytes(marked_png(sheet))
            if self.image is not None:
                saw = Image.fromarray(self.image)
                (folder / "network-saw.png").write_bytes(marked_png(saw))
            text = json.dumps(self.to_json(), indent=None) + "\n"
            (folder / "explanation.json").write_text(text, encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise DigitlabError(f"{folder}: the explanation cannot be written: {reason}") from error


def explain_reading(recogniser: Recogniser, picture: Picture, reading: Reading) -> Explanation:
    """Explain a reading of a picture of one digit.

    Args:
        recogniser: that gave the reading.
        picture: uint8 [H, W] or [H, W, 3], upright, as `load_picture` gives it.
        reading: of that picture, without an error.
    """
    name = reading.file or "the picture"
    try:
        steps, image = explain(picture, name), prepare(picture)
    except PictureError:  # blank: nothing to explain, but the picture itself
        return Explanation(picture, reading, (), None, None, None)
    no_digit = None
    if recogniser.model.output == "logits":
        likely = recogniser.probabilities(image[None], prepared=True)[0]
        no_digit = float(likely[10]) if len(likely) > 10 else None
    return Explanation(picture, reading, steps, image, attention(recogniser, image), no_digit)


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


def _rounded(values: Floats | None) -> list[list[float]] | None:
    if values is None:
        return None
    return [[round(float(value), 6) for value in row] for row in values]
