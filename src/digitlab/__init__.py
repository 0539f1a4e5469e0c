"""digitlab trains, compares, scales and uses recognisers of handwritten digits.

The public names load on first use, so that `import digitlab` stays fast and needs no PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "digitlab.data.dataset",
    "DigitlabError": "digitlab.errors",
    "Evaluation": "digitlab.evaluation",
    "GuardedDecoder": "digitlab.reading.guard",
    "Limits": "digitlab.reading.guard",
    "Reading": "digitlab.reading.types",
    "Recipe": "digitlab.config",
    "Recogniser": "digitlab.reading.recogniser",
    "RunResult": "digitlab.training.run_folder",
    "evaluate": "digitlab.evaluation",
    "export": "digitlab.exporting.copies",
    "load_dataset": "digitlab.data",
    "load_recipe": "digitlab.config",
    "train": "digitlab.training.dispatch",
    "Workers": "digitlab.parallel.plan",
}
__all__ = [
    "Dataset",
    "DigitlabError",
    "Evaluation",
    "GuardedDecoder",
    "Limits",
    "Reading",
    "Recipe",
    "Recogniser",
    "RunResult",
    "Workers",
    "__version__",
    "evaluate",
    "export",
    "load_dataset",
    "load_recipe",
    "train",
]

if TYPE_CHECKING:
    from digitlab.config import Recipe, load_recipe
    from digitlab.data import load_dataset
    from digitlab.data.dataset import Dataset
    from digitlab.errors import DigitlabError
    from digitlab.evaluation import Evaluation, evaluate
    from digitlab.exporting.copies import export
    from digitlab.parallel.plan import Workers
    from digitlab.reading.guard import GuardedDecoder, Limits
    from digitlab.reading.recogniser import Recogniser
    from digitlab.reading.types import Reading
    from digitlab.training.dispatch import train
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
