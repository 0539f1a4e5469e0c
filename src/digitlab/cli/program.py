"""How this program was called, and the ways in which it ends."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import NoReturn


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
