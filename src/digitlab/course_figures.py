"""The figures of the course, which `digitlab figure` draws: each a function, named in `FIGURES`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digitlab import flow_pictures
from digitlab.drawing import BLUE, ORANGE, SOFT, Colour, as_hex
from digitlab.durable_files import write_whole
from digitlab.errors import ConfigError, DataError, check_installed
from digitlab.picture_mark import is_ours
from digitlab.wording import LANGUAGES, one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]

_SUFFIXES = (".svg", ".png")
_WIDTH, _HEIGHT = 800, 440  # pixels


@dataclass(frozen=True)
class CourseFigure:
    """A figure of the course.

    Attributes:
        titles: by language.
        draw: draws into axes, in a language, and returns the line below the title.
    """

    titles: Mapping[str, str]
    draw: Callable[[Axes, str], str]


def draw_figure(name: str, out: str | os.PathLike[str], language: str = "en") -> None:
    """Draw a figure of the course into a file; the same bytes each time.

    Args:
        name: `sigmoid`, on [-8, 8]; `log`, on (0, 1); `softmax`, of three numbers; `pipeline`,
            `tensor`, `branches` or `parameter-server`, how workers share a network; `staleness`.
        out: a .svg, in which text stays text, or a .png. It replaces a picture of ours, but
            nothing else.
        language: of its words, `en` or `zh`.

    Raises:
        ConfigError: for a figure or a language that there is not.
        DataError: for a file of another kind, or one that cannot be written; and for a .png with
            letters that no font of this system has.
        MissingExtraError: where matplotlib is not installed.
    """
    path = Path(out)
    _check_choice("figure", name, FIGURES)
    _check_choice("language", language, LANGUAGES)
    _check_place(path)
    check_installed("drawing a figure", ["matplotlib"])
    from digitlab import plotting  # a second of imports

    figure_of, title = FIGURES[name], FIGURES[name].titles[language]
    with plotting.look():
        figure, (axes,) = plotting.new_figure(_WIDTH, _HEIGHT)
        below = figure_of.draw(axes, language)
        if path.suffix.lower() == ".svg":
            content = plotting.to_svg(figure, title, below)
        elif plotting.can_be_drawn(figure, title, below):
            content = plotting.to_png(figure, title, [(below, SOFT)])
        else:
            raise _not_written(
                path, "no font of this system has its letters", f"{path.stem}.svg, which needs none"
            )
    try:
        write_whole(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _not_written(path, reason, "another folder") from error


def titles(language: str = "en") -> dict[str, str]:
    """Return the figures that there are, and their titles.

    Raises:
        ConfigError: for a language that there is not.
    """
    _check_choice("language", language, LANGUAGES)
    return {name: figure.titles[language] for name, figure in FIGURES.items()}


def _sigmoid(axes: Axes, language: str) -> str:
    slope, below = {
        "en": (
            "its slope, at most 0.25",
            "any number becomes one between 0 and 1; far from 0 it is flat, and little is learned",
        ),
        "zh": (
            "导数，最大值为 0.25",
            "把任意实数映射到 0 与 1 之间；离 0 越远，曲线越平，导数越接近 0，学习越慢",
        ),
    }[language]
    x = np.linspace(-8, 8, 321)
    y = 1 / (1 + np.exp(-x))
    _line(axes, x, y, BLUE, "y = 1 / (1 + exp(-x))", (1.6, 0.72))
    _line(axes, x, y * (1 - y), ORANGE, slope, (1.6, 0.22))
    axes.set_xlim(-8, 8)
    axes.set_xticks(range(-8, 9, 2))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel("x")
    return below


def _log(axes: Axes, language: str) -> str:
    below = {
        "en": "cross-entropy is -log p, p the probability of the right digit: near 0 it is endless",
        "zh": "交叉熵损失等于 -log p，p 是正确类别的预测概率：p 趋近 0 时，损失趋于无穷大",
    }[language]
    y = np.linspace(-5.2, 0, 400)
    _line(axes, np.exp(y), y, BLUE, "y = log x", (0.78, -0.75))
    for x in (0.01, 0.1, 0.5):
        axes.plot(x, np.log(x), "o", color=as_hex(ORANGE), markersize=6)
        axes.text(x + 0.02, np.log(x) - 0.1, f"log {x:g} = {np.log(x):.2f}", va="top")
    axes.set_xlim(0, 1)
    axes.set_ylim(-5.2, 0)
    axes.set_xlabel("x")
    return below


def _softmax(axes: Axes, language: str) -> str:
    labels, x_label, y_label, below = {
        "en": (
            ("of the number that moves", "of the 1", "of the 0"),
            "the number that moves",
            "probability",
            "one of the numbers moves, the others stay at 1 and 0; their probabilities add up to 1",
        ),
        "zh": (
            ("变化的数", "固定为 1 的数", "固定为 0 的数"),
            "变化的数",
            "概率",
            "三个数中一个变化，另外两个固定为 1 和 0；三个概率之和始终为 1",
        ),
    }[language]
    x = np.linspace(-6, 8, 281)
    exponentials = np.exp(np.stack([x, np.full_like(x, 1), np.zeros_like(x)]))
    shares = exponentials / exponentials.sum(axis=0)
    places = [(4.2, 0.9), (-5.8, 0.755), (-5.8, 0.295)]
    for share, colour, label, place in zip(
        shares, (BLUE, ORANGE, SOFT), labels, places, strict=True
    ):
        _line(axes, x, share, colour, label, place)
    axes.set_title(y_label)
    axes.set_xlim(-6, 8)
    axes.set_ylim(0, 1)
    axes.set_xlabel(x_label)
    return below


def _line(
    axes: Axes, x: Floats, y: Floats, colour: Colour, label: str, at: tuple[float, float]
) -> None:
    """Draw a line, with its name beside it in its colour."""
    axes.plot(x, y, color=as_hex(colour), linewidth=2)
    axes.text(*at, label, color=as_hex(colour))


# More are added here.
FIGURES: Mapping[str, CourseFigure] = MappingProxyType(
    {
        "sigmoid": CourseFigure({"en": "The sigmoid", "zh": "sigmoid 函数"}, _sigmoid),
        "log": CourseFigure(
            {"en": "The logarithm between 0 and 1", "zh": "(0, 1) 上的对数函数"}, _log
        ),
        "softmax": CourseFigure(
            {"en": "Softmax of three numbers", "zh": "三个数的 softmax"}, _softmax
        ),
        "pipeline": CourseFigure(
            {"en": "Pipeline: a stage each", "zh": "流水线并行：每个工作进程一段"},
            flow_pictures.pipeline,
        ),
        "tensor": CourseFigure(
            {"en": "Tensor parallel: a slice of each layer", "zh": "张量并行：每层各分一片"},
            flow_pictures.tensor,
        ),
        "branches": CourseFigure(
            {
                "en": "Branches: parts that do not need each other",
                "zh": "按分支并行：互不依赖的部分",
            },
            flow_pictures.branches,
        ),
        "parameter-server": CourseFigure(
            {"en": "Parameter servers: pull and push", "zh": "参数服务器：拉取与推送"},
            flow_pictures.parameter_server,
        ),
        "staleness": CourseFigure(
            {"en": "Waiting for each other, or not", "zh": "等与不等"}, flow_pictures.staleness
        ),
    }
)


def _check_choice(kind: str, asked: str, choices: Iterable[str]) -> None:
    if asked not in choices:
        near = difflib.get_close_matches(str(asked).lower(), choices, 1, 0.55)
        meant = f"did you mean {near[0]}?" if near else f"expected {one_of(choices)}"
        raise ConfigError(f"there is no {kind} {asked!r}; {meant}")


def _check_place(path: Path) -> None:
    """Say before anything is drawn what stands against a file."""
    if path.suffix.lower() not in _SUFFIXES:
        near = difflib.get_close_matches(path.suffix.lower(), _SUFFIXES, 1)
        better = f"{path.stem or 'figure'}{(near or _SUFFIXES)[0]}"
        raise _not_written(path, f"expected {one_of(_SUFFIXES)} at its end", better)
    if not path.parent.is_dir():
        raise _not_written(path, f"there is no folder {path.parent}", path.name)
    if os.path.lexists(path) and not is_ours(path):
        raise _not_written(path, "something is there that is no picture of ours", "another name")


def _not_written(path: Path, reason: str, better: str) -> DataError:
    return DataError(f"{path} cannot be written: {reason}; try {better}")
