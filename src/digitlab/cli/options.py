"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

DataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="mnist, a folder of IDX files or of pictures, a .npz, .csv or mnist.json.gz; "
        "given again, sources are joined.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
