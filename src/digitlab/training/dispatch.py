"""`digitlab.train`: what was asked for, checked, and passed on to who does it; needs no torch.

That is `run.py`, in this process, or `launched_run.py`, which starts processes that do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from digitlab import events
from digitlab.data.dataset import Dataset
from digitlab.data.memory import Source
from digitlab.errors import ConfigError, check_training_extra
from digitlab.events import Listener
from digitlab.parallel.plan import Workers
from digitlab.parallel.seat import leftover_of_torchrun, seat_of_torchrun, way_out
from digitlab.recipe_files import read_recorded
from digitlab.setting_names import FLAGS, full_settings
from digitlab.training.given import Given, Network, named_data, network_name
from digitlab.training.reporters import quiet
from digitlab.training.request import Request
from digitlab.training.run_folder import RunFolder, RunResult, existing_run_folder
from digitlab.wording import counted


def train(
    recipe: str | Path = "quick",
    *,
    network: str | Network | None = None,
    objective: str | None = None,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    schedule: str | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    augment: str | Mapping[str, float] | None = None,
    seed: int | None = None,
    device: str | None = None,
    data: Source | Sequence[Source] | None = None,
    train_on: str | None = None,
    start_from: str | PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    threads: int | None = None,
    run_dir: str | Path | None = None,
    resume: str | PathLike[str] | None = None,
    workers: int | Workers | None = None,
    ledger: bool = False,
    reporter: Listener | None = None,
) -> RunResult:
    """Train a network and leave a run folder; or go on with a run that was stopped.

    Args:
        recipe: a recipe's name, or the path of a TOML file.
        network, objective, optimizer, learning_rate, schedule, epochs, batch_size, augment, seed,
            device, data, train_on, start_from: override the recipe, as the flags of
            `digitlab train` do; `start_from` is the flag `--from`. `network` may also be a class
            or function, which is called as `network(outputs=N)`, and each source of `data` what
            `digitlab.load_dataset` takes: a `Dataset`, or arrays. The run's config.toml names
            them, but does not hold them: to go on, hand over the same again.
        settings: further overrides by key, in full or short, such as `{"momentum": 0.95}`.
        threads: size of the pool that computes shards; None: the cores there are. Changes no bit.
        run_dir: where the run goes; None: `runs/RECIPE-DATE-TIME`.
        resume: a run's folder to go on with; then only `threads`, `workers`, `ledger`, `reporter`,
            the run's own `network`, and `data`, where the same data now lie, may stand beside it.
        workers: how many processes compute, where, and what they do about faults. Their number
            changes no bit, but with `sync="ddp"`. None: this process alone.
        ledger: whether to write ledger.jsonl: which sample went through which worker.
        reporter: is called with each `digitlab.events.Event`; None: warnings go to standard error,
            all else nowhere.

    Returns:
        The finished run.

    Raises:
        TypeError: for a network or data of another type.
        ConfigError: for a setting that is not allowed.
        DataError: for a source that cannot be read.
        RunError: for a folder that cannot be used or written.
        TrainingError: where the loss stays not finite.
        MissingExtraError: where the extra `train` is not installed.
        Interrupted: a KeyboardInterrupt, where a signal stopped the run; it can be gone on with.
    """
    given = {name: value for name, value in locals().items() if name in FLAGS and value is not None}
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ConfigError(f"threads is {threads}; expected 1 or more")
    in_memory: dict[str, Dataset] = {}
    if data is not None:
        given["data"], in_memory = named_data(data)
    own = None if network is None or isinstance(network, str) else network
    if own is not None:
        given["network"] = network_name(own)
    handed = Given(in_memory, own)
    request = Request(
        recipe=str(recipe),
        overrides=_overrides(given, settings or {}),
        threads=threads,
        run_dir=None if run_dir is None else str(run_dir),
        resume=None if resume is None else os.fspath(resume),
        # A run that has one keeps it: a ledger with a gap would be none.
        ledger=ledger or (resume is not None and RunFolder(Path(resume)).ledger.is_file()),
    )
    if resume is not None:
        request = replace(request, overrides=_of_resumed(request, given, settings or {}))
    plan = workers if isinstance(workers, Workers | None) else Workers(_count(workers))
    seat = seat_of_torchrun()
    if leftover := leftover_of_torchrun(seat):
        (reporter or quiet)(events.warning(leftover))
        seat = None
    if seat is not None:
        plan = plan or Workers()
        refused = plan.of_launcher()
        if refused:
            raise ConfigError(
                f"{refused[0]} cannot stand here: it is for torchrun to say; {way_out()}"
            )
        if plan.servers_here >= seat.workers:
            raise ConfigError(
                f"{counted(plan.servers_here, 'server')} would leave no worker of all that "
                f"torchrun starts, {seat.workers}; give a larger --nproc-per-node, or fewer "
                "--servers"
            )
        training = request.load_recipe().training
        device = "cuda" if plan.devices else training.device
        all_of_them = replace(plan, count=seat.workers - plan.servers_here, devices=())
        all_of_them.check(training.shards, device, training.moving_average)
        seat = replace(seat, plan=plan, ledger=request.ledger)
        reporter = reporter if seat.slot == 0 else quiet
    elif plan is not None:
        from digitlab.training.launched_run import train_with

        return train_with(plan, request, reporter or quiet, handed)
    check_training_extra()
    from digitlab.training.run import train_here

    return train_here(request, seat, reporter or quiet, handed)


def _count(workers: Any) -> int:
    if not isinstance(workers, int) or isinstance(workers, bool):
        raise ConfigError(f"workers is {workers!r}; expected a number, or digitlab.Workers")
    return workers


def _overrides(given: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return by full key what the arguments and settings of one call change."""
    plain = {
        name: os.fspath(value) if isinstance(value, PathLike) else value
        for name, value in given.items()
    }
    return {**full_settings(plain), **full_settings(settings)}


def _of_resumed(
    request: Request, given: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the overrides that name the run's own network and data again; refuse all others."""
    flags = {"start_from": "from", **{name: name.replace("_", "-") for name in given}}
    refused = [f"--{flags[name]}" for name in given if name not in ("network", "data")]
    refused += [f"--set {key}" for key in settings]
    refused += ["--run-dir"] if request.run_dir is not None else []
    if refused:
        raise ConfigError(
            f"{refused[0]} cannot stand beside --resume: it would change the result; only "
            "--threads, --data (the same data elsewhere), those of workers, --ledger, "
            "--log-every, --quiet and --json may; to train on from a run's weights, give "
            "--from RUN in place of --resume"
        )
    # That they are the same data is seen by their hash.
    overrides = _overrides({"data": given["data"]}, {}) if "data" in given else {}
    network = given.get("network")
    if network is None:
        return overrides
    folder = existing_run_folder(Path(str(request.resume)))
    recorded = read_recorded(folder.config).get("network_flag")
    if network != recorded:
        raise ConfigError(
            f"network {network} is not the one of {folder.path}; "
            + (f"expected --network {recorded}" if recorded else "leave it out")
        )
    return {**overrides, "network.name": network}
