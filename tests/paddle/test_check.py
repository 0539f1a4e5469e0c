from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from commands import Command, mistake
from digitlab.paddle.check import check
from digitlab.paddle.explain import explained


def write(content: str, path: str = "lesson.py") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(content), "utf-8")
    return file


def missing(content: str) -> list[tuple[int, str]]:
    return [(one.use.line, one.use.name) for one in check(write(content)).missing]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("import paddle\npaddle.fluid.layers.lrn(1)\n", [(2, "paddle.fluid.layers.lrn")]),
        ("import paddle as pp\npp.fluid.layers.lrn(1)\n", [(2, "paddle.fluid.layers.lrn")]),
        ("import paddle.fluid\npaddle.fluid.layers.lrn\n", [(2, "paddle.fluid.layers.lrn")]),
        ("import paddle.fluid as f\nf.layers.lrn(1)\n", [(2, "paddle.fluid.layers.lrn")]),
        ("from paddle import fluid\nfluid.layers.lrn\n", [(2, "paddle.fluid.layers.lrn")]),
        ("from paddle.fluid import layers as L\nL.lrn\n", [(2, "paddle.fluid.layers.lrn")]),
        ("from paddle.fluid.layers import lrn\n", [(1, "paddle.fluid.layers.lrn")]),
        ("from paddle.fluid.layers import (\n  relu,\n  lrn as n)\nn(1)\n",
         [(3, "paddle.fluid.layers.lrn"), (4, "paddle.fluid.layers.lrn")]),
        ("from paddle.fluid.layers import *\nrelu(1)\nlrn(2)\nprint(len('x'))\n",
         [(3, "paddle.fluid.layers.lrn")]),
        ("from paddle.fluid.layers import *\nfrom numpy import *\nrelu(1)\nsin(2)\n", []),
        ("import paddle.fluid as fluid\nL = fluid.layers\nM = L\nM.lrn(1)\n",
         [(4, "paddle.fluid.layers.lrn")]),
        ("import paddle.fluid as fluid\ngetattr(fluid.layers, 'lrn')(1)\n",
         [(2, "paddle.fluid.layers.lrn")]),
        ("import paddle.fluid as fluid\ndef f():\n    fluid.layers.lrn(1)\n",
         [(3, "paddle.fluid.layers.lrn")]),
        ("def f():\n    import paddle.fluid as g\n    return g.lrn\ng = 1\ng.lrn\n",
         [(3, "paddle.fluid.lrn")]),
        ("import paddle.fluid as fluid\n@fluid.z\nclass A(fluid.dygraph.Layer):\n    x = fluid.y\n",
         [(2, "paddle.fluid.z"), (4, "paddle.fluid.y")]),
        ("import paddle.fluid as fluid\nf = lambda x=fluid.a: fluid.b(x)\n",
         [(2, "paddle.fluid.a"), (2, "paddle.fluid.b")]),
        ("import paddle.fluid.nowhere.x as n\n", [(1, "paddle.fluid.nowhere.x")]),
        # Nothing of these is Paddle's.
        ("import torch.nn as fluid\nfluid.layers.lrn(1)\n", []),
        ("import paddle.fluid as fluid\ndef f(fluid):\n    fluid.layers.lrn(1)\n", []),
        ("import paddle.fluid as fluid\nfluid.dygraph.parallel.Env().dev_id\n", []),
        ("import paddle.fluid as fluid\nfluid.core.VarDesc.VarType.FP32\n", []),
        ("import paddle.fluid as fluid\n# fluid.layers.lrn\n'fluid.layers.lrn'\n", []),
        ("import paddle.fluid as fluid\nx = fluid.layers\n", []),
    ],
)  # fmt: skip
def test_names_are_followed_to_where_they_come_from(
    content: str, expected: list[tuple[int, str]]
) -> None:
    assert missing(content) == expected


def test_a_script_is_not_run(command: Command) -> None:
    script = write("import paddle.fluid as fluid\nopen('ran', 'w')\nfluid.CPUPlace()\n")
    done = command("paddle", "check", script)
    assert (done.returncode, done.stdout) == (0, "all 1 names that it uses are covered\n")
    assert not Path("ran").exists()


def test_what_is_missing_is_listed_with_its_place_and_the_nearest(command: Command) -> None:
    write("from paddle.fluid import layers\nlayers.conv2d(1)\n", "lessons/own/net.py")
    write("", "lessons/own/__init__.py")
    script = write(
        """
        import numpy
        import paddle.fluid as fluid
        from own import net
        fluid.layers.qqqqqqqqqq(1)
        fluid.layers.relu(1)
        fluid.layers.relus(1)
        """,
        "lessons/lesson.py",
    )
    done = command("paddle", "check", script)
    assert done.returncode == 1
    *lines, last = done.stdout.splitlines()
    assert lines[0].startswith("lessons/lesson.py:5: paddle.fluid.layers.qqqqqqqqqq is not covered")
    assert lines[1:] == [
        "lessons/lesson.py:7: paddle.fluid.layers.relus is not covered; the nearest there is: "
        "paddle.fluid.layers.relu",
        "lessons/own/net.py:2: paddle.fluid.layers.conv2d is not covered; the nearest there is: "
        "paddle.fluid.dygraph.Conv2D",
    ]
    assert last == "3 of the 4 names that it uses are not covered"
    as_json = command("paddle", "check", "--json", script)
    assert as_json.returncode == 1
    found = json.loads(as_json.stdout)
    assert found["missing"][1] == {
        "name": "paddle.fluid.layers.relus",
        "nearest": "paddle.fluid.layers.relu",
        "file": "lessons/lesson.py",
        "line": 7,
    }
    assert found["files"] == ["lessons/lesson.py", "lessons/own/__init__.py", "lessons/own/net.py"]
    assert "paddle.fluid.layers.relu" in found["names"]


@pytest.mark.parametrize(
    ("content", "line"),
    [("print 'x'\n", "lesson.py:1: is no Python"), ("x = 1\n  y\n", "lesson.py:2: is no Python")],
)
def test_what_is_no_python_is_one_line(command: Command, content: str, line: str) -> None:
    assert line in mistake(command("paddle", "check", write(content)))


def test_the_version_is_there_to_be_asked_for() -> None:
    script = write("import paddle\nprint(paddle.__version__, paddle.fluid.__version__)\n")
    assert check(script).missing == []


def test_explain_says_line_by_line_how_it_is_written_today() -> None:
    script = write(
        """
        import paddle.fluid as fluid
        conv = fluid.dygraph.Conv2D(
            1, 20, 5, act='relu')
        %matplotlib inline
        optimizer = fluid.optimizer.SGDOptimizer(0.01); optimizer.minimize(loss)
        """
    )
    assert list(explained(script)) == [
        "lesson.py:3: conv = fluid.dygraph.Conv2D(",
        "    paddle.fluid.dygraph.Conv2D",
        '        digitlab  [network] name = "cnn"',
        "        PyTorch   torch.nn.Conv2d",
        "        Paddle 3  paddle.nn.Conv2D",
        "lesson.py:6: optimizer = fluid.optimizer.SGDOptimizer(0.01); optimizer.minimize(loss)",
        "    paddle.fluid.optimizer.SGD",
        '        digitlab  [optimizer] name = "sgd"',
        "        PyTorch   torch.optim.SGD",
        "        Paddle 3  paddle.optimizer.SGD",
        "    .minimize",
        "        PyTorch   loss.backward() before it, then optimizer.step()",
        "        Paddle 3  optimizer.step()",
    ]


def test_a_script_without_paddle_has_nothing_to_explain() -> None:
    assert list(explained(write("x.minimize()\nx.numpy()\n"))) == []


def test_json_and_explain_exclude_each_other(command: Command) -> None:
    assert "choose one" in mistake(
        command("paddle", "check", "--json", "--explain", write("x = 1\n"))
    )
