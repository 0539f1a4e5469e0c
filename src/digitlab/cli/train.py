"""`digitlab train`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

import digitlab
from digitlab.cli.options import DataOption, JsonOption
from digitlab.cli.program import program, short
from digitlab.cli.workers import with_workers
from digitlab.config import NETWORKS, OBJECTIVES, OPTIMIZERS, SCHEDULES
from digitlab.errors import ConfigError
from digitlab.parallel.plan import Workers
from digitlab.parallel.seat import seat_of_torchrun
from digitlab.recipe_files import DEFAULT_RECIPE, shipped_recipes
from digitlab.setting_names import parse_setting


@with_workers
def train(
    recipe: Annotated[
        str,
        typer.Option(metavar="NAME|FILE.toml", help=f"One of {', '.join(shipped_recipes())}."),
    ] = DEFAULT_RECIPE,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"{', '.join(NETWORKS)}, or my_module:MyNetwork."),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"{', '.join(OBJECTIVES)}.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"{', '.join(OPTIMIZERS)}.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="The schedule's highest.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"{', '.join(SCHEDULES)}.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="N", help="Passes over the data; 0.5 is half a pass.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Images a step.")] = None,
    augment: Annotated[
        str | None, typer.Option(metavar="LIST", help="none, or as shift=1,rotation=10.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of all chance.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Size of the pool; changes no result.")
    ] = None,
    data: DataOption = None,
    train_on: Annotated[
        str | None,
        typer.Option(metavar="train|all", help="all: the validation images, too (60,000)."),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the run goes; a new folder.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on, exactly, with a stopped run.")
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Start with the weights of another run."),
    ] = None,
    log_every: Annotated[
        int | None, typer.Option(metavar="STEPS", min=1, help="A line every so many steps.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any key of a recipe, as weight_decay=0.01."
        ),
    ] = None,
    ledger: Annotated[
        bool,
        typer.Option("--ledger", help="Record which sample went through which worker."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but warnings.")] = False,
    as_json: JsonOption = False,
    workers: Workers | None = None,
) -> None:
    """Train a network; every flag overrides the recipe's value.

    Examples:

    digitlab train

    digitlab train --recipe tutorial-cnn --optimizer adam --epochs 2

    digitlab train --resume runs/quick-20260101-120000

    digitlab train --from RUN --data mnist --data mine.npz

    digitlab train --workers 4 --log-dir logs
    """
    from digitlab.training.reporters import reporter

    if resume is not None and recipe != DEFAULT_RECIPE:
        raise ConfigError("--recipe cannot stand beside --resume: the run has its own")
    from digitlab.training.interrupt import Interrupted

    style = "json" if as_json else "quiet" if quiet else "lines"
    try:
        result = digitlab.train(
            recipe,
            network=network,
            objective=objective,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            epochs=epochs,
            batch_size=batch_size,
            augment=augment,
            seed=seed,
            device=device,
            data=data or None,
            train_on=train_on,
            start_from=start_from,
            settings=dict(parse_setting(text) for text in settings or []),
            threads=threads,
            run_dir=run_dir,
            resume=resume,
            workers=workers,
            ledger=ledger,
            reporter=reporter(style, log_every),
        )
    except Interrupted as stopped:
        again = f"{program()} train --resume {shlex.quote(str(stopped.folder.path))}"
        if network and ":" in network:
            again += f" --network {network}"
        print(f"stopped; to go on: {again}", file=sys.stderr, flush=True)
        raise typer.Exit(stopped.exit_status) from None
    except KeyboardInterrupt:
        kept = "no run was begun" if resume is None else f"{resume} stays as it was"
        print(f"digitlab: interrupted before the first step; {kept}", file=sys.stderr)
        raise typer.Exit(130) from None
    seat = seat_of_torchrun()
    if style == "lines" and (seat is None or seat.slot == 0):
        print(f"next: {program()} read {_sample()} --model {shlex.quote(str(result.path))}")


def _sample() -> str:
    return shlex.quote(short(Path(digitlab.__file__).parent / "reading" / "sample.png"))
