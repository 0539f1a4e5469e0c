"""A run is a pure function of its recipe, whatever computes it and however often it stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import digitlab
from digitlab.config import OPTIMIZERS
from digitlab.data.batches import Batches
from digitlab.errors import ConfigError, DataError, RunError, TrainingError
from digitlab.events import Event
from digitlab.recipe_files import load_recipe
from digitlab.training import checkpoint
from digitlab.training.interrupt import Interrupted
from digitlab.training.listing import list_runs
from digitlab.training.metrics import CLOCK, read_metrics
from digitlab.training.run_folder import RunFolder, locked


def final_state(run: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Return all tensors of the last checkpoint and all metrics but the clock's."""
    found, warnings = checkpoint.load_newest(run / "checkpoints")
    assert found is not None
    assert warnings == []
    tensors = {name: tensor.numpy().tobytes() for name, tensor in found.tensors.items()}
    lines = [
        {key: value for key, value in line.items() if key not in CLOCK}
        for line in read_metrics(run / "metrics.jsonl")
    ]
    return tensors, lines


class StopAt:
    """Sends this process SIGINT so that it stops after a step: the wish goes with a gradient."""

    def __init__(self, step: int) -> None:
        self.stop_at = step

    def __call__(self, event: Event) -> None:
        if event.kind == "step" and event.facts["step"] == self.stop_at - 1:
            signal.raise_signal(signal.SIGINT)


class Heard:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: dict[str, Mapping[str, Any]] = {}
        self.said: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        if event.kind == "warning":
            self.warnings.append(event.text)
        else:
            self.notes[event.kind] = event.facts
            self.said[event.kind] = event.text


def test_threads_change_no_bit(small_recipe: Path) -> None:
    for threads in (1, 2, 3):
        digitlab.train(small_recipe, threads=threads, run_dir=f"run{threads}")
    assert final_state(Path("run1")) == final_state(Path("run2")) == final_state(Path("run3"))


def test_a_run_is_calibrated_on_its_validation_images_at_the_cost_of_no_bit(
    small_recipe: Path, whole: Path, small_data: Path
) -> None:
    from digitlab.training.calibrate import best_temperature

    heard = Heard()
    for threads in (1, 2):
        result = digitlab.train(
            small_recipe,
            settings={"training.calibrate": 0},
            threads=threads,
            run_dir=f"run{threads}",
            reporter=heard,
        )
        assert final_state(result.path) == final_state(whole)
    assert Path("run1/model.onnx").read_bytes() == Path("run2/model.onnx").read_bytes()
    assert heard.notes["calibrate"] == {"count": 150, "on": "validation images"}
    assert heard.said["done"].count("confidence: calibrated on 150 validation images\n") == 1
    model = digitlab.Recogniser("run1").model
    assert model.calibrated_on == result.summary["calibrated_on"] == "validation images"
    assert model.temperature == result.summary["temperature"]
    assert [status.calibrated_on for status in list_runs(Path("run1"))] == ["validation images"]
    arrays = np.load(small_data)
    images = arrays["valid_images"][:, None].astype(np.float32) / 255
    (logits,) = model.session.run(None, {"images": images})
    best = best_temperature(logits, arrays["valid_labels"])
    assert model.temperature == pytest.approx(best, rel=1e-3)


def test_a_recipe_that_asks_for_made_pictures_is_calibrated_on_them(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["calibrated_on"] == "made pictures"
    model = digitlab.Recogniser(whole).model
    assert (model.calibrated_on, model.temperature) == ("made pictures", summary["temperature"])


def test_an_earlier_run_was_calibrated_on_made_pictures(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "earlier"))
    summary = json.loads((run / "summary.json").read_text())
    del summary["calibrated_on"]
    (run / "summary.json").write_text(json.dumps(summary))
    assert [status.calibrated_on for status in list_runs(run)] == ["made pictures"]
    (run / "summary.json").write_text(json.dumps({**summary, "temperature": None}))
    assert [status.calibrated_on for status in list_runs(run)] == [None]


class Endless(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(784, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layer(images.flatten(1))
        return scores if self.training else scores / 0


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"train_on": "all"}, "no validation split"),
        (
            {"network": f"{__name__}:Endless", "settings": {"training.calibrate": 0}},
            "what the network gives for validation images is not finite",
        ),
    ],
)
def test_a_run_that_cannot_be_calibrated_says_why(
    small_recipe: Path, given: dict[str, Any], why: str
) -> None:
    heard = Heard()
    result = digitlab.train(small_recipe, epochs=0.2, run_dir="run", reporter=heard, **given)
    assert f"confidence: not calibrated ({why})\n" in heard.said["done"]
    assert (result.summary["temperature"], result.summary["calibrated_on"]) == (None, None)


def test_two_seeds_differ_and_one_seed_repeats(small_recipe: Path, whole: Path) -> None:
    for seed in (1, 2):
        digitlab.train(small_recipe, seed=seed, run_dir=f"seed{seed}")
    assert final_state(Path("seed1")) == final_state(whole)
    assert final_state(Path("seed2"))[0] != final_state(whole)[0]


def test_config_toml_repeats_the_run(small_recipe: Path) -> None:
    first = digitlab.train(small_recipe, optimizer="momentum", epochs=0.7, run_dir="a")
    again = digitlab.train("a/config.toml", run_dir="b")
    assert first.summary["weights_sha256"] == again.summary["weights_sha256"]
    assert final_state(Path("a")) == final_state(Path("b"))


def test_repeating_a_run_on_other_data_is_a_warning(small_recipe: Path, small_data: Path) -> None:
    digitlab.train(small_recipe, epochs=0.1, run_dir="a")
    arrays = dict(np.load(small_data))
    arrays["train_labels"][0] = 9 - arrays["train_labels"][0]
    np.savez("other.npz", **arrays)
    heard = Heard()
    digitlab.train("a/config.toml", data="other.npz", run_dir="b", reporter=heard)
    assert heard.warnings == ["a/config.toml: was run on other data; this run does not repeat it"]
    heard = Heard()
    digitlab.train("a/config.toml", run_dir="c", reporter=heard)
    assert heard.warnings == []


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resume_is_exact_after_an_interrupt_in_mid_epoch(
    small_recipe: Path, optimizer: str
) -> None:
    digitlab.train(small_recipe, optimizer=optimizer, run_dir="whole")
    with pytest.raises(Interrupted) as stopped:
        digitlab.train(small_recipe, optimizer=optimizer, run_dir="parts", reporter=StopAt(7))
    assert stopped.value.exit_status == 130
    assert [path.name for path in checkpoint.paths(Path("parts/checkpoints"))] == [
        "step-0000000007"
    ]
    with pytest.raises(Interrupted):
        digitlab.train(resume="parts", reporter=StopAt(19), threads=1)
    digitlab.train(resume="parts")
    assert final_state(Path("parts")) == final_state(Path("whole"))


def test_resume_before_the_first_checkpoint_starts_at_step_0(
    small_recipe: Path, whole: Path
) -> None:
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="parts", reporter=StopAt(5))
    (saved,) = checkpoint.paths(Path("parts/checkpoints"))
    assert checkpoint.load(saved).facts["workers"] == 1
    saved.rename("elsewhere")
    assert [status.workers for status in list_runs(Path("parts"))] == [1]
    heard = Heard()
    digitlab.train(resume="parts", reporter=heard)
    assert heard.notes["resume"] == {"step": 0}
    assert final_state(Path("parts")) == final_state(whole)


def test_resume_survives_missing_checkpoints_and_a_summary_of_nonsense(whole: Path) -> None:
    shutil.copytree(whole, "run")
    shutil.rmtree("run/checkpoints")
    Path("run/summary.json").write_text("[3]")
    assert [status.state for status in list_runs(Path("run"))] == ["stopped"]
    heard = Heard()
    digitlab.train(resume="run", reporter=heard)
    assert heard.warnings == []
    assert final_state(Path("run")) == final_state(whole)


class Counting(nn.Module):
    """A user's network whose buffer is left out of its state_dict, and put anew at each forward."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(784, outputs)
        self.register_buffer("mean", torch.zeros(784), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * flat.detach().mean(0)
        result: torch.Tensor = self.linear(flat - self.mean)
        return result


def test_a_buffer_that_is_put_anew_and_not_in_the_state_dict_is_exact(small_recipe: Path) -> None:
    own = f"{__name__}:Counting"
    for threads in (1, 2):
        digitlab.train(small_recipe, network=own, threads=threads, run_dir=f"run{threads}")
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, network=own, run_dir="parts", reporter=StopAt(7))
    digitlab.train(resume="parts", network=own)
    assert final_state(Path("run1")) == final_state(Path("run2")) == final_state(Path("parts"))


def test_each_shard_starts_from_the_same_buffers(small_recipe: Path) -> None:
    digitlab.train(
        small_recipe, network=f"{__name__}:Counting", augment="none", epochs=0.001, run_dir="run"
    )
    mean = np.frombuffer(final_state(Path("run"))[0]["others/mean"], np.float32)
    first = Batches(600, 50, 4, 1, 1).at(0).samples
    source = load_recipe(small_recipe).data.sources[0]
    images = np.load(source)["train_images"][first].reshape(50, -1) / 255
    assert np.allclose(mean, 0.1 * images.mean(0), atol=1e-6)  # one step from 0, not four


def test_an_edited_config_is_refused_on_resume(small_recipe: Path) -> None:
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="run", reporter=StopAt(3))
    config = Path("run/config.toml")
    config.write_text(config.read_text().replace("learning_rate = 0.01", "learning_rate = 5.0"))
    with pytest.raises(RunError, match=r"config\.toml: was edited since the run began"):
        digitlab.train(resume="run")


def test_a_damaged_line_of_metrics_costs_that_line_only(small_recipe: Path, whole: Path) -> None:
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="run", reporter=StopAt(9))
    metrics = Path("run/metrics.jsonl")
    metrics.write_bytes(metrics.read_bytes().replace(b'"loss"', b'"lo\xff"', 1))
    heard = Heard()
    result = digitlab.train(resume="run", reporter=heard)
    expected = json.loads((whole / "summary.json").read_text())
    assert result.summary["weights_sha256"] == expected["weights_sha256"]
    assert len(heard.warnings) == 1
    assert len(list(read_metrics(metrics))) == 25


def test_a_run_killed_before_its_config_can_begin_again(small_recipe: Path) -> None:
    Path("run/checkpoints").mkdir(parents=True)
    Path("run/lock").touch()
    Path("run/.config.toml.7.part").touch()
    digitlab.train(small_recipe, epochs=0.1, run_dir="run")
    assert Path("run/summary.json").exists()
    assert not list(Path("run").glob(".*.part"))


def test_no_model_is_written_that_reading_would_refuse(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digitlab.training import model_files

    monkeypatch.setattr(model_files, "properties", lambda *_, **__: {"file_sha256": "0" * 64})
    heard = Heard()
    digitlab.train(small_recipe, epochs=0.1, run_dir="run", reporter=heard)
    assert not Path("run/model.onnx").exists()
    assert any("has no property recipe" in text for text in heard.warnings)


def test_evaluate_measures_on_the_data_of_the_run(whole: Path) -> None:
    report = digitlab.evaluate(whole)
    assert report.evaluation.count == 150
    summary = json.loads((whole / "summary.json").read_text())
    assert report.evaluation.accuracy == summary["test_accuracy"]


def test_resume_of_an_emptied_config_is_one_line(whole: Path) -> None:
    shutil.copytree(whole, "run")
    Path("run/summary.json").unlink()
    Path("run/config.toml").write_text("")
    with pytest.raises(RunError, match=r"config\.toml: is damaged"):
        digitlab.train(resume="run")


def test_resume_of_a_finished_run_changes_nothing(whole: Path) -> None:
    shutil.copytree(whole, "run")
    before = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*") if path.is_file()}
    again = digitlab.train(resume="run")
    assert again.summary == json.loads((whole / "summary.json").read_text())
    after = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*") if path.is_file()}
    assert after == before


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_used(
    small_recipe: Path, whole: Path
) -> None:
    for stop in (5, 9):
        where = {"run_dir": "parts"} if stop == 5 else {"resume": "parts"}
        with pytest.raises(Interrupted):
            digitlab.train(small_recipe, reporter=StopAt(stop), **where)
    newest = checkpoint.paths(Path("parts/checkpoints"))[-1] / "state.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    heard = Heard()
    digitlab.train(resume="parts", reporter=heard)
    assert any("step-0000000009: state.safetensors is damaged" in text for text in heard.warnings)
    assert final_state(Path("parts")) == final_state(whole)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"learning_rate": 0.5}, "--learning-rate"),
        ({"settings": {"training.shards": 2}}, "--set training.shards"),
        ({"run_dir": "other"}, "--run-dir"),
    ],
)
def test_resume_refuses_what_would_change_the_result(
    whole: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{named} cannot stand beside --resume"):
        digitlab.train(resume=whole, **changes)


def test_resume_refuses_other_data(small_recipe: Path, small_data: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.npz"
    mine.write_bytes(small_data.read_bytes())
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, data=str(mine), run_dir="run", reporter=StopAt(3))
    arrays = dict(np.load(mine))
    arrays["train_images"][0, 14, 14] ^= 1
    np.savez(mine, **arrays)
    with pytest.raises(RunError, match="data are not those that the run began with"):
        digitlab.train(resume="run")


def test_a_run_finds_its_data_from_elsewhere(
    small_recipe: Path, small_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(small_data, "mine.npz")
    digitlab.train(small_recipe, data="mine.npz", run_dir="whole")
    with pytest.raises(KeyboardInterrupt):
        digitlab.train(small_recipe, data="mine.npz", run_dir="run", reporter=StopAt(5))
    runs = Path.cwd()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert digitlab.evaluate(runs / "whole").data == "mine.npz"
    digitlab.train(resume=runs / "run")
    digitlab.train(runs / "whole/config.toml", run_dir=runs / "again")
    assert final_state(runs / "run") == final_state(runs / "again") == final_state(runs / "whole")


def test_a_run_goes_on_with_the_same_data_in_another_place(
    small_recipe: Path, small_data: Path
) -> None:
    shutil.copy(small_data, "mine.npz")
    digitlab.train(small_recipe, data="mine.npz", run_dir="whole")
    with pytest.raises(KeyboardInterrupt):
        digitlab.train(small_recipe, data="mine.npz", run_dir="run", reporter=StopAt(5))
    Path("mine.npz").rename("moved.npz")
    with pytest.raises(DataError, match="where the run was begun; name it by --data"):
        digitlab.train(resume="run")
    with pytest.raises(RunError, match="data are not those that the run began with"):
        digitlab.train(resume="run", data="mnist")
    digitlab.train(resume="run", data="moved.npz")
    assert final_state(Path("run")) == final_state(Path("whole"))


def test_a_run_of_its_own_holds_its_folder(small_recipe: Path) -> None:
    refused: list[str] = []

    def begin_another(event: Event) -> None:
        if event.kind == "step" and not refused:
            with pytest.raises(RunError) as error:
                digitlab.train(resume="run")
            refused.append(str(error.value))

    digitlab.train(small_recipe, epochs=0.2, run_dir="run", reporter=begin_another)
    assert refused == ["run: another process is training in it"]


def test_a_bad_source_leaves_no_run_folder(small_recipe: Path) -> None:
    with pytest.raises(DataError):
        digitlab.train(small_recipe, data="missing.npz", run_dir="run")
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (
            ["thesis.txt"],
            r"is no run \(thesis\.txt\); name a new folder, such as --run-dir run/small-1",
        ),
        (["b", "small-1", "c", "a"], r"\(a, b, c and 1 more\); .* --run-dir run/small-2"),
    ],
)
def test_a_folder_in_use_is_not_overwritten(small_recipe: Path, held: list[str], said: str) -> None:
    Path("run").mkdir()
    for name in held:
        Path("run", name).write_text("mine")
    with pytest.raises(RunError, match="run: is not empty: .*" + said):
        digitlab.train(small_recipe, run_dir="run")
    assert {path.read_text() for path in Path("run").iterdir()} == {"mine"}
    assert sorted(os.listdir("run")) == sorted(held)


def test_a_run_where_another_should_go_is_named_with_the_way_out(
    small_recipe: Path, whole: Path
) -> None:
    with pytest.raises(RunError, match=f"not empty: the run in it has ended; .* --from {whole}"):
        digitlab.train(small_recipe, run_dir=whole)
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="run", reporter=StopAt(3))
    with pytest.raises(RunError, match="a run in it was stopped; go on with it by --resume run,"):
        digitlab.train(small_recipe, run_dir="run")
    with locked(RunFolder(Path("run"))), pytest.raises(RunError, match="another process is train"):
        digitlab.train(small_recipe, run_dir="run")
    with pytest.raises(RunError, match="run: cannot start from it: its training has not ended; go"):
        digitlab.train(small_recipe, start_from="run")


def test_what_is_no_run_is_told_with_the_run_that_it_may_mean(
    small_recipe: Path, whole: Path
) -> None:
    shutil.copytree(whole, "runs/first")
    Path("empty").mkdir()
    Path("model.onnx").write_bytes(b"")
    parts = ["model.onnx", "model.safetensors", "model.json", "config.toml", "checkpoints"]
    parts.append(f"checkpoints/{min(os.listdir('runs/first/checkpoints'))}")
    expected = {
        **{
            f"runs/first/{part}": "is a part of a run; name the run itself, runs/first"
            for part in parts
        },
        "runs": "is a folder of runs; name one of them, such as runs/first",
        "model.onnx": "is a file; expected the folder of a run",
        "empty": "is no run folder: it has no config.toml",
        "runs/second": "there is no such run folder; digitlab runs lists those there are",
        "runs/first/second": "there is no such run folder; digitlab runs lists those there are",
    }
    for path, said in expected.items():
        with pytest.raises(RunError, match=f"^{path}: cannot start from it: {said}"):
            digitlab.train(small_recipe, start_from=path, run_dir="third")
        with pytest.raises(RunError, match=f"^{path}: {said}"):
            digitlab.train(resume=path)
    assert not Path("third").exists()


def test_the_last_small_batch_may_leave_shards_empty(small_recipe: Path, small_data: Path) -> None:
    arrays = dict(np.load(small_data))
    for name in ("train_images", "train_labels"):
        arrays[name] = arrays[name][:52]
    np.savez("few.npz", **arrays)
    for threads in (1, 2):
        digitlab.train(small_recipe, data="few.npz", run_dir=f"run{threads}", threads=threads)
    lines = [line for line in read_metrics(Path("run1/metrics.jsonl")) if line["kind"] == "step"]
    assert len(lines) == 4  # two epochs of 50 and 2 images
    assert final_state(Path("run1")) == final_state(Path("run2"))


def test_train_on_all_has_no_validation_figure(small_recipe: Path) -> None:
    result = digitlab.train(small_recipe, train_on="all", epochs=0.2, run_dir="run")
    assert result.summary["valid_accuracy"] is None
    assert result.summary["test_accuracy"] is not None


def test_starting_from_another_run_reports_before_and_after_on_each_source(
    small_recipe: Path, small_data: Path, whole: Path
) -> None:
    arrays = dict(np.load(small_data))
    np.savez("hand.npz", **{name: array[::-1] for name, array in arrays.items()})
    first = json.loads((whole / "summary.json").read_text())
    both = [str(small_data), "hand.npz"]
    second = digitlab.train(small_recipe, start_from=whole, data=both, run_dir="second")
    sources = second.summary["sources"]
    assert [source["source"] for source in sources] == both
    assert sources[0]["accuracy_before"] == first["test_accuracy"]
    assert all(0 <= source["accuracy_after"] <= 1 for source in sources)
    recorded = digitlab.recipe_files.read_recorded(Path("second/config.toml"))
    assert recorded["start_sha256"] == first["weights_sha256"]
    assert list(recorded["data_sha256"]) == ["train", "valid", "test"]


def test_resuming_a_run_that_started_from_another_is_exact(small_recipe: Path, whole: Path) -> None:
    digitlab.train(small_recipe, start_from=whole, run_dir="unbroken")
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, start_from=whole, run_dir="parts", reporter=StopAt(6))
    digitlab.train(resume="parts")
    assert final_state(Path("parts")) == final_state(Path("unbroken"))


def test_starting_from_another_network_is_refused(small_recipe: Path, whole: Path) -> None:
    with pytest.raises(RunError, match="start from the same network"):
        digitlab.train(small_recipe, start_from=whole, network="cnn", run_dir="second")


def test_starting_from_damaged_weights_is_refused(small_recipe: Path, whole: Path) -> None:
    shutil.copytree(whole, "first")
    path = Path("first/model.safetensors")
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"model\.safetensors is damaged"):
        digitlab.train(small_recipe, start_from="first", run_dir="second")


def test_a_loss_that_is_not_finite_never_reaches_the_parameters(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digitlab.parallel.shards import ShardPool
    from digitlab.training.state import TrainingState

    honest = ShardPool.parts
    seen: list[tuple[dict[str, bytes], dict[str, bytes]]] = []

    def poisoned(pool: ShardPool, batch: Any) -> Any:
        parts = honest(pool, batch)
        if batch.step == 4:
            parts[0, 2].vector[7] = float("nan")
        if batch.step == 5:
            parts[0, 1].vector[0] = float("inf")
        return parts

    def bytes_of(state: TrainingState) -> dict[str, bytes]:
        return {name: tensor.numpy().tobytes() for name, tensor in state.tensors().items()}

    honest_skip = TrainingState.skip

    def watched_skip(state: TrainingState) -> None:
        before = bytes_of(state)
        honest_skip(state)
        seen.append((before, bytes_of(state)))

    monkeypatch.setattr(ShardPool, "parts", poisoned)
    monkeypatch.setattr(TrainingState, "skip", watched_skip)
    heard = Heard()
    result = digitlab.train(small_recipe, run_dir="run", reporter=heard)
    assert len(seen) == 2
    assert all(before == after for before, after in seen)
    assert result.summary["skips"] == 2
    assert result.summary["steps"] == 24
    skipped = [
        line["step"] for line in read_metrics(Path("run/metrics.jsonl")) if line.get("skipped")
    ]
    assert skipped == [5, 6]
    assert sum("not finite" in text for text in heard.warnings) == 2
    found, _ = checkpoint.load_newest(Path("run/checkpoints"))
    assert found is not None
    assert found.facts["skips"] == 2


def drawn_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes the last step of each picture of curves."""
    drawn: list[int] = []

    def draw(path: Path, metrics: list[dict[str, Any]], title: str) -> None:
        assert (path.name, title) == ("curves.png", "small")
        drawn.append(max(line["step"] for line in metrics))

    monkeypatch.setattr("digitlab.training.charts.draw_curves", draw)
    return drawn


def test_a_run_that_is_stopped_has_its_curves_so_far(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = drawn_steps(monkeypatch)
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="run", reporter=StopAt(7))
    with pytest.raises(Interrupted):
        digitlab.train(resume="run", reporter=StopAt(19))
    digitlab.train(resume="run")
    assert drawn == [7, 19, 24]


def test_who_stops_a_run_twice_does_not_wait_for_curves(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = drawn_steps(monkeypatch)

    def twice(event: Event) -> None:
        if event.kind == "step" and event.facts["step"] == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="run", reporter=twice)
    assert drawn == []


def test_curves_that_cannot_be_written_do_not_hide_that_a_run_was_stopped(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: Any) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("digitlab.training.charts.draw_curves", full)
    heard, stop = Heard(), StopAt(3)

    def both(event: Event) -> None:
        heard(event)
        stop(event)

    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="run", reporter=both)
    assert heard.warnings == [
        f"{Path('run/curves.png')}: cannot be written: No space left on device"
    ]


def test_a_loss_that_stays_not_finite_stops_the_run_with_a_reason(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = drawn_steps(monkeypatch)
    with pytest.raises(TrainingError, match=r"not finite for \d+ steps in a row; lower the learn"):
        digitlab.train(
            small_recipe,
            objective="square-error",
            network="cnn",
            optimizer="sgd",
            schedule="constant",
            learning_rate=1e6,
            settings={"training.max_skips": 3, "training.moving_average": 0},
            run_dir="run",
        )
    assert drawn == [max(line["step"] for line in read_metrics(Path("run/metrics.jsonl")))]


class Chancy(nn.Module):
    """A user's network with state and chance."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(676, outputs),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(images)
        return result


CHANCY = f"{__name__}:Chancy"


def test_a_network_with_batchnorm_and_dropout_is_exact_on_any_threads_and_resumes(
    small_recipe: Path,
) -> None:
    for threads in (1, 2):
        digitlab.train(small_recipe, network=CHANCY, threads=threads, run_dir=f"run{threads}")
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, network=CHANCY, run_dir="parts", reporter=StopAt(7))
    digitlab.train(resume="parts", network=CHANCY)
    assert final_state(Path("run1")) == final_state(Path("run2")) == final_state(Path("parts"))
    tensors = final_state(Path("run1"))[0]
    counted = np.frombuffer(tensors["others/layers.1.num_batches_tracked"], np.int64)
    assert counted.tolist() == [24]


def test_a_run_never_names_code_by_itself(small_recipe: Path) -> None:
    digitlab.train(small_recipe, network=CHANCY, epochs=0.1, run_dir="run")
    Path("run/summary.json").unlink()
    with pytest.raises(ConfigError, match=f"give --network {CHANCY} on the command line"):
        digitlab.train(resume="run")
    with pytest.raises(ConfigError, match=f"give --network {CHANCY} on the command line"):
        digitlab.train("run/config.toml", run_dir="other")
    with pytest.raises(ConfigError, match=f"expected --network {CHANCY}"):
        digitlab.train(resume="run", network="os:system")


class NoOnnx(nn.Module):
    """A network that ONNX cannot express."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(784, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1)
        spectrum: torch.Tensor = torch.fft.fft(flat).real
        return self.linear(spectrum)  # type: ignore[no-any-return]


def test_a_network_that_cannot_be_exported_is_a_warning(small_recipe: Path) -> None:
    heard = Heard()
    digitlab.train(
        small_recipe, network=f"{__name__}:NoOnnx", epochs=0.1, run_dir="run", reporter=heard
    )
    assert any(text.startswith("no model.onnx was written") for text in heard.warnings)
    assert not Path("run/model.onnx").exists()
    assert Path("run/summary.json").exists()


@pytest.mark.usefixtures("pictures")
def test_a_run_folder_holds_what_it_promises(small_recipe: Path) -> None:
    result = digitlab.train(small_recipe, epochs=5, run_dir="run")
    folder = RunFolder(Path("run"))
    for path in (folder.config, folder.metrics, folder.weights, folder.model_card, folder.onnx):
        assert path.stat().st_size > 0
    for picture in (folder.curves, folder.confusion):
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert list(folder.events.glob("events.out.tfevents.*"))
    wanted = {
        "test_accuracy", "valid_accuracy", "train_seconds", "images_per_second", "parameters",
        "seed", "weights_sha256", "versions", "machine",
    }  # fmt: skip
    assert wanted <= set(json.loads(folder.summary.read_text()))
    assert result.summary == json.loads(folder.summary.read_text())
    steps = [checkpoint.step_of(path) for path in checkpoint.paths(folder.checkpoints)]
    assert steps[-1] == 60
    assert len(steps) <= 3
    assert not list(folder.path.rglob("*.part"))


def test_the_summary_names_the_weights_that_lie_there(whole: Path) -> None:
    import safetensors.torch

    from digitlab.training.state import weights_sha256

    summary = json.loads((whole / "summary.json").read_text())
    weights = safetensors.torch.load_file(whole / "model.safetensors")
    assert weights_sha256(weights) == summary["weights_sha256"]
    found, _ = checkpoint.load_newest(whole / "checkpoints")
    assert found is not None
    average = found.tensors["average/1.weight"]
    assert torch.equal(weights["1.weight"], average)  # the moving average, as it is on
    assert not torch.equal(weights["1.weight"], found.tensors["parameters/1.weight"])


def test_tensorboard_reads_the_events_of_a_resumed_run(small_recipe: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, run_dir="run", reporter=StopAt(7))
    digitlab.train(resume="run")
    events = EventAccumulator("run/tensorboard")
    events.Reload()
    losses = [line["loss"] for line in read_metrics(Path("run/metrics.jsonl")) if "loss" in line]
    points = events.Scalars("train/loss")
    assert [point.step for point in points] == list(range(1, 25))
    assert [point.value for point in points] == pytest.approx(losses)
    assert len(events.Scalars("valid/accuracy")) == 2


def test_python_and_config_agree_on_a_recipe(small_recipe: Path) -> None:
    digitlab.train(
        small_recipe,
        augment="shift=2",
        settings={"optimizer.beta1": 0.8},
        epochs=0.1,
        run_dir="run",
    )
    recipe = load_recipe("run/config.toml")
    assert recipe.augment.shift == 2
    assert recipe.augment.rotation == 0
    assert recipe.optimizer.beta1 == 0.8
    assert recipe.training.epochs == 0.1
    assert recipe.training.device == ("cuda" if torch.cuda.is_available() else "cpu")
