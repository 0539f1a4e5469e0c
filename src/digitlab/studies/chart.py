"""Charts of a study as SVG with real text, whose lines a page's script can read the values of.

Colours are classes that the page's style sheet fills in, so that one drawing does in light and in
dark. Each line has its number at its end, so that none has to be told by its colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from digitlab.studies.curves import Floats, Line
from digitlab.wording import percent

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 30, 12, 40
# Of lines, on a light page and on a dark one; more lines repeat them, dashed.
LIGHT = (
    *("#0b61bd", "#ba4a00", "#1a7f4b", "#7a3fb0"),
    *("#b8215a", "#0b7285", "#7a5a1e", "#545a66"),
)
DARK = (
    *("#6cb2ff", "#ff9a52", "#5fd095", "#c39bff"),
    *("#ff85ab", "#55d0e0", "#d9b36a", "#b6bcc8"),
)
_LABELS_APART = 13
_RUNS = 60  # single runs that a chart shows at most; the range is that of all
_LOSSES = (1e-9, 1e9)  # others are drawn at the ends
_ABOVE = 10.0  # times the loss before training, a loss leaves the picture
_NINES = 3.0  # the scale of accuracy ends at 99.9 %


@dataclass(frozen=True)
class Scale:
    """Where values lie on an axis.

    Attributes:
        place: from a value to what is linear on paper.
        low, high: of what is linear.
        ticks: values with what is written beside them.
        text: how a value is written.
        bound: what is above leaves the picture; infinite: it is drawn at the end.
    """

    place: Callable[[Any], Any]
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    text: Callable[[float], str]
    bound: float = math.inf

    def within(self, values: Any) -> Any:
        """Return where values lie, from 0 to 1."""
        return np.clip((self.place(values) - self.low) / (self.high - self.low), 0, 1)


@dataclass(frozen=True)
class Drawn:
    """A variant in a chart.

    Attributes:
        number: of the variant, from 0; its colour and the figure at its end.
        line: its mean, range and single runs.
        rings: x and y of what was measured on validation images, float64 [V] each.
    """

    number: int
    line: Line
    rings: tuple[Floats, Floats]


@dataclass(frozen=True)
class Chart:
    """A figure over steps or seconds.

    Attributes:
        key: names it on the page.
        title, x_label: what is written.
        y: the scale of the figure.
        drawn: its lines.
        notes: what must be known to look at it, a sentence each.
    """

    key: str
    title: str
    x_label: str
    y: Scale
    drawn: Sequence[Drawn]
    notes: Sequence[str] = ()
    x: Scale = field(init=False)

    def __post_init__(self) -> None:
        """Let the axis reach as far as the longest line."""
        last = max((float(one.line.x[-1]) for one in self.drawn if len(one.line.x)), default=1.0)
        object.__setattr__(self, "x", linear_scale(last or 1.0))

    def to_svg(self) -> str:
        """Return the drawing; text in it is text."""
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{self.key}-title" '
            f'aria-describedby="{self.key}-ends">',
            f'<title id="{self.key}-title">{escape(self.title)}</title>',
            f'<desc id="{self.key}-ends">{escape(self._ends())}</desc>',
            f'<clipPath id="{self.key}-frame"><rect x="{LEFT - 2}" y="{TOP}" '
            f'width="{WIDTH - RIGHT - LEFT + 4}" height="{HEIGHT - BOTTOM - TOP + 2}"/></clipPath>',
            *self._axes(),
        ]
        for one in self.drawn:
            parts += self._line(one)
        parts += self._numbers()
        top, bottom = TOP, HEIGHT - BOTTOM
        parts.append(f'<line class="here" x1="0" x2="0" y1="{top}" y2="{bottom}"/>')
        return "".join([*parts, "</svg>"])

    def _ends(self) -> str:
        """Return where each line begins and ends, for whoever does not see it."""
        said = []
        for one in self.drawn:
            known = one.line.mean[np.isfinite(one.line.mean)]
            if len(known):
                said.append(
                    f"{one.number + 1}: {self.y.text(float(known[0]))} → "
                    f"{self.y.text(float(known[-1]))}"
                )
        return "; ".join(said)

    def to_json(self) -> dict[str, Any]:
        """Return what a script needs to say the values at a point."""
        span = [LEFT, WIDTH - RIGHT]
        lines = [
            {
                "number": one.number,
                "x": [_short(value) for value in one.line.x],
                "mean": [self._said(value) for value in one.line.mean],
                "range": [
                    [self._said(low), self._said(high)]
                    for low, high in zip(one.line.low, one.line.high, strict=True)
                ]
                if len(one.line.runs) > 1
                else None,
            }
            for one in self.drawn
        ]
        whole = self.key.endswith("-steps")
        return {"span": span, "high": self.x.high, "whole": whole, "lines": lines}

    def _said(self, value: float) -> str | None:
        return self.y.text(float(value)) if math.isfinite(value) else None

    def _axes(self) -> list[str]:
        parts = []
        for value, text in self.y.ticks:
            y = self._y(value)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
            )
        base = HEIGHT - BOTTOM
        parts.append(
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>'
        )
        for value, text in self.x.ticks:
            x = self._x(value)
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{base + 16}" text-anchor="middle">{text}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">'
            f"{escape(self.x_label)}</text>"
        )
        return parts

    def _line(self, one: Drawn) -> list[str]:
        line = one.line
        style = f"c{one.number % len(LIGHT)} d{one.number // len(LIGHT) % 3}"
        parts = [
            f'<g class="variant {style}" data-number="{one.number}">',
            f'<g clip-path="url(#{self.key}-frame)">',
        ]
        if len(line.runs) > 1:
            known = np.isfinite(line.low) & np.isfinite(line.high)
            there = self._points(line.x[known], line.low[known])
            back = self._points(line.x[known][::-1], line.high[known][::-1])
            parts.append(f'<polygon class="range" points="{there} {back}"/>')
            parts += [
                f'<polyline class="run" points="{self._points(line.x, values)}"/>'
                for values in line.runs[: max(1, _RUNS // len(self.drawn))]
            ]
        parts.append(f'<polyline class="mean" points="{self._points(line.x, line.mean)}"/></g>')
        leaves = line.leaves(self.y.bound)
        if leaves is not None:
            x = self._x(leaves)
            parts.append(f'<path class="leaves" d="M{x - 5:.1f},{TOP - 2}h10l-5,-9z"/>')
        parts += [
            f'<circle class="ring" cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="4"/>'
            for x, y in zip(*one.rings, strict=True)
            if math.isfinite(y) and y <= self.y.bound
        ]
        return [*parts, "</g>"]

    def _numbers(self) -> list[str]:
        """Return the number of each variant at the end of its line, none upon another."""
        ends = []
        for one in self.drawn:
            known = np.flatnonzero(np.isfinite(one.line.mean))
            if len(known):
                x, y = float(one.line.x[known[-1]]), float(one.line.mean[known[-1]])
                ends.append((self._y(y), self._x(x), one.number))
        parts, free = [], -math.inf
        ends.sort()
        heights = []
        for y, _, _ in ends:
            free = max(y, free + _LABELS_APART)
            heights.append(free)
        over = max(0.0, heights[-1] - (HEIGHT - BOTTOM)) if heights else 0.0
        for at, (_, x, number) in zip(heights, ends, strict=True):
            parts.append(
                f'<text class="variant number c{number % len(LIGHT)}" data-number="{number}" '
                f'x="{x + 7:.1f}" y="{at - over + 4:.1f}">{number + 1}</text>'
            )
        return parts

    def _points(self, xs: Floats, ys: Floats) -> str:
        known = np.isfinite(ys)
        heights = self._y(ys[known])
        if math.isfinite(self.y.bound):  # a line goes on above, and is cut off by the frame
            over = np.clip(
                (self.y.place(ys[known]) - self.y.high) / (self.y.high - self.y.low), 0, 1
            )
            heights = heights - (HEIGHT - BOTTOM - TOP) * over
        pairs = zip(self._x(xs[known]), heights, strict=True)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)

    def _x(self, value: Any) -> Any:
        return LEFT + (WIDTH - RIGHT - LEFT) * self.x.within(value)

    def _y(self, value: Any) -> Any:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * self.y.within(value)


def accuracy_scale(lines: Sequence[Line] = ()) -> Scale:
    """Return a scale of accuracies that is stretched towards 100 %: the logarithm of the errors.

    It goes from 0 to the first round accuracy above all of some lines, 99.9 % at most.
    """
    values = (0.0, 0.5, 0.9, 0.97, 0.99, 0.997, 0.999)
    known = np.concatenate([line.runs.ravel() for line in lines] or [np.ones(1)])
    highest = known[np.isfinite(known)].max(initial=0.0)
    last = next((at for at, value in enumerate(values) if value > highest), len(values) - 1)
    ticks = tuple((value, percent(value, 1 if value > 0.99 else 0)) for value in values[: last + 1])

    def place(accuracy: Any) -> Any:
        return -np.log10(np.clip(1 - np.asarray(accuracy, np.float64), 10**-_NINES, 1))

    return Scale(place, 0.0, float(place(values[last])), ticks, percent)


def loss_scale(lines: Sequence[Line], before: float | None = None) -> Scale:
    """Return a logarithmic scale that has all losses of some lines.

    Where the largest loss before any training is known, it ends at ten times that at most: a
    training that diverges would else leave no room for the others.
    """
    values = np.concatenate([line.runs.ravel() for line in lines] or [np.empty(0)])
    values = np.clip(values[np.isfinite(values) & (values > 0)], *_LOSSES)
    low, high = (values.min(), values.max()) if len(values) else (0.1, 1.0)
    high = max(high, low * 2)
    bound = math.inf
    if before is not None and high > _ABOVE * max(before, low):
        high = bound = _ABOVE * max(before, low)
    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few = high / low < 10
    many = len(tens) > 4
    tens = tens[:: math.ceil(len(tens) / 8)]
    ticks = [
        (part * 10.0**ten, f"{part * 10.0**ten:g}")
        for ten in tens
        for part in ((1,) if many else (1, 1.5, 2, 3, 5, 7) if few else (1, 2, 5))
    ]
    shown = tuple(one for one in ticks if low * 0.999 <= one[0] <= high * 1.001)

    def place(loss: Any) -> Any:
        return np.log10(np.maximum(np.asarray(loss, np.float64), low / 10))

    return Scale(place, math.log10(low), math.log10(high), shown, lambda loss: f"{loss:.4g}", bound)


def linear_scale(last: float) -> Scale:
    """Return a scale from 0 to a value, with about five round numbers on it."""
    step = 10.0 ** math.floor(math.log10(last))
    while last / step < 3:
        step /= 2 if f"{step:e}"[0] != "5" else 2.5
    while last / step > 7:
        step *= 2
    count = math.floor(last / step + 1e-9)
    ticks = tuple((place * step, f"{place * step:,.10g}") for place in range(count + 1))
    return Scale(np.asarray, 0.0, last, ticks, lambda value: f"{value:,.4g}")


def _short(value: float) -> float:
    return float(f"{value:.4g}")
