"""The file of readings: whatever ended an earlier one, the next gives the bytes of one alone."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.errors import DigitlabError
from digitlab.reading.readings_file import ReadingsFile
from digitlab.reading.types import Reading, ReadingError

OUT, PART, JOURNAL = Path("a.csv"), Path("a.csv.part"), Path("a.csv.part.jsonl")
INPUTS: tuple[Path | Reading, ...] = (
    Path("in/1.png"), Path("in/two \u00fc.pdf"), Path("gone.png"),
    Reading("in/none", error=ReadingError("no-pictures", "in/none has no pictures")),
    Path("in/\udcff.png"),
)  # fmt: skip
SETTINGS = {"--reject": 0.01, "--model": "cafe", "list of files": ["in/1.png"]}


class StoppedError(Exception):
    """What ended the writing."""


def write(
    inputs: Sequence[Path | Reading] = INPUTS,
    stop: int | None = None,
    settings: dict[str, Any] = SETTINGS,
    placed: Callable[[str], list[Path]] = lambda name: [],
    is_placed: bool = True,
) -> ReadingsFile:
    """Write a line a page of each input that is not kept; stop within one, as Ctrl-C does."""
    file = ReadingsFile(OUT, "\ufefffile,text", settings, inputs)
    try:
        for at, one in enumerate(inputs[len(file.kept) :], len(file.kept)):
            name = str(one.file if isinstance(one, Reading) else one)
            file.begin(one)
            for page in range(1 + len(name) % 3):
                file.write(f"{name}, page {page},7")
                if at == stop:
                    raise StoppedError
            file.end({"read": at, "failed": at % 2}, placed(name), is_placed)
        file.put_in_place()
    except StoppedError:
        file.leave()
    return file


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make the inputs; return what one that nothing happened to writes."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power is cut here, and it takes long
    Path("in").mkdir()
    for at, one in enumerate(INPUTS):
        if isinstance(one, Path) and one.parent.name:
            one.write_bytes(b"x" * at)
    file = write()
    assert (file.kept, file.notice) == ([], "")
    content = OUT.read_bytes()
    assert content.startswith(b"\xef\xbb\xbffile,text\nin/1.png, page 0,7\n")
    nothing_is_beside()
    return content


def nothing_is_beside() -> None:
    assert sorted(path.name for path in Path().iterdir() if path.name != "in") == ["a.csv"]
    OUT.unlink()


@pytest.mark.parametrize("stop", range(len(INPUTS)))
def test_it_goes_on_with_the_input_in_which_it_was_stopped(whole: bytes, stop: int) -> None:
    write(stop=stop)
    assert PART.read_bytes() == whole[: len(PART.read_bytes())]
    file = write()
    counts = [entry.counts for entry in file.kept]
    assert counts == [{"read": at, "failed": at % 2} for at in range(stop)]
    said = f"goes on in a.csv.part: {stop} of 5 files were read"
    assert file.notice == (said if stop else "")
    assert OUT.read_bytes() == whole
    nothing_is_beside()


def test_what_is_cut_off_at_any_byte_of_either_file_is_written_again(whole: bytes) -> None:
    write(stop=4)
    left = PART.read_bytes(), JOURNAL.read_bytes()
    for cut in range(2):
        for size in range(len(left[cut])):
            PART.write_bytes(left[0])
            JOURNAL.write_bytes(left[1])
            os.truncate((PART, JOURNAL)[cut], size)
            write()
            assert OUT.read_bytes() == whole, (cut, size)
            nothing_is_beside()


@given(data=st.data())
def test_what_a_lost_disk_has_put_in_the_place_of_any_bytes_is_written_again(
    data: st.DataObject,
) -> None:
    write()
    whole = OUT.read_bytes()
    OUT.unlink()
    write(stop=4)
    for path in (PART, JOURNAL):
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content)))
        other = data.draw(st.one_of(st.just(bytes(64)), st.binary(max_size=64)))
        content[at : at + len(other)] = other
        path.write_bytes(content)
    write()
    assert OUT.read_bytes() == whole
    nothing_is_beside()


def die_at(number: int) -> None:
    """Write all, and kill this process at the n-th line of what writes it."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        if Path(frame.f_code.co_filename).name not in ("readings_file.py", "durable_files.py"):
            return None
        count += event == "line"
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    write(INPUTS[:3])
    sys.settrace(None)


@pytest.mark.process
@pytest.mark.parametrize("stop", [None, 1])
def test_a_kill_at_every_line_costs_no_byte(whole: bytes, stop: int | None) -> None:
    """Of a file that begins, and of one that goes on."""
    write(INPUTS[:3])
    whole = OUT.read_bytes()
    OUT.unlink()
    fork = multiprocessing.get_context("fork")
    number, kills = 0, 0
    while kills == number:
        number += 1
        if stop is not None:
            write(INPUTS[:3], stop)
        process = fork.Process(target=die_at, args=(number,))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode != 0
        if kills == number:
            assert not OUT.exists() or OUT.read_bytes() == whole
            write(INPUTS[:3])
        assert OUT.read_bytes() == whole, number
        nothing_is_beside()
    assert kills > 100


def other_inputs(at: int, *more: Path | Reading) -> list[Path | Reading]:
    return [*INPUTS[:at], *more, *INPUTS[at + 1 :]]


def change_ends(end: int) -> None:
    JOURNAL.write_text(re.sub(r'"end": \d+', f'"end": {end}', JOURNAL.read_text()))


@pytest.mark.parametrize(
    ("change", "inputs", "kept", "why"),
    [
        (lambda: Path("in/1.png").write_bytes(b"longer"), INPUTS, 0, "in/1.png has changed"),
        (lambda: os.utime("in/two \u00fc.pdf"), INPUTS, 1, "in/two \u00fc.pdf has changed"),
        (lambda: Path("in/1.png").chmod(0o600), INPUTS, 0, "in/1.png has changed"),
        (lambda: Path("gone.png").touch(), INPUTS, 2, "gone.png has changed"),
        (
            lambda: None,
            other_inputs(3, Reading("in/none", error=ReadingError("unreadable", "it is"))),
            3,
            "in/none has changed",
        ),
        (lambda: None, other_inputs(1), 1, "from gone.png on there are other files"),
        (lambda: None, other_inputs(1, Path("-")), 1, "what - gives is read anew"),
        (lambda: os.mkfifo("pipe"), other_inputs(0, Path("pipe")), 0, "what pipe gives is read"),
        (lambda: None, [*INPUTS, Path("in/1.png")], 4, ""),
        (lambda: None, INPUTS[:2], 2, ""),
        (lambda: PART.write_bytes(b"mine\n" * 99), INPUTS, 0, "lines in it were cut off"),
        (lambda: os.truncate(PART, 80), INPUTS, 1, "lines in it were cut off"),
        (lambda: change_ends(10**16), INPUTS, 0, "lines in it were cut off"),
        (lambda: change_ends(-7), INPUTS, 0, "lines in it were cut off"),
        (lambda: JOURNAL.unlink(), INPUTS, 0, "nothing beside it says how it was read"),
        (lambda: JOURNAL.write_text("mine\n"), INPUTS, 0, "nothing beside it says how it was read"),
        (lambda: JOURNAL.write_text('{"entry": 7}\n'), INPUTS, 0, "nothing beside it says how"),
    ],
)
def test_inputs_are_kept_up_to_the_first_that_is_another(
    change: Callable[[], object], inputs: list[Path | Reading], kept: int, why: str
) -> None:
    write(stop=4)
    change()
    file = write(inputs)
    again = OUT.read_bytes()
    OUT.unlink()
    write(inputs)
    assert again == OUT.read_bytes()
    assert len(file.kept) == kept
    if kept:
        said = f"goes on in a.csv.part: {kept} of {len(inputs)} files were read"
        assert file.notice.startswith(f"{said}; {why}" if why else said)
        assert file.notice.count(";") == bool(why)
    else:
        assert file.notice.startswith(f"a.csv.part is not used: {why}")


def test_what_gives_something_else_each_time_is_never_kept() -> None:
    write([Path("-"), *INPUTS], stop=4)
    assert write([Path("-"), *INPUTS]).notice == "a.csv.part is not used: what - gives is read anew"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"--reject": None}, "it was read with another --reject"),
        ({"--reject": 1, "list of files": []}, "it was read with another --reject and list of f"),
    ],
)
def test_nothing_is_kept_under_other_settings(other: dict[str, Any], why: str) -> None:
    write(stop=4, settings=SETTINGS | other)
    file = write(stop=1)
    assert file.kept == []
    assert file.notice.startswith(f"a.csv.part is not used: {why}")
    assert len(write().kept) == 1


@pytest.mark.parametrize("is_placed", [True, False])
def test_an_input_is_read_again_where_its_pictures_are_gone_that_were_there(
    is_placed: bool,
) -> None:
    def placed(name: str) -> list[Path]:
        return [Path(f"in/drawn of {Path(name).stem}")]

    for one in INPUTS[:4]:
        placed(str(one.file if isinstance(one, Reading) else one))[0].touch()
    write(stop=4, placed=placed, is_placed=is_placed)
    Path("in/drawn of gone").unlink()
    file = write(placed=placed)
    assert len(file.kept) == (2 if is_placed else 4)
    assert ("; in/drawn of gone is not there any more" in file.notice) == is_placed
    assert file.kept[0].placed == ["in/drawn of 1"]


def test_where_nothing_was_read_nothing_is_left() -> None:
    ReadingsFile(OUT, "header", SETTINGS, INPUTS).leave()
    assert sorted(path.name for path in Path().iterdir()) == ["in"]


def test_what_another_process_writes_is_not_touched(whole: bytes) -> None:
    write(stop=2)
    file = ReadingsFile(OUT, "header", SETTINGS, INPUTS)
    left = PART.read_bytes(), JOURNAL.read_bytes()
    with pytest.raises(
        DigitlabError,
        match=r"^a\.csv: the readings cannot be written: another process is writing a\.csv\.part$",
    ):
        write()
    assert (PART.read_bytes(), JOURNAL.read_bytes()) == left
    assert file.leave() == PART
    write()
    assert OUT.read_bytes() == whole
