"""Ours computes what PaddlePaddle computes: 1.8.5 by what it recorded, 3.3.1 beside it.

The record is made by `python fluid_cases.py data/computed-by-1.8.5.npz` in an environment of Python
3.7 with paddlepaddle==1.8.5.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from real_paddle import PYTHON, needs_paddle

from digitlab.paddle.modules import install

HERE = Path(__file__).parent
RECORD = HERE / "data" / "computed-by-1.8.5.npz"
Figures = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def cases() -> Iterator[ModuleType]:
    with install():
        spec = importlib.util.spec_from_file_location("fluid_cases", HERE / "fluid_cases.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def ours(cases: ModuleType) -> Figures:
    figures: Figures = cases.all_figures()
    return figures


def differences(found: Figures, expected: Figures) -> list[str]:
    """Return which figures are not there, of another kind, or further off than rounding."""
    wrong = []
    for name, figure in expected.items():
        other = found.get(name)
        if other is None:
            wrong.append(f"{name}: is not there")
        elif other.shape != figure.shape or other.dtype.kind != figure.dtype.kind:
            wrong.append(f"{name}: {other.dtype}{other.shape}, not {figure.dtype}{figure.shape}")
        elif figure.dtype.kind in "Ub":
            if not np.array_equal(figure, other):
                wrong.append(f"{name}: {other}, not {figure}")
        elif other.dtype != figure.dtype or not np.allclose(other, figure, rtol=1e-5, atol=2e-6):
            wrong.append(f"{name}: {other.dtype}, off by {np.abs(other - figure).max()}")
    return wrong


def test_all_that_paddle_1_8_recorded_is_computed_the_same(ours: Figures) -> None:
    expected = dict(np.load(RECORD))
    assert len(expected) > 500
    assert differences(ours, expected) == []
    assert set(ours) == set(expected)


def test_a_figure_that_is_off_is_found() -> None:
    expected = {"a": np.float32([1, 2]), "b": np.array("x"), "c": np.float32([1])}
    found = {"a": np.float32([1, 2.001]), "b": np.array("y"), "c": np.float64([1])}
    assert len(differences(found, expected)) == 3
    assert len(differences({}, expected)) == 3
    assert differences(expected, expected) == []


def figures_of(script: str, folder: Path) -> Figures:
    """Return the figures of a script that real Paddle runs; skip with another one."""
    done = subprocess.run(
        [PYTHON, HERE / script, folder / "figures.npz"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
    )
    *_, last = done.stderr.splitlines() or [""]
    if last.startswith("is PaddlePaddle"):
        pytest.skip(f"{PYTHON} {last}, not that of {script}")
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "figures.npz"))


@needs_paddle
@pytest.mark.process
def test_the_record_is_what_paddle_1_8_gives(tmp_path: Path) -> None:
    figures = figures_of("fluid_cases.py", tmp_path)
    assert differences(figures, dict(np.load(RECORD))) == []


@needs_paddle
@pytest.mark.process
def test_paddle_3_computes_the_same(ours: Figures, tmp_path: Path) -> None:
    figures = figures_of("paddle3_cases.py", tmp_path)
    limits = {"output": 1e-5, "gradient": 1e-4, "after 20 steps": 1e-4}
    assert len(figures) > 30
    for key, figure in figures.items():
        kind, _, name = key.partition(": ")
        assert np.abs(ours[name].reshape(figure.shape) - figure).max() < limits[kind], key
