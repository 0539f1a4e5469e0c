"""What a choice made on photographs is worth: made on all sources but one, reported on that one.

    python benchmarks/left_out.py measure --photographs DIR [--model FILE] [--name NAME] > A.json
    python benchmarks/left_out.py choose A.json B.json ...

`measure` reads every source with one candidate; run it in another checkout for a candidate with
another preparation. `choose` leaves each source out in turn: of the candidates, it takes the one
that reads most of the other sources right (the mean over them; then the best on MNIST's validation
split, then the first named), and says what that one reads of the source left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import digitlab
from reading import photographs

REJECT = 0.01


def measured(model: Path | None, folder: Path, name: str) -> dict[str, Any]:
    """Return what one candidate reads of each source, refusal off and with REJECT."""
    recogniser = digitlab.Recogniser(model)
    valid = digitlab.evaluate(recogniser, "mnist", "valid").evaluation
    pictures, truth, sources = photographs(folder)
    answers = [reading.text for reading in recogniser.read_many(pictures, reject="none")]
    sure = [reading.text for reading in recogniser.read_many(pictures, reject=REJECT)]
    found: dict[str, dict[str, int]] = {}
    for digit, source, answer, careful in zip(truth, sources, answers, sure, strict=True):
        its = found.setdefault(source, {"count": 0, "right": 0, "read": 0, "wrong": 0})
        read = careful.isdigit()  # not "?", and not nothing
        its["count"] += 1
        its["right"] += answer == str(digit)
        its["read"] += read
        its["wrong"] += read and careful != str(digit)
    return {"name": name, "valid": 1 - valid.errors / valid.count, "sources": found}


def chosen_without(left_out: str, candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the candidate that is best on all sources but one."""

    def worth(candidate: dict[str, Any]) -> tuple[float, float]:
        others = [its for name, its in candidate["sources"].items() if name != left_out]
        return float(np.mean([its["right"] / its["count"] for its in others])), candidate["valid"]

    return max(candidates, key=worth)  # of equals the first


def main() -> None:
    """Measure a candidate, or choose among measured ones."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    measure = parts.add_parser("measure")
    measure.add_argument("--photographs", type=Path, metavar="DIR", required=True)
    measure.add_argument("--model", type=Path, help="a RUN or an .onnx; else the one that ships")
    measure.add_argument("--name", default="the model that ships")
    choose = parts.add_parser("choose")
    choose.add_argument("candidates", nargs="+", type=Path, metavar="JSON")
    asked = parser.parse_args()
    if asked.part == "measure":
        print(json.dumps(measured(asked.model, asked.photographs, asked.name), indent=2))
        return
    candidates = [json.loads(path.read_text("utf-8")) for path in asked.candidates]
    print(f"{'left out':<16}{'chosen on the others':<32}right        read, wrong at {REJECT:g}")
    shares = []
    for source in sorted(candidates[0]["sources"]):
        choice = chosen_without(source, candidates)
        its = choice["sources"][source]
        shares.append(its["right"] / its["count"])
        right = f"{its['right']} of {its['count']}"
        print(f"{source:<16}{choice['name']:<32}{right:<13}{its['read']}, {its['wrong']}")
    print(f"{'mean':<48}{100 * np.mean(shares):.2f} %")


if __name__ == "__main__":
    main()
