"""How good a model is, and when to trust it; needs no PyTorch.

Used by training at its end, by `digitlab evaluate`, by export and by studies. figures.py has the
figures of answers, coverage.py those of refusing, robustness.py measures pictures by kind and what
is no digit, measure.py puts them together, report.py and coverage_chart.py show them.
"""

from digitlab.evaluation.coverage import Coverage, Selection
from digitlab.evaluation.figures import (
    Evaluation,
    auroc,
    calibration_error,
    evaluate_predictions,
    wilson_interval,
)
from digitlab.evaluation.measure import evaluate, evaluate_split, load_data_of
from digitlab.evaluation.report import EvaluationReport
from digitlab.evaluation.robustness import Kind, NoDigits, evenly

__all__ = [
    "Coverage",
    "Evaluation",
    "EvaluationReport",
    "Kind",
    "NoDigits",
    "Selection",
    "auroc",
    "calibration_error",
    "evaluate",
    "evaluate_predictions",
    "evaluate_split",
    "evenly",
    "load_data_of",
    "wilson_interval",
]
