"""Checkpoints: everything that is needed to go on exactly, whole or not at all.

A checkpoint is a folder `step-0000000390` of two files. `state.safetensors` holds all tensors.
`checkpoint.json` holds the position, what made it, the format's version and the SHA-256 of the
other file and of itself; no file is ever unpickled. The policy of versions is in docs/formats.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from digitlab.durable_files import write_folder
from digitlab.errors import RunError

FORMAT_VERSION = 1
_STATE, _FACTS = "state.safetensors", "checkpoint.json"
_NAME = re.compile(r"step-\d{10}")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found good.

    Attributes:
        path: its folder.
        tensors: by name, see `TrainingState.tensors`.
        facts: position and origin, plain JSON values.
    """

    path: Path
    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def save(folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Write a checkpoint of `facts["step"]` into `folder`.

    Raises:
        OSError: where the disk refuses; earlier checkpoints stay, nothing half-written is left.
    """
    state = safetensors.torch.save(dict(tensors))
    content = {
        "format_version": FORMAT_VERSION,
        "files": {_STATE: hashlib.sha256(state).hexdigest()},
        "facts": dict(facts),
    }
    path = folder / f"step-{facts['step']:010d}"
    write_folder(path, {_STATE: state, _FACTS: _sealed(content)})
    return path


def load(path: Path) -> Checkpoint:
    """Read and verify one checkpoint.

    Raises:
        ValueError: where it is damaged; says how.
        RunError: where a newer digitlab wrote it.
    """
    try:
        raw = (path / _FACTS).read_bytes()
        content = json.loads(raw)
        version = content["format_version"]
    except FileNotFoundError:
        raise ValueError(f"{_FACTS} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{_FACTS} is damaged") from None
    whole = _is_sealed(raw, content)
    if whole and version != FORMAT_VERSION:
        raise RunError(
            f"{path}: was written in format {version}, this digitlab reads format "
            f"{FORMAT_VERSION}; install a newer digitlab to go on with it"
        )
    if not whole:
        raise ValueError(f"{_FACTS} is damaged")
    try:
        state = (path / _STATE).read_bytes()
    except OSError:
        raise ValueError(f"{_STATE} is missing") from None
    if hashlib.sha256(state).hexdigest() != content["files"][_STATE]:
        raise ValueError(f"{_STATE} is damaged")
    return Checkpoint(path, safetensors.torch.load(state), content["facts"])


def load_newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest good checkpoint, or None, and a line for each damaged one passed over.

    Raises:
        RunError: where the newest was written by a newer digitlab.
    """
    warnings: list[str] = []
    for path in reversed(paths(folder)):
        try:
            return load(path), warnings
        except ValueError as error:
            warnings.append(f"{path}: {error}; going on from the checkpoint before it")
    return None, warnings


def paths(folder: Path) -> list[Path]:
    """Return the folders of checkpoints, oldest first, good or damaged."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def step_of(path: Path) -> int:
    """Return the step that a checkpoint's name says."""
    return int(path.name.removeprefix("step-"))


def prune(folder: Path, step: int, best_step: int | None) -> None:
    """Remove all but the newest two up to `step`, and the best.

    Later ones, of a run that went on from before them, are damaged and no reason to remove a good
    one; they are replaced when their step is reached again.
    """
    for path in [path for path in paths(folder) if step_of(path) <= step][:-2]:
        if step_of(path) != best_step:
            shutil.rmtree(path, ignore_errors=True)


def _sealed(content: dict[str, Any]) -> bytes:
    """Return the one way to write `content`, its own SHA-256 included."""
    return _canonical({**content, "sha256": hashlib.sha256(_canonical(content)).hexdigest()})


def _is_sealed(raw: bytes, content: Any) -> bool:
    """Whether `raw` is, to the byte, what `_sealed` would write."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return raw == _sealed(rest)


def _canonical(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()
