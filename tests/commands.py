"""Gives a command to the command line in this process, for whatever needs no process to be seen.

A mistake costs a hundredth of what starting Python does. That a process says the same is shown in
system/test_command_line.py.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import digitlab.cli


@dataclass(frozen=True)
class Done:
    """What came of a command; named as `subprocess.CompletedProcess` names it."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Return what gives words to `digitlab`; nothing of a command is left in this process."""

    def give(*words: Any) -> Done:
        monkeypatch.setattr(sys, "argv", ["digitlab", *map(str, words)])
        capfd.readouterr()
        before = _state()
        with pytest.raises(SystemExit) as ended:
            digitlab.cli.main()
        assert _state() == before
        assert isinstance(ended.value.code, int)
        said = capfd.readouterr()
        return Done(ended.value.code, said.out, said.err)

    return give


def mistake(done: Any) -> str:
    """Return the one line of a command that must have ended by it, with exit status 2."""
    assert (done.returncode, done.stdout) == (2, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("digitlab: ")
    return str(line)


def _state() -> tuple[Any, ...]:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return handlers, dict(os.environ), os.getcwd(), list(sys.path)
