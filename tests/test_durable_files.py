"""Files that grow: what is done is on the disk, and the place has what is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from digitlab.durable_files import GrowingFile


def test_lines_are_on_the_disk_at_once_and_in_place_once_it_is_whole() -> None:
    Path("a.csv").write_text("earlier")
    file = GrowingFile(Path("a.csv"), "utf-8-sig")
    for line in ("one", "zwei \u00fc", "\udcff"):
        file.write(line)
    grown = "\ufeffone\nzwei \u00fc\n\\udcff\n".encode()
    assert file.part == Path("a.csv.part")
    assert (file.part.read_bytes(), Path("a.csv").read_text()) == (grown, "earlier")
    file.put_in_place()
    assert Path("a.csv").read_bytes() == grown
    assert [path.name for path in Path().iterdir()] == ["a.csv"]


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_not_whole_is_left_beside_an_earlier_file(keep: bool) -> None:
    Path("a.csv").write_text("earlier")
    file = GrowingFile(Path("a.csv"))
    file.write("one")
    file.leave(keep)
    assert Path("a.csv").read_text() == "earlier"
    assert [path.read_text() for path in Path().glob("*.part")] == ["one\n"] * keep
    GrowingFile(Path("a.csv")).put_in_place()
    assert Path("a.csv").read_text() == ""


def test_a_link_is_followed_where_it_is_the_place_and_never_beside_it() -> None:
    Path("real").mkdir()
    Path("real/a.csv").write_text("earlier")
    Path("a.csv").symlink_to("real/a.csv")
    Path("mine").write_text("mine")
    Path("real/a.csv.part").symlink_to("../mine")
    file = GrowingFile(Path("a.csv"))
    file.write("one")
    file.put_in_place()
    assert Path("a.csv").is_symlink()
    assert (Path("real/a.csv").read_text(), Path("mine").read_text()) == ("one\n", "mine")
