"""The pictures of a run: curves.png and confusion.png, drawn with matplotlib when it stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digitlab.drawing import BLUE, ORANGE, PALE, SOFT, TEXT, Colour, as_hex
from digitlab.durable_files import write_whole
from digitlab.plotting import look, new_figure, to_png

# isort: split
# After plotting, which imports matplotlib under any MPLBACKEND.
import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

Floats = npt.NDArray[np.float64]

_WINDOWS = 50  # of which each has its mean: many enough for a cliff to look like one
_MARKED = 60  # epochs; of more, none is marked
_LABELLED = 3.0  # decades between which 2 and 5 have labels, too


def draw_curves(path: Path, metrics: Sequence[Mapping[str, Any]], title: str) -> None:
    """Draw loss and accuracy over the steps: each step's pale, the mean of each window strong.

    A mean stands over its own window, so that a cliff is drawn as one. The axis of losses is
    logarithmic, and says so, where they spread enough to have ticks there.

    Args:
        path: of the PNG.
        metrics: the lines of metrics.jsonl, of a run that has ended or not.
        title: of the picture.
    """
    steps = [line for line in metrics if line["kind"] == "step"]
    epochs = [line for line in metrics if line["kind"] == "epoch"]
    at = _column(steps, "step")
    width = max(1, -(-len(steps) // _WINDOWS))
    with look():
        figure, (left, right) = new_figure(1000, 480, columns=2)
        for axes, key, scale in ((left, "loss", 1.0), (right, "accuracy", 100.0)):
            values = scale * _column(steps, key)
            if width > 1:
                axes.plot(at, values, color=as_hex(PALE), linewidth=0.6, alpha=0.6)
            edges, means = _windows(at, values, width)
            axes.stairs(means, edges, baseline=None, color=as_hex(BLUE), linewidth=1.8, zorder=3)
            valid = scale * _column(epochs, f"valid_{key}")
            marker = "o" if len(epochs) <= _MARKED else ""
            axes.plot(
                _column(epochs, "step"),
                valid,
                color=as_hex(ORANGE),
                marker=marker,
                markersize=5,
                zorder=4,
            )
            axes.set_xlabel("step")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
            axes.xaxis.set_major_formatter("{x:,.0f}")
        left.set_title("loss")
        right.set_title("accuracy (%)")
        _scale_losses(left, np.concatenate([_column(steps, "loss"), _column(epochs, "valid_loss")]))
        skipped = [line["step"] for line in steps if line.get("skipped")]
        left.plot(
            skipped,
            np.full(len(skipped), 0.03),
            "x",
            color=as_hex(ORANGE),
            transform=left.get_xaxis_transform(),
        )
        legend = _legend(width, epochs, len(skipped))
        write_whole(path, to_png(figure, title, legend))


def draw_confusion(path: Path, confusion: npt.NDArray[np.int64]) -> None:
    """Draw a confusion matrix int64 [10, 10], rows the truth; only errors are coloured."""
    matrix = np.asarray(confusion)
    right = 100 * np.trace(matrix) / matrix.sum()
    errors = matrix.astype(float)
    np.fill_diagonal(errors, np.nan)
    most = max(1.0, float(np.nanmax(errors)))
    with look():
        figure, (axes,) = new_figure(600, 640, columns=1)
        colours = matplotlib.colormaps["Oranges"].with_extremes(bad=as_hex(PALE))
        axes.imshow(errors, cmap=colours, vmin=0, vmax=most)
        for truth, answer in np.argwhere(matrix):
            is_dark = truth != answer and errors[truth, answer] > 0.6 * most
            axes.text(
                answer,
                truth,
                str(matrix[truth, answer]),
                ha="center",
                va="center",
                color="white" if is_dark else as_hex(TEXT),
            )
        axes.set_xticks(range(10))
        axes.set_yticks(range(10))
        axes.set_xlabel("answer")
        axes.set_ylabel("truth")
        axes.grid(visible=False)
        title = f"{right:.2f} % right on the test split"
        below = [("each row a truth, each column an answer; errors are ", SOFT), ("orange", ORANGE)]
        write_whole(path, to_png(figure, title, below))


def _column(lines: Sequence[Mapping[str, Any]], key: str) -> Floats:
    """Return a value of each line, float64 [N]; what is not finite or not known is not a number."""
    return np.array([np.nan if line.get(key) is None else line[key] for line in lines], np.float64)


def _windows(at: Floats, values: Floats, width: int) -> tuple[Floats, Floats]:
    """Return the edges [W + 1] of windows of so many steps, and the mean of what is known in each.

    Args:
        at: the steps [N], in order.
        values: of each [N].
        width: steps in a window; the last may have fewer.
    """
    firsts = np.arange(0, len(at), width)
    known = np.isfinite(values)
    sums = np.add.reduceat(np.where(known, values, 0.0), firsts) if len(at) else np.zeros(0)
    counts = np.add.reduceat(known.astype(np.float64), firsts) if len(at) else np.zeros(0)
    means = np.divide(sums, counts, out=np.full(len(firsts), np.nan), where=counts > 0)
    last = at[-1:] if len(at) else np.zeros(1)
    return np.concatenate([at[firsts] - 0.5, last + 0.5]), means


def _scale_losses(axes: Axes, losses: Floats) -> None:
    """Make the axis of losses logarithmic, and say so, where it has three ticks 1, 2 and 5 then."""
    positive = losses[losses > 0]
    if not len(positive):
        return
    low, high = np.log10(positive.min()), np.log10(positive.max())
    ticks = np.log10([1, 2, 5]) + np.arange(np.floor(low), np.ceil(high) + 1)[:, None]
    if np.count_nonzero((ticks >= low) & (ticks <= high)) < 3:
        return
    axes.set_yscale("log")
    axes.set_title("loss, on a logarithmic scale")
    subs = (1.0, 2.0, 5.0) if high - low < _LABELLED else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=9))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend(width: int, epochs: Sequence[Any], skipped: int) -> list[tuple[str, Colour]]:
    """Return in words, each in its colour, what the lines are."""
    parts = [("training, each step", BLUE)]
    if width > 1:
        parts = [("training, mean of ", BLUE), (f"{width:,} steps", BLUE), ("   each step", SOFT)]
    if any(line.get("valid_accuracy") is not None for line in epochs):
        parts.append(("   validation", ORANGE))
    if skipped:
        parts.append((f"   x  {skipped:,} skipped, since not finite", ORANGE))
    return parts
