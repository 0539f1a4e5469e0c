"""Runs an old lesson in this process, as `python SCRIPT.py` would with the paddle of its time.

`digitlab paddle run` and each worker of `digitlab paddle launch` (worker_process.py) use it.
"""

from __future__ import annotations

import builtins
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import ModuleType, TracebackType

from digitlab.errors import check_installed
from digitlab.paddle.mending import mended
from digitlab.paddle.names import parsed
from digitlab.paddle.notices import tell
from digitlab.paddle.source import Source, read_source

_OURS = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def run_script(
    path: Path,
    arguments: Sequence[str] = (),
    *,
    device: str | None = None,
    pictures: Path | None = None,
) -> int:
    """Run a lesson that was written for `paddle.fluid`.

    Whatever this changes in this process, our `paddle` among it, is undone at the end.

    Args:
        path: of the script.
        arguments: its own, after its name.
        device: "cpu" or "cuda", whatever places the script names; None: as it names them.
        pictures: the folder of what it would show on a screen.

    Returns:
        Its exit status. What it raised is printed, with the lines of the script and not ours.

    Raises:
        ConfigError: there is no such script.
        DataError: it is no Python 3; names the line.
        MissingExtraError: PyTorch is not installed.
        KeyboardInterrupt: it was interrupted.
    """
    source = read_source(path)
    tree = parsed(source)
    check_installed("running a lesson", ("torch",))
    from digitlab.paddle.modules import install
    from digitlab.training.machine import keep_memory

    keep_memory()  # a fifth of the processor's time of a step, by benchmarks/throughput.py --ours
    if source.left_out:
        numbers = ", ".join(map(str, source.left_out))
        tell(f"{path}: of a notebook, and left out: line {numbers}")
    with install(device), mended(pictures), _main_program(source, arguments) as module:
        try:
            code = compile(tree, str(path), "exec", dont_inherit=True)
            exec(code, module.__dict__)
        except SystemExit as end:
            return _status(end.code)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            _print(error)
            return 1
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
    return 0


class _Notebook:
    """What `get_ipython()` gives in a script that was exported from a notebook."""

    def __getattr__(self, name: str) -> object:
        def left_out(*arguments: object, **options: object) -> None:
            words = " ".join(map(str, arguments))
            tell(f"get_ipython().{name}: of a notebook, and left out: {words}")

        return left_out


@contextmanager
def _main_program(source: Source, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """Make the module in which a script is the main program."""
    name = str(source.path)
    folder = str(source.path.absolute().parent)
    module = ModuleType("__main__")
    module.__dict__.update(__file__=name, __builtins__=builtins, __cached__=None)
    module.__dict__["get_ipython"] = _Notebook
    before = sys.argv, sys.path[:], sys.modules["__main__"], set(sys.modules)
    # The lines as they were read: a traceback shows them even where the file has changed.
    linecache.cache[name] = (
        len(source.text), None, source.text.splitlines(keepends=True), name
    )  # fmt: skip
    sys.argv = [name, *arguments]
    sys.path.insert(0, folder)
    sys.modules["__main__"] = module
    try:
        yield module
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"], loaded = before
        linecache.cache.pop(name, None)
        for other in set(sys.modules) - loaded:
            file = getattr(sys.modules[other], "__file__", None) or ""
            if file.startswith(folder + os.sep) and not file.startswith(_LIBRARIES):
                del sys.modules[other]


def _status(code: object) -> int:
    """Return the exit status that Python makes of what `sys.exit` was given."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _print(error: BaseException) -> None:
    """Print what a script raised, as Python would, without the frames of ours."""
    _trim(error, set())
    traceback.print_exception(error)


def _trim(error: BaseException | None, seen: set[int]) -> None:
    """Take our frames out of the tracebacks of an error and of those that led to it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_ours(error.__traceback__)
    for other in (error.__cause__, error.__context__):
        _trim(other, seen)
    if isinstance(error, BaseExceptionGroup):
        for other in error.exceptions:
            _trim(other, seen)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without our frames, and what they called of others' libraries."""
    kept: list[TracebackType] = []
    ours = False
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(_OURS):
            ours = True
        elif not ours or not file.startswith((*_LIBRARIES, "<")):
            ours = False
            kept.append(trace)
        trace = trace.tb_next
    for one, following in pairwise([*kept, None]):
        assert one is not None
        one.tb_next = following
    return kept[0] if kept else None
