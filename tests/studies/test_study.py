"""What is made of the figures of runs: means, intervals, tables, and what is left to wait for."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from digitlab.config import Recipe
from digitlab.data.dataset import Split
from digitlab.studies import run_study
from digitlab.studies.answers import Answers, compared
from digitlab.studies.report import charts
from digitlab.studies.run_study import LeftOver
from digitlab.studies.study import (
    RunFigures,
    Study,
    VariantFigures,
    run_figures,
    seconds_to,
    split_in_common,
    variant_figures,
)
from digitlab.training.run_folder import RunFolder

REACHED_ALL = {"0.9": 1.0, "0.97": 2.0, "0.99": 3.0}


IMAGES = Split(np.zeros((10_000, 28, 28), np.uint8), np.zeros(10_000, np.int64))
ANSWERS = Answers("test", IMAGES, {}, {}, {})  # known are the images, not the single answers


def run(seed: int, accuracy: float, **more: Any) -> RunFigures:
    known: dict[str, Any] = {
        "test_accuracy": accuracy,
        "test_interval": (accuracy - 0.01, accuracy + 0.01),
        "valid_accuracy": accuracy - 0.1,
        "valid_loss": 0.25,
        "seconds": 2.0,
        "images_per_second": 1000.0,
        "parameters": 100,
        "epochs": 0.5,
        "seconds_to": REACHED_ALL,
    }
    return RunFigures(seed, f"runs/{seed}", None, **{**known, **more})


def variant(name: str, *runs: RunFigures, objective: str = "cross-entropy") -> VariantFigures:
    return variant_figures(name, objective, {"network.name": name}, runs, "test")


def study(*variants: VariantFigures) -> Study:
    comparisons = compared(variants, "test", ANSWERS)
    return Study("nets", "two of them", "en", None, "test", variants, comparisons)


MLP = variant("mlp", run(1, 0.90), run(2, 0.91), run(3, 0.905))
CNN = variant("cnn", run(1, 0.98), run(2, 0.985), run(3, 0.981))


def test_figures_of_a_variant_are_means_over_the_seeds() -> None:
    one = variant("x", run(1, 0.9), run(2, 0.92, seconds=4.0, seconds_to={"0.9": 3.0}))
    assert one.accuracy == pytest.approx(0.91)
    assert one.images_interval == pytest.approx((0.90, 0.92))
    assert one.seconds == 3.0
    assert one.seconds_to == {"0.9": 2.0, "0.97": None, "0.99": None}  # not by every run
    assert one.accuracy_interval is not None
    assert variant("y", run(1, 0.9)).accuracy_interval is None


def test_a_run_that_failed_counts_for_nothing_but_is_named() -> None:
    failed = RunFigures(2, "runs/2", "the loss was not finite")
    one = variant("x", run(1, 0.9), failed)
    assert (one.accuracy, one.seconds) == (0.9, 2.0)
    none = variant("y", failed)
    assert (none.accuracy, none.loss, none.parameters) == (None, None, None)
    shown = study(one, none)
    assert shown.comparisons == ()
    assert shown.to_text().endswith("y, seed 2: failed: the loss was not finite")
    assert [name for name, _ in shown.failed] == ["x", "y"]


def test_accuracies_are_of_a_split_that_all_runs_have() -> None:
    without = run(2, 0.9, test_accuracy=None)
    assert split_in_common([run(1, 0.9), without]) == "valid"
    assert split_in_common([run(1, 0.9), run(2, 0.8, valid_accuracy=None)]) == "test"
    assert split_in_common([RunFigures(1, "runs/1", "failed")]) is None
    on_valid = variant_figures("x", "cross-entropy", {}, [run(1, 0.9), without], "valid")
    assert on_valid.accuracy == pytest.approx(0.8)
    assert on_valid.images_interval is None  # which are of test images


def test_sentences_say_who_was_best_and_what_is_more_than_chance() -> None:
    worse = variant("as good", run(1, 0.981), run(2, 0.984), run(3, 0.980))
    said = study(MLP, CNN, worse).sentences()
    assert said[:2] == [
        "On the test set, cnn is the most accurate: 98.20 % on average over 3 seeds.",
        "The least accurate is mlp, with 90.50 %.",
    ]
    assert said[2] == (
        "The first to tell 90 % of the last 1,000 training images right: "
        "as good after 1.0 s, cnn after 1.0 s and mlp after 1.0 s."
    )
    above = next(one for one in said if one.startswith("cnn is above"))
    assert above == "cnn is above mlp by 7.70 points (p < 0.001): more than chance."
    unclear = next(one for one in said if one.startswith("No difference is shown between"))
    assert "cnn and as good (0.03 points, p = " in unclear
    assert unclear.endswith("with 3 seeds.")
    assert said[-1] == "Smaller differences can be told with more seeds, such as 1,2,3,4,5."


def test_with_one_seed_nothing_is_said_about_chance() -> None:
    said = study(variant("a", run(1, 0.9)), variant("b", run(1, 0.95))).sentences()
    assert "b is above a by 5.00 points; whether by chance is not known." in said
    assert said[-1].startswith("With one seed nothing can be said about chance")
    assert not any("more than chance" in one for one in said)
    other = study(variant("a", run(1, 0.9)), variant("b", run(2, 0.9))).sentences()
    assert "a and b have no seed in common, and are not compared." in other


def test_guessing_and_losses_that_do_not_compare_are_named() -> None:
    said = study(variant("lost", run(1, 0.101)), CNN).sentences()
    assert any(
        one.startswith("Near the 10 % that guessing gives") and "lost" in one for one in said
    )
    assert not any("objectives" in one for one in said)
    by_value = variant("value", run(1, 0.5), objective="square-error")
    said = study(by_value, CNN).sentences()
    assert any(one.startswith("Losses of different objectives do not compare") for one in said)


def test_variants_that_are_alike_are_named_together() -> None:
    tie = [variant(name, run(1, 0.975), run(2, 0.975)) for name in ("a", "b")]
    assert study(*tie).sentences()[0] == (
        "On the test set, a and b are the most accurate: 97.50 % each on average over 2 seeds."
    )
    assert not any("least accurate" in one for one in study(*tie).sentences())
    lost = [variant(f"v{at}", run(1, 0.0853)) for at in range(9)]
    said = study(MLP, *lost).sentences()
    assert "The least accurate are v0, v1, v2, v3, v4, v5 and 3 others, with 8.53 % each." in said


def test_means_over_other_seeds_are_said_to_be_that() -> None:
    said = study(variant("a", run(1, 0.98)), variant("b", run(1, 0.985), run(2, 0.9))).sentences()
    assert said[0] == "On the test set, a is the most accurate: 98.00 %."
    assert said[2].startswith("These means are over different seeds")
    assert "b is above a by 0.50 points; whether by chance is not known." in said


def test_with_one_seed_and_many_variants_nothing_is_counted() -> None:
    said = study(*(variant(f"v{at}", run(1, 0.9 + at / 200)) for at in range(9))).sentences()
    assert "Of 36 pairs, here are those with v8." in said
    assert said[-1].endswith("train with more, such as 1,2,3.")


def test_where_the_number_of_images_is_not_known_nothing_is_said_about_chance() -> None:
    (one,) = compared([MLP, CNN], "test", None)
    assert (one.p, one.larger_than_chance) == (None, None)
    assert one.difference == pytest.approx(-0.077)


def test_of_many_variants_those_pairs_are_said_that_have_the_best() -> None:
    many = [variant(f"v{at}", *(run(seed, 0.9 + at / 200) for seed in (1, 2))) for at in range(12)]
    said = study(*many).sentences()
    assert any(one.startswith("Pairs that differ by more than chance: 66 of 66.") for one in said)
    assert [one for one in said if one.startswith("v10 is above")] == []
    assert len([one for one in said if one.startswith("v11 is above")]) == 1


def test_many_pairs_without_a_difference_are_counted() -> None:
    alike = [variant(f"v{at}", run(1, 0.9), run(2, 0.91 + at / 1e4)) for at in range(6)]
    said = study(*alike).sentences()
    (one,) = [one for one in said if one.startswith("In 15 pairs no difference is shown")]
    assert "with 2 seeds; the largest is that of v0 and v5 (0.02 points, p = " in one


def test_a_study_speaks_chinese() -> None:
    chinese = dataclasses.replace(study(MLP, CNN), language="zh")
    said = chinese.sentences()
    assert said[0] == "在测试集上，cnn 的准确率最高：98.20 %（3 个随机种子的平均）。"
    assert any(one.startswith("cnn 高于 mlp（7.70 个百分点，p = 0.00") for one in said)
    first, *rows = chinese.to_text().splitlines()[1:4]
    assert "测试集准确率" in first
    assert len({cell_len(row.rstrip()) for row in rows}) == 1  # columns stand under each other


def test_a_table_has_a_line_a_variant() -> None:
    rows = list(csv.DictReader(io.StringIO(study(MLP, variant("y, z")).to_csv())))
    assert [row["variant"] for row in rows] == ["mlp", "y, z"]
    assert (rows[0]["seconds_to_97"], rows[0]["runs"], rows[0]["failed"]) == ("2.0", "3", "0")
    assert rows[1]["accuracy"] == ""
    text = study(MLP, CNN).to_text()
    assert "test accuracy" in text
    assert "90.50 %" in text
    assert "(cross-entropy)" not in text
    by_value = variant("value", run(1, 0.5), objective="square-error")
    assert "0.2500 (square error)" in study(MLP, by_value).to_text()  # losses that do not compare
    chinese = dataclasses.replace(study(MLP, by_value), language="zh")
    assert "0.2500（均方误差）" in chinese.to_text()


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "|calc", "%x"])
def test_no_name_in_a_table_is_a_formula(name: str) -> None:
    first, second = csv.DictReader(io.StringIO(study(variant(name), variant("a=1")).to_csv()))
    assert (first["variant"], second["variant"]) == (f"'{name}", "a=1")


def steps(accuracies: list[float]) -> list[dict[str, Any]]:
    return [
        {"kind": "step", "accuracy": accuracy, "seconds": float(place)}
        for place, accuracy in enumerate(accuracies, 1)
    ]


def test_an_accuracy_is_reached_over_the_last_thousand_images() -> None:
    lines = steps([1.0] * 3 + [0.0] * 7 + [1.0] * 20)
    # After 20 steps the last 10 are all right; 90 % is reached a step before.
    assert seconds_to(lines, 100) == {"0.9": 19.0, "0.97": 20.0, "0.99": 20.0}
    assert seconds_to(steps([1.0] * 9), 100) == {
        "0.9": None, "0.97": None, "0.99": None,
    }  # fmt: skip


def test_what_is_left_is_the_work_or_the_longest_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(run_study, "time", SimpleNamespace(monotonic=lambda: now))
    left = LeftOver({"a": 10.0, "b": 10.0, "c": 40.0}, 2)
    assert left.seconds() == 40.0
    now = 120.0  # twice as long as expected
    left.end("a")
    left.step("b", 1.0)
    left.step("c", 0.0)
    assert left.seconds() == 40.0 * 20 * 2 / 20
    event = left.to_event(5)
    assert event.facts["done"] == 3  # two were there
    assert event.text == "3 of 5 runs  1 min 20 s left  b 100 %  c 0 %"


STEP = {"kind": "step", "step": 1, "seconds": 0.5, "loss": 2.5, "accuracy": 0.25}
EPOCH = {"kind": "epoch", "step": 1, "valid_loss": 2.0, "valid_accuracy": 0.5}


def figures_of(metrics: bytes | None) -> RunFigures:
    """Return the figures of a run with that metrics.jsonl, whose curves were drawn."""
    with TemporaryDirectory() as folder:
        summary = {"weights_sha256": "", "test_accuracy": 0.5}
        (Path(folder) / "summary.json").write_text(json.dumps(summary))
        if metrics is not None:
            (Path(folder) / "metrics.jsonl").write_bytes(metrics)
        found = run_figures(Recipe(), RunFolder(Path(folder)), None)
        for chart in charts(study(variant("one", found))):
            chart.to_json()
        curves = found.curves()
        assert len(curves.steps) == len(curves.seconds) == len(curves.loss)
        return dataclasses.replace(found, path=str(curves.steps))


def lines_of(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_a_line_of_the_metrics_that_lacks_what_is_needed_is_passed_over() -> None:
    whole = figures_of(lines_of(STEP, EPOCH))
    assert (whole.path, whole.valid_loss) == ("(1,)", 2.0)
    broken = [
        {"kind": "step"},
        {**STEP, "seconds": "2"},
        {**STEP, "accuracy": 10**400},
        {"kind": []},
    ]
    broken += [{**EPOCH, "valid_loss": "low"}, {**EPOCH, "valid_accuracy": None}]
    assert figures_of(lines_of(*broken, STEP, EPOCH, *broken)) == whole
    gone = figures_of(None)
    assert (gone.path, gone.valid_loss, gone.test_accuracy) == ("()", None, 0.5)
    assert gone.seconds_to == {"0.9": None, "0.97": None, "0.99": None}


def test_metrics_that_are_a_folder_are_none(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"weights_sha256": ""}')
    (tmp_path / "metrics.jsonl").mkdir()
    assert run_figures(Recipe(), RunFolder(tmp_path), None).curves().steps == ()


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
of_a_line = st.fixed_dictionaries(
    {"kind": st.sampled_from(["step", "epoch"]) | anything},
    optional={
        key: st.floats(0, 1) | st.integers(0, 9) | anything
        for key in (*STEP, *EPOCH)
        if key != "kind"
    },
)


@given(st.binary(max_size=40) | st.lists(of_a_line, max_size=6).map(lambda some: lines_of(*some)))
@example(b"[" * 100_000 + b"\n")
@example(lines_of({**STEP, "step": 0, "seconds": 0}, {**EPOCH, "step": 0}))
@example(lines_of({**STEP, "seconds": 1e-320, "loss": 5e-324}, {**STEP, "seconds": 1e12}))
def test_whatever_bytes_the_metrics_are_there_are_figures(metrics: bytes) -> None:
    assert figures_of(metrics).test_accuracy == 0.5
