"""The pictures of a run: curves.png and confusion.png, drawn with matplotlib when it stops."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from digitlab.drawing import (
    BLUE,
    CAPTION,
    FRAME,
    GRID,
    ORANGE,
    PALE,
    PAPER,
    SOFT,
    TEXT,
    TITLE,
    Colour,
    lettered,
    write,
)
from digitlab.durable_files import write_whole
from digitlab.png_mark import save_png

# A notebook names by MPLBACKEND a module that may not be installed here, and importing matplotlib
# would fail; what we draw needs no backend. Where the variable is of use, it goes on to be.
_backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
finally:
    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
if _backend is not None:
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend

Floats = npt.NDArray[np.float64]

_DPI = 100
_TOP = 108  # pixels for the title and what explains the picture
_MARGIN = 24  # pixels
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
    with _look():
        figure, (left, right) = _figure(1000, 480, columns=2)
        for axes, key, scale in ((left, "loss", 1.0), (right, "accuracy", 100.0)):
            values = scale * _column(steps, key)
            if width > 1:
                axes.plot(at, values, color=_hex(PALE), linewidth=0.6, alpha=0.6)
            edges, means = _windows(at, values, width)
            axes.stairs(means, edges, baseline=None, color=_hex(BLUE), linewidth=1.8, zorder=3)
            valid = scale * _column(epochs, f"valid_{key}")
            marker = "o" if len(epochs) <= _MARKED else ""
            axes.plot(
                _column(epochs, "step"),
                valid,
                color=_hex(ORANGE),
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
            color=_hex(ORANGE),
            transform=left.get_xaxis_transform(),
        )
        _write(figure, path, title, _legend(width, epochs, len(skipped)))


def draw_confusion(path: Path, confusion: npt.NDArray[np.int64]) -> None:
    """Draw a confusion matrix int64 [10, 10], rows the truth; only errors are coloured."""
    matrix = np.asarray(confusion)
    right = 100 * np.trace(matrix) / matrix.sum()
    errors = matrix.astype(float)
    np.fill_diagonal(errors, np.nan)
    most = max(1.0, float(np.nanmax(errors)))
    with _look():
        figure, (axes,) = _figure(600, 640, columns=1)
        colours = matplotlib.colormaps["Oranges"].with_extremes(bad=_hex(PALE))
        axes.imshow(errors, cmap=colours, vmin=0, vmax=most)
        for truth, answer in np.argwhere(matrix):
            is_dark = truth != answer and errors[truth, answer] > 0.6 * most
            axes.text(
                answer,
                truth,
                str(matrix[truth, answer]),
                ha="center",
                va="center",
                color="white" if is_dark else _hex(TEXT),
                size=8,
            )
        axes.set_xticks(range(10))
        axes.set_yticks(range(10))
        axes.set_xlabel("answer")
        axes.set_ylabel("truth")
        axes.grid(visible=False)
        title = f"{right:.2f} % right on the test split"
        _write(
            figure,
            path,
            title,
            [("each row a truth, each column an answer; errors are ", SOFT), ("orange", ORANGE)],
        )


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


@contextlib.contextmanager
def _look() -> Iterator[None]:
    """Have matplotlib draw in the look of all our pictures, whatever a user has set."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "axes.edgecolor": _hex(FRAME),
                "axes.facecolor": _hex(PAPER),
                "axes.grid": True,
                "axes.labelcolor": _hex(TEXT),
                "axes.spines.right": False,
                "axes.spines.top": False,
                "axes.titlecolor": _hex(TEXT),
                "axes.titlelocation": "left",
                "axes.titlesize": "medium",
                "axes.unicode_minus": False,
                "figure.facecolor": _hex(PAPER),
                "font.size": CAPTION * 72 / _DPI,
                "grid.color": _hex(GRID),
                "text.color": _hex(TEXT),
                "text.parse_math": False,
                "xtick.color": _hex(TEXT),
                "ytick.color": _hex(TEXT),
            }
        )
        yield


def _figure(width: int, height: int, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of that size in pixels, with room for a title, and its axes."""
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.subplots_adjust(
        left=80 / width,
        right=1 - _MARGIN / width,
        bottom=60 / height,
        top=1 - _TOP / height,
        wspace=0.24,
    )
    return figure, list(np.atleast_1d(figure.subplots(1, columns)))


def _write(figure: Figure, path: Path, title: str, below: Sequence[tuple[str, Colour]]) -> None:
    """Write a figure as a PNG, with a title and a line of parts, each in its colour, below it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    picture = Image.open(buffer).convert("RGB")
    draw = ImageDraw.Draw(picture)
    write(draw, (_MARGIN, 14), title, TITLE, width=picture.width - 2 * _MARGIN)
    x = float(_MARGIN)
    for part, colour in below:
        write(draw, (x, 50), part, CAPTION, colour)
        x += lettered(part, CAPTION)[1].getlength(part)
    marked = io.BytesIO()
    save_png(picture, marked)
    write_whole(path, marked.getvalue())


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
