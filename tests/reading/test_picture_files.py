"""Files: folders are walked once each, and no output has the name of anything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from digitlab.errors import DigitlabError
from digitlab.reading.picture_files import (
    OutputFolder,
    check_file,
    find_pictures,
    folded,
    marked_png,
)
from digitlab.reading.types import Reading


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*named: str) -> list[str]:
    pictures = find_pictures(map(Path, named))
    return [str(one) if isinstance(one, Path) else code(one) for one in pictures]


def code(reading: Reading) -> str:
    assert reading.error is not None
    return reading.error.code


def test_a_folder_gives_its_pictures_in_order_then_those_of_its_folders() -> None:
    make("in/b.png", "in/a.JPG", "in/c/z.heic", "in/c/y.tiff", "in/notes.txt", "in/b/x.gif")
    assert found("in") == ["in/a.JPG", "in/b.png", "in/b/x.gif", "in/c/y.tiff", "in/c/z.heic"]


def test_files_and_folders_come_in_the_order_in_which_people_count() -> None:
    files = ["scan.png", "scan2.png", "Scan2b.png", "scan10.png", "scan10-9.png", "scan10-11.png"]
    folders = ["page 9/a.png", "page 10/a.png", "v1.9/a.png", "v1.10/a.png"]
    make(*(f"in/{name}" for name in reversed(files + folders)))
    assert found("in") == [f"in/{name}" for name in files + folders]
    make("odd/1.png", "odd/01.png", "odd/٢.png", "odd/10.png", "odd/²x.png", "odd/a.JPG")
    assert found("odd") == [
        "odd/01.png", "odd/1.png", "odd/٢.png", "odd/10.png", "odd/a.JPG", "odd/²x.png"
    ]  # fmt: skip


def test_scans_and_drawings_that_cannot_be_decoded_are_not_passed_over() -> None:
    make("in/2.png", "in/1.PDF", "in/deep/a.svg", "in/.b.pdf", "in/notes.docx", "in/table.csv")
    assert found("in") == ["in/1.PDF", "in/2.png", "in/deep/a.svg"]
    make("scans/sheet.pdf")
    assert found("scans") == ["scans/sheet.pdf"]


def test_what_is_named_is_read_whatever_it_is_called() -> None:
    make("in/a.png", "notes.txt", ".hidden.png")
    named = ("notes.txt", "in", "-", ".hidden.png", "gone.png", "in/a.png")
    assert found(*named) == ["notes.txt", "in/a.png", "-", ".hidden.png", "gone.png", "in/a.png"]


def test_hidden_files_and_folders_are_left_out_of_a_walk() -> None:
    make("in/.a.png", "in/.git/b.png", "in/c.png", "in/._c.png")
    assert found("in") == ["in/c.png"]


def test_links_to_folders_are_not_followed_and_links_to_files_are() -> None:
    make("in/a/one.png", "elsewhere/two.png")
    Path("in/a/loop").symlink_to("..", target_is_directory=True)
    Path("in/other").symlink_to(Path("elsewhere").absolute(), target_is_directory=True)
    Path("in/three.png").symlink_to(Path("elsewhere/two.png").absolute())
    Path("in/broken.png").symlink_to("nowhere")
    Path("link").symlink_to("in", target_is_directory=True)
    assert found("in") == ["in/three.png", "in/a/one.png"]
    assert found("link") == ["link/three.png", "link/a/one.png"]


def test_pipes_in_a_folder_are_not_opened() -> None:
    make("in/a.png")
    os.mkfifo("in/b.png")
    Path("in/c.png").mkdir()
    assert found("in") == ["in/a.png"]


def test_a_folder_without_pictures_says_so() -> None:
    make("in/a/notes.txt")
    assert found("in") == ["no-pictures"]


def test_what_was_written_is_not_found_in_a_folder_but_read_where_it_is_named() -> None:
    make("in/a.png", "in/out/b.png")
    for mode in ("RGB", "L"):
        Path(f"in/out/{mode}.png").write_bytes(marked_png(Image.new(mode, (30, 30))))
    assert found("in") == ["in/a.png", "in/out/b.png"]
    assert found("in/out/L.png") == ["in/out/L.png"]
    Path("in/out/b.png").unlink()
    (reading,) = find_pictures([Path("in/out")])
    assert isinstance(reading, Reading)
    assert "no pictures but those that digitlab drew" in str(reading.error)


def test_equal_names_are_numbered_and_no_input_is_written_over() -> None:
    make("a/1.png", "b/1.jpg", "out/1.png", "out/1-2.png")
    inputs = [Path("a/1.png"), Path("b/1.jpg"), Path("out/../out/1-2.png")]
    folder = OutputFolder(Path("out"), inputs)
    places = [str(folder.place(name, ".png")) for name in ("a/1.png", "b/1.jpg", "x/1.png", "-")]
    assert places == ["out/1.png", "out/1-3.png", "out/1-4.png", "out/standard-input.png"]


def test_pages_of_a_document_have_names_of_their_own_also_where_the_name_is_long() -> None:
    folder = OutputFolder(Path("out"))
    places = [folder.place(name, ".png", page) for name in ("a", "b/a") for page in (None, 1, 2)]
    assert [place.name for place in places] == [
        "a.png", "a-page-1.png", "a-page-2.png", "a-2.png", "a-page-1-2.png", "a-page-2-2.png",
    ]  # fmt: skip
    for page in (1, 12_345):
        place = folder.place("ü" * 300, ".png", page)
        assert place.name.endswith(f"ü-page-{page}.png")
        place.write_bytes(b"")


def test_cells_have_one_name_a_picture_also_after_those_of_an_earlier_command() -> None:
    earlier = {folded(path): path for path in map(Path, ("page-r1c1.png", "page-r1c2.png"))}
    folder = OutputFolder(Path(), given=earlier)
    assert folder.cells("b/page.jpg", [(6, 1)]) == [Path("page-2-r6c1.png")]
    assert folder.cells("page-2.png", [(1, 1)]) == [Path("page-2-2-r1c1.png")]
    assert folder.cells("page.pdf", [(1, 1), (2, 3)], 1) == [
        Path("page-page-1-r1c1.png"),
        Path("page-page-1-r2c3.png"),
    ]
    assert folder.cells("blank.png", []) == []


@given(st.lists(st.sampled_from(["a", "A", "a-2", "A-2", "a-3", "b", "B", "-"]), max_size=12))
def test_any_names_stay_apart_also_where_case_does_not_count(stems: list[str]) -> None:
    folder = OutputFolder(Path("out"), [Path("out/A.png"), Path("out/b")])
    places = [str(folder.place(f"d{at}/{stem}.png", ".png")) for at, stem in enumerate(stems)]
    assert len({place.casefold() for place in places}) == len(stems)
    assert "out/a.png" not in {place.casefold() for place in places}


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    make("file")
    with pytest.raises(DigitlabError, match="file/out: the folder cannot be made"):
        OutputFolder(Path("file/out"))


def test_a_file_to_write_is_no_input_no_folder_and_nothing_special() -> None:
    make("in/a.csv", "there.csv")
    os.mkfifo("pipe.csv")
    inputs = [Path("in/a.csv")]
    for name, expected in {
        "in": "is a folder",
        "in/../in/A.csv": "to be read",
        "gone/a.csv": "no folder gone",
        "there.csv/a.csv": "no folder there.csv",
        "pipe.csv": "no regular file",
    }.items():
        with pytest.raises(DigitlabError, match=rf"^{name} cannot be written: .*{expected}"):
            check_file(Path(name), inputs)
    for name in ("out.csv", "there.csv"):
        check_file(Path(name), inputs)


def test_folders_that_share_what_they_gave_give_nothing_twice() -> None:
    given = {folded(Path("out.csv")): Path("out.csv")}
    places = [OutputFolder(Path(), (), given).place("OUT.csv.png") for _ in range(2)]
    assert places == [Path("OUT.csv-2"), Path("OUT.csv-3")]
    assert list(given.values()) == [Path("out.csv"), *places]
