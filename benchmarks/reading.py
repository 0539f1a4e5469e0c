"""How well the model reads: made pictures by kind, digits of other makers, photographs.

    python benchmarks/reading.py [--model FILE] [--split valid|test] [--pictures N]
        [--photographs DIR] [--no-digits DIR] [--semeion FILE.npz] [--peers PYTHON] [--json]

Everything goes the whole way from a picture to the answer. Choices are made on `--split valid`, the
default; `--split test` looks at MNIST's test set. Photographs lie in folders 0 to 9, with the name
of their source before "__". The course's way of preparing a picture is measured beside ours, with
the same network. scikit-learn's digits come from the peers' Python, where that has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import digitlab
from digitlab.decoding import load_picture
from digitlab.evaluation import evenly, wilson_interval
from digitlab.evaluation.robustness import measure_no_digits
from digitlab.synthesis.camera import KINDS, photograph

HERE = Path(__file__).parent
DIGITS_OF_SCIKIT_LEARN = """
import sys
import numpy as np
from sklearn.datasets import load_digits
digits = load_digits()
np.savez(sys.argv[1], images=digits.images, labels=digits.target)
"""

MOST_LARGE = 200  # pictures of several thousand pixels, each made when it is read
Pictures = Iterable[np.ndarray]
Reader = Callable[[Pictures], list[int]]  # the digit in each picture; -1 where none was found


def fraction(right: int, count: int) -> dict[str, Any]:
    """Return a fraction with its 95 % interval."""
    low, high = wilson_interval(right, count)
    return {"count": count, "right": right, "accuracy": right / count, "interval": [low, high]}


def mean_of(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean of fractions; its interval is made of theirs (Zou and Donner, 2008)."""
    mean = float(np.mean([part["accuracy"] for part in parts]))
    below = [part["accuracy"] - part["interval"][0] for part in parts]
    above = [part["interval"][1] - part["accuracy"] for part in parts]
    low, high = (float(np.sqrt(np.square(half).sum())) / len(parts) for half in (below, above))
    return {"accuracy": mean, "interval": [max(0.0, mean - low), min(1.0, mean + high)]}


def ours(recogniser: digitlab.Recogniser) -> Reader:
    """Return how digitlab reads, refusal off."""

    def read(pictures: Pictures) -> list[int]:
        readings = recogniser.read_many(pictures, reject="none")
        return [int(reading.text) if reading.text else -1 for reading in readings]

    return read


def course(recogniser: digitlab.Recogniser) -> Reader:
    """Return how the course reads, by the same network: grey, shrunk to 28 x 28, inverted."""

    def read(pictures: Pictures) -> list[int]:
        small = [Image.fromarray(one).convert("L").resize((28, 28)) for one in pictures]
        inverted = 255 - np.stack([np.asarray(one) for one in small])
        likely = recogniser.probabilities(inverted, prepared=True)
        answers: list[int] = likely[:, :10].argmax(axis=1).tolist()
        return answers

    return read


def has(python: str, module: str) -> bool:
    """Whether a Python is there and has a module."""
    try:
        done = subprocess.run([python, "-c", f"import {module}"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def scikit_learns(python: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Return scikit-learn's digits as pictures of 8 x 8, and their labels."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "digits.npz")
        subprocess.run([python, "-c", DIGITS_OF_SCIKIT_LEARN, path], check=True)
        arrays = np.load(path)
        images = np.minimum(arrays["images"] * 16, 255).astype(np.uint8)  # it has 0 to 16
        return list(images), arrays["labels"].astype(np.int64)


def semeions(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the digits in an .npz with images [N, H, W] and labels [N]."""
    arrays = np.load(path)
    images = arrays["images"]
    return list((images * (255 // images.max())).astype(np.uint8)), arrays["labels"].astype(int)


def photographs(folder: Path) -> tuple[list[np.ndarray], np.ndarray, list[str]]:
    """Return pictures, their digits and their sources."""
    paths = sorted(path for digit in range(10) for path in (folder / str(digit)).glob("*"))
    labels = np.array([int(path.parent.name) for path in paths])
    sources = [path.name.partition("__")[0] for path in paths]
    return [load_picture(path) for path in paths], labels, sources


def measure(read: Reader, chosen: argparse.Namespace, name: str) -> dict[str, Any]:
    """Return what one reader makes of every set that is there."""
    split = digitlab.load_dataset("mnist").splits[chosen.split]
    samples = evenly(len(split), chosen.pictures)
    labels = split.labels[samples]
    found: dict[str, Any] = {}
    for kind in KINDS:
        some = np.s_[: MOST_LARGE if kind == "large" else None]
        made = (photograph(split.images[i], kind, 1, int(i)) for i in samples[some])
        right = np.array(read(made)) == labels[some]
        found[f"made, {kind}"] = fraction(int(right.sum()), len(right))
        print(f"  {name}: {kind}", file=sys.stderr, flush=True)
    sets = {}
    if has(chosen.peers, "sklearn"):
        sets["scikit-learn's digits"] = scikit_learns(chosen.peers)
    if chosen.semeion:
        sets["Semeion"] = semeions(chosen.semeion)
    for title, (pictures, truth) in sets.items():
        found[title] = fraction(int(np.sum(read(pictures) == truth)), len(truth))
    if chosen.photographs:
        pictures, truth, sources = photographs(chosen.photographs)
        right = np.array(read(pictures)) == truth
        each = {}
        for source in sorted(set(sources)):
            its = right[[one == source for one in sources]]
            each[f"photographs, {source}"] = fraction(int(its.sum()), len(its))
        found |= each
        found["photographs, mean over sources"] = mean_of(list(each.values()))
    return found


def measure_refusals(recogniser: digitlab.Recogniser, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return how what is no digit is told from the photographed digits, or from MNIST's."""
    if chosen.photographs:
        readings = recogniser.read_many(photographs(chosen.photographs)[0])
        digits = [reading.rows[0].numbers[0].digits[0] for reading in readings if reading.rows]
        likely = np.array([digit.probabilities for digit in digits])
    else:
        likely = recogniser.probabilities(
            digitlab.load_dataset("mnist").splits[chosen.split].images
        )
    return measure_no_digits(recogniser, chosen.no_digits, likely, None).to_json()


def said(figures: dict[str, Any] | None) -> str:
    """Return a cell of the table."""
    if figures is None:
        return "-"
    low, high = figures["interval"]
    return f"{100 * figures['accuracy']:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="a RUN or an .onnx; else the one that ships")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--pictures", type=int, default=500, help="made, of each kind")
    parser.add_argument("--photographs", type=Path, metavar="DIR")
    parser.add_argument("--no-digits", type=Path, metavar="DIR")
    parser.add_argument("--semeion", type=Path, metavar="FILE.npz")
    parser.add_argument("--peers", default=".bench/venv/bin/python", help="the peers' Python")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    recogniser = digitlab.Recogniser(chosen.model)
    images = digitlab.evaluate(recogniser, "mnist", chosen.split).evaluation
    result: dict[str, Any] = {"split": chosen.split, "digitlab": {}, "course": {}}
    prepared = fraction(images.count - images.errors, images.count)
    result["digitlab"][f"MNIST {chosen.split}, as the model prepares it"] = prepared
    result["digitlab"] |= measure(ours(recogniser), chosen, "digitlab")
    result["course"] = measure(course(recogniser), chosen, "the course's way")
    if chosen.no_digits:
        result["no_digits"] = measure_refusals(recogniser, chosen)
    if chosen.json:
        print(json.dumps(result, indent=2))
        return
    if chosen.split == "test":
        print("This looks at MNIST's test set: no choice is to be made by these figures.\n")
    print("right in %, refusal off (95 % interval)\n")
    print(f"{'':<40}{'digitlab':<26}the course's way")
    for title, figures in result["digitlab"].items():
        print(f"{title:<40}{said(figures):<26}{said(result['course'].get(title))}")
    if not has(chosen.peers, "sklearn"):
        print(f"skipped: scikit-learn's digits, for {chosen.peers} has no sklearn")
    if chosen.no_digits:
        none = result["no_digits"]
        print(
            f"{none['count']} pictures without digits: AUROC {none['auroc']:.3f}, "
            f"{none['refused'] / none['count']:.1%} refused by default, "
            f"{none['refused_at_99_percent_kept']:.1%} where 99 % of the digits are kept"
        )


if __name__ == "__main__":
    main()
