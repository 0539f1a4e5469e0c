"""How fast the model reads: from a file, from a prepared digit, in batches, from a cold start.

`python benchmarks/reading_speed.py [--model FILE] [--rounds N] [--json]`. Each round is a new
process with its threads pinned to one core or two; the figures are medians of the rounds, with the
lowest and highest. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import digitlab
from digitlab.synthesis.camera import photograph

WARM_UP, CALLS = 50, 400
BATCH, BATCHES = 512, 8


def pinned(cores: int, script: list[str]) -> list[str]:
    """Run this file again in a new process on some cores, with as many threads; its output."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **{name: str(cores) for name in names}}
    command = [sys.executable, __file__, "--cores", str(cores), *script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(script)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.splitlines()


def pin(cores: int) -> None:
    """Keep this process and OpenCV to so many cores."""
    import cv2

    cv2.setNumThreads(cores)
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def milliseconds(call: Callable[[], object]) -> dict[str, float]:
    """Return the 50th and 95th percentile of many calls."""
    times = []
    for number in range(WARM_UP + CALLS):
        began = time.perf_counter()
        call()
        if number >= WARM_UP:
            times.append(1000 * (time.perf_counter() - began))
    return {"p50": float(np.percentile(times, 50)), "p95": float(np.percentile(times, 95))}


def digits(model: str | None) -> np.ndarray:
    """Return a batch of digits as the model wants them."""
    from digitlab.preparation import prepare_images

    images = digitlab.load_dataset("mnist").splits["valid"].images[:BATCH]
    return prepare_images(images, digitlab.Recogniser(model).model.preparation)


def one(model: str | None, picture: str) -> dict[str, float]:
    """Return milliseconds of one digit, on the cores of this process."""
    recogniser = digitlab.Recogniser(model)
    prepared = digits(model)[:1]
    file = milliseconds(lambda: recogniser.read(picture))
    array = milliseconds(lambda: recogniser.probabilities(prepared, prepared=True))
    return {
        "file to answer, p50 ms": file["p50"],
        "file to answer, p95 ms": file["p95"],
        "prepared digit to answer, p50 ms": array["p50"],
        "prepared digit to answer, p95 ms": array["p95"],
    }


def many(model: str | None, threads: int, name: str) -> dict[str, float]:
    """Return prepared digits a second in batches."""
    recogniser = digitlab.Recogniser(model, threads)
    prepared = digits(model)
    recogniser.probabilities(prepared, prepared=True)
    began = time.perf_counter()
    for _ in range(BATCHES):
        recogniser.probabilities(prepared, prepared=True)
    seconds = time.perf_counter() - began
    return {f"prepared digits a second, {name}, {threads} threads": BATCHES * BATCH / seconds}


def whole(model: str | None, picture: str) -> dict[str, float]:
    """Return the seconds of the whole command."""
    command = [sys.executable, "-m", "digitlab", "read", picture]
    began = time.perf_counter()
    named = ["--model", model] if model else []
    subprocess.run([*command, *named], check=True, stdout=subprocess.DEVNULL)
    return {"digitlab read PICTURE, seconds": time.perf_counter() - began}


def rounds(model: str | None, count: int) -> dict[str, list[float]]:
    """Measure everything in turn, round after round."""
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        picture, int8 = str(Path(folder) / "digit.png"), str(Path(folder) / "int8.onnx")
        image = digitlab.load_dataset("mnist").splits["valid"].images[0]
        Image.fromarray(photograph(image, "plain", 1, 0)).save(picture)
        digitlab.export(model, int8, int8=True)
        named = ["--model", model] if model else []
        whole(model, picture)  # files come into the system's cache
        for _ in range(count):
            parts = [
                json.loads(pinned(1, ["one", "--picture", picture, *named])[-1]),
                json.loads(pinned(2, ["many", "--name", "fp32", *named])[-1]),
                json.loads(pinned(2, ["many", "--name", "int8", "--model", int8])[-1]),
                whole(model, picture),
            ]
            for part in parts:
                for name, value in part.items():
                    figures.setdefault(name, []).append(value)
    return figures


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", nargs="?", choices=("one", "many"), help=argparse.SUPPRESS)
    parser.add_argument("--model", help="a RUN or an .onnx; else the one that ships")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    for hidden in ("--picture", "--name"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, default=1, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        pin(chosen.cores)
        alone = chosen.part == "one"
        print(
            json.dumps(
                one(chosen.model, chosen.picture)
                if alone
                else many(chosen.model, chosen.cores, chosen.name)
            )
        )
        return
    figures = rounds(chosen.model, chosen.rounds)
    if chosen.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"median of {chosen.rounds} processes (lowest to highest)\n")
    for name, values in figures.items():
        digits_after = 0 if "a second" in name else 2
        median, low, high = (
            f"{value:,.{digits_after}f}"
            for value in (statistics.median(values), min(values), max(values))
        )
        print(f"{name:<48}{median:>9}  ({low} to {high})")


if __name__ == "__main__":
    main()
