"""`digitlab.train` with several workers: this process starts and watches them.

What belongs to the run as a whole is done here, on the first node: its folder is made and held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from digitlab import events, signals
from digitlab.child import make_logs
from digitlab.errors import TrainingError, check_training_extra
from digitlab.events import Event, Listener
from digitlab.parallel.launch import Launcher
from digitlab.parallel.plan import Workers
from digitlab.training.given import Given, check_for_workers, kept_for_workers
from digitlab.training.interrupt import Interrupted
from digitlab.training.relay import Chorus
from digitlab.training.request import Request, make_folder
from digitlab.training.run_folder import RunFolder, RunResult, locked
from digitlab.training.run_process import MODULE


def train_with(plan: Workers, request: Request, tell: Listener, given: Given) -> RunResult:
    """Train with this machine's workers; see `train`."""
    check_for_workers(given.network)
    if plan.devices:
        request = replace(request, overrides={**request.overrides, "training.device": "cuda"})
    check_training_extra()
    recipe = request.load_recipe()
    training = recipe.training
    plan.check(training.shards, training.device, training.moving_average)
    if request.resume is not None and (summary := RunFolder(Path(request.resume)).read_summary()):
        tell(events.note("finished", f"{request.resume}: this run has ended already", **summary))
        return RunResult(Path(request.resume), summary)
    if plan.log_dir:
        make_logs(Path(plan.log_dir))  # before anything is begun
    with (
        _folder(plan, request, recipe.name) as folder,
        kept_for_workers(given.data) as data_kept,
    ):
        if plan.node_rank:
            where = f"looking for the first machine at {plan.rendezvous}"
            tell(events.note("rendezvous", where, address=plan.rendezvous))
        run_dir = str(folder.path) if folder else None
        asked = replace(request, run_dir=run_dir, data_kept=data_kept)
        chorus = Chorus(tell)
        known = {"path": str(folder.path) if folder else ""}

        def hear(event: Event) -> None:
            known["path"] = event.facts.get("path", known["path"])
            chorus(event)

        launcher = Launcher(
            plan,
            MODULE,
            {"run": asdict(asked)},
            request.ledger,
            Path(plan.log_dir) if plan.log_dir else (folder.path if folder else Path()) / "logs",
            hear,
        )
        try:
            launcher.run()
        except signals.StoppedError as stopped:
            if not _was_begun(known["path"]):
                raise KeyboardInterrupt from None
            raise Interrupted(RunFolder(Path(known["path"])), stopped.number) from None
        except TrainingError as error:
            if not _was_begun(known["path"]):
                raise
            advice = f"go on by --resume {known['path']}"
            raise TrainingError(
                str(error) if advice in str(error) else f"{error}; {advice}"
            ) from None
    ended = RunFolder(Path(known["path"]))
    return RunResult(ended.path, ended.read_summary() or {})


def _was_begun(path: str) -> bool:
    """Whether there is a run to go on with; on another node than the first it may be unknown."""
    return bool(path) and RunFolder(Path(path)).config.is_file()


@contextmanager
def _folder(plan: Workers, request: Request, name: str) -> Iterator[RunFolder | None]:
    """Make and hold the run's folder, on the first node; others hear of it from there."""
    if plan.node_rank:
        yield None
        return
    folder = make_folder(request, name)
    if plan.nodes > 1:  # the others may stand in another folder
        folder = RunFolder(folder.path.absolute())
    with locked(folder):
        yield folder
