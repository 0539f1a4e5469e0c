"""What a run leaves to be read with, or started from: model.safetensors, model.json, model.onnx.

The contract of model.onnx is in docs/formats.md; whatever reads with it needs no PyTorch.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from digitlab.config import Recipe
from digitlab.data.dataset import Images
from digitlab.durable_files import write_whole
from digitlab.errors import ModelError, RunError
from digitlab.objectives import Objective
from digitlab.reading.model_file import Calibration, model_of_bytes, properties, seal
from digitlab.training.run_folder import RunFolder, check_ended
from digitlab.training.state import TrainingState, weights_sha256

_OPSET = 17
_CLOSE = 1e-4  # largest difference allowed between the two models, relative to the largest output


class ExportError(Exception):
    """A network that ONNX cannot express, or whose ONNX model answers otherwise."""


def write_weights(folder: RunFolder, weights: Mapping[str, Tensor], card: dict[str, Any]) -> None:
    """Write model.safetensors and model.json.

    Raises:
        OSError: where the disk refuses.
    """
    write_whole(folder.weights, safetensors.torch.save(dict(weights)))
    write_whole(folder.model_card, (json.dumps(card, indent=2) + "\n").encode())


def model_card(recipe: Recipe, outputs: int, sha256: str) -> dict[str, Any]:
    """Return what model.json says of weights with that SHA-256."""
    return {
        "format_version": 1,
        "recipe": recipe.name,
        "network": recipe.network.name,
        "outputs": outputs,
        "objective": recipe.objective.name,
        "preparation": recipe.data.preparation,
        "weights_sha256": sha256,
    }


def load_weights(path: Path, why: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights of a run that has ended, and what its model.json says.

    Args:
        path: the run's folder.
        why: what is to be done with it, for the line of an error.

    Raises:
        RunError: where there is no such model, or it is damaged.
    """
    check_ended(path, why)
    folder = RunFolder(path)
    try:
        weights = safetensors.torch.load(folder.weights.read_bytes())
        card = json.loads(folder.model_card.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot {why}: {error.filename}: {error.strerror}") from None
    except (ValueError, safetensors.SafetensorError):
        raise RunError(f"{path}: cannot {why}: its model is damaged") from None
    if not isinstance(card, dict) or weights_sha256(weights) != card.get("weights_sha256"):
        raise RunError(f"{path}: cannot {why}: {folder.weights.name} is damaged")
    return weights, card


def start_from_run(state: TrainingState, path: Path, then_sha256: str | None) -> None:
    """Give the network the weights of another run.

    Args:
        state: whose network takes them.
        path: the other run's folder.
        then_sha256: of the weights that this run began with, where it is begun again.

    Raises:
        RunError: where that run has no good model, of another network, or other weights than then.
    """
    weights, _ = load_weights(path, "start from it")
    state.start_with(weights, str(path))
    if then_sha256 is not None and weights_sha256(state.weights()) != then_sha256:
        raise RunError(f"{path}: its weights are not those that this run began with")


def onnx_model(
    network: nn.Module,
    objective: Objective,
    recipe: Recipe,
    calibration: Calibration | None,
    examples: Images,
) -> bytes:
    """Return the sealed ONNX file of a network, checked against it on `examples`.

    Args:
        network: in evaluation mode, on the CPU.
        objective: which names its outputs.
        recipe: for the model's metadata.
        calibration: what logits are to be divided by; None: not calibrated.
        examples: uint8 [N, 28, 28], on which both models are compared.

    Raises:
        ExportError: says why there is no such model.
    """
    import onnx

    inputs = torch.from_numpy(examples.astype(np.float32) / 255).unsqueeze(1)
    try:
        with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
            path = Path(folder) / "model.onnx"
            warnings.simplefilter("ignore")
            named = objective.named(network(inputs))
            expected = {name: output.numpy() for name, output in named.items()}
            exported = network if len(named) == 1 else _Named(network, objective)
            # dynamo=False: the newer exporter needs onnxscript and took 30 times as long.
            torch.onnx.export(
                exported,
                (inputs[:2],),
                path,
                input_names=["images"],
                output_names=list(named),
                dynamic_axes={name: {0: "count"} for name in ("images", *named)},
                opset_version=_OPSET,
                dynamo=False,
            )
            model = onnx.load(path)
            onnx.checker.check_model(model)
    except Exception as error:  # any operator of a user's network may be what ONNX lacks
        raise ExportError(
            str(error).strip().splitlines()[0] if str(error) else repr(error)
        ) from error
    onnx.helper.set_model_props(
        model, properties(recipe.name, recipe.data.preparation, calibration, boxes="box" in named)
    )
    content = seal(model.SerializeToString())
    _compare(content, inputs.numpy(), expected)
    return content


class _Named(nn.Module):
    """A network whose numbers are several outputs."""

    def __init__(self, network: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.objective.named(self.network(images)).values())


def _compare(content: bytes, inputs: Any, expected: Mapping[str, Any]) -> None:
    try:
        session = model_of_bytes(content, Path("model.onnx")).session
        given = session.run(list(expected), {"images": inputs})
    except ModelError as error:
        raise ExportError(str(error)) from error
    except Exception as error:  # onnxruntime's errors have no common base but this
        raise ExportError(f"onnxruntime cannot run it: {str(error).splitlines()[0]}") from error
    for one, wanted in zip(given, expected.values(), strict=True):
        if one.shape != wanted.shape:
            raise ExportError(f"its output has shape {one.shape}, expected {wanted.shape}")
        with np.errstate(invalid="ignore"):  # of two that are not finite
            difference = float(np.abs(one - wanted).max())
        if not difference <= _CLOSE * max(1.0, float(np.abs(wanted).max())):
            raise ExportError(f"its answers differ by {difference:.2g} from PyTorch's")
