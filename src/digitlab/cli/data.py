"""`digitlab data`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.cli.options import JsonOption


def data(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="mnist, a folder, .npz, .csv or .json.gz."),
    ],
    train_on: Annotated[
        str, typer.Option(metavar="train|all", help="all: no validation split.")
    ] = "train",
    sheet: Annotated[
        Path, typer.Option(metavar="PNG", help="Where the contact sheet goes.")
    ] = Path("data.png"),
    as_json: JsonOption = False,
) -> None:
    """Describe a data source: counts, values, duplicates; and draw a contact sheet.

    Examples:

    digitlab data mnist

    digitlab data my-digits/ --sheet my-digits.png
    """
    from digitlab.contact_sheet import check_place, save_picture
    from digitlab.data.describe import contact_sheet_of, describe
    from digitlab.reading.orientation import lying_warning

    check_place(sheet)
    dataset = digitlab.load_dataset(sources, train_on)
    lying = lying_warning(dataset)
    if lying:
        dataset = replace(dataset, warnings=(*dataset.warnings, lying))
    description = describe(dataset)
    save_picture(contact_sheet_of(dataset), sheet)
    if as_json:
        print(json.dumps({**description.to_json(), "sheet": str(sheet)}, ensure_ascii=False))
    else:
        print(description.to_text())
        print(f"contact sheet: {sheet}")
