"""The pictures of a run: curves.png and confusion.png, drawn with matplotlib when it has ended."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.durable_files import write_whole
from digitlab.png_mark import SOFTWARE

# A notebook names by MPLBACKEND a module that may not be installed here, and importing matplotlib
# would fail; what we draw needs no backend. Where the variable is of use, it goes on to be.
_backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
    from matplotlib.figure import Figure
finally:
    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
if _backend is not None:
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend

_STEP, _EPOCH = ("step", "loss", "accuracy"), ("step", "valid_accuracy")
_INK, _SECOND = "#1f4e79", "#c55a11"


def draw_curves(path: Path, metrics: Sequence[Mapping[str, Any]], title: str) -> None:
    """Draw loss and accuracy over the steps: each step's pale, a moving mean strong.

    Args:
        path: of the PNG.
        metrics: the lines of metrics.jsonl.
        title: of the picture.
    """
    steps = [x for x in metrics if x["kind"] == "step" and None not in map(x.get, _STEP)]
    epochs = [x for x in metrics if x["kind"] == "epoch" and None not in map(x.get, _EPOCH)]
    figure = Figure(figsize=(10, 4), dpi=100)
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.14, top=0.88, wspace=0.22)
    left, right = figure.subplots(1, 2)
    x = np.array([line["step"] for line in steps])
    for axes, key, scale in ((left, "loss", 1.0), (right, "accuracy", 100.0)):
        y = scale * np.array([line[key] for line in steps])
        axes.plot(x, y, color=_INK, alpha=0.2, linewidth=0.8)
        axes.plot(x, _moving_mean(y), color=_INK, label="training")
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    left.set_ylabel("loss")
    right.set_ylabel("accuracy (%)")
    if len(steps) and min(line["loss"] for line in steps) > 0:
        left.set_yscale("log")
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_formatter("{x:g}")
    if epochs:
        at = [line["step"] for line in epochs]
        losses = [(line["step"], line["valid_loss"]) for line in epochs if line.get("valid_loss")]
        if losses:
            left.plot(*zip(*losses, strict=True), "o-", color=_SECOND, label="validation")
        accuracies = [100 * line["valid_accuracy"] for line in epochs]
        right.plot(at, accuracies, "o-", color=_SECOND, label="validation")
    right.legend()
    figure.suptitle(title, parse_math=False)
    _write(figure, path)


def draw_confusion(path: Path, confusion: npt.NDArray[np.int64]) -> None:
    """Draw a confusion matrix int64 [10, 10], rows the truth; only errors are coloured."""
    matrix = np.asarray(confusion)
    right = 100 * np.trace(matrix) / matrix.sum()
    errors = matrix.astype(float)
    np.fill_diagonal(errors, np.nan)
    figure = Figure(figsize=(6, 5.6), dpi=100)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.1, top=0.93)
    axes = figure.subplots()
    colours = matplotlib.colormaps["Oranges"].with_extremes(bad="#e8eef4")
    axes.imshow(errors, cmap=colours, vmin=0, vmax=max(1.0, float(np.nanmax(errors))))
    darkest = max(1.0, float(np.nanmax(errors)))
    for truth in range(10):
        for answer in range(10):
            count = matrix[truth, answer]
            dark = truth != answer and count > 0.6 * darkest
            if count:
                colour = "white" if dark else "black"
                axes.text(answer, truth, str(count), ha="center", va="center", color=colour, size=8)
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.set_title(f"test split: {right:.2f} % right; errors coloured")
    _write(figure, path)


def _moving_mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean over the last twentieth of the steps (fewer at the start)."""
    if not len(values):
        return values
    width = max(1, len(values) // 20)
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _write(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters in a recipe's name that the font lacks
        figure.savefig(buffer, format="png", metadata={"Software": SOFTWARE})
    write_whole(path, buffer.getvalue())
