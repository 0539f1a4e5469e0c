"""Pictures of how several workers share a network: what each has, and what passes between them.

Used by `course_figures`; each function draws into axes, in a language, and returns the line below
the title.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from digitlab.drawing import BLUE, GRID, ORANGE, SOFT, TEXT, Colour, as_hex

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 696, 272  # of the axes, in pixels, which the pictures are laid out in
_WHITE: Colour = (255, 255, 255)

# What each of two stages does with four micro-batches: F forward, B back.
ORDERS: Mapping[str, tuple[str, str]] = {
    "GPipe": ("F0 F1 F2 F3 B0 B1 B2 B3", "F0 F1 F2 F3 B0 B1 B2 B3"),
    "1F1B": ("F0 F1 B0 F2 B1 F3 B2 B3", "F0 B0 F1 B1 F2 B2 F3 B3"),
}
# How long three workers need for each of six steps, made up: each is held up once.
DURATIONS = ((2, 2, 5, 2, 2, 2), (2, 9, 2, 2, 2, 2), (2, 2, 2, 2, 5, 2))


def pipeline(axes: Axes, language: str) -> str:
    """Draw two stages, and when they do what under either schedule."""
    words, below = {
        "en": (
            ("images", "activations", "gradients", "loss", "stage {}", "forward", "back", "idle"),
            "two stages, four micro-batches, each way equally long: a fifth of the time is idle",
        ),
        "zh": (
            ("图片", "激活值", "梯度", "损失", "第 {} 段", "前向", "反向", "空闲"),
            "两段、四个微批次，前向与反向假定一样长：每段有五分之一的时间空闲",
        ),
    }[language]
    images, there, back, loss, stage, forward, backward, idle = words
    _blank(axes)
    for number, x in enumerate((110, 400)):
        _box(axes, (x, 216, 170, 40), stage.format(number), TEXT)
    _text(axes, (85, 236), images, TEXT, "right")
    _arrow(axes, (88, 236), (108, 236), TEXT)
    _arrow(axes, (282, 246), (398, 246), BLUE)
    _text(axes, (340, 258), there, BLUE)
    _arrow(axes, (398, 226), (282, 226), ORANGE)
    _text(axes, (340, 214), back, ORANGE)
    _arrow(axes, (572, 236), (594, 236), TEXT)
    _text(axes, (600, 236), loss, TEXT, "left")
    for top, (name, orders) in zip((190, 96), ORDERS.items(), strict=True):
        _text(axes, (2, top - 28), name, TEXT, "left")
        times = _timeline(orders)
        for number, starts in enumerate(times):
            y = top - 26 * (number + 1)
            _text(axes, (104, y + 12), stage.format(number), SOFT, "right")
            _bar(axes, (110, y, 560, 24), "", GRID)
            for work, start in starts.items():
                colour = BLUE if work[0] == "F" else ORANGE
                _bar(axes, (110 + 56 * start, y, 55, 24), work[1:], colour)
    for x, label, colour in ((110, forward, BLUE), (290, backward, ORANGE), (470, idle, GRID)):
        _bar(axes, (x, 6, 14, 14), "", colour)
        _text(axes, (x + 20, 13), label, TEXT, "left")
    return below


def tensor(axes: Axes, language: str) -> str:
    """Draw a layer that two workers share by its outputs, and one by its inputs."""
    (by_outputs, by_inputs, worker, first, second, summand, joined, added), below = {
        "en": (
            (
                "cut by outputs",
                "cut by inputs",
                "worker {}",
                ", 1st half",
                ", 2nd half",
                "summand {}",
                "joined",
                "added",
            ),
            "y = W x: each worker has half of the matrix W; afterwards both have all of y",
        ),
        "zh": (
            (
                "按输出切分",
                "按输入切分",
                "工作进程 {}",
                " 前半",
                " 后半",
                "部分和 {}",
                "拼接",
                "相加",
            ),
            "y = W x：每个工作进程只有矩阵 W 的一半；算完之后，两者都有完整的 y",
        ),
    }[language]
    _blank(axes)
    _text(axes, (72, 254), by_outputs, TEXT, "left")
    _text(axes, (398, 254), by_inputs, TEXT, "left")
    for number, (y, half) in enumerate(((170, first), (60, second))):
        _text(axes, (2, y + 60), worker.format(number), SOFT, "left")
        _box(axes, (8, y, 32, 40), "x", TEXT)
        _box(axes, (72, y, 96, 40), f"W{half}", BLUE)
        _box(axes, (222, y, 96, 40), f"y{half}", TEXT)
        _arrow(axes, (42, y + 20), (70, y + 20), BLUE)
        _arrow(axes, (170, y + 20), (220, y + 20), BLUE)
        _box(axes, (360, y, 88, 40), f"x{half}", TEXT)
        _box(axes, (474, y, 96, 40), f"W{half}", BLUE)
        _box(axes, (594, y, 98, 40), summand.format(number), TEXT)
        _arrow(axes, (450, y + 20), (472, y + 20), BLUE)
        _arrow(axes, (572, y + 20), (592, y + 20), BLUE)
    for x, label in ((270, joined), (643, added)):
        _arrow(axes, (x, 102), (x, 168), ORANGE)
        _arrow(axes, (x, 168), (x, 102), ORANGE)
        _text(axes, (x - 10, 135), label, ORANGE, "right")
    return below


def branches(axes: Axes, language: str) -> str:
    """Draw the two columns of the network two-columns, each with a worker."""
    (image, first, second, join, last, upper, lower), below = {
        "en": (
            (
                "image",
                "2 convolutions",
                "2 convolutions",
                "join",
                "linear layer, loss",
                "worker 0: a column, and what both share",
                "worker 1: the other column",
            ),
            "two columns see each other's work where they are joined; orange goes between workers",
        ),
        "zh": (
            (
                "图片",
                "两层卷积",
                "两层卷积",
                "拼接",
                "全连接层、损失",
                "工作进程 0：一列，以及共用部分",
                "工作进程 1：另一列",
            ),
            "两列只在拼接处看到对方的结果；橙色箭头表示工作进程之间的传递",
        ),
    }[language]
    _blank(axes)
    _text(axes, (90, 244), upper, SOFT, "left")
    _text(axes, (90, 28), lower, SOFT, "left")
    _text(axes, (50, 200), image, TEXT, "right")
    for y in (180, 50):
        _box(axes, (90, y, 122, 40), first, BLUE)
        _box(axes, (328, y, 122, 40), second, BLUE)
    for x in (248, 486):
        _box(axes, (x, 180, 46, 40), join, TEXT)
        _arrow(axes, (x - 34, 200), (x - 2, 200), BLUE)
        _arrow(axes, (x - 34, 76), (x + 16, 178), ORANGE)
    _arrow(axes, (54, 200), (88, 200), BLUE)
    _arrow(axes, (40, 188), (88, 76), ORANGE)
    _arrow(axes, (296, 200), (326, 200), BLUE)
    _arrow(axes, (278, 178), (326, 76), ORANGE)
    _arrow(axes, (534, 200), (550, 200), BLUE)
    _box(axes, (552, 180, 142, 40), last, TEXT)
    return below


def parameter_server(axes: Axes, language: str) -> str:
    """Draw three workers and two servers."""
    (worker, server, pull, push), below = {
        "en": (
            (
                "worker {}\nits shards",
                "server {}\n{} half of the parameters",
                "pull weights",
                "push gradients",
            ),
            "servers own the parameters and what the optimizer remembers; workers compute",
        ),
        "zh": (
            ("工作进程 {}\n自己的分片", "服务器 {}\n{}一半参数", "拉取权重", "推送梯度"),
            "参数和优化器状态归服务器所有；工作进程只负责计算梯度",
        ),
    }[language]
    halves = {"en": ("first", "second"), "zh": ("前", "后")}[language]
    _blank(axes)
    workers, servers = (212, 116, 20), (164, 68)
    for number, y in enumerate(workers):
        _box(axes, (20, y, 150, 50), worker.format(number), TEXT)
        for at in servers:
            _arrow(axes, (454, at + 34), (174, y + 34), BLUE)
            _arrow(axes, (174, y + 18), (454, at + 18), ORANGE)
    for number, y in enumerate(servers):
        _box(axes, (458, y, 232, 50), server.format(number, halves[number]), TEXT)
    _text(axes, (314, 262), pull, BLUE)
    _text(axes, (314, 12), push, ORANGE)
    return below


def staleness(axes: Axes, language: str) -> str:
    """Draw six steps of three workers that wait for each other, and of three that need not."""
    (waits, ahead, worker, computes, idle), below = {
        "en": (
            ("staleness 0", "staleness 2", "worker {}", "a step", "waits"),
            "each worker is held up once (times made up); with staleness 2 few wait for it",
        ),
        "zh": (
            ("陈旧度 0", "陈旧度 2", "工作进程 {}", "一步", "等待"),
            "每个工作进程各被耽搁一次（时间为虚构）；陈旧度为 2 时，等待少得多",
        ),
    }[language]
    _blank(axes)
    for top, bound, name in ((250, 0, waits), (124, 2, ahead)):
        _text(axes, (2, top + 10), name, TEXT, "left")
        times = _starts(DURATIONS, bound)
        for number, (starts, durations) in enumerate(zip(times, DURATIONS, strict=True)):
            y = top - 26 * (number + 1)
            _text(axes, (104, y + 12), worker.format(number), SOFT, "right")
            _bar(axes, (110, y, 23 * (starts[-1] + durations[-1]) - 1, 24), "", GRID)
            for step, (start, long) in enumerate(zip(starts, durations, strict=True), 1):
                _bar(axes, (110 + 23 * start, y, 23 * long - 1, 24), str(step), BLUE)
    for x, label, colour in ((110, computes, BLUE), (290, idle, GRID)):
        _bar(axes, (x, 12, 14, 14), "", colour)
        _text(axes, (x + 20, 19), label, TEXT, "left")
    return below


def _timeline(orders: Sequence[str]) -> list[dict[str, int]]:
    """Return when each stage begins each piece of work, by its name in `ORDERS`.

    A piece takes one unit of time, and waits for the same of the stage before (F) or after (B).
    """
    left = [order.split() for order in orders]
    starts: list[dict[str, int]] = [{} for _ in orders]
    free = [0] * len(orders)
    while any(left):
        for stage, todo in enumerate(left):
            before = stage - 1 if todo and todo[0][0] == "F" else stage + 1
            if not todo or (0 <= before < len(orders) and todo[0] not in starts[before]):
                continue
            ready = starts[before][todo[0]] + 1 if 0 <= before < len(orders) else 0
            starts[stage][todo[0]] = max(free[stage], ready)
            free[stage] = starts[stage][todo.pop(0)] + 1
    return starts


def _starts(durations: Sequence[Sequence[int]], bound: int) -> list[list[int]]:
    """Return when each worker begins each step, where it may be `bound` steps ahead of others."""
    ends: list[list[int]] = [[] for _ in durations]
    starts: list[list[int]] = [[] for _ in durations]
    for step in range(len(durations[0])):
        # All must have done the steps before this one, but for the last `bound` of them.
        needed = step - bound
        may = max(one[needed - 1] for one in ends) if needed > 0 else 0
        for worker, long in enumerate(one[step] for one in durations):
            starts[worker].append(max(may, ends[worker][-1] if step else 0))
            ends[worker].append(starts[worker][-1] + long)
    return starts


def _blank(axes: Axes) -> None:
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(0, _HEIGHT)
    axes.set_axis_off()


def _box(axes: Axes, place: tuple[float, float, float, float], label: str, colour: Colour) -> None:
    """Draw a box with its label, of one line or several: x, y, width, height."""
    from matplotlib.patches import Rectangle

    x, y, width, height = place
    edge = as_hex(colour)
    axes.add_patch(Rectangle((x, y), width, height, facecolor="white", edgecolor=edge))
    lines = label.split("\n")
    for number, line in enumerate(lines):
        down = 9 * (2 * number + 1 - len(lines))
        _text(axes, (x + width / 2, y + height / 2 - down), line, colour)


def _bar(axes: Axes, place: tuple[float, float, float, float], label: str, colour: Colour) -> None:
    """Draw a filled bar, of time or in a legend: x, y, width, height."""
    from matplotlib.patches import Rectangle

    x, y, width, height = place
    axes.add_patch(Rectangle((x, y), width, height, facecolor=as_hex(colour), edgecolor="none"))
    if label:
        _text(axes, (x + width / 2, y + height / 2), label, _WHITE)


def _text(
    axes: Axes, place: tuple[float, float], words: str, colour: Colour, align: str = "center"
) -> None:
    axes.text(*place, words, color=as_hex(colour), ha=align, va="center_baseline")


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: Colour
) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=10,
            shrinkA=0,
            shrinkB=0,
            color=as_hex(colour),
        )
    )
