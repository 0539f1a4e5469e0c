"""A run's weights as a file of Paddle: what `digitlab paddle export` calls."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitlab import networks
from digitlab.config import NETWORKS
from digitlab.errors import ConfigError, ModelError, RunError
from digitlab.paddle.matching import named
from digitlab.paddle.parameter_files import save
from digitlab.training.model_files import load_weights
from digitlab.wording import printable


@dataclass(frozen=True)
class Exported:
    """What `export_parameters` wrote.

    Attributes:
        source: the run.
        path: the file.
        format: 1 or 2.
        shapes: of each array, by its name in the file.
        origins: its name in the network, likewise.
    """

    source: str
    path: str
    format: int
    shapes: Mapping[str, Sequence[int]]
    origins: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "source": self.source,
            "path": self.path,
            "format": self.format,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "names": dict(self.origins),
        }

    def to_text(self) -> str:
        """Return what `digitlab paddle export` shows on a terminal."""
        width = max(map(len, self.origins.values()))
        lines = [f"{self.source} → {self.path}   format {self.format}"]
        lines += [
            f"  {here:<{width}} → {there} {list(self.shapes[there])}"
            for there, here in self.origins.items()
        ]
        return "\n".join(lines)


def export_parameters(
    run: str | os.PathLike[str],
    to: str | os.PathLike[str],
    format: int = 1,
    network: str | None = None,
) -> Exported:
    """Write a run's weights as a .pdparams file.

    Args:
        run: the folder of a run that has ended.
        to: the file; an earlier one is replaced.
        format: 1, which Paddle 1.6 to 3.x read, or 2, as of 2.1 on; see `parameter_files.save`.
        network: the class of one's own that the run was trained with, as `my_module:MyNetwork`;
            it runs only where it is named here.

    Raises:
        RunError: where there is no such run, or its model is damaged.
        ConfigError: where the run needs its own network named, or is of another.
        ModelError: where the file cannot be written.
    """
    weights, card = load_weights(Path(run), "export it")
    name, outputs = card.get("network"), card.get("outputs")
    if not isinstance(name, str) or not isinstance(outputs, int):
        raise RunError(f"{run}: cannot export it: its model.json is damaged")
    if network is None and name not in NETWORKS:
        raise ConfigError(
            f"{run}: has the network {printable(name)}, which is code of your own: "
            f"give --network {printable(name)} to run it"
        )
    if network not in (None, name):
        raise ConfigError(f"{run}: has the network {printable(name)}, not {network}")
    model = networks.build(name, outputs, seed=1)
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError:
        raise RunError(f"{run}: cannot export it: its weights are not of its network") from None
    arrays, own_names, origins = named(model)
    target = Path(to)
    if target.is_dir():
        raise ModelError(f"{target} is a folder: name a file, such as {target / 'model.pdparams'}")
    save(arrays, target, format, own_names)
    shapes = {name: array.shape for name, array in arrays.items()}
    return Exported(str(run), str(target), format, shapes, origins)
