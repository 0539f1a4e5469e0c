"""`digitlab figure`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.course_figures import FIGURES, titles
from digitlab.errors import ConfigError
from digitlab.wording import LANGUAGES, one_of


def figure(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help=f"{', '.join(FIGURES)}.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write, a .svg or .png.")
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="|".join(LANGUAGES), help="Of its words: English or Chinese.")
    ] = "en",
    as_list: Annotated[bool, typer.Option("--list", help="List the figures there are.")] = False,
) -> None:
    """Draw a figure of the course: a function, or how workers share a network.

    Examples:

    digitlab figure --list

    digitlab figure sigmoid --out sigmoid.svg
    """
    if as_list:
        if name is not None or out is not None:
            raise ConfigError("--list stands alone, or with --language")
        width = max(map(len, FIGURES)) + 2
        for one, title in titles(language).items():
            print(f"{one:{width}}{title}")
        return
    if name is None:
        raise ConfigError(f"a figure has to be named: {one_of(FIGURES)}")
    if out is None:
        raise ConfigError(f"--out is missing: the file to write, such as --out {name}.svg")
    digitlab.draw_figure(name, out, language)
    print(f"figure: {out}")
