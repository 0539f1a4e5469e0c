"""`digitlab.train`: one run from its recipe to its folder, or from its last checkpoint on.

The order of things is here: recipe, data, network, loop, final evaluation, what is left behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from digitlab import networks, objectives, optimizers
from digitlab.config import FLAGS, Recipe, load_recipe, parse_augment, read_recorded
from digitlab.data import join_datasets, load_dataset
from digitlab.data.batches import Batches
from digitlab.data.dataset import Dataset, Split
from digitlab.errors import ConfigError, DataError, RunError
from digitlab.parallel import strategy as strategies
from digitlab.preparation import prepare_images
from digitlab.training.begin import (
    announce,
    check_config,
    continue_from,
    measure_start,
    newest_checkpoint,
    repeats_data,
    start_from_run,
    with_device,
    write_config,
)
from digitlab.training.finish import finish
from digitlab.training.interrupt import Interrupted, StopRequest
from digitlab.training.machine import available_cores, differences, keep_memory, machine, versions
from digitlab.training.metrics import MetricsFile, open_events
from digitlab.training.progress import Quiet, Reporter
from digitlab.training.run_folder import RunFolder, existing_run_folder, locked, new_run_folder
from digitlab.training.state import TrainingState, weights_sha256
from digitlab.training.trainer import Trainer


@dataclass(frozen=True)
class RunResult:
    """A run that ended.

    Attributes:
        path: the run's folder.
        summary: what its summary.json says.
    """

    path: Path
    summary: Mapping[str, Any]


def train(
    recipe: str | Path = "quick",
    *,
    network: str | None = None,
    objective: str | None = None,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    schedule: str | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    augment: str | Mapping[str, float] | None = None,
    seed: int | None = None,
    device: str | None = None,
    data: str | Sequence[str] | None = None,
    train_on: str | None = None,
    start_from: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    threads: int | None = None,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    reporter: Reporter | None = None,
) -> RunResult:
    """Train a network and leave a run folder; or go on with a run that was stopped.

    Args:
        recipe: a recipe's name, or the path of a TOML file.
        network, objective, optimizer, learning_rate, schedule, epochs, batch_size, augment, seed,
            device, data, train_on, start_from: override the recipe, as the flags of
            `digitlab train` do; `start_from` is the flag `--from`.
        settings: further overrides by dotted key, such as `{"optimizer.momentum": 0.95}`.
        threads: size of the pool that computes shards; None: the cores there are. Changes no bit.
        run_dir: where the run goes; None: `runs/RECIPE-DATE-TIME`.
        resume: a run's folder to go on with; then only `threads`, `reporter` and the run's own
            `network` may stand beside it.
        reporter: where progress goes; None: nowhere, warnings to standard error.

    Returns:
        The finished run.

    Raises:
        ConfigError: for a setting that is not allowed.
        DataError: for a source that cannot be read.
        RunError: for a folder that cannot be used or written.
        TrainingError: where the loss stays not finite.
        Interrupted: a KeyboardInterrupt, where a signal stopped the run; it can be gone on with.
    """
    given = {name: value for name, value in locals().items() if name in FLAGS and value is not None}
    reporter = reporter or Quiet()
    reporter.phase("start")
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ConfigError(f"threads is {threads}; expected 1 or more")
    if resume is not None:
        folder = existing_run_folder(Path(resume))
        _refuse_changes(given, settings or {}, run_dir)
        check_config(folder)
        chosen = with_device(load_recipe(folder.config, _network_of(folder, network)))
        summary = folder.read_summary()
        if summary is not None:
            reporter.note("finished", f"{folder.path}: this run has ended already", **summary)
            return RunResult(folder.path, summary)
    else:
        chosen = with_device(load_recipe(recipe, _overrides(given, settings or {})))
    with _torch_settings():
        material = _material(chosen, reporter)
        if resume is None and not repeats_data(recipe, material.data_sha256):
            reporter.warn(f"{recipe}: was run on other data; this run does not repeat it")
        if resume is None:
            if chosen.start_from:
                start_from_run(material.state, Path(chosen.start_from), None)
            folder = new_run_folder(None if run_dir is None else Path(run_dir), chosen.name)
        try:
            with locked(folder):
                return _run(folder, chosen, material, resume is not None, threads, reporter)
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise Interrupted(folder) from None


@dataclass(frozen=True)
class Material:
    """What a run works on, before its first step.

    Attributes:
        sources: each source by itself, prepared as the recipe says.
        dataset: all sources joined.
        data_sha256: of the joined splits, before preparation.
        objective: the recipe's.
        state: with fresh weights.
        device: where the network is.
    """

    sources: Sequence[Dataset]
    dataset: Dataset
    data_sha256: Mapping[str, str]
    objective: objectives.Objective
    state: TrainingState
    device: torch.device


def _material(recipe: Recipe, reporter: Reporter) -> Material:
    """Load the data and make the network, before anything is written."""
    reporter.phase("data")
    sources = [load_dataset(source, recipe.data.train_on) for source in recipe.data.sources]
    joined = join_datasets(sources)
    for warning in joined.warnings:
        reporter.warn(warning)
    if not len(joined.splits.get("train", ())):
        raise DataError(f"{joined.source}: has no training images")
    prepared = [_prepared(source, recipe) for source in sources]
    reporter.phase("network")
    device = torch.device(recipe.training.device)
    objective = objectives.build(recipe)
    network = networks.build(recipe.network.name, objective.outputs, recipe.seed).to(device)
    return Material(
        sources=prepared,
        dataset=join_datasets(prepared),
        data_sha256=joined.sha256(),
        objective=objective,
        state=TrainingState(network, recipe),
        device=device,
    )


def _run(
    folder: RunFolder,
    recipe: Recipe,
    material: Material,
    resumed: bool,
    threads: int | None,
    reporter: Reporter,
) -> RunResult:
    state, dataset, device = material.state, material.dataset, material.device
    facts = {**versions(), **machine(device)}
    recorded = read_recorded(folder.config) if resumed else {}
    if resumed and recorded.get("data_sha256") != material.data_sha256:
        raise RunError(
            f"{folder.path}: the data are not those that the run began with "
            f"({dataset.source}); put the same files back to go on"
        )
    found = newest_checkpoint(folder, reporter) if resumed else None
    if resumed and recipe.start_from and not found:
        start_from_run(state, Path(recipe.start_from), recorded.get("start_sha256"))
    if not resumed:
        recorded = {
            "data_sha256": material.data_sha256,
            "start_sha256": weights_sha256(state.weights()),
            "network_flag": recipe.network.name if recipe.custom_network else "",
            **facts,
        }
        write_config(folder, recipe, recorded)
    if found:
        state.load(found.tensors, found.facts)
    for line in differences(recorded, facts):
        reporter.warn(line)

    batches = Batches(
        len(dataset.splits["train"]),
        recipe.training.batch_size,
        recipe.training.shards,
        recipe.training.epochs,
        recipe.seed,
    )
    pool = min(threads or available_cores(), recipe.training.shards)
    strategy = strategies.build(
        strategies.Job(
            recipe,
            state.network,
            material.objective,
            dataset.splits["train"],
            batches,
            device,
            pool,
        )
    )
    try:
        events = open_events(folder.events, state.step + 1)
        metrics = MetricsFile(folder.metrics, found.facts["metrics"]["bytes"] if found else 0)
    except OSError as error:
        raise RunError(f"{error.filename or folder.path}: cannot be opened: {error}") from None
    trainer = Trainer(
        folder=folder,
        state=state,
        batches=batches,
        strategy=strategy,
        objective=material.objective,
        learning_rate=partial(_rate, recipe, batches),
        max_skips=recipe.training.max_skips,
        epochs=recipe.training.epochs,
        valid=dataset.splits.get("valid"),
        metrics=metrics,
        events=events,
        reporter=reporter,
        origin=facts,
    )
    if found:
        continue_from(trainer, found)
    try:
        announce(trainer, recipe, dataset, pool, found)
        measure_start(trainer, recipe, material.sources)
        reporter.phase("train")
        with StopRequest(folder) as stop:
            trainer.fit(stop)
        return RunResult(folder.path, finish(trainer, recipe, dataset, material.sources, recorded))
    except BrokenPipeError:
        raise  # standard output was closed; no file of ours is wrong
    except OSError as error:
        raise RunError(
            f"{error.filename or folder.path}: cannot be written ({error.strerror}); "
            f"make room, then go on by --resume {folder.path}"
        ) from None
    finally:
        strategy.close()
        metrics.close()
        events.close()


def _overrides(given: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys for the arguments and settings of one call."""
    overrides: dict[str, Any] = {}
    for name, value in given.items():
        if name == "augment":
            table = parse_augment(value) if isinstance(value, str) else value
            overrides.update({f"augment.{key}": strength for key, strength in table.items()})
        elif name == "data":
            overrides[FLAGS[name]] = [value] if isinstance(value, str | Path) else list(value)
        else:
            overrides[FLAGS[name]] = str(value) if isinstance(value, Path) else value
    return {**overrides, **settings}


def _refuse_changes(given: Mapping[str, Any], settings: Mapping[str, Any], run_dir: Any) -> None:
    """Refuse what would change the result of a resumed run."""
    flags = {"start_from": "from", **{name: name.replace("_", "-") for name in given}}
    refused = [f"--{flags[name]}" for name in given if name != "network"]
    refused += [f"--set {key}" for key in settings]
    refused += ["--run-dir"] if run_dir is not None else []
    if refused:
        raise ConfigError(
            f"{refused[0]} cannot stand beside --resume: it would change the result; "
            "only --threads, --log-every, --quiet and --json may"
        )


def _network_of(folder: RunFolder, network: str | None) -> dict[str, Any]:
    """Return the override that names the run's own network again."""
    if network is None:
        return {}
    recorded = read_recorded(folder.config).get("network_flag")
    if network != recorded:
        raise ConfigError(
            f"network {network} is not the one of {folder.path}; "
            + (f"expected --network {recorded}" if recorded else "leave it out")
        )
    return {"network.name": network}


def _prepared(dataset: Dataset, recipe: Recipe) -> Dataset:
    version = recipe.data.preparation
    splits = {
        # Other hands are made of the images as they are, and end in the same preparation.
        name: split
        if name == "train" and recipe.handwriting.is_on
        else Split(prepare_images(split.images, version), split.labels)
        for name, split in dataset.splits.items()
    }
    return Dataset(dataset.source, splits, dataset.warnings)


def _rate(recipe: Recipe, batches: Batches, step: int) -> float:
    return optimizers.learning_rate(
        recipe.schedule,
        recipe.optimizer.learning_rate,
        step,
        batches.total_steps,
        batches.steps_per_epoch,
    )


@contextmanager
def _torch_settings() -> Iterator[None]:
    """Set what bits depend on, and put back what the caller's own torch code may rely on."""
    threads = torch.get_num_threads()
    generator = torch.get_rng_state()
    torch.set_num_threads(1)
    keep_memory()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(generator)
