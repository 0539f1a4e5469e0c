"""What `scaling.py` measures of a model in parts and of parameter servers."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import equal_stages
from digitlab import networks
from digitlab.branches import Branches
from scaling_runs import (
    HERE,
    Ask,
    accuracies,
    ask,
    beats_of,
    bytes_a_step,
    ended,
    own_network,
    parameters_of,
    say,
    sharded,
    show_accuracies,
    side_by_side,
    spread,
    start,
)

PARTS = ("idle", "parts", "wire", "staleness", "bits")
FLOAT = 4
STALENESSES = (0, 1, 4, 16)

ONE = None
PIPELINE = {"count": 2, "parallel": "pipeline"}
ONE_BACK = {**PIPELINE, "pipeline_schedule": "1f1b"}
TENSOR = {"count": 2, "parallel": "tensor"}
BRANCHES = {"count": 2, "parallel": "branches"}


def served(servers: int, staleness: int = 0, workers: int = 2) -> dict[str, Any]:
    """Return what asks for parameter servers."""
    chosen = {"parallel": "parameter-server", "servers": servers, "staleness": staleness}
    return {"count": workers, **chosen}


def measure(name: str, chosen: argparse.Namespace) -> Any:
    """Return what a part of `PARTS` finds."""
    match name:
        case "idle":
            return measure_idle(chosen.rounds, max(5, chosen.steps // 10))
        case "parts":
            return measure_parts(chosen.rounds, chosen.steps)
        case "wire":
            return measure_wire()
        case "staleness":
            crews = {f"staleness {bound}": served(1, bound) for bound in STALENESSES}
            return accuracies(crews, chosen.seeds, chosen.epochs)
        case _:
            return measure_bits()


def show(name: str, found: Any) -> None:
    """Print what a part found."""
    tables = {
        "idle": show_idle,
        "parts": show_parts,
        "wire": show_wire,
        "staleness": partial(show_accuracies, "of 2 workers and a server"),
        "bits": show_bits,
    }
    tables[name](found)


# How long the stages of a pipeline wait


def measure_idle(rounds: int, steps: int) -> list[dict[str, Any]]:
    """Return what share of the schedule's time each stage waited, a list by round."""
    first, rows = 3, []
    for shards in (4, 8):
        for crew in (PIPELINE, ONE_BACK):
            schedule = crew.get("pipeline_schedule", "gpipe")
            row: dict[str, Any] = {"schedule": schedule, "shards": shards, "idle": [], "busy": []}
            rows.append(row)
            for _ in range(rounds):
                stages = _waits(crew, shards, first, first + steps)
                row["idle"].append(statistics.mean(s["waited"] / s["whole"] for s in stages))
                row["busy"].append([(s["whole"] - s["waited"]) / steps for s in stages])
                say(f"{schedule}, {shards} micro-batches: idle {row['idle'][-1]:.1%}")
    return rows


def _waits(crew: Mapping[str, Any], shards: int, first: int, last: int) -> list[dict[str, float]]:
    """Return what each stage tells of the steps after `first` to `last`; see equal_stages.py."""
    network = f"{equal_stages.__name__}:{equal_stages.equal_stages.__name__}"
    asked = ask(
        {**crew, "cut": [equal_stages.CUT]},
        last + 2,
        first,
        network=network,
        batch_size=25 * shards,
        **sharded(shards),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        told = {"SCALING_WAITS": folder, "SCALING_STEPS": f"{first},{last}", "PYTHONPATH": path}
        ended(start(asked, more=told))
        files = sorted(Path(folder).glob("stage-*.json"))
        if len(files) != crew["count"]:
            sys.exit("a stage did not tell how long it waited")
        return [json.loads(file.read_text()) for file in files]


def show_idle(found: Sequence[Mapping[str, Any]]) -> None:
    """Print idle shares beside the formula."""
    rounds = len(found[0]["idle"])
    print(f"2 stages of equal time, idle share, %, median of {rounds} (min to max)\n")
    for row in found:
        formula = 100 / (row["shards"] + 1)
        stages = zip(*row["busy"], strict=True)
        busy = ", ".join(f"{1e3 * statistics.median(one):.0f}" for one in stages)
        print(
            f"{row['schedule']}, {row['shards']} micro-batches: "
            f"{spread(row['idle'], lambda x: f'{100 * x:.1f}')}; (S - 1) / (M + S - 1) is "
            f"{formula:.1f}; the stages computed {busy} ms a step"
        )


# Throughput


def measure_parts(rounds: int, steps: int) -> dict[str, list[float]]:
    """Return images a second of tutorial-cnn by layout, a list by round."""
    plans: dict[str, Ask] = {
        "one process, 4 shards": ask(ONE, steps),
        "data, 2 workers": ask({"count": 2}, steps),
        "pipeline, gpipe, 4": ask(PIPELINE, steps),
        "pipeline, 1f1b, 4": ask(ONE_BACK, steps),
        "one process, 8 shards": ask(ONE, steps, **sharded(8)),
        "pipeline, gpipe, 8": ask(PIPELINE, steps, **sharded(8)),
        "pipeline, 1f1b, 8": ask(ONE_BACK, steps, **sharded(8)),
        "2 workers, 1 server": ask(served(1), steps),
        "2 workers, 2 servers": ask(served(2), steps),
        "2 workers, 1 server, staleness 4": ask(served(1, 4), steps),
        "2 workers, 2 servers, staleness 4": ask(served(2, 4), steps),
    }
    speeds: dict[str, list[float]] = {name: [] for name in plans}
    for _ in range(rounds):
        for name, asked in plans.items():
            speeds[name].append(100 * side_by_side([asked])[0])
            say(f"{name}: {speeds[name][-1]:,.0f} images/s")
    return speeds


def show_parts(found: Mapping[str, Sequence[float]]) -> None:
    """Print throughput, and against one process of as many shards in the same round."""
    rounds = len(found["data, 2 workers"])
    print(f"images a second; of one process's, %; median of {rounds} (min to max)\n")
    for name, values in found.items():
        base = found[f"one process, {8 if ', 8' in name else 4} shards"]
        against = [100 * a / b for a, b in zip(values, base, strict=True)]
        said = spread(values, lambda x: f"{x:,.0f}")
        print(f"{name:<36}{said:<28}{spread(against, lambda x: f'{x:.1f}')}")


# Bytes on the wire


def measure_wire() -> list[dict[str, Any]] | None:
    """Return bytes a step and process by layout, or None where the kernel cannot be asked."""
    prefix = own_network()
    if prefix is None:
        return None
    batch, first, counted = 1000, 10, 20  # large batches, as in `measure_bytes`
    cnn, columns = "tutorial-cnn", "two-columns"
    plans: list[tuple[str, str, dict[str, Any]]] = [
        ("data, 2 workers", cnn, {"count": 2}),
        ("pipeline, gpipe", cnn, PIPELINE),
        ("pipeline, 1f1b", cnn, ONE_BACK),
        ("tensor, 2 workers", cnn, TENSOR),
        ("branches, 2 workers", columns, BRANCHES),
        ("2 workers, 1 server", cnn, served(1)),
        ("2 workers, 2 servers", cnn, served(2)),
        ("2 workers, 1 server, staleness 4", cnn, served(1, 4)),
    ]
    beats: dict[int, float] = {}
    rows = []
    for name, recipe, crew in plans:
        size = crew["count"] + crew.get("servers", 0)
        if size not in beats:
            beats[size] = beats_of(size, prefix)
        asked = ask(crew, first + counted, first, recipe=recipe, batch_size=batch, **sharded(4))
        sent, should = bytes_a_step(asked, prefix, beats[size]) / size, calculated(crew, batch)
        rows.append({"name": name, "bytes": sent, "calculated": should})
        say(f"{name}: {sent:,.0f}; by calculation {should:,.0f}")
    return rows


def calculated(crew: Mapping[str, Any], batch: int) -> float:
    """Return the bytes of numbers that a process receives in a step, by what the layout sends.

    In 4 shards, for two workers: without heads, agreements and the packets' own.
    """
    size = crew["count"] + crew.get("servers", 0)
    match crew.get("parallel", "data"):
        case "data":  # the subtotal of the other
            return FLOAT * parameters_of("cnn")
        case "parameter-server":  # each worker pulls the weights, and pushes a subtotal
            return crew["count"] * 2 * FLOAT * parameters_of("cnn") / size
        case "pipeline":  # what passes the cut there and back, and the labels
            return batch * (2 * FLOAT * _at_the_cut() + 8) / size
        case "tensor":
            return batch * FLOAT * _of_slices(crew["count"])
        case _:
            return batch * FLOAT * _of_branches() / size


def _seen(network: nn.Module) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """Return each layer with what it takes and gives for one image."""
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    for layer in network.modules():
        layer.register_forward_hook(
            lambda layer, taken, given: seen.append((layer, taken[0], given))
        )
    network(torch.zeros(1, 1, 28, 28))
    return seen


def _at_the_cut() -> int:
    """Return how many numbers the last layer with parameters takes, where cnn is cut."""
    *_, last = (
        taken for layer, taken, _ in _seen(networks.build("cnn", 10, 1)) if _cuttable(layer)
    )
    return last.numel()


def _cuttable(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.Linear, nn.Conv2d))


def _of_slices(workers: int) -> float:
    """Return the numbers that a worker receives for an image: a layer is cut as costs least."""
    others, total = workers - 1, 0.0
    for layer, taken, given in _seen(networks.build("cnn", 10, 1)):
        if _cuttable(layer):
            back = taken.numel() if taken.requires_grad else 0
            by_outputs = given.numel() / workers + back
            by_inputs = given.numel() + back / workers
            total += others * (
                by_outputs if taken.shape[1] < workers else min(by_outputs, by_inputs)
            )
    return total


def _of_branches() -> int:
    """Return the numbers that pass for an image when the second of each two branches is away."""
    network = networks.build("two-columns", 10, 1)
    away = [layer.parts[1] for layer in network.modules() if isinstance(layer, Branches)]
    return sum(
        taken.numel() * (2 if taken.requires_grad else 1) + 2 * given.numel()
        for layer, taken, given in _seen(network)
        if any(layer is one for one in away)
    )


def show_wire(found: Sequence[Mapping[str, Any]] | None) -> None:
    """Print bytes, counted and calculated."""
    if found is None:
        print("bytes: skipped, a network of one's own takes root, unshare and ip on Linux")
        return
    print("bytes a step of 1,000 images, 4 shards, that each process receives; by calculation\n")
    for row in found:
        more = 100 * (row["bytes"] / row["calculated"] - 1)
        print(f"{row['name']:<36}{row['bytes']:>12,.0f}{row['calculated']:>12,.0f}{more:>+8.1f} %")


# The same bits


def measure_bits() -> list[dict[str, str]]:
    """Return the hash of the weights in the end by what a run began as and was resumed as."""
    data: dict[str, Any] = {"count": 2}
    again = {"not resumed": None, "one process": ONE, "data, 2": data}
    cnn = {**again, "pipeline, 2": PIPELINE, "tensor, 2": TENSOR, "1 server, 2 workers": served(1)}
    columns = {**again, "branches, 2": BRANCHES}
    more = {
        "data, 3": {"count": 3},
        "pipeline, 3": {**ONE_BACK, "count": 3},
        "2 servers, 3 workers": served(2, workers=3),
    }
    rows = []
    for recipe, after, more_before in (("tutorial-cnn", cnn, more), ("two-columns", columns, {})):
        whole = _hash_of(recipe, ONE, [])
        before = {**after, **more_before}
        del before["not resumed"]
        for began, crew in before.items():
            for resumed, then in after.items():
                if resumed != began:
                    crews = [] if resumed == "not resumed" else [then]
                    sha = _hash_of(recipe, crew, crews)
                    row = {"recipe": recipe, "began": began, "resumed": resumed, "sha256": sha}
                    rows.append({**row, "one_process": whole})
                    say(f"{recipe}, {began}, then {resumed}: {sha[:12]} of {whole[:12]}")
    return rows


def _hash_of(
    recipe: str, crew: Mapping[str, Any] | None, then: Sequence[Mapping[str, Any] | None]
) -> str:
    """Return the hash of a short run's weights; where another layout follows, stopped for it."""
    settings = {"training.calibrate": 0}
    asked = ask(crew, None, 0, recipe=recipe, epochs=0.4, batch_size=500, settings=settings)
    with tempfile.TemporaryDirectory() as folder:
        asked["folder"] = folder
        for following in then:
            if ended(start({**asked, "stop": 10}))["summary"]:
                sys.exit("a run was over before it was stopped")
            asked["workers"] = following
        return str(ended(start(asked))["summary"]["weights_sha256"])


def show_bits(found: Sequence[Mapping[str, str]]) -> None:
    """Print hashes, and whether they are those of one process."""
    print("weights after a run that was stopped half-way and resumed; = is as by one process\n")
    for row in found:
        sign = "=" if row["sha256"] == row["one_process"] else "differs"
        head = f"{row['recipe']}: {row['began']}, then {row['resumed']}"
        print(f"{head:<64}{row['sha256'][:12]} {sign}")
