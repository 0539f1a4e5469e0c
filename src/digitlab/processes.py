"""How processes of our own are started: with the modules of this one, and nobody else's.

Used where pictures are decoded (reading/guard.py) and made (parallel/batch_pictures.py), and for
runs, workers and their store (child.py, parallel/launch.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

CUT_OFF = 75  # the exit status of a process that has lost what it cannot do without


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def own_module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours."""
    return [sys.executable, "-P", "-m", name, *arguments]


def start(
    command: Sequence[str | Path],
    *,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] | None = None,
    descriptors: Sequence[int] = (),
    settings: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process with a pipe to its standard input.

    It has a session of its own: a terminal's Ctrl-C reaches this process alone, which passes on
    what it wants. The modules of the current folder are left out, which may be a stranger's: a
    `numpy.py` there must not run.

    Args:
        command: usually of `own_module`.
        stdout, stderr: as `subprocess.Popen` takes them.
        descriptors: of files that it inherits beside these.
        settings: variables that it gets beside those of this process.

    Raises:
        OSError: where it cannot be started.
    """
    paths = os.pathsep.join(path for path in sys.path if os.path.isabs(path))
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        pass_fds=descriptors,
        env={**os.environ, "PYTHONPATH": paths, **(settings or {})},
        start_new_session=True,
    )


def how_it_ended(status: int) -> str:
    """Return in words how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal
        return f"was killed by signal {-status}"


def end(line: str, status: int) -> NoReturn:
    """Print a line and end this process at once, from whichever thread."""
    print(f"digitlab: {line}", file=sys.stderr, flush=True)
    os._exit(status)
