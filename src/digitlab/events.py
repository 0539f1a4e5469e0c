"""What long work reports while it goes on: events, which are values.

Whoever works calls a `Listener`; who shows, relays or gathers events is one. An event is written as
JSON and read from it here alone, whether it goes to a program that reads `--json` or comes from a
run in another process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        kind: "phase", "step", "count" or "warning"; or, of a note, what it is about, such as
            "run", "epoch" or "done".
        facts: for programs: plain values of JSON, by name.
        text: for people; may be several lines, or none.
    """

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the kind, as `event`, and the facts."""
        return {"event": self.kind, **self.facts}

    def to_line(self) -> str:
        """Return a line for `read_event` in another process."""
        return json.dumps({**self.to_json(), "text": self.text})


def read_event(line: str | bytes) -> Event:
    """Return the event of a line that `to_line`, or a command with `--json`, wrote.

    Raises:
        ValueError: where the line is none, such as one that a kill cut short.
    """
    facts = json.loads(line)
    if not isinstance(facts, dict) or not isinstance(facts.get("event"), str):
        raise ValueError(f"no event: {line!r}")
    return Event(facts.pop("event"), facts, facts.pop("text", ""))


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step; the facts of a "step".

    Attributes:
        epoch, epochs: the pass, from 1, and how many there will be.
        step, steps: steps done and to be done.
        loss: of this step's batch, None where it was not finite.
        accuracy: fraction, smoothed over the last steps.
        images_per_second: smoothed.
        seconds_left: of training.
    """

    epoch: int
    epochs: float
    step: int
    steps: int
    loss: float | None
    accuracy: float
    images_per_second: float
    seconds_left: float


def phase(name: str) -> Event:
    """Return that a part of the work begins, such as "data", "train" or "export"."""
    return Event("phase", {"name": name})


def step(progress: Progress) -> Event:
    """Return that a step was done."""
    return Event("step", asdict(progress))


def count(what: str, done: int, every: int) -> Event:
    """Return how much of something is done, such as "made pictures"."""
    return Event("count", {"what": what, "done": done, "every": every})


def warning(text: str) -> Event:
    """Return what the user should look at."""
    return Event("warning", {"message": text}, text)


def note(kind: str, text: str, **facts: Any) -> Event:
    """Return what is said once: `text` for people, `facts` for programs."""
    return Event(kind, facts, text)
