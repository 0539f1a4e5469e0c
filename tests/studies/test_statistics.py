"""What is called a difference: known values, and studies that vary nothing but the seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.studies.statistics import compare_all, mean_interval, t_beyond, t_quantile

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


def of_odds(**variants: list[float]) -> dict[str, dict[int, float]]:
    """Return accuracies of such log odds, by seed."""
    return {
        name: {seed: 1 / (1 + math.exp(-one)) for seed, one in enumerate(odds)}
        for name, odds in variants.items()
    }


def test_two_variants_are_compared_by_the_paired_t_test_of_their_log_odds() -> None:
    # Mean 2, standard deviation 1 (of three), so t = 2 sqrt(3) = 3.464 with 2 degrees of freedom.
    (one,) = compare_all(of_odds(a=[2.0, 3.5, 3.0], b=[1.0, 1.5, 0.0]), images=10**9)
    assert one.p == pytest.approx(0.0742, abs=1e-4)
    (same,) = compare_all(of_odds(a=[1.0, 2.0], b=[1.0, 2.0]), 10_000)
    assert same.p == 1.0


def test_all_pairs_say_how_large_chance_is_and_each_comparison_counts() -> None:
    # Of 3 x 3 runs, 4 degrees of freedom. Variances of the differences: 1, 4 and 1, in the mean 2.
    odds = of_odds(a=[11.0, 12.0, 13.0], b=[1.0, 1.0, 1.0], c=[6.0, 5.0, 4.0])
    ab, ac, bc = compare_all(odds, images=10**9)
    assert ab.p == pytest.approx(3 * t_beyond(11 / math.sqrt(2 / 3), 4), rel=1e-3)
    assert ac.p == pytest.approx(3 * t_beyond(7 / math.sqrt(4 / 3), 4), rel=1e-3)  # its own
    assert bc.p == pytest.approx(3 * t_beyond(4 / math.sqrt(2 / 3), 4), rel=1e-3)


def test_a_pair_that_varies_much_more_than_all_is_judged_by_itself() -> None:
    # Of ten pairs four have a variance of 1, the others none: t = 2 sqrt(3) with 2 degrees, not 8.
    calm = {name: [0.0, 0.0, 0.0] for name in "bcde"}
    odds = of_odds(a=[2.0, 3.0, 1.0], **calm)
    found = {(one.first, one.second): one.p for one in compare_all(odds, images=10**9)}
    assert found["a", "b"] == pytest.approx(10 * 0.0742, abs=1e-3)


def test_differences_that_are_equal_by_chance_are_not_certain() -> None:
    accuracies = {"a": {1: 0.9851, 2: 0.9851}, "b": {1: 0.985, 2: 0.985}}
    (coarse,) = compare_all(accuracies, images=10_000)
    assert coarse.p is not None
    assert coarse.p > 0.05
    (fine,) = compare_all(accuracies, images=10_000_000)
    assert fine.p is not None
    assert fine.p < 0.001


@given(
    st.lists(
        st.dictionaries(st.integers(0, 5), st.floats(0, 1), max_size=5), min_size=2, max_size=6
    )
)
def test_any_accuracies_have_comparisons(variants: list[dict[int, float]]) -> None:
    found = compare_all({str(place): one for place, one in enumerate(variants)}, 10_000)
    assert len(found) == len(variants) * (len(variants) - 1) // 2
    for one in found:
        assert (one.p is None) == (len(one.seeds) < 2)
        assert one.p is None or 0 <= one.p <= 1
        assert one.larger_than_chance == (None if one.p is None else one.p < 0.05)


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
    (found,) = compare_all({"one": {1: 0.5}, "other": {1: 0.9}}, 10_000)
    assert (found.difference, found.p, found.larger_than_chance) == (-0.4, None, None)


def test_only_seeds_of_both_are_compared() -> None:
    (found,) = compare_all({"one": {1: 0.5, 2: 0.6}, "other": {2: 0.6, 3: 0.7}}, 10_000)
    assert (found.seeds, found.differences, found.p) == ((2,), (0.0,), None)
    (none,) = compare_all({"one": {1: 0.5}, "other": {}}, 10_000)
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


@pytest.mark.parametrize("seeds", [3, 5])
def test_variants_that_vary_much_are_not_judged_by_those_that_vary_little(seeds: int) -> None:
    """Of seven, two are alike and vary four times as much as the others, which all differ."""
    studies = 600
    chance = np.random.default_rng(seeds)
    odds = np.array([2.2, 2.2, 3.2, 3.5, 3.7, 3.9, 4.2])[:, None]
    deviations = np.array([0.16, 0.16, *[0.04] * 5])[:, None]
    wrong = 0
    for _ in range(studies):
        drawn = np.round(1 / (1 + np.exp(-chance.normal(odds, deviations, (7, seeds)))), 4)
        accuracies = {str(place): dict(enumerate(row)) for place, row in enumerate(drawn.tolist())}
        wrong += compare_all(accuracies, 10_000)[0].larger_than_chance is True
    assert wrong <= studies * 0.05 + 3 * math.sqrt(studies * 0.05 * 0.95)


def test_seven_variants_with_three_seeds_are_enough_for_differences_of_points() -> None:
    """As the optimizers of the course gave them: a few points are more than chance, tenths not."""
    found = compare_all(
        {
            "sgd at 0.01": {1: 0.8725, 2: 0.8896, 3: 0.8572},
            "momentum": {1: 0.9592, 2: 0.9587, 3: 0.9580},
            "adagrad": {1: 0.9633, 2: 0.9657, 3: 0.9649},
            "adam": {1: 0.9664, 2: 0.9762, 3: 0.9711},
            "sgd": {1: 0.9579, 2: 0.9601, 3: 0.9596},
            "momentum at its best": {1: 0.9693, 2: 0.9759, 3: 0.9722},
            "adagrad at its best": {1: 0.9626, 2: 0.9717, 3: 0.9684},
        },
        10_000,
    )
    verdicts = {(one.first, one.second): one.larger_than_chance for one in found}
    assert all(verdicts["sgd at 0.01", name] for _, name in list(verdicts)[:6])
    assert verdicts["momentum", "momentum at its best"] is True
    assert verdicts["momentum", "sgd"] is False
    assert verdicts["adagrad", "adagrad at its best"] is False
