"""`digitlab runs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from digitlab.cli.options import JsonOption


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where runs lie.")] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """List runs: state, recipe, accuracy, age.

    Examples:

    digitlab runs

    digitlab runs my-runs --json
    """
    from digitlab.training.listing import list_runs, runs_text

    found = list_runs(folder)
    if as_json:
        for status in found:
            print(json.dumps(status.to_json()))
    else:
        print(runs_text(found))
