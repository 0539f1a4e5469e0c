"""Where two revisions of digitlab part: in losses, bits, readings and speed, by the same recipes.

`python benchmarks/compare_revisions.py A B [--recipes NAME|FILE.toml...] [--epochs N] [--seed N]
[--threads N] [--workers N...] [--repeats N] [--pictures FOLDER...] [--json FILE]`. A and B are
what git takes for a commit; `.` or `worktree` is the working tree as it is. Both run in this
Python, in turns, by the command line alone, from temporary checkouts. Each recipe is cut to a few
steps and, where it calibrates, to a few made pictures; `--recipes` without a name trains none. For
speed give `--repeats` and more of an epoch, and leave the machine alone. The exit status is 0
where nothing parts, 1 where something does, 2 for a mistake in the call.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from checkouts import CallError, Ended, Tree, checked_out, digitlab
from compared_runs import Comparison, Readings, compare, readings, told

RECIPES = "src/digitlab/recipes"
CALIBRATE = 52  # made pictures, instead of thousands: four of each kind


@dataclass(frozen=True)
class Row:
    """What is said of a recipe."""

    recipe: str
    comparison: Comparison
    notes: list[str]  # runs that failed, and revisions that do not repeat themselves
    images_per_second: tuple[list[float], list[float]]
    seconds: tuple[list[float], list[float]]
    ratios: list[float]  # of images a second, B to A, a round each

    @property
    def same(self) -> bool:
        """Whether nothing parts."""
        return self.comparison.same and not self.notes


def recipes_of(asked: Sequence[str] | None, trees: Sequence[Tree]) -> list[str]:
    """Return the recipes to train by: those asked for, or all that ship in both revisions."""
    shipped = [{path.stem for path in (tree.folder / RECIPES).glob("*.toml")} for tree in trees]
    both = sorted(set.intersection(*shipped))
    for name in asked or []:
        if name not in both and not Path(name).is_file():
            raise CallError(f"{name}: is no file, nor a recipe of both: {', '.join(both)}")
    if asked is not None:
        return list(asked)
    for name in sorted(set.union(*shipped) - set(both)):
        print(f"left out, for it ships in one alone: {name}")
    return both


def train(tree: Tree, recipe: str, workers: int, chosen: argparse.Namespace, folder: Path) -> Ended:
    """Train in a new folder, cut short."""
    ships = tree.folder / RECIPES / f"{recipe}.toml"
    with (ships if ships.exists() else Path(recipe)).open("rb") as file:
        calibrates = tomllib.load(file).get("training", {}).get("calibrate", 0)
    asked = ["train", "--recipe", recipe, "--run-dir", str(folder), "--quiet"]
    asked += ["--seed", str(chosen.seed), "--threads", str(chosen.threads)]
    asked += ["--epochs", str(chosen.epochs)]
    asked += ["--set", f"training.calibrate={CALIBRATE}"] if calibrates else []
    asked += ["--workers", str(workers)] if workers else []
    return digitlab(tree, asked)


def compared_recipe(
    trees: Sequence[Tree], recipe: str, workers: int, chosen: argparse.Namespace, folder: Path
) -> Row:
    """Train by both revisions in turns; compare them, and each with its own first run."""
    name = Path(recipe).stem + (f", {workers} workers" if workers else "")
    notes = []
    runs: dict[str, list[Path]] = {tree.name: [] for tree in trees}
    seconds: dict[str, list[float]] = {tree.name: [] for tree in trees}
    for number in range(1, chosen.repeats + 1):
        for tree in trees:
            place = folder / f"{name}, {tree.name}, run {number}"
            ended = train(tree, recipe, workers, chosen, place)
            print(f"  {place.name}: {ended.seconds:.1f} s", file=sys.stderr, flush=True)
            runs[tree.name].append(place)
            seconds[tree.name].append(ended.seconds)
            if ended.status:
                notes.append(f"{tree.name} ended with status {ended.status}: {ended.last_line}")
            elif not compare(runs[tree.name][0], place).same:
                notes.append(f"{tree.name} does not repeat itself: run {number} is not as run 1")
    speeds = {name: [speed(place) for place in places] for name, places in runs.items()}
    rounds = list(zip(speeds["A"], speeds["B"], strict=True))
    return Row(
        name,
        compare(runs["A"][0], runs["B"][0]),
        notes,
        ([one for one in speeds["A"] if one], [one for one in speeds["B"] if one]),
        (seconds["A"], seconds["B"]),
        [b / a for a, b in rounds if a and b],
    )


def speed(folder: Path) -> float | None:
    """Return a run's images a second; None where it has not ended."""
    summary = folder / "summary.json"
    return json.loads(summary.read_text())["images_per_second"] if summary.exists() else None


def compared_readings(trees: Sequence[Tree], pictures: Path) -> Readings:
    """Read a folder of pictures with both revisions."""
    outputs = []
    for tree in trees:
        ended = digitlab(tree, ["read", "--json", str(pictures)])
        if not ended.output:
            raise CallError(f"{tree.name}: {ended.last_line or 'read nothing'}")
        print(f"  {pictures}, {tree.name}: {ended.seconds:.1f} s", file=sys.stderr, flush=True)
        outputs.append(ended.output)
    return readings(*outputs)


def middle(values: Sequence[float], digits: int) -> str:
    """Return a median."""
    return f"{statistics.median(values):,.{digits}f}" if values else "-"


def print_row(row: Row, wide: int) -> None:
    """Print what is said of a recipe in one line."""
    parted = set(row.comparison.parted_in)
    main = ("weights", "model.onnx", "metrics.jsonl")
    cells = [name in parted for name in main] + [bool(parted - set(main))]
    line = f"{row.recipe:<{wide}}{row.comparison.steps:>5}  "
    line += "".join(f"{'parted' if cell else 'same':<8}" for cell in cells)
    line += "".join(f"{middle(values, 0):>7}" for values in row.images_per_second)
    line += "".join(f"{middle(values, 1):>7}" for values in row.seconds)
    line += f"  {middle(row.ratios, 2)}"
    if len(row.ratios) > 1:
        line += f" ({min(row.ratios):.2f} to {max(row.ratios):.2f})"
    print(line)


def print_report(rows: Sequence[Row], readings: dict[str, Readings]) -> None:
    """Print a table, and below it what parts."""
    wide = max([len(each.recipe) for each in rows], default=0) + 2
    if rows:
        print(f"\n{'':{wide + 7}}{'':32}{'images/s':>14}{'seconds':>14}  images/s")
        heads = "".join(f"{name:<8}" for name in ("weights", "model", "metrics", "others"))
        print(f"{'recipe':<{wide}}steps  {heads}" + f"{'A':>7}{'B':>7}" * 2 + "  B to A")
    for each in rows:
        print_row(each, wide)
    for each in rows:
        if not each.same:
            print("\n  ".join([f"\n{each.recipe}", *each.notes, *told(each.comparison)]))
    for folder, found in readings.items():
        print(f"\n{folder}: {found.parted:,} of {found.lines:,} readings part")
        if found.parted:
            print(f"  first {found.file}\n  A: {found.first}\n  B: {found.second}")


def verdict(rows: Sequence[Row], readings: dict[str, Readings]) -> str:
    """Return the last line: what is the same, or where what parts does."""
    parted = []
    for each in rows:
        step, places = each.comparison.step, ", ".join(each.comparison.parted_in)
        where = f"at step {step}" if step is not None else f"in {places or 'its own repetition'}"
        parted += [] if each.same else [f"{each.recipe} {where}"]
    parted += [f"the reading of {found.file}" for found in readings.values() if found.parted]
    if parted:
        return "parted: " + "; ".join(parted)
    same = [f"same bits in {len(rows)} of {len(rows)} recipes"] if rows else []
    count = sum(found.lines for found in readings.values())
    return ", ".join(same + ([f"same readings of {count:,} pictures"] if readings else []))


def fail(message: str, status: int) -> NoReturn:
    """End with a line."""
    print(f"compare_revisions: {message}", file=sys.stderr)
    sys.exit(status)


def options() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("revisions", nargs=2, metavar=("A", "B"), help="commits; . as it lies here")
    parser.add_argument("--recipes", nargs="*", metavar="NAME|FILE.toml", help="else all in both")
    parser.add_argument("--epochs", type=float, default=0.03, help="of each recipe")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="of each process that trains")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0], metavar="N", help="0: a process alone"
    )
    parser.add_argument("--repeats", type=int, default=1, help="of A and B in turns, for speed")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all of it goes")
    chosen = parser.parse_args()
    if chosen.repeats < 1:
        parser.error("--repeats: 1 at least")
    if not chosen.pictures and chosen.recipes == []:
        parser.error("nothing to compare: name recipes or --pictures")
    for folder in chosen.pictures + ([chosen.json.resolve().parent] if chosen.json else []):
        if not folder.exists():
            parser.error(f"{folder}: there is no such folder")
    return chosen


def compared(chosen: argparse.Namespace, folder: Path) -> bool:
    """Compare, and print; return whether nothing parts."""
    with checked_out(chosen.revisions, folder) as trees:
        names = recipes_of(chosen.recipes, trees)
        for tree in trees:
            print(f"{tree.name}: {tree.title}", flush=True)
        pairs = [(name, workers) for name in names for workers in chosen.workers]
        rows = [compared_recipe(trees, *pair, chosen, folder) for pair in pairs]
        found = {str(place): compared_readings(trees, place) for place in chosen.pictures}
        print_report(rows, found)
        last = verdict(rows, found)
        print(f"\n{last}", flush=True)
        same = all(each.same for each in rows) and not any(one.parted for one in found.values())
        if chosen.json:
            asked = {key: value for key, value in vars(chosen).items() if key != "json"}
            result = {
                "asked": asked,
                "revisions": {tree.name: tree.title for tree in trees},
                "recipes": [{**asdict(each), "same": each.same} for each in rows],
                "pictures": {name: asdict(one) for name, one in found.items()},
                "same": same,
                "verdict": last,
            }
            chosen.json.write_text(json.dumps(result, indent=2, default=str) + "\n")
    return same


def main() -> None:
    """Compare two revisions."""
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="compare-") as name:
            same = compared(chosen, Path(name).resolve())
    except CallError as error:
        fail(str(error), 2)
    except KeyboardInterrupt:
        fail("interrupted", 130)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
