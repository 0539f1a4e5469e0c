"""Events are values: what is written in one process is what is read in another."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab import events
from digitlab.events import Event, read_event

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
names = st.text(min_size=1).filter(lambda name: name not in ("event", "text"))
facts_of_any_kind = st.dictionaries(names, values, max_size=3)


@given(st.text(min_size=1), facts_of_any_kind, st.text())
def test_any_event_is_read_as_it_was_written(
    kind: str, facts: dict[str, object], text: str
) -> None:
    event = Event(kind, facts, text)
    line = event.to_line()
    assert "\n" not in line
    assert read_event(line) == read_event(line.encode()) == event


@given(st.text(min_size=1), facts_of_any_kind)
def test_what_a_command_writes_for_programs_is_read_too(
    kind: str, facts: dict[str, object]
) -> None:
    assert read_event(json.dumps(Event(kind, facts, "for people").to_json())) == Event(kind, facts)


@pytest.mark.parametrize("line", ["", "{", "[]", "1", '{"text": "x"}', '{"event": 1}', b"\xff"])
def test_what_is_no_event_is_refused(line: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(line)


def test_each_kind_says_what_it_is_about() -> None:
    progress = events.Progress(1, 2.0, 3, 4, None, 0.5, 6.0, 7.0)
    assert events.phase("train").to_json() == {"event": "phase", "name": "train"}
    assert events.step(progress).to_json() == {
        "event": "step", "epoch": 1, "epochs": 2.0, "step": 3, "steps": 4, "loss": None,
        "accuracy": 0.5, "images_per_second": 6.0, "seconds_left": 7.0,
    }  # fmt: skip
    assert events.count("pictures", 1, 2).facts == {"what": "pictures", "done": 1, "every": 2}
    assert events.warning("careful") == Event("warning", {"message": "careful"}, "careful")
    assert events.note("done", "90 %", accuracy=0.9) == Event("done", {"accuracy": 0.9}, "90 %")
