"""Where two runs, or two readings, part: what `compare_revisions.py` prints.

It knows the files that docs/formats.md describes, and nothing of digitlab's modules, which may have
other names in either revision. What clocks, dates, versions and the machine say is left out.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

# Of a line of metrics.jsonl, of summary.json and of the table [recorded] of config.toml.
CLOCKS = {"seconds", "images_per_second", "train_seconds", "checkpoint_seconds", "ended"}
VERSIONS = {"versions", "digitlab", "python", "torch", "numpy", "opencv"}
MACHINE = {"machine", "system", "processor", "cores", "capability", "device", "gpu"}
OF_THE_DAY = CLOCKS | VERSIONS | MACHINE
ABSENT = "absent"

Differences = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Parting:
    """A value of metrics.jsonl that parts: in how many lines, where first and where by most."""

    key: str
    lines: int
    of: int
    step: int
    first: Any
    second: Any
    largest: float | None = None  # None where it is never two numbers
    largest_step: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Where two run folders part."""

    steps: int  # of the longer one
    weights_sha256: tuple[str | None, str | None]  # None: it has not ended
    other_bytes: list[str]  # files whose bytes part
    metrics: list[Parting]
    config: Differences
    files: tuple[list[str], list[str]]  # in the first alone, in the second alone
    summary: Differences

    @property
    def parted_in(self) -> list[str]:
        """What parts, in words; of two runs that have not ended the weights do, too."""
        first, second = self.weights_sha256
        parted = {
            "weights": first != second or None in (first, second),
            **dict.fromkeys(self.other_bytes, True),
            "metrics.jsonl": bool(self.metrics),
            "config.toml": bool(self.config),
            "the list of files": self.files != ([], []),
            "summary.json": bool(self.summary),
        }
        return [name for name, is_so in parted.items() if is_so]

    @property
    def same(self) -> bool:
        """Whether nothing parts, and both have ended."""
        return not self.parted_in

    @property
    def step(self) -> int | None:
        """The first step at which the metrics part."""
        return min((parting.step for parting in self.metrics), default=None)


@dataclass(frozen=True)
class Readings:
    """Where two outputs of `digitlab read --json` part."""

    lines: int
    parted: int
    file: str | None = None  # the first that is read otherwise, and as what
    first: str = ""
    second: str = ""


def compare(first: Path, second: Path) -> Comparison:
    """Compare two run folders; what a run that failed has not written counts as absent."""
    lines = metrics_of(first), metrics_of(second)
    summaries = [_json(folder / "summary.json") for folder in (first, second)]
    weights = [summary.pop("weights_sha256", None) for summary in summaries]
    mine, theirs = _names(first), _names(second)
    compared = {name: (first / name, second / name) for name in ("model.onnx", "model.safetensors")}
    compared["the last checkpoint"] = _last_state(first), _last_state(second)
    return Comparison(
        steps=max((line.get("step", 0) for line in [*lines[0], *lines[1]]), default=0),
        weights_sha256=(weights[0], weights[1]),
        other_bytes=[name for name, two in compared.items() if _bytes(two[0]) != _bytes(two[1])],
        metrics=partings(*lines),
        config=differences(_config(first), _config(second)),
        files=(sorted(mine - theirs), sorted(theirs - mine)),
        summary=differences(*(_without_the_day(summary) for summary in summaries)),
    )


def partings(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> list[Parting]:
    """Compare the lines of two metrics.jsonl; return what parts, the first to part first."""
    mine, theirs = _by_place(first), _by_place(second)
    places = mine | theirs
    of = Counter(kind for kind, _, _ in places)
    found: dict[tuple[str, str], list[tuple[int, Any, Any]]] = {}
    for place in places:
        kind, step, _ = place
        if place not in mine or place not in theirs:
            one, other = ("there" if place in lines else ABSENT for lines in (mine, theirs))
            found.setdefault((kind, "line"), []).append((step, one, other))
            continue
        for key, values in differences(mine[place], theirs[place]).items():
            found.setdefault((kind, key), []).append((step, *values))
    orders = [p for p in mine if p in theirs], [p for p in theirs if p in mine]
    swapped = next((two for two in zip(*orders, strict=True) if two[0] != two[1]), None)
    if swapped:
        (kind, step, _), (another, later, _) = swapped
        found[kind, "order"] = [(step, f"{kind} {step}", f"{another} {later}")]
    named = [_parting(*name, of[name[0]], rows) for name, rows in found.items()]
    return sorted(named, key=lambda parting: parting.step)


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Differences:
    """Return what two tables give otherwise, by key; keys of tables inside are joined by dots.

    A table that is empty is one whose file is absent, which the lists of files tell.
    """
    if not first or not second:
        return {}
    mine, theirs = _flat(first), _flat(second)
    both = {key: (mine.get(key, ABSENT), theirs.get(key, ABSENT)) for key in mine | theirs}
    # As text: 0.0 is not -0.0, and true is not 1.
    return {key: two for key, two in both.items() if json.dumps(two[0]) != json.dumps(two[1])}


def readings(first: bytes, second: bytes) -> Readings:
    """Compare two outputs of `digitlab read --json` to the byte, line by line."""
    pairs = list(zip_longest(first.splitlines(True), second.splitlines(True)))
    parted = [pair for pair in pairs if pair[0] != pair[1]]
    if not parted:
        return Readings(len(pairs), 0)
    file = json.loads(next(filter(None, parted[0])))["file"]
    two = (ABSENT if line is None else line.decode().strip() for line in parted[0])
    return Readings(len(pairs), len(parted), file, *two)


def told(comparison: Comparison) -> list[str]:
    """Return a line for all that parts, for people."""
    one, other = comparison.weights_sha256
    lines = [f"{name} has not ended" for name, has in (("A", one), ("B", other)) if has is None]
    lines += [f"weights_sha256: {one} and {other}"] if one != other else []
    lines += [f"{name}: its bytes part" for name in comparison.other_bytes]
    for part in comparison.metrics:
        line = f"{part.key} parts in {part.lines:,} of {part.of:,} lines, first at step "
        line += f"{part.step:,}: {part.first} and {part.second}"
        if part.largest is not None:
            line += f"; most at step {part.largest_step:,}, by {part.largest:.3g}"
        lines.append(line)
    for name, found in (("config.toml", comparison.config), ("summary.json", comparison.summary)):
        lines += [f"{name}, {key}: {one} and {other}" for key, (one, other) in found.items()]
    for name, alone in zip("AB", comparison.files, strict=True):
        lines += [f"{file}: in {name} alone" for file in alone]
    return lines


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics.jsonl without clocks; what follows the last newline is none."""
    lines = (_bytes(folder / "metrics.jsonl") or b"").decode().split("\n")[:-1]
    # What is not finite becomes text, so that all of it can be told to programs as JSON.
    return [_without_the_day(json.loads(line, parse_constant=str)) for line in lines]


def _by_place(lines: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int, int], Mapping[str, Any]]:
    """Return lines by kind, step, and how often that was there before."""
    seen: Counter[tuple[str, int]] = Counter()
    placed = {}
    for line in lines:
        place = line["kind"], line["step"]
        placed[*place, seen[place]] = line
        seen[place] += 1
    return placed


def _parting(kind: str, key: str, of: int, rows: list[tuple[int, Any, Any]]) -> Parting:
    name = key if kind == "step" else f"{kind} {key}"
    first = min(rows, key=lambda row: row[0])
    apart = [
        (abs(one - other), step) for step, one, other in rows if _number(one) and _number(other)
    ]
    largest = max(apart, key=lambda pair: pair[0], default=(None, None))
    return Parting(name, len(rows), of, *first, *largest)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        inside = isinstance(value, Mapping)
        flat |= _flat(value, f"{before}{key}.") if inside else {before + key: value}
    return flat


def _without_the_day(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in OF_THE_DAY}


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _json(path: Path) -> dict[str, Any]:
    content = _bytes(path)
    return {} if content is None else dict(json.loads(content, parse_constant=str))


def _config(folder: Path) -> dict[str, Any]:
    config = tomllib.loads((_bytes(folder / "config.toml") or b"").decode())
    recorded = _without_the_day(config.pop("recorded", {}))
    return config | ({"recorded": recorded} if recorded else {})


def _names(folder: Path) -> set[str]:
    """Return the files of a run, without what a clock says in their names."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    events = {re.sub(r"(events\.out\.tfevents)\..*", r"\1", name) for name in names}
    return {re.sub(r"step-\d+", "step-N", name) for name in events}


def _last_state(folder: Path) -> Path:
    """Return the state after the last step: also what an optimizer remembers."""
    states = sorted(folder.glob("checkpoints/step-*/state.safetensors"))
    return states[-1] if states else folder / "none"
