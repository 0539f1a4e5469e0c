"""The command line: outputs, exit statuses, one line for a mistake, signals.

`run` starts a process; `command` (commands.py) stays in this one, where no process is to be seen.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import digitlab
from commands import Command, mistake

VERBS = ("train", "evaluate", "export", "read", "data", "runs")
SAMPLE = Path(digitlab.__file__).parent / "reading" / "sample.png"


def run(*arguments: Any, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "digitlab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> Path:
    """Return a run of the small data."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    digitlab.train("quick", data=str(small_data), epochs=4, run_dir=folder)
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(
    command: Command, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = command(verb, "--help")
    assert done.returncode == 0
    assert f"digitlab {verb}" in done.stdout
    assert "Examples" in done.stdout


@pytest.mark.process
def test_without_a_verb_the_help_is_shown() -> None:
    done = run()
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.process
def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"digitlab {digitlab.__version__}\n"


@pytest.mark.process
def test_training_prints_what_was_reached_where_it_lies_and_what_to_try(small_recipe: Path) -> None:
    done = run("train", "--recipe", small_recipe, "--run-dir", "run", "--log-every", 10)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("epoch 1/2  step 10/24  loss ")]
    assert any(line.startswith("epoch 2: validation accuracy ") for line in lines)
    assert any(line.startswith("test accuracy ") and "95 % interval" in line for line in lines)
    assert any(line.startswith("everything lies in run/") for line in lines)
    assert lines[-1].startswith("next: ")
    assert f"read {SAMPLE} --model run" in lines[-1]


@pytest.mark.process
def test_quiet_is_silent(small_recipe: Path) -> None:
    done = run("train", "--recipe", small_recipe, "--run-dir", "run", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.process
def test_json_is_one_object_a_line(small_recipe: Path) -> None:
    done = run("train", "--recipe", small_recipe, "--run-dir", "run", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["step"] for event in events if event["event"] == "step"] == list(range(1, 25))
    assert events[-1]["event"] == "done"
    assert (
        events[-1]["test_accuracy"]
        == json.loads(Path("run/summary.json").read_text())["test_accuracy"]
    )
    assert done.stderr == ""


def test_flags_override_the_recipe(command: Command, small_recipe: Path) -> None:
    done = command(
        "train", "--recipe", small_recipe, "--network", "cnn", "--objective", "square-error",
        "--optimizer", "momentum", "--learning-rate", "1e-4", "--schedule", "cosine",
        "--epochs", "0.1", "--batch-size", "40", "--augment", "shift=2", "--seed", "7",
        "--device", "cpu", "--threads", "1", "--train-on", "all", "--run-dir", "run",
        "--set", "momentum=0.5", "--set", "training.shards=5", "--quiet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recipe = digitlab.load_recipe("run/config.toml")
    assert recipe.network.name == "cnn"
    assert recipe.objective.name == "square-error"
    assert (recipe.optimizer.name, recipe.optimizer.momentum) == ("momentum", 0.5)
    assert (recipe.optimizer.learning_rate, recipe.schedule.name) == (1e-4, "cosine")
    assert (recipe.training.epochs, recipe.training.batch_size) == (0.1, 40)
    assert (recipe.augment.shift, recipe.augment.rotation) == (2, 0)
    assert (recipe.seed, recipe.data.train_on, recipe.training.shards) == (7, "all", 5)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "No such command 'trian'"),
        (["train", "--epoch", "3"], "there is no option --epoch; did you mean --epochs?"),
        (
            ["train", "--learning_rate", "3"],
            "option --learning_rate; did you mean --learning-rate?",
        ),
        (["train", "--num_Epochs", "3"], "option --num_Epochs; did you mean --epochs?"),
        (["train", "--gpu"], "there is no option --gpu; did you mean --device cuda?"),
        (["train", "--momentum", "0.5"], "did you mean --set optimizer.momentum=VALUE?"),
        (["train", "--rotation", "5"], "mean --set augment.rotation=VALUE or --set handwriting.r"),
        (["train", "--dropout", "0.5"], "option --dropout; layers are code: write a network with"),
        (["train", "--zzz"], "there is no option --zzz; digitlab train --help lists those there"),
        (["train", "-e", "3"], "there is no option -e; digitlab train --help lists those there"),
        (["evaluate", "run", "--momentum", "1"], "option --momentum; digitlab evaluate --help"),
        (["runs", "--jsn"], "there is no option --jsn; did you mean --json?"),
        (["--verzion"], "there is no option --verzion; did you mean --version?"),
        (["--zzz"], "there is no option --zzz; digitlab --help lists those there are"),
        (["train", "--lr", "0.1"], "there is no option --lr; did you mean --learning-rate?"),
        (["train", "--loss", "mse"], "there is no option --loss; did you mean --objective?"),
        (["train", "--objective", "mse"], "did you mean square-error?"),
        (["train", "--optimizer", "Adam"], "or adamw; did you mean adam?"),
        (["train", "--set", "epoch=0.2"], "no setting epoch; did you mean training.epochs?"),
        (["train", "--epochs", "many"], "--epochs"),
        (
            ["train", "--recipe", "fast"],
            "no recipe 'fast'; expected in-number, photo, quick",
        ),
        (["train", "--optimizer", "sdg"], "optimizer.name is 'sdg'; expected sgd"),
        (["train", "--network", "resnet"], "network.name is 'resnet'"),
        (["train", "--set", "train.epochs=3"], "train.epochs; did you mean training.epochs?"),
        (["train", "--recipe", "mlp"], "path of a .toml file; did you mean tutorial-mlp?"),
        (["train", "--epochs", "0"], "training.epochs is 0.0; expected more than 0"),
        (["train", "--threads", "0"], "threads is 0; expected 1 or more"),
        (["train", "--set", "x"], "--set: 'x' is not key=value"),
        (["train", "--device", "cuda:7"], "device cuda:7 is not there"),
        (["train", "--data", "nowhere"], "nowhere"),
        (["train", "--from", "nowhere"], "nowhere: cannot start from it"),
        (["train", "--resume", "nowhere"], "nowhere: there is no such run folder"),
        (["train", "--resume", "x", "--recipe", "tutorial-cnn"], "--recipe cannot stand beside"),
        (["evaluate", "nowhere"], "nowhere"),
        (["evaluate"], "Missing argument"),
        (["evaluate", "x.onnx", "--pictures", "0"], "--pictures"),
        (["evaluate", "nowhere", "--chart", "a.txt"], "a.txt cannot be written: unknown file ext"),
        (["evaluate", "nowhere", "--chart", "a"], "a cannot be written: unknown file extension"),
        (
            ["evaluate", "nowhere", "--mistakes", "x/a.png"],
            "x/a.png cannot be written: there is no",
        ),
        (["data", "nowhere", "--sheet", "a.txt"], "a.txt cannot be written: unknown file ext"),
        (["export", "nowhere", "--to", "x.onnx"], "nowhere"),
        (["export", "nowhere"], "Missing option '--to'"),
        (["read"], "Missing argument"),
        pytest.param(["read", "x.png", "--model", "nowhere"], "nowhere", marks=pytest.mark.process),
        (["read", ""], "an argument is empty"),
        (["read", "x.png", "--annotate", ""], "an argument is empty"),
        (["read", "x.png", "--annotate="], "--annotate is empty"),
        (["read", "x.png", "--json", "--csv"], "--json and --csv cannot stand together"),
        (["read", "--csv", "new.csv", "in"], "new.csv is no picture; to write into it what --csv"),
        (["read", "in", "--json", "--out", "a.csv"], "--json and --out a.csv cannot stand togeth"),
        (["read", "in", "--output", "a.csv"], "no option --output; did you mean --out?"),
        (["read", "x.png", "--max-pixels", "0"], "--max-pixels 0: expected a number above 0"),
        (["read", "x.png", "--max-seconds", "nan"], "--max-seconds nan: expected a number above 0"),
        (["read", "x.png", "--max-memory", "-1"], "--max-memory -1: expected a number above 0"),
        pytest.param(
            ["read", "x.png", "--upright", "maybe"],
            "--upright 'maybe': expected one of auto, no",
            marks=pytest.mark.process,
        ),
        pytest.param(
            ["read", SAMPLE, "--annotate", SAMPLE],
            "sample.png: the folder cannot be made",
            marks=pytest.mark.process,
        ),
        pytest.param(
            ["read", SAMPLE, "--explain", SAMPLE / "x"],
            "sample.png/x: the folder cannot be made",
            marks=pytest.mark.process,
        ),
        pytest.param(
            ["read", SAMPLE, "--out", "x/a.csv"],
            "x/a.csv cannot be written: there is no folder x",
            marks=pytest.mark.process,
        ),
        (["runs", ""], "an argument is empty"),
        (["figure"], "a figure has to be named: sigmoid, log, softmax, pipeline"),
        (["figure", "log"], "--out is missing: the file to write, such as --out log.svg"),
        (["figure", "log", "--list"], "--list stands alone, or with --language"),
        (["figure", "--list", "--language", "fr"], "no language 'fr'; expected en or zh"),
        (["figure", "sofmax", "--out", "a.png"], "no figure 'sofmax'; did you mean softmax?"),
        (["figure", "relu", "--out", "a.png"], "no figure 'relu'; expected sigmoid, log, softmax"),
        (["figure", "log", "--out", "a.png", "--language", "zh-CN"], "did you mean zh?"),
        (["figure", "log", "--out", "a.sgv"], "a.sgv cannot be written: expected .svg or .png"),
        (["figure", "log", "--out", "a.pmg"], "expected .svg or .png at its end; try a.png"),
        (["figure", "log", "--out", "."], "expected .svg or .png at its end; try figure.svg"),
        (["figure", "log", "--out", "x/a.svg"], "x/a.svg cannot be written: there is no folder x"),
        (["data", "nowhere"], "nowhere"),
        (["runs", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(
    command: Command, arguments: list[object], expected: str
) -> None:
    assert expected in mistake(command(*arguments))
    assert os.listdir() == []  # no run, no log, no picture


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments",
    [["train", "--from", "nowhere"], ["read", "x.png", "--model", "nowhere"], ["runs", ""]],
)
def test_a_process_says_of_a_mistake_what_main_says_here(
    command: Command, arguments: list[str]
) -> None:
    assert mistake(run(*arguments)) == mistake(command(*arguments))
    assert os.listdir() == []


def stop_and_go_on(recipe: Path, number: int) -> tuple[int, str]:
    """Send a signal to a training process at its tenth step; return its status and words."""
    command = [sys.executable, "-m", "digitlab", "train", "--recipe", str(recipe)]
    command += ["--epochs", "2000", "--run-dir", "run", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "step" and event["step"] == 10:
                process.send_signal(number)
                break
        _, words = process.communicate(timeout=120)
    return process.returncode, words


@pytest.mark.process
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_saves_says_how_to_go_on_and_exits_130(
    small_recipe: Path, number: int, status: int
) -> None:
    returned, words = stop_and_go_on(small_recipe, number)
    assert returned == status
    assert words.splitlines() == ["stopped; to go on: python -m digitlab train --resume run"]
    assert list(Path("run/checkpoints").glob("step-*/checkpoint.json"))
    (status_line,) = [json.loads(x) for x in run("runs", ".", "--json").stdout.splitlines()]
    assert status_line["state"] == "stopped"
    assert status_line["step"] >= 10


@pytest.mark.process
def test_a_closed_terminal_costs_nothing(small_recipe: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:  # the terminal's own process, which the system sends SIGHUP
        command = ["train", "--recipe", str(small_recipe), "--epochs", "2000", "--run-dir", "run"]
        os.execv(sys.executable, [sys.executable, "-m", "digitlab", *command])
    seen = b""
    while b"step " not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert list(Path("run/checkpoints").glob("step-*/checkpoint.json"))
    (line,) = [json.loads(one) for one in run("runs", ".", "--json").stdout.splitlines()]
    assert line["state"] == "stopped"


@pytest.mark.process
def test_nohup_is_respected(small_recipe: Path) -> None:
    command = [sys.executable, "-m", "digitlab", "train", "--recipe", str(small_recipe), "--json"]
    with subprocess.Popen(
        ["nohup", *command, "--run-dir", "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b'"step"' in line and b'"phase"' not in line:
                process.send_signal(signal.SIGHUP)
                break
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert Path("run/summary.json").exists()


@pytest.mark.process
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_output_that_is_not_utf_8_ends_no_command(
    small_recipe: Path, small_data: Path, encoding: str
) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    Path("数字").mkdir()
    Path("数字/五.png").write_bytes(Path(SAMPLE).read_bytes())
    Path("数字/no picture.png").write_text("x")
    commands = [
        ["train", "--recipe", small_recipe, "--run-dir", "数字/run", "--epochs", "0.2"],
        ["train", "--resume", "数字/run"],
        ["evaluate", "数字/run"],
        ["export", "数字/run", "--to", "数字/model.onnx"],
        ["data", small_data, "--sheet", "数字/sheet.png"],
        ["runs", "数字"],
        ["runs", "数字", "--json"],
        ["read", "数字/五.png", "--explain", "数字/why", "--annotate", "数字/boxes"],
        ["train", "--help"],
    ]
    for command in commands:
        done = run(*command, env=environment, encoding=encoding)
        assert done.returncode == 0, (command, done.stderr)
        assert "Traceback" not in done.stderr
    listed = run("runs", "数字", "--json", env=environment, encoding=encoding)
    assert json.loads(listed.stdout)["path"] == "数字/run"
    failed = run("read", "数字/no picture.png", env=environment, encoding=encoding)
    assert failed.returncode == 1
    assert failed.stderr.startswith("digitlab: \\u6570\\u5b57/no picture.png")


@pytest.mark.process
def test_ctrl_c_before_the_first_step_is_one_line(small_recipe: Path) -> None:
    command = [sys.executable, "-m", "digitlab", "train", "--recipe", str(small_recipe), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"event": "phase", "name": "start"}
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=120)
    assert process.returncode == 130
    assert len(words.splitlines()) == 1


def test_evaluate_agrees_with_the_summary_and_draws_mistakes(
    command: Command, trained: Path, small_data: Path
) -> None:
    done = command("evaluate", trained, "--data", small_data, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    summary = json.loads((trained / "summary.json").read_text())
    assert report["accuracy"] == summary["test_accuracy"]
    assert np.sum(report["confusion_matrix"]) == 150
    assert Path(report["mistakes"]).read_bytes().startswith(b"\x89PNG")
    text = command("evaluate", trained / "model.onnx", "--data", small_data, "--split", "valid")
    assert f"{100 * summary['valid_accuracy']:.2f}" in text.stdout


@pytest.mark.process
def test_evaluate_says_when_to_trust_a_model(
    command: Command, trained: Path, small_data: Path
) -> None:
    Path("letters").mkdir()
    Path("letters/five.png").write_bytes(SAMPLE.read_bytes())
    asked = ["--data", small_data, "--degraded", "--pictures", 1, "--no-digits", "letters"]
    done = command("evaluate", trained, *asked, "--json", "--chart", "chart.png")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert len(report["degraded"]) == 21
    assert report["no_digits"]["count"] == 1
    assert report["chart"] == "chart.png"
    assert Path("chart.png").read_bytes().startswith(b"\x89PNG")
    text = command("evaluate", trained, "--data", small_data).stdout
    assert (trained / "coverage.png").exists()
    assert f"error over coverage: {trained / 'coverage.png'}" in text


@pytest.mark.process
def test_read_answers_names_what_is_no_picture_and_goes_on(trained: Path) -> None:
    Path("notes.png").write_text("no picture")
    done = run("read", "notes.png", SAMPLE, "gone.png", "--model", trained)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith(f"{SAMPLE}: ")
    assert done.stderr.splitlines()[0].startswith("digitlab: notes.png")
    assert done.stderr.splitlines()[1].startswith("digitlab: gone.png")
    lines = run("read", "notes.png", SAMPLE, "--model", trained, "--json").stdout.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert first["rows"] == []
    assert first["error"]["code"]
    assert second["error"] is None
    digit = second["rows"][0]["numbers"][0]["digits"][0]
    assert digit["confidence"] == max(digit["probabilities"])


@pytest.mark.process
def test_the_shipped_model_reads_the_shipped_sample_without_torch(
    without_training_extra: Mapping[str, str],
) -> None:
    without = without_training_extra
    done = run("read", SAMPLE, env=without)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{SAMPLE}: 5 (")
    refused = run("train", env=without)
    assert refused.returncode == 2
    assert refused.stderr == (
        "digitlab: training needs torch, which is not installed; pip install 'digitlab[train]'\n"
    )
    assert run("runs", ".", env=without).returncode == 0


@pytest.mark.process
def test_reading_leaves_no_trace_in_the_users_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = run("read", SAMPLE, env={**os.environ, "HOME": str(home)})
    assert done.returncode == 0
    assert list(home.rglob("*")) == []


def test_data_describes_a_source_and_draws_it(command: Command, small_data: Path) -> None:
    done = command("data", small_data, "--sheet", "sheet.png", "--json")
    assert done.returncode == 0, done.stderr
    description = json.loads(done.stdout)
    assert description["sheet"] == "sheet.png"
    assert Path("sheet.png").read_bytes().startswith(b"\x89PNG")
    assert "600" in command("data", small_data).stdout
    Path("data.png").write_text("mine")
    for _ in range(2):
        done = command("data", small_data)
        assert done.stdout.splitlines()[-1] == "contact sheet: data-2.png"
    assert Path("data.png").read_text() == "mine"
    assert "cannot be written" in mistake(
        command("data", small_data, "--sheet", "no/such/folder.png")
    )


def test_runs_lists_states(command: Command, trained: Path) -> None:
    done = command("runs", trained.parent, "--json")
    (status,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert status["state"] == "finished"
    assert status["recipe"] == "quick"
    assert status["test_accuracy"] > 0.5
    assert {"network", "optimizer", "learning_rate", "batch_size", "seed"} <= status.keys()
    assert status["workers"] == 1
    assert "finished" in command("runs", trained.parent).stdout
    assert command("runs", ".").stdout == "no runs here yet; digitlab train makes one\n"


@pytest.mark.process
def test_importing_digitlab_imports_no_torch() -> None:
    code = (
        "import sys, digitlab, digitlab.cli; digitlab.load_dataset; digitlab.Recogniser; "
        "digitlab.evaluate; print([n for n in ('torch', 'onnx', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
