"""The package that scripts import: what is there, and what is said of what is not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from digitlab.paddle.modules import install
from digitlab.paddle.table import _INSTEAD, MODULES, NAMES, OLD, find, nearest


@pytest.fixture
def _installed() -> Iterator[None]:
    with install():
        yield


@pytest.mark.usefixtures("_installed")
def test_every_name_of_the_table_is_there_by_all_its_old_names() -> None:
    for old, name in OLD.items():
        module, _, last = old.rpartition(".")
        value = getattr(importlib.import_module(module), last)
        assert value is getattr(
            importlib.import_module(name.old.rpartition(".")[0]), name.old.rpartition(".")[2]
        )
        assert find(old) is name


def test_every_line_of_the_table_says_what_it_is_today() -> None:
    assert len(NAMES) > 150
    assert all(name.torch and name.paddle3 and name.place for name in NAMES)
    assert len({name.old for name in NAMES}) == len(NAMES)
    assert len(OLD) == sum(1 + len(name.aliases) for name in NAMES)  # nothing means two things


@pytest.mark.usefixtures("_installed")
def test_all_spellings_of_an_import_work() -> None:
    import paddle
    import paddle.fluid as fluid
    from paddle.fluid.dygraph import Linear as Same
    from paddle.fluid.dygraph.base import to_variable
    from paddle.fluid.dygraph.nn import Conv2D, Linear

    assert (Linear, Conv2D) == (Same, fluid.dygraph.Conv2D)
    assert Linear is fluid.Linear
    assert to_variable is paddle.fluid.dygraph.to_variable
    assert fluid.optimizer.Adam is fluid.optimizer.AdamOptimizer
    assert paddle.__version__.startswith("1.8")
    names: dict[str, object] = {}
    exec("from paddle.fluid.layers import *", names)
    assert names["mean"] is fluid.layers.mean


@pytest.mark.parametrize(
    ("code", "error", "line"),
    [
        (
            "import paddle.fluid as fluid; fluid.layers.fc",
            AttributeError,
            "paddle.fluid.layers.fc is not among the names that digitlab runs; "
            "the nearest there is: paddle.fluid.dygraph.Linear",
        ),
        (
            "from paddle.fluid.layers import sigmoyd",
            ImportError,
            "paddle.fluid.layers.sigmoyd is not among the names that digitlab runs; "
            "the nearest there is: paddle.fluid.layers.sigmoid",
        ),
        (
            "import paddle.fluid.nets",
            ImportError,
            "paddle.fluid.nets is not among the names that digitlab runs; "
            "the nearest there is: paddle.fluid.layers.abs",
        ),
        (
            "import paddle; paddle.to_tensor([1])",
            AttributeError,
            "paddle.to_tensor is not among the names that digitlab runs; "
            "the nearest there is: paddle.fluid.dygraph.to_variable",
        ),
    ],
)
@pytest.mark.usefixtures("_installed")
def test_what_is_not_there_is_named_with_the_nearest(
    code: str, error: type[Exception], line: str
) -> None:
    with pytest.raises(error) as raised:
        exec(code, {})
    said = str(raised.value)
    assert said.split(";")[0] == line.split(";")[0]
    assert "\n" not in said
    if "nets" not in code:
        assert said == line


@pytest.mark.usefixtures("_installed")
def test_a_script_may_ask_whether_a_name_is_there() -> None:
    import paddle.fluid as fluid

    assert hasattr(fluid.layers, "relu")
    assert not hasattr(fluid.layers, "fc")


def test_the_nearest_is_by_the_last_part_first() -> None:
    assert nearest("paddle.nn.Linear") == "paddle.fluid.dygraph.Linear"
    assert nearest("paddle.fluid.optimizer.AdamOptimiser") == "paddle.fluid.optimizer.AdamOptimizer"
    assert nearest("paddle.fluid.layers.reduce_meen") == "paddle.fluid.layers.reduce_mean"
    assert nearest("paddle.fluid.dygraph.nn.LayerNorm") == "paddle.fluid.dygraph.BatchNorm"
    assert nearest("paddle.zzzzzzzzzzz") is None


def test_the_nearest_of_what_paddle_had_is_there() -> None:
    assert [name for name in _INSTEAD.values() if find(name) is None] == []
    assert [name for name in _INSTEAD if find(name) is not None] == []


def test_a_name_that_nothing_is_like_is_not_found() -> None:
    assert find("paddle.fluid.layers.fc") is None


def test_nothing_is_left_when_it_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    other = type(sys)("paddle")
    monkeypatch.setitem(sys.modules, "paddle", other)
    finders = list(sys.meta_path)
    with install() as paddle:
        assert sys.modules["paddle"] is paddle
        assert set(sys.modules) >= MODULES
        paddle.fluid.default_main_program().random_seed = 3
    assert sys.modules["paddle"] is other
    assert not any(name.startswith("paddle.") for name in sys.modules)
    assert sys.meta_path == finders
    with install() as paddle:
        assert paddle.fluid.default_main_program().random_seed == 0


def test_the_table_imports_no_pytorch() -> None:
    import ast
    from pathlib import Path

    import digitlab.paddle.table as table

    tree = ast.parse(Path(str(table.__file__)).read_text("utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imported}  # type: ignore[union-attr]
    assert names == {"__future__", "difflib", "dataclasses"}
