"""The records of a run go on without a gap when another worker has to write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from digitlab.training.metrics import read_metrics
from digitlab.training.records import Records
from digitlab.training.reporters import quiet
from digitlab.training.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def lines_of(step: int) -> list[dict[str, Any]]:
    lines = [{"kind": "step", "step": step, "loss": step / 7}]
    return [*lines, {"kind": "epoch", "step": step}] if step % 3 == 0 else lines


def test_another_writes_on_where_the_first_was_lost(folder: RunFolder) -> None:
    leads = {"first": True, "second": False}
    first = Records(folder, quiet, lambda: leads["first"], ledger=True)
    second = Records(folder, quiet, lambda: leads["second"], ledger=True)
    first.begin(0, 0)
    first.open()
    second.open()
    for step in range(1, 12):
        if step == 8:
            first.flush()  # what comes after is not on the disk when it is lost
        if step == 10:
            leads["second"] = True
        for records in (first, second):
            if records is first and step >= 10:
                continue
            records.work(step, {"0": {"0": [step]}})
            for line in lines_of(step):
                records.write(line)
    position = second.position()
    expected = [line for step in range(1, 12) for line in lines_of(step)]
    assert list(read_metrics(folder.metrics)) == expected
    assert position["bytes"] == folder.metrics.stat().st_size
    assert [line["step"] for line in read_metrics(folder.ledger)] == list(range(1, 12))
    # The first was only stopped: it wakes, and what it still had goes nowhere.
    first.write({"kind": "step", "step": 9, "loss": 0.0})
    first.flush()
    second.flush()
    assert list(read_metrics(folder.metrics)) == expected


def test_a_newcomer_knows_the_lines_that_were_not_written_yet(folder: RunFolder) -> None:
    first = Records(folder, quiet, lambda: True, ledger=False)
    first.begin(0, 0)
    first.open()
    for step in range(1, 4):
        first.write({"kind": "step", "step": step})
    newcomer = Records(folder, quiet, lambda: True, ledger=False)
    newcomer.remember(json.loads(json.dumps(first.recent())), 3)
    newcomer.open()
    newcomer.write({"kind": "step", "step": 4})
    newcomer.flush()
    assert [line["step"] for line in read_metrics(folder.metrics)] == [1, 2, 3, 4]


def test_a_ledger_of_a_resumed_run_holds_no_step_twice(folder: RunFolder) -> None:
    first = Records(folder, quiet, lambda: True, ledger=True)
    first.begin(0, 0)
    first.open()
    for step in range(1, 6):
        first.work(step, {"0": {"0": [step]}})
    first.close()
    resumed = Records(folder, quiet, lambda: True, ledger=True)
    resumed.begin(0, 3)
    resumed.open()
    resumed.work(4, {"1": {"0": [4]}})
    resumed.close()
    assert [line["step"] for line in read_metrics(folder.ledger)] == [1, 2, 3, 4]


def test_who_takes_over_from_one_lost_at_once_leaves_no_step_of_the_sitting_before(
    folder: RunFolder,
) -> None:
    before = Records(folder, quiet, lambda: True, ledger=True)
    before.begin(0, 0)
    before.open()
    for step in range(1, 6):
        before.work(step, {"0": {"0": [step]}})
        before.write({"kind": "step", "step": step})
    before.close()
    lost = Records(folder, quiet, lambda: True, ledger=True)
    lost.begin(len(folder.metrics.read_bytes()) // 2, 2)  # and then it is stopped
    second = Records(folder, quiet, lambda: True, ledger=True)
    second.remember(lost.recent(), 2)
    second.open()
    for step in (3, 4):
        second.work(step, {"1": {"0": [step]}})
        second.write({"kind": "step", "step": step})
    lost.close()
    second.close()
    for path in (folder.metrics, folder.ledger):
        assert [line["step"] for line in read_metrics(path)] == [1, 2, 3, 4]
