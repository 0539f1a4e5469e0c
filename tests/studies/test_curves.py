"""The lines of a study: means over steps, over seeds, and over the seconds that all runs had."""

from __future__ import annotations

import numpy as np
import pytest

from digitlab.studies.curves import POINTS, over_seconds, over_steps, over_validation
from digitlab.studies.study import Curves


def curves(losses: list[float | None], seconds: float = 1.0) -> Curves:
    count = len(losses)
    return Curves(
        steps=tuple(range(1, count + 1)),
        seconds=tuple(seconds * step for step in range(1, count + 1)),
        loss=tuple(losses),
        accuracy=tuple(0.5 for _ in losses),
        valid_steps=(count // 2, count),
        valid_loss=(0.5, 0.25),
        valid_accuracy=(0.8, 0.9),
    )


def test_a_line_has_few_points_each_the_mean_of_the_steps_since_the_last() -> None:
    line = over_steps([curves([float(step) for step in range(10 * POINTS)])], "loss")
    assert line.x.tolist() == list(range(10, 10 * POINTS + 1, 10))
    assert line.mean.tolist() == [4.5 + 10 * part for part in range(POINTS)]
    short = over_steps([curves([3.0, 1.0])], "loss")
    assert (short.x.tolist(), short.mean.tolist()) == ([1, 2], [3.0, 1.0])


def test_a_line_has_the_mean_and_the_range_of_its_runs() -> None:
    line = over_steps([curves([1.0, 2.0]), curves([3.0, None])], "loss")
    assert line.low.tolist()[0] == 1.0
    assert line.high.tolist()[0] == 3.0
    assert line.mean.tolist()[0] == 2.0
    assert np.isnan(line.mean[1])  # where a run has none, nothing is made up
    assert over_steps([curves([]), curves([])], "loss").x.size == 0
    assert over_steps([], "loss").x.size == 0


def test_a_run_that_has_no_curve_any_more_empties_no_line() -> None:
    gone = Curves((), (), (), (), (), (), ())
    there = curves([2.0, 1.0])
    assert over_steps([gone, there], "loss").mean.tolist() == [2.0, 1.0]
    assert over_seconds([gone, there], "loss").mean.tolist() == [2.0, 1.0]
    assert over_validation([gone, there], "loss")[2].tolist() == [0.5, 0.25]
    assert over_validation([gone], "loss")[2].size == 0


def test_over_seconds_a_line_ends_where_the_fastest_run_ended() -> None:
    line = over_seconds([curves([4.0, 3.0, 2.0, 1.0]), curves([4.0, 3.0, 2.0, 1.0], 2.0)], "loss")
    assert (line.x[0], line.x[-1]) == (2.0, 4.0)
    assert line.runs[:, -1].tolist() == [1.0, 3.0]
    assert over_seconds([curves([])], "loss").x.size == 0


def test_validation_stands_at_its_steps_and_its_seconds() -> None:
    steps, seconds, accuracy = over_validation(
        [curves([1.0] * 4), curves([1.0] * 4, 3.0)], "accuracy"
    )
    assert steps.tolist() == [2, 4]
    assert seconds.tolist() == [4, 8]
    assert accuracy.tolist() == pytest.approx([0.8, 0.9])
