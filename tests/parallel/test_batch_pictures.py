"""Pictures made ahead by processes: nobody can tell who made them, and no process is left over."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch

from digitlab import networks, objectives
from digitlab.config import Recipe
from digitlab.data import load_dataset
from digitlab.data.batches import Batches
from digitlab.data.dataset import Split
from digitlab.parallel.batch_pictures import Augmented, MadeAhead, build
from digitlab.parallel.strategy import Job
from digitlab.processes import own_module, start
from digitlab.recipe_files import load_recipe
from digitlab.synthesis.handwriting import vary

pytestmark = pytest.mark.process

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def job_of(recipe: Recipe) -> Job:
    whole = load_dataset("mnist").splits["train"]
    objective = objectives.build(recipe)
    network = networks.build(recipe.network.name, objective.outputs, 1)
    split = Split(whole.images[:500], whole.labels[:500])
    batches = Batches(500, 64, 4, 2, recipe.seed)
    return Job(recipe, network, objective, split, batches, torch.device("cpu"), 2)


@pytest.fixture(scope="module")
def job() -> Job:
    return job_of(load_recipe("photo", {"network.name": "mlp"}))


def children(pid: int | str) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def state_of(pid: int) -> str:
    """Return the letter that stands for it in /proc."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_running(pid: int) -> bool:
    try:
        return state_of(pid) != "Z"
    except OSError:
        return False


def waiting_in(pipe: IO[bytes]) -> int:
    """Return how many bytes a pipe holds."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def assert_right(job: Job, makers: MadeAhead, step: int) -> None:
    batch = job.batches.at(step)
    images, labels = makers.of(batch)
    expected = vary(job.train, batch.samples, batch.epoch, job.recipe.seed, job.recipe.handwriting)
    assert np.array_equal(images, expected[0])
    assert np.array_equal(labels, expected[1])


def test_only_other_hands_are_made_ahead(job: Job) -> None:
    makers = build(job)
    assert isinstance(makers, MadeAhead)
    makers.close()
    quick = build(job_of(load_recipe("quick")))
    assert isinstance(quick, Augmented)
    quick.close()


def test_a_batch_made_ahead_is_the_batch_made_here(job: Job) -> None:
    makers = MadeAhead(job)
    try:
        for step in (0, 1, 2, 7, 8, 15, 3):  # on, over an epoch's end, and back
            assert_right(job, makers, step)
    finally:
        makers.close()


@needs_proc
def test_killed_processes_cost_no_picture(job: Job) -> None:
    before = set(children(os.getpid()))
    makers = MadeAhead(job)
    try:
        assert_right(job, makers, 0)
        mine = set(children(os.getpid())) - before
        assert len(mine) == 2
        for child in mine:
            os.kill(child, signal.SIGKILL)
        for step in range(1, 10):
            assert_right(job, makers, step)
    finally:
        makers.close()
    assert not set(children(os.getpid())) & mine


@needs_proc
def test_a_process_that_is_stopped_while_it_answers_answers_whole(job: Job) -> None:
    """So it is for a terminal's Ctrl-Z and fg: signals end a write before all is written."""
    handwriting, count = job.recipe.handwriting, len(job.train)
    settings = {"seed": 1, "count": count, "handwriting": dataclasses.asdict(handwriting)}
    asked = {"epoch": 1, "samples": list(range(count))}
    unbuffered = {"PYTHONUNBUFFERED": "1"}
    with start(own_module("digitlab.synthesis.maker"), settings=unbuffered) as maker:
        assert maker.stdin is not None
        assert maker.stdout is not None
        maker.stdin.write(json.dumps(settings).encode() + b"\n")
        maker.stdin.write(job.train.images.tobytes() + job.train.labels.astype("<i8").tobytes())
        maker.stdin.write(json.dumps(asked).encode() + b"\n")
        maker.stdin.close()
        watchdog = time.monotonic() + 120
        while waiting_in(maker.stdout) < 2**16:  # the pipe is full
            assert time.monotonic() < watchdog
            time.sleep(0.05)
        maker.send_signal(signal.SIGSTOP)
        while state_of(maker.pid) != "T":
            assert time.monotonic() < watchdog
        maker.send_signal(signal.SIGCONT)
        answer = maker.stdout.read()
    images, labels = vary(job.train, np.arange(count), 1, 1, handwriting)
    assert answer == images.tobytes() + labels.astype("<i8").tobytes()


@needs_proc
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "digitlab", "train", "--recipe", "photo", "--quiet"),
            *("--network", "mlp", "--run-dir", str(tmp_path / "run")),
        ]
    )
    makers: list[int] = []
    watchdog = time.monotonic() + 120
    while not (tmp_path / "run" / "metrics.jsonl").exists() or len(makers) < 2:
        assert time.monotonic() < watchdog
        assert run.poll() is None
        time.sleep(0.05)
        makers = children(run.pid)
    run.kill()
    run.wait()
    while any(map(is_running, makers)):
        assert time.monotonic() < watchdog, "a process was left over"
        time.sleep(0.05)


def test_ctrl_c_is_for_the_run_and_not_for_what_makes_its_pictures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digitlab", "train", "--recipe", "photo", "--network", "mlp"]
    run = subprocess.Popen(
        [*command, "--run-dir", str(tmp_path / "run"), "--log-every", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    while "step" not in run.stdout.readline():
        assert run.poll() is None
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 130
    assert len(errors.splitlines()) == 1
    assert "stopped; to go on:" in errors


def test_modules_in_the_current_folder_are_not_run(job: Job, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("open('ran', 'w')\n")
    (tmp_path / "json.py").write_text("open('ran', 'w')\n")
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        makers = MadeAhead(job)
        assert_right(job, makers, 0)
        makers.close()
    finally:
        os.chdir(here)
    assert not (tmp_path / "ran").exists()
