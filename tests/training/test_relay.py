"""Several workers say the same; the user hears it once."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest

from digitlab import events
from digitlab.events import Event, Progress, read_event
from digitlab.training.relay import Chorus, Relay

STEP = Progress(
    epoch=1, epochs=2, step=1, steps=4, loss=0.5, accuracy=0.9, images_per_second=10.0,
    seconds_left=1.0,
)  # fmt: skip


def test_echoes_are_not_repeated_and_nothing_is_lost_with_a_worker() -> None:
    read, write = os.pipe()
    log: list[Event] = []
    user: list[Event] = []
    relay, chorus = Relay(write, log.append), Chorus(user.append)
    said = [
        events.phase("train"),
        events.step(STEP),
        events.step(replace(STEP, images_per_second=12.0)),  # another worker's
        events.warning("step 2: lost worker 1; 2 of 3 go on"),
        events.warning("step 2: lost worker 1; 2 of 3 go on"),
        events.step(replace(STEP, step=2)),
        events.note("epoch", "epoch 1: 90 %", epoch=1, step=2, seconds=1.0),
        events.note("epoch", "epoch 1: 90 %", epoch=1, step=2, seconds=1.1),
        events.phase("train"),  # again, but at another step
        events.step(STEP),  # a worker that lags
        events.count("made pictures", 1, 2),
    ]
    for event in said:
        relay(event)
    relay.drain()
    os.close(write)
    with os.fdopen(read) as lines:
        for line in lines:
            chorus(read_event(line))
    assert log == said
    assert user == [said[at] for at in (0, 1, 3, 5, 6, 8, 10)]


def test_steps_go_in_bundles_and_all_else_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digitlab.training.relay._PAUSE", 1000.0)
    read, write = os.pipe()
    relay = Relay(write, lambda event: None)
    relay(events.phase("train"))
    relay(events.step(STEP))
    first = os.read(read, 100_000).splitlines()
    for step in (2, 3, 4):
        relay(events.step(replace(STEP, step=step)))
    relay(events.phase("validate"))
    bundle = [read_event(line) for line in os.read(read, 100_000).splitlines()]
    os.close(read)
    os.close(write)
    assert [read_event(line).kind for line in first] == ["phase"]
    assert [event.kind for event in bundle] == [*["step"] * 4, "phase"]
    assert [event.facts["step"] for event in bundle[:-1]] == [1, 2, 3, 4]


def test_a_launcher_that_does_not_listen_stops_nobody_and_hears_the_end() -> None:
    read, write = os.pipe()
    relay = Relay(write, lambda event: None)
    user: list[Event] = []
    for step in range(2000):
        relay(events.step(replace(STEP, step=step)))
    relay(events.note("done", "90 %", step=2000))
    with os.fdopen(read) as lines:
        reading = threading.Thread(target=lambda: heard.extend(lines))
        heard: list[str] = []
        reading.start()
        relay.drain()
        os.close(write)
        reading.join()
    chorus = Chorus(user.append)
    for line in heard:
        chorus(read_event(line))
    assert 10 < len(user) < 2000
    assert user[-1] == Event("done", {"step": 2000}, "90 %")
