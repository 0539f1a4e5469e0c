"""Draws src/digitlab/reading/sample.png, the picture of the first `digitlab read` in the README.

Run `python tests/reading/draw_sample.py src/digitlab/reading/sample.png` to make it again; a test
checks that the file that ships is this drawing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT = 300, 400
FINE = 4  # drawn at so many times the size, then averaged
INK = np.array([38, 52, 112], np.float64)
PAPER = np.array([236, 232, 221], np.float64)
# A five in two strokes: control points of cubic Bezier curves, in pixels of the picture.
STROKES = (
    (
        ((114, 92), (111, 120), (107, 146), (104, 170)),
        ((104, 170), (128, 150), (196, 148), (196, 206)),
        ((196, 206), (196, 268), (124, 284), (92, 250)),
    ),
    (((113, 93), (140, 96), (166, 93), (195, 84)),),
)


def draw() -> npt.NDArray[np.uint8]:
    """Return the sample, uint8 [400, 300, 3]."""
    random = np.random.Generator(np.random.PCG64(5))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    light = 1.02 - 0.13 * (x / WIDTH) ** 2 - 0.09 * (y / HEIGHT)
    coarse = random.normal(0, 1, (25, 19)).astype(np.float32)
    fibres = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    grain = cv2.GaussianBlur(random.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 0.8)
    paper = PAPER * (light + 0.006 * fibres + 0.012 * grain)[..., None]
    flow = 0.93 + 0.05 * fibres + 0.05 * grain
    ink = np.clip(_strokes() * flow, 0, 1)[..., None]
    return np.clip(paper * (1 - ink) + INK * ink, 0, 255).astype(np.uint8)


def save(path: Path) -> None:
    """Write the sample as a PNG of 64 colours, which keeps it small."""
    image = Image.fromarray(draw()).quantize(64, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def _strokes() -> npt.NDArray[np.float64]:
    """Return how much ink the pen leaves, float64 [400, 300] in 0..1; it is slower in curves."""
    canvas = np.zeros((HEIGHT * FINE, WIDTH * FINE), np.uint8)
    for stroke in STROKES:
        for number, curve in enumerate(stroke):
            for t in np.linspace(0, 1, 400):
                a, b, c, d = np.array(curve, np.float64)
                point = (
                    (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
                )
                along = (number + t) / len(stroke)
                radius = 5.6 + 1.1 * np.sin(5 * along) - 2.2 * max(0.0, along - 0.8) / 0.2
                centre = (round(point[0] * FINE), round(point[1] * FINE))
                cv2.circle(canvas, centre, round(radius * FINE), 255, -1)
    small = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small.astype(np.float64) / 255, (0, 0), 0.7)


if __name__ == "__main__":
    save(Path(sys.argv[1]))
