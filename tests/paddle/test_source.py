from __future__ import annotations

from pathlib import Path

import pytest

from digitlab.errors import ConfigError
from digitlab.paddle.source import read_source


def written(content: str | bytes) -> Path:
    path = Path("lesson.py")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


NOTEBOOK = """\
# coding: utf-8
# In[1]:
%matplotlib inline
import os
!pip install paddlepaddle==1.8.4
if True:
    %time x = 1
    y = (7
         % 4)
print?
!ls
print(y)
"""


def test_lines_of_a_notebook_are_left_out_and_all_others_keep_their_place() -> None:
    source = read_source(written(NOTEBOOK))
    assert source.left_out == (3, 5, 7, 10, 11)
    lines = source.text.split("\n")
    assert lines[6] == "    pass"
    assert [one for one in lines if one.strip() != "pass"] == [
        one for number, one in enumerate(NOTEBOOK.split("\n"), 1) if number not in source.left_out
    ]
    namespace: dict[str, object] = {}
    exec(compile(source.parsed(), "", "exec"), namespace)
    assert namespace["y"] == 3


def test_what_is_no_python_stays_as_it_is() -> None:
    source = read_source(written("x = 1\nprint 'two'\n%time\n"))
    assert source.left_out == ()
    with pytest.raises(SyntaxError) as raised:
        source.parsed()
    assert raised.value.lineno == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x = '数字'\r\ny = 2\r\n", "x = '数字'\ny = 2\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        ("# coding: gbk\nx = '数字'\n".encode("gbk"), "# coding: gbk\nx = '数字'\n"),
    ],
)
def test_a_script_is_read_in_its_encoding(content: str | bytes, text: str) -> None:
    assert read_source(written(content)).text == text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x = '\xff\xfe'\n", "is no text in its encoding"),
        (b"# coding: no-such\n", "is no text in its encoding"),
    ],
)
def test_what_is_no_text_is_one_line(content: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        read_source(written(content))
    assert "\n" not in str(raised.value)


def test_a_notebook_a_folder_and_no_file_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="jupyter nbconvert --to script"):
        read_source(Path("lesson.ipynb"))
    with pytest.raises(ConfigError, match=r"nowhere\.py: cannot be read: No such file"):
        read_source(Path("nowhere.py"))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_source(tmp_path)
