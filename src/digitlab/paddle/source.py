"""The source of a script, in which lines of a notebook may be left; for script.py and names.py."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

from digitlab.errors import ConfigError


@dataclass(frozen=True)
class Source:
    """A script as text.

    Attributes:
        path: of the file.
        text: of Python; the lines of a notebook that are none are `pass`.
        left_out: the numbers of those lines.
    """

    path: Path
    text: str
    left_out: tuple[int, ...] = ()

    def parsed(self) -> ast.Module:
        """Return its syntax tree.

        Raises:
            SyntaxError: it is no Python.
        """
        return ast.parse(self.text, str(self.path))


def read_source(path: Path) -> Source:
    """Read a script.

    A line that only a notebook understands (`%matplotlib inline`, `!pip install x`, `np.array?`)
    is left out where Python takes no other way to read it.

    Raises:
        ConfigError: there is no such file, or it is no text of Python.
    """
    if path.suffix == ".ipynb":
        raise ConfigError(
            f"{path}: is a notebook; export it first: jupyter nbconvert --to script {path}"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError):
        raise ConfigError(
            f"{path}: is no text in its encoding; a first line such as # coding: gbk names another"
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    left_out: list[int] = []
    while (number := _line_of_a_notebook("\n".join(lines), lines)) is not None:
        line = lines[number - 1]
        lines[number - 1] = line[: len(line) - len(line.lstrip())] + "pass"
        left_out.append(number)
    return Source(path, "\n".join(lines), tuple(left_out))


def _line_of_a_notebook(text: str, lines: list[str]) -> int | None:
    """Return the number of the first line that is no Python, but that of a notebook."""
    try:
        compile(text, "", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        number = getattr(error, "lineno", None)
        if number and number <= len(lines):
            line = lines[number - 1].strip()
            if line.startswith(("%", "!", "?")) or line.endswith("?"):
                return int(number)
    return None
