"""The benchmarks count what they say: of reading, of many workers, and of two revisions."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digitlab import Recogniser, load_dataset, train
from digitlab.synthesis.camera import photograph
from digitlab.synthesis.pages import PAGE_KINDS

pytestmark = pytest.mark.process

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "reading.py"


def measured(*arguments: str) -> str:
    command = [sys.executable, str(BENCHMARK), "--pictures", "1", "--peers", "none", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reading_is_measured_by_source_and_the_mean_is_over_sources() -> None:
    test = load_dataset("mnist").splits["test"]
    recogniser, right = Recogniser(), {"ann": [], "bob": []}
    for at in range(12):
        source = "ann" if at < 9 else "bob"
        label = int(test.labels[at]) if at != 10 else (int(test.labels[at]) + 1) % 10
        path = Path("photos") / str(label) / f"{source}__{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(test.images[at], "plain", 1, at)).save(path)
        right[source].append(recogniser.read(path, reject="none").text == str(label))
    Path("none").mkdir()
    Image.new("L", (40, 40), 255).save("none/blank.png")
    np.savez("s.npz", images=(test.images[:5] > 99).astype(np.uint8), labels=test.labels[:5])
    found = json.loads(
        measured("--json", "--photographs", "photos", "--no-digits", "none", "--semeion", "s.npz")
    )
    ours = found["digitlab"]
    means = [np.mean(right[source]) for source in ("ann", "bob")]
    assert means[1] <= 2 / 3  # one is labelled otherwise
    assert ours["photographs, ann"]["accuracy"] == pytest.approx(means[0])
    assert ours["photographs, bob"]["count"] == 3
    mean = ours["photographs, mean over sources"]
    assert mean["accuracy"] == pytest.approx(np.mean(means))
    assert mean["interval"][0] < mean["accuracy"] < mean["interval"][1]
    assert ours["Semeion"]["count"] == 5
    assert ours["made, blur"]["count"] == 1
    assert found["split"] == "valid"
    assert found["course"]["photographs, ann"]["count"] == 9
    assert found["course"]["photographs, mean over sources"]["accuracy"] < mean["accuracy"]
    assert (found["no_digits"]["count"], found["no_digits"]["auroc"]) == (1, 1.0)


def test_a_look_at_the_test_set_and_what_is_skipped_are_told() -> None:
    text = measured("--split", "test")
    assert text.startswith("This looks at MNIST's test set")
    assert "skipped: scikit-learn's digits, for none has no sklearn" in text
    assert "MNIST test, as the model prepares it" in text


def test_the_choice_for_a_source_does_not_see_it(tmp_path: Path) -> None:
    # The first reads ann badly and bob well; what is reported of ann was chosen on bob alone.
    candidates = {"first": (1, 10, 0.9), "second": (10, 9, 0.99)}
    for name, (ann, bob, valid) in candidates.items():
        sources = {
            source: {"count": 10, "right": right, "read": right, "wrong": 0}
            for source, right in (("ann", ann), ("bob", bob))
        }
        measure = {"name": name, "valid": valid, "sources": sources}
        (tmp_path / f"{name}.json").write_text(json.dumps(measure))
    script = BENCHMARK.with_name("left_out.py")
    files = [str(tmp_path / f"{name}.json") for name in candidates]
    done = subprocess.run(
        [sys.executable, str(script), "choose", *files], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["ann", "first", "1", "of", "10", "1,", "0"] in rows
    assert ["bob", "second", "9", "of", "10", "9,", "0"] in rows
    assert rows[-1] == ["mean", "50.00", "%"]


def test_the_model_of_many_workers_is_fed_with_what_was_measured(tmp_path: Path) -> None:
    processor = {
        "independents": [0.2],  # 20 ms a step of 4 shards
        "independents, half the batch": [0.22],  # 11 ms a step of 2: so 2 ms whatever the shards
        "one process, network photo": [1.0],
        "exact, 4 shards": [0.23],
    }
    measured = {
        "images_per_second": {"exact, 4 shards": [9_000.0]},
        "processor_ms": processor,
        "exchange": {"24": 1e-4, "81400": 2e-4},
    }
    (tmp_path / "measured.json").write_text(json.dumps({"speed": measured}))
    script = BENCHMARK.with_name("scaling.py")
    options = ["--parts", "model", "--measured", "measured.json", "--figure", "scaling.png"]
    done = subprocess.run(
        [sys.executable, str(script), *options],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "cnn, 20,350 parameters, a core: 2.00 ms a step and 4.50 ms a shard of 25" in done.stdout
    # 2 ms and two shards, 0.1 ms of latency and 0.1 ms of bytes, and 0.0 of adding.
    assert "the model says 11.2" in done.stdout
    assert Image.open(tmp_path / "scaling.png").size == (1000, 600)


def timed_run(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what timed_run.py says of a run that it is asked for, in a folder."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARK.with_name("timed_run.py")), json.dumps(asked)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_timed_run_tells_when_its_steps_were(tmp_path: Path) -> None:
    train = {"recipe": "tutorial-mlp", "threads": 1, "settings": {"training.shards": 2}}
    asked = {"train": train, "workers": {"count": 2}, "stop": 25, "marks": [5, 25]}
    said = timed_run(asked, tmp_path)
    assert said["summary"] == {}
    assert len(said["times"]) >= 25
    assert said["times"] == sorted(said["times"])
    linux = sys.platform == "linux"
    assert len(said["bytes"]) == len(said["processor"]) == 2
    assert said["bytes"][1] >= said["bytes"][0] > 0 or not linux  # steps may be heard of in one go
    assert said["processor"][1] >= said["processor"][0] > 0 or not linux


def test_a_timed_run_is_gone_on_with_in_another_layout(tmp_path: Path) -> None:
    settings = {"training.shards": 2, "training.calibrate": 0}
    train = {"recipe": "tutorial-mlp", "threads": 1, "epochs": 0.4, "settings": settings}
    asked: dict[str, Any] = {"train": {**train, "batch_size": 500}, "marks": [], "folder": "."}
    for more in (
        {"workers": {"count": 2, "parallel": "pipeline"}, "stop": 2},
        {"workers": None, "stop": None},
    ):
        said = timed_run(asked | more, tmp_path)
        assert bool(said["summary"]) == (more["stop"] is None)
    assert 0 < len(said["times"]) < 40 == said["summary"]["steps"]


@pytest.fixture(scope="module")
def scaling_parts() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARK.parent))
        yield importlib.import_module("scaling_parts")


def test_bytes_by_calculation_are_those_of_what_each_layout_sends(
    scaling_parts: ModuleType,
) -> None:
    of = scaling_parts.calculated
    gradient = 4 * 20_350
    assert of({"count": 2}, 100) == gradient
    assert of(scaling_parts.served(1), 100) == pytest.approx(4 * gradient / 3)
    assert of(scaling_parts.served(2), 100) == gradient
    assert of(scaling_parts.PIPELINE, 100) == 100 * (2 * 4 * 980 + 8) / 2
    assert of(scaling_parts.TENSOR, 100) == 400 * (15_680 / 2 + 3_920 * 1.5 + 10 + 980 / 2)
    first, second = 784 + 2 * 980, 2 * (1_960 + 216)  # the picture needs no gradient
    assert of(scaling_parts.BRANCHES, 100) == 400 * (first + second) / 2


def test_the_stages_of_a_pipeline_tell_how_long_they_wait(scaling_parts: ModuleType) -> None:
    stages = scaling_parts._waits(scaling_parts.ONE_BACK, 2, 1, 3)
    assert len(stages) == 2
    assert all(0 < stage["waited"] < stage["whole"] for stage in stages)


@pytest.fixture(scope="module")
def compared_runs() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "compared_runs", BENCHMARK.with_name("compared_runs.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def steps(*losses: float | None, **others: Any) -> list[dict[str, Any]]:
    """Return lines of a metrics.jsonl."""
    numbered = enumerate(losses, start=1)
    return [{"kind": "step", "step": step, "loss": loss, **others} for step, loss in numbered]


def test_the_first_step_whose_loss_parts_and_the_largest_difference_are_named(
    compared_runs: ModuleType,
) -> None:
    (loss,) = compared_runs.partings(steps(3, 2.5, 1, 0.5), steps(3, 2.25, 2, 0.5))
    assert (loss.key, loss.lines, loss.of) == ("loss", 2, 4)
    assert (loss.step, loss.first, loss.second) == (2, 2.5, 2.25)
    assert (loss.largest, loss.largest_step) == (1, 3)
    assert compared_runs.partings(steps(3, 2), steps(3, 2)) == []


def test_validation_parts_by_a_name_of_its_own(compared_runs: ModuleType) -> None:
    first, second = (
        [{"kind": "epoch", "step": 9, "accuracy": 0.5, "valid_accuracy": value}]
        for value in (0.5, 0.75)
    )
    found = compared_runs.partings(steps(1, accuracy=0.25) + first, steps(1, accuracy=0.5) + second)
    assert [(part.key, part.step) for part in found] == [
        ("accuracy", 1),
        ("epoch valid_accuracy", 9),
    ]


def test_losses_that_are_not_finite_are_the_same_as_themselves_alone(
    compared_runs: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"kind": "step", "step": 1, "loss": NaN}\n{"kind": "step", "step": 2, "loss": null}\n'
    )
    lines = compared_runs.metrics_of(tmp_path)
    assert compared_runs.partings(lines, compared_runs.metrics_of(tmp_path)) == []
    (loss,) = compared_runs.partings(lines, steps(0.5, 0.5))
    assert (loss.step, loss.lines, loss.first, loss.largest) == (1, 2, "NaN", None)
    (loss,) = compared_runs.partings(steps(1, None), steps(1, 0.5))
    assert (loss.step, loss.first, loss.second, loss.largest) == (2, None, 0.5, None)


def test_a_zero_of_the_other_sign_is_another_bit(compared_runs: ModuleType) -> None:
    (loss,) = compared_runs.partings(steps(0.0), steps(-0.0))
    assert (loss.step, loss.largest) == (1, 0)


def test_lines_that_are_missing_twice_or_elsewhere_part(
    compared_runs: ModuleType, tmp_path: Path
) -> None:
    whole = steps(3, 2, 1)
    (line,) = compared_runs.partings(whole, whole[:1])
    assert (line.key, line.lines, line.of) == ("line", 2, 3)
    assert (line.step, line.first, line.second) == (2, "there", "absent")
    (line,) = compared_runs.partings(whole[1:], whole)
    assert (line.step, line.first, line.second) == (1, "absent", "there")
    (line,) = compared_runs.partings(whole, [*whole, whole[1]])
    assert (line.key, line.lines, line.step) == ("line", 1, 2)
    (order,) = compared_runs.partings(whole, [whole[0], whole[2], whole[1]])
    assert (order.key, order.step) == ("order", 2)
    cut = "".join(json.dumps(line) + "\n" for line in whole).rstrip("\n")
    (tmp_path / "metrics.jsonl").write_text(cut)
    assert compared_runs.metrics_of(tmp_path) == whole[:2]


def test_another_seed_parts_at_the_first_step_and_the_same_never(
    compared_runs: ModuleType, small_recipe: Path
) -> None:
    for name, seed, threads in (("first", 1, 1), ("again", 1, 2), ("other", 2, 1)):
        train(small_recipe, seed=seed, threads=threads, run_dir=name)
    same = compared_runs.compare(Path("first"), Path("again"))
    assert same.same
    assert compared_runs.told(same) == []
    assert same.steps == 24
    other = compared_runs.compare(Path("first"), Path("other"))
    assert not other.same
    assert other.step == 1
    assert other.config["seed"] == (1, 2)
    assert other.parted_in == [
        "weights",
        "model.onnx",
        "model.safetensors",
        "the last checkpoint",
        "metrics.jsonl",
        "config.toml",
        "summary.json",
    ]
    assert other.files == ([], [])


def edit(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Return what changes a JSON file of a run."""

    def changed(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return changed


def put(name: str, old: str, new: str) -> Callable[[Path], object]:
    """Return what changes a text file of a run."""

    def changed(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return changed


CONFIG = """seed = 1
[optimizer]
learning_rate = 0.01
[recorded]
start_sha256 = "ab"
digitlab = "0.1.0"
cores = 2
"""
SUMMARY = {"weights_sha256": "cd", "test_accuracy": 0.5, "ended": "now", "images_per_second": 1}
STATE = "checkpoints/step-0000000002/state.safetensors"


@pytest.fixture
def two_runs(tmp_path: Path) -> tuple[Path, Path]:
    """Return two folders with what runs leave, made by hand, so that one thing may be changed."""
    first, second = tmp_path / "first", tmp_path / "second"
    for name in (
        STATE,
        STATE.replace("2", "1"),
        "model.onnx",
        "model.safetensors",
        "tensorboard/e",
    ):
        (first / name).parent.mkdir(parents=True, exist_ok=True)
        (first / name).write_text(name)
    (first / "tensorboard/e").rename(first / "tensorboard/events.out.tfevents.11.host.22.0")
    (first / "config.toml").write_text(CONFIG)
    (first / "summary.json").write_text(json.dumps({**SUMMARY, "versions": {"torch": "2"}}))
    lines = [{**line, "seconds": 0.25} for line in steps(2, 1)]
    (first / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.copytree(first, second)
    return first, second


@pytest.mark.parametrize(
    ("change", "parted"),
    [
        (put("model.onnx", "o", "O"), "model.onnx"),
        (put("model.safetensors", "o", "O"), "model.safetensors"),
        (put(STATE, "s", "S"), "the last checkpoint"),
        (put("metrics.jsonl", '"loss": 1', '"loss": 1.5'), "metrics.jsonl"),
        (put("config.toml", "0.01", "0.011"), "config.toml"),
        (put("config.toml", '"ab"', '"AB"'), "config.toml"),
        (put("config.toml", "[optimizer]", "new = 1\n[optimizer]"), "config.toml"),
        (edit("summary.json", lambda summary: summary.update(weights_sha256="ef")), "weights"),
        (edit("summary.json", lambda summary: summary.update(test_accuracy=1)), "summary.json"),
        (edit("summary.json", lambda summary: summary.update(new=None)), "summary.json"),
        (lambda folder: (folder / "new.png").touch(), "the list of files"),
    ],
)
def test_whatever_of_a_run_is_changed_parts_and_nothing_else_does(
    compared_runs: ModuleType,
    two_runs: tuple[Path, Path],
    change: Callable[[Path], object],
    parted: str,
) -> None:
    assert compared_runs.compare(*two_runs).same
    change(two_runs[1])
    found = compared_runs.compare(*two_runs)
    assert found.parted_in == [parted]
    assert not found.same
    assert len(compared_runs.told(found)) == 1


@pytest.mark.parametrize(
    "change",
    [
        put("metrics.jsonl", '"seconds": 0.25', '"seconds": 7.5'),
        put("config.toml", "0.1.0", "0.2.0"),
        put("config.toml", "cores = 2", "cores = 4"),
        edit("summary.json", lambda summary: summary.update(ended="later", images_per_second=9)),
        edit("summary.json", lambda summary: summary.update(versions={"torch": "3"})),
        lambda folder: next((folder / "tensorboard").iterdir()).rename(
            folder / "tensorboard" / "events.out.tfevents.33.host.44.0"
        ),
        lambda folder: shutil.rmtree((folder / STATE.replace("2", "1")).parent),  # saved by time
    ],
)
def test_clocks_dates_and_versions_are_left_out(
    compared_runs: ModuleType, two_runs: tuple[Path, Path], change: Callable[[Path], object]
) -> None:
    change(two_runs[1])
    assert compared_runs.compare(*two_runs).parted_in == []


def test_two_runs_that_failed_alike_are_not_the_same(
    compared_runs: ModuleType, two_runs: tuple[Path, Path]
) -> None:
    for run in two_runs:
        (run / "summary.json").unlink()
    found = compared_runs.compare(*two_runs)
    assert not found.same
    assert compared_runs.told(found) == ["A has not ended", "B has not ended"]
    (two_runs[0] / "config.toml").unlink()
    assert compared_runs.compare(*two_runs).parted_in == ["weights", "the list of files"]


def test_the_first_picture_that_is_read_otherwise_is_named(compared_runs: ModuleType) -> None:
    first = b'{"file": "a.png", "text": "1"}\n{"file": "b.png", "text": "2"}\n'
    assert compared_runs.readings(first, first) == compared_runs.Readings(2, 0)
    found = compared_runs.readings(first, first.replace(b"2", b"7"))
    assert (found.lines, found.parted, found.file) == (2, 1, "b.png")
    assert found.second == '{"file": "b.png", "text": "7"}'
    found = compared_runs.readings(first[:31], first)
    assert (found.parted, found.file, found.first) == (1, "b.png", "absent")


# Stands for digitlab in a repository of the tests, and tells what it was asked for.
STAND_IN = """
import json, os, sys, time
from pathlib import Path

LOSS, SPEED, TEXT = 2, 100, "1"
if sys.argv[1] == "read":
    if sys.argv[3] == "fails":
        sys.exit("Error: a bug")
    print(json.dumps({"file": "one.png", "text": TEXT}))
    sys.exit(1)  # as where a picture cannot be read
at = sys.argv.index("--run-dir")
run = Path(sys.argv[at + 1])
asked = " ".join(sys.argv[1:at] + sys.argv[at + 2 :])
with open(os.environ["ASKED"], "a") as file:
    print(LOSS, asked, file=file, flush=True)
if "--seed 3" in asked:
    time.sleep(600)
if "--seed 4" in asked:
    print("digitlab: no such seed", file=sys.stderr)
    sys.exit(2)
if "--seed 5" in asked and LOSS == 1:
    sys.exit("Error: a bug")
losses = [3, LOSS + ("--seed 6" in asked and run.name.endswith("run 2"))]
lines = [{"kind": "step", "step": step, "loss": loss} for step, loss in enumerate(losses, 1)]
run.mkdir()
(run / "metrics.jsonl").write_text("".join(json.dumps(line) + chr(10) for line in lines))
summary = {"weights_sha256": str(losses), "images_per_second": SPEED}
(run / "summary.json").write_text(json.dumps(summary))
"""


class Repository:
    """A repository with two revisions of a stand-in, `old` and `new`."""

    def __init__(self, folder: Path) -> None:
        """Make both."""
        self.folder, self.main = folder, folder / "src/digitlab/__main__.py"
        self.temporary, self.asked = folder.parent / "temporary", folder.parent / "asked"
        self.temporary.mkdir()
        self.recipe = self.main.with_name("recipes") / "small.toml"
        self.recipe.parent.mkdir(parents=True)
        self.recipe.touch()
        self.main.with_name("__init__.py").touch()
        self.main.write_text(STAND_IN)
        (folder / "benchmarks").mkdir()
        for name in ("compare_revisions", "compared_runs", "checkouts"):
            shutil.copy(BENCHMARK.with_name(f"{name}.py"), folder / "benchmarks")
        self.git("init", "--quiet")
        self.commit("old")
        self.edit('LOSS, SPEED, TEXT = 2, 100, "1"', 'LOSS, SPEED, TEXT = 1, 200, "7"')
        self.commit("new")

    def git(self, *arguments: str) -> str:
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "tag.gpgSign=false"]
        command = ["git", *author, "-c", "commit.gpgSign=false", *arguments]
        return subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout

    def commit(self, tag: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", tag)
        self.git("tag", tag)

    def edit(self, old: str, new: str) -> None:
        text = self.main.read_text()
        assert old in text
        self.main.write_text(text.replace(old, new))

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        # Not measured: coverage would take the stand-in for digitlab.
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE"))
        }
        environment |= {"TMPDIR": str(self.temporary), "ASKED": str(self.asked)}
        script = self.folder / "benchmarks" / "compare_revisions.py"
        return subprocess.Popen(
            [sys.executable, str(script), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def compared(self, *arguments: str) -> tuple[int, list[str], list[str]]:
        """Return the status and the lines of both outputs of a comparison that left nothing."""
        with self.started(*arguments) as process:
            output, said = process.communicate(timeout=300)
        self.assert_nothing_stays()
        return process.returncode, output.splitlines(), said.splitlines()

    def assert_nothing_stays(self) -> None:
        assert len(self.git("worktree", "list").splitlines()) == 1
        assert list(self.temporary.iterdir()) == []


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    (tmp_path / "repository").mkdir()
    return Repository(tmp_path / "repository")


def test_two_revisions_part_where_their_losses_do(repository: Repository) -> None:
    status, output, _ = repository.compared("old", "new", "--repeats", "2", "--json", "all.json")
    assert (status, output[-1]) == (1, "parted: small at step 2")
    assert "  loss parts in 1 of 2 lines, first at step 2: 2 and 1; most at step 2, by 1" in output
    row = next(line for line in output if line.startswith("small "))
    assert row.split()[:8] == ["small", "2", "parted", "same", "parted", "same", "100", "200"]
    assert row.endswith("  2.00 (2.00 to 2.00)")
    found = json.loads(Path("all.json").read_text())
    assert (found["same"], found["verdict"]) == (False, output[-1])
    (small,) = found["recipes"]
    assert small["images_per_second"] == [[100, 100], [200, 200]]
    assert small["ratios"] == [2, 2]
    assert small["comparison"]["metrics"][0]["step"] == 2
    turns = [line.split()[0] for line in repository.asked.read_text().splitlines()]
    assert turns == ["2", "1", "2", "1"]


def test_a_revision_has_the_bits_of_itself(repository: Repository) -> None:
    status, output, _ = repository.compared("new", "HEAD")
    assert (status, output[-1]) == (0, "same bits in 1 of 1 recipes")


def test_both_train_by_what_was_asked_for_and_calibrate_little(repository: Repository) -> None:
    Path("own.toml").write_text("[training]\ncalibrate = 2400\n")
    given = ["--seed", "7", "--threads", "1", "--epochs", "0.5", "--workers", "0", "2"]
    repository.compared("old", "old", "--recipes", "small", "own.toml", *given)
    asked = repository.asked.read_text().splitlines()[::2]
    often = "--quiet --seed 7 --threads 1 --epochs 0.5"
    assert asked == [
        f"2 train --recipe small {often}",
        f"2 train --recipe small {often} --workers 2",
        f"2 train --recipe own.toml {often} --set training.calibrate=52",
        f"2 train --recipe own.toml {often} --set training.calibrate=52 --workers 2",
    ]


@pytest.mark.parametrize("name", [".", "worktree"])
def test_the_working_tree_is_compared_as_it_lies(repository: Repository, name: str) -> None:
    assert repository.compared("new", name)[0] == 0
    repository.edit("LOSS, SPEED, TEXT = 1", "LOSS, SPEED, TEXT = 2")
    assert repository.compared("old", name)[0] == 0
    status, output, _ = repository.compared("new", name)
    assert (status, output[-1]) == (1, "parted: small at step 2")


def test_recipes_are_those_that_ship_in_both(repository: Repository) -> None:
    repository.recipe.with_name("later.toml").touch()
    status, output, _ = repository.compared("new", ".")
    assert (status, output[-1]) == (0, "same bits in 1 of 1 recipes")
    assert "left out, for it ships in one alone: later" in output


def test_readings_of_two_revisions_are_compared(repository: Repository) -> None:
    Path("photos").mkdir()
    given = ["--recipes", "--pictures", "photos"]
    status, output, _ = repository.compared("old", "new", *given)
    assert (status, output[-1]) == (1, "parted: the reading of one.png")
    status, output, _ = repository.compared("old", "old", *given)
    assert (status, output[-1]) == (0, "same readings of 1 pictures")


def test_a_run_that_fails_parts_and_says_by_what(repository: Repository) -> None:
    status, output, _ = repository.compared("old", "new", "--seed", "5")
    assert (status, output[-1]) == (1, "parted: small at step 1")
    assert "  B ended with status 1: Error: a bug" in output
    status, output, _ = repository.compared("new", "new", "--seed", "5")
    assert (status, output[-1]) == (1, "parted: small in weights")


def test_a_revision_that_does_not_repeat_itself_is_told(repository: Repository) -> None:
    status, output, _ = repository.compared("old", "old", "--seed", "6", "--repeats", "2")
    assert (status, output[-1]) == (1, "parted: small in its own repetition")
    assert "  B does not repeat itself: run 2 is not as run 1" in output


def test_a_mistake_in_the_call_is_one_line(repository: Repository) -> None:
    Path("fails").mkdir()
    asked = {
        ("new", "new", "--recipes"): "error: nothing to compare: name recipes or --pictures",
        ("new", "new", "--repeats", "0"): "error: --repeats: 1 at least",
        ("new", "new", "--pictures", "none"): "error: none: there is no such folder",
        ("new", "new", "--recipes", "--pictures", "fails"): "A: Error: a bug",
        ("nosuch", "new"): "nosuch: is no revision here; give a commit, or . for the files here",
        ("new", "new", "--recipes", "none"): "none: is no file, nor a recipe of both: small",
        ("new", "new", "--seed", "4"): "A: digitlab: no such seed",
    }
    for arguments, line in asked.items():
        status, _, said = repository.compared(*arguments)
        usage = ".py" if line.startswith("error") else ""  # argparse's, some lines above
        assert (status, said[-1]) == (2, f"compare_revisions{usage}: {line}")
        assert len(said) == 1 or usage


def test_another_digitlab_is_never_taken_for_that_of_a_revision(repository: Repository) -> None:
    repository.git("rm", "-r", "--quiet", "src")
    repository.commit("empty")
    status, _, said = repository.compared("new", "empty")
    assert status == 2
    assert said == ["compare_revisions: empty: has no src/digitlab that can be imported"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_interrupted_leaves_nothing(
    repository: Repository, number: int, status: int
) -> None:
    with repository.started("old", "new", "--seed", "3") as process:
        while not repository.asked.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=300)
    assert process.returncode == status
    repository.assert_nothing_stays()


def test_pages_are_measured_by_kind_whole_and_digit_by_digit(tmp_path: Path) -> None:
    picture = photograph(load_dataset("mnist").splits["test"].images[0], "plain", 1, 0)
    Image.fromarray(picture).save(tmp_path / "seven.png")
    (tmp_path / "truth.tsv").write_text("seven.png\t7\n")
    command = [sys.executable, str(BENCHMARK.with_name("pages.py")), "--pages", "1", "--json"]
    done = subprocess.run(
        [*command, "--photographs", str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    blank = result.pop("blank")
    assert set(result) == {*PAGE_KINDS, "photographs"}
    assert result["photographs"]["right"] == result["photographs"]["digits"] == 1
    for one in result.values():
        counts = [one[name] for name in ("right", "wrong", "refused", "missing")]
        assert one["digits"] == sum(counts)
    assert all(0.5 < result[kind]["singly"] / result[kind]["digits"] <= 1 for kind in PAGE_KINDS)
    assert {one["pages"] for one in blank.values()} == {1}
