"""`digitlab compare`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.cli.options import JsonOption
from digitlab.errors import ConfigError
from digitlab.live_line import LiveLine
from digitlab.studies.design import shipped_studies
from digitlab.wording import LANGUAGES


def compare(
    study: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY|FILE.toml|RUN...",
            help=f"{', '.join(shipped_studies())}; a study's file; or the folders of runs.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the study goes; studies/NAME if not given."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="LIST", help="Seeds of each variant, as 1,2,3.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="N", help="Passes of each run; 0.5 is half a pass.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Runs side by side; all cores if not given.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="my_module:MyNetwork that the study's file may run."),
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="|".join(LANGUAGES), help="Of the results and the report.")
    ] = "en",
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but warnings.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare variants of a recipe, each with several seeds; or runs that exist.

    The same command again goes on after a stop. The exit status is 1 where a run failed.

    Examples:

    digitlab compare optimizers

    digitlab compare networks --epochs 5 --seeds 1,2,3,4,5

    digitlab compare my-study.toml --out my-study

    digitlab compare runs/first runs/second
    """
    from digitlab.studies.progress import study_reporter
    from digitlab.studies.words import words
    from digitlab.training.interrupt import Interrupted

    first, *others = study
    try:
        found = digitlab.compare(
            first,
            *others,
            out=out,
            seeds=None if seeds is None else _seeds(seeds),
            epochs=epochs,
            jobs=jobs,
            networks=network or (),
            language=language,
            reporter=study_reporter("json" if as_json else "quiet" if quiet else "lines"),
        )
    except Interrupted as stopped:
        LiveLine.clear_any()
        print("stopped; the same command goes on", file=sys.stderr, flush=True)
        raise typer.Exit(stopped.exit_status) from None
    finally:
        LiveLine.clear_any()
    if as_json:
        print(json.dumps({"event": "done", **found.to_json()}, ensure_ascii=False))
    elif not quiet:
        print(found.to_text())
        if found.path is not None:
            print(words(language).say("lies_in", folder=f"{found.path}{os.sep}"))
    if found.failed:
        raise typer.Exit(1)


def _seeds(text: str) -> list[int]:
    """Return the seeds of a list such as `1,2,3`."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--seeds: {text!r} is no list of seeds; try --seeds 1,2,3") from None
