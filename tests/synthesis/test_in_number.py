"""Digits in their places in numbers: a function of (seed, epoch, sample), framed, truthful."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlab.chance import Draws
from digitlab.data import load_dataset
from digitlab.data.dataset import Split
from digitlab.preparation.glyph import framed, greys, ink_box
from digitlab.reading.model_file import SECOND_MODEL
from digitlab.reading.recogniser import Recogniser
from digitlab.recipe_files import load_recipe
from digitlab.synthesis.drawings import drawn_other
from digitlab.synthesis.hands import NO_DIGIT
from digitlab.synthesis.handwriting import vary

RECIPE = load_recipe("in-number").handwriting
QUIET = replace(RECIPE, no_digit=0, drawn=0, styles=0, pen=0, spoil=0)
SAMPLES = np.arange(400)


@pytest.fixture(scope="module")
def train() -> Split:
    whole = load_dataset("mnist").splits["train"]
    return Split(whole.images[:3000], whole.labels[:3000])


@settings(max_examples=10)
@given(
    samples=st.lists(st.integers(0, 2999), min_size=1, max_size=6),
    epoch=st.integers(0, 50),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_picture_is_a_function_of_seed_epoch_and_sample_whoever_asks(
    train: Split, samples: list[int], epoch: int, seed: int
) -> None:
    together = vary(train, np.array(samples), epoch, seed, RECIPE)
    for at, sample in enumerate(samples):
        image, label = vary(train, np.array([sample]), epoch, seed, RECIPE)
        assert np.array_equal(image[0], together[0][at])
        assert label[0] == together[1][at]


def test_right_places_keep_their_digit_and_wrong_ones_are_none(train: Split) -> None:
    labels = vary(train, SAMPLES, 0, 1, QUIET)[1]
    assert np.array_equal(labels, train.labels[SAMPLES])
    labels = vary(train, SAMPLES, 0, 1, replace(QUIET, no_digit=0.5))[1]
    wrong = labels == NO_DIGIT
    assert 0.35 < wrong.mean() < 0.55  # a part of a slim digit is like the whole
    assert np.array_equal(labels[~wrong], train.labels[SAMPLES][~wrong])


def test_a_digit_is_in_the_middle_and_its_neighbours_are_around_it(train: Split) -> None:
    images = vary(train, SAMPLES, 0, 1, QUIET)[0]
    assert images.shape == (400, 28, 28)
    middle = images[:, 4:24, 4:24].max(axis=(1, 2))
    assert (middle > 200).all()
    sides = np.concatenate([images[:, :, :3], images[:, :, -3:]], axis=2).max(axis=(1, 2))
    assert 0.5 < (sides > 100).mean() < 0.8  # a number has one to three digits
    rows = images[:, :, 10:18].max(axis=2) > 60
    assert np.median(rows.sum(axis=1)) in range(18, 24)


def test_so_it_is_whatever_a_camera_left_of_it(train: Split) -> None:
    images = vary(train, SAMPLES, 0, 1, replace(RECIPE, no_digit=0))[0]
    middle = images[:, 4:24, 4:24].max(axis=(1, 2))
    assert (middle > 150).mean() > 0.99
    rows = images[:, :, 8:20].max(axis=2) > 60
    assert np.quantile(rows.sum(axis=1), 0.05) >= 14  # few pixels are shown as large as many


def test_the_second_model_takes_letters_for_no_digits() -> None:
    letters = []
    for at in range(300):
        ink = drawn_other(Draws(np.random.default_rng(at).random(400).tolist()))
        letters.append(greys(framed(ink, ink_box(ink))))
    told = Recogniser(SECOND_MODEL).probabilities(np.stack(letters), prepared=True)
    assert (told.argmax(axis=1) == NO_DIGIT).mean() > 0.95


def test_the_second_model_tells_places_in_numbers_that_the_first_takes_for_digits() -> None:
    test = load_dataset("mnist").splits["test"]
    images, labels = vary(test, SAMPLES, 0, 1, replace(QUIET, no_digit=0.5))
    wrong = labels == NO_DIGIT
    second, first = (
        model.probabilities(images, prepared=True)
        for model in (Recogniser(SECOND_MODEL), Recogniser())
    )
    told = second.argmax(axis=1) == labels
    assert told[wrong].mean() > 0.9
    assert told[~wrong].mean() > 0.9
    assert (first.argmax(axis=1) == labels).mean() < told.mean() - 0.1


@settings(max_examples=60)
@given(
    box=st.tuples(*[st.integers(-40, 80)] * 2, *[st.integers(1, 60)] * 2),
    side=st.sampled_from((28, 64)),
)
def test_what_a_frame_shows_is_what_is_there(box: tuple[int, int, int, int], side: int) -> None:
    ink = np.zeros((50, 70), np.float32)
    x, y, width, height = box
    ink[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = 1
    shown = framed(ink, box, side)
    assert shown.shape == (side, side)
    assert shown.dtype == np.float32
    assert 0 <= shown.min() <= shown.max() <= 1 + 1e-5
    if x >= 0 and y >= 0 and x + width <= 70 and y + height <= 50 and max(width, height) >= 10:
        inked = shown > 0.5 * shown.max()
        columns, rows = inked.any(axis=0), inked.any(axis=1)
        longer, full = max(columns.sum(), rows.sum()), side * 20 / 28
        assert abs(longer - full) <= 0.1 * full + 1
        for along, across in ((columns, width), (rows, height)):
            found = np.flatnonzero(along)
            if len(found) and across >= 4:
                assert abs((found[0] + found[-1]) / 2 - (side - 1) / 2) <= 0.06 * side + 1
