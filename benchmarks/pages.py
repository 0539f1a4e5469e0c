"""How well pages of numbers are read: made pages by kind, blank ones, photographs, and peers.

    python benchmarks/pages.py [--model FILE] [--split valid|test] [--pages N]
        [--photographs DIR] [--peers [PYTHON]] [--json]

Pages are made of MNIST's digits; each of those digits is also cut out of its page, spoilt as it is
there, and read singly. Choices are made on `--split valid`, the default. `DIR` has a truth.tsv, as
`digitlab evaluate --pages` takes it. Peers get the same files and are asked for digits where they
can be: Tesseract as the program of that name, and what the named Python has of EasyOCR, PaddleOCR
and RapidOCR, which runs PaddleOCR's networks.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import digitlab
from digitlab.data.dataset import Split
from digitlab.decoding import load_picture
from digitlab.evaluation import PageScore, read_truth, score
from digitlab.reading.types import Digit, Mark, Number, Reading, Row
from digitlab.synthesis.blank_pages import BLANK_KINDS, made_blank_page
from digitlab.synthesis.pages import PAGE_KINDS, MadePage, made_page, single
from reading import has

SEED = 1  # of the made pages
NOWHERE = (0, 0, 0, 0)
Page = tuple[np.ndarray, str]  # a picture, and what is written on it
Reader = Callable[[Sequence[np.ndarray]], list[Reading]]

# Each prints, for every file named, a line of JSON: boxes x, y, width, height with their text.
PEERS = {
    "EasyOCR": """
import json, sys
import easyocr
reader = easyocr.Reader(["en"], gpu=False, verbose=False)
for file in sys.argv[1:]:
    found = []
    for corners, text, _ in reader.readtext(file, allowlist="0123456789.,-/: "):
        (x, y), (right, bottom) = map(min, zip(*corners)), map(max, zip(*corners))
        found.append([float(x), float(y), float(right - x), float(bottom - y), text])
    print(json.dumps(found))
""",
    "PaddleOCR": """
import json, sys
from paddleocr import PaddleOCR
reader = PaddleOCR(lang="en")
for file in sys.argv[1:]:
    found = []
    for page in reader.predict(file):
        for (x, y, right, bottom), text in zip(page["rec_boxes"].tolist(), page["rec_texts"]):
            found.append([x, y, right - x, bottom - y, text])
    print(json.dumps(found))
""",
    "RapidOCR": """
import json, sys
from rapidocr_onnxruntime import RapidOCR
reader = RapidOCR()
for file in sys.argv[1:]:
    found = []
    for corners, text, _ in reader(file)[0] or ():
        (x, y), (right, bottom) = map(min, zip(*corners)), map(max, zip(*corners))
        found.append([x, y, right - x, bottom - y, text])
    print(json.dumps(found))
""",
}
MODULES = {"EasyOCR": "easyocr", "PaddleOCR": "paddleocr", "RapidOCR": "rapidocr_onnxruntime"}
TESSERACT = ["-", "--psm", "6", "-c", "tessedit_char_whitelist=0123456789"]


def made(split: Split, kind: str, count: int) -> list[MadePage]:
    """Return made pages of one kind."""
    return [made_page(split.images, split.labels, kind, SEED, at) for at in range(count)]


def measured(read: Reader, pages: Sequence[Page]) -> dict[str, Any]:
    """Return the counts of one reader on some pages, and the seconds that a page takes it."""
    begun = time.perf_counter()
    readings = read([picture for picture, _ in pages])
    seconds = (time.perf_counter() - begun) / len(pages)
    scores = (score(truth, one) for (_, truth), one in zip(pages, readings, strict=True))
    return {**sum(scores, PageScore()).to_json(), "seconds": seconds}


def singly(recogniser: digitlab.Recogniser, pages: Iterable[MadePage]) -> int:
    """Return how many digits of pages are read right, each cut out of its page."""
    right = 0
    for page in pages:
        places = [
            (row, number, at, one.text)
            for row, numbers in enumerate(page.rows)
            for number, written in enumerate(numbers)
            for at, one in enumerate(written)
            if one.index is not None
        ]
        readings = recogniser.read_many(single(page, *place) for *place, _ in places)
        right += sum(one.text == place[-1] for one, place in zip(readings, places, strict=True))
    return right


def blanks(recogniser: digitlab.Recogniser, count: int) -> dict[str, dict[str, int]]:
    """Return for each kind of blank page how many gave a digit, and how many only refusals."""
    result = {}
    for kind in BLANK_KINDS:
        pictures = (made_blank_page(kind, SEED, at) for at in range(count))
        texts = [reading.text for reading in recogniser.read_many(pictures)]
        read = sum(any(one.isdigit() for one in text) for text in texts)
        refused = sum("?" in text for text in texts if not any(one.isdigit() for one in text))
        result[kind] = {"pages": count, "read": read, "refused": refused}
    return result


def reading_of(lines: Iterable[str]) -> Reading:
    """Return what a peer said as a reading: digits and marks, everything else left out."""
    rows = []
    for line in lines:
        numbers = [number for number in map(number_of, line.split()) if number.written]
        if numbers:
            rows.append(Row(tuple(numbers), NOWHERE))
    return Reading(None, tuple(rows))


def number_of(text: str) -> Number:
    """Return the digits and marks of a word."""
    digits: list[Digit] = []
    marks: list[Mark] = []
    for one in text:
        if one in "0123456789":
            digits.append(Digit(int(one), None, None, NOWHERE, None))
        elif one in ".,-/:+":
            marks.append(Mark(one, None, False, NOWHERE, len(digits)))
    return Number(tuple(digits), NOWHERE, None, tuple(marks))


def lines_of(boxes: Iterable[tuple[float, float, float, float, str]]) -> list[str]:
    """Return the text of boxes line by line: those beside each other are one line."""
    lines: list[list[tuple[float, float, float, float, str]]] = []
    for box in sorted(boxes, key=lambda one: one[1] + one[3] / 2):
        middle = box[1] + box[3] / 2
        near = lines[-1][-1] if lines else None
        if near is not None and abs(middle - near[1] - near[3] / 2) < min(box[3], near[3]) / 2:
            lines[-1].append(box)
        else:
            lines.append([box])
    return [" ".join(box[4] for box in sorted(line)) for line in lines]


def written(folder: str, pictures: Sequence[np.ndarray]) -> list[str]:
    """Write pictures as files, and return their names."""
    names = [str(Path(folder) / f"{at}.png") for at in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(name, compress_level=1)
    return names


def tesseract(pictures: Sequence[np.ndarray]) -> list[Reading]:
    """Read by Tesseract, asked for digits alone in one block."""
    with tempfile.TemporaryDirectory() as folder:
        told = [
            subprocess.run(["tesseract", name, *TESSERACT], capture_output=True, text=True).stdout
            for name in written(folder, pictures)
        ]
    return [reading_of(text.splitlines()) for text in told]


def peer(python: str, name: str) -> Reader:
    """Return how one of `PEERS` reads, in a Python that has it."""

    def read(pictures: Sequence[np.ndarray]) -> list[Reading]:
        with tempfile.TemporaryDirectory() as folder:
            command = [python, "-c", PEERS[name], *written(folder, pictures)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
        return [reading_of(lines_of(json.loads(line))) for line in lines]

    return read


def peers_there(python: str) -> dict[str, Reader]:
    """Return the peers that can read here, and say in a line which cannot."""
    there: dict[str, Reader] = {}
    if shutil.which("tesseract"):
        there["Tesseract"] = tesseract
    for name, module in MODULES.items():
        if has(python, module):
            there[name] = peer(python, name)
    missing = [name for name in ("Tesseract", *MODULES) if name not in there]
    for name in list(there):
        try:
            there[name]([np.full((60, 200, 3), 230, np.uint8)])
        except subprocess.CalledProcessError:  # most often weights that it would have to download
            del there[name]
            missing.append(name)
    if missing:
        which = ", ".join(missing)
        print(f"cannot read here, not installed or without weights: {which}", file=sys.stderr)
    return there


def show(name: str, one: dict[str, Any]) -> None:
    """Print a row of the table."""
    digits = max(1, one["digits"])
    alone = f"{100 * one['singly'] / digits:>8.2f}" if "singly" in one else f"{'-':>8}"
    parts = [f"{100 * one['right'] / digits:>8.2f}", alone, f"{one['refused']:>8,}"]
    parts += [f"{one['extra']:>7,}", f"{one['rows_right']:>6,} of {one['rows']:<5,}"]
    parts += [f"{one['numbers_grouped']:>6,} of {one['numbers']:<5,}"]
    parts += [f"{one['marks_right']:>6,} of {one['marks']:<5,}", f"{one['seconds']:>7.2f}"]
    print(f"{name:<28}{one['digits']:>7,}{''.join(parts)}", flush=True)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="an .onnx file; the one that ships without it")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--pages", type=int, default=20, help="made, of each kind")
    parser.add_argument("--photographs", type=Path, metavar="DIR")
    parser.add_argument("--peers", nargs="?", const=".bench/venv/bin/python", help="their Python")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    recogniser = digitlab.Recogniser(chosen.model)
    readers: dict[str, Reader] = {"": lambda pictures: list(recogniser.read_many(pictures))}
    if chosen.peers:
        readers |= peers_there(chosen.peers)
    split = digitlab.load_dataset("mnist").splits[chosen.split]
    result: dict[str, Any] = {}
    if not chosen.json:
        print(
            f"{'pages':<28}{'digits':>7}{'right %':>8}{'singly':>8}{'refused':>8}{'extra':>7}"
            f"{'rows right':>15}{'grouped':>15}{'marks right':>15}{'s/page':>8}"
        )
    for kind in [*PAGE_KINDS, *(["photographs"] if chosen.photographs else [])]:
        if kind == "photographs":
            truths = read_truth(chosen.photographs).items()
            pages = [(load_picture(chosen.photographs / file), truth) for file, truth in truths]
        else:
            ours = made(split, kind, chosen.pages)
            pages = [(page.picture, page.text) for page in ours]
        for reader, read in readers.items():
            name = f"{kind}, {reader}" if reader else kind
            result[name] = measured(read, pages)
            if kind != "photographs" and not reader:
                result[name]["singly"] = singly(recogniser, ours)
            if not chosen.json:
                show(name, result[name])
    result["blank"] = blanks(recogniser, chosen.pages)
    if chosen.json:
        print(json.dumps(result, indent=2))
        return
    print("\nblank pages on which a digit was read, or something was refused:")
    for kind, one in result["blank"].items():
        print(f"{kind:<28}{one['read']:>5} read{one['refused']:>5} refused, of {one['pages']}")


if __name__ == "__main__":
    main()
