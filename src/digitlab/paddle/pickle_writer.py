"""Writes pickles that every Paddle and every numpy reads; used by parameter_files.py.

Python's own pickler would name numpy's functions as they are called here: `numpy._core`, which
the numpy of Paddle 1.8 has not. Files of the same values have the same bytes.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_LONGEST_TEXT = (1 << 32) - 1  # bytes whose number protocol 2 can say


def pickled(value: Any, protocol: int) -> bytes:
    """Return the pickle of dicts, lists, tuples, text, numbers, None and arrays.

    Args:
        value: with text as the keys of dicts.
        protocol: 2, which Python 2 reads, too, or 4.

    Raises:
        TypeError: for a value of another type; names the type.
        OverflowError: for what is too long for protocol 2.
    """
    parts = [pickle.PROTO, bytes([protocol])]
    _write(value, protocol, parts)
    return b"".join([*parts, pickle.STOP])


def _write(value: Any, protocol: int, parts: list[bytes]) -> None:
    if value is None or isinstance(value, bool):
        parts.append({None: pickle.NONE, True: pickle.NEWTRUE, False: pickle.NEWFALSE}[value])
    elif isinstance(value, int):
        parts.append(_integer(value))
    elif isinstance(value, float):
        parts.append(pickle.BINFLOAT + struct.pack(">d", value))
    elif isinstance(value, str):
        _write_text(value.encode(), protocol, parts)
    elif isinstance(value, Mapping):
        parts += [pickle.EMPTY_DICT, pickle.MARK]
        for key, one in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key that is {type(key).__name__}; expected text")
            _write(key, protocol, parts)
            _write(one, protocol, parts)
        parts.append(pickle.SETITEMS)
    elif isinstance(value, list | tuple):
        is_list = isinstance(value, list)
        parts += [pickle.EMPTY_LIST, pickle.MARK] if is_list else [pickle.MARK]
        for one in value:
            _write(one, protocol, parts)
        parts.append(pickle.APPENDS if is_list else pickle.TUPLE)
    elif isinstance(value, np.generic):
        _write(value.item(), protocol, parts)
    elif isinstance(value, np.ndarray):
        _write_array(value, protocol, parts)
    else:
        raise TypeError(f"a value that is {type(value).__name__}; expected arrays and numbers")


def _integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return pickle.BININT + struct.pack("<i", value)
    content = pickle.encode_long(value)
    return pickle.LONG1 + bytes([len(content)]) + bytes(content)


def _write_text(text: bytes, protocol: int, parts: list[bytes]) -> None:
    if len(text) <= _LONGEST_TEXT:
        parts += [pickle.BINUNICODE, struct.pack("<I", len(text)), text]
    elif protocol >= 4:
        parts += [pickle.BINUNICODE8, struct.pack("<Q", len(text)), text]
    else:
        raise OverflowError("text too long")


def _write_bytes(content: bytes, protocol: int, parts: list[bytes]) -> None:
    if protocol >= 4:
        parts += [pickle.BINBYTES8, struct.pack("<Q", len(content)), content]
        return
    # As Python 3 writes bytes for both: Latin-1 text, and how to make bytes of it.
    parts += [_name("_codecs", "encode"), pickle.MARK]
    _write_text(content.decode("latin1").encode(), protocol, parts)
    _write_text(b"latin1", protocol, parts)
    parts += [pickle.TUPLE, pickle.REDUCE]


def _write_array(array: np.ndarray[Any, Any], protocol: int, parts: list[bytes]) -> None:
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16:
        raise TypeError(f"an array of {array.dtype}; expected numbers")
    parts += [_name("numpy.core.multiarray", "_reconstruct"), pickle.MARK]
    parts += [_name("numpy", "ndarray"), _integer(0), pickle.TUPLE1]
    _write_bytes(b"b", protocol, parts)
    parts += [pickle.TUPLE, pickle.REDUCE]
    order = "|" if array.dtype.itemsize == 1 else "<"
    little = array.astype(array.dtype.newbyteorder("<"), order="C")
    parts += [pickle.MARK, _integer(1)]
    _write(tuple(array.shape), protocol, parts)
    parts += [_name("numpy", "dtype"), pickle.MARK]
    _write(f"{array.dtype.kind}{array.dtype.itemsize}", protocol, parts)
    parts += [_integer(0), _integer(1), pickle.TUPLE, pickle.REDUCE]
    _write((3, order, None, None, None, -1, -1, 0), protocol, parts)
    parts += [pickle.BUILD, pickle.NEWFALSE]
    _write_bytes(little.tobytes(), protocol, parts)
    parts += [pickle.TUPLE, pickle.BUILD]


def _name(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()
