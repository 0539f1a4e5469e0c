"""Several workers say the same; the user hears it once."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from typing import Any

import pytest

from digitlab.training.progress import Progress, Quiet
from digitlab.training.relay import Chorus, Relay

STEP = Progress(
    epoch=1, epochs=2, step=1, steps=4, loss=0.5, accuracy=0.9, images_per_second=10.0,
    seconds_left=1.0,
)  # fmt: skip


class Listener(Quiet):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def phase(self, name: str) -> None:
        self.heard.append(("phase", name))

    def note(self, event: str, text: str, **facts: Any) -> None:
        self.heard.append((event, text, facts))

    def warn(self, text: str) -> None:
        self.heard.append(("warn", text))

    def step(self, progress: Progress) -> None:
        self.heard.append(progress)

    def count(self, what: str, done: int, every: int) -> None:
        self.heard.append((what, done, every))


def test_echoes_are_not_repeated_and_nothing_is_lost_with_a_worker() -> None:
    read, write = os.pipe()
    log, user = Listener(), Listener()
    relay, chorus = Relay(write, log), Chorus(user)
    said = [
        lambda: relay.phase("train"),
        lambda: relay.step(STEP),
        lambda: relay.step(replace(STEP, images_per_second=12.0)),  # another worker's
        lambda: relay.warn("step 2: lost worker 1; 2 of 3 go on"),
        lambda: relay.warn("step 2: lost worker 1; 2 of 3 go on"),
        lambda: relay.step(replace(STEP, step=2)),
        lambda: relay.note("epoch", "epoch 1: 90 %", epoch=1, step=2, seconds=1.0),
        lambda: relay.note("epoch", "epoch 1: 90 %", epoch=1, step=2, seconds=1.1),
        lambda: relay.phase("train"),  # again, but at another step
        lambda: relay.step(STEP),  # a worker that lags
        lambda: relay.count("made pictures", 1, 2),
    ]
    for say in said:
        say()
    relay.drain()
    os.close(write)
    with os.fdopen(read) as lines:
        for line in lines:
            chorus.hear(json.loads(line))
    assert len(log.heard) == len(said)
    assert user.heard == [
        ("phase", "train"),
        STEP,
        ("warn", "step 2: lost worker 1; 2 of 3 go on"),
        replace(STEP, step=2),
        ("epoch", "epoch 1: 90 %", {"epoch": 1, "step": 2, "seconds": 1.0}),
        ("phase", "train"),
        ("made pictures", 1, 2),
    ]


def test_steps_go_in_bundles_and_all_else_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digitlab.training.relay._PAUSE", 1000.0)
    read, write = os.pipe()
    relay = Relay(write, Quiet())
    relay.phase("train")
    relay.step(STEP)
    first = os.read(read, 100_000).splitlines()
    for step in (2, 3, 4):
        relay.step(replace(STEP, step=step))
    relay.phase("validate")
    bundle = [json.loads(line) for line in os.read(read, 100_000).splitlines()]
    os.close(read)
    os.close(write)
    assert [json.loads(line)["event"] for line in first] == ["phase"]
    assert [event["event"] for event in bundle] == [*["step"] * 4, "phase"]
    assert [event["progress"]["step"] for event in bundle[:-1]] == [1, 2, 3, 4]


def test_a_launcher_that_does_not_listen_stops_nobody_and_hears_the_end() -> None:
    read, write = os.pipe()
    relay, user = Relay(write, Quiet()), Listener()
    for step in range(2000):
        relay.step(replace(STEP, step=step))
    relay.note("done", "90 %", step=2000)
    with os.fdopen(read) as lines:
        reading = threading.Thread(target=lambda: heard.extend(lines))
        heard: list[str] = []
        reading.start()
        relay.drain()
        os.close(write)
        reading.join()
    chorus = Chorus(user)
    for line in heard:
        chorus.hear(json.loads(line))
    assert 10 < len(user.heard) < 2000
    assert user.heard[-1] == ("done", "90 %", {"step": 2000})
