"""Seconds from start to answer: `digitlab --help`, and `digitlab read PICTURE`.

`python benchmarks/startup.py [--rounds N] [--json]`. Each round is a new
process; files are in the system's cache after the first, which is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import digitlab


def seconds(command: list[str], rounds: int) -> list[float]:
    """Return the seconds of each round but the first."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return times[1:]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    sample = str(Path(digitlab.__file__).parent / "reading" / "sample.png")
    start = [sys.executable, "-m", "digitlab"]
    table = {
        "digitlab --help": seconds([*start, "--help"], chosen.rounds),
        "digitlab read PICTURE": seconds([*start, "read", sample], chosen.rounds),
    }
    if chosen.json:
        print(json.dumps(table))
        return
    print(f"seconds, median of {chosen.rounds} (min to max)\n")
    for name, times in table.items():
        print(f"{name:<24}{statistics.median(times):.2f}  ({min(times):.2f} to {max(times):.2f})")


if __name__ == "__main__":
    main()
