"""The curves of a study as a PNG, for wherever a page does not go."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import chop_cells

from digitlab.drawing import SOFT
from digitlab.plotting import look, new_figure, to_png
from digitlab.studies.chart import LIGHT, Chart
from digitlab.studies.study import Study
from digitlab.studies.words import shortened, words

_CHART, _HEIGHT = 440, 480  # pixels
_LETTERS = 40  # of a name at most
_LINE = 54  # letters of Latin script
_DASHES = ("-", "--", ":")


def curves_png(study: Study, charts: Sequence[Chart]) -> bytes:
    """Return accuracy, and loss by objective, over the steps."""
    drawn = [chart for chart in charts if chart.key.endswith("-steps")]
    names = [one.name for one in study.variants]
    with look():
        columns = len(drawn) + 1  # the last for the names
        figure, (*axes, beside) = new_figure(_CHART * columns, _HEIGHT, columns)
        for chart, one in zip(drawn, axes, strict=True):
            for line in chart.drawn:
                colour = LIGHT[line.number % len(LIGHT)]
                x, place = line.line.x, chart.y.place
                style = _DASHES[line.number // len(LIGHT) % len(_DASHES)]
                one.fill_between(
                    x, place(line.line.low), place(line.line.high), color=colour, alpha=0.15, lw=0
                )
                one.plot(x, place(line.line.mean), style, color=colour)
                leaves = line.line.leaves(chart.y.bound)
                if leaves is not None:
                    one.plot(leaves, chart.y.high, "^", color=colour, clip_on=False)
            one.set_ylim(chart.y.low, chart.y.high)
            one.set_xlim(0, chart.x.high)
            one.set_yticks([float(chart.y.place(value)) for value, _ in chart.y.ticks])
            one.set_yticklabels([text for _, text in chart.y.ticks])
            one.set_title(chart.title)
            one.set_xticks([value for value, _ in chart.x.ticks])
            one.set_xticklabels([text for _, text in chart.x.ticks])
        beside.axis("off")
        if axes:
            labels = [shortened(names[line.number], _LETTERS) for line in drawn[0].drawn]
            beside.legend(axes[0].get_lines(), labels, loc="upper left", frameon=False)
        notes = dict.fromkeys(note for chart in drawn for note in chart.notes)
        said = [line for note in notes for line in _lines(note)]
        beside.text(0, 0, "\n".join(said), verticalalignment="bottom", transform=beside.transAxes)
        title = f"{words(study.language).tables['report']['study']} {study.name}"
        return to_png(figure, title, [(study.description, SOFT)])


def _lines(text: str) -> list[str]:
    """Return a text as lines that have room beside the charts, in scripts without spaces, too."""
    return [line for part in textwrap.wrap(text, _LINE) for line in chop_cells(part, _LINE)]
