"""What happens before the first step: device, start weights, config.toml, checkpoint.

Used by `digitlab.training.run` alone, in the order in which it stands here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from digitlab.config import Recipe, read_recorded, to_toml
from digitlab.data.dataset import Dataset
from digitlab.errors import ConfigError, RunError
from digitlab.files import remove_parts, write_whole
from digitlab.training import checkpoint
from digitlab.training.checkpoint import Checkpoint
from digitlab.training.metrics import matches
from digitlab.training.progress import Reporter, accuracy_text
from digitlab.training.run_folder import RunFolder
from digitlab.training.state import TrainingState, weights_sha256
from digitlab.training.trainer import Trainer


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


def recipe_sha256(text: str) -> str:
    """Return the SHA-256 of a config.toml without its table [recorded]."""
    return hashlib.sha256(text.partition("\n[recorded]")[0].encode()).hexdigest()


def check_config(folder: RunFolder) -> None:
    """Check that a run's config.toml is the one that it began with.

    Raises:
        RunError: where it was emptied or edited: another recipe is another run.
    """
    recorded = read_recorded(folder.config)
    if "data_sha256" not in recorded:
        raise RunError(f"{folder.config}: is damaged: it does not say what the run began with")
    text = folder.config.read_text(encoding="utf-8")
    if recorded.get("recipe_sha256") != recipe_sha256(text):
        raise RunError(
            f"{folder.config}: was edited since the run began; put it back to go on, or begin "
            f"another run by --recipe {folder.config}"
        )


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


def continue_from(trainer: Trainer, found: Checkpoint) -> None:
    facts = found.facts
    trainer.best = facts["best"]
    trainer.clock.training = facts["seconds"]["training"]
    trainer.clock.saving = facts["seconds"]["saving"]
    trainer.clock.images = facts["images"]


def announce(
    trainer: Trainer, recipe: Recipe, dataset: Dataset, pool: int, found: Checkpoint | None
) -> None:
    train, valid = dataset.splits["train"], dataset.splits.get("valid")
    parameters = trainer.state.vector.numel()
    lines = [
        f"recipe {recipe.name}: {recipe.network.name}, {parameters:,} parameters, "
        f"{recipe.objective.name}, {recipe.optimizer.name}, {recipe.training.epochs:g} epochs of "
        f"batches of {recipe.training.batch_size} in {recipe.training.shards} shards",
        f"data {dataset.source}: {len(train):,} to learn from"
        + (f", {len(valid):,} to validate" if valid else ", none to validate: no such figure"),
        f"run {trainer.folder.path}, on {recipe.training.device}, {pool} threads",
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
        threads=pool,
    )


def measure_start(trainer: Trainer, recipe: Recipe, sources: Sequence[Dataset]) -> None:
    """Where a run starts from another, record what that one reads of each source."""
    if not recipe.start_from or trainer.state.step:
        return
    before = {source.source: trainer.accuracy_on(source) for source in sources}
    trainer.metrics.write({"kind": "start", "step": 0, "accuracy": before})
    text = ", ".join(f"{name} {accuracy_text(value)}" for name, value in before.items())
    trainer.reporter.note("start", f"before training: {text}", accuracy=before)
