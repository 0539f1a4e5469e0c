"""All benchmarks, one after the other: what `make bench` runs. Takes about an hour.

`python benchmarks/run.py [--peers PYTHON]`. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run each benchmark; its table goes to standard output."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", default=".bench/venv/bin/python", help="the peers' Python")
    chosen = parser.parse_args()
    peers = ["--peers", chosen.peers]
    for title, command in (
        ("Start-up", ["startup.py"]),
        ("Loading", ["loading.py"]),
        ("Reading", ["reading.py", *peers]),
        ("Pages", ["pages.py"]),
        ("Pages, and others", ["pages.py", "--pages", "2", *peers]),
        ("Photographed pages", ["photographed_pages.py"]),
        ("Reading, speed", ["reading_speed.py"]),
        ("Throughput", ["throughput.py", *peers]),
        ("Shards", ["throughput.py", "--shards"]),
        ("Workers", ["scaling.py"]),
        ("Checkpoints", ["checkpoints.py"]),
        ("quick against a reference", ["quick.py", *peers]),
    ):
        print(f"\n## {title}: python benchmarks/{' '.join(command)}\n", flush=True)
        subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=True)


if __name__ == "__main__":
    main()
