"""How a run is brought to where it is: begun, gone on with, or taken over from another worker.

Used by `digitlab.training.run` alone.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from digitlab import events
from digitlab.config import Recipe
from digitlab.data.dataset import Dataset
from digitlab.durable_files import remove_parts, write_whole
from digitlab.errors import RunError
from digitlab.events import Listener
from digitlab.parallel.strategy import Held, Part, Piece
from digitlab.recipe_files import read_recorded, to_toml
from digitlab.training import checkpoint
from digitlab.training.checkpoint import Checkpoint
from digitlab.training.machine import begun_here, differences
from digitlab.training.material import Material
from digitlab.training.metrics import matches
from digitlab.training.model_files import start_from_run
from digitlab.training.request import recipe_sha256
from digitlab.training.run_folder import RunFolder
from digitlab.training.state import weights_sha256
from digitlab.training.trainer import Trainer
from digitlab.wording import accuracy_text, counted

_STRATEGY = "strategy/"  # before the names of a strategy's own tensors in a checkpoint
_TRIES, _PAUSE = 20, 0.25  # for what another machine wrote


def write_config(folder: RunFolder, recipe: Recipe, recorded: Mapping[str, Any]) -> None:
    """Write config.toml.

    Raises:
        RunError: where the disk refuses.
    """
    sealed = {"recipe_sha256": recipe_sha256(to_toml(recipe, recorded)), **recorded}
    try:
        write_whole(folder.config, to_toml(recipe, sealed).encode())
    except OSError as error:
        raise RunError(f"{folder.config}: cannot be written: {error.strerror}") from None


def newest_checkpoint(folder: RunFolder, tell: Listener) -> Checkpoint | None:
    """Return the newest good checkpoint, saying which ones were not."""
    folder.checkpoints.mkdir(exist_ok=True)
    remove_parts(folder.path)
    remove_parts(folder.checkpoints)
    found, warnings = checkpoint.load_newest(folder.checkpoints)
    for warning in warnings:
        tell(events.warning(warning))
    if found is None:
        tell(events.note("resume", f"{folder.path}: no checkpoint yet; starting at step 0", step=0))
    elif not matches(folder.metrics, found.facts["metrics"]):
        tell(
            events.warning(
                f"{folder.metrics}: does not hold what it held at step {found.facts['step']}; "
                "the weights are exact, the curves before that step are not"
            )
        )
    return found


class Beginning:
    """How a run is brought to where it is: begun, gone on with, or taken over from another worker.

    What a strategy knows as a `Run`.
    """

    def __init__(self, trainer: Trainer, recipe: Recipe, material: Material, network: str) -> None:
        """Give the loop, what it works on, and what --network named."""
        self.trainer, self.recipe, self.material = trainer, recipe, material
        self.network = network
        self.recorded: dict[str, Any] = {}
        self._memory: dict[str, torch.Tensor] = {}

    def found(self) -> None:
        """Begin the run, or go on from its newest checkpoint.

        Raises:
            RunError: where the folder or the data are not those of the run.
        """
        trainer, recipe, material = self.trainer, self.recipe, self.material
        folder, state = trainer.folder, trainer.state
        resumed = folder.config.is_file()
        self.recorded = read_recorded(folder.config) if resumed else {}
        if resumed and self.recorded.get("data_sha256") != material.data_sha256:
            raise RunError(
                f"{folder.path}: the data are not those that the run began with "
                f"({material.dataset.source}); put the same files back to go on, "
                "or name where they are by --data"
            )
        found = newest_checkpoint(folder, trainer.tell) if resumed else None
        if recipe.start_from and not found:
            start_from_run(state, Path(recipe.start_from), self.recorded.get("start_sha256"))
        if not resumed:
            self.recorded = {
                "data_sha256": material.data_sha256,
                "start_sha256": weights_sha256(state.weights()),
                "network_flag": self.network,
                "workers": trainer.workers,
                **begun_here(),
                **trainer.origin,
            }
            write_config(folder, recipe, self.recorded)
        if found:
            trainer.restore(found.tensors, found.facts)
            self._remember(found.tensors)
        for line in differences(self.recorded, trainer.origin):
            trainer.tell(events.warning(line))
        trainer.records.begin(found.facts["metrics"]["bytes"] if found else 0, state.step)
        announce(trainer, recipe, material.dataset, found)
        measure_start(trainer, recipe, material.sources)

    def give(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return where the run is; see `Run.give`."""
        facts = {
            **self.trainer.facts(),
            "recipe": to_toml(self.recipe),
            "config_sha256": _sha256_of(self.trainer.folder.config),
            "data_sha256": self.material.data_sha256,
            "recorded": self.recorded,
            "recent": self.trainer.records.recent(),
        }
        return {**self.trainer.state.tensors(), **self._memory}, facts

    def take(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Be where another worker is.

        Raises:
            RunError: where this one does not see the same run folder, or has other data.
        """
        trainer = self.trainer
        if facts["data_sha256"] != self.material.data_sha256:
            raise RunError(
                f"{self.material.dataset.source}: the data on {platform.node()} are not those of "
                "the other workers; put the same files there"
            )
        if facts["recipe"] != to_toml(self.recipe):
            raise RunError(
                f"the recipe on {platform.node()} is not that of the other workers; start all "
                "nodes with the same flags"
            )
        if not _holds(trainer.folder.config, facts["config_sha256"]):
            raise RunError(
                f"{trainer.folder.path}: on {platform.node()} this is not the run's folder; all "
                "nodes must see the same one: name one on shared storage by --run-dir"
            )
        for line in differences(facts["recorded"], trainer.origin):
            trainer.tell(events.warning(f"{platform.node()}: {line}"))
        self.recorded = dict(facts["recorded"])
        trainer.restore(tensors, facts)
        trainer.records.remember(facts["recent"], trainer.state.step)
        self._remember(tensors)
        path, step = str(trainer.folder.path), trainer.state.step
        trainer.tell(
            events.note("joined", f"run {path}, joined at step {step}", path=path, step=step)
        )

    def warn(self, text: str) -> None:
        """Tell the user; see `Run.warn`."""
        self.trainer.tell(events.warning(text))

    def keep(self, part: Part) -> None:
        """Let go of all but a part; see `Run.keep`."""
        self.trainer.state.keep(part)

    def pieces(self) -> dict[str, Piece]:
        """Return what this worker holds; see `Run.pieces`."""
        return self.trainer.state.pieces()

    def move(self, vector: torch.Tensor, step: int, parts: int) -> None:
        """Take a step by a part of a batch; see `Run.move`."""
        self.trainer.state.move_by(vector, self.trainer.learning_rate(step) / parts)

    def taken(self) -> int:
        """Return how many steps of the rule were taken; see `Run.taken`."""
        return self.trainer.state.optimizer.steps

    def hold(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Hold the whole again; see `Run.hold`."""
        self.trainer.state.hold(tensors)

    def held(self) -> Held:
        """Return how many bytes this process holds; see `Run.held`."""
        return self.trainer.state.held()

    def _remember(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._memory = {name: t for name, t in tensors.items() if name.startswith(_STRATEGY)}
        self.trainer.strategy.remember(
            {name.removeprefix(_STRATEGY): tensor for name, tensor in self._memory.items()}
        )


def announce(trainer: Trainer, recipe: Recipe, dataset: Dataset, found: Checkpoint | None) -> None:
    train, valid = dataset.splits["train"], dataset.splits.get("valid")
    parameters = trainer.state.vector.numel()
    lines = [
        f"recipe {recipe.name}: {recipe.network.name}, {parameters:,} parameters, "
        f"{recipe.objective.name}, {recipe.optimizer.name}, "
        f"{counted(recipe.training.epochs, 'epoch')} of batches of {recipe.training.batch_size} "
        f"in {counted(recipe.training.shards, 'shard')}",
        f"data {dataset.source}: {len(train):,} to learn from"
        + (f", {len(valid):,} to validate" if valid else ", none to validate: no such figure"),
        f"run {trainer.folder.path}, on {recipe.training.device}, {_crew(trainer)}",
    ]
    if found:
        lines.append(f"going on from step {trainer.state.step} of {trainer.batches.total_steps}")
    trainer.tell(
        events.note(
            "run",
            "\n".join(lines),
            path=str(trainer.folder.path),
            recipe=recipe.to_dict(),
            parameters=parameters,
            steps=trainer.batches.total_steps,
            step=trainer.state.step,
            threads=trainer.threads,
            workers=trainer.workers,
        )
    )


def _crew(trainer: Trainer) -> str:
    threads = counted(trainer.threads, "thread")
    if trainer.workers == 1 and not trainer.servers:
        return threads
    servers = f" and {counted(trainer.servers, 'server')}" if trainer.servers else ""
    return f"{counted(trainer.workers, 'worker')} of {threads}{servers}"


def measure_start(trainer: Trainer, recipe: Recipe, sources: Sequence[Dataset]) -> None:
    """Where a run starts from another, record what that one reads of each source."""
    if not recipe.start_from or trainer.state.step:
        return
    before = {source.source: trainer.accuracy_on(source) for source in sources}
    trainer.records.write({"kind": "start", "step": 0, "accuracy": before})
    text = ", ".join(f"{name} {accuracy_text(value)}" for name, value in before.items())
    trainer.tell(events.note("start", f"before training: {text}", accuracy=before))


def _sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _holds(path: Path, sha256: str) -> bool:
    """Whether a file holds what another machine wrote; storage may take seconds to show it."""
    for _ in range(_TRIES):
        try:
            if _sha256_of(path) == sha256:
                return True
        except OSError:
            pass
        time.sleep(_PAUSE)
    return False
