"""Says, without running a script, which names of old Paddle it uses that there are not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitlab.paddle.names import Use, sources_of, uses_in
from digitlab.paddle.table import MODULES, find, nearest


@dataclass(frozen=True)
class Missing:
    """A name that is used and not there.

    Attributes:
        use: the name, and where.
        nearest: what there is that comes nearest; None where nothing does.
    """

    use: Use
    nearest: str | None

    def __str__(self) -> str:
        near = f"; the nearest there is: {self.nearest}" if self.nearest else ""
        return f"{self.use.path}:{self.use.line}: {self.use.name} is not covered{near}"


@dataclass(frozen=True)
class Checked:
    """What a script and its own modules use.

    Attributes:
        files: the script and the modules of its own that were looked into.
        uses: every name of paddle that is something, at each place.
        missing: those that are not there.
    """

    files: Sequence[Path]
    uses: Sequence[Use]
    missing: Sequence[Missing]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "files": [str(path) for path in self.files],
            "names": sorted({use.name for use in self.uses}),
            "missing": [
                {
                    "name": one.use.name,
                    "nearest": one.nearest,
                    "file": str(one.use.path),
                    "line": one.use.line,
                }
                for one in self.missing
            ],
        }


def check(script: Path) -> Checked:
    """Look through a script, and its own modules beside it, without running them.

    Raises:
        ConfigError: there is no such file.
        DataError: it is no Python; names the line.
    """
    sources = sources_of(script)
    uses = [use for source in sources for use in uses_in(source, offers)[0]]
    named = [use for use in uses if use.name not in MODULES]
    missing = [Missing(use, nearest(use.name)) for use in named if covered_by(use.name) is None]
    return Checked([source.path for source in sources], named, missing)


def offers(name: str) -> bool:
    """Return whether there is such a name."""
    return find(name) is not None or name in MODULES


def covered_by(name: str) -> str | None:
    """Return the name there is that covers one: itself, or what it is an attribute of.

    None where there is none: what `Env.nranks` gives is for `Env` to say.
    """
    parts = name.split(".")
    if name in ("paddle.__version__", "paddle.fluid.__version__"):  # what modules.py adds
        return name
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((one for one in names if find(one) is not None), None)
