"""What a lesson is told beside its own output: a line on standard error."""

from __future__ import annotations

import sys

from digitlab.wording import printable


def tell(line: str) -> None:
    """Say a line."""
    print(f"digitlab: {printable(line)}", file=sys.stderr, flush=True)
