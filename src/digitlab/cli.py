"""The command `digitlab`: one thin function a verb; each calls the Python API and prints.

A user's mistake ends in one line and exit status 2. Heavy imports happen inside the verbs, so that
`--help` is fast and reading needs no PyTorch.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import digitlab
from digitlab.config import (
    DEFAULT_RECIPE,
    NETWORKS,
    OBJECTIVES,
    OPTIMIZERS,
    SCHEDULES,
    parse_setting,
    shipped_recipes,
)
from digitlab.errors import ConfigError, DigitlabError

# What is wrong with a command line; typer exports no more of this family than BadParameter.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="digitlab",
    help="Train, evaluate and use recognisers of handwritten digits.",
    epilog="First steps: digitlab train, then digitlab read PICTURE --model RUN.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    try:
        status = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except DigitlabError as error:
        _fail(str(error))
    except _UsageError as error:
        _fail(f"{error.format_message()} (digitlab --help)")  # type: ignore[attr-defined]
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        _end_quietly()
    except OSError as error:
        _fail(f"standard output: {error}", 1)
    sys.exit(status if isinstance(status, int) else 0)


def _end_quietly() -> NoReturn:
    """Exit as a program does whose output nobody reads any more, such as before head."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


def _fail(message: str, status: int = 2) -> NoReturn:
    print(f"digitlab: {' '.join(message.split())}", file=sys.stderr, flush=True)
    sys.exit(status)


def _version(asked: bool) -> None:
    if asked:
        print(f"digitlab {digitlab.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train, evaluate and use recognisers of handwritten digits."""


DataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="mnist, a folder of IDX files or of pictures, a .npz or mnist.json.gz; "
        "given again, sources are joined.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]


@app.command()
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
        typer.Option("--set", metavar="KEY=VALUE", help="Any other key of a recipe."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but warnings.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a network; every flag overrides the recipe's value.

    Examples:

    digitlab train

    digitlab train --recipe tutorial-cnn --optimizer adam --epochs 2

    digitlab train --resume runs/quick-20260101-120000

    digitlab train --from RUN --data mnist --data mine.npz
    """
    from digitlab.training.progress import reporter

    if resume is not None and recipe != DEFAULT_RECIPE:
        raise ConfigError("--recipe cannot stand beside --resume: the run has its own")
    run = digitlab.train  # says what to install where the extra is missing
    from digitlab.training.interrupt import Interrupted

    style = "json" if as_json else "quiet" if quiet else "lines"
    try:
        result = run(
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
            reporter=reporter(style, log_every),
        )
    except Interrupted as stopped:
        again = f"{program()} train --resume {shlex.quote(str(stopped.folder.path))}"
        if network and ":" in network:
            again += f" --network {network}"
        print(f"stopped; to go on: {again}", file=sys.stderr, flush=True)
        raise typer.Exit(stopped.exit_status) from None
    except KeyboardInterrupt:
        print("digitlab: interrupted before the first step; no run was begun", file=sys.stderr)
        raise typer.Exit(130) from None
    if style == "lines":
        print(f"next: {program()} read {_sample()} --model {shlex.quote(str(result.path))}")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="RUN|MODEL", help="A run, or a model.onnx.")],
    data: DataOption = None,
    split: Annotated[str, typer.Option(metavar="train|valid|test", help="Which part.")] = "test",
    degraded: Annotated[
        bool, typer.Option("--degraded", help="Also read made pictures, by kind of degradation.")
    ] = False,
    pictures: Annotated[
        int, typer.Option(metavar="N", min=1, help="Made pictures of each kind.")
    ] = 500,
    no_digits: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also read pictures that hold no digit."),
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

    Examples:

    digitlab evaluate runs/quick-20260101-120000

    digitlab evaluate model.onnx --degraded --no-digits letters/

    digitlab evaluate model.onnx --data fashion/ --json
    """
    with _progress() as progress:
        report = digitlab.evaluate(
            model,
            data=data or None,
            split=split,
            degraded=degraded,
            pictures=pictures,
            no_digits=no_digits,
            threads=threads or 1,
            progress=progress,
        )
    if not as_json:
        print(report.to_text(), flush=True)  # before the pictures, which may find no room
    mistakes = mistakes or _beside(model, "mistakes.png")
    chart = chart or _beside(model, "coverage.png")
    drawn = {
        "mistakes": str(mistakes) if report.write_mistakes(mistakes) else None,
        "chart": str(chart) if report.write_chart(chart) else None,
    }
    if as_json:
        print(json.dumps({**report.to_json(), **drawn}))
        return
    print(f"\nmost confident mistakes: {drawn['mistakes'] or 'none, all is right'}")
    if drawn["chart"]:
        print(f"error over coverage{' and by kind' if degraded else ''}: {drawn['chart']}")


@app.command()
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
    if report.warning:
        print(f"digitlab: {report.warning}", file=sys.stderr)


@app.command()
def read(
    pictures: Annotated[
        list[Path],
        typer.Argument(metavar="PICTURE|FOLDER|-...", help="Pictures of one digit each."),
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="RUN|FILE", help="A run or a model.onnx; else the one that ships."),
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV, a line a digit.")] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where pictures with what was read in them go."),
    ] = None,
    reject: Annotated[
        str | None,
        typer.Option(
            metavar="R|none",
            help="Refuse what is wrong with a probability above R, such as 0.01; "
            "none: refuse nothing; else only what is most likely no digit.",
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to show what the network saw, and why."),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(metavar="N", help="Larger pictures are not decoded.")
    ] = 64_000_000,
    max_seconds: Annotated[
        float, typer.Option(metavar="S", help="Decoding one picture may take so long.")
    ] = 20.0,
    max_memory: Annotated[
        int, typer.Option(metavar="MB", help="Decoding may take so much (Linux).")
    ] = 1536,
) -> None:
    """Read pictures of one digit each: dark on light or light on dark, any size.

    Folders are walked; - is standard input. Exit status: 0 all read, 1 some could not be, 2 a
    mistake in this line.

    Examples:

    digitlab read photo.jpg

    digitlab read scans/ --csv --reject 0.01 > digits.csv

    digitlab read photo.jpg --explain why/

    digitlab read *.png --model runs/quick-20260101-120000 --json
    """
    if as_json and as_csv:
        raise ConfigError("--json and --csv cannot stand together: choose one")
    from digitlab.reading.guard import GuardedDecoder, Limits

    style = "json" if as_json else "csv" if as_csv else "text"
    try:  # typer would hide which of these it was
        # The decoder's process starts while the model loads.
        with GuardedDecoder(Limits(max_pixels, max_seconds, max_memory)) as decoder:
            from digitlab.reading.batch import Batch

            recogniser = digitlab.Recogniser(model)
            batch = Batch(recogniser, decoder, style, _number(reject), annotate, explain)
            failures = batch.run(pictures)
    except BrokenPipeError:
        _end_quietly()
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    if failures:
        raise typer.Exit(1)


def _number(text: str | None) -> float | str | None:
    """Return a number where it is one; what else is allowed is for others to say."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


@app.command("data")
def describe_data(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="mnist, a folder, .npz or .json.gz.")
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
    from digitlab.data.describe import contact_sheet_of, describe

    dataset = digitlab.load_dataset(sources, train_on)
    description = describe(dataset)
    _save_picture(contact_sheet_of(dataset), sheet)
    if as_json:
        print(json.dumps({**description.to_json(), "sheet": str(sheet)}, ensure_ascii=False))
    else:
        print(description.to_text())
        print(f"contact sheet: {sheet}")


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where runs lie.")] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """List runs: state, recipe, accuracy, age.

    Examples:

    digitlab runs

    digitlab runs my-runs --json
    """
    from digitlab.training.listing import list_runs, runs_text

    found = list_runs(folder)
    if as_json:
        for status in found:
            print(json.dumps(status.to_json(), ensure_ascii=False))
    else:
        print(runs_text(found))


def _beside(model: Path, name: str) -> Path:
    """Return where a picture of a model goes: into its run, or here under the model's name."""
    return model / name if model.is_dir() else Path(f"{model.stem}-{name}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show how many pictures are done, on standard error where that is a terminal."""
    from digitlab.reading.progress import ProgressLine

    lines: list[ProgressLine] = []

    def told(done: int, count: int) -> None:
        if done == 1:
            lines.append(ProgressLine(count, sys.stderr))
        lines[-1].advance(False)
        if done == count:
            lines[-1].clear()

    try:
        yield told
    finally:
        for line in lines:
            line.clear()


def _save_picture(picture: Any, path: Path) -> None:
    try:
        picture.save(path)
    except (OSError, ValueError) as error:
        raise DigitlabError(f"{path}: the picture cannot be written: {error}") from None


def program() -> str:
    """Return the words by which this command was called and can be called again."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m digitlab"
    found = shutil.which("digitlab")
    if found and called.exists() and os.path.samefile(found, called):
        return "digitlab"
    return shlex.quote(_short(called))


def _sample() -> str:
    return shlex.quote(_short(Path(digitlab.__file__).parent / "reading" / "sample.png"))


def _short(path: Path) -> str:
    """Return a path from here, where it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
