"""One picture of when to trust a model: error over coverage, and bars by kind of degradation.

Drawn with Pillow, since the base install has no matplotlib. Used by report.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from digitlab.drawing import BLUE, CAPTION, GRID, HEADING, PALE, PAPER, TEXT, TITLE, lettered, write
from digitlab.evaluation.coverage import Coverage
from digitlab.evaluation.robustness import Kind
from digitlab.wording import percent

_WIDTH, _MARGIN = 800, 24  # pixels
_LEFT, _RIGHT = 130, 100  # pixels, for the names of kinds, and for how much of each is read
_CURVE_HEIGHT, _ROW = 240, 34
_FROM = 0.5  # the lowest coverage that is drawn
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)  # percent between lines of the grid


def draw_chart(coverage: Coverage, kinds: Sequence[Kind] = ()) -> Image.Image:
    """Draw the error of the most confident digits over coverage; below, the error of each kind.

    Each kind has two bars: what is wrong of all digits, with its 95 % interval as a line, and what
    is wrong of those that are read.

    Returns:
        A picture in RGB.
    """
    curve_head = _MARGIN + TITLE + 24
    top = curve_head + HEADING + 18
    curve_end = top + _CURVE_HEIGHT
    bars_head = curve_end + 4 * CAPTION
    bars = bars_head + HEADING + 3 * CAPTION
    height = (
        bars + _ROW * len(kinds) + 3 * CAPTION if kinds else curve_end + 2 * CAPTION
    ) + _MARGIN
    picture = Image.new("RGB", (_WIDTH, height), PAPER)
    draw = ImageDraw.Draw(picture)
    canvas = _Canvas(draw)
    write(draw, (_MARGIN, _MARGIN), "When to trust it", TITLE)
    heading = "wrong of what is read, by how much is read (coverage)"
    write(draw, (_MARGIN, curve_head), heading, HEADING)
    _draw_curve(canvas, coverage, top, curve_end)
    if kinds:
        reject = kinds[0].selection.reject
        refusal = "by default" if reject is None else f"at --reject {reject:g}"
        heading = f"wrong by kind of picture: pale of all, dark of those that are read {refusal}"
        write(draw, (_MARGIN, bars_head), heading, HEADING)
        _draw_bars(canvas, kinds, bars, bars + _ROW * len(kinds))
    return picture


class _Canvas:
    """A drawing with one font, and the horizontal scale that both parts share."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self.draw, self.font = draw, lettered("", CAPTION)[1]

    def text(self, x: float, y: float, text: str, anchor: float = 0) -> None:
        """Write a line; `anchor` 0 begins at x, 0.5 has its middle there, 1 ends there."""
        self.draw.text((x - anchor * self.font.getlength(text), y), text, TEXT, self.font)


def _across(fraction: float) -> float:
    """Return the x, in pixels, of a fraction of the plot's width."""
    return _LEFT + fraction * (_WIDTH - _LEFT - _RIGHT)


def _draw_curve(canvas: _Canvas, coverage: Coverage, top: int, bottom: int) -> None:
    count = len(coverage.errors)
    first = max(1, round(_FROM * count))
    read = np.unique(np.linspace(first, count, 400).round().astype(np.int64))
    errors = 100 * coverage.errors[read - 1] / read
    step, highest = _scale(float(errors.max()))

    def down(value: float) -> float:
        return bottom - (bottom - top) * value / highest

    for line in np.arange(0, highest + step / 2, step):
        canvas.draw.line((_across(0), down(line), _across(1), down(line)), GRID)
        canvas.text(_LEFT - 8, down(line) - CAPTION / 2 - 2, f"{line:.3g} %", 1)
    for tick in np.arange(_FROM, 1.01, 0.1):
        x = _across((tick - _FROM) / (1 - _FROM))
        canvas.draw.line((x, bottom, x, bottom + 4), TEXT)
        canvas.text(x, bottom + 6, percent(tick, 0), 0.5)
    xs = [_across(max(0.0, (n / count - _FROM) / (1 - _FROM))) for n in read.tolist()]
    points = list(zip(xs, map(down, errors.tolist()), strict=True))
    for one, other in pairwise(points):
        canvas.draw.line((*one, *other), BLUE, 2)


def _draw_bars(canvas: _Canvas, kinds: Sequence[Kind], top: int, bottom: int) -> None:
    canvas.text(_WIDTH - _MARGIN, top - CAPTION - 4, "read", 1)
    spans = [_error_span(kind) for kind in kinds]
    read = [100 * (kind.selection.error or 0.0) for kind in kinds]
    step, highest = _scale(max([span[2] for span in spans] + read))
    for line in np.arange(0, highest + step / 2, step):
        x = _across(line / highest)
        canvas.draw.line((x, top, x, bottom), GRID)
        canvas.text(x, bottom + 4, f"{line:.3g} %", 0.5)
    for row, (kind, (low, error, high), wrong) in enumerate(zip(kinds, spans, read, strict=True)):
        y = top + row * _ROW
        canvas.text(_LEFT - 8, y + 6, kind.name, 1)
        canvas.draw.rectangle((_across(0), y + 4, _across(error / highest), y + 17), PALE)
        middle = y + 10
        canvas.draw.line((_across(low / highest), middle, _across(high / highest), middle), TEXT)
        canvas.draw.rectangle((_across(0), y + 18, _across(wrong / highest), y + 27), BLUE)
        part = percent(kind.selection.coverage or 0, 1)
        canvas.text(_WIDTH - _MARGIN, y + 6, part, 1)


def _error_span(kind: Kind) -> tuple[float, float, float]:
    """Return the percentage that is wrong, between the ends of its interval."""
    low, high = kind.evaluation.interval or (0.0, 1.0)
    accuracy = kind.evaluation.accuracy or 0.0
    return 100 * (1 - high), 100 * (1 - accuracy), 100 * (1 - low)


def _scale(largest: float) -> tuple[float, float]:
    """Return the step between lines and the highest, both in percent, at most 6 steps."""
    step = next((step for step in _STEPS if largest <= 6 * step), _STEPS[-1])
    return step, max(step, float(np.ceil(largest / step) * step))
