"""Lessons of paddle.fluid, as `digitlab paddle` runs them: what they learn, and their memory.

    python benchmarks/lessons.py [--epochs 5] [--memory]

First the memory of four workers together: the sum of what each has in it at the same time, where
what they share counts once for each (resident) and once (proportional). Then the accuracy of the
lessons of tests/paddle on all images, beside that of the same recipe. Linux alone.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import digitlab

LESSONS = Path(__file__).parents[1] / "tests/paddle/lessons"
# By lesson: the recipe that says the same, and what differs.
ALIKE: dict[str, tuple[str, dict[str, object]]] = {
    "mlp_1_6": ("tutorial-mlp-square-error", {}),
    "cnn_square_1_7": ("tutorial-cnn-square-error", {}),
    "cnn_1_6": ("tutorial-cnn", {"optimizer.name": "momentum"}),
    "cnn_1_8": ("tutorial-cnn", {}),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="the memory alone")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        resident, proportional = memory_of_four()
        print(f"four workers: at most {resident:.2f} GB resident, {proportional:.2f} proportional")
        if chosen.memory:
            return
        for lesson, (recipe, settings) in ALIKE.items():
            theirs = accuracy_of(lesson, chosen.epochs)
            run = digitlab.train(
                recipe, epochs=chosen.epochs, settings=settings, run_dir=Path(lesson)
            )
            ours = run.summary["test_accuracy"]
            print(f"{lesson}: {100 * theirs:.2f} %; {recipe} {100 * ours:.2f} %", flush=True)


def accuracy_of(lesson: str, epochs: int) -> float:
    """Return what a lesson prints in the end, all images learned from so often."""
    text = (LESSONS / f"{lesson}.py").read_text("utf-8")
    text = re.sub(r"^IMAGES = .*", "IMAGES = 50000", text, flags=re.M)
    text = re.sub(r"^EPOCH_NUM = .*", f"EPOCH_NUM = {epochs}", text, flags=re.M)
    text = re.sub(r"^LEARNING_RATE = .*", "LEARNING_RATE = 0.01", text, flags=re.M)
    Path("lesson.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "digitlab", "paddle", "run", "lesson.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(re.findall(r"accuracy: ([0-9.]+)", done.stdout)[-1])


def memory_of_four() -> tuple[float, float]:
    """Return the GB that four workers have together, at most."""
    command = [sys.executable, "-m", "digitlab", "paddle", "launch", "--selected_gpus=0,1,2,3"]
    process = subprocess.Popen([*command, "--log_dir", "log", str(LESSONS / "four_workers.py")])
    most = [0, 0]
    while process.poll() is None:
        found = [_memory(one) for one in _family(process.pid)]
        most = [max(most[kind], sum(one[kind] for one in found)) for kind in (0, 1)]
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"the lesson ended with status {process.returncode}")
    return most[0] / 1e6, most[1] / 1e6


def _family(number: int) -> list[int]:
    try:
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except OSError:
        return []
    return [number, *(one for child in children for one in _family(int(child)))]


def _memory(number: int) -> tuple[int, int]:
    """Return the kilobytes of a process, resident and proportional."""
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    sizes = dict(re.findall(r"^(Rss|Pss): +(\d+)", text, re.M))
    return int(sizes.get("Rss", 0)), int(sizes.get("Pss", 0))


if __name__ == "__main__":
    main()
