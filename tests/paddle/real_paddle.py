"""The Python of a real PaddlePaddle, for the tests that ask it: 3.x, or 1.8 on Python 3.7."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PYTHON = Path(
    os.environ.get("DIGITLAB_PADDLE_PYTHON", Path(__file__).parents[2] / ".bench/venv/bin/python")
)
needs_paddle = pytest.mark.skipif(
    not PYTHON.is_file(),
    reason="no PaddlePaddle: make bench installs it, or name its Python by DIGITLAB_PADDLE_PYTHON",
)
