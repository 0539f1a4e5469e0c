"""Writers of the formats that the tests of digitlab.data read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import idx_bytes

from digitlab.data.dataset import Split


@pytest.fixture
def write_idx(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a split's two files into tmp_path and returns the folder."""

    def write(
        split: Split,
        images: str = "train-images-idx3-ubyte.gz",
        labels: str = "train-labels-idx1-ubyte.gz",
    ) -> Path:
        for name, array in ((images, split.images), (labels, split.labels.astype(np.uint8))):
            data = idx_bytes(array)
            (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path

    return write


@pytest.fixture
def write_json(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a text, or a value as JSON, to a file of the course's name."""

    def write(content: Any, name: str = "mnist.json.gz") -> Path:
        text = content if isinstance(content, str) else json.dumps(content)
        path = tmp_path / name
        data = text.encode()
        path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
        return path

    return write
