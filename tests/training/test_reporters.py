"""What a run says: a live line on a terminal, plain lines elsewhere, figures that people read."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

import digitlab
from digitlab import events
from digitlab.events import Event, Progress
from digitlab.training.reporters import JsonLines, Lines
from digitlab.wording import accuracy_text, counted, duration, passes_done


def progress(step: int, loss: float | None = 0.5) -> Event:
    return events.step(
        Progress(
            epoch=1 + step // 50, epochs=2, step=step, steps=100, loss=loss, accuracy=0.934,
            images_per_second=12345.6, seconds_left=75,
        )
    )  # fmt: skip


def test_plain_lines_come_about_five_times_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(live=False)
    for step in range(1, 101):
        lines(progress(step))
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 10
    assert printed[0] == (
        "epoch 1/2  step 10/100  loss 0.5000  accuracy 93.4 %  12,346 images/s  1 min 15 s left"
    )


@pytest.mark.parametrize(
    ("epochs", "epoch", "step", "said"),
    [
        (0.2, 1, 24, "0.0/0.2"),
        (0.2, 1, 100, "0.2/0.2"),
        (1.5, 1, 67, "1.0/1.5"),
        (0.0213, 1, 50, "0.0106/0.0213"),
        (1e-05, 1, 100, "0.00001/0.00001"),
        (1 / 3, 1, 100, "0.333333/0.333333"),
        (3, 2, 50, "2/3"),
        (3.0, 3, 100, "3/3"),
    ],
)
def test_passes_are_written_with_the_decimals_of_what_was_asked_for(
    epochs: float, epoch: int, step: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    some = Progress(epoch, epochs, step, 100, 0.5, 0.934, 1.0, 75)
    Lines(log_every=1, live=False)(events.step(some))
    assert capsys.readouterr().out.startswith(f"epoch {said}  step {step}/100")


def test_the_end_of_a_pass_is_told_as_one_where_the_steps_do_not_divide() -> None:
    # 5 steps a pass; 1.5 passes are 8 steps, and 1.3 are 6
    assert [passes_done(1, 1.5, step, 8)[0] for step in (5, 7, 8)] == ["1.0", "1.4", "1.5"]
    assert [passes_done(1, 1.3, step, 6)[0] for step in (5, 6)] == ["1.0", "1.3"]


def test_a_run_of_a_part_of_a_pass_says_it_in_one_way(small_recipe: Path) -> None:
    said: list[str] = []
    digitlab.train(
        small_recipe, run_dir="run", reporter=lambda event: said.append(event.text), epochs=1.5
    )
    (began,) = [text for text in said if text.startswith("recipe")]
    assert ", 1.5 epochs of batches of " in began
    ended = [text.partition(":")[0] for text in said if text.startswith("epoch ")]
    assert ended == ["epoch 1.0", "epoch 1.5"]


def test_one_thing_is_counted_as_one() -> None:
    counts = [counted(1, "epoch"), counted(1.0, "epoch"), counted(0.2, "epoch")]
    assert counts == ["1 epoch", "1 epoch", "0.2 epochs"]
    assert [counted(count, "image") for count in (0, 1200)] == ["0 images", "1,200 images"]


def test_log_every_decides(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(log_every=30, live=True)
    for step in range(1, 101):
        lines(progress(step, loss=None))
    printed = capsys.readouterr().out
    assert [f"step {step}/100" in printed for step in (30, 60, 90)] == [True] * 3
    assert "loss not finite" in printed


def test_json_steps_are_thinned_but_the_last_is_told() -> None:
    out = io.StringIO()
    lines = JsonLines(log_every=40, out=out)
    for step in range(1, 101):
        lines(progress(step))
    lines(events.warning("careful"))
    written = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event.get("step") for event in written] == [40, 80, 100, None]
    assert written[-1] == {"event": "warning", "message": "careful"}


def test_durations_and_accuracies_are_for_people() -> None:
    seconds = (0.4, 59, 60, 3599, 7500, 90000)
    assert [duration(value) for value in seconds] == [
        "0 s", "59 s", "1 min 0 s", "59 min 59 s", "2 h 5 min", "1 d 1 h",
    ]  # fmt: skip
    assert accuracy_text(0.99034) == "99.03 %"
    assert accuracy_text(None) == "none"


def test_a_terminal_gets_a_live_line_that_is_cleared(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real pseudo-terminal, by a clock on which every step is late enough to be drawn."""
    monkeypatch.setattr("digitlab.live_line.time", SimpleNamespace(monotonic=count(1).__next__))
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, ThreadPoolExecutor(1) as pool:
        shown = pool.submit(_read_to_the_end, ours)
        monkeypatch.setattr(sys, "stdout", terminal)
        digitlab.train(small_recipe, run_dir="run", reporter=Lines())
        monkeypatch.undo()
        terminal.close()
        output = shown.result().decode()
    os.close(ours)
    assert output.count(" left") == 24
    lines = output.replace("\r\n", "\n").split("\n")
    last_words = [line.rsplit("\r", 1)[-1] for line in lines]
    assert any(line.startswith("epoch 2: validation accuracy ") for line in last_words)
    assert not any(" left" in words for words in last_words)


def _read_to_the_end(descriptor: int) -> bytes:
    output = b""
    with suppress(OSError):  # Linux says so where the other end has closed
        while part := os.read(descriptor, 65536):
            output += part
    return output


@pytest.mark.process
def test_a_reader_that_stops_listening_is_no_error(small_recipe: Path) -> None:
    command = (
        f"{sys.executable} -m digitlab train --recipe {small_recipe} --run-dir run --log-every 1"
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 2"], capture_output=True, text=True, timeout=120
    )
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


def test_a_count_is_a_live_line_that_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    live, plain = Lines(live=True), Lines(live=False)
    for reporter in (live, plain):
        reporter(events.count("made pictures", 1, 1200))
        reporter(events.count("made pictures", 1200, 1200))
    printed = capsys.readouterr().out
    assert printed.startswith("\r1 of 1,200 made pictures")
    assert printed.endswith("\r" + " " * len("1 of 1,200 made pictures") + "\r")
