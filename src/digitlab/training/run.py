"""One run from its recipe to its folder, or from its last checkpoint on, in this process.

The order of things is here: recipe, data, network, loop, final evaluation, what is left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from digitlab import networks, objectives, optimizers
from digitlab.config import Recipe
from digitlab.data import join_datasets, load_dataset
from digitlab.data.batches import Batches
from digitlab.data.dataset import Dataset, Split
from digitlab.errors import DataError, RunError, TrainingError
from digitlab.parallel import strategy as strategies
from digitlab.parallel.seat import Seat
from digitlab.preparation import prepare_images
from digitlab.training.begin import (
    Beginning,
    Material,
    device_of,
    repeats_data,
    start_from_run,
    with_device,
)
from digitlab.training.finish import finish
from digitlab.training.interrupt import Interrupted, StopRequest
from digitlab.training.machine import available_cores, keep_memory, machine, versions
from digitlab.training.progress import Reporter
from digitlab.training.records import Records
from digitlab.training.request import Call, RunResult, make_folder
from digitlab.training.run_folder import RunFolder, locked
from digitlab.training.state import TrainingState
from digitlab.training.trainer import Trainer

if TYPE_CHECKING:
    from digitlab.parallel.team import Team


def train_here(call: Call, seat: Seat | None, reporter: Reporter) -> RunResult:
    """Train in this process, alone or as one of several workers; see `train`."""
    reporter.phase("start")
    recipe = with_device(call.load_recipe())
    device = device_of(recipe, seat)
    with _torch_settings(), strategies.entered(seat, device) as team:
        if call.resume is not None:
            folder = RunFolder(Path(call.resume))
            summary = folder.read_summary()
            if summary is not None:
                reporter.note("finished", f"{folder.path}: this run has ended already", **summary)
                return RunResult(folder.path, summary)
        material = _material(recipe, device, reporter)
        if call.resume is None:
            if not repeats_data(call.recipe, material.data_sha256):
                reporter.warn(f"{call.recipe}: was run on other data; this run does not repeat it")
            if recipe.start_from:
                start_from_run(material.state, Path(recipe.start_from), None)
        with _held_folder(call, team, recipe.name) as folder:
            try:
                return _run(folder, recipe, material, call, team, reporter)
            except Interrupted:
                raise
            except TrainingError as error:
                if team is None or team.seat.regroups:  # then our launcher says what to do
                    raise
                raise TrainingError(f"{error}; go on by --resume {folder.path}") from None
            except KeyboardInterrupt:
                raise Interrupted(folder) from None


@contextmanager
def _held_folder(call: Call, team: Team | None, name: str) -> Iterator[RunFolder]:
    """Yield the run's folder, held by one process of all that train in it."""
    if team is not None and team.seat.regroups:  # the first node's launcher made and holds it
        known = call.resume or call.run_dir if team.seat.slot < team.seat.per_node else None
        yield RunFolder(Path(team.agree("folder", known)))
    elif team is not None and team.seat.slot:
        yield RunFolder(Path(team.agree("folder", None)))
    else:
        folder = make_folder(call, name)
        if team is not None:
            team.agree("folder", str(folder.path.absolute()))
        with locked(folder):
            yield folder


def _material(recipe: Recipe, device: torch.device, reporter: Reporter) -> Material:
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
    call: Call,
    team: Team | None,
    reporter: Reporter,
) -> RunResult:
    dataset, device = material.dataset, material.device
    batches = Batches(
        len(dataset.splits["train"]),
        recipe.training.batch_size,
        recipe.training.shards,
        recipe.training.epochs,
        recipe.seed,
    )
    here = team.seat.per_node if team else 1
    pool = min(call.threads or max(1, available_cores() // here), recipe.training.shards)
    train_split = dataset.splits["train"]
    job = strategies.Job(
        recipe, material.state.network, material.objective, train_split, batches, device, pool
    )
    strategy = strategies.build(job, team)
    records = Records(folder, reporter, lambda: strategy.leads, call.ledger)
    trainer = Trainer(
        folder=folder,
        state=material.state,
        batches=batches,
        strategy=strategy,
        objective=material.objective,
        learning_rate=partial(_rate, recipe, batches),
        max_skips=recipe.training.max_skips,
        epochs=recipe.training.epochs,
        valid=dataset.splits.get("valid"),
        records=records,
        reporter=reporter,
        origin={**versions(), **machine(device), "sync": team.seat.sync if team else "exact"},
        workers=team.seat.workers if team else 1,
        threads=pool,
    )
    run = Beginning(trainer, recipe, material, recipe.network.name if recipe.custom_network else "")
    try:
        strategy.begin(run)
        with StopRequest(folder) as stop:  # at once: what one does from here on, others wait for
            records.open()
            reporter.phase("train")
            trainer.fit(stop)
        strategy.finish(lambda: finish(trainer, recipe, material))
    except BrokenPipeError:
        raise  # standard output was closed; no file of ours is wrong
    except OSError as error:
        raise RunError(
            f"{error.filename or folder.path}: cannot be written ({error.strerror}); "
            f"make room, then go on by --resume {folder.path}"
        ) from None
    finally:
        strategy.close()
        records.close()
    return RunResult(folder.path, folder.read_summary() or {})


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
