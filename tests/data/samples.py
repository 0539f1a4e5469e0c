"""Small data that the tests of digitlab.data are made of."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from digitlab.data import Split, load_dataset
from digitlab.errors import DataError

IDX_CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx_bytes(array: np.ndarray, code: int | None = None) -> bytes:
    """Return an IDX file, written as the format's description says."""
    if code is None:
        code = next(code for text, code in IDX_CODES.items() if np.dtype(text) == array.dtype)
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def digits(count: int, seed: int = 0) -> Split:
    """Return images of random pixels in which each digit occurs in turn."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    images[:, :9] = 0
    return Split(images, np.arange(count) % 10)


def course_list(*splits: Split) -> list[Any]:
    """Return what the course's JSON file holds."""
    return [
        [(split.images.reshape(-1, 784) / 256).tolist(), split.labels.tolist()] for split in splits
    ]


def refusal(source: Path, max_bytes: int = 1 << 22) -> str:
    """Return the message of the DataError that loading ends in, or "" where it succeeds."""
    try:
        load_dataset(source, max_bytes=max_bytes)
    except DataError as error:
        return str(error)
    return ""


def mutated(content: bytes, data: st.DataObject) -> bytes:
    """Return a content cut, with bytes put in, or with a byte changed, as hypothesis likes."""
    at = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(content) - 1)))
    inserted = data.draw(st.binary(min_size=1, max_size=4))
    ways = [
        content[:at],
        content[at:],
        content[:at] + inserted + content[at:],
        content[:at] + inserted[:1] + content[at + 1 :],
    ]
    return data.draw(st.sampled_from(ways))
