"""`digitlab read`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.cli.options import JsonOption
from digitlab.cli.program import end_quietly, fail
from digitlab.errors import ConfigError


def read(
    pictures: Annotated[
        list[Path],
        typer.Argument(
            metavar="PICTURE|FOLDER|-...", help="Pictures of digits, numbers and pages."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="RUN|FILE", help="A run or a model.onnx; else the one that ships."),
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV, a line a number.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where CSV (.csv) or JSON (.jsonl) goes; else to standard output."
        ),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where pictures with what was read in them go."),
    ] = None,
    crops: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where a picture of each number goes, which CSV names."),
    ] = None,
    reject: Annotated[
        str | None,
        typer.Option(
            metavar="R|none",
            help="Refuse what is wrong with a probability above R, such as 0.01; "
            "none: refuse nothing; else only what is likelier something else.",
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to show what the network saw, and why."),
    ] = None,
    upright: Annotated[
        str,
        typer.Option(
            metavar="auto|no",
            help="auto turns a page that lies on its side or stands on its head; no never does.",
        ),
    ] = "auto",
    max_pixels: Annotated[
        int, typer.Option(metavar="N", help="Larger pictures are not decoded.")
    ] = 64_000_000,
    max_seconds: Annotated[
        float,
        typer.Option(
            metavar="S",
            help="Decoding a picture or page may take so long, not reading it; and before that a "
            "pipe may wait so long for who opens it for writing.",
        ),
    ] = 20.0,
    max_memory: Annotated[
        int, typer.Option(metavar="MB", help="Decoding may take so much (Linux).")
    ] = 1536,
    max_pages: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of a document, the first N pages are read.")
    ] = 1000,
) -> None:
    """Read digits, numbers and pages of them: dark on light or light on dark, any size.

    Every page of a PDF or TIFF is read. Folders are walked; - is standard input.
    With --out, the same command goes on where it was stopped.
    Exit status: 0 all read, 1 some could not be, 2 a mistake in this line.

    Examples:

    digitlab read photo.jpg

    digitlab read scans/ --reject 0.01 --out digits.csv

    digitlab read sheet.pdf --annotate seen/

    digitlab read table.jpg --csv --crops cells/

    digitlab read photo.jpg --explain why/

    digitlab read *.png --model runs/quick-20260101-120000 --json
    """
    if as_json and as_csv:
        raise ConfigError("--json and --csv cannot stand together: choose one")
    from digitlab.reading.formats import style_of
    from digitlab.reading.guard import GuardedDecoder, Limits

    style = style_of("json" if as_json else "csv" if as_csv else None, out, pictures)
    try:  # typer would hide which of these it was
        # The decoder's process starts while the model loads.
        with GuardedDecoder(Limits(max_pixels, max_seconds, max_memory)) as decoder:
            from digitlab.reading.command import ReadCommand

            recogniser = digitlab.Recogniser(model)
            batch = ReadCommand(
                recogniser,
                decoder,
                style,
                _number(reject),
                annotate,
                explain,
                out,
                max_pages,
                upright,
                crops,
            )
            failures = batch.run(pictures)
    except ConfigError as error:
        raise ConfigError(_of_a_flag(str(error))) from error
    except BrokenPipeError:
        end_quietly()
    except KeyboardInterrupt:
        fail("interrupted", 130)
    if failures:
        raise typer.Exit(1)


def _of_a_flag(message: str) -> str:
    """Return a message on an argument of Python's, such as `max_pixels = 0`, as of its flag."""
    name, equals, rest = message.partition(" = ")
    return f"--{name.replace('_', '-')} {rest}" if equals and name.isidentifier() else message


def _number(text: str | None) -> float | str | None:
    """Return a number where it is one; what else is allowed is for others to say."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
