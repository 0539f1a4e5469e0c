"""The temperature: found where it is known, and honest on pictures that no network saw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab.data import load_dataset
from digitlab.data.dataset import Split
from digitlab.training.calibrate import best_temperature, photographed


@settings(max_examples=20)  # one finds a temperature by 120 passes over 44,000 logits
@given(truth=st.floats(0.3, 4), seed=st.integers(0, 1000))
def test_the_temperature_that_made_the_labels_is_found(truth: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    honest = random.normal(0, 2, (4000, 11))
    chances = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    assert best_temperature(honest * truth, labels) == pytest.approx(truth, rel=0.15)


@pytest.mark.parametrize("count", [1, 10, 1000])
@pytest.mark.parametrize("scale", [1e-3, 10, 1e30])
def test_answers_that_are_always_right_become_as_certain_as_they_are_many(
    count: int, scale: float
) -> None:
    labels = np.arange(count) % 10
    logits = scale * np.eye(10)[labels]
    scores = np.exp(logits[0] / best_temperature(logits, labels))
    # As with one image more, to which each of ten answers is as likely.
    assert scores.max() / scores.sum() == pytest.approx((count + 0.1) / (count + 1), abs=1e-5)


def test_what_all_logits_have_in_common_changes_nothing() -> None:
    labels = np.arange(100) % 10
    logits = np.random.default_rng(1).normal(0, 2, (100, 10)) + 5 * np.eye(10)[labels]
    assert best_temperature(logits + 1e6, labels) == pytest.approx(best_temperature(logits, labels))


def test_logits_that_say_nothing_stay_as_they_are() -> None:
    assert best_temperature(np.full((10, 10), 3.0), np.arange(10)) == 1


def test_what_is_always_wrong_is_unsure_and_keeps_its_answers() -> None:
    logits = np.random.default_rng(1).normal(0, 0.01, (10_000, 10)).astype(np.float32)
    temperature = best_temperature(logits, logits.argmin(axis=1))
    scores = np.exp(logits.astype(np.float64) / temperature)
    likely = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    assert np.array_equal(likely.argmax(axis=1), logits.argmax(axis=1))
    assert likely.max() < 0.12


def test_pictures_are_of_the_split_and_always_the_same() -> None:
    whole = load_dataset("mnist").splits["valid"]
    split = Split(whole.images[:30], whole.labels[:30])
    images, labels, disturbed = photographed(split, 24, seed=5, version="3")
    assert len(images) == len(labels) >= 22
    assert images.any(axis=(1, 2)).all()
    assert len(disturbed) == len(images)
    assert 0 < disturbed.sum() < len(disturbed)
    assert not photographed(split, 24, seed=5, version="2")[2].any()
    again, *_ = photographed(split, 24, seed=5, version="3")
    assert np.array_equal(images, again)
    heard: list[tuple[int, int]] = []
    other, *_ = photographed(split, 24, seed=6, progress=lambda *told: heard.append(told))
    assert heard == [(done, 24) for done in range(1, 25)]
    assert not np.array_equal(images[:20], other[:20])


def test_blank_and_faint_images_are_no_obstacle() -> None:
    images = np.zeros((6, 28, 28), np.uint8)
    images[3, 5:20, 12:15], images[4, 5:20, 12:15] = 30, 255
    found, labels, _ = photographed(Split(images, np.arange(6)), 48, seed=1)
    assert len(found) == len(labels) > 40
    assert set(labels.tolist()) == {4}
    assert len(photographed(Split(images[:3], np.arange(3)), 48, seed=1)[0]) == 0
