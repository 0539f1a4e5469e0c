"""How long loading takes and how much memory it needs: ours beside the standard library.

    python benchmarks/loading.py [--runs 5] [--json]

Each figure is the median of several fresh processes, with the lowest and highest. Seconds are those
of loading alone, `digitlab.data` imported within them; processor seconds are those of all threads
and the interpreter's start; memory is the peak of the whole process. The course's mnist.json.gz is
written first, from the embedded data, into a temporary folder. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

EMBEDDED = "embedded MNIST"
OURS = "mnist.json.gz, digitlab"
STANDARD = "mnist.json.gz, json.load(gzip.open(path))"

LOADERS = {
    EMBEDDED: "from digitlab.data import load_dataset; load_dataset('mnist')",
    OURS: "from digitlab.data import load_dataset; load_dataset(path)",
    STANDARD: "import gzip, json; json.load(gzip.open(path))",
}

UNITS = ("seconds", "processor seconds", "peak MB")

PROCESS = """
import json, resource, sys, time
path = sys.argv[1]
start = time.perf_counter()
{load}
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
scale = 1 if sys.platform == "darwin" else 1024
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * scale / 1e6]))
"""


def main() -> None:
    """Measure every loader in turn, run after run, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="fresh processes a loader")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", type=Path, help="only write the course's file to this path")
    options = parser.parse_args()
    if options.write:
        write_course_file(options.write)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist.json.gz"
        # In a process of its own: on Linux a child's peak of memory begins at its parent's.
        subprocess.run([sys.executable, __file__, "--write", str(path)], check=True)
        figures: dict[str, list[list[float]]] = {name: [] for name in LOADERS}
        # In turn, so that a slow minute of the machine falls on all of them.
        for _ in range(options.runs):
            for name, load in LOADERS.items():
                figures[name].append(measure(load, path))
    result = summary(figures)
    print(json.dumps(result) if options.json else table(result))


def write_course_file(path: Path) -> None:
    """Write the embedded data as the course's file: pixel / 256, as json.dump writes it."""
    from digitlab.data import load_dataset

    texts = [repr(pixel / 256) for pixel in range(256)]
    splits = load_dataset("mnist").splits.values()
    with gzip.open(path, "wt", compresslevel=6) as file:
        for at, split in enumerate(splits):
            file.write(", [[" if at else "[[[")
            for image, pixels in enumerate(split.images.reshape(-1, 784).tolist()):
                row = ", ".join(texts[pixel] for pixel in pixels)
                file.write(f", [{row}]" if image else f"[{row}]")
            file.write(f"], {json.dumps(split.labels.tolist())}]")
        file.write("]")


def measure(load: str, path: Path) -> list[float]:
    """Return seconds, processor seconds and peak megabytes of a load in a fresh process."""
    command = [sys.executable, "-c", PROCESS.format(load=load), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: list[float] = json.loads(done.stdout)
    return figures


def summary(figures: dict[str, list[list[float]]]) -> dict[str, Any]:
    """Return median, lowest and highest of each loader, and the ratios that we promise."""
    loaders: dict[str, Any] = {}
    for name, runs in figures.items():
        loaders[name] = {}
        for unit, values in zip(UNITS, zip(*runs, strict=True), strict=True):
            low, median, high = min(values), statistics.median(values), max(values)
            loaders[name][unit] = {"lowest": low, "median": median, "highest": high}
    ours, standard = loaders[OURS], loaders[STANDARD]
    return {
        "runs": len(figures[OURS]),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "loaders": loaders,
        "standard_to_ours": {
            unit: standard[unit]["median"] / ours[unit]["median"] for unit in UNITS
        },
    }


def table(result: dict[str, Any]) -> str:
    """Return the summary as a table in Markdown."""
    lines = [
        f"Median of {result['runs']} fresh processes (lowest to highest); "
        f"{result['cpus']} processors, Python {result['python']}.",
        "",
        f"| source | {' | '.join(UNITS)} |",
        "|---|" + "---|" * len(UNITS),
    ]
    for name, figures in result["loaders"].items():
        cells = [
            f"{values['median']:,.2f} ({values['lowest']:,.2f} to {values['highest']:,.2f})"
            for values in figures.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    ratios = [f"{ratio:.1f} x" for ratio in result["standard_to_ours"].values()]
    lines.append(f"| the standard library's to ours | {' | '.join(ratios)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
