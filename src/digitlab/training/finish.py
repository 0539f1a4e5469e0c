"""What happens after the last step: the test figures, the model files, the pictures, the summary.

Everything here can be done again from the last checkpoint, so a kill costs nothing.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from digitlab import events
from digitlab.config import Recipe
from digitlab.data.dataset import Dataset, Images, Split
from digitlab.durable_files import write_whole
from digitlab.evaluation import Evaluation, evaluate_predictions
from digitlab.reading.model_file import Calibration
from digitlab.reading.refusal import DISTURBED
from digitlab.training.calibrate import best_temperature, photographed
from digitlab.training.material import Material
from digitlab.training.metrics import read_metrics
from digitlab.training.model_files import ExportError, model_card, onnx_model, write_weights
from digitlab.training.state import weights_sha256
from digitlab.training.trainer import Trainer
from digitlab.wording import MADE_PICTURES, VALIDATION_IMAGES, accuracy_text, duration, percent


def finish(trainer: Trainer, recipe: Recipe, material: Material) -> None:
    """Evaluate a trained run and write what it leaves, its summary last.

    Raises:
        OSError: where the disk refuses; the run can be resumed and ends again.
    """
    folder, tell = trainer.folder, trainer.tell
    dataset, sources = material.dataset, material.sources
    trainer.save_the_last()
    tell(events.phase("evaluate"))
    test_split, valid = dataset.splits.get("test"), dataset.splits.get("valid")
    test_outputs = _outputs(trainer, test_split.images) if test_split else None
    test = _evaluated(trainer, test_split, test_outputs)
    valid_outputs = _outputs(trainer, valid.images) if valid else None
    tell(events.phase("calibrate"))
    calibration, confidence = _calibrated(trainer, recipe, valid, valid_outputs)
    tell(events.phase("export"))
    with trainer.state.averaged():
        weights = trainer.state.weights()
        card = model_card(recipe, trainer.objective.outputs, weights_sha256(weights))
        write_weights(folder, weights, card)
        _write_onnx(trainer, recipe, dataset, calibration)
    summary: dict[str, Any] = {
        "recipe": recipe.name,
        "test_accuracy": test.accuracy if test else None,
        "test_interval": test.interval if test else None,
        "valid_accuracy": _accuracy(trainer, valid, valid_outputs),
        **_figures(trainer, "test", test_split, test_outputs),
        **_figures(trainer, "valid", valid, valid_outputs),
        "temperature": calibration.temperature if calibration else None,
        "calibrated_on": calibration.on if calibration else None,
        "best_valid": trainer.best,
        "train_seconds": round(trainer.clock.training, 3),
        "checkpoint_seconds": round(trainer.clock.saving, 3),
        "images_per_second": round(trainer.clock.images / max(trainer.clock.training, 1e-9), 1),
        "parameters": trainer.state.vector.numel(),
        "seed": recipe.seed,
        "workers": trainer.workers,
        "held_bytes": [asdict(one) for one in trainer.strategy.held()],
        "steps": trainer.state.step,
        "skips": trainer.state.skips,
        "weights_sha256": weights_sha256(weights),
        "data_sha256": dict(material.data_sha256),
        "versions": {key: trainer.origin[key] for key in ("digitlab", "python", "torch", "numpy")},
        "machine": {
            key: trainer.origin[key]
            for key in ("system", "processor", "cores", "capability", "device", "gpu")
            if key in trainer.origin
        },
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    summary |= _each_source(trainer, sources, recipe)
    draw_curves(trainer, recipe)
    if test:
        from digitlab.training import charts

        charts.draw_confusion(folder.confusion, test.confusion_matrix)
    tell(events.phase("summary"))
    written = json.dumps(summary, indent=2)
    write_whole(folder.summary, f"{written}\n".encode())
    summary = json.loads(written)  # what whoever resumes the finished run will read
    tell(events.note("done", _closing_words(trainer, summary, recipe, confidence), **summary))


def draw_curves(trainer: Trainer, recipe: Recipe) -> None:
    """Draw the run as far as it has come.

    Raises:
        OSError: where the disk refuses.
    """
    trainer.tell(events.phase("pictures"))
    from digitlab.training import charts  # a second of imports, for the one who draws alone

    folder = trainer.folder
    charts.draw_curves(folder.curves, list(read_metrics(folder.metrics)), recipe.name)


def _evaluated(
    trainer: Trainer, split: Split | None, outputs: torch.Tensor | None
) -> Evaluation | None:
    if not split or outputs is None:
        return None
    return evaluate_predictions(split.labels, trainer.objective.digits(outputs).numpy())


def _outputs(trainer: Trainer, images: Images) -> torch.Tensor:
    """Return what the weights that are saved make of images, float32 [N, outputs]."""
    with trainer.state.averaged():
        return trainer.strategy.outputs(images)


def _accuracy(trainer: Trainer, split: Split | None, outputs: torch.Tensor | None) -> float | None:
    if not split or outputs is None:
        return None
    right = trainer.objective.digits(outputs).numpy() == split.labels
    return int(right.sum()) / len(split)


def _figures(
    trainer: Trainer, name: str, split: Split | None, outputs: torch.Tensor | None
) -> dict[str, float | None]:
    """Return what the objective measures besides accuracy, by names that begin with a split's."""
    if not split or outputs is None:
        return {}
    figures = trainer.objective.figures(outputs, torch.tensor(split.images))
    return {f"{name}_{figure}": value for figure, value in figures.items()}


def _calibrated(
    trainer: Trainer, recipe: Recipe, valid: Split | None, outputs: torch.Tensor | None
) -> tuple[Calibration | None, str]:
    """Return how confidence becomes honest, and in words on how much that was found, or why not.

    Args:
        trainer, recipe: the run's.
        valid: its validation split, where it has one.
        outputs: what its weights make of this split.
    """
    if trainer.objective.outputs == 1:
        return None, "none (square error)"
    if not valid or outputs is None:
        return None, "not calibrated (no validation split)"
    labels, on = valid.labels, VALIDATION_IMAGES
    count = recipe.training.calibrate
    if count:
        on = MADE_PICTURES
        trainer.tell(events.note("calibrate", f"calibrating on {count:,} {on}", count=count, on=on))

        def made(done: int, every: int) -> None:
            trainer.tell(events.count(on, done, every))

        version = recipe.data.preparation
        images, labels, disturbed = photographed(valid, count, recipe.seed, made, version)
        outputs = _outputs(trainer, images)
        # So are they read, too.
        outputs[torch.from_numpy(disturbed)] /= DISTURBED
    else:
        trainer.tell(events.note("calibrate", "", count=len(labels), on=on))
    if not len(labels):
        return None, f"not calibrated (nothing can be seen in the {VALIDATION_IMAGES})"
    if not outputs.isfinite().all():
        return None, f"not calibrated (what the network gives for {on} is not finite)"
    logits = trainer.objective.named(outputs)["logits"]
    temperature = best_temperature(logits.numpy(), labels)
    return Calibration(temperature, on), f"calibrated on {len(labels):,} {on}"


def _write_onnx(
    trainer: Trainer, recipe: Recipe, dataset: Dataset, calibration: Calibration | None
) -> None:
    """Write model.onnx; a network that cannot be exported is a warning."""
    network = copy.deepcopy(trainer.state.network).cpu().eval()
    examples = dataset.splits.get("test", dataset.splits["train"]).images[:500]
    try:
        content = onnx_model(network, trainer.objective, recipe, calibration, examples)
    except ExportError as error:
        trainer.folder.onnx.unlink(missing_ok=True)
        trainer.tell(events.warning(f"no model.onnx was written: {error}; reading needs one"))
        return
    write_whole(trainer.folder.onnx, content)


def _each_source(trainer: Trainer, sources: Sequence[Dataset], recipe: Recipe) -> dict[str, Any]:
    """Return what the run reads of each of several sources, before (where known) and after."""
    if len(sources) < 2 and not recipe.start_from:
        return {}
    first = next(read_metrics(trainer.folder.metrics), {})
    before = first.get("accuracy", {}) if first.get("kind") == "start" else {}
    return {
        "sources": [
            {
                "source": source.source,
                "accuracy_before": before.get(source.source),
                "accuracy_after": trainer.accuracy_on(source),
            }
            for source in sources
        ]
    }


def _closing_words(
    trainer: Trainer, summary: Mapping[str, Any], recipe: Recipe, confidence: str
) -> str:
    """Return the figures, where everything lies, and the next command to try."""
    path = trainer.folder.path
    lines = [
        f"trained in {duration(summary['train_seconds'])}, "
        f"{summary['images_per_second']:,.0f} images/s"
    ]
    for source in summary.get("sources", []):
        after = accuracy_text(source["accuracy_after"])
        change = f"{accuracy_text(source['accuracy_before'])} before, {after} after"
        lines.append(f"{source['source']}: {change if recipe.start_from else after}")
    if summary["valid_accuracy"] is None:
        lines.append("validation accuracy: none (no validation split)")
    else:
        lines.append(f"validation accuracy {accuracy_text(summary['valid_accuracy'])}")
    if summary["test_accuracy"] is None:
        lines.append("test accuracy: none (the data have no test split)")
    else:
        low, high = map(percent, summary["test_interval"])
        lines.append(
            f"test accuracy {accuracy_text(summary['test_accuracy'])} "
            f"(95 % interval {low} to {high})"
        )
    iou = summary.get("test_mean_iou", summary.get("valid_mean_iou"))
    if iou is not None:
        lines.append(f"mean IoU of boxes {iou:.3f}")
    if trainer.objective.outputs > 1:
        lines.append(f"confidence: {confidence}")
    names = ("model.onnx", "curves.png", "confusion.png")
    there = [name for name in names if (path / name).exists()]
    lines += [f"everything lies in {path}{os.sep}: {', '.join([*there, '...'])}"]
    return "\n".join(lines)
