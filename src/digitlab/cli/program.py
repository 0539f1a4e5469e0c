"""How this program was called, and the ways in which it ends."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO

from digitlab.errors import CalibrationWarning, DigitlabError, PagesWarning
from digitlab.live_line import LiveLine
from digitlab.wording import printable

_OURS = (CalibrationWarning, PagesWarning)


def draw_at(asked: Path | None, else_at: Path, draw: Callable[[Path], bool]) -> str | None:
    """Have a picture drawn, and return where; None where there is none.

    Args:
        asked: where the user wants it; failing there is an error.
        else_at: where it goes if nobody asked. There it replaces nothing but pictures of ours, and
            where it cannot be written, that costs a line and not the answer.
        draw: draws into a place; false where there is nothing to draw.
    """
    from digitlab.contact_sheet import free_place

    if asked is not None:
        return str(asked) if draw(asked) else None
    place = free_place(else_at)
    try:
        return str(place) if draw(place) else None
    except DigitlabError as error:
        print(f"digitlab: {error}", file=sys.stderr, flush=True)
        return None


def show_what_can_be_shown() -> None:
    """Have every character printed that the output's encoding has, and the others as escapes.

    An output that is not UTF-8 must not end a command that has done its work.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Have our warnings said as a command says them, and others as Python does."""
    with warnings.catch_warnings():
        for ours in _OURS:
            warnings.simplefilter("always", ours)
        as_python = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            LiveLine.clear_any()
            if not issubclass(category, _OURS):
                as_python(message, category, filename, lineno, file, line)
            elif sys.stderr is not None:  # where it is closed, print would take standard output
                print(f"digitlab: {printable(str(message))}", file=sys.stderr, flush=True)

        warnings.showwarning = show
        yield


def end_quietly() -> NoReturn:
    """Exit as a program does whose output nobody reads any more, such as before head."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


def fail(message: str, status: int = 2) -> NoReturn:
    """Exit with one line on standard error."""
    print(f"digitlab: {' '.join(message.split())}", file=sys.stderr, flush=True)
    sys.exit(status)


def program() -> str:
    """Return the words by which this command was called and can be called again."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m digitlab"
    found = shutil.which("digitlab")
    if found and called.exists() and os.path.samefile(found, called):
        return "digitlab"
    return shlex.quote(short(called))


def short(path: Path) -> str:
    """Return a path from here, where it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
