"""Makes docs/vectors/: ink, the 28 x 28 that it becomes, and what the shipped model says of it.

Run `python tests/preparation/make_vectors.py docs/vectors` after a new version of the preparation
or another model that ships; a test checks that what lies there is what we give.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

import digitlab
from digitlab.preparation import VERSION, normalise

Ink = npt.NDArray[np.uint8]
Line = Sequence[tuple[int, int]]

_SEVEN: Line = ((10, 10), (90, 10), (40, 140))
_TWO: Line = ((10, 40), (20, 12), (60, 5), (88, 30), (80, 70), (10, 140), (95, 140))


def cases() -> Iterator[tuple[str, Ink]]:
    """Yield the name of each case, and its ink, uint8 [H, W], 255 where there is all of it."""
    test = digitlab.load_dataset("mnist").splits["test"]
    for digit in range(10):
        yield f"mnist-{digit}", test.images[int(np.argmax(test.labels == digit))]
    yield "seven", strokes(_SEVEN, (100, 150), 1, 12)
    yield "seven-off-centre", np.pad(strokes(_SEVEN, (100, 150), 1, 12), ((90, 3), (0, 40)))
    yield "seven-thin", strokes(_SEVEN, (100, 150), 1, 2)
    yield "seven-large", strokes(_SEVEN, (100, 150), 6, 70)
    yield "seven-large-and-thin", strokes(_SEVEN, (100, 150), 12, 1)
    yield "seven-tiny", shrunk(strokes(_SEVEN, (100, 150), 1, 16), (6, 9))
    yield "seven-faint", strokes(_SEVEN, (100, 150), 1, 12) // 3
    yield "two-thin", strokes(_TWO, (105, 150), 1, 3)
    yield "two-of-binary-pixels", np.where(strokes(_TWO, (105, 150), 1, 9) > 127, 255, 0)
    yield "two-wide", shrunk(strokes(_TWO, (105, 150), 1, 14), (180, 40))
    yield "one-narrow", shrunk(strokes(((50, 5), (50, 145)), (100, 150), 1, 8), (9, 150))
    yield "zero-with-a-small-hole", ring(150, 9, 2)
    yield "zero-with-a-large-hole", ring(150, 50, 2)
    yield "zero-of-single-pixels", ring(70, 22, 1, cv2.LINE_8)
    yield "eight-thin", np.vstack([ring(90, 14, 2)[:88], ring(90, 22, 2)[30:]])
    yield "six-almost-closed", almost_closed()
    yield "one-pixel", np.full((1, 1), 255)
    yield "too-faint", strokes(_SEVEN, (100, 150), 1, 12) // 8


def strokes(line: Line, size: tuple[int, int], scale: int, width: int) -> Ink:
    """Draw a line with soft edges, `scale` times as large."""
    ink = np.zeros((scale * size[1], scale * size[0]), np.uint8)
    points = (scale * np.array(line)).reshape(-1, 1, 2)
    cv2.polylines(ink, [points], False, 255, width, cv2.LINE_AA)
    return ink


def shrunk(ink: Ink, size: tuple[int, int]) -> Ink:
    """Return ink of another width and height."""
    return np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.uint8)


def ring(side: int, radius: int, width: int, edges: int = cv2.LINE_AA) -> Ink:
    """Draw a circle into a square, with a stroke up to its edge."""
    ink = np.zeros((side, side), np.uint8)
    cv2.circle(ink, (side // 2, side // 2), radius, 255, width, edges)
    cv2.line(ink, (side // 2, 4), (side // 2, side // 2 - radius), 255, width, edges)
    return ink


def almost_closed() -> Ink:
    """Draw a six whose loop has a gap that thickening must not close."""
    ink = np.zeros((120, 90), np.uint8)
    cv2.ellipse(ink, (45, 80), (28, 30), 0, 200, 545, 255, 2, cv2.LINE_AA)
    cv2.line(ink, (19, 68), (60, 5), 255, 2, cv2.LINE_AA)
    return ink


def vector(name: str, ink: Ink, recogniser: digitlab.Recogniser) -> dict[str, Any]:
    """Return what of a case is written as JSON."""
    image = normalise(ink.astype(np.float32) / np.float32(255))
    likely = recogniser.probabilities(image[None], prepared=True)[0]
    return {
        "name": name,
        "ink": f"{name}.png",
        "image": image.tolist(),
        "probabilities": [round(float(one), 7) for one in likely],
    }


def main(folder: Path) -> None:
    """Write all cases into a folder."""
    folder.mkdir(exist_ok=True)
    recogniser = digitlab.Recogniser()
    vectors = []
    for name, ink in cases():
        Image.fromarray(ink.astype(np.uint8)).save(folder / f"{name}.png", optimize=True)
        vectors.append(vector(name, ink.astype(np.uint8), recogniser))
    about = {"preparation": VERSION, "model_sha256": recogniser.model.sha256}
    text = ",\n".join(json.dumps(one, separators=(",", ":")) for one in vectors)
    head = json.dumps(about)[:-1]
    (folder / "vectors.json").write_text(f'{head}, "vectors": [\n{text}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
