"""Lessons in the course's style run to their end, as they are, and learn what a recipe learns."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import digitlab
from commands import Command, Done
from digitlab import load_dataset
from digitlab.paddle.check import check
from digitlab.paddle.launch import Launch, launch

LESSONS = Path(__file__).parent / "lessons"
Lesson = Callable[..., Done]
ALL = sorted(LESSONS.glob("*.py"))


@pytest.fixture
def lesson(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lesson:
    """Return what runs a lesson where there is no screen, with the same chance each time."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def run(name: str, *arguments: str) -> Done:
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(1)
        done = command(
            "paddle", "run", "--pictures", tmp_path / "shown", LESSONS / name, *arguments
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def accuracies(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"accuracy: ([0-9.]+)", text)]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_lesson_uses_nothing_that_is_not_there(path: Path) -> None:
    found = check(path)
    assert found.missing == []
    assert found.uses != []


def test_the_reader_of_data_shows_its_first_batch(lesson: Lesson, tmp_path: Path) -> None:
    done = lesson("reader_1_6.py")
    assert "图像维度: (100, 784), 标签维度: (100,)" in done.stdout
    assert "训练数据集数量:  50000" in done.stdout
    assert len(list((tmp_path / "shown").iterdir())) == 1


def test_a_picture_is_predicted_by_what_the_lesson_saved(lesson: Lesson, tmp_path: Path) -> None:
    done = lesson("predict_1_8.py")
    assert re.findall(r"本次预测的数字是:  (\d)", done.stdout) == ["0", "6"]
    assert {path.name for path in Path.cwd().iterdir()} == {"mnist.pdparams", "shown"}
    assert len(list((tmp_path / "shown").iterdir())) == 3


def test_four_optimizers_learn_on_whatever_device_is_asked_for(lesson: Lesson) -> None:
    here = lesson("optimizers_1_8.py")
    assert re.findall(r"^\w+(?=: accuracy)", here.stdout, re.M) == [
        "SGD", "Momentum", "Adagrad", "Adam"
    ]  # fmt: skip
    assert min(accuracies(here.stdout)) > 0.4
    assert here.stderr == ""


@pytest.mark.parametrize("arguments", [["--gpu"], []])
def test_a_switch_for_the_gpu_is_answered_once(
    command: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    Path("switch.py").write_text(
        "import sys\nimport paddle.fluid as fluid\n"
        "place = fluid.CUDAPlace(0) if '--gpu' in sys.argv else fluid.CPUPlace()\n"
        "for _ in range(2):\n    with fluid.dygraph.guard(place):\n        print(fluid.Variable)\n"
    )
    done = command("paddle", "run", "switch.py", *arguments)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == len(arguments)
    assert all("CUDA" in line and "CPU" in line for line in done.stderr.splitlines())
    forced = command("paddle", "run", "--device", "cpu", "switch.py", *arguments)
    assert (forced.returncode, forced.stderr) == (0, "")


# By lesson: how many images it learns from and is tested on, the recipe that says the same, what
# differs, and how far apart two seeds of either end after so few steps.
ALIKE = [
    ("mlp_1_6.py", 10000, 10000, "tutorial-mlp-square-error", {}, 0.08),
    ("cnn_square_1_7.py", 5000, 5000, "tutorial-cnn-square-error", {}, 0.12),
    ("cnn_1_6.py", 4000, 4000, "tutorial-cnn", {"optimizer.name": "momentum"}, 0.1),
    ("cnn_1_8.py", 4000, 4000, "tutorial-cnn", {"optimizer.learning_rate": 0.1}, 0.1),
]


@pytest.mark.parametrize(
    ("name", "images", "evaluated", "recipe", "settings", "apart"),
    ALIKE,
    ids=lambda value: str(value)[:12],
)
def test_a_lesson_learns_what_the_same_recipe_learns(
    lesson: Lesson,
    name: str,
    images: int,
    evaluated: int,
    recipe: str,
    settings: dict[str, Any],
    apart: float,
) -> None:
    done = lesson(name)
    mnist = load_dataset("mnist").splits
    train, test = mnist["train"], mnist["test"]
    data = (
        (train.images[:images], train.labels[:images]),
        (mnist["valid"].images[:100], mnist["valid"].labels[:100]),
        (test.images[:evaluated], test.labels[:evaluated]),
    )
    run = digitlab.train(
        recipe, data=data, epochs=1, settings=settings, run_dir=Path("run"), reporter=lambda _: None
    )
    assert accuracies(done.stdout)[-1] == pytest.approx(run.summary["test_accuracy"], abs=apart)
    losses = [float(one) for one in re.findall(r"loss is: \[?([0-9.]+)", done.stdout)]
    assert losses[-1] < losses[0]
    assert Path("mnist.pdparams").is_file()


@pytest.mark.process
def test_four_workers_read_other_batches_and_end_with_the_same_parameters() -> None:
    launch(Launch(LESSONS / "four_workers.py", selected_gpus="0,1,2,3", log_dir=Path("mylog")))
    logs = [Path(f"mylog/workerlog.{rank}").read_text() for rank in range(4)]
    assert len({re.findall("loss is: (.*)", log)[-1] for log in logs}) == 4
    assert len({re.findall("sum: (.*)", log)[-1] for log in logs}) == 1
    assert min(accuracies(logs[0])) > 0.2  # after 10 steps
    assert Path("mnist.pdparams").is_file()
