"""A run of the parameters in a file of Paddle: what `digitlab paddle import` calls."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from digitlab import networks, objectives
from digitlab.config import (
    CUSTOM_NETWORK,
    NETWORKS,
    OBJECTIVES,
    DataConfig,
    NetworkConfig,
    ObjectiveConfig,
    Recipe,
)
from digitlab.data import load_dataset
from digitlab.data.dataset import Dataset, Images, Split
from digitlab.durable_files import write_whole
from digitlab.errors import ConfigError, ModelError, RunError
from digitlab.evaluation import Evaluation, evaluate_predictions
from digitlab.objectives import Objective
from digitlab.paddle.matching import DoesNotFitError, fitted
from digitlab.paddle.parameter_files import NAME_TABLE, load
from digitlab.reading.model_file import Calibration
from digitlab.recipe_files import NAME, check
from digitlab.setting_names import nearest_choice, nearest_network
from digitlab.training.begin import write_config
from digitlab.training.calibrate import best_temperature
from digitlab.training.machine import begun_here, versions
from digitlab.training.model_files import (
    ExportError,
    model_card,
    onnx_model,
    write_weights,
)
from digitlab.training.run_folder import new_run_folder
from digitlab.training.state import weights_sha256
from digitlab.wording import VALIDATION_IMAGES, did_you_mean, one_of, percent, printable

_BATCH = 500
_GUESSING = 0.3  # an accuracy below which the parameters cannot be meant for such images


@dataclass(frozen=True)
class Imported:
    """What `import_parameters` made.

    Attributes:
        source: the file.
        path: the run's folder.
        origins: by the name of each tensor in the network, its name in the file.
        parameters: how many numbers they are.
        data: on what it was measured.
        test, valid: figures; None where the data have no such split.
        warnings: what the user should know, one line each.
    """

    source: str
    path: Path
    origins: Mapping[str, str]
    parameters: int
    data: str
    test: Evaluation | None
    valid: Evaluation | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "source": self.source,
            "path": str(self.path),
            "names": dict(self.origins),
            "parameters": self.parameters,
            "data": self.data,
            "test_accuracy": self.test.accuracy if self.test else None,
            "valid_accuracy": self.valid.accuracy if self.valid else None,
        }

    def to_text(self) -> str:
        """Return what `digitlab paddle import` shows on a terminal."""
        width = max(map(len, self.origins.values()))
        lines = [f"{self.source} → {self.path}   {self.parameters:,} parameters"]
        lines += [f"  {there:<{width}} → {here}" for here, there in self.origins.items()]
        if self.test and self.test.accuracy is not None and self.test.interval is not None:
            low, high = map(percent, self.test.interval)
            lines.append(
                f"test accuracy on {self.data} {percent(self.test.accuracy)} "
                f"(95 % interval {low} to {high})"
            )
        lines.append(f"next: digitlab read PICTURE --model {self.path}")
        return "\n".join(lines)


def import_parameters(
    path: str | os.PathLike[str],
    network: str,
    objective: str = "cross-entropy",
    data: Sequence[str] | None = None,
    run_dir: str | os.PathLike[str] | None = None,
) -> Imported:
    """Make a run of a Paddle file, as if its parameters had been trained here.

    It can be read with, evaluated, exported, and trained on from.

    Args:
        path: a .pdparams file of Paddle 1.6 to 3.x.
        network: one of ours, or `my_module:MyNetwork`, with the layers that the file was made with.
        objective: "cross-entropy" for ten outputs, "square-error" for one, "cross-entropy-and-box"
            for fourteen, of which the last four are the box.
        data: on which it is measured and calibrated; None: MNIST.
        run_dir: where the run goes; None: `runs/FILE-DATE-TIME`.

    Raises:
        ModelError: where the file cannot be read or is damaged, or does not fit the network.
        ConfigError: for a network or objective that there is not.
        DataError: where the data cannot be loaded.
        RunError: for a folder that cannot be used or written.
    """
    path = Path(path)
    recipe = _recipe(path, network, objective, data)
    state = load(path, keep_name_table=True)
    judge = objectives.build(recipe)
    model = networks.build(network, judge.outputs, recipe.seed).eval()
    try:
        weights, origins = _fitted(model, state)
    except DoesNotFitError as error:
        raise ModelError(f"{path}: {error}{_what_fits(state, recipe)}") from None
    model.load_state_dict(weights)
    dataset = load_dataset(recipe.data.sources, validation=recipe.data.validation)
    measured = {
        name: _Measured(_outputs(model, split.images), split, judge)
        for name, split in dataset.splits.items()
        if name in ("valid", "test") and len(split)
    }
    calibration = _calibration(measured.get("valid"), judge)
    warnings = []
    onnx: bytes | None = None
    examples = next(split for split in reversed([*dataset.splits.values()]) if len(split))
    try:
        onnx = onnx_model(model, judge, recipe, calibration, examples.images[:_BATCH])
    except ExportError as error:
        warnings.append(f"no model.onnx was written: {error}; reading needs one")
    made = Imported(
        source=str(path),
        path=_write(path, recipe, model, dataset, measured, calibration, onnx, run_dir),
        origins=origins,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        data=dataset.source,
        test=measured["test"].evaluation if "test" in measured else None,
        valid=measured["valid"].evaluation if "valid" in measured else None,
        warnings=tuple(warnings),
    )
    accuracy = made.test.accuracy if made.test else None
    if accuracy is not None and accuracy < _GUESSING:
        poor = (
            "it hardly reads digits: digitlab gives networks pixels from 0 to 1, ink high; was "
            "this one trained on others, such as from -1 to 1 by paddle.dataset.mnist?"
        )
        made = replace(made, warnings=(*made.warnings, poor))
    return made


class _Measured:
    """What a network makes of a split."""

    def __init__(self, outputs: torch.Tensor, split: Split, objective: Objective) -> None:
        self.outputs, self.labels = outputs, split.labels
        self.evaluation = evaluate_predictions(split.labels, objective.digits(outputs).numpy())
        self.figures = objective.figures(outputs, torch.tensor(split.images))


def _recipe(path: Path, network: str, objective: str, data: Sequence[str] | None) -> Recipe:
    if network not in NETWORKS and not CUSTOM_NETWORK.fullmatch(network):
        raise ConfigError(
            f"--network {network}: there is no such network; expected {one_of(NETWORKS)}, or a "
            "class of your own as my_module:MyNetwork"
            + did_you_mean(nearest_network(network, NETWORKS))
        )
    if objective not in OBJECTIVES:
        raise ConfigError(
            f"--objective {objective}: there is no such objective; expected {one_of(OBJECTIVES)}"
            + did_you_mean(nearest_choice(objective, OBJECTIVES))
        )
    recipe = Recipe(
        name=path.stem if NAME.fullmatch(path.stem) else "imported",
        description=f"parameters of PaddlePaddle, imported from {printable(path.name)}",
        network=NetworkConfig(name=network),
        objective=ObjectiveConfig(name=objective),
        data=DataConfig(sources=tuple(data)) if data else DataConfig(),
    )
    check(recipe)
    return recipe


def _fitted(model: nn.Module, state: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], Any]:
    """Fit a file's arrays, or those of a state_dict within, where it holds several."""
    refused: DoesNotFitError | None = None
    for arrays in _states(state):
        table = arrays.get(NAME_TABLE, {})
        try:
            return fitted(model, arrays, table if isinstance(table, dict) else {})
        except DoesNotFitError as error:
            refused = refused or error
    raise refused or DoesNotFitError("holds no arrays")


def _states(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the dicts in a file that hold arrays, the outer first."""
    if any(isinstance(value, np.ndarray) for value in state.values()):
        yield state
    for value in state.values():
        if isinstance(value, dict):
            yield from _states(value)


def _what_fits(state: Mapping[str, Any], recipe: Recipe) -> str:
    """Return the end of a line: which of our networks the file would fit."""
    for network in (recipe.network.name, *NETWORKS):
        for objective in OBJECTIVES:
            if (network, objective) == (recipe.network.name, recipe.objective.name):
                continue
            if network not in NETWORKS:
                continue  # code of the user's, which may do anything: it is made once
            tried = Recipe(network=NetworkConfig(network), objective=ObjectiveConfig(objective))
            try:
                check(tried)
                outputs = objectives.build(tried).outputs
                _fitted(networks.build(network, outputs, seed=1), state)
            except (ConfigError, DoesNotFitError):
                continue
            return f"; it fits --network {network} --objective {objective}"
    return ""


def _outputs(model: nn.Module, images: Images) -> torch.Tensor:
    """Return float32 [N, outputs]."""
    with torch.no_grad():
        parts = [
            model(torch.from_numpy(images[at : at + _BATCH].astype(np.float32) / 255).unsqueeze(1))
            for at in range(0, len(images), _BATCH)
        ]
    return torch.cat(parts)


def _calibration(valid: _Measured | None, objective: Objective) -> Calibration | None:
    if objective.outputs == 1 or valid is None or not valid.outputs.isfinite().all():
        return None
    logits = objective.named(valid.outputs)["logits"]
    return Calibration(best_temperature(logits.numpy(), valid.labels), VALIDATION_IMAGES)


def _write(
    path: Path,
    recipe: Recipe,
    model: nn.Module,
    dataset: Dataset,
    measured: Mapping[str, _Measured],
    calibration: Calibration | None,
    onnx: bytes | None,
    run_dir: str | os.PathLike[str] | None,
) -> Path:
    """Write what a run leaves that a reader, an evaluation or another run needs."""
    weights = model.state_dict()
    sha256, about, data_sha256 = weights_sha256(weights), versions(), dataset.sha256()
    source = {"file": printable(path.name), "sha256": _sha256_of(path)}
    test, valid = (measured[n].evaluation if n in measured else None for n in ("test", "valid"))
    summary = {
        "recipe": recipe.name,
        "imported_from": source,
        "test_accuracy": test.accuracy if test else None,
        "test_interval": test.interval if test else None,
        "valid_accuracy": valid.accuracy if valid else None,
        **{f"{n}_{key}": value for n in measured for key, value in measured[n].figures.items()},
        "temperature": calibration.temperature if calibration else None,
        "calibrated_on": calibration.on if calibration else None,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seed": recipe.seed,
        "steps": 0,
        "weights_sha256": sha256,
        "data_sha256": data_sha256,
        "versions": about,
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    recorded: dict[str, Any] = {
        "imported_from": source,
        "data_sha256": data_sha256,
        "network_flag": recipe.network.name if recipe.custom_network else "",
        **begun_here(),
        **about,
    }
    folder = new_run_folder(None if run_dir is None else Path(run_dir), recipe.name)
    outputs = objectives.build(recipe).outputs
    try:
        write_weights(folder, weights, model_card(recipe, outputs, sha256))
        if onnx is not None:
            write_whole(folder.onnx, onnx)
        write_config(folder, recipe, recorded)
        write_whole(folder.summary, (json.dumps(summary, indent=2) + "\n").encode())
    except OSError as error:
        raise RunError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return folder.path


def _sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
