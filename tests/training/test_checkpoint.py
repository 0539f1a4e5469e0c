"""Checkpoints are whole or not at all, notice any damage, and outlive their format (T9, T10)."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

import digitlab
from digitlab import durable_files
from digitlab.errors import RunError
from digitlab.events import Event
from digitlab.training import checkpoint

FIXTURE = Path(__file__).parent / "checkpoint-format-1"


def tensors(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {
        "parameters/weight": torch.full((3, 4), value),
        "others/count": torch.tensor(7),
    }


def save(step: int, value: float = 1.0) -> Path:
    Path("checkpoints").mkdir(exist_ok=True)
    return checkpoint.save(Path("checkpoints"), tensors(value), {"step": step, "best": None})


def test_a_checkpoint_gives_back_what_it_was_given() -> None:
    found = checkpoint.load(save(5))
    assert found.facts == {"step": 5, "best": None}
    assert {name: tensor.tolist() for name, tensor in found.tensors.items()} == {
        name: tensor.tolist() for name, tensor in tensors().items()
    }
    assert checkpoint.step_of(found.path) == 5


def test_any_flipped_bit_and_any_cut_is_noticed_and_the_one_before_used() -> None:
    save(1, value=1.0)
    newest = save(2, value=2.0)
    chance = random.Random(1)
    files_of = {path: path.read_bytes() for path in newest.iterdir()}
    assert sorted(path.name for path in files_of) == ["checkpoint.json", "state.safetensors"]
    for trial in range(1000):
        path = chance.choice(list(files_of))
        content = bytearray(files_of[path])
        if trial % 4 == 0:
            del content[chance.randrange(len(content)) :]
        else:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        found, warnings = checkpoint.load_newest(Path("checkpoints"))
        assert found is not None
        assert checkpoint.step_of(found.path) == 1, (path.name, trial)
        assert len(warnings) == 1
        assert warnings[0].startswith(f"{newest}: {path.name} is damaged")
        path.write_bytes(files_of[path])
    found, warnings = checkpoint.load_newest(Path("checkpoints"))
    assert found is not None
    assert (checkpoint.step_of(found.path), warnings) == (2, [])


@pytest.mark.parametrize("name", ["checkpoint.json", "state.safetensors"])
def test_a_missing_file_is_named_and_the_one_before_used(name: str) -> None:
    save(1)
    (save(2) / name).unlink()
    found, warnings = checkpoint.load_newest(Path("checkpoints"))
    assert found is not None
    assert checkpoint.step_of(found.path) == 1
    assert f"{name} is missing" in warnings[0]


def test_without_a_good_one_there_is_none() -> None:
    assert checkpoint.load_newest(Path("checkpoints")) == (None, [])
    (save(1) / "checkpoint.json").write_text("[")
    found, warnings = checkpoint.load_newest(Path("checkpoints"))
    assert found is None
    assert len(warnings) == 1


def test_a_newer_format_is_named_with_what_to_do() -> None:
    save(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT_VERSION", 2)
        save(2)
    with pytest.raises(RunError, match=r"written in format 2, .* install a newer digitlab"):
        checkpoint.load_newest(Path("checkpoints"))


def test_format_1_is_read_for_ever() -> None:
    found = checkpoint.load(FIXTURE / "step-0000000012")
    assert found.facts["step"] == 12
    assert found.tensors["parameters/1.weight"].shape == (10, 784)
    assert {name.split("/")[0] for name in found.tensors} == {
        "parameters", "optimizer", "average",
    }  # fmt: skip


def test_a_run_of_format_1_can_be_gone_on_with(small_data: Path) -> None:
    """The fixture is a run's checkpoint; the run folder around it is made anew."""
    Path("run/checkpoints").mkdir(parents=True)
    shutil.copytree(FIXTURE / "step-0000000012", "run/checkpoints/step-0000000012")
    recipe = (FIXTURE / "recipe.toml").read_text().replace("DATA", str(small_data))
    Path("recipe.toml").write_text(recipe)
    digitlab.train("recipe.toml", run_dir="new")
    shutil.copy("new/config.toml", "run/config.toml")
    heard: list[str] = []

    def hear(event: Event) -> None:
        if event.kind == "warning":
            heard.append(event.text)

    result = digitlab.train(resume="run", reporter=hear)
    assert result.summary["steps"] == 24
    assert any("does not hold what it held at step 12" in text for text in heard)


def test_the_newest_two_and_the_best_are_kept() -> None:
    for step in range(1, 7):
        save(step)
    checkpoint.prune(Path("checkpoints"), 6, best_step=2)
    steps = [checkpoint.step_of(path) for path in checkpoint.paths(Path("checkpoints"))]
    assert steps == [2, 5, 6]


def test_a_new_checkpoint_is_kept_though_later_ones_are_there() -> None:
    for step in (12, 60, 70, 30):
        save(step)
        checkpoint.prune(Path("checkpoints"), step, best_step=12)
    assert checkpoint.step_of(checkpoint.paths(Path("checkpoints"))[1]) == 30


def test_a_checkpoint_of_the_same_step_is_replaced() -> None:
    save(3, value=1.0)
    (Path("checkpoints/step-0000000003/state.safetensors")).write_bytes(b"damaged")
    save(3, value=2.0)
    found, warnings = checkpoint.load_newest(Path("checkpoints"))
    assert found is not None
    assert found.tensors["parameters/weight"][0, 0] == 2.0
    assert warnings == []
    assert [path.name for path in Path("checkpoints").iterdir()] == ["step-0000000003"]


@pytest.mark.parametrize(
    ("call", "at"), [("mkdir", 1), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("rename", 1)]
)
def test_a_writer_that_fails_leaves_nothing_half_written(call: str, at: int) -> None:
    save(1)
    owner: Any = Path if call == "mkdir" else durable_files.os
    honest = getattr(owner, call)
    count = 0

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return honest(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, call, failing)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save(Path("checkpoints"), tensors(), {"step": 2})
    assert [path.name for path in Path("checkpoints").iterdir()] == ["step-0000000001"]
    found, warnings = checkpoint.load_newest(Path("checkpoints"))
    assert found is not None
    assert warnings == []


def test_training_goes_on_when_a_checkpoint_cannot_be_written(
    small_recipe: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = durable_files._write_through
    broken = True

    def write(path: Path, content: bytes) -> None:
        if broken and "step-" in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        honest(path, content)

    heard: list[str] = []

    def hear(event: Event) -> None:
        if event.kind == "warning":
            heard.append(event.text)

    monkeypatch.setattr(durable_files, "_write_through", write)
    result = digitlab.train(small_recipe, run_dir="run", reporter=hear)
    expected = json.loads((whole / "summary.json").read_text())
    assert result.summary["weights_sha256"] == expected["weights_sha256"]
    assert any("could not be written (Input/output error); training goes on" in x for x in heard)
    assert list(Path("run/checkpoints").iterdir()) == []


@pytest.mark.process
def test_a_full_disk_stops_a_run_cleanly_and_it_goes_on_when_there_is_room(
    small_recipe: Path, tmp_path: Path
) -> None:
    """Train a network of 1.2 MB a checkpoint on a real file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root on Linux")
    arguments: dict[str, Any] = {"network": "cnn", "epochs": 4, "threads": 1}
    whole = digitlab.train(small_recipe, run_dir=tmp_path / "whole", **arguments)
    try:
        with (disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(1_300_000))
        heard: list[str] = []

        def hear(event: Event) -> None:
            if event.kind == "warning":
                heard.append(event.text)

        with pytest.raises(RunError) as error:
            digitlab.train(small_recipe, run_dir=disk / "run", reporter=hear, **arguments)
        assert "No space left on device" in str(error.value)
        assert "go on by --resume" in str(error.value)
        assert not list((disk / "run").rglob("*.part"))
        assert checkpoint.load_newest(disk / "run/checkpoints")[1] == []
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        again = digitlab.train(resume=disk / "run")
        assert again.summary["weights_sha256"] == whole.summary["weights_sha256"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
