"""Accuracy over coverage, refusals and AUROC: against counts by hand and by brute force."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from digitlab.drawing import PALE
from digitlab.evaluation import auroc
from digitlab.evaluation.coverage import REJECTS, Coverage, coverage_of, errors_by_confidence
from digitlab.evaluation.coverage_chart import draw_chart
from digitlab.evaluation.figures import evaluate_predictions
from digitlab.evaluation.robustness import Kind, evenly
from digitlab.reading.refusal import refused

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Few values, so that many are equal.
CONFIDENCES = arrays.arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([0.2, 0.5, 1]))


def certain(confidence: float, no_digit: float = 0.0) -> list[float]:
    """Return eleven probabilities, the first of which is the highest of ten."""
    rest = (1 - confidence - no_digit) / 9
    return [confidence, *[rest] * 9, no_digit]


def measured(confidences: Floats, right: Flags, calibrated: bool = True) -> Coverage:
    likely = np.array([certain(confidence) for confidence in confidences.tolist()])
    return coverage_of(likely, confidences, right, calibrated)


@given(CONFIDENCES, st.data())
def test_the_order_of_samples_does_not_matter(confidences: Floats, data: st.DataObject) -> None:
    flags = arrays.arrays(np.bool_, len(confidences))
    right = data.draw(flags)
    order = data.draw(st.permutations(range(len(right))))
    errors = errors_by_confidence(confidences, right)
    assert np.allclose(errors, errors_by_confidence(confidences[order], right[order]))
    assert errors[-1] == pytest.approx((~right).sum())
    assert (np.diff(np.append(0, errors)) > -1e-12).all()


@given(st.permutations(range(1, 31)), st.data())
def test_errors_are_those_of_the_most_confident(ranks: list[int], data: st.DataObject) -> None:
    confidences = np.array(ranks) / 30
    right = data.draw(arrays.arrays(np.bool_, 30))
    errors = errors_by_confidence(confidences, right)
    for most in range(1, 31):
        chosen = np.argsort(-confidences)[:most]
        assert errors[most - 1] == pytest.approx((~right[chosen]).sum())


def test_accuracy_over_coverage_and_its_area_are_counted() -> None:
    confidences = np.array([0.9, 0.8, 0.7, 0.6])
    right = np.array([True, True, False, True])
    coverage = measured(confidences, right)
    shown = coverage.to_json()["accuracy_at"]
    assert shown[0] == {"coverage": 0.5, "accuracy": 1.0}
    assert shown[1]["accuracy"] == pytest.approx(2 / 3)  # 80 % of four are three
    assert shown[-1] == {"coverage": 1.0, "accuracy": 0.75}
    assert coverage.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)


def test_equal_confidences_share_their_errors() -> None:
    coverage = measured(np.array([0.5, 0.5]), np.array([True, False]))
    assert coverage.accuracies == (0.5,) * 7


def test_what_a_rejection_reads_is_counted() -> None:
    confidences = np.array([0.9999, 0.995, 0.98, 0.95, 0.5])
    right = np.array([True, True, False, True, False])
    coverage = measured(confidences, right)
    found = [(one.reject, one.read, one.refused, one.errors) for one in coverage.selections]
    assert found == [
        (None, 5, 0, 2),
        (0.001, 1, 4, 0),
        (0.003, 1, 4, 0),
        (0.01, 2, 3, 0),
        (0.03, 3, 2, 1),
        (0.1, 4, 1, 1),
    ]
    third = coverage.selections[4]
    assert (third.coverage, third.error) == (3 / 5, 1 / 3)
    assert third.interval is not None
    assert third.interval[0] < 1 / 3 < third.interval[1]
    assert [reject for reject, *_ in found[1:]] == list(REJECTS)
    assert "--reject 0.03" in coverage.to_text()


def test_a_model_that_is_not_calibrated_has_no_rejections() -> None:
    coverage = measured(np.array([0.9, 0.5]), np.array([True, False]), calibrated=False)
    assert [one.reject for one in coverage.selections] == [None]
    assert "--reject" not in coverage.to_text()


def test_where_nothing_is_read_no_error_is_claimed() -> None:
    likely = np.array([certain(0.1, 0.8)])
    coverage = coverage_of(likely, likely[:, 0], np.array([True]), calibrated=True)
    for one in coverage.to_json()["selections"]:
        assert (one["read"], one["refused"], one["coverage"]) == (0, 1, 0.0)
        assert (one["error"], one["error_interval_95"]) == (None, None)
    assert "NaN" not in json.dumps(coverage.to_json())
    assert "nan" not in coverage.to_text()


def test_refusals_follow_no_digit_and_the_number() -> None:
    likely = np.array([certain(0.6, 0.3), certain(0.4, 0.5), certain(0.995)])
    assert refused(likely, None).tolist() == [False, True, False]
    assert refused(likely, "none").tolist() == [False, False, False]
    assert refused(likely, 0.01).tolist() == [True, True, False]
    assert refused(likely[:, :10], None).tolist() == [False, False, False]
    assert refused(likely[:0], 0.5).tolist() == []


@given(CONFIDENCES, CONFIDENCES)
def test_auroc_is_how_often_a_pair_is_in_order(positive: Floats, negative: Floats) -> None:
    pairs = [(one > other) + (one == other) / 2 for one in positive for other in negative]
    assert auroc(positive, negative) == pytest.approx(np.mean(pairs))
    assert auroc(positive, negative) + auroc(negative, positive) == pytest.approx(1)


@given(st.integers(1, 10_000), st.integers(1, 700))
def test_even_choices_are_distinct_and_reach_both_ends(count: int, wanted: int) -> None:
    chosen = evenly(count, wanted)
    assert len(np.unique(chosen)) == len(chosen) == min(count, wanted)
    assert chosen[0] == 0
    assert chosen[-1] < count
    assert wanted == 1 or chosen[-1] == count - 1


def kind(right: int, count: int) -> Kind:
    labels = np.zeros(count, np.int64)
    answers = np.where(np.arange(count) < right, 0, 1)
    likely = np.tile(certain(0.9), (count, 1))
    evaluation = evaluate_predictions(labels, answers, likely)
    selection = measured(np.full(count, 0.9), answers == 0).selections[0]
    return Kind("blur", evaluation, count, selection)


@settings(max_examples=30)
@given(CONFIDENCES, st.data())
def test_any_figures_can_be_drawn(confidences: Floats, data: st.DataObject) -> None:
    right = data.draw(arrays.arrays(np.bool_, len(confidences)))
    coverage = measured(confidences, right)
    alone = draw_chart(coverage)
    wrong = data.draw(st.integers(0, 9))
    both = draw_chart(coverage, [kind(9 - wrong, 9), kind(0, 1)])
    assert both.height > alone.height
    assert both.width == alone.width


def test_a_chart_shows_where_the_errors_are() -> None:
    confidences = np.linspace(1, 0.5, 100)
    late, early = np.arange(100) < 90, np.arange(100) >= 10
    first, second = (np.asarray(draw_chart(measured(confidences, one))) for one in (late, early))
    assert not np.array_equal(first, second)
    few, many = (
        np.asarray(draw_chart(measured(confidences, late), [kind(9 - wrong, 9), kind(0, 9)]))
        for wrong in (1, 8)
    )
    assert (many == PALE).all(axis=2).sum() > (few == PALE).all(axis=2).sum()
