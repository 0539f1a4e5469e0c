"""No pickle harms: nothing that it names is imported or called, and its memory is bounded."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from pickle_attacks import attacks, bombs, calls, good_array, in_dict, text

import digitlab.paddle.pickle_reader
from digitlab.errors import ModelError
from digitlab.paddle.parameter_files import load
from digitlab.paddle.pickle_names import RefusedError
from digitlab.paddle.pickle_reader import MOST_INSTRUCTIONS, read_pickle

DATA = Path(__file__).parent / "data"
ATTACKS = attacks()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "attack.pdparams"
    path.write_bytes(ATTACKS[name])
    with pytest.raises(ModelError) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < len(str(path)) + 300


def test_what_the_attacks_are_made_of_is_read_where_it_is_harmless() -> None:
    assert read_pickle(good_array())["a"] == np.array([1.5], np.float32)


def test_a_name_that_is_refused_is_told() -> None:
    with pytest.raises(RefusedError, match=r"names os\.system, .* nothing of it was run"):
        read_pickle(calls()["GLOBAL os.system"])


_WITNESS = """
import json, pickle, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from pickle_attacks import attacks, good_array
from digitlab.paddle.pickle_reader import read_pickle
made = attacks()
read_pickle(good_array())
"\\n".encode("unicode_escape")  # as the line of an error needs; Python imports the codec
modules, heard, listening = set(sys.modules), [], True
sys.addaudithook(lambda event, arguments: heard.append(event) if listening else None)
for content in made.values():
    try:
        read_pickle(content)
    except ValueError:
        continue
    raise SystemExit("an attack was read")
silent, same = list(heard), set(sys.modules) == modules
heard.clear()
pickle.loads(b"cos.path\\nisfile\\n(X\\1\\0\\0\\0xtR.")
listening = False
print(json.dumps([silent, same, heard, Path("WITNESS").exists()]))
"""


@pytest.mark.process
def test_python_tells_an_audit_hook_of_nothing(tmp_path: Path) -> None:
    folders = [str(Path(__file__).parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", _WITNESS, json.dumps(folders)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    silent, same_modules, heard_of_pickle, harmed = json.loads(done.stdout)
    assert silent == []
    assert same_modules
    assert not harmed
    assert "pickle.find_class" in heard_of_pickle  # the hook does hear


def test_pythons_own_unpickler_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    assert "state" not in load(DATA / "state-4.pdparams")
    assert not hasattr(digitlab.paddle.pickle_reader, "pickle")


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_takes_no_memory(name: str) -> None:
    content = ATTACKS[name]
    assert _peak_of(content) < 300 * MOST_INSTRUCTIONS + 5 * len(content)


def test_an_instruction_takes_300_bytes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 20_000
    monkeypatch.setattr(digitlab.paddle.pickle_reader, "MOST_INSTRUCTIONS", most)
    for item in (b"]\x94", b"}\x94", b")\x85", b"](", b"(t", b"(", b"N\x94", b"\x88\x85\x94"):
        assert _peak_of(b"\x80\2(" + item * (most // len(item) - 4) + b"t.") < 300 * most


def _peak_of(content: bytes) -> int:
    """Return the most bytes that were allocated at once while a pickle was read or refused."""
    tracemalloc.start()
    try:
        with suppress(RefusedError):
            read_pickle(content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["state-2.pdparams", "state-4.pdparams", "1.8.5.pdopt"])
def test_a_file_that_is_cut_off_is_refused(name: str) -> None:
    content = (DATA / name).read_bytes()
    for end in range(0, len(content), 7):
        with pytest.raises(RefusedError):
            read_pickle(content[:end])


@hypothesis.given(strategies.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    _read_or_refused(content)
    _read_or_refused(b"\x80\x02}" + content)


@hypothesis.given(strategies.data())
def test_any_change_of_a_file_is_read_or_refused(data: strategies.DataObject) -> None:
    name = data.draw(strategies.sampled_from(["state-2.pdparams", "nested-4.pdparams"]))
    content = bytearray((DATA / name).read_bytes())
    for _ in range(data.draw(strategies.integers(1, 4))):
        content[data.draw(strategies.integers(0, len(content) - 1))] = data.draw(
            strategies.integers(0, 255)
        )
    _read_or_refused(bytes(content))


def _read_or_refused(content: bytes) -> None:
    try:
        read_pickle(content)
    except RefusedError as error:
        refused = str(error)
    else:
        return
    assert refused.isprintable()


def test_a_stranger_cannot_write_on_the_terminal() -> None:
    with pytest.raises(RefusedError) as refused:
        read_pickle(in_dict(text("os\n\x1b[2J") + text("x" * 500) + b"\x93"))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300
