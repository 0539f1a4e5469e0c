"""The report of a study: figures equal to those of evaluate, on a page that needs nothing else."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import digitlab
from digitlab.data.dataset import Split
from digitlab.errors import DataError
from digitlab.studies import answers as answers_module
from digitlab.studies import picture as picture_module
from digitlab.studies.answers import (
    Answers,
    answers_of,
    compared,
    disagreements,
    interval_over_images,
)
from digitlab.studies.picture import curves_png
from digitlab.studies.report import SHOWN, charts, to_html
from digitlab.studies.study import RunFigures, Study, variant_figures

LARGEST = 2_000_000  # bytes of a page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> list[Path]:
    """Return two networks, each with two seeds, and one by square error."""
    folder = tmp_path_factory.mktemp("runs")
    settings: list[dict[str, Any]] = [
        {"network": "mlp", "objective": "cross-entropy", "seed": seed} for seed in (1, 2)
    ]
    settings += [{"network": "cnn", "objective": "cross-entropy", "seed": seed} for seed in (1, 2)]
    settings += [{"network": "mlp", "objective": "square-error", "seed": seed} for seed in (1, 2)]
    return [
        digitlab.train(
            "tutorial-mlp", data=small_data, epochs=1, run_dir=folder / str(number), **more
        ).path
        for number, more in enumerate(settings)
    ]


def text_of(page: str) -> str:
    """Return what a page says, without its tags."""
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_figures_are_those_of_evaluate(runs: list[Path], tmp_path: Path) -> None:
    study = digitlab.compare(*runs, out=tmp_path / "study")
    page = (tmp_path / "study/index.html").read_text("utf-8")
    found = json.loads((tmp_path / "study/study.json").read_text())
    assert len(study.variants) == 3
    tables = page.split('<table class="matrix">')[1:]
    for variant, told, table in zip(study.variants, found["variants"], tables, strict=True):
        reports = [digitlab.evaluate(run.path) for run in variant.runs]
        evaluations = [report.evaluation for report in reports]
        assert [run.test_accuracy for run in variant.runs] == [one.accuracy for one in evaluations]
        assert [run.test_interval for run in variant.runs] == [one.interval for one in evaluations]
        mean = np.mean([one.accuracy for one in evaluations])
        assert variant.accuracy == pytest.approx(mean)
        assert f">{100 * mean:.2f} %<" in page
        for run, one in zip(told["runs"], evaluations, strict=True):
            assert run["confusion_matrix"] == one.confusion_matrix.tolist()
        total = np.sum([one.confusion_matrix for one in evaluations], axis=0)
        assert html.escape(variant.name) in table
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", table)[:100]
        assert [0 if cell == "·" else int(cell) for cell in cells] == total.ravel().tolist()


def test_a_page_needs_nothing_but_itself(runs: list[Path], tmp_path: Path) -> None:
    study = digitlab.compare(*runs, out=tmp_path / "study")
    page = (tmp_path / "study/index.html").read_text("utf-8")
    assert len(page.encode()) < LARGEST
    written = re.sub(r"data:image/png;base64,[^\"]*", "", page)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", written)
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]*)"', page))
    for sentence in study.sentences():
        assert sentence in text_of(page)
    with Image.open(tmp_path / "study/curves.png") as picture:
        assert picture.format == "PNG"


def test_losses_of_different_objectives_are_on_charts_of_their_own(runs: list[Path]) -> None:
    study = digitlab.compare(*runs)
    drawn = {chart.key: [one.number for one in chart.drawn] for chart in charts(study)}
    assert drawn["accuracy-steps"] == [0, 1, 2]
    losses = {key: numbers for key, numbers in drawn.items() if key.startswith("loss")}
    by_objective = [
        study.variants[number].objective for numbers in losses.values() for number in numbers
    ]
    assert len(losses) == 4
    assert sorted(by_objective) == ["cross-entropy"] * 4 + ["square-error"] * 2
    for numbers in losses.values():
        assert len({study.variants[number].objective for number in numbers}) == 1
    page = to_html(study, None, charts(study))
    assert "never drawn on one axis" in text_of(page)
    alone = digitlab.compare(*runs[:4])
    assert "never drawn on one axis" not in text_of(to_html(alone, None, charts(alone)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_line_that_leaves_and_a_run_without_a_curve_are_named(
    runs: list[Path], tmp_path: Path, language: str
) -> None:
    copies = [Path(shutil.copytree(run, tmp_path / run.name)) for run in runs[:4]]
    (copies[0] / "metrics.jsonl").unlink()
    metrics = (copies[2] / "metrics.jsonl").read_text().splitlines()
    wild = [re.sub(r'"loss": [^,}]+', '"loss": 1e8', line) for line in metrics[2:]]
    (copies[2] / "metrics.jsonl").write_text("\n".join([*metrics[:2], *wild]) + "\n")
    study = digitlab.compare(*copies, language=language)
    drawn = {chart.key: chart.notes for chart in charts(study)}
    leaves, gone = drawn["loss-cross-entropy-steps"]
    assert list(drawn["accuracy-steps"]) == [gone]
    name = study.variants[0].name
    assert gone.startswith(
        {"en": f"{name}: 1 of 2 runs", "zh": f"{name}：2 次训练中有 1"}[language]
    )
    assert leaves.endswith({"en": ": cnn.", "zh": "：cnn。"}[language])
    page = text_of(to_html(study, None, charts(study)))
    assert leaves in page
    assert gone in page
    assert curves_png(study, charts(study)) != curves_png(study, [])


def test_curves_png_has_the_ticks_of_the_page(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(picture_module, "to_png", lambda figure, *rest: drawn.append(figure) or b"")
    study = digitlab.compare(*runs[:4])
    made = charts(study)
    curves_png(study, made)
    told = [one.get_text() for one in drawn[0].axes[0].get_xticklabels()]
    assert told == [text for _, text in made[0].x.ticks]


def test_names_of_strangers_stay_text(runs: list[Path]) -> None:
    study = digitlab.compare(*runs[:4])
    name = "</script><script>alert(1)</script> & <b>'\""
    variants = (dataclasses.replace(study.variants[0], name=name), *study.variants[1:])
    named = dataclasses.replace(study, name=name, description=name, variants=variants)
    page = to_html(named, None, charts(named))
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    assert " ".join(name.split()) in text_of(page)


def test_a_large_study_has_a_page_that_opens(runs: list[Path]) -> None:
    study = digitlab.compare(*runs[:2])
    split = digitlab.load_dataset("mnist").splits["test"]
    answers = Answers(
        "test", split, {str(run): np.roll(split.labels, at) for at, run in enumerate(runs)}, {}, {}
    )
    one = study.variants[0].runs[0]
    many = tuple(
        variant_figures(
            f"variant {number}",
            "cross-entropy",
            {"optimizer.learning_rate": number},
            [
                dataclasses.replace(one, seed=seed, path=str(runs[(number + seed) % 6]))
                for seed in range(10)
            ],
            "test",
        )
        for number in range(100)
    )
    large = dataclasses.replace(study, variants=many, comparisons=compared(many, "test"))
    page = to_html(large, answers, charts(large))
    assert len(page.encode()) < LARGEST
    assert f"Of 100 variants the {SHOWN} most accurate are drawn" in text_of(page)
    assert "variant 99" in page


def test_a_study_of_which_nothing_ended_says_so(runs: list[Path]) -> None:
    failed = [RunFigures(1, "runs/1", "no space left on device")]
    variants = (variant_figures("a", "cross-entropy", {}, failed, None),)
    study = Study("none", "", "en", None, None, variants, ())
    assert charts(study) == []
    page = to_html(study, None, [])
    assert "a, seed 1: failed: no space left on device" in text_of(page)
    assert "<svg" not in page


def test_pictures_are_of_what_one_told_right_more_often() -> None:
    labels = np.array([0, 1, 2, 3])
    split = Split(np.zeros((4, 28, 28), np.uint8), labels)
    told = {
        "a1": np.array([0, 1, 2, 0]),
        "a2": np.array([0, 1, 0, 0]),
        "b1": np.array([5, 1, 6, 3]),
        "b2": np.array([7, 1, 2, 3]),
    }
    answers = Answers("test", split, told, {}, {})
    found = disagreements(answers, ["a1", "a2"], ["b1", "b2"])
    assert [(one.index, one.wrong, one.ahead) for one in found] == [(0, (5, 7), 2)]
    (other,) = disagreements(answers, ["b1", "b2"], ["a1", "a2"])
    assert (other.index, other.label, other.wrong) == (3, 3, (0, 0))
    assert disagreements(answers, ["a1"], ["unknown"]) == []


def test_whoever_stops_does_not_wait_for_runs_that_were_not_asked_yet(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = digitlab.compare(*runs[:4])
    figures = [run for variant in study.variants for run in variant.runs] * 5
    asked: list[Path] = []

    def ask(path: Path) -> None:
        asked.append(path)
        time.sleep(0.01)
        raise DataError("is not there")

    def stop(done: int, every: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(answers_module, "Recogniser", ask)
    with pytest.raises(KeyboardInterrupt):
        answers_of(figures, "test", 1, stop)
    assert len(asked) < 10


def test_the_spread_over_images_is_that_of_paired_answers() -> None:
    rng = np.random.default_rng(1)
    right = rng.random((1, 10_000)) < 0.9
    assert interval_over_images(right, right) == (0.0, 0.0)
    low, high = interval_over_images(right, np.zeros_like(right))
    error = np.sqrt(right.mean() * (1 - right.mean()) / 10_000)  # of one fraction
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=1e-3)
    assert (high + low) / 2 == pytest.approx(right.mean())


def test_answers_are_known_only_where_the_data_are_those_that_were_measured(
    runs: list[Path],
) -> None:
    study = digitlab.compare(*runs[:4])
    figures = [run for variant in study.variants for run in variant.runs]
    changed = [dataclasses.replace(one, data_sha256={"test": "another"}) for one in figures]
    assert answers_of(changed, "test") is None
    calls: list[tuple[int, int]] = []
    answers = answers_of(figures, "test", 2, lambda done, every: calls.append((done, every)))
    assert answers is not None
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    (one,) = compared(study.variants, "test", answers)
    assert one.images_interval is not None
    low, high = one.images_interval
    assert low < (one.difference or 0.0) < high


def test_a_run_without_a_model_to_ask_is_named_and_keeps_its_figures(
    runs: list[Path], tmp_path: Path
) -> None:
    copies = [Path(shutil.copytree(run, tmp_path / run.name)) for run in runs[:4]]
    (copies[0] / "model.onnx").unlink()
    study = digitlab.compare(*copies, out=tmp_path / "study")
    assert study.variants[0].runs[0].test_accuracy is not None
    assert study.variants[0].runs[0].confusion_matrix is None
    assert study.variants[0].runs[1].confusion_matrix is not None
    (note,) = study.notes
    assert note.startswith("The single answers of some runs (1) are not known")
