"""Figures of an evaluation: against counts by hand and published formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.evaluation import calibration_error, evaluate_predictions, wilson_interval

LABELS = np.array([0, 0, 0, 1, 1, 9])
ANSWERS = np.array([0, 0, 1, 1, 2, 9])


def test_accuracy_and_confusions_are_counted() -> None:
    evaluation = evaluate_predictions(LABELS, ANSWERS)
    assert (evaluation.count, evaluation.errors, evaluation.accuracy) == (6, 2, 4 / 6)
    expected = np.zeros((10, 10), np.int64)
    expected[0, 0], expected[0, 1], expected[1, 1], expected[1, 2], expected[9, 9] = 2, 1, 1, 1, 1
    assert np.array_equal(evaluation.confusion_matrix, expected)
    assert evaluation.confusion_matrix.dtype == np.int64


def test_precision_and_recall_are_null_where_they_are_not_defined() -> None:
    evaluation = evaluate_predictions(LABELS, ANSWERS)
    assert evaluation.precision[:4] == (1.0, 0.5, 0.0, None)
    assert evaluation.recall[:4] == (2 / 3, 0.5, None, None)
    assert "NaN" not in json.dumps(evaluation.to_json())


def test_the_interval_is_wilsons() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_interval(20, 20) == pytest.approx((0.8389, 1), abs=5e-5)


@given(st.integers(1, 10_000), st.data())
def test_the_interval_holds_the_fraction(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


def test_calibration_error_weighs_bins_by_their_count() -> None:
    confidences = np.array([0.99, 0.99, 0.99, 0.99, 0.51, 0.51])
    right = np.array([True, True, True, False, True, False])
    expected = (4 * abs(0.75 - 0.99) + 2 * abs(0.5 - 0.51)) / 6
    assert calibration_error(confidences, right) == pytest.approx(expected)


def test_a_confidence_on_an_edge_falls_into_the_lower_bin() -> None:
    confidences = np.array([1.0, 14 / 15 - 1e-9, 0.0, 0.03])
    right = np.array([True, False, True, False])
    expected = (0 + 14 / 15 + (1 - 0.03)) / 4
    assert calibration_error(confidences, right) == pytest.approx(expected)


def test_certain_and_right_is_calibrated() -> None:
    assert calibration_error(np.ones(5), np.ones(5, bool)) == 0


def test_the_confidence_is_that_of_the_answer_among_eleven() -> None:
    probabilities = np.zeros((2, 11), np.float32)
    probabilities[:, 10] = 0.6
    probabilities[:, 3] = 0.4
    evaluation = evaluate_predictions(np.array([3, 3]), np.array([3, 3]), probabilities)
    assert evaluation.calibration_error == pytest.approx(0.6)
    assert evaluation.accuracy == 1


def test_without_probabilities_there_is_no_calibration_error() -> None:
    evaluation = evaluate_predictions(LABELS, ANSWERS)
    assert evaluation.to_json()["calibration_error"] is None
    assert "calibration" not in evaluation.to_text()


def test_without_samples_nothing_is_defined() -> None:
    none = np.zeros(0, np.int64)
    evaluation = evaluate_predictions(none, none, np.zeros((0, 10)))
    assert evaluation.to_json()["accuracy"] is None
    assert evaluation.to_json()["accuracy_interval_95"] is None
    assert evaluation.calibration_error is None
    assert evaluation.to_text() == "no samples"


def test_the_text_is_a_table_with_a_row_for_each_digit() -> None:
    probabilities = np.eye(10)[ANSWERS]
    lines = evaluate_predictions(LABELS, ANSWERS, probabilities).to_text().splitlines()
    assert lines[0].split()[:2] == ["accuracy", "66.67"]
    assert lines[2].split() == ["calibration", "error", "33.33", "%"]
    assert lines[5].split() == ["0", "100.00", "%", "66.67", "%", "2", "1", *["·"] * 8]
    assert lines[7].split()[:4] == ["2", "0.00", "%", "-"]
    assert len({len(line) for line in lines[4:]}) == 1
    assert max(map(len, lines)) <= 100
