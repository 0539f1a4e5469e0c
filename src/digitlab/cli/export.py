"""`digitlab export`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.cli.options import DataOption, JsonOption


def export(
    model: Annotated[Path, typer.Argument(metavar="RUN|MODEL", help="A run, or a model.onnx.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Make it small and fast: integers of 8 bits.")
    ] = False,
    data: DataOption = None,
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a run's model to where it is wanted, checked; or make an int8 copy and compare both.

    Examples:

    digitlab export runs/quick-20260101-120000 --to digits.onnx

    digitlab export digits.onnx --to digits-int8.onnx --int8
    """
    report = digitlab.export(model, to, int8=int8, data=data or None, threads=threads or 1)
    print(json.dumps(report.to_json()) if as_json else report.to_text())
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
