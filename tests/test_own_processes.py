"""A test that starts a process without saying so fails, however it starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import multiprocessing, os, subprocess, sys, threading
import pytest

TRUE = [sys.executable, "-c", ""]
spawn = multiprocessing.get_context("spawn")

def fork():
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)

def in_a_thread():
    thread = threading.Thread(target=subprocess.run, args=(TRUE,))
    thread.start()
    thread.join()

WAYS = {
    "subprocess": lambda: subprocess.run(TRUE),
    "system": lambda: os.system("true"),
    "spawn": lambda: os.spawnv(os.P_WAIT, sys.executable, TRUE),
    "posix_spawn": lambda: os.waitpid(os.posix_spawn(TRUE[0], TRUE, {}), 0),
    "fork": fork,
    "multiprocessing": lambda: spawn.Process(target=print).start(),
    "thread": in_a_thread,
}

@pytest.fixture
def started():
    subprocess.run(TRUE)

@pytest.mark.parametrize("way", WAYS)
def test_forgotten(way):
    WAYS[way]()

def test_forgotten_in_a_fixture(started): pass

@pytest.mark.process
@pytest.mark.parametrize("way", WAYS)
def test_marked(way, started):
    WAYS[way]()

def test_alone(): pass
"""


@pytest.mark.process
def test_who_starts_a_process_without_the_mark_fails() -> None:
    Path("test_them.py").write_text(TESTS)
    Path("pytest.ini").write_text("[pytest]\nmarkers = process\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "own_processes", "-p", "no:cacheprovider", "-rA"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SECRET": "not to be shown"},
        capture_output=True,
        text=True,
    )
    outcomes = [line.split() for line in done.stdout.splitlines() if "test_them.py::" in line]
    told = {words[1].partition("::")[2]: words[0] for words in outcomes}
    assert [told.pop(name) for name in ("test_alone", "test_forgotten_in_a_fixture")] == [
        "PASSED", "ERROR",
    ]  # fmt: skip
    assert len(told) == 14
    for name, outcome in told.items():
        assert outcome == ("PASSED" if name.startswith("test_marked") else "FAILED"), name
    assert "starts a process (os.fork" in done.stdout
    assert "mark it by @pytest.mark.process" in done.stdout
    assert "not to be shown" not in done.stdout
