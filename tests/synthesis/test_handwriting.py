"""Other hands: a function of (seed, epoch, sample) alone, prepared as what is read, truthful."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab.config import HandwritingConfig
from digitlab.data import load_dataset
from digitlab.data.dataset import Split
from digitlab.preparation import normalise
from digitlab.recipe_files import load_recipe
from digitlab.synthesis.handwriting import NO_DIGIT, vary

PHOTO = load_recipe("photo").handwriting
QUIET = replace(PHOTO, no_digit=0, drawn=0, styles=0, pen=0, spoil=0)


@pytest.fixture(scope="module")
def train() -> Split:
    whole = load_dataset("mnist").splits["train"]
    return Split(whole.images[:3000], whole.labels[:3000])


@settings(max_examples=20)
@given(
    samples=st.lists(st.integers(0, 2999), min_size=1, max_size=12),
    epoch=st.integers(0, 50),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_picture_is_a_function_of_seed_epoch_and_sample_whoever_asks(
    train: Split, samples: list[int], epoch: int, seed: int
) -> None:
    together = vary(train, np.array(samples), epoch, seed, PHOTO)
    for at, sample in enumerate(samples):
        image, label = vary(train, np.array([sample]), epoch, seed, PHOTO)
        assert np.array_equal(image[0], together[0][at])
        assert label[0] == together[1][at]


def test_another_epoch_and_another_seed_give_other_pictures(train: Split) -> None:
    samples = np.arange(50)
    first = vary(train, samples, 0, 1, PHOTO)[0]
    for other in (vary(train, samples, 1, 1, PHOTO)[0], vary(train, samples, 0, 2, PHOTO)[0]):
        assert sum(np.array_equal(a, b) for a, b in zip(first, other, strict=True)) <= 2


def test_no_digits_are_as_many_as_asked_for_and_all_others_keep_their_label(train: Split) -> None:
    samples = np.arange(1000)
    labels = vary(train, samples, 0, 1, replace(QUIET, no_digit=0.2))[1]
    turned = labels == NO_DIGIT
    assert 0.17 < turned.mean() < 0.23
    assert np.array_equal(labels[~turned], train.labels[:1000][~turned])
    assert np.array_equal(vary(train, samples[:300], 0, 1, QUIET)[1], train.labels[:300])


def test_with_everything_off_it_is_the_preparation_that_reads(train: Split) -> None:
    still = HandwritingConfig(styles=1e-12)
    images = vary(train, np.arange(100), 0, 1, still)[0].astype(int)
    alike = [
        np.corrcoef(normalise(plain.astype("f4") / 255).ravel(), image.ravel())[0, 1]
        for plain, image in zip(train.images, images, strict=False)
    ]
    assert np.median(alike) > 0.93


def test_every_setting_changes_pictures(train: Split) -> None:
    samples = np.arange(60)
    still = HandwritingConfig(styles=1e-12)
    before = vary(train, samples, 0, 1, still)[0]
    for name in ("no_digit", "drawn", "styles", "rotation", "slant", "stretch", "bend", "pen"):
        changed = vary(train, samples, 0, 1, replace(still, **{name: getattr(PHOTO, name)}))[0]
        assert not np.array_equal(before, changed), name
    assert not np.array_equal(before, vary(train, samples, 0, 1, replace(still, spoil=1))[0])


@settings(max_examples=10)
@given(value=st.sampled_from([0, 1, 40, 255]), epoch=st.integers(0, 5))
def test_blank_faint_and_full_images_are_survived(value: int, epoch: int) -> None:
    split = Split(np.full((40, 28, 28), value, np.uint8), np.arange(40) % 10)
    images, labels = vary(split, np.arange(40), epoch, 1, PHOTO)
    assert images.shape == (40, 28, 28)
    assert set(labels.tolist()) <= set(range(11))


def test_a_pixel_is_survived_by_every_style() -> None:
    images = np.zeros((400, 28, 28), np.uint8)
    images[np.arange(400), np.arange(400) % 28, np.arange(400) // 28] = 255
    split = Split(images, np.arange(400) % 10)
    assert vary(split, np.arange(400), 0, 1, replace(PHOTO, styles=1, drawn=0))[0].any()
