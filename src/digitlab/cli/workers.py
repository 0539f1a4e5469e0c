"""The options of `digitlab train` for several workers: the fields of `Workers`, one each."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from digitlab.errors import ConfigError
from digitlab.parallel.plan import Workers, flag_of

# What is written on a command line, where that is of another type than the field's default.
_WRITTEN: Mapping[str, type] = {
    "count": int, "devices": str, "cut": str, "servers": int, "log_dir": Path, "min_workers": int
}  # fmt: skip


def with_workers(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of several workers.

    Args:
        verb: whose parameter `workers`, `Workers | None`, gets what they ask for: None where none
            of them is given.
    """

    @functools.wraps(verb)
    def given(**options: Any) -> None:
        asked = {one.name: options.pop(_parameter(one)) for one in fields(Workers)}
        verb(**options, workers=_workers_of(asked))

    of_verb = inspect.signature(verb, eval_str=True)
    own = [one for one in of_verb.parameters.values() if one.name != "workers"]
    parameters = [*own, *map(_option, fields(Workers))]
    given.__signature__ = of_verb.replace(parameters=parameters)  # type: ignore[attr-defined]
    given.__annotations__ = {one.name: one.annotation for one in parameters}
    return given


def _parameter(one: Field[Any]) -> str:
    return flag_of(one.name).removeprefix("--").replace("-", "_")


def _option(one: Field[Any]) -> inspect.Parameter:
    facts, written = one.metadata, _WRITTEN.get(one.name, type(one.default))
    shown = typer.Option(
        metavar=facts["metavar"], help=facts["text"], rich_help_panel="Several workers"
    )
    return inspect.Parameter(
        _parameter(one),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[written | None, shown],
    )


def _workers_of(given: Mapping[str, Any]) -> Workers | None:
    """Return what the options ask for, or None where none was given.

    Raises:
        ConfigError: where --devices or --cut is no list of numbers.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if not chosen:
        return None
    for name, example in (("devices", "0,1,2,3"), ("cut", "3,6")):
        if name in chosen:
            numbers = chosen[name].split(",")
            if not all(number.strip().isdecimal() for number in numbers):
                raise ConfigError(f"--{name} is {chosen[name]}; expected numbers as {example}")
            chosen[name] = tuple(int(number) for number in numbers)
    return Workers(**chosen)
