"""What is called a difference: known values, and studies that vary nothing but the seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.studies.statistics import (
    compare_all,
    holm,
    mean_interval,
    paired_p,
    t_beyond,
    t_quantile,
)

# From the usual tables of Student's t: two-sided 5 %, and for some degrees 1 % and 0.1 %.
TABLE = [
    (1, 0.05, 12.706), (2, 0.05, 4.303), (3, 0.05, 3.182), (4, 0.05, 2.776), (5, 0.05, 2.571),
    (6, 0.05, 2.447), (7, 0.05, 2.365), (9, 0.05, 2.262), (10, 0.05, 2.228), (29, 0.05, 2.045),
    (30, 0.05, 2.042), (120, 0.05, 1.980), (2, 0.01, 9.925), (5, 0.01, 4.032), (4, 0.001, 8.610),
]  # fmt: skip


@pytest.mark.parametrize(("freedom", "beyond", "t"), TABLE)
def test_students_t_is_that_of_the_tables(freedom: int, beyond: float, t: float) -> None:
    assert t_quantile(1 - beyond, freedom) == pytest.approx(t, abs=6e-4)
    assert t_beyond(t, freedom) == pytest.approx(beyond, rel=2e-3)
    assert t_beyond(0.0, freedom) == 1


@given(st.integers(1, 60), st.floats(0, 1e9))
def test_the_probability_is_one_and_shrinks_with_t(freedom: int, t: float) -> None:
    assert 0 <= t_beyond(2 * t, freedom) <= t_beyond(t, freedom) + 1e-12 <= 1 + 1e-12


@pytest.mark.parametrize(
    ("values", "corrected"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 x 0.01, 2 x 0.03, and not less after that
        ([0.5, 0.9, 0.001], [1.0, 1.0, 0.003]),
    ],
)
def test_holm_corrects_for_how_many_are_compared(
    values: list[float], corrected: list[float]
) -> None:
    assert holm(values) == pytest.approx(corrected)


def test_a_paired_test_is_of_the_differences() -> None:
    # Mean 2, standard deviation 1 (of three), so t = 2 sqrt(3) = 3.464 with 2 degrees of freedom.
    assert paired_p([1.0, 2.0, 3.0]) == pytest.approx(0.0742, abs=1e-4)
    assert paired_p([0.5]) is None
    assert paired_p([0.0, 0.0]) == 1.0


def test_differences_that_are_equal_by_chance_are_not_certain() -> None:
    p = paired_p([0.0001, 0.0001], images=10_000)
    assert p is not None
    assert p > 0.05
    more_finely = paired_p([0.0001, 0.0001], images=10_000_000)
    assert more_finely is not None
    assert more_finely < 0.001


def test_an_interval_of_a_mean_is_by_t_and_within_0_and_1() -> None:
    interval = mean_interval([0.90, 0.92])
    assert interval is not None
    low, high = interval
    # The standard deviation of two is their distance / sqrt(2): here 0.01 x 12.706 either way.
    assert (low, high) == (pytest.approx(0.91 - 0.12706, abs=1e-5), 1.0)
    assert mean_interval([0.9]) is None


def test_what_differs_clearly_is_told_from_what_does_not() -> None:
    accuracies = {
        "worse": {1: 0.910, 2: 0.914, 3: 0.911},
        "better": {1: 0.980, 2: 0.983, 3: 0.981},
        "as good": {1: 0.982, 2: 0.980, 3: 0.9815},
    }
    found = {(one.first, one.second): one for one in compare_all(accuracies, 10_000)}
    assert found["worse", "better"].larger_than_chance is True
    assert found["worse", "better"].difference == pytest.approx(-0.0697, abs=1e-4)
    assert found["better", "as good"].larger_than_chance is False
    assert found["worse", "better"].seeds == (1, 2, 3)


def test_with_one_seed_nothing_is_said_about_chance() -> None:
    (found,) = compare_all({"one": {1: 0.5}, "other": {1: 0.9}})
    assert (found.difference, found.p, found.larger_than_chance) == (-0.4, None, None)


def test_only_seeds_of_both_are_compared() -> None:
    (found,) = compare_all({"one": {1: 0.5, 2: 0.6}, "other": {2: 0.6, 3: 0.7}})
    assert (found.seeds, found.differences, found.p) == ((2,), (0.0,), None)
    (none,) = compare_all({"one": {1: 0.5}, "other": {}})
    assert (none.difference, none.larger_than_chance) == (None, None)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("variants", [2, 3, 8])
def test_where_nothing_but_the_seed_varies_no_difference_is_claimed(
    variants: int, seeds: int
) -> None:
    """Rounded as accuracies of 10,000 images are, and as far apart as those of one recipe."""
    studies = 1500
    chance = np.random.default_rng(100 * variants + seeds)
    drawn = np.round(chance.normal(0.985, 0.001, (studies, variants, seeds)), 4)
    wrong = sum(
        any(
            one.larger_than_chance
            for one in compare_all(
                {str(place): dict(enumerate(row)) for place, row in enumerate(study)}, 10_000
            )
        )
        for study in drawn.tolist()
    )
    # 5 % may be wrong; three standard deviations of counting them are allowed for.
    assert wrong <= studies * 0.05 + 3 * math.sqrt(studies * 0.05 * 0.95)
