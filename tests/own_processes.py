"""Holds a test to what it says: without the mark `process`, it starts no process of its own.

So `make check`, which leaves the marked ones out, is fast for as long as nobody forgets the mark.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import pytest

# What Python tells an audit hook before it starts a process; the last is told from here.
_STARTS = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn",
    "subprocess.Popen", "multiprocessing",
}  # fmt: skip

_T = TypeVar("_T")
_watching = False
_started: list[str] = []  # by whichever thread


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in _STARTS:
        _started.append(f"{event} {arguments[:2]}"[:200])  # not what it gets of the environment


def _tell(process: BaseProcess, honest: Any = BaseProcess.start) -> None:
    sys.audit("multiprocessing", process.name)  # a server that runs already forks unheard
    honest(process)


sys.addaudithook(_hear)
BaseProcess.start = _tell  # type: ignore[method-assign]


def _watched(item: pytest.Item) -> Generator[None, _T, _T]:
    """Fail where what is run starts a process that it does not say it starts."""
    global _watching
    _started.clear()
    _watching = item.get_closest_marker("process") is None
    try:
        result = yield
    finally:
        _watching = False
    if _started:
        pytest.fail(
            f"{item.name} starts a process ({_started[0]}): mark it by @pytest.mark.process, or "
            "do without; make check runs only what runs in one process",
            pytrace=False,
        )
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Watch the fixtures, too."""
    return (yield from _watched(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Watch the test."""
    return (yield from _watched(item))
