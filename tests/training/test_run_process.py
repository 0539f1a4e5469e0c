"""A run in a process of its own: started by a request, heard by events, ended with its owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import digitlab
from digitlab.child import Child
from digitlab.errors import RunError
from digitlab.events import Event
from digitlab.recipe_files import DEFAULT_RECIPE
from digitlab.training.request import Request
from digitlab.training.run_process import start

pytestmark = pytest.mark.process

WATCHDOG_SECONDS = 120.0


class Heard:
    """Gathers what a process says; `until` waits for an event of a kind, or for the end."""

    def __init__(self) -> None:
        self.events: list[Event | None] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event | None) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, kind: str | None) -> None:
        def came() -> bool:
            return any((event.kind if event else None) == kind for event in self.events)

        with self._changed:
            assert self._changed.wait_for(came, WATCHDOG_SECONDS), f"no {kind}: {self.events[-3:]}"


def asked(recipe: Path | str, run: str, **more: object) -> Request:
    return Request(
        recipe=str(recipe), overrides=dict(more), threads=1, run_dir=run, resume=None, ledger=False
    )


def weights(run: str) -> str:
    sha256: str = json.loads((Path(run) / "summary.json").read_text())["weights_sha256"]
    return sha256


def test_it_gives_the_bits_and_the_events_of_a_run_here(small_recipe: Path) -> None:
    here: list[Event] = []
    digitlab.train(small_recipe, threads=1, run_dir="here", reporter=here.append)
    heard = Heard()
    child = start(asked(small_recipe, "there"), Path("log"), heard)
    heard.until(None)
    assert child.wait() == 0, child.last_words()
    assert weights("there") == weights("here")
    there = [event for event in heard.events if event is not None]
    assert [event.kind for event in there] == [event.kind for event in here]
    for one, other in zip(there, here, strict=True):
        if one.kind == "step":
            assert one.facts["loss"] == other.facts["loss"]
        if one.kind == "phase":
            assert one == other
    assert "validation accuracy" in Path("log").read_text()


# In its second epoch, after some 12 steps of 4 shards, it waits for as long as it is held.
HELD = """
import time
from pathlib import Path
from torch import nn

class Held(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))
        self.shards = 0

    def forward(self, images):
        self.shards += self.training
        while self.shards > 60 and Path("hold").exists():
            time.sleep(0.01)
        return self.layers(images)
"""


def test_it_stops_with_a_checkpoint_and_can_be_gone_on_with(small_recipe: Path) -> None:
    Path("held_network.py").write_text(HELD)
    network = "held_network:Held"
    digitlab.train(small_recipe, network=network, threads=1, run_dir="whole")
    Path("hold").touch()
    heard = Heard()
    child = start(asked(small_recipe, "parts", **{"network.name": network}), Path("log"), heard)
    heard.until("epoch")
    child.stop(signal.SIGINT)
    Path("hold").unlink()
    heard.until(None)
    assert child.wait() == 128 + signal.SIGINT, child.last_words()
    assert not Path("parts/summary.json").exists()
    digitlab.train(resume="parts", network=network, threads=1)
    assert weights("parts") == weights("whole")


def test_a_mistake_ends_it_with_one_line() -> None:
    heard = Heard()
    child = start(asked(DEFAULT_RECIPE, "run", **{"training.epochs": -1}), Path("log"), heard)
    heard.until(None)
    assert child.wait() == 2
    assert child.last_words().startswith("recipe quick: training.epochs is -1")


def test_last_words_are_those_of_this_start() -> None:
    Path("log").write_text("digitlab: an earlier mistake\n")
    heard = Heard()
    child = start(asked(DEFAULT_RECIPE, "run"), Path("log"), heard)
    child.kill()
    heard.until(None)
    assert child.last_words() == "the run was killed by SIGKILL; see log"


def test_a_log_that_cannot_be_written_is_named() -> None:
    Path("log").mkdir()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(RunError, match="log: cannot be written: Is a directory"):
        start(asked(DEFAULT_RECIPE, "run"), Path("log"), lambda event: None)
    assert len(os.listdir("/dev/fd")) == before


def test_it_ends_with_its_owner(small_recipe: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(small_recipe)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())  # the run is at its first step
    owner.kill()
    owner.wait()
    end = time.monotonic() + WATCHDOG_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    assert "the process that started this one is gone" in Path("log").read_text()


OWNER = """
import sys, threading
from pathlib import Path
from digitlab.training.request import Request
from digitlab.training.run_process import start
stepped = threading.Event()
def hear(event):
    if event and event.kind == "step":
        stepped.set()
overrides = {"training.epochs": 1000, "training.calibrate": 0}
child = start(Request(sys.argv[1], overrides, 1, "run", None, False), Path("log"), hear)
stepped.wait()
print(child._process.pid, flush=True)
child.wait()
"""


def test_a_child_that_never_spoke_is_killed_where_it_is_asked_to_stop() -> None:
    """A signal while Python starts may end in somebody's `except:`."""
    heard = Heard()
    child = Child("it", "digitlab.training.run_process", {}, Path("log"), heard)
    child.stop(signal.SIGINT)
    heard.until(None)
    assert child.wait() == -signal.SIGKILL


@pytest.mark.parametrize("error", [ValueError, KeyError])
def test_an_error_of_who_hears_is_not_swallowed_and_the_end_is_told(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_type))
    ended = threading.Event()

    def hear(event: Event | None) -> None:
        if event is None:
            ended.set()
        else:
            raise error("mine")

    child = start(asked(DEFAULT_RECIPE, "run", **{"training.epochs": 0.001}), Path("log"), hear)
    assert ended.wait(WATCHDOG_SECONDS)
    assert child.wait() == 0, child.last_words()
    assert raised == [error]


def test_nothing_stays_open_of_a_run_that_ended() -> None:
    before = len(os.listdir("/dev/fd"))
    heard = Heard()
    child = start(asked(DEFAULT_RECIPE, "run", **{"training.epochs": -1}), Path("log"), heard)
    heard.until(None)
    assert len(os.listdir("/dev/fd")) == before
    child.tell("too late")
    child.stop(signal.SIGTERM)
    assert child.asked_to_stop
