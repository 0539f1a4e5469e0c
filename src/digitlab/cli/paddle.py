"""`digitlab paddle`: verbs for what was written for PaddlePaddle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from digitlab.cli import lessons
from digitlab.cli.options import DataOption, JsonOption
from digitlab.config import NETWORKS, OBJECTIVES
from digitlab.errors import check_training_extra

app = typer.Typer(
    name="paddle",
    help="Run lessons and open parameters that were written for PaddlePaddle.",
    no_args_is_help=True,
)
app.command(context_settings=lessons.SCRIPT_FIRST)(lessons.run)
app.command(context_settings=lessons.SCRIPT_FIRST)(lessons.launch)
app.command()(lessons.check)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.pdparams", help="Of Paddle 1.6 to 3.x.")],
    network: Annotated[
        str,
        typer.Option(
            metavar="|".join(NETWORKS),
            help="The network that they belong to, or my_module:MyNetwork.",
        ),
    ],
    objective: Annotated[
        str,
        typer.Option(
            metavar="|".join(OBJECTIVES),
            help="square-error: of one output; cross-entropy-and-box: of fourteen.",
        ),
    ] = "cross-entropy",
    data: DataOption = None,
    run_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the run goes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a run of parameters that Paddle saved, to read with, evaluate or train on from.

    Nothing in the file is executed.

    Examples:

    digitlab paddle import mnist.pdparams --network cnn

    digitlab paddle import mnist.pdparams --network cnn --objective square-error
    """
    check_training_extra()
    from digitlab.paddle.import_run import import_parameters

    made = import_parameters(file, network, objective, data, run_dir)
    print(json.dumps(made.to_json()) if as_json else made.to_text())
    for warning in made.warnings:
        print(f"warning: {warning}", file=sys.stderr)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run that has ended.")],
    to: Annotated[Path, typer.Option(metavar="FILE.pdparams", help="The file to write.")],
    format: Annotated[
        int, typer.Option(metavar="1|2", help="1: Paddle 1.6 to 3.x read it; 2: from 2.1 on.")
    ] = 1,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="my_module:MyNetwork", help="The run's own network, where it has one."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run's weights as Paddle saves parameters.

    Examples:

    digitlab paddle export runs/tutorial-cnn-20260101-120000 --to mnist.pdparams
    """
    check_training_extra()
    from digitlab.paddle.export_run import export_parameters

    written = export_parameters(run, to, format, network)
    print(json.dumps(written.to_json()) if as_json else written.to_text())
