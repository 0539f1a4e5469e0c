"""A disk that is full for one file of a run: named once, nothing lost, and it goes on."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import digitlab
from digitlab import durable_files
from digitlab.errors import RunError
from digitlab.events import Event

WHILE_TRAINING = ["metrics.jsonl", "tensorboard", "checkpoints"]
AT_THE_END = [
    "model.safetensors", "model.json", "model.onnx", "curves.png", "confusion.png", "summary.json",
]  # fmt: skip


class Full(io.FileIO):
    """A file of which a few bytes can be written, and then no more."""

    def write(self, content: Any) -> int:
        if not content:
            return 0
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def no_room_for(name: str) -> Iterator[None]:
    """Let no byte be written to a file, or below a folder, of that name."""
    opened, whole = Path.open, durable_files._write_through

    def is_meant(path: Path) -> bool:
        return any(part == name or part.startswith(f".{name}.") for part in path.parts)

    def open_full(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        if is_meant(path) and mode in ("r+b", "xb"):
            return Full(path, mode)
        return opened(path, mode, *more, **named)

    def write_nothing(path: Path, content: bytes) -> None:
        begins = name == "metrics.jsonl"  # which is put in place empty, while there is room
        if (is_meant(path) or is_meant(path.parent)) and not begins:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(path, content)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "open", open_full)
        patched.setattr(durable_files, "_write_through", write_nothing)
        yield


def weights(run: str) -> str:
    sha256: str = json.loads(Path(run, "summary.json").read_text())["weights_sha256"]
    return sha256


@pytest.fixture
def warnings() -> tuple[list[str], Callable[[Event], None]]:
    heard: list[str] = []

    def hear(event: Event) -> None:
        if event.kind == "warning":
            heard.append(event.text)

    return heard, hear


@pytest.mark.parametrize("name", WHILE_TRAINING)
def test_training_goes_on_and_names_the_file_once(
    small_recipe: Path, warnings: tuple[list[str], Callable[[Event], None]], name: str
) -> None:
    digitlab.train(small_recipe, run_dir="whole", epochs=6)
    heard, hear = warnings
    with no_room_for(name):
        digitlab.train(small_recipe, run_dir="run", epochs=6, reporter=hear)
    of_file = [line for line in heard if line.startswith(f"run/{name}")]
    assert 1 <= len(of_file) <= (2 if name == "metrics.jsonl" else 1), heard  # and its checkpoint
    assert of_file == heard
    assert all("No space left on device" in line for line in heard)
    assert weights("run") == weights("whole")


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("name", AT_THE_END)
def test_the_end_names_the_file_and_how_to_go_on(small_recipe: Path, name: str) -> None:
    digitlab.train(small_recipe, run_dir="whole")
    with no_room_for(name), pytest.raises(RunError) as error:
        digitlab.train(small_recipe, run_dir="run")
    assert str(error.value) == (
        f"run/{name}: cannot be written (No space left on device); "
        "make room, then go on by --resume run"
    )
    assert not Path("run/summary.json").exists()
    assert not list(Path("run").rglob("*.part"))
    digitlab.train(resume="run")
    assert weights("run") == weights("whole")


def test_a_run_that_cannot_say_what_it_is_does_not_begin(small_recipe: Path) -> None:
    with no_room_for("config.toml"), pytest.raises(RunError, match=r"run/config.toml: cannot be"):
        digitlab.train(small_recipe, run_dir="run")
    digitlab.train(small_recipe, run_dir="run")


def test_a_full_output_is_named_as_what_it_is(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digitlab.training.reporters import Lines

    class Output(io.StringIO):
        def flush(self) -> None:
            if "step" in self.getvalue():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sys.stdout", Output())
    with pytest.raises(RunError) as error:
        digitlab.train(small_recipe, run_dir="run", reporter=Lines(live=False))
    assert str(error.value) == (
        "standard output: cannot be written (No space left on device); "
        "make room, then go on by --resume run"
    )
