"""What a run was asked for, in plain values that another process can be sent; needs no torch.

Made by `dispatch.py`, and used by whoever carries it out: here, or as one of several workers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digitlab.config import Recipe
from digitlab.errors import RunError
from digitlab.recipe_files import load_recipe, read_begun_in, read_recorded
from digitlab.training.run_folder import (
    RunFolder,
    check_ended,
    existing_run_folder,
    new_run_folder,
)


@dataclass(frozen=True)
class Request:
    """What `train` was asked for, in plain values that can be sent to another process.

    Attributes:
        recipe: a name or path; of no use with `resume`.
        overrides: of the recipe, by dotted key.
        threads, run_dir, resume, ledger: see `train`.
        data_kept: the files of data that `train` was given in memory, by their names.
    """

    recipe: str
    overrides: dict[str, Any]
    threads: int | None
    run_dir: str | None
    resume: str | None
    ledger: bool
    data_kept: dict[str, str] = field(default_factory=dict)

    def load_recipe(self) -> Recipe:
        """Return the recipe of the run.

        Raises:
            ConfigError: where it, or an override, is not allowed.
            RunError: where the run to go on with is none, or its config.toml was edited; or where
                a new run cannot start from what it should.
        """
        if self.resume is None:
            recipe = load_recipe(self.recipe, self.overrides)
            if recipe.start_from:
                check_ended(Path(recipe.start_from), "start from it")
            return recipe
        folder = existing_run_folder(Path(self.resume))
        check_config(folder)
        return load_recipe(folder.config, self.overrides)

    def begun_in(self) -> str | None:
        """Return the folder in which the run that this goes on with, or repeats, was begun.

        Relative paths in its config.toml were written there.
        """
        if self.resume is not None:
            return read_begun_in(RunFolder(Path(self.resume)).config)
        return read_begun_in(Path(self.recipe)) if self.recipe.endswith(".toml") else None


def make_folder(request: Request, name: str) -> RunFolder:
    """Return the folder of the run to go on with, or make one for a new run.

    Raises:
        RunError: where it is in use, or cannot be made.
    """
    if request.resume is not None:
        return existing_run_folder(Path(request.resume))
    return new_run_folder(None if request.run_dir is None else Path(request.run_dir), name)


def recipe_sha256(text: str) -> str:
    """Return the SHA-256 of a config.toml without its table [recorded]."""
    return hashlib.sha256(text.partition("\n[recorded]")[0].encode()).hexdigest()


def check_config(folder: RunFolder) -> None:
    """Check that a run's config.toml is the one that it began with.

    Raises:
        RunError: where it was emptied or edited: another recipe is another run.
    """
    recorded = read_recorded(folder.config)
    if "data_sha256" not in recorded:
        raise RunError(f"{folder.config}: is damaged: it does not say what the run began with")
    text = folder.config.read_text(encoding="utf-8")
    if recorded.get("recipe_sha256") != recipe_sha256(text):
        raise RunError(
            f"{folder.config}: was edited since the run began; put it back to go on, or begin "
            f"another run by --recipe {folder.config}"
        )
