"""Augmentation moves, turns, bends and thickens as asked, the same for whoever asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from digitlab.config import AugmentConfig
from digitlab.data import load_dataset
from digitlab.data.augment import augment
from digitlab.data.dataset import Images

OFF = AugmentConfig()
KINDS = {"shift": 2, "rotation": 15.0, "scale": 0.2, "shear": 15.0, "elastic": 2.0, "stroke": 0.5}
SAMPLES = np.arange(200)


@pytest.fixture(scope="module")
def digits() -> Images:
    return load_dataset("mnist").splits["test"].images[:200]


def centres(images: Images) -> Any:
    """Return the centre of mass of each image, rows and columns."""
    mass = images.astype(float)
    total = mass.sum((1, 2))
    rows, columns = np.mgrid[0:28, 0:28]
    return np.stack([(mass * rows).sum((1, 2)), (mass * columns).sum((1, 2))]) / total


def test_nothing_asked_is_nothing_done(digits: Images) -> None:
    assert augment(digits, SAMPLES, 0, 1, OFF) is digits


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_images_and_keeps_them_legible(digits: Images, kind: str) -> None:
    varied = augment(digits, SAMPLES, 0, 1, replace(OFF, **{kind: KINDS[kind]}))
    assert varied.dtype == np.uint8
    assert varied.shape == digits.shape
    changed = [not np.array_equal(a, b) for a, b in zip(digits, varied, strict=True)]
    assert np.mean(changed) > 0.9
    ink = varied.sum((1, 2)) / digits.sum((1, 2))
    assert ink.min() > 0.4
    assert ink.max() < 2.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_varied_the_same_alone_or_in_any_company(digits: Images, kind: str) -> None:
    strength = replace(OFF, **{kind: KINDS[kind]})
    whole = augment(digits, SAMPLES, 3, 1, strength)
    order = np.random.default_rng(0).permutation(200)
    shuffled = augment(digits[order], SAMPLES[order], 3, 1, strength)
    assert np.array_equal(shuffled, whole[order])
    assert np.array_equal(augment(digits[7:8], SAMPLES[7:8], 3, 1, strength)[0], whole[7])


def test_epoch_and_seed_vary_it(digits: Images) -> None:
    strength = replace(OFF, rotation=20.0)
    first = augment(digits, SAMPLES, 0, 1, strength)
    for epoch, seed in ((1, 1), (0, 2)):
        other = augment(digits, SAMPLES, epoch, seed, strength)
        assert not np.array_equal(first, other)


def test_a_shift_moves_by_whole_pixels_and_no_further(digits: Images) -> None:
    plain = np.zeros((200, 28, 28), np.uint8)
    plain[:, 8:20, 8:20] = digits[:, 8:20, 8:20]
    moved = augment(plain, SAMPLES, 0, 1, replace(OFF, shift=2))
    steps = centres(moved) - centres(plain)
    assert np.allclose(steps, np.rint(steps), atol=1e-9)
    assert set(np.rint(steps).ravel().astype(int)) == {-2, -1, 0, 1, 2}
    assert np.array_equal(moved.sum((1, 2)), plain.sum((1, 2)))


def test_with_a_warp_the_shift_is_the_same(digits: Images) -> None:
    both = augment(digits, SAMPLES, 0, 1, replace(OFF, shift=3, rotation=0.001))
    alone = augment(digits, SAMPLES, 0, 1, replace(OFF, shift=3))
    assert np.abs(centres(both) - centres(alone)).max() < 0.1


def test_rotation_turns_up_to_the_angle_both_ways() -> None:
    line = np.zeros((200, 28, 28), np.uint8)
    line[:, 13:15, 4:24] = 255
    turned = augment(line, SAMPLES, 0, 1, replace(OFF, rotation=30.0))
    rows, columns = np.mgrid[0:28, 0:28] - 13.5
    mass = turned.astype(float)
    angles = np.degrees(
        0.5
        * np.arctan2(
            2 * (mass * rows * columns).sum((1, 2)),
            (mass * (columns**2 - rows**2)).sum((1, 2)),
        )
    )
    assert np.abs(angles).max() < 31
    assert angles.min() < -25
    assert angles.max() > 25


def test_scale_grows_and_shrinks_about_the_centre(digits: Images) -> None:
    square = np.zeros((200, 28, 28), np.uint8)
    square[:, 9:19, 9:19] = 255
    scaled = augment(square, SAMPLES, 0, 1, replace(OFF, scale=0.3))
    sides = np.sqrt(scaled.sum((1, 2)) / 255)
    assert sides.min() < 7.5
    assert 12.5 < sides.max() < 13.5
    assert np.abs(centres(scaled) - 13.5).max() < 0.2


def test_stroke_thickens_and_thins(digits: Images) -> None:
    varied = augment(digits, SAMPLES, 0, 1, replace(OFF, stroke=1.0))
    ink = varied.sum((1, 2)) / digits.sum((1, 2))
    assert np.mean(ink > 1.2) > 0.2
    assert np.mean(ink < 0.8) > 0.2
