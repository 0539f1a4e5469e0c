"""`digitlab paddle run`, `launch` and `check`; paddle.py makes verbs of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from digitlab import signals
from digitlab.cli.options import JsonOption
from digitlab.cli.program import fail
from digitlab.errors import ConfigError
from digitlab.setting_names import nearest_choice
from digitlab.wording import did_you_mean, one_of

# A script's own options come after its name.
SCRIPT_FIRST = {"allow_interspersed_args": False}

_DEVICES = ("cpu", "cuda")

ScriptArgument = Annotated[
    Path, typer.Argument(metavar="SCRIPT.py", help="Written for paddle.fluid.")
]
OwnArguments = Annotated[list[str] | None, typer.Argument(metavar="ARGS", help="The script's own.")]
DeviceOption = Annotated[
    str | None,
    typer.Option(metavar="|".join(_DEVICES), help="Where it runs, whatever places it names."),
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where pictures go that it would show on a screen; a temporary folder if not given.",
    ),
]
ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Say line by line how digitlab, PyTorch and Paddle 3 write it today.",
    ),
]


def run(
    script: ScriptArgument,
    arguments: OwnArguments = None,
    device: DeviceOption = None,
    pictures: PicturesOption = None,
    explain: ExplainOption = False,
) -> None:
    """Run a lesson that was written for paddle.fluid of 1.6 to 1.8, as it is, on PyTorch.

    The course's data are there where the script does not find them. The exit status is the
    script's. --explain comes before the script runs.

    Examples:

    digitlab paddle run lesson.py

    digitlab paddle run --device cpu lesson.py --epochs 1
    """
    from digitlab.paddle.script import run_script

    _check_device(device)
    if explain:
        _explain(script)
    status = run_script(script, arguments or (), device=device, pictures=pictures)
    if status:
        raise typer.Exit(status)


def launch(
    script: ScriptArgument,
    arguments: OwnArguments = None,
    selected_gpus: Annotated[
        str | None,
        typer.Option(
            "--selected_gpus",
            metavar="LIST",
            help="A worker for each, as 0,1,2,3; without GPUs they run on the CPU. "
            "All GPUs if not given.",
        ),
    ] = None,
    log_dir: Annotated[
        Path | None,
        typer.Option("--log_dir", metavar="FOLDER", help="Of workerlog.0, workerlog.1, ..."),
    ] = None,
    started_port: Annotated[
        int | None,
        typer.Option("--started_port", metavar="N", help="The first worker's; the next one's + 1."),
    ] = None,
    cluster_node_ips: Annotated[
        str, typer.Option("--cluster_node_ips", metavar="LIST", help="Of all machines.")
    ] = "127.0.0.1",
    node_ip: Annotated[
        str, typer.Option("--node_ip", metavar="IP", help="Of this machine.")
    ] = "127.0.0.1",
    use_paddlecloud: Annotated[bool, typer.Option("--use_paddlecloud", hidden=True)] = False,
    print_config: Annotated[str, typer.Option("--print_config", hidden=True)] = "",
    log_level: Annotated[int, typer.Option("--log_level", hidden=True)] = 20,
    device: DeviceOption = None,
    pictures: PicturesOption = None,
) -> None:
    """Run a lesson on several workers, as python -m paddle.distributed.launch did.

    The flags are those of 1.8. A worker that fails ends all, and is named.

    Examples:

    digitlab paddle launch --selected_gpus=0,1,2,3 --log_dir ./mylog lesson.py
    """
    from digitlab.errors import RunError
    from digitlab.paddle.launch import Launch
    from digitlab.paddle.launch import launch as start

    del print_config, log_level  # scripts of the time give them; they change no result
    _check_device(device)
    if use_paddlecloud:
        raise ConfigError("--use_paddlecloud: there is no PaddleCloud to ask; name the machines")
    asked = Launch(
        script, arguments or (), selected_gpus, log_dir, started_port, cluster_node_ips, node_ip,
        device, pictures,
    )  # fmt: skip
    try:
        start(asked)
    except RunError as error:
        fail(str(error), 1)
    except signals.StoppedError as stopped:
        fail("interrupted; all workers were ended", 128 + stopped.number)


def check(
    script: ScriptArgument, as_json: JsonOption = False, explain: ExplainOption = False
) -> None:
    """List what a lesson uses of paddle that is not covered, without running it.

    The modules of its own, beside it, are looked into as well. The exit status is 1 where anything
    is missing.

    Examples:

    digitlab paddle check lesson.py

    digitlab paddle check --explain lesson.py
    """
    from digitlab.paddle.check import check as look

    if as_json and explain:
        raise ConfigError("--json and --explain: choose one")
    if explain:
        _explain(script)
    found = look(script)
    if as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        for one in found.missing:
            print(one)
        names = {use.name for use in found.uses}
        missing = {one.use.name for one in found.missing}
        print(
            f"{len(missing)} of the {len(names)} names that it uses are not covered"
            if missing
            else f"all {len(names)} names that it uses are covered"
        )
    if found.missing:
        raise typer.Exit(1)


def _explain(script: Path) -> None:
    from digitlab.paddle.explain import explained

    for line in explained(script):
        print(line)
    sys.stdout.flush()


def _check_device(device: str | None) -> None:
    if device is not None and device not in _DEVICES:
        meant = nearest_choice(device, _DEVICES)
        raise ConfigError(f"--device {device}: expected {one_of(_DEVICES)}{did_you_mean(meant)}")
