"""Studies from a file to their figures: the bits of train, going on, failing, stopping."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import digitlab
from commands import Command, mistake
from digitlab.config import NetworkConfig, Recipe
from digitlab.errors import ConfigError, RunError
from digitlab.events import Event
from digitlab.studies import run_study, worker_process
from digitlab.studies import write_study as write_study_module
from digitlab.studies.compare import _names
from digitlab.studies.design import load_design
from digitlab.training import run
from digitlab.training.given import Given
from digitlab.training.reporters import quiet
from digitlab.training.request import Request
from digitlab.training.run_folder import RunFolder, is_locked

WATCHDOG_SECONDS = 120.0


BY_OPTIMIZER = "optimizer.name = ['sgd', 'adam']"


@pytest.fixture
def recipe(tmp_path: Path, small_data: Path) -> Path:
    """Return a recipe of 4 steps an epoch, each of a few milliseconds."""
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"data.sources = ['{small_data}']\nnetwork.name = 'mlp'\ntraining.batch_size = 150\n"
    )
    return path


def write_study(
    recipe: Path, more: str = "", vary: str = BY_OPTIMIZER, seeds: str = "[1, 2]"
) -> Path:
    path = recipe.with_name("study.toml")
    path.write_text(f"recipe = '{recipe.name}'\nseeds = {seeds}\n{more}\n[vary]\n{vary}\n")
    return path


def weights(run: str | Path) -> str:
    sha256: str = json.loads((Path(run) / "summary.json").read_text())["weights_sha256"]
    return sha256


@pytest.mark.process
def test_runs_have_the_bits_of_train_and_are_made_once(recipe: Path) -> None:
    path = write_study(recipe)
    left = Path("studies/study/trials/left by a kill")
    left.mkdir(parents=True)
    Path("studies/study/lock").touch()
    heard: list[Event] = []
    study = digitlab.compare(path, jobs=2, reporter=heard.append)
    assert study.path == Path("studies/study")
    assert not left.parent.exists()
    assert [event.kind for event in heard if event.kind != "progress"] == [
        "trial", "plan", *["ended"] * 4
    ]  # fmt: skip
    assert {event.facts["runs"] for event in heard if event.kind == "progress"} == {4}

    # In one process after another run, with data that another run loaded: the same bits.
    for variant in study.variants:
        run = digitlab.train(recipe, seed=2, optimizer=variant.name, run_dir=f"own-{variant.name}")
        assert weights(variant.runs[1].path) == weights(run.path)

    # The figures are those of the runs.
    for variant in study.variants:
        assert [run.seed for run in variant.runs] == [1, 2]
        for figures in variant.runs:
            summary = json.loads((Path(figures.path) / "summary.json").read_text())
            assert figures.test_accuracy == summary["test_accuracy"]
            assert digitlab.evaluate(figures.path).evaluation.accuracy == figures.test_accuracy
            curves = figures.curves()
            assert len(curves.steps) == len(curves.loss) == summary["steps"]
            assert len(curves.valid_accuracy) == 1
        mean = sum(run.test_accuracy or 0 for run in variant.runs) / 2
        assert variant.accuracy == pytest.approx(mean)
    (comparison,) = study.comparisons
    assert comparison.seeds == (1, 2)
    assert json.loads((study.path / "study.json").read_text()) == study.to_json()
    rows = list(csv.DictReader((study.path / "table.csv").open()))
    assert [row["variant"] for row in rows] == ["sgd", "adam"]
    assert [float(row["accuracy"]) for row in rows] == [one.accuracy for one in study.variants]

    # What is there is not made again, whatever it is called; what is not there is.
    heard.clear()
    assert digitlab.compare(path, reporter=heard.append) == study
    assert {event.kind for event in heard} == {"progress"}  # runs are asked, not made
    gone = Path(study.variants[0].runs[0].path)
    shutil.rmtree(gone)
    again = digitlab.compare(path, jobs=1, reporter=heard.append)
    assert [e.facts["run"] for e in heard if e.kind == "ended"] == ["sgd, seed 1"]
    assert [e.kind for e in heard if e.kind != "progress"] == ["plan", "ended"]  # no trial again
    assert again.variants[0].runs[0].test_accuracy == study.variants[0].runs[0].test_accuracy


FAILING = """
import os, signal
from torch import nn

class Failing(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))

    def forward(self, images):
        raise ValueError("no such\\nlayer")

class Dying(Failing):
    def forward(self, images):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.process
def test_a_run_that_fails_is_named_and_the_others_go_on(recipe: Path, command: Command) -> None:
    Path("failing.py").write_text(FAILING)
    names = "['failing:Failing', 'failing:Dying', 'mlp']"
    path = write_study(recipe, "budget.epochs = 0.5", f"network.name = {names}")
    own = ["--network", "failing:Failing", "--network", "failing:Dying"]
    done = command("compare", path, "--out", "out", "--seeds", "7", "--jobs", 2, *own)
    assert done.returncode == 1
    failing, dying = done.stdout.splitlines()[-3:-1]
    assert failing.startswith("failing:Failing, seed 7: failed: --network failing:Failing: its")
    assert failing.endswith(": ValueError: no such")  # the first line of what was raised
    assert "failing:Dying, seed 7: failed: process " in dying
    assert "was killed by SIGKILL; see out/logs/process-" in dying
    study = json.loads(Path("out/study.json").read_text())
    assert [one["accuracy"] is None for one in study["variants"]] == [True, True, False]
    assert study["comparisons"] == []
    assert "Traceback" in "".join(log.read_text() for log in Path("out/logs").iterdir())


def test_a_trial_lies_in_the_study_and_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []

    def train(request: Request, *rest: Any) -> None:
        tried.append(Path(request.run_dir or ""))
        tried[0].mkdir()

    monkeypatch.setattr(run, "train_here", train)
    request = dataclasses.asdict(Request("quick", {}, 1, None, None, ledger=False))
    task = {"name": "quick", "run": request, "trial": 1.0}
    done = worker_process._carried_out(task, tmp_path / "trials", Given(), quiet)
    assert done["error"] is None
    assert tried[0].parent.parent == tmp_path / "trials"
    assert list((tmp_path / "trials").iterdir()) == []


@pytest.mark.process
def test_seconds_become_epochs_once(recipe: Path) -> None:
    path = write_study(recipe, "budget.seconds = 0.2")
    study = digitlab.compare(path, seeds=[1])
    trials = json.loads(Path("studies/study/trials.json").read_text())
    recorded = sorted(value for key, value in trials.items() if key.endswith("for 0.2 s: epochs"))
    assert sorted(one.epochs or 0 for one in study.variants) == recorded
    heard: list[Event] = []
    assert digitlab.compare(path, seeds=[1], reporter=heard.append) == study
    assert {event.kind for event in heard} == {"progress"}  # runs are asked, not made


@pytest.mark.process
def test_seconds_become_epochs_though_a_recipe_has_one_step(recipe: Path) -> None:
    path = write_study(recipe, "budget.seconds = 0.3", "shards = [1, 2]", seeds="[1]")
    recipe.write_text(recipe.read_text() + "training.epochs = 0.1\n")
    study = digitlab.compare(path)
    assert all((one.epochs or 0) > 1 for one in study.variants)


@pytest.mark.process
def test_a_run_for_which_no_seconds_could_be_measured_is_not_made(recipe: Path) -> None:
    Path("failing2.py").write_text(FAILING)
    path = write_study(recipe, "budget.seconds = 0.1", "network.name = ['mlp', 'failing2:Failing']")
    study = digitlab.compare(path, seeds=[1], networks=["failing2:Failing"])
    ((name, run),) = study.failed
    assert name == "failing2:Failing"
    assert "ValueError: no such" in (run.error or "")
    assert not Path(run.path).exists()


def test_the_folder_of_a_run_has_a_name_that_file_systems_take() -> None:
    assert run_study._short("lr 0.1, 学习率/1") == "lr-0.1-学习率-1"
    assert run_study._short("./") == "run"
    long = run_study._short("x" + "数" * 100)
    assert long == "x" + "数" * 39  # 118 bytes, and no part of the next


@pytest.mark.process
def test_what_lies_where_a_run_goes_is_named_to_be_removed(recipe: Path) -> None:
    path = write_study(recipe, "budget.epochs = 0.5")
    paths = [Path(run.path) for one in digitlab.compare(path).variants for run in one.runs]
    for one in paths:
        shutil.rmtree(one)
    a_file, broken, foreign, _ = paths
    a_file.touch()
    broken.mkdir()
    (broken / "config.toml").write_text("x =")
    foreign.mkdir()
    (foreign / "own.txt").touch()
    study = digitlab.compare(path)
    errors = [run.error or "" for one in study.variants for run in one.runs]
    assert errors[0] == f"{a_file}: is a file; remove it, and the same again makes the run"
    assert errors[1].startswith(f"{broken}/config.toml: is not valid TOML")
    assert errors[1].endswith(f"; remove {broken}, and the same again makes the run")
    assert errors[2] == f"{foreign}: holds no run; remove it, and the same again makes the run"
    assert errors[3] == ""


def test_a_run_that_fails_says_how_a_study_goes_on(recipe: Path) -> None:
    design = load_design(write_study(recipe))
    variant, folder = design.variants[0], RunFolder(Path("studies/a study/runs/sgd-seed-1"))
    run = run_study.StudiedRun(variant, 1, design.recipe(variant, 1), folder)
    said = f"the disk is full; make room, then go on by --resume {folder.path}"
    assert run.in_words_of_a_study(said) == (
        "the disk is full; make room, then the same again goes on"
    )


def begun(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "digitlab", "compare", path, "--json", "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], kind: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == kind:
            return
    raise AssertionError(f"no {kind}: {process.communicate()}")


def wait_for_a_checkpoint(folder: Path) -> None:
    end = time.monotonic() + WATCHDOG_SECONDS
    while time.monotonic() < end:
        if any(folder.glob("runs/*/checkpoints/step-*")):
            return
        time.sleep(0.02)
    raise AssertionError("no checkpoint")


def until_nobody_trains(runs: list[Path]) -> None:
    end = time.monotonic() + WATCHDOG_SECONDS
    while any(is_locked(RunFolder(run)) for run in runs) and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_study_that_was_stopped_goes_on_by_the_same_command(
    recipe: Path, number: signal.Signals
) -> None:
    path = write_study(recipe, "budget.epochs = 100", seeds="[1]")
    process = begun(path)
    until(process, "plan")
    wait_for_a_checkpoint(Path("studies/study"))
    process.send_signal(number)
    _, said = process.communicate(timeout=WATCHDOG_SECONDS)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number, said
        assert said == "stopped; the same command goes on\n"
    left = [one for one in Path("studies/study/runs").iterdir() if (one / "config.toml").exists()]
    assert left
    until_nobody_trains(left)  # of a study that was killed, runs end within a moment
    study = digitlab.compare(path, jobs=2)
    assert not study.failed
    run = digitlab.train(recipe, epochs=100, optimizer="sgd", run_dir="own")
    assert weights(study.variants[0].runs[0].path) == weights(run.path)


@pytest.mark.process
def test_runs_that_start_from_other_weights_are_made_anew(recipe: Path) -> None:
    start = trained(recipe, "start", seed=1)
    path = write_study(recipe, f"settings.start_from = '{start}'", seeds="[3]")
    first = digitlab.compare(path)
    shutil.rmtree(start)
    trained(recipe, "start", seed=2)
    again = digitlab.compare(path)
    for one, other in zip(first.variants, again.variants, strict=True):
        assert one.runs[0].path != other.runs[0].path
        assert weights(one.runs[0].path) != weights(other.runs[0].path)


def trained(recipe: Path, name: str, **more: Any) -> Path:
    return digitlab.train(recipe, epochs=0.2, run_dir=name, **more).path


def test_runs_that_exist_are_compared(recipe: Path, command: Command) -> None:
    for seed in (1, 2):
        trained(recipe, f"sgd-{seed}", seed=seed, optimizer="sgd")
        trained(recipe, f"adam-{seed}", seed=seed, optimizer="adam")
    study = digitlab.compare("sgd-1", Path("sgd-2"), "adam-1", "adam-2")
    assert study.path is None
    assert [(one.name, len(one.runs)) for one in study.variants] == [("sgd", 2), ("adam", 2)]
    assert study.variants[0].settings == {"optimizer.name": "sgd"}
    (one,) = study.comparisons
    assert one.p is not None
    assert "sgd" in study._repr_html_()
    done = command("compare", "sgd-1", "adam-1", "--out", "zh", "--language", "zh")
    first, *_, last = done.stdout.splitlines()
    assert first == "对比实验“runs”：已有的 2 次训练"
    assert last == f"全部结果：zh{os.sep}（index.html、table.csv、study.json 等）"
    done = command("compare", "sgd-1", "adam-1", "--json", "--out", "out")
    assert done.returncode == 0
    shown = json.loads(done.stdout)
    assert shown["event"] == "done"
    assert shown["comparisons"][0]["larger_than_chance"] is None
    assert any("With one seed nothing can be said" in line for line in shown["sentences"])
    assert Path("out/table.csv").is_file()
    assert command("compare", "sgd-1", "adam-1", "--out", "out").returncode == 0
    assert "sgd-2: is not empty, and no study" in mistake(
        command("compare", "sgd-1", "adam-1", "--out", "sgd-2")
    )
    shutil.copytree("sgd-1", "twin")
    with pytest.raises(ConfigError, match="twin: is a run of the same recipe and seed"):
        digitlab.compare("sgd-1", "twin")
    os.unlink("twin/summary.json")
    with pytest.raises(RunError, match="twin: has not ended; go on with it first"):
        digitlab.compare("sgd-1", "twin")


def test_one_run_is_no_comparison(recipe: Path, command: Command) -> None:
    trained(recipe, "alone")
    assert "alone: is one run; a comparison needs at least two that differ" in mistake(
        command("compare", "alone", "--out", "out")
    )
    assert not Path("out").exists()


def test_a_folder_that_holds_another_study_is_refused(recipe: Path, command: Command) -> None:
    runs = [trained(recipe, "one"), trained(recipe, "other", optimizer="adam")]
    Path("made/runs").mkdir(parents=True)
    Path("made/lock").touch()  # of a study that was stopped before its end
    assert "made: holds a study with its own runs; name a new folder by --out" in mistake(
        command("compare", *runs, "--out", "made")
    )
    Path("networks").mkdir()
    Path("networks/study.json").write_text('{"name": "networks"}')
    assert "networks: holds another study, networks; name a new folder by --out" in mistake(
        command("compare", *runs, "--out", "networks")
    )
    assert "networks: holds another study, networks" in mistake(
        command("compare", "optimizers", "--out", "networks")
    )
    assert [path.name for path in Path("networks").iterdir() if path.name != "lock"] == [
        "study.json"
    ]


def test_a_comparison_of_runs_that_was_stopped_while_it_wrote_is_made_again(
    recipe: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [trained(recipe, "one"), trained(recipe, "other", optimizer="adam")]

    def stopped(path: Path, content: bytes) -> None:
        if path.name == "index.html":
            raise KeyboardInterrupt
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr(write_study_module, "write_whole", stopped)
        done = command("compare", *runs, "--out", "out")
    assert (done.returncode, done.stderr) == (130, "stopped; the same command goes on\n")
    assert not Path("out/study.json").exists()
    assert command("compare", *runs, "--out", "out").returncode == 0
    assert Path("out/study.json").is_file()


def test_a_study_is_held_while_runs_are_compared_in_its_folder(recipe: Path) -> None:
    runs = [trained(recipe, "one"), trained(recipe, "other", optimizer="adam")]
    held: list[bool] = []
    digitlab.compare(
        *runs, out="out", reporter=lambda event: held.append(is_locked(RunFolder(Path("out"))))
    )
    assert held
    assert all(held)


def test_ctrl_c_while_runs_are_asked_is_an_interruption_that_says_where(recipe: Path) -> None:
    runs = [trained(recipe, "one"), trained(recipe, "other", optimizer="adam")]

    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(digitlab.Interrupted, match="stopped; the same again goes on") as stopped:
        digitlab.compare(*runs, out="out", reporter=stop)
    assert (stopped.value.folder, stopped.value.exit_status) == (RunFolder(Path("out")), 130)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_first_run_and_while_runs_are_asked_says_how_to_go_on(
    recipe: Path, command: Command, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def stop(*given: Any, **more: Any) -> None:
        os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(run_study, "load_dataset", stop)
        done = command("compare", write_study(recipe))
    assert (done.returncode, done.stderr) == (128 + number, "stopped; the same command goes on\n")
    runs = [trained(recipe, "one"), trained(recipe, "other", optimizer="adam")]
    with pytest.raises(digitlab.Interrupted, match="stopped; the same again goes on") as stopped:
        digitlab.compare(*runs, out="out", reporter=stop)
    assert stopped.value.exit_status == 128 + number


def test_names_of_runs_can_be_printed_and_no_two_are_alike() -> None:
    training = dataclasses.replace(
        Recipe().training, epochs=2.0, batch_size=9, shards=1, max_skips=7
    )
    many = dataclasses.replace(Recipe(), training=training, network=NetworkConfig(name="mlp"))
    names = _names({Recipe(): Path("a\n\x1b[2J"), many: Path("a\\n\\x1b[2J")})
    assert all(name.isprintable() for name in names.values())
    assert list(names.values()) == ["1: a\\n\\x1b[2J", "2: a\\n\\x1b[2J"]
    own = dataclasses.replace(Recipe(), network=NetworkConfig(name="mlp\x1b:Net"))
    assert _names({Recipe(): Path("a"), own: Path("b")})[own] == "mlp\\x1b:Net"


def test_ctrl_c_while_the_data_load_is_an_interruption(
    recipe: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_study, "load_dataset", stop)
    done = command("compare", write_study(recipe))
    assert (done.returncode, done.stderr) == (130, "stopped; the same command goes on\n")


def test_runs_on_other_data_are_not_compared(recipe: Path) -> None:
    one = trained(recipe, "one")
    data = digitlab.load_dataset(recipe.read_text().split("'")[1])
    fewer = {name: digitlab.Split(s.images[:99], s.labels[:99]) for name, s in data.splits.items()}
    other = trained(recipe, "other", data=digitlab.Dataset("fewer", fewer))
    study = digitlab.compare(one, other)
    assert study.comparisons == ()
    assert study.notes == (
        "The runs were not measured on the same images, so they are not compared.",
    )


def test_mistakes_are_one_line(command: Command) -> None:
    assert "there is no study 'optimisers'; expected " in mistake(command("compare", "optimisers"))
    assert "none.toml: cannot be read" in mistake(command("compare", "none.toml"))
    assert "--seeds: 'x' is no list" in mistake(command("compare", "networks", "--seeds", "x"))
    assert "seeds has 1 twice" in mistake(command("compare", "networks", "--seeds", "1,1"))
    assert "language is 'fr'; expected en or zh" in mistake(
        command("compare", "networks", "--language", "fr")
    )
    assert "jobs is 0; expected 1 or more" in mistake(command("compare", "networks", "--jobs", "0"))
    assert "budget.epochs is -1.0" in mistake(command("compare", "networks", "--epochs", "-1"))
    Path("file").touch()
    assert "file: cannot be made" in mistake(command("compare", "networks", "--out", "file"))
    Path("mine").mkdir()
    Path("mine/table.csv").write_text("my own")
    assert "mine: is not empty, and no study is in it" in mistake(
        command("compare", "networks", "--out", "mine")
    )
    assert [path.name for path in Path("mine").iterdir()] == ["table.csv"]
    Path("folder").mkdir()
    assert "folder: is no run folder" in mistake(command("compare", "folder"))
    assert "nowhere: there is no such run folder" in mistake(
        command("compare", "nowhere", "folder")
    )
    assert "seeds, epochs and networks are for a study" in mistake(
        command("compare", "folder", "folder", "--epochs", "2")
    )
