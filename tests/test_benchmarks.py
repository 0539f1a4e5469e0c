"""The benchmarks count what they say: of reading, on made photographs, and of many workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitlab import Recogniser, load_dataset
from digitlab.synthesis.camera import photograph

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


def test_a_timed_run_tells_when_its_steps_were(tmp_path: Path) -> None:
    train = {"recipe": "tutorial-mlp", "threads": 1, "settings": {"training.shards": 2}}
    asked = {"train": train, "workers": {"count": 2}, "stop": 25, "marks": [5, 25]}
    done = subprocess.run(
        [sys.executable, str(BENCHMARK.with_name("timed_run.py")), json.dumps(asked)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["summary"] == {}
    assert len(said["times"]) >= 25
    assert said["times"] == sorted(said["times"])
    linux = sys.platform == "linux"
    assert len(said["bytes"]) == len(said["processor"]) == 2
    assert said["bytes"][1] >= said["bytes"][0] > 0 or not linux  # steps may be heard of in one go
    assert said["processor"][1] >= said["processor"][0] > 0 or not linux
