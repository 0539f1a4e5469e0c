"""The folder that a run leaves: what lies where, who is using it, and the list of runs.

Needs no torch, so that `digitlab runs` is fast.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from digitlab.durable_files import remove_parts, sync_folder
from digitlab.errors import RunError
from digitlab.wording import accuracy_text

try:  # POSIX only; elsewhere two processes in one run folder are not told apart
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class RunResult:
    """A run that ended; stands where the path of a run may stand.

    Attributes:
        path: the run's folder.
        summary: what its summary.json says.
    """

    path: Path
    summary: Mapping[str, Any]

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        accuracy = accuracy_text(self.summary.get("test_accuracy"))
        return f"<RunResult {self.path}: {self.summary.get('recipe')}, test accuracy {accuracy}>"

    def _repr_html_(self) -> str:
        from digitlab import notebook

        about = self.summary
        rows = [
            ("test accuracy", accuracy_text(about.get("test_accuracy"))),
            ("validation accuracy", accuracy_text(about.get("valid_accuracy"))),
            ("recipe", about.get("recipe")),
            *((name, f"{about[name]:,}") for name in ("steps", "parameters") if name in about),
            ("seconds of training", about.get("train_seconds")),
        ]
        parts = [notebook.table(rows)]
        with suppress(OSError):  # the folder may be gone, or not have been drawn in
            curves = RunFolder(self.path).curves.read_bytes()
            parts += [notebook.picture(curves, "loss and accuracy over the steps")]
        return notebook.shown(f"Run {self.path}", *parts)


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    path: Path

    @property
    def config(self) -> Path:
        """The recipe with every key, and what it ran on."""
        return self.path / "config.toml"

    @property
    def metrics(self) -> Path:
        """A JSON line a step and an epoch."""
        return self.path / "metrics.jsonl"

    @property
    def ledger(self) -> Path:
        """A JSON line a step: which worker computed which samples; only where it was asked for."""
        return self.path / "ledger.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The newest two checkpoints and the best."""
        return self.path / "checkpoints"

    @property
    def events(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def weights(self) -> Path:
        """The last step's weights, or their moving average."""
        return self.path / "model.safetensors"

    @property
    def model_card(self) -> Path:
        """What is needed to make a network of the weights."""
        return self.path / "model.json"

    @property
    def onnx(self) -> Path:
        """The model that reads without PyTorch."""
        return self.path / "model.onnx"

    @property
    def summary(self) -> Path:
        """Accuracies, speed, versions; there once the run has ended."""
        return self.path / "summary.json"

    @property
    def curves(self) -> Path:
        """Loss and accuracy over the steps."""
        return self.path / "curves.png"

    @property
    def confusion(self) -> Path:
        """Truth against answer on the test split."""
        return self.path / "confusion.png"

    @property
    def lock(self) -> Path:
        """Held while a process trains here."""
        return self.path / "lock"

    def read_summary(self) -> dict[str, Any] | None:
        """Return the summary, or None where the run has not ended."""
        try:
            summary = json.loads(self.summary.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(summary, dict) and "weights_sha256" in summary
        return summary if whole else None


def new_run_folder(asked: Path | None, recipe_name: str) -> RunFolder:
    """Make the folder of a new run: the one asked for, or `runs/RECIPE-DATE-TIME`.

    Raises:
        RunError: where it exists and is not empty, or cannot be made.
    """
    if asked is None:
        stamp = f"{recipe_name}-{time.strftime('%Y%m%d-%H%M%S')}"
        names = [stamp, *(f"{stamp}-{number}" for number in range(2, 1000))]
        candidates = [Path("runs") / name for name in names]
    else:
        candidates = [asked]
    for path in candidates:
        try:
            path.mkdir(parents=True, exist_ok=asked is not None)
            if asked is not None and not _is_unused(path):
                raise RunError(f"{path}: is not empty: {_why_not_new(path, recipe_name)}")
            (path / "checkpoints").mkdir(exist_ok=True)
            remove_parts(path)
        except FileExistsError:
            if asked is None:
                continue
            raise RunError(f"{path}: is a file; name a folder for the run") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be made: {error.strerror}") from None
        sync_folder(path.parent)
        return RunFolder(path)
    raise RunError("runs: no free name for a run was found; give --run-dir")


def _why_not_new(path: Path, recipe_name: str) -> str:
    """Say what a folder holds that was to be a new run's, and the way out."""
    folder = RunFolder(path)
    numbers = count(1)
    free = next(name for n in numbers if not (name := path / f"{recipe_name}-{n}").exists())
    if not folder.config.is_file():
        held = sorted(entry.name for entry in path.iterdir())
        more = f" and {len(held) - 3} more" if len(held) > 3 else ""
        return (
            f"what it holds is no run ({', '.join(held[:3])}{more}); name a new folder, such as "
            f"--run-dir {free}"
        )
    if is_locked(folder):
        return "another process is training in it; name another folder"
    if folder.read_summary() is not None:
        return (
            "the run in it has ended; name another folder, or, to train on from its weights, one "
            f"with --from {path}"
        )
    return f"a run in it was stopped; go on with it by --resume {path}, or name another folder"


def _is_unused(path: Path) -> bool:
    """Whether a folder is empty, or holds no more than a run killed before its config.toml left."""
    left = {entry.name for entry in path.iterdir() if not entry.name.endswith(".part")}
    checkpoints = path / "checkpoints"
    return left <= {"checkpoints", "lock", "logs"} and not (
        checkpoints.is_dir() and any(checkpoints.iterdir())
    )


def existing_run_folder(path: Path) -> RunFolder:
    """Return the folder of a run that was begun.

    Raises:
        RunError: where there is none; says what to name instead.
    """
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise RunError(f"{path}: {_why_no_run(path)}")
    return folder


def check_ended(path: Path, why: str) -> None:
    """Check that a run has left its weights at a path.

    Args:
        path: the run's folder.
        why: what is to be done with them, for the line of an error.

    Raises:
        RunError: where that is no run that has ended; says what to name instead.
    """
    folder = RunFolder(path)
    if folder.weights.is_file() and folder.model_card.is_file():
        return
    if folder.config.is_file():
        reason = f"its training has not ended; go on with it first, by --resume {path}"
    else:
        reason = _why_no_run(path)
    raise RunError(f"{path}: cannot {why}: {reason}")


def _why_no_run(path: Path) -> str:
    """Say why a path names no run, and which to name where that can be seen."""
    around = next((folder for folder in path.parents if _is_run(folder)), None)
    if around is not None and path.exists():
        return f"is a part of a run; name the run itself, {around}"
    if path.is_file():
        return "is a file; expected the folder of a run; digitlab runs lists those there are"
    if not path.is_dir():
        return "there is no such run folder; digitlab runs lists those there are"
    inside = [folder for folder in path.iterdir() if _is_run(folder)]
    if inside:
        newest = max(inside, key=lambda folder: folder.stat().st_mtime)
        return f"is a folder of runs; name one of them, such as {newest}"
    return "is no run folder: it has no config.toml; digitlab runs lists those there are"


def _is_run(path: Path) -> bool:
    return RunFolder(path).config.is_file() and RunFolder(path).checkpoints.is_dir()


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold a run folder, so that one process at a time trains in it; freed by any death.

    Raises:
        RunError: where another process holds it.
    """
    if fcntl is None:  # pragma: no cover
        yield
        return
    try:
        handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"{folder.path}: cannot be written to: {error.strerror}") from None
    try:
        if not _taken(handle):
            raise RunError(f"{folder.path}: another process is training in it")
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    """Take a lock; try again for a while, for `digitlab runs` holds it when it looks."""
    for _ in range(10):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def is_locked(folder: RunFolder) -> bool:
    """Whether a process is training in a run folder."""
    if fcntl is None or not folder.lock.exists():
        return False
    handle = os.open(folder.lock, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
