"""What happens before the first step: device, start weights, config.toml, checkpoint.

Used by `digitlab.training.run` alone, in the order in which it stands here.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from digitlab.config import Recipe, read_recorded, to_toml
from digitlab.data.dataset import Dataset
from digitlab.durable_files import remove_parts, write_whole
from digitlab.errors import ConfigError, RunError
from digitlab.objectives import Objective
from digitlab.parallel.seat import Seat
from digitlab.training import checkpoint
from digitlab.training.checkpoint import Checkpoint
from digitlab.training.machine import differences
from digitlab.training.metrics import matches
from digitlab.training.progress import Reporter
from digitlab.training.request import recipe_sha256
from digitlab.training.run_folder import RunFolder
from digitlab.training.state import TrainingState, weights_sha256
from digitlab.training.trainer import Trainer
from digitlab.wording import accuracy_text

_STRATEGY = "strategy/"  # before the names of a strategy's own tensors in a checkpoint
_TRIES, _PAUSE = 20, 0.25  # for what another machine wrote


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
    objective: Objective
    state: TrainingState
    device: torch.device


def with_device(recipe: Recipe) -> Recipe:
    """Return the recipe with `auto` replaced by the device that is there.

    Raises:
        ConfigError: where the device asked for is not there.
    """
    asked = recipe.training.device
    chosen = asked
    if asked == "auto":
        chosen = "cpu"
        if torch.cuda.is_available():
            chosen = "cuda"
        elif torch.backends.mps.is_available():
            chosen = "mps"
    elif asked == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device mps is not there; try --device auto")
    elif asked.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(asked.partition(":")[2] or 0) >= count:
            raise ConfigError(
                f"device {asked} is not there (CUDA devices here: {count}); try --device auto"
            )
    if recipe.training.precision == "bf16" and not chosen.startswith("cuda"):
        raise ConfigError(f"training.precision bf16 needs a CUDA device, not {chosen}")
    return replace(recipe, training=replace(recipe.training, device=chosen))


def device_of(recipe: Recipe, seat: Seat | None) -> torch.device:
    """Return the device of this process: of several workers on CUDA, each has one of its own.

    Raises:
        ConfigError: where there are not so many.
    """
    device = torch.device(recipe.training.device)
    if seat is None or device.type != "cuda":
        return device
    index = seat.devices[seat.local] if seat.devices else seat.local
    if index >= torch.cuda.device_count():
        raise ConfigError(
            f"worker {seat.slot} has no CUDA device {index} (there are "
            f"{torch.cuda.device_count()}); give fewer --workers, or --devices"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def repeats_data(recipe: str | Path, data_sha256: Mapping[str, str]) -> bool:
    """Whether a recipe that is a run's config.toml was run on these data; true for all others."""
    path = Path(recipe)
    recorded = read_recorded(path) if path.suffix == ".toml" else {}
    return bool(recorded.get("data_sha256", data_sha256) == data_sha256)


def start_from_run(state: TrainingState, path: Path, then_sha256: str | None) -> None:
    """Give the network the weights of another run.

    Args:
        state: whose network takes them.
        path: the other run's folder.
        then_sha256: of the weights that this run began with, where it is begun again.

    Raises:
        RunError: where that run has no good model, of another network, or other weights than then.
    """
    other = RunFolder(path)
    try:
        weights = safetensors.torch.load(other.weights.read_bytes())
        card = json.loads(other.model_card.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(
            f"{path}: cannot start from it: {error.filename}: {error.strerror}"
        ) from None
    except (ValueError, safetensors.SafetensorError):
        raise RunError(f"{path}: cannot start from it: its model is damaged") from None
    if not isinstance(card, dict) or weights_sha256(weights) != card.get("weights_sha256"):
        raise RunError(f"{path}: cannot start from it: {other.weights.name} is damaged")
    state.start_with(weights, str(path))
    if then_sha256 is not None and weights_sha256(state.weights()) != then_sha256:
        raise RunError(f"{path}: its weights are not those that this run began with")


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


def newest_checkpoint(folder: RunFolder, reporter: Reporter) -> Checkpoint | None:
    """Return the newest good checkpoint, saying which ones were not."""
    folder.checkpoints.mkdir(exist_ok=True)
    remove_parts(folder.path)
    remove_parts(folder.checkpoints)
    found, warnings = checkpoint.load_newest(folder.checkpoints)
    for warning in warnings:
        reporter.warn(warning)
    if found is None:
        reporter.note("resume", f"{folder.path}: no checkpoint yet; starting at step 0", step=0)
    elif not matches(folder.metrics, found.facts["metrics"]):
        reporter.warn(
            f"{folder.metrics}: does not hold what it held at step {found.facts['step']}; "
            "the weights are exact, the curves before that step are not"
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
                f"({material.dataset.source}); put the same files back to go on"
            )
        found = newest_checkpoint(folder, trainer.reporter) if resumed else None
        if recipe.start_from and not found:
            start_from_run(state, Path(recipe.start_from), self.recorded.get("start_sha256"))
        if not resumed:
            self.recorded = {
                "data_sha256": material.data_sha256,
                "start_sha256": weights_sha256(state.weights()),
                "network_flag": self.network,
                **trainer.origin,
            }
            write_config(folder, recipe, self.recorded)
        if found:
            trainer.restore(found.tensors, found.facts)
            self._remember(found.tensors)
        for line in differences(self.recorded, trainer.origin):
            trainer.reporter.warn(line)
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
            trainer.reporter.warn(f"{platform.node()}: {line}")
        self.recorded = dict(facts["recorded"])
        trainer.restore(tensors, facts)
        trainer.records.remember(facts["recent"], trainer.state.step)
        self._remember(tensors)
        path, step = str(trainer.folder.path), trainer.state.step
        trainer.reporter.note("joined", f"run {path}, joined at step {step}", path=path, step=step)

    def warn(self, text: str) -> None:
        """Tell the user; see `Run.warn`."""
        self.trainer.reporter.warn(text)

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
        f"{recipe.objective.name}, {recipe.optimizer.name}, {recipe.training.epochs:g} epochs of "
        f"batches of {recipe.training.batch_size} in {recipe.training.shards} shards",
        f"data {dataset.source}: {len(train):,} to learn from"
        + (f", {len(valid):,} to validate" if valid else ", none to validate: no such figure"),
        f"run {trainer.folder.path}, on {recipe.training.device}, {_crew(trainer)}",
    ]
    if found:
        lines.append(f"going on from step {trainer.state.step} of {trainer.batches.total_steps}")
    trainer.reporter.note(
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


def _crew(trainer: Trainer) -> str:
    threads = "1 thread" if trainer.threads == 1 else f"{trainer.threads} threads"
    return f"{trainer.workers} workers of {threads}" if trainer.workers > 1 else threads


def measure_start(trainer: Trainer, recipe: Recipe, sources: Sequence[Dataset]) -> None:
    """Where a run starts from another, record what that one reads of each source."""
    if not recipe.start_from or trainer.state.step:
        return
    before = {source.source: trainer.accuracy_on(source) for source in sources}
    trainer.records.write({"kind": "start", "step": 0, "accuracy": before})
    text = ", ".join(f"{name} {accuracy_text(value)}" for name, value in before.items())
    trainer.reporter.note("start", f"before training: {text}", accuracy=before)


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
