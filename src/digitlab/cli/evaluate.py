"""`digitlab evaluate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.cli.options import DataOption, JsonOption
from digitlab.cli.program import draw_at, fail
from digitlab.live_line import Counter


def evaluate(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN|MODEL",
            help="A run, or a model.onnx; with --pages the model that ships without it.",
        ),
    ] = None,
    data: DataOption = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="train|valid|test", help="Which part; else test."),
    ] = None,
    degraded: Annotated[
        bool, typer.Option("--degraded", help="Also read made pictures, by kind of degradation.")
    ] = False,
    pictures: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Made pictures of each kind; else 500."),
    ] = None,
    no_digits: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also read pictures, and all pages of documents, that hold no digit.",
        ),
    ] = None,
    pages: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Only read pages of numbers, whose truth is in truth.tsv there."
        ),
    ] = None,
    mistakes: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Where to draw the most confident mistakes."),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Where to draw error over coverage and by kind."),
    ] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled data: how often it is right, and when to trust it.

    Exit status: 0, or 1 where a page of --pages could not be read; 2 a mistake in this line or its
    data.

    Examples:

    digitlab evaluate runs/quick-20260101-120000

    digitlab evaluate model.onnx --degraded --no-digits letters/

    digitlab evaluate model.onnx --data fashion/ --json

    digitlab evaluate --pages scans/
    """
    from digitlab.contact_sheet import check_place

    if pages is not None:
        others = {"--data": data, "--split": split, "--degraded": degraded, "--pictures": pictures}
        _check_alone({**others, "--no-digits": no_digits, "--mistakes": mistakes, "--chart": chart})
        _evaluate_pages(pages, model, threads or 1, as_json)
        return
    if model is None:
        fail("Missing argument 'RUN|MODEL'; digitlab evaluate --help")
    for place in (mistakes, chart):
        if place is not None:
            check_place(place)
    with _progress() as progress:
        report = digitlab.evaluate(
            model,
            data=data or None,
            split=split or "test",
            degraded=degraded,
            pictures=pictures or 500,
            no_digits=no_digits,
            threads=threads or 1,
            progress=progress,
        )
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr, flush=True)
    if not as_json:
        print(report.to_text(), flush=True)  # before the pictures, which may find no room
    drawn = {
        "mistakes": draw_at(mistakes, _beside(model, "mistakes.png"), report.write_mistakes),
        "chart": draw_at(chart, _beside(model, "coverage.png"), report.write_chart),
    }
    if as_json:
        print(json.dumps({**report.to_json(), **drawn}))
        return
    if drawn["mistakes"] or not len(report.mistakes):
        which = "mistakes" if report.confidences is None else "most confident mistakes"
        print(f"\n{which}: {drawn['mistakes'] or 'none, all is right'}")
    if drawn["chart"]:
        print(f"error over coverage{' and by kind' if degraded else ''}: {drawn['chart']}")


def _check_alone(others: dict[str, object]) -> None:
    """End with a usage error where --pages stands beside what it does not go with."""
    for option, given in others.items():
        if given:
            fail(f"--pages measures pages alone: leave out {option}")


def _evaluate_pages(folder: Path, model: Path | None, threads: int, as_json: bool) -> None:
    """Read the pages of a folder, and say what is right."""
    from digitlab.evaluation import evaluate_pages

    with _progress() as progress:
        report = evaluate_pages(folder, model, threads=threads, progress=progress)
    print(json.dumps(report.to_json()) if as_json else report.to_text(), flush=True)
    if report.errors:
        raise typer.Exit(1)


def _beside(model: Path, name: str) -> Path:
    """Return where a picture of a model goes: into its run, or here under the model's name."""
    return model / name if model.is_dir() else Path(f"{model.stem}-{name}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show how many pictures are done, on standard error where that is a terminal."""
    lines: list[Counter] = []

    def told(done: int, count: int) -> None:
        if done == 1:
            lines.append(Counter(count, sys.stderr))
        lines[-1].advance()
        if done == count:
            lines[-1].clear()

    try:
        yield told
    finally:
        for line in lines:
            line.clear()
