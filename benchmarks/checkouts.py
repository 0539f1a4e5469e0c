"""Revisions of digitlab in temporary folders, and their commands: for `compare_revisions.py`.

A revision is what git takes for a commit, or `.` or `worktree`: the working tree as it lies there.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class CallError(Exception):
    """What is wrong with the call, in one line."""


@dataclass(frozen=True)
class Tree:
    """A revision, and where it lies."""

    name: str  # A or B
    title: str
    folder: Path


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    output: bytes
    last_line: str  # of standard error
    seconds: float


@contextlib.contextmanager
def checked_out(revisions: Sequence[str], folder: Path) -> Iterator[list[Tree]]:
    """Have two revisions in an empty folder, and nothing left of them in git, whatever happens.

    Raises:
        CallError: where one is none, or has no package.
    """
    places = [folder / name for name in ("A", "B")]
    try:
        yield [_tree(*pair) for pair in zip(revisions, places, strict=True)]
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C would reach git, too
            signal.signal(number, signal.SIG_IGN)
        for place in places:  # twice: also one whose making was interrupted
            _git("worktree", "remove", "--force", "--force", str(place))


def digitlab(tree: Tree, arguments: Sequence[str]) -> Ended:
    """Run the command line of a revision.

    Raises:
        CallError: where it says that what was asked for is a mistake.
    """
    ended = _python(tree, ["-m", "digitlab", *arguments])
    if ended.status == 2:
        raise CallError(f"{tree.name}: {ended.last_line}")
    return ended


def _tree(revision: str, folder: Path) -> Tree:
    if revision in (".", "worktree"):
        title = "the working tree"  # a copy, for it may be worked on meanwhile
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    else:
        title = f"{revision}, {_check_out(revision, folder)}"
    compileall.compile_dir(folder / "src", quiet=2)  # or the first run of each would do it
    tree = Tree(folder.name, title, folder)
    # Were another digitlab imported, everything would seem to be the same.
    found = _python(tree, ["-c", "import digitlab; print(digitlab.__file__)"])
    if not Path(os.fsdecode(found.output.strip())).is_relative_to(folder):
        raise CallError(f"{revision}: has no src/digitlab that can be imported")
    return tree


def _check_out(revision: str, folder: Path) -> str:
    """Put a commit into a folder; return its short name and subject."""
    found = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found.returncode:
        raise CallError(f"{revision}: is no revision here; give a commit, or . for the files here")
    commit = found.stdout.strip()
    added = _git("worktree", "add", "--detach", str(folder), commit)
    if added.returncode:
        raise CallError(f"{revision}: {_last_line(added.stderr)}")
    return _git("log", "-1", "--format=%h %s", commit).stdout.strip()


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    except OSError as error:
        raise CallError(f"git cannot be run: {error.strerror}") from None


def _python(tree: Tree, arguments: Sequence[str]) -> Ended:
    """Run this Python with the package of a revision."""
    path = [str(tree.folder / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-P", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            output, said = process.communicate()
        except BaseException:  # Ctrl-C: nothing may write into a folder that is about to go
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            raise
    seconds = time.perf_counter() - began
    return Ended(process.returncode, output, _last_line(said.decode(errors="replace")), seconds)


def _last_line(text: str) -> str:
    """Return the last line of words, without the frame that is around some."""
    lines = [line.strip(" │") for line in text.splitlines() if any(map(str.isalpha, line))]
    return lines[-1] if lines else ""
