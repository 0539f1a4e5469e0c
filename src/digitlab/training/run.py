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

from digitlab import events, optimizers
from digitlab.config import Recipe
from digitlab.data.batches import Batches
from digitlab.errors import RunError, TrainingError
from digitlab.events import Listener
from digitlab.parallel.build import build_strategy, entered_team
from digitlab.parallel.plan import Workers
from digitlab.parallel.seat import Seat
from digitlab.parallel.strategy import Job
from digitlab.processes import available_cores
from digitlab.training.begin import Beginning
from digitlab.training.device import device_of, repeatable, with_device
from digitlab.training.finish import draw_curves, finish
from digitlab.training.given import Given, data_kept
from digitlab.training.interrupt import Interrupted, StopRequest
from digitlab.training.machine import keep_memory, machine, versions
from digitlab.training.material import Material, load_material, repeats_data
from digitlab.training.model_files import start_from_run
from digitlab.training.records import Records
from digitlab.training.request import Request, make_folder
from digitlab.training.run_folder import RunFolder, RunResult, locked
from digitlab.training.trainer import Trainer

if TYPE_CHECKING:
    from digitlab.parallel.team import Team


def train_here(
    request: Request, seat: Seat | None, tell: Listener, given: Given | None = None
) -> RunResult:
    """Train in this process, alone or as one of several workers; see `train`."""
    given = given or Given(data_kept(request.data_kept))
    tell(events.phase("start"))
    recipe = with_device(request.load_recipe(), seat.per_node if seat else 1)
    device = device_of(recipe, seat)
    with _torch_settings(), repeatable(device), entered_team(seat, device) as team:
        if request.resume is not None:
            folder = RunFolder(Path(request.resume))
            summary = folder.read_summary()
            if summary is not None:
                tell(
                    events.note("finished", f"{folder.path}: this run has ended already", **summary)
                )
                return RunResult(folder.path, summary)
        material = load_material(recipe, device, request.begun_in(), given, tell)
        if request.resume is None:
            if not repeats_data(request.recipe, material.data_sha256):
                tell(
                    events.warning(
                        f"{request.recipe}: was run on other data; this run does not repeat it"
                    )
                )
            if recipe.start_from:
                start_from_run(material.state, Path(recipe.start_from), None)
        with _held_folder(request, team, recipe.name) as folder:
            try:
                return _run(folder, recipe, material, request, team, tell)
            except Interrupted:
                raise
            except TrainingError as error:
                if team is None or team.seat.regroups:  # then our launcher says what to do
                    raise
                raise TrainingError(f"{error}; go on by --resume {folder.path}") from None
            except KeyboardInterrupt:
                raise Interrupted(folder) from None


@contextmanager
def _held_folder(request: Request, team: Team | None, name: str) -> Iterator[RunFolder]:
    """Yield the run's folder, held by one process of all that train in it."""
    if team is not None and team.seat.regroups:  # the first node's launcher made and holds it
        known = request.resume or request.run_dir if team.seat.slot < team.seat.per_node else None
        yield RunFolder(Path(team.agree("folder", known)))
    elif team is not None and team.seat.slot:
        yield RunFolder(Path(team.agree("folder", None)))
    else:
        folder = make_folder(request, name)
        if team is not None:
            team.agree("folder", str(folder.path.absolute()))
        with locked(folder):
            yield folder


def _run(
    folder: RunFolder,
    recipe: Recipe,
    material: Material,
    request: Request,
    team: Team | None,
    tell: Listener,
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
    pool = min(request.threads or max(1, available_cores() // here), recipe.training.shards)
    train_split = dataset.splits["train"]
    job = Job(
        recipe, material.state.network, material.objective, train_split, batches, device, pool
    )
    strategy = build_strategy(job, team)
    plan = team.seat.plan if team else Workers()
    records = Records(folder, tell, lambda: strategy.leads, request.ledger)
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
        tell=tell,
        origin={
            **versions(),
            **machine(device),
            "parallel": plan.parallel,
            "sync": plan.sync,
            "staleness": plan.staleness,
        },
        workers=team.seat.workers - len(team.seat.servers) if team else 1,
        servers=len(team.seat.servers) if team else 0,
        threads=pool,
    )
    run = Beginning(trainer, recipe, material, recipe.network.name if recipe.custom_network else "")
    try:
        strategy.begin(run)
        with StopRequest(folder) as stop:  # at once: what one does from here on, others wait for
            records.open()
            tell(events.phase("train"))
            try:
                trainer.fit(stop)
            except (Interrupted, TrainingError):
                if strategy.leads and not stop.at_once:
                    _draw_so_far(trainer, recipe)
                raise
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


def _draw_so_far(trainer: Trainer, recipe: Recipe) -> None:
    """Draw the curves of a run that stops before its end; that it stops is more important."""
    trainer.records.flush()
    try:
        draw_curves(trainer, recipe)
    except OSError as error:
        path = error.filename or trainer.folder.curves
        trainer.tell(events.warning(f"{path}: cannot be written: {error.strerror}"))


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
