"""The options of `digitlab train` for several workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from digitlab.errors import ConfigError
from digitlab.parallel.plan import Workers
from digitlab.parallel.seat import COMPRESSIONS, SYNCS

_PANEL = "Several workers"


def _option(metavar: str, text: str) -> Any:
    return typer.Option(metavar=metavar, help=text, rich_help_panel=_PANEL)


WorkersOption = Annotated[
    int | None, _option("N", "Processes on this machine that train together.")
]
NodesOption = Annotated[int | None, _option("N", "Machines that train together (1).")]
NodeRankOption = Annotated[int | None, _option("N", "Which of the machines this is, from 0.")]
RendezvousOption = Annotated[
    str | None, _option("HOST:PORT", "An address of machine 0, and a free port of it.")
]
DevicesOption = Annotated[
    str | None, _option("0,1,...", "This machine's CUDA devices, one a worker.")
]
LogDirOption = Annotated[
    Path | None, _option("DIR", "Folder for the output of each worker; else RUN/logs.")
]
SyncOption = Annotated[
    str | None,
    _option("|".join(SYNCS), "exact (the default): the bits of one process; ddp: faster on GPUs."),
]
CompressOption = Annotated[
    str | None, _option("|".join(COMPRESSIONS), "With ddp: send smaller gradients.")
]
LocalStepsOption = Annotated[
    int | None, _option("N", "With ddp: each takes N steps alone, then weights are averaged (1).")
]
TimeoutOption = Annotated[
    float | None, _option("SECONDS", "A worker that is silent for so long is taken for lost (30).")
]
StartTimeoutOption = Annotated[
    float | None, _option("SECONDS", "So long machines wait for each other at the start (300).")
]
MaxRestartsOption = Annotated[
    int | None, _option("N", "So many lost workers of this machine are started again (3).")
]
MinWorkersOption = Annotated[
    int | None, _option("N", "Stop where fewer are left on all machines (1).")
]


def workers_of(given: Mapping[str, Any]) -> Workers | None:
    """Return what the options ask for, or None where none was given.

    Raises:
        ConfigError: where --devices is no list of numbers.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if not chosen:
        return None
    if "devices" in chosen:
        numbers = chosen["devices"].split(",")
        if not all(number.strip().isdigit() for number in numbers):
            raise ConfigError(f"--devices is {chosen['devices']}; expected numbers as 0,1,2,3")
        chosen["devices"] = tuple(int(number) for number in numbers)
    return Workers(**chosen)
