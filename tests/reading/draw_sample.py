"""Draws sample.png and page.jpg in src/digitlab/reading, which the README reads.

Run `python tests/reading/draw_sample.py src/digitlab/reading` to make them again; a test checks
that the files that ship are these drawings.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from digitlab.data import load_dataset

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


# A table with an empty cell; its digits are MNIST's of tests, each the next of its kind.
TABLE = (("27", "304", "64"), ("81", "92", "7"), ("470", "", "36"), ("18", "63", "909"))
CELL_WIDTH, CELL_HEIGHT, MARGIN = 200, 90, 40  # pixels


def draw() -> npt.NDArray[np.uint8]:
    """Return the sample of one digit, uint8 [400, 300, 3]."""
    return _inked(_strokes(), 5)


def draw_page() -> npt.NDArray[np.uint8]:
    """Return the sample of a page, uint8 [440, 680, 3]."""
    split = load_dataset("mnist").splits["test"]
    images = [iter(split.images[split.labels == digit]) for digit in range(10)]
    down, across = len(TABLE), len(TABLE[0])
    size = (down * CELL_HEIGHT + 2 * MARGIN, across * CELL_WIDTH + 2 * MARGIN)
    cover = np.zeros(size, np.float32)
    for line in range(down + 1):
        y = MARGIN + line * CELL_HEIGHT
        cover[y : y + 2, MARGIN:-MARGIN] = 0.5
    for line in range(across + 1):
        x = MARGIN + line * CELL_WIDTH
        cover[MARGIN:-MARGIN, x : x + 2] = 0.5
    for row, numbers in enumerate(TABLE):
        for column, number in enumerate(numbers):
            y = MARGIN + row * CELL_HEIGHT + 12
            x = MARGIN + column * CELL_WIDTH + 20 + 5 * row
            for digit in number:
                image = cv2.resize(next(images[int(digit)]), (64, 64), interpolation=cv2.INTER_AREA)
                part = cover[y : y + 64, x : x + 64]
                np.maximum(part, image.astype(np.float32) / 255, out=part)
                x += 48
    return _inked(cover, 6)


def _inked(cover: npt.NDArray[np.floating], seed: int) -> npt.NDArray[np.uint8]:
    """Return paper with ink on it, uint8 [H, W, 3], where `cover`, 0..1 [H, W], says how much."""
    height, width = cover.shape
    random = np.random.Generator(np.random.PCG64(seed))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    light = 1.02 - 0.13 * (x / width) ** 2 - 0.09 * (y / height)
    coarse = random.normal(0, 1, (height // 16, width // 16 + 1)).astype(np.float32)
    fibres = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = cv2.GaussianBlur(random.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.8)
    paper = PAPER * (light + 0.006 * fibres + 0.012 * grain)[..., None]
    flow = 0.93 + 0.05 * fibres + 0.05 * grain
    ink = np.clip(cover * flow, 0, 1)[..., None]
    return np.clip(paper * (1 - ink) + INK * ink, 0, 255).astype(np.uint8)


def save(folder: Path) -> None:
    """Write the sample as a PNG of 64 colours, which keeps it small, and the page as a JPEG."""
    image = Image.fromarray(draw()).quantize(64, dither=Image.Dither.NONE)
    image.save(folder / "sample.png", optimize=True)
    Image.fromarray(draw_page()).save(folder / "page.jpg", quality=75, optimize=True)


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
