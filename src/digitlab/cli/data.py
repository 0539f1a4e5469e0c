"""`digitlab data`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.cli.options import JsonOption
from digitlab.cli.program import draw_at


def data(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="mnist, a folder, .npz, .csv or .json.gz."),
    ],
    train_on: Annotated[
        str, typer.Option(metavar="train|all", help="all: no validation split.")
    ] = "train",
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Where the contact sheet goes; else data.png, if free."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Describe a data source: counts, values, duplicates; and draw a contact sheet.

    Examples:

    digitlab data mnist

    digitlab data my-digits/ --sheet my-digits.png
    """
    from digitlab.contact_sheet import check_place, save_picture
    from digitlab.data.describe import contact_sheet_of, describe
    from digitlab.reading.orientation import warnings_of

    if sheet is not None:
        check_place(sheet)
    dataset = digitlab.load_dataset(sources, train_on)
    description = describe(replace(dataset, warnings=warnings_of(dataset)))
    if not as_json:
        print(description.to_text(), flush=True)  # before the picture, which may find no room

    def draw(place: Path) -> bool:
        save_picture(contact_sheet_of(dataset), place)
        return True

    drawn = draw_at(sheet, Path("data.png"), draw)
    if as_json:
        print(json.dumps({**description.to_json(), "sheet": drawn}))
    elif drawn:
        print(f"contact sheet: {drawn}")
