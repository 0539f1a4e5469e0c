"""Files that grow: what is done is on the disk, and the place has what is whole."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from digitlab.durable_files import GrowingFile


def test_what_is_written_is_on_the_disk_at_once_and_in_place_once_it_is_whole() -> None:
    Path("a.csv").write_text("earlier")
    file = GrowingFile(Path("a.csv"))
    for content in (b"one", b"\xff\n"):
        file.write(content)
    assert file.part == Path("a.csv.part")
    assert (file.part.read_bytes(), Path("a.csv").read_text()) == (b"one\xff\n", "earlier")
    file.put_in_place()
    assert Path("a.csv").read_bytes() == b"one\xff\n"
    assert [path.name for path in Path().iterdir()] == ["a.csv"]


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_not_whole_is_left_beside_an_earlier_file(keep: bool) -> None:
    Path("a.csv").write_text("earlier")
    file = GrowingFile(Path("a.csv"))
    file.write(b"one\n")
    file.leave(keep)
    assert Path("a.csv").read_text() == "earlier"
    assert [path.read_text() for path in Path().glob("*.part")] == ["one\n"] * keep
    GrowingFile(Path("a.csv")).put_in_place()
    assert Path("a.csv").read_text() == ""


@pytest.mark.parametrize("size", [0, 2, 5])
def test_as_many_bytes_stay_of_what_was_left_as_is_said(size: int) -> None:
    Path("a.csv.part").write_bytes(b"one\nt")

    def keep(left: BinaryIO) -> int:
        assert left.read() == b"one\nt"
        return size

    file = GrowingFile(Path("a.csv"), keep)
    file.write(b"more")
    file.put_in_place()
    assert Path("a.csv").read_bytes() == b"one\nt"[:size] + b"more"


def test_a_file_that_grows_is_not_touched_by_another() -> None:
    file = GrowingFile(Path("a.csv"))
    file.write(b"one\n")
    with pytest.raises(BlockingIOError, match=r"another process is writing a\.csv\.part"):
        GrowingFile(Path("a.csv"))
    file.write(b"two\n")
    file.put_in_place()
    assert Path("a.csv").read_bytes() == b"one\ntwo\n"
    GrowingFile(Path("a.csv")).leave(keep=False)
    GrowingFile(Path("a.csv")).put_in_place()


def test_a_file_that_took_its_place_while_it_was_opened_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = GrowingFile(Path("a.csv"))
    file.write(b"one\n")

    monkeypatch.setattr("digitlab.durable_files.fcntl.flock", lambda *_: file.put_in_place())
    with pytest.raises(BlockingIOError, match="another process"):
        GrowingFile(Path("a.csv"))
    assert Path("a.csv").read_bytes() == b"one\n"


def test_a_disk_without_locks_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("digitlab.durable_files.fcntl.flock", refuse)
    GrowingFile(Path("a.csv")).put_in_place()
    assert Path("a.csv").exists()


def test_a_link_is_followed_where_it_is_the_place_and_never_beside_it() -> None:
    Path("real").mkdir()
    Path("real/a.csv").write_text("earlier")
    Path("a.csv").symlink_to("real/a.csv")
    Path("mine").write_text("mine")
    Path("real/a.csv.part").symlink_to("../mine")
    file = GrowingFile(Path("a.csv"))
    file.write(b"one\n")
    file.put_in_place()
    assert Path("a.csv").is_symlink()
    assert (Path("real/a.csv").read_text(), Path("mine").read_text()) == ("one\n", "mine")
