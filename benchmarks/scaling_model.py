"""A model, on paper, of training with many workers; what `scaling.py` feeds, prints and draws.

The seconds of a step are those of a worker's own shards, of the exchange, and of adding up, one
after the other: nothing overlaps. Each worker has a machine and a link of its own, in both
directions at full speed at the same time, and the switches between them never are the limit.

exact: every worker receives the subtotal of every other (all-gather as a ring) and adds all.
ddp: all-reduce as a ring, which is what NCCL and gloo do, without its overlap with backward.
server: all send to one parameter server, which adds, and sends the weights to all.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from digitlab.drawing import BLUE, GREEN, ORANGE, SOFT, as_hex

WORKERS = (8, 16, 32, 64, 128, 256, 512, 1024)
LINKS = {"10 Gbit/s": 10e9 / 8, "100 Gbit/s": 100e9 / 8}  # bytes a second
LATENCY = 30e-6  # assumed: seconds of a message between two machines, by TCP
SHARDS = 1024  # of the whole batch, where it stays the same for any number of workers
FLOAT = 4  # bytes
_GPU_ADDS = 500e9 / 12  # assumed: floats a second, of a P100's memory, three touched an addition
# He et al. (2016); Goyal et al. (2017): 90 epochs of 1,281,167 images in 29 hours on 8 P100, each
# of which takes 32 images a step.
RESNET_PARAMETERS = 25_557_032
_RESNET_IMAGES = 32
_RESNET_SECONDS = 29 * 3600 * 8 * _RESNET_IMAGES / (90 * 1_281_167)


@dataclass(frozen=True)
class Work:
    """What a network costs, without an exchange.

    Attributes:
        name: of the network, and of what it was measured on.
        parameters: how many.
        fixed: seconds of each step, whatever its shards.
        shard: seconds of a shard on one worker.
        images: of a shard.
        shards: of a worker, where each has as many however many there are.
        adds: floats that a worker adds in a second.
    """

    name: str
    parameters: int
    fixed: float
    shard: float
    images: int
    shards: int
    adds: float


def works(measured: Mapping[str, Any]) -> list[Work]:
    """Return the three networks: two measured in this run, one from papers."""
    own = [
        Work(
            f"{name}, {one['parameters']:,} parameters, a core",
            one["parameters"],
            one["fixed"],
            one["shard"],
            25,
            4,
            one["adds"],
        )
        for name, one in measured.items()
    ]
    resnet = Work(
        f"ResNet-50, {RESNET_PARAMETERS / 1e6:.1f}M, a P100 (papers)",
        RESNET_PARAMETERS,
        0.0,
        _RESNET_SECONDS / 4,
        _RESNET_IMAGES // 4,
        4,
        _GPU_ADDS,
    )
    return [*own, resnet]


def exchange(kind: str, workers: int, parameters: int, link: float, latency: float) -> float:
    """Return the seconds in which the workers' sums become one.

    Args:
        kind: "exact", "ddp" or "server".
        workers: how many.
        parameters: of the network.
        link: bytes a second.
        latency: seconds of a message.
    """
    seconds = parameters * FLOAT / link
    others = workers - 1
    if kind == "exact":
        return others * (latency + seconds)
    if kind == "ddp":
        return 2 * others * (latency + seconds / workers)
    return 2 * (latency + workers * seconds)


def additions(kind: str, workers: int) -> int:
    """Return how many vectors the one who adds most adds, one after the other."""
    return 1 if kind == "ddp" else workers - 1


def step(
    work: Work, kind: str, workers: int, shards: float, link: float, latency: float = LATENCY
) -> float:
    """Return the seconds of a step with so many shards a worker."""
    own = work.fixed + shards * work.shard
    adding = additions(kind, workers) * work.parameters / work.adds
    return own + exchange(kind, workers, work.parameters, link, latency) + adding


def efficiency(work: Work, kind: str, scaling: str, workers: int, link: float) -> float:
    """Return images a second, as a part of what as many workers gave that needed no exchange.

    Args:
        work: of the network.
        kind: see `exchange`.
        scaling: "weak": each worker has the same number of shards; "strong": all together have.
        workers: how many.
        link: bytes a second.
    """
    if scaling == "weak":
        alone = work.fixed + work.shards * work.shard
        return alone / step(work, kind, workers, work.shards, link)
    alone = work.fixed + SHARDS * work.shard
    return alone / workers / step(work, kind, workers, SHARDS / workers, link)


def table(chosen: list[Work]) -> str:
    """Return all efficiencies, in % of the ideal."""
    lines = []
    for scaling, meaning in (
        ("weak", "the batch grows with the workers, as many shards each"),
        ("strong", f"one batch of {SHARDS:,} shards for all"),
    ):
        for work in chosen:
            images = work.shards if scaling == "weak" else SHARDS
            lines += [
                "",
                f"{work.name}; {scaling}: {meaning} ({images * work.images:,} images)",
                f"{'workers':<22}" + "".join(f"{workers:>7,}" for workers in WORKERS),
            ]
            for name, link in LINKS.items():
                for kind in ("exact", "ddp", "server"):
                    cells = [efficiency(work, kind, scaling, n, link) for n in WORKERS]
                    lines.append(
                        f"{kind + ', ' + name:<22}"
                        + "".join(f"{100 * cell:>7.{0 if cell > 0.095 else 1}f}" for cell in cells)
                    )
    return "\n".join(lines[1:])


@dataclass(frozen=True)
class Words:
    """What stands in the figure, in one language."""

    title: str = "A model, not a measurement: step = compute + exchange + adding"
    workers: str = "workers"
    throughput: str = "% of the ideal throughput; "
    server: str = "server"
    lines: str = "dashed: 10 Gbit/s; solid: 100 Gbit/s"
    weak: str = "weak: {:,} images a worker"
    strong: str = "strong: {:,} images in all"
    works: tuple[tuple[str, str], ...] = ()  # what to put for what, in the names of works


LANGUAGES = {
    "en": Words(),
    "zh": Words(
        title="理论模型，不是实测：每步时间 = 计算 + 通信 + 相加",
        workers="工作进程数",
        throughput="占理想吞吐量的百分比（%）；",
        server="参数服务器",
        lines="虚线：10 Gbit/s；实线：100 Gbit/s",
        weak="弱扩展：每个工作进程 {:,} 张图片",
        strong="强扩展：共 {:,} 张图片",
        works=(
            (" parameters, a core", " 个参数，单核"),
            (", a P100 (papers)", " 个参数，P100（据论文）"),
            (", ", "，"),
        ),
    ),
}


def draw(chosen: list[Work], path: Path, words: Words = LANGUAGES["en"]) -> None:
    """Draw all efficiencies into a PNG."""
    from digitlab import plotting

    colours = {"exact": BLUE, "ddp": GREEN, "server": ORANGE}
    below = [(words.throughput, SOFT)]
    below += [
        (f"{words.server if kind == 'server' else kind}   ", colour)
        for kind, colour in colours.items()
    ]
    below.append((words.lines, SOFT))
    with plotting.look():
        figure, axes = plotting.new_figure(1000, 600, columns=len(chosen), rows=2)
        figure.subplots_adjust(left=0.055, top=0.76, wspace=0.12, hspace=0.32)
        for at, axis in enumerate(axes):
            row, column = divmod(at, len(chosen))
            work = chosen[column]
            for link, style in zip(LINKS.values(), ("--", "-"), strict=True):
                for kind, colour in colours.items():
                    scaling = "strong" if row else "weak"
                    values = [100 * efficiency(work, kind, scaling, n, link) for n in WORKERS]
                    axis.plot(WORKERS, values, style, color=as_hex(colour))
            axis.set_xscale("log", base=2)
            axis.set_xticks(WORKERS, [str(workers) for workers in WORKERS] if row else [])
            axis.set_ylim(0, 103)
            images = work.images * (SHARDS if row else work.shards)
            title = (words.strong if row else words.weak).format(images)
            name = work.name
            for ours, theirs in words.works:
                name = name.replace(ours, theirs)
            axis.set_title(title if row else f"{name}\n{title}")
            if column:
                axis.tick_params(labelleft=False)
            if row:
                axis.set_xlabel(words.workers)
        if not plotting.can_be_drawn(figure, words.title, *(part for part, _ in below)):
            sys.exit("no font of this system has the letters of the figure")
        content = BytesIO(plotting.to_png(figure, words.title, below))
    Image.open(content).convert("RGB").quantize(32).save(path, optimize=True)
