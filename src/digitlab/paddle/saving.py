"""`save_dygraph` and `load_dygraph`: parameters and optimizers' state in Paddle's files.

Source: python/paddle/fluid/dygraph/checkpoint.py of 1.8.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digitlab.paddle import parameter_files
from digitlab.paddle.variable import Parameter, Variable

_PARAMETERS, _OPTIMIZER = ".pdparams", ".pdopt"


def save_dygraph(state_dict: Mapping[str, Any], model_path: str) -> None:
    """Write a state to `model_path`.pdparams, or .pdopt where its first value is no parameter.

    Raises:
        AssertionError: where the state is empty, or the path ends in a folder.
    """
    if not os.path.basename(model_path):
        raise AssertionError("The input model_path MUST be format of dirname/filename, but is "
                             f"{model_path!r}")  # fmt: skip
    if not state_dict:
        raise AssertionError("state_dict is empty, no need to save")
    first = next(iter(state_dict.values()))
    path = Path(model_path + (_PARAMETERS if isinstance(first, Parameter) else _OPTIMIZER))
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {key: one.name for key, one in state_dict.items() if isinstance(one, Variable)}
    plain = {
        key: np.asarray(one) if isinstance(one, Variable) else one
        for key, one in state_dict.items()
    }
    parameter_files.save(plain, path, names=names)


def load_dygraph(
    model_path: str, keep_name_table: bool = False
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the parameters and the optimizer's state of a path; None for one that is not there.

    Raises:
        RuntimeError: where neither is.
    """
    stem = model_path
    for suffix in (_PARAMETERS, _OPTIMIZER):
        stem = stem.removesuffix(suffix)
    found = [
        parameter_files.load(path, keep_name_table) if path.exists() else None
        for path in (Path(stem + _PARAMETERS), Path(stem + _OPTIMIZER))
    ]
    if found == [None, None]:
        raise RuntimeError(f"Parameter file [ {stem}{_PARAMETERS} ] not exists")
    return found[0], found[1]
