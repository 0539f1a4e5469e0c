"""Training with several workers: throughput, bytes on the wire, accuracy, and a model on paper.

`python benchmarks/scaling.py [--parts LIST] [--rounds N] [--json FILE] [--figure PNG]`. A worker
has one thread, all run on the same two cores, and the rounds take turns, so that a noisy minute
hits all alike: the ratios of a round say more than its seconds. Throughput is that of steps, while
all processes of a measurement train; start-up is no part of it. Bytes are those
that the kernel counts in a network of this benchmark's own, which takes root on Linux. The model
is fed with what was measured (`scaling_model.py`); `--measured FILE` takes it from an earlier run's
`--json FILE`. Of a model in parts and of parameter servers (`scaling_parts.py`): `idle`, how long
the stages of a pipeline wait; `parts`, throughput; `wire`, bytes; `staleness`, accuracy; `bits`,
hashes of weights by what a run began as and was resumed as.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import scaling_model
import scaling_parts
from scaling_runs import (
    WARM_UP,
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

PARTS = ("speed", "bytes", "accuracy", "model", *scaling_parts.PARTS)


def measure_speed(rounds: int, steps: int) -> dict[str, Any]:
    """Return images a second by name of the measurement, a list by round; and exchanges."""
    crew = {"count": 2}
    slow = max(WARM_UP + 40, steps // 5)
    plans: dict[str, tuple[list[Ask], int]] = {
        "independents": ([ask(None, steps)] * 2, 100),
        "exact, 4 shards": ([ask(crew, steps)], 100),
        "independents, --workers 1": ([ask({"count": 1}, steps)] * 2, 100),
        "independents, half the batch": ([ask(None, steps, batch_size=50, **sharded(2))] * 2, 50),
        "ddp": ([ask({**crew, "sync": "ddp"}, steps)], 100),
        "exact, 2 shards": ([ask(crew, steps, **sharded(2))], 100),
        "exact, 8 shards": ([ask(crew, steps, **sharded(8))], 100),
        "one process, network photo": ([ask(None, slow, network="photo")], 100),
    }
    speeds: dict[str, list[float]] = {name: [] for name in plans}
    processor: dict[str, list[float]] = {name: [] for name in plans}
    for _ in range(rounds):
        for name, (asks, batch) in plans.items():
            steps_a_second, seconds = side_by_side(asks)
            speeds[name].append(batch * steps_a_second)
            processor[name].append(1e3 * seconds / batch)
            said = f"{speeds[name][-1]:,.0f} images/s, {processor[name][-1]:.4f} ms of processor"
            say(f"{name}: {said} an image")
    sizes = (24, scaling_model.FLOAT * parameters_of("cnn"))
    exchanges = {size: exchange(size) for size in sizes}
    return {"images_per_second": speeds, "processor_ms": processor, "exchange": exchanges}


def exchange(size: int) -> float:
    """Return the seconds of an exchange of two workers that have nothing else to do."""
    return float(ended(start({"exchange": size}))["seconds"])


def adds_a_second(parameters: int) -> float:
    """Return the floats that this process adds in a second, vectors of so many at a time."""
    vectors = [torch.ones(parameters) for _ in range(16)]
    seconds = []
    for _ in range(40):
        began = time.perf_counter()
        total = vectors[0]
        for vector in vectors[1:]:
            total = total + vector
        seconds.append(time.perf_counter() - began)
    return 15 * parameters / min(seconds)


def ratios(speeds: Mapping[str, Sequence[float]], name: str, base: str) -> list[float]:
    """Return the ratio of each round."""
    return [a / b for a, b in zip(speeds[name], speeds[base], strict=True)]


def show_speed(found: Mapping[str, Any]) -> None:
    """Print throughput and its ratios."""
    speeds = found["images_per_second"]
    rounds = len(speeds["ddp"])
    print(f"images a second on two cores, one thread each, median of {rounds} (min to max)\n")
    for name, values in speeds.items():
        print(f"{name:<32}{spread(values, lambda x: f'{x:,.0f}')}")
    print("\nratios within a round, %, median (min to max): of throughput; of processor time\n")
    for name, base in (
        ("exact, 4 shards", "independents"),
        ("exact, 4 shards", "independents, half the batch"),
        ("independents, --workers 1", "independents"),
        ("exact, 2 shards", "ddp"),
        ("exact, 4 shards", "ddp"),
        ("exact, 8 shards", "ddp"),
    ):
        wall = spread(ratios(speeds, name, base), lambda x: f"{100 * x:.1f}")
        line = f"{name + ' / ' + base:<48}{wall:>24}"
        if all(found["processor_ms"][name]):  # the less, the better, so it is the other way round
            taken = ratios(found["processor_ms"], base, name)
            line += f"; {spread(taken, lambda x: f'{100 * x:.1f}')}"
        print(line)
    for size, seconds in found["exchange"].items():
        print(
            f"\nexchange of {int(size):,} bytes, two idle workers: {1e6 * seconds:.0f} µs", end=""
        )
    print()


KINDS: dict[str, dict[str, Any]] = {
    "exact": {},
    "ddp": {"sync": "ddp"},
    "ddp, fp16": {"sync": "ddp", "compress": "fp16"},
    "ddp, powersgd": {"sync": "ddp", "compress": "powersgd"},
    "ddp, local-steps 8": {"sync": "ddp", "local_steps": 8},
}


def measure_bytes() -> dict[str, Any] | None:
    """Return bytes a step and worker by what is sent, or None where the kernel cannot be asked."""
    prefix = own_network()
    if prefix is None:
        return None
    # Large batches: a step that takes less than 0.05 s is heard of together with others. PowerSGD
    # begins at step 100; the epochs of 50 steps end in an exchange of another kind.
    batch, first, counted = 1000, 104, 40  # a multiple of 8 local steps
    plans = [(kind, 2, 4) for kind in KINDS]
    plans += [("exact", *sizes) for sizes in ((2, 8), (3, 8), (4, 4), (4, 8))]
    plans += [("ddp", 4, 4)]
    beats = {size: beats_of(size, prefix) for size in sorted({size for _, size, _ in plans})}
    rows = []
    for kind, workers, shards in plans:
        crew = {"count": workers, **KINDS[kind]}
        asked = ask(crew, first + counted, first, batch_size=batch, **sharded(shards))
        sent = bytes_a_step(asked, prefix, beats[workers]) / workers
        rows.append({"kind": kind, "workers": workers, "shards": shards, "bytes": sent})
        say(f"{kind}, {workers} workers: {sent:,.0f}")
    return {"beats": beats, "rows": rows}


def show_bytes(found: Mapping[str, Any] | None) -> None:
    """Print bytes."""
    if found is None:
        print("bytes: skipped, a network of one's own takes root, unshare and ip on Linux")
        return
    print("bytes a step that each worker receives, TCP and IP headers and answers included\n")
    for row in found["rows"]:
        head = f"{row['kind']}, {row['workers']} workers, {row['shards']} shards"
        print(f"{head:<40}{row['bytes']:>9,.0f}")
    beats = ", ".join(f"{value:,.0f} of {n} workers" for n, value in found["beats"].items())
    print(f"\nnot in it: beats, bytes a second in all: {beats}")


def fitted(speed: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return what a step costs whatever its shards, and what a shard costs, by network.

    In seconds of the processor, of which others on the machine take nothing away.
    """
    taken = {name: statistics.median(x) / 1e3 for name, x in speed["processor_ms"].items()}
    if not all(taken.values()):
        sys.exit("the model is fed with processor time, which is told on Linux only")
    whole = 100 * taken["independents"]
    half = 50 * taken["independents, half the batch"]
    fixed = max(0.0, 2 * half - whole)
    photo = 100 * taken["one process, network photo"]
    found = {}
    for name, seconds in (("cnn", whole), ("photo", photo)):
        parameters = parameters_of(name)
        found[name] = {
            "parameters": parameters,
            "fixed": fixed,
            "shard": (seconds - fixed) / 4,
            "adds": adds_a_second(parameters),
        }
    return found


def show_model(
    fit: Mapping[str, Any], speed: Mapping[str, Any], figure: Path | None, language: str
) -> None:
    """Print what the model says, first about two workers, where it can be checked."""
    works = scaling_model.works(fit)
    small, whole = sorted((int(size), seconds) for size, seconds in speed["exchange"].items())
    link = (whole[0] - small[0]) / max(whole[1] - small[1], 1e-9)
    predicted = scaling_model.step(works[0], "exact", 2, 2, link, small[1])
    measured = statistics.median(100 / x for x in speed["images_per_second"]["exact, 4 shards"])
    print("A model, not a measurement (assumptions: scaling_model.py).\n")
    for work in works:
        print(
            f"{work.name}: {1e3 * work.fixed:.2f} ms a step and {1e3 * work.shard:.2f} ms a shard "
            f"of {work.images}; {work.adds / 1e9:.1f}e9 additions a second"
        )
    print(
        f"\ntwo workers on this machine, ms a step: the model says {1e3 * predicted:.2f}, measured "
        f"{1e3 * measured:.2f} ({100 * (predicted / measured - 1):+.0f} %)"
    )
    taken = 100 / 2 * statistics.median(speed["processor_ms"]["exact, 4 shards"])
    print(f"of the processor, each of them took {taken:.2f} ms a step\n")
    print("% of the ideal throughput\n")
    print(scaling_model.table(works))
    if figure:
        scaling_model.draw(works, figure, scaling_model.LANGUAGES[language])


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=400, help="of a run, below 500: an epoch")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--json", type=Path, help="write all that was measured")
    parser.add_argument("--measured", type=Path, help="what an earlier --json wrote")
    parser.add_argument("--figure", type=Path, help="draw the model into a PNG")
    parser.add_argument("--language", choices=scaling_model.LANGUAGES, default="en")
    chosen = parser.parse_args()
    parts = chosen.parts.split(",")
    if hasattr(os, "sched_setaffinity"):  # what is started here inherits it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(chosen.measured.read_text()) if chosen.measured else {}
    if "speed" in parts:
        found["speed"] = measure_speed(chosen.rounds, chosen.steps)
        show_speed(found["speed"])
    if "bytes" in parts:
        print()
        found["bytes"] = measure_bytes()
        show_bytes(found["bytes"])
    if "accuracy" in parts:
        print()
        crews = {kind: {"count": 2, **options} for kind, options in KINDS.items()}
        found["accuracy"] = accuracies(crews, chosen.seeds, chosen.epochs)
        show_accuracies(f"after {chosen.epochs:g} epochs, 2 workers", found["accuracy"])
    for name in scaling_parts.PARTS:
        if name in parts:
            print()
            found[name] = scaling_parts.measure(name, chosen)
            scaling_parts.show(name, found[name])
    if "model" in parts:
        if "speed" not in found:
            sys.exit("the model is fed with part speed: measure it, too, or give --measured")
        found.setdefault("fit", fitted(found["speed"]))
        print()
        show_model(found["fit"], found["speed"], chosen.figure, chosen.language)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
