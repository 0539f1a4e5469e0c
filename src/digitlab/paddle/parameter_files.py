"""Paddle's files of parameters, .pdparams and .pdopt: read without running them, and written.

Used by import_run.py, export_run.py and the `paddle.fluid` of lessons. The formats are told in
docs/formats.md.
PaddlePaddle's own sources for them: of 1.6 to 1.8, python/paddle/fluid/dygraph/checkpoint.py
(`save_dygraph`); of 2.x and 3.x, python/paddle/framework/io.py (`save`) and io_utils.py (slices).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digitlab.durable_files import write_whole
from digitlab.errors import ModelError
from digitlab.paddle.pickle_names import Array, RefusedError
from digitlab.paddle.pickle_reader import read_pickle
from digitlab.paddle.pickle_writer import pickled

FORMATS = {1: 2, 2: 4}  # by format, the protocol of its pickle
MAX_BYTES = 1 << 30
NAME_TABLE = "StructuredToParameterName@@"
_SLICES = "UnpackBigParamInfor@@"
_LONGEST_SLICE = (1 << 30) - 1  # bytes of an array that protocol 2 writes in one


def load(path: str | os.PathLike[str], keep_name_table: bool = False) -> dict[str, Any]:
    """Return what a .pdparams or .pdopt file holds, of Paddle 1.6 to 3.x.

    Nothing in it is executed or imported; see pickle_reader.py.

    Args:
        path: of the file, which may have 1 GB.
        keep_name_table: whether the entry that says which parameter is which, by Paddle's own
            names, is returned, too.

    Returns:
        Arrays by name; bfloat16 is uint16 with the same bits, as Paddle has it. Numbers, text,
        lists and dicts of arrays where Paddle wrote them, as for schedules, and where a program
        saved several states in one file.

    Raises:
        ModelError: in one line that names the file, where it cannot be read, is damaged or too
            large, or holds anything else.
    """
    content = _content(Path(path))
    try:
        state = read_pickle(content)
        if not isinstance(state, dict):
            raise RefusedError(f"holds {_what(state)}; expected a state_dict")
        state = {str(key): value for key, value in state.items()}
        _join_slices(state)
        if not keep_name_table:
            state.pop(NAME_TABLE, None)
    except RefusedError as error:
        raise ModelError(f"{path}: {_told(content, str(error))}") from None
    return state


def save(
    state: Mapping[str, Any],
    path: str | os.PathLike[str],
    format: int = 1,
    names: Mapping[str, str] | None = None,
) -> None:
    """Write a .pdparams or .pdopt file, whole or not at all.

    Args:
        state: arrays by name; numbers, text, lists, tuples and dicts of these, too.
        path: an earlier file is replaced.
        format: 1, as Paddle 1.6 to 1.8 wrote it, which Paddle 2 and 3 read, too; or 2, as Paddle 3
            writes it, which needs Python 3 and is smaller.
        names: Paddle's own name of a parameter by its name in `state`; None: the same name.

    Raises:
        ModelError: for another format, what is no array of numbers, an array of 1 GB or more in
            format 1, and where the disk refuses.
    """
    if format not in FORMATS:
        raise ModelError(f"{path}: there is no format {format} of parameters; expected 1 or 2")
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    large = [key for key, array in arrays.items() if array.nbytes > _LONGEST_SLICE]
    if format == 1 and large:
        raise ModelError(f"{path}: {large[0]} has 1 GB or more; format 2 can hold it")
    table = {key: (names or {}).get(key, key) for key in arrays}
    try:
        content = pickled({**state, NAME_TABLE: table}, FORMATS[format])
    except (TypeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be written: it would hold {error}") from None
    try:
        write_whole(Path(path), content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{path}: cannot be written: {reason}") from None


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ModelError(f"{path}: {_no_file(path)}")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{path}: cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ModelError(
            f"{path}: is larger than {MAX_BYTES >> 20:,} MB; parameters of digits are not"
        )
    return content


def _no_file(path: Path) -> str:
    if path.is_dir():
        return "is a folder; name a .pdparams file in it"
    if path.exists():
        return "is no file; expected a .pdparams file"
    for ending in (".pdparams", ".pdopt"):
        if path.with_name(path.name + ending).is_file():
            return f"there is no such file; did you mean {path}{ending}?"
    return "there is no such file"


def _told(content: bytes, reason: str) -> str:
    """Return why a file is refused, or what it is where its beginning shows that."""
    if content.startswith(b"PK\x03\x04"):
        return "is a zip, as PyTorch and numpy write; expected a .pdparams file of Paddle"
    if content.startswith(bytes(4)):
        return (
            "is in Paddle's binary format, as of save_inference_model and use_binary_format; "
            "save the state_dict by paddle.save(network.state_dict(), FILE) and try that"
        )
    return reason


def _what(value: Any) -> str:
    return "a single array" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _join_slices(state: dict[str, Any]) -> None:
    """Join the arrays that Paddle cut for protocols 2 and 3, since these cannot say 4 GB.

    The entry has, by name, {"OriginShape": tuple, "slices": names of flat arrays}.
    """
    described = state.pop(_SLICES, {})
    damaged = RefusedError("has slices of an array that do not fit together")
    if not isinstance(described, dict):
        raise damaged
    for name, about in described.items():
        match about:
            case {"OriginShape": tuple() | list() as shape, "slices": list() as parts}:
                pass
            case _:
                raise damaged
        if not all(isinstance(part, str) for part in parts):
            raise damaged
        # Each is taken out, so that no file can have one slice a million times.
        slices: list[Array] = [state.pop(part, None) for part in parts]
        if not slices or not all(isinstance(one, np.ndarray) and one.ndim == 1 for one in slices):
            raise damaged
        if len({one.dtype for one in slices}) > 1 or name in state:
            raise damaged
        sizes = [int(size) for size in shape if isinstance(size, int) and size >= 0]
        if len(sizes) != len(shape) or math.prod(sizes) != sum(one.size for one in slices):
            raise damaged
        state[str(name)] = np.concatenate(slices).reshape(sizes)
