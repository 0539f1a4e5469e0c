"""The command `digitlab`: a module a verb, with one thin function that calls the Python API.

A user's mistake ends in one line and exit status 2. Heavy imports happen inside the verbs, so that
`--help` is fast and reading needs no PyTorch. options.py has the options that verbs share,
program.py how the program was called and the ways in which it ends.
"""

from __future__ import annotations

import re
import sys
from typing import Annotated, NoReturn

import typer

import digitlab
from digitlab.cli import compare, data, evaluate, export, figure, paddle, read, runs, train
from digitlab.cli.mistakes import usage_text
from digitlab.cli.program import end_quietly, fail, show_what_can_be_shown, warnings_as_lines
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
    show_what_can_be_shown()
    try:
        _refuse_empty(sys.argv[1:])
        with warnings_as_lines():
            status = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except DigitlabError as error:
        fail(str(error))
    except _UsageError as error:
        fail(usage_text(error))
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except BrokenPipeError:
        end_quietly()
    except OSError as error:
        fail(f"standard output: {error}", 1)
    sys.exit(status if isinstance(status, int) else 0)


def _refuse_empty(arguments: list[str]) -> None:
    """Raise ConfigError for an empty argument, which as a path would be the current folder."""
    for argument in arguments:
        option = argument.removesuffix("=")
        if argument == "" or (option != argument and re.fullmatch(r"--[a-z0-9-]+", option)):
            raise ConfigError(
                f"{option or 'an argument'} is empty: expected a name or a value; "
                "is a variable of the shell not set?"
            )


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


# In the order of the help.
app.command()(train.train)
app.command()(compare.compare)
app.command()(evaluate.evaluate)
app.command()(export.export)
app.command()(read.read)
app.command()(data.data)
app.command()(runs.runs)
app.command()(figure.figure)
app.add_typer(paddle.app)
