"""Whether more than one digit in a picture is told from one: numbers, pages, and single digits.

    python benchmarks/several.py [--split valid|test] [--pictures N] [--photographs DIR]
        [--semeion FILE.npz] [--peers PYTHON] [--json]

Numbers of 2 to 10 digits are made pictures of every kind; their digits stand apart by a twentieth
of their height or up to more than it, or touch. Pages have 2 to 5 rows of such numbers. Single
digits are those of reading.py, and two made harder: with a stroke that is broken, and with remains
of neighbours at both edges and specks. Choices are made on `--split valid`, the default.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

import digitlab
from digitlab.data.dataset import Split
from digitlab.evaluation import evenly
from digitlab.reading.types import REASONS, Reading
from digitlab.synthesis.camera import KINDS, photograph
from reading import has, photographs, scikit_learns, semeions

ANSWERS = ("one digit", "several", *REASONS, "blank")
HEIGHT = 20  # pixels of a digit in the ink that a made picture is taken of


def cropped(image: np.ndarray) -> np.ndarray:
    """Return the digit of uint8 [28, 28] without its margins."""
    return image[image.max(axis=1) > 60][:, image.max(axis=0) > 60]


def number(chance: np.random.Generator, split: Split) -> np.ndarray:
    """Return the ink of 2 to 10 digits in a row, uint8 [40, W]."""
    count = int(chance.choice([2, 2, 2, 3, 3, 4, 5, 6, 8, 10]))
    gap = chance.choice([chance.uniform(*wide) for wide in ((0, 2), (1, 5), (3, 12), (8, 25))])
    ink, x = np.zeros((40, 60 * count + 40), np.uint8), 6
    for index in chance.integers(0, len(split), count):
        digit = cropped(split.images[index])
        scale = HEIGHT / max(digit.shape) * chance.uniform(0.85, 1.15)
        size = tuple(max(2, round(side * scale)) for side in digit.shape[::-1])
        digit = cv2.resize(digit, size, interpolation=cv2.INTER_AREA)
        y = int(8 + (24 - size[1]) / 2 + chance.uniform(-2, 2))
        part = ink[y : y + size[1], x : x + size[0]]
        np.maximum(part, digit, out=part)
        x += size[0] + max(1, round(gap * chance.uniform(0.7, 1.3)))
    return ink[:, : x + 6]


def numbers(split: Split, count: int) -> Iterator[np.ndarray]:
    """Yield made pictures of numbers, of every kind but the small one."""
    chance = np.random.default_rng(7)
    for kind in KINDS:
        if kind != "small":
            for at in range(count if kind != "large" else count // 8):
                yield photograph(number(chance, split), kind, 7, at)


def pages(split: Split, count: int) -> Iterator[np.ndarray]:
    """Yield pages of 2 to 5 rows of numbers, some of them ruled or squared."""
    chance = np.random.default_rng(8)
    for _ in range(count):
        rows = [number(chance, split) for _ in range(chance.integers(2, 6))]
        wide = max(row.shape[1] for row in rows)
        rows = [np.pad(row, ((0, 8), (0, wide - row.shape[1]))) for row in rows]
        yield on_ground(chance, np.pad(np.concatenate(rows), 12), 4)


def on_ground(chance: np.random.Generator, ink: np.ndarray, scale: int) -> np.ndarray:
    """Lay ink on paper, enlarged: uint8 [H, W, 3]; two in five are ruled, half of these squared."""
    large = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    light = np.linspace(chance.uniform(0.8, 1), 1, large.shape[1], dtype=np.float32)
    paper = np.full(large.shape, chance.uniform(170, 240), np.float32) * light
    if chance.random() < 0.4:
        pitch = int(chance.integers(50, 130))
        paper[int(chance.integers(pitch)) :: pitch] *= 0.75
        if chance.random() < 0.5:
            paper[:, int(chance.integers(pitch)) :: pitch] *= 0.75
    cover = np.clip((large / 255 - 0.4) * 4 + 0.5, 0, 1)
    grain = chance.normal(0, 2, large.shape)
    laid = np.rint(paper * (1 - cover) + 40 * cover + grain).clip(0, 255).astype(np.uint8)
    return np.repeat(laid[..., None], 3, axis=2)


def broken(split: Split, count: int) -> Iterator[np.ndarray]:
    """Yield made pictures of digits that a straight gap runs through."""
    chance = np.random.default_rng(9)
    y, x = np.mgrid[:28, :28] - 14.0
    for at, index in enumerate(evenly(len(split), count)):
        angle, away, half = chance.uniform((0, -6, 0.6), (np.pi, 6, 1.8))
        image = split.images[index].copy()
        image[np.abs(x * np.cos(angle) + y * np.sin(angle) - away) < half] = 0
        if image.max() > 100:
            yield photograph(image, KINDS[at % len(KINDS)], 9, at)


def beside_remains(split: Split, count: int) -> Iterator[np.ndarray]:
    """Yield digits with what a crop leaves of their neighbours at both edges, and specks."""
    chance = np.random.default_rng(10)
    for index in evenly(len(split) - 2, count):
        gap = int(chance.integers(2, 8))
        ink, sides = np.zeros((36, 100), np.uint8), []
        x = 2
        for image in split.images[index : index + 3]:
            digit = cropped(image)
            height, width = digit.shape
            ink[8 : 8 + height, x : x + width] = digit
            sides.append((x, x + width))
            x += width + gap
        before, after = (max(2, (sides[at][1] - sides[at][0]) // 2) for at in (0, 2))
        left = sides[1][0] - gap - 1 - int(chance.integers(before))
        right = sides[1][1] + gap + 1 + int(chance.integers(after))
        picture = on_ground(chance, ink[:, max(0, left) : right], 5)
        for _ in range(chance.integers(6)):
            place = chance.integers((0, 0), picture.shape[1::-1]).tolist()
            cv2.circle(picture, place, int(chance.integers(1, 5)), (60, 60, 60), -1)
        yield picture


def answer(reading: Reading) -> str:
    """Return what became of a picture, one of `ANSWERS`."""
    digits = [one for row in reading.rows for number in row.numbers for one in number.digits]
    if len(digits) > 1:
        return "several"
    return (digits[0].reason or "one digit") if digits else "blank"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--pictures", type=int, default=60, help="made, of each kind")
    parser.add_argument("--photographs", type=Path, metavar="DIR")
    parser.add_argument("--semeion", type=Path, metavar="FILE.npz")
    parser.add_argument("--peers", default=".bench/venv/bin/python", help="the peers' Python")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    recogniser = digitlab.Recogniser()
    split = digitlab.load_dataset("mnist").splits[chosen.split]
    made = evenly(len(split), chosen.pictures * 5)
    sets: dict[str, Iterable[np.ndarray]] = {
        "numbers": numbers(split, chosen.pictures),
        "pages": pages(split, chosen.pictures),
        f"MNIST {chosen.split}, each a picture": split.images,
        "made pictures of one": (
            photograph(split.images[i], kind, 1, int(i)) for kind in KINDS for i in made
        ),
        "broken": broken(split, 10 * chosen.pictures),
        "beside remains": beside_remains(split, 8 * chosen.pictures),
    }
    if has(chosen.peers, "sklearn"):
        sets["scikit-learn's digits"] = scikit_learns(chosen.peers)[0]
    if chosen.semeion:
        sets["Semeion"] = semeions(chosen.semeion)[0]
    if chosen.photographs:
        sets["photographs of one"] = photographs(chosen.photographs)[0]
    result: dict[str, dict[str, int]] = {}
    if not chosen.json:
        print(f"{'':<28}{'pictures':>9}" + "".join(f"{answer:>21}" for answer in ANSWERS))
    for name, pictures in sets.items():
        found: Counter[str] = Counter()
        for reading in recogniser.read_many(pictures):
            found[answer(reading)] += 1
        result[name] = {answer: found[answer] for answer in ANSWERS}
        if not chosen.json:
            counts = "".join(f"{found[answer]:>21,}" for answer in ANSWERS)
            print(f"{name:<28}{found.total():>9,}{counts}", flush=True)
    if chosen.json:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
