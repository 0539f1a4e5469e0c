"""digitlab trains, compares, scales and uses recognisers of handwritten digits.

The public names load on first use, so that `import digitlab` stays fast and needs no PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "digitlab.errors",
    "DataError": "digitlab.errors",
    "Dataset": "digitlab.data.dataset",
    "DigitlabError": "digitlab.errors",
    "Evaluation": "digitlab.evaluation",
    "EvaluationReport": "digitlab.evaluation",
    "ExportReport": "digitlab.exporting.copies",
    "GuardedDecoder": "digitlab.reading.guard",
    "Interrupted": "digitlab.training.interrupt",
    "Limits": "digitlab.reading.guard",
    "MissingExtraError": "digitlab.errors",
    "ModelError": "digitlab.errors",
    "PictureError": "digitlab.errors",
    "Reading": "digitlab.reading.types",
    "Recipe": "digitlab.config",
    "Recogniser": "digitlab.reading.recogniser",
    "RunError": "digitlab.errors",
    "RunResult": "digitlab.training.run_folder",
    "Split": "digitlab.data.dataset",
    "Study": "digitlab.studies.study",
    "TrainingError": "digitlab.errors",
    "Workers": "digitlab.parallel.plan",
    "compare": "digitlab.studies.compare",
    "draw_figure": "digitlab.course_figures",
    "evaluate": "digitlab.evaluation",
    "export": "digitlab.exporting.copies",
    "load_dataset": "digitlab.data",
    "load_recipe": "digitlab.recipe_files",
    "train": "digitlab.training.dispatch",
}
__all__ = [
    "ConfigError",
    "DataError",
    "Dataset",
    "DigitlabError",
    "Evaluation",
    "EvaluationReport",
    "ExportReport",
    "GuardedDecoder",
    "Interrupted",
    "Limits",
    "MissingExtraError",
    "ModelError",
    "PictureError",
    "Reading",
    "Recipe",
    "Recogniser",
    "RunError",
    "RunResult",
    "Split",
    "Study",
    "TrainingError",
    "Workers",
    "__version__",
    "compare",
    "draw_figure",
    "evaluate",
    "export",
    "load_dataset",
    "load_recipe",
    "train",
]

if TYPE_CHECKING:
    from digitlab.config import Recipe
    from digitlab.course_figures import draw_figure
    from digitlab.data import load_dataset
    from digitlab.data.dataset import Dataset, Split
    from digitlab.errors import (
        ConfigError,
        DataError,
        DigitlabError,
        MissingExtraError,
        ModelError,
        PictureError,
        RunError,
        TrainingError,
    )
    from digitlab.evaluation import Evaluation, EvaluationReport, evaluate
    from digitlab.exporting.copies import ExportReport, export
    from digitlab.parallel.plan import Workers
    from digitlab.reading.guard import GuardedDecoder, Limits
    from digitlab.reading.recogniser import Recogniser
    from digitlab.reading.types import Reading
    from digitlab.recipe_files import load_recipe
    from digitlab.studies.compare import compare
    from digitlab.studies.study import Study
    from digitlab.training.dispatch import train
    from digitlab.training.interrupt import Interrupted
    from digitlab.training.run_folder import RunResult


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'digitlab' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
