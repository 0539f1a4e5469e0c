"""Charts of a study: where values lie, what is written, and that any figures can be drawn."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.studies.chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    Drawn,
    Scale,
    accuracy_scale,
    linear_scale,
    loss_scale,
)
from digitlab.studies.curves import Line

NOTHING = (np.empty(0), np.empty(0))
SVG = "{http://www.w3.org/2000/svg}"


def line(*runs: list[float]) -> Line:
    return Line(np.arange(1.0, len(runs[0]) + 1), np.array(runs, np.float64))


def drawn(chart: Chart) -> ET.Element:
    """Return the drawing as XML, which it must be."""
    return ET.fromstring(
        chart.to_svg().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    )


def test_accuracies_are_stretched_towards_all() -> None:
    scale = accuracy_scale()
    at = [float(scale.within(value)) for value in (0.0, 0.9, 0.99, 0.999, 1.0)]
    assert at == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])


@given(st.floats(1e-3, 1e9))
def test_an_axis_has_a_few_round_numbers(last: float) -> None:
    scale = linear_scale(last)
    assert 3 <= len(scale.ticks) <= 9
    assert scale.ticks[0] == (0.0, "0")
    assert scale.ticks[-1][0] <= last * (1 + 1e-9)
    assert len({text for _, text in scale.ticks}) == len(scale.ticks)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_any_losses_have_a_scale(losses: list[float]) -> None:
    scale = loss_scale([line(losses)])
    assert scale.low < scale.high
    assert len(scale.ticks) <= 12
    finite = [one for one in losses if math.isfinite(one)]
    assert all(0 <= float(scale.within(one)) <= 1 for one in finite)


@given(
    st.lists(
        st.lists(st.floats(0, 1) | st.just(math.nan), min_size=4, max_size=4),
        min_size=1,
        max_size=20,
    )
)
def test_any_lines_are_drawn_within_the_chart_with_numbers_apart(values: list[list[float]]) -> None:
    lines = [Drawn(number, line(one, one), NOTHING) for number, one in enumerate(values)]
    picture = drawn(Chart("accuracy-steps", "a < b & c", "steps", accuracy_scale(), lines))
    assert picture.find(f"{SVG}title").text == "a < b & c"
    for shape in picture.iter(f"{SVG}polyline"):
        for point in shape.get("points", "").split():
            x, y = map(float, point.split(","))
            assert LEFT <= x <= WIDTH - RIGHT
            assert TOP <= y <= HEIGHT - BOTTOM
    numbers = [one for one in picture.iter(f"{SVG}text") if "number" in one.get("class", "")]
    heights = sorted(float(one.get("y", "")) for one in numbers)
    assert all(high - low > 12 for low, high in pairwise(heights))
    assert len(numbers) == sum(any(map(math.isfinite, one)) for one in values)


def test_a_loss_that_diverges_leaves_the_picture_and_the_others_keep_theirs() -> None:
    calm, wild = [2.3, 1.0, 0.1, 0.1], [2.3, 20.0, 1e6, math.inf]
    scale = loss_scale([line(calm), line(wild)], 2.3)
    assert scale.bound == pytest.approx(23.0)
    assert float(scale.within(23.0)) == 1.0
    assert float(scale.within(1.0)) == pytest.approx(1 / math.log10(230), rel=1e-3)
    lines = [
        Drawn(0, line(calm), NOTHING),
        Drawn(1, line(wild), (np.array([4.0]), np.array([1e6]))),
    ]
    picture = drawn(Chart("loss-steps", "loss", "steps", scale, lines))
    ((mark,),) = [list(picture.iter(f"{SVG}path"))]
    x = LEFT + (WIDTH - RIGHT - LEFT) * 3 / 4
    assert mark.get("d", "").startswith(f"M{x - 5:.1f},{TOP - 2}")
    assert not list(picture.iter(f"{SVG}circle"))
    ends = [one.get("points", "").split()[-1] for one in picture.iter(f"{SVG}polyline")]
    heights = [float(point.split(",")[1]) for point in ends]
    assert heights[0] == HEIGHT - BOTTOM
    assert heights[1] < TOP - 100  # it goes on above, behind the frame
    assert loss_scale([line(calm), line([2.3, 22.0, 9.0, 1.0])], 2.3).bound == math.inf
    assert loss_scale([line(wild)]).bound == math.inf
    high = loss_scale([line([1e5, 1e9]), line([1e6, 1e7])], 2.3)  # before the first point, even
    assert high.bound == pytest.approx(1e6)


def test_what_a_script_says_is_what_is_drawn() -> None:
    chart = Chart(
        "accuracy-steps",
        "accuracy",
        "steps",
        accuracy_scale(),
        [Drawn(3, line([0.5, 0.9], [0.7, 0.9]), NOTHING), Drawn(4, line([0.1, math.nan]), NOTHING)],
    )
    several, single = chart.to_json()["lines"]
    assert several["number"] == 3
    assert several["x"] == [1.0, 2.0]
    assert several["mean"] == ["60.00 %", "90.00 %"]
    assert several["range"][0] == ["50.00 %", "70.00 %"]
    assert (single["mean"], single["range"]) == (["10.00 %", None], None)


def test_a_scale_keeps_what_lies_outside_at_its_end() -> None:
    scale = Scale(np.asarray, 0.0, 2.0, (), str)
    assert scale.within(np.array([-1.0, 1.0, 5.0])).tolist() == [0.0, 0.5, 1.0]
