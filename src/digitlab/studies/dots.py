"""The accuracy at the end as dots and intervals: a row a variant, drawn as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from digitlab.studies.chart import LIGHT, Scale, accuracy_scale
from digitlab.studies.study import Study, VariantFigures, accuracies_of
from digitlab.studies.words import shortened, words
from digitlab.wording import percent

_WIDTH, _ROW, _TOP, _BOTTOM = 460, 40, 8, 26
_LEFT, _RIGHT = 14, 14
_LETTERS = 48  # of a name at most
_MARGIN = 0.08  # of the span, on either side of the marks


def dots(study: Study, shown: Sequence[VariantFigures]) -> str:
    """Return the drawing of some variants of a study; nothing where none has an accuracy."""
    scale = accuracy_scale()
    rows = [
        (study.variants.index(one), one, list(accuracies_of(one.runs, study.measured_on).values()))
        for one in shown
        if one.accuracy is not None
    ]
    if not rows:
        return ""
    values = [value for _, one, runs in rows for value in (*runs, *(one.accuracy_interval or ()))]
    low, high = (float(scale.place(one)) for one in (min(values), max(values)))
    margin = _MARGIN * max(high - low, 0.05)
    scale = replace(scale, low=max(0.0, low - margin), high=min(scale.high, high + margin))

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * float(scale.within(value))

    base = _TOP + _ROW * len(rows)
    title = words(study.language).tables["report"]["final"]
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {base + _BOTTOM}" role="img" aria-labelledby="final-title">',
        f'<title id="final-title">{escape(title)}</title>',
    ]
    for value, text in _ticks(scale):
        parts.append(
            f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{_TOP}" y2="{base}"/>'
            f'<text class="tick" x="{x(value):.1f}" y="{base + 16}" text-anchor="middle">{text}'
            "</text>"
        )
    for place, (number, one, runs) in enumerate(rows):
        y = _TOP + _ROW * place + 27
        accuracy = one.accuracy or 0.0
        style = f"c{number % len(LIGHT)}"
        parts.append(
            f'<text class="label" x="{_LEFT}" y="{y - 13}"><tspan class="strong own {style}">'
            f'{number + 1}</tspan><tspan class="strong" dx="6">{percent(accuracy)}</tspan>'
            f'<tspan dx="8">{escape(shortened(one.name, _LETTERS))}</tspan></text>'
        )
        if one.accuracy_interval is not None:
            ends = [x(value) for value in one.accuracy_interval]
            parts.append(
                f'<line class="interval {style}" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
                f'y1="{y}" y2="{y}"/>'
            )
        parts.append(f'<circle class="middle {style}" cx="{x(accuracy):.1f}" cy="{y}" r="6"/>')
        parts += [f'<circle class="dot {style}" cx="{x(run):.1f}" cy="{y}" r="3"/>' for run in runs]
    return "".join([*parts, "</svg>"])


def _ticks(scale: Scale) -> list[tuple[float, str]]:
    """Return accuracies to be named on a part of the scale, at most seven."""
    for step in (0.1, 0.05, 0.02, 0.01, 0.005, 0.002):
        values = [round(step * place, 4) for place in range(round(1 / step))]
        known = [one for one in values if scale.low <= float(scale.place(one)) <= scale.high]
        if len(known) >= 4:
            break
    kept: list[float] = []
    for value in known:
        if not kept or float(scale.within(value) - scale.within(kept[-1])) > 1 / 7:
            kept.append(value)
    return [(value, percent(value, 0 if step >= 0.01 else 1)) for value in kept]
