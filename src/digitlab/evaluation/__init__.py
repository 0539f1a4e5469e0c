"""How good a model is, and when to trust it; needs no PyTorch.

Used by training at its end, by `digitlab evaluate`, by export and by studies. figures.py has the
figures of answers, coverage.py those of refusing, robustness.py measures pictures by kind and what
is no digit, measure.py puts them together, report.py and coverage_chart.py show them. pages.py
measures pages of many numbers, by page_score.py.
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
from digitlab.evaluation.page_score import PageScore, score
from digitlab.evaluation.pages import PageResult, PagesReport, evaluate_pages, read_truth
from digitlab.evaluation.report import EvaluationReport
from digitlab.evaluation.robustness import Kind, NoDigits, evenly

__all__ = [
    "Coverage",
    "Evaluation",
    "EvaluationReport",
    "Kind",
    "NoDigits",
    "PageResult",
    "PageScore",
    "PagesReport",
    "Selection",
    "auroc",
    "calibration_error",
    "evaluate",
    "evaluate_pages",
    "evaluate_predictions",
    "evaluate_split",
    "evenly",
    "load_data_of",
    "read_truth",
    "score",
    "wilson_interval",
]
