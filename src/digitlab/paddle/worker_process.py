"""A worker of `digitlab paddle launch`: a process that runs a lesson and ends with its launcher."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from digitlab.child import asked, heed
from digitlab.errors import DigitlabError
from digitlab.paddle.script import run_script
from digitlab.processes import end


def main() -> None:
    """Run what was asked for, and end with the status of the script."""
    request = asked()
    heed(lambda line: None)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    pictures = request["pictures"]
    try:
        status = run_script(
            Path(request["script"]),
            request["arguments"],
            device=request["device"],
            pictures=None if pictures is None else Path(pictures),
        )
    except DigitlabError as error:
        end(" ".join(str(error).split()), 2)
    sys.exit(status)


if __name__ == "__main__":
    main()
