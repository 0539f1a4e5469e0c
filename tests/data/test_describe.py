"""The description of a dataset: its figures, its table, its contact sheet."""

from __future__ import annotations

import json

import numpy as np
import pytest
from samples import digits

from digitlab.data import Dataset, Split
from digitlab.data.describe import contact_sheet_of, describe


def test_counts_values_mean_and_deviation_are_those_of_numpy() -> None:
    split = digits(25)
    found = describe(Dataset("made", {"train": split})).splits["train"]
    assert found.counts == (3, 3, 3, 3, 3, 2, 2, 2, 2, 2)
    assert (found.count, found.lowest, found.highest, found.duplicates) == (25, 0, 255, 0)
    assert found.mean == pytest.approx((split.images / 255).mean())
    assert found.deviation == pytest.approx((split.images / 255).std())


def test_duplicates_within_and_between_splits_are_counted() -> None:
    train, test = digits(20), digits(10, 1)
    train.images[5] = train.images[6] = train.images[0]
    test.images[:2] = train.images[0]
    test.images[2] = train.images[9]
    description = describe(Dataset("made", {"train": train, "test": test}))
    assert description.splits["train"].duplicates == 2
    assert description.splits["test"].duplicates == 1
    assert description.shared == {("train", "test"): 3}


def test_an_empty_split_is_described() -> None:
    found = describe(Dataset("made", {"train": digits(0)})).splits["train"]
    assert (found.count, found.lowest, found.highest, found.mean) == (0, 0, 0, 0)


def test_json_holds_every_figure_and_the_warnings() -> None:
    dataset = Dataset("made", {"train": digits(20), "test": digits(10, 1)}, ("look out",))
    found = json.loads(json.dumps(describe(dataset).to_json()))
    assert found["source"] == "made"
    assert found["splits"]["test"]["counts"] == [1] * 10
    assert found["shared"] == {"train and test": 0}
    assert found["warnings"] == ["look out"]


def test_the_table_has_aligned_columns_and_the_warnings() -> None:
    dataset = Dataset("made", {"train": digits(20), "test": digits(10, 1)}, ("look out",))
    lines = describe(dataset).to_text().splitlines()
    table = lines[2:18]
    assert len({len(line) for line in table}) == 1
    assert table[0].split() == ["train", "test"]
    assert "images of test that are in train, too: 0" in lines
    assert lines[-1] == "warning: look out"


def test_the_contact_sheet_has_a_row_a_digit() -> None:
    split = digits(40)
    few = Split(split.images[split.labels != 3], split.labels[split.labels != 3])
    sheet = np.asarray(contact_sheet_of(Dataset("made", {"test": few}), columns=20, scale=1))
    full = np.asarray(contact_sheet_of(Dataset("made", {"test": split}), columns=19, scale=1))
    assert sheet.shape[0] == full.shape[0]
    assert sheet.shape[1] > full.shape[1]
    blackest = np.flatnonzero((sheet == 0).all(axis=2).sum(axis=1) > sheet.shape[1] / 3)
    rows = np.split(blackest, np.flatnonzero(np.diff(blackest) > 10) + 1)
    black = np.array([(sheet[row] == 0).sum() for row in rows])
    assert len(black) == 10
    assert black.argmax() == 3
