from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from commands import Command, mistake


def write(content: str, path: str = "lesson.py") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(content), "utf-8")
    return file


def test_a_script_is_the_main_program_with_its_folder_and_arguments(command: Command) -> None:
    write("VALUE = 7\n", "lessons/beside.py")
    script = write(
        """
        import json, pickle, sys
        import __main__
        import beside

        class Kept:
            pass

        if __name__ == '__main__':
            same = __main__.Kept is Kept
            print(json.dumps([sys.argv, sys.path[0], beside.VALUE, __file__, same]))
            pickle.loads(pickle.dumps(Kept()))
        """,
        "lessons/lesson.py",
    )
    before = sys.argv, list(sys.path), sys.modules["__main__"]
    done = command("paddle", "run", script, "--epochs", "1", "--device", "x", "-h")
    assert (done.returncode, done.stderr) == (0, "")
    arguments, first, value, file, same = json.loads(done.stdout)
    assert arguments == [str(script), "--epochs", "1", "--device", "x", "-h"]
    assert (first, value, file, same) == (str(script.absolute().parent), 7, str(script), True)
    assert before[1:] == (list(sys.path), sys.modules["__main__"])
    assert "beside" not in sys.modules
    assert "paddle" not in sys.modules


def test_our_paddle_is_there_while_a_script_runs(command: Command) -> None:
    script = write(
        """
        import numpy as np
        import paddle
        import paddle.fluid as fluid
        from paddle.fluid.dygraph.nn import Linear
        with fluid.dygraph.guard(fluid.CUDAPlace(0)):
            x = fluid.dygraph.to_variable(np.ones([2, 3], 'float32'))
            print('%d' % fluid.layers.reduce_sum(x).numpy())
        """
    )
    done = command("paddle", "run", "--device", "cpu", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit(-1)", 255, ""),
        ("sys.exit('no more')", 1, "no more\n"),
        ("raise SystemExit", 0, ""),
        ("exit(4)", 4, ""),
    ],
)
def test_the_status_is_the_scripts(command: Command, end: str, status: int, said: str) -> None:
    done = command("paddle", "run", write(f"import sys\nprint('here')\n{end}\n"))
    assert (done.returncode, done.stdout, done.stderr) == (status, "here\n", said)


def test_ctrl_c_ends_a_script_with_a_line(command: Command) -> None:
    script = write("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    done = command("paddle", "run", script)
    assert done.returncode == 130


@pytest.mark.parametrize("error", ["EOFError()", "BrokenPipeError()", "OSError('x')"])
def test_what_a_script_raises_is_not_taken_for_ours(command: Command, error: str) -> None:
    done = command("paddle", "run", write(f"raise {error}\n"))
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert f"raise {error}" in done.stderr


def test_a_traceback_has_the_lines_of_the_script_and_not_ours(command: Command) -> None:
    write(
        """
        import gzip
        def parse(content):
            return gzip.decompress(content)
        """,
        "own.py",
    )
    script = write(
        """
        import numpy as np
        import paddle.fluid as fluid
        import own

        class Net(fluid.dygraph.Layer):
            def forward(self, x):
                return fluid.layers.matmul(x, x)

        with fluid.dygraph.guard():
            try:
                own.parse(b'12')
            except OSError:
                Net()(fluid.dygraph.to_variable(np.ones([2, 3], 'float32')))
        """
    )
    done = command("paddle", "run", script)
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.split("During handling of the above exception")
    files = [line.split('"')[1] for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert not any("digitlab" in file or "torch" in file for file in files)
    assert [Path(file).name for file in files if "lesson" in file or "own" in file] == [
        "lesson.py", "own.py", "lesson.py", "lesson.py"
    ]  # fmt: skip
    assert "/gzip.py" in first  # what the script called of others
    assert "return fluid.layers.matmul(x, x)" in second


def test_a_script_of_python_2_is_answered_in_a_line(command: Command) -> None:
    done = command("paddle", "run", write("print(1)\nprint 'two'\n"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("digitlab: lesson.py:2: is no Python 3: Missing parentheses")
    assert len(done.stderr.splitlines()) == 1


def test_an_error_while_importing_names_the_line(command: Command) -> None:
    write("import nothing_of_that_name\n", "own.py")
    done = command("paddle", "run", write("import own\n"))
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert ["lesson.py" in lines[0], "own.py" in lines[-1]] == [True, True]
    assert "No module named 'nothing_of_that_name'" in done.stderr


def test_what_paddle_had_and_we_have_not_is_named_with_the_nearest(command: Command) -> None:
    done = command("paddle", "run", write("import paddle.fluid as fluid\nfluid.layers.relus(1)\n"))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "paddle.fluid.layers.relus" in last
    assert "paddle.fluid.layers.relu" in last.replace("paddle.fluid.layers.relus", "")


def test_lines_of_a_notebook_are_left_out_and_said(command: Command) -> None:
    script = write(
        """\
        %matplotlib inline
        get_ipython().run_line_magic('matplotlib', 'inline')
        !pip install paddlepaddle
        print('done')
        """
    )
    done = command("paddle", "run", script)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.splitlines() == [
        "digitlab: lesson.py: of a notebook, and left out: line 1, 3",
        "digitlab: get_ipython().run_line_magic: of a notebook, and left out: matplotlib inline",
    ]


def test_nothing_but_what_the_script_writes_is_in_its_folder(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("temporary")))
    script = write(
        """
        from PIL import Image
        import own
        Image.open('work/example_3.jpg').show()
        open('own.txt', 'w').write('x')
        """
    )
    write("VALUE = 1\n", "own.py")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert command("paddle", "run", script).returncode == 0
    there = {path.name for path in Path.cwd().iterdir()} - {"__pycache__"}  # as python writes
    assert there == {"lesson.py", "own.py", "own.txt"}


def test_a_folder_for_pictures_is_used(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    script = write("from PIL import Image\nImage.new('L', (3, 4)).show()\n")
    done = command("paddle", "run", "--pictures", "shown", script)
    assert "saved as shown/1.png" in done.stderr
    assert Path("shown/1.png").is_file()


def words_of(arguments: list[Any]) -> list[Any]:
    return ["paddle", "run", *arguments]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere.py"], "nowhere.py: cannot be read: No such file or directory"),
        (["."], "cannot be read: Is a directory"),
        (["--device", "gpu", "lesson.py"], "did you mean cuda?"),
        (["lesson.ipynb"], "jupyter nbconvert"),
    ],
)
def test_a_mistake_is_one_line(command: Command, arguments: list[str], expected: str) -> None:
    write("print(1)\n")
    assert expected in mistake(command(*words_of(arguments)))


def test_explain_comes_before_the_script_runs(command: Command) -> None:
    script = write("import paddle.fluid as fluid\nfluid.CPUPlace()\nprint('ran')\n")
    done = command("paddle", "run", "--explain", script)
    lines = done.stdout.splitlines()
    assert lines[0] == "lesson.py:2: fluid.CPUPlace()"
    assert lines[-1] == "ran"
    assert os.path.exists(script)


def test_a_missing_script_is_asked_for_with_the_whole_command(command: Command) -> None:
    assert "digitlab paddle run --help" in command("paddle", "run").stderr
