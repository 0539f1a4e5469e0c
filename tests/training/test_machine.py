"""What a resumed run is told of what is not as it was."""

from __future__ import annotations

import pytest

from digitlab.training.machine import differences


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"parallel": "data"}, {"parallel": "pipeline"}, []),
        ({"parallel": "data"}, {"parallel": "tensor"}, ["parallel was data, is now tensor"]),
        ({"parallel": "tensor"}, {"parallel": "data"}, ["parallel was tensor, is now data"]),
        ({"parallel": "tensor"}, {"parallel": "tensor"}, []),
        ({"staleness": 0}, {"staleness": 4}, ["staleness was 0, is now 4"]),
        ({"torch": "2.13.0", "cores": 2}, {"torch": "2.14.0", "cores": 4}, ["torch was 2.13.0"]),
        ({}, {"parallel": "tensor", "torch": "2.13.0"}, []),  # begun before it was recorded
    ],
)
def test_what_may_change_the_bits_is_said(
    then: dict[str, object], now: dict[str, object], expected: list[str]
) -> None:
    lines = differences(then, now)
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning)
        assert line.endswith("its bits may differ from an uninterrupted run's")
