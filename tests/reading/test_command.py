"""Reading as a command: a source may have several pages, and each has its own of everything."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import Command
from digitlab import GuardedDecoder, Recogniser, preparation
from digitlab.decoding import load_picture
from digitlab.durable_files import GrowingFile
from digitlab.errors import DigitlabError, PictureError
from digitlab.reading import command as reading_command
from digitlab.reading import page_pictures
from digitlab.reading import recogniser as recogniser_module
from digitlab.reading.command import ReadCommand
from digitlab.reading.guard import Limits
from digitlab.reading.pages import Page, load_pages
from digitlab.reading.types import Row
from hostile_files import encoded
from made_documents import document
from small_models import WriteModel, picture_of, written

pytestmark = pytest.mark.process  # a decoder of its own

Pages = Callable[..., None]


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> Pages:
    """Return what makes every source whose name ends with .pdf one of these pages."""

    def make(*pages: Page | PictureError) -> None:
        def loaded(source: Path | bytes, *more: Any, **options: Any) -> Iterator[Page]:
            if not str(source).endswith(".pdf"):
                yield from load_pages(source, *more, **options)
                return
            for page in pages:
                if isinstance(page, PictureError):
                    raise page
                yield page

        monkeypatch.setattr(recogniser_module, "load_pages", loaded)

    return make


def run(recogniser: Recogniser, *sources: str, limits: Limits | None = None, **options: Any) -> int:
    with GuardedDecoder(limits) as decoder:
        return ReadCommand(recogniser, decoder, **options).run(map(Path, sources))


def test_each_page_has_its_line_its_picture_and_its_explanation(
    write_model: WriteModel, documents: Pages, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser = Recogniser(write_model())
    documents(Page(1, picture_of(3)), Page(2, picture_of(7, 200)))
    Path("sheet.png").write_bytes(encoded(Image.fromarray(picture_of(5)), "PNG"))
    done = run(
        recogniser,
        "sheet.pdf",
        "sheet.png",
        style="json",
        annotate=Path("out"),
        explain=Path("why"),
    )
    assert done == 0
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["file"], one["page"], one["text"]) for one in out] == [
        ("sheet.pdf", 1, "3"),
        ("sheet.pdf", 2, "7"),
        ("sheet.png", None, "5"),
    ]
    names = ["sheet-page-1", "sheet-page-2", "sheet"]
    for name, digit, reading in zip(names, (3, 7, 5), out, strict=True):
        assert load_picture(f"out/{name}.png").shape[0] >= 480
        explained = json.loads(Path(f"why/{name}/explanation.json").read_text())
        assert explained["reading"] == reading
        size = 200 if digit == 7 else 160
        seen = preparation.prepare(picture_of(digit, size))
        assert np.array_equal(load_picture(f"why/{name}/network-saw.png"), seen)
    assert {path.stem for path in Path("out").iterdir()} == set(names)
    assert {path.name for path in Path("why").iterdir()} == set(names)


def test_text_and_csv_say_which_page(
    write_model: WriteModel, documents: Pages, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser = Recogniser(write_model())
    documents(Page(1, picture_of(3)), Page(2, np.full((50, 60), 220, np.uint8)))
    assert run(recogniser, "sheet.pdf") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("sheet.pdf, page 1: 3 (")
    assert second == "sheet.pdf, page 2: no digit found"
    assert run(recogniser, "sheet.pdf", style="csv") == 0
    _, first, second = csv.reader(capsys.readouterr().out.splitlines())
    assert (first[:2], first[3]) == (["sheet.pdf, page 1", "3"], "read")
    assert first[5:] == ["1", "1"]
    assert second == ["sheet.pdf, page 2", "", "", "blank", "", "", ""]


def test_a_page_that_cannot_be_read_costs_neither_those_before_nor_other_files(
    write_model: WriteModel, documents: Pages, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser = Recogniser(write_model())
    documents(
        Page(1, picture_of(3)), Page(2, picture_of(4)), PictureError("it is cut off", "memory")
    )
    Path("a.png").write_bytes(encoded(Image.fromarray(picture_of(5)), "PNG"))
    assert run(recogniser, "sheet.pdf", "a.png", style="json") == 1
    shown = capsys.readouterr()
    out = [json.loads(line) for line in shown.out.splitlines()]
    assert [one["text"] for one in out] == ["3", "4", "", "5"]
    assert [one["error"] and one["error"]["code"] for one in out] == [None, None, "memory", None]
    assert shown.err == "digitlab: 3 read, 1 unreadable\n"


def test_a_document_counts_once_however_many_of_its_pages_fail(
    write_model: WriteModel, documents: Pages, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser = Recogniser(write_model())
    documents(Page(1, picture_of(3)), Page(2, picture_of(4)))
    Path("out").mkdir()
    for name in ("sheet-page-1", "sheet-page-2"):
        Path("why", name, "explanation.png").mkdir(parents=True)
    assert run(recogniser, "sheet.pdf", "sheet.pdf", explain=Path("why")) == 1
    *lines, counted, written = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("the explanation cannot be written" in line for line in lines)
    assert counted == "digitlab: 4 read, 2 not drawn"
    assert written == "digitlab: explanations: why"
    assert Path("why/sheet-page-1-2/explanation.png").is_file()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_pages_of_a_document_are_counted_and_what_counts_is_taken_away(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("digitlab.live_line._EVERY", 0.0)
    monkeypatch.setenv("COLUMNS", "200")
    Path("a\n.pdf").write_bytes(document("PDF", [picture_of(3), picture_of(4), picture_of(5)]))
    assert run(Recogniser(write_model()), "a\n.pdf", style="csv", out=Path("a.csv")) == 0
    drawn, last = screen.getvalue().split("\n")[0].rsplit("\r", 1)
    assert re.findall(r"page \d of \d", drawn) == ["page 2 of 3", "page 3 of 3"]
    assert drawn.count(r"s left  a\n.pdf") == 2
    assert drawn.rsplit("\r", 1)[-1].isspace()
    assert last == "digitlab: 3 read"


def save(name: str, picture: Any) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(encoded(Image.fromarray(picture), "PNG"))


@pytest.fixture
def pile(write_model: WriteModel) -> Recogniser:
    """Return what reads the folder `pile`: two digits, one of them refused, blank paper, a PDF."""
    save("pile/scan2.png", picture_of(3))
    save("pile/scan10.png", picture_of(7, 200))
    save("pile/scan11.png", np.full((50, 60), 220, np.uint8))
    Path("pile/old.pdf").write_bytes(b"%PDF-1.7\n")
    Path("pile/notes.txt").write_text("no picture")
    return Recogniser(write_model(no_digit=0.0))


def refuse_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every digit but a 3 refused as too small."""
    honest = recogniser_module.read_picture

    def read(*arguments: Any) -> tuple[tuple[Row, ...], int]:
        rows, turned = honest(*arguments)
        refused = tuple(
            replace(row, numbers=tuple(
                replace(number, digits=tuple(
                    replace(digit, reason=None if digit.digit == 3 else "too small")
                    for digit in number.digits
                ))
                for number in row.numbers
            ))
            for row in rows
        )  # fmt: skip
        return refused, turned

    monkeypatch.setattr(recogniser_module, "read_picture", read)


def test_several_pictures_stand_in_columns_and_are_counted(
    pile: Recogniser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_seven(monkeypatch)
    assert run(pile, "pile") == 1
    shown = capsys.readouterr()
    first, *others = shown.out.splitlines()
    assert first.startswith("pile/scan2.png:  3 (")
    assert others == ["pile/scan10.png: ? too small", "pile/scan11.png: no digit found"]
    reason, counted = shown.err.splitlines()
    assert reason.startswith("digitlab: pile/old.pdf is damaged or cut off")
    assert counted == "digitlab: 1 read, 1 refused, 1 blank, 1 unreadable"


def test_a_picture_alone_is_not_counted(
    pile: Recogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in ("pile/scan11.png", "pile/old.pdf"):
        run(pile, source)
    shown = capsys.readouterr()
    assert shown.out == "pile/scan11.png: no digit found\n"
    assert len(shown.err.splitlines()) == 1


def test_what_was_drawn_is_said_once_with_its_folder(
    pile: Recogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pile, "pile", annotate=Path("seen"), explain=Path("why")) == 1
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "digitlab: annotated pictures: seen",
        "digitlab: explanations: why",
    ]
    assert run(pile, "pile/old.pdf", annotate=Path("seen")) == 1
    assert "annotated" not in capsys.readouterr().err


def test_an_annotation_without_room_costs_no_explanation(
    pile: Recogniser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_pictures, "write_whole", full)
    assert run(pile, "pile/scan2.png", annotate=Path("seen"), explain=Path("why")) == 1
    failed, written = capsys.readouterr().err.splitlines()
    assert failed == (
        "digitlab: seen/scan2.png: the picture cannot be written: No space left on device"
    )
    assert written == "digitlab: explanations: why"


def test_where_standard_error_is_closed_nothing_of_it_gets_among_the_answers(
    pile: Recogniser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert run(pile, "pile", style="json") == 1
    assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == 4


def test_where_standard_output_is_closed_nothing_is_read_but_into_a_file(
    pile: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(DigitlabError, match="standard output is closed: open it, or name a file"):
        run(pile, "pile", style="csv", annotate=Path("seen"))
    assert not Path("seen").exists()
    assert run(pile, "pile", style="csv", out=Path("digits.csv")) == 1


@pytest.mark.parametrize("style", ["csv", "json"])
def test_a_file_gets_what_standard_output_would_and_errors_are_said(
    pile: Recogniser, style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pile, "pile", style=style) == 1
    printed = capsys.readouterr().out
    Path("digits").write_text("earlier")
    assert run(pile, "pile", style=style, out=Path("digits")) == 1
    written = Path("digits").read_bytes()
    assert written == (codecs.BOM_UTF8 if style == "csv" else b"") + printed.encode()
    shown = capsys.readouterr()
    assert shown.out == ""
    failed, counted, where = shown.err.splitlines()
    assert failed.startswith("digitlab: pile/old.pdf is damaged or cut off")
    assert counted == "digitlab: 2 read, 1 blank, 1 unreadable"
    assert where == "digitlab: readings: digits"
    assert {path.name for path in Path().iterdir()} == {"digits", "pile", "model.onnx"}


def test_an_interrupted_reading_keeps_what_it_read_and_the_file_before_it(
    pile: Recogniser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest, left = recogniser_module.read_picture, [2]

    def read(*arguments: Any) -> tuple[tuple[Row, ...], int]:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return honest(*arguments)

    monkeypatch.setattr(recogniser_module, "read_picture", read)
    Path("a.csv").write_text("earlier")
    with pytest.raises(KeyboardInterrupt):
        run(pile, *(f"pile/scan{at}.png" for at in (2, 10, 11)), style="csv", out=Path("a.csv"))
    assert (
        capsys.readouterr().err == "digitlab: what was read is in a.csv.part; "
        "the same command goes on there\n"
    )
    assert Path("a.csv").read_text() == "earlier"
    lines = Path("a.csv.part").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["file", "pile/scan2.png", "pile/scan10.png"]
    with pytest.raises(KeyboardInterrupt):
        run(pile, "pile/scan2.png", style="csv", out=Path("b.csv"))
    assert capsys.readouterr().err == ""
    assert not list(Path().glob("b.csv*"))


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("style", "drawn"),
    [("text", ["annotate"]), ("json", ["crops"]), ("csv", ["crops", "annotate", "explain"])],
)
def test_however_often_it_is_stopped_all_is_as_if_it_never_was(
    pile: Recogniser,
    documents: Pages,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    style: str,
    drawn: list[str],
) -> None:
    """Each start reads two pages: the first is stopped between the pages of a document."""
    documents(Page(1, picture_of(4)), Page(2, picture_of(5)))
    save("b/scan2.png", picture_of(8))  # the names of its pictures are taken by then
    sources = ("pile/scan2.png", "x.pdf", "gone.png", "b", "pile/scan10.png", "pile/scan11.png")

    honest_write = page_pictures.write_whole

    def write(path: Path, content: bytes) -> None:
        if path.name == "scan10.png":
            raise OSError(28, "No space left on device")
        honest_write(path, content)

    monkeypatch.setattr(page_pictures, "write_whole", write)

    def read() -> int:
        folders = {folder: Path(folder) for folder in drawn}
        return run(pile, *sources, style=style, out=Path("a"), **folders)

    failures = read()
    closing = capsys.readouterr().err.splitlines()[-2 - len(drawn) :]
    whole = contents()
    for folder in drawn:
        shutil.rmtree(folder)
    Path("a").unlink()
    honest, left = recogniser_module.read_picture, 0

    def read_two(*arguments: Any) -> tuple[tuple[Row, ...], int]:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return honest(*arguments)

    monkeypatch.setattr(recogniser_module, "read_picture", read_two)
    for kept in (0, 1, 3, 5):
        left = 2
        if kept < 5:
            with pytest.raises(KeyboardInterrupt):
                read()
        else:
            assert read() == failures == 1 + ("annotate" in drawn)
        said = capsys.readouterr().err.splitlines()
        if kept:
            assert said[0] == f"digitlab: goes on in a.part: {kept} of 6 files were read"
        if kept < 5:
            assert said[-1] == (
                "digitlab: what was read is in a.part; the same command goes on there"
            )
    assert said[-2 - len(drawn) :] == closing
    assert closing[0] == "digitlab: 5 read, 1 blank, 1 unreadable" + (
        ", 1 not drawn" if "annotate" in drawn else ""
    )
    assert contents() == whole


def run_to_the_last_page(recogniser: Recogniser, *sources: str, **options: Any) -> None:
    """Stop a reading once all is read, before its file is in place."""

    def interrupt(_: GrowingFile) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(GrowingFile, "put_in_place", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(recogniser, *sources, **options)


def test_nothing_that_was_read_otherwise_is_kept(
    pile: Recogniser,
    write_model: WriteModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = {"style": "csv", "out": Path("a")}
    run_to_the_last_page(pile, "pile/scan2.png", **usual)
    left = {path: path.read_bytes() for path in (Path("a.part"), Path("a.part.jsonl"))}

    def next_says(decoder: GuardedDecoder, recogniser: Recogniser = pile, **options: Any) -> str:
        for path, content in left.items():
            path.write_bytes(content)
        capsys.readouterr()
        command = ReadCommand(recogniser, decoder, **{**usual, **options})
        assert command.run([Path("pile/scan2.png")]) == 0
        return capsys.readouterr().err.splitlines()[0].removeprefix("digitlab: ")

    not_used = "a.part is not used: it was read with another"
    with GuardedDecoder() as decoder:
        assert next_says(decoder) == "goes on in a.part: 1 of 1 files were read"
        others: dict[str, dict[str, Any]] = {
            "--model": {"recogniser": Recogniser(write_model("other.onnx", no_digit=-1.0))},
            "format": {"style": "json"},
            "--reject": {"reject": "none"},
            "--upright": {"upright": "no"},
            "--max-pages": {"max_pages": 7},
            "--crops": {"crops": Path("drawn")},
            "--annotate": {"annotate": Path("drawn")},
            "--explain": {"explain": Path("drawn")},
        }
        for name, options in others.items():
            assert next_says(decoder, **options) == f"{not_used} {name}"
        for name in ("max_pixels", "max_seconds", "max_memory"):
            with monkeypatch.context() as patched:
                patched.setattr(decoder, "limits", Limits(**{name: 10**6}))
                assert next_says(decoder) == f"{not_used} --{name.replace('_', '-')}"
        monkeypatch.setattr(reading_command, "__version__", "0.0.0")
        monkeypatch.setattr(reading_command, "_PACKAGES", ("pillow",))
        monkeypatch.setattr(reading_command, "version", lambda name: f"0 of {name}")
        assert next_says(decoder) == f"{not_used} digitlab and pillow"


def test_where_pictures_are_written_the_files_have_to_be_the_same_ones(
    pile: Recogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second file has the name that a cell of the first would have."""
    first, second = "pile/scan2.png", "cells/scan2-r1c1.png"
    save(second, picture_of(3))
    options = {"style": "json", "out": Path("a"), "crops": Path("cells")}
    run_to_the_last_page(pile, first, second, **options)
    capsys.readouterr()
    assert run(pile, first, **options) == 0
    assert capsys.readouterr().err.startswith(
        "digitlab: a.part is not used: it was read with another list of files\n"
    )
    (row,) = json.loads(Path("a").read_text())["rows"]
    assert row["numbers"][0]["crop"] == second


@pytest.mark.parametrize("call", ["write", "put_in_place"])
def test_a_file_that_finds_no_room_is_one_line_and_costs_none_of_what_was_read(
    pile: Recogniser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    honest = getattr(GrowingFile, call)

    def full(file: GrowingFile, *arguments: bytes) -> None:
        if call == "write" and not arguments[0].startswith(b'{"file": "pile/scan10.png"'):
            honest(file, *arguments)
            return
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GrowingFile, call, full)
    with pytest.raises(DigitlabError, match=r"^a\.json: the readings cannot be written: No space"):
        run(pile, "pile/scan2.png", "pile/scan10.png", style="json", out=Path("a.json"))
    assert capsys.readouterr().err == (
        "digitlab: what was read is in a.json.part; the same command goes on there\n"
    )
    lines = Path("a.json.part").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines[:1]] == ["pile/scan2.png"]


def test_no_drawing_takes_the_place_of_the_file(pile: Recogniser) -> None:
    save("a.csv.png", picture_of(3))
    assert run(pile, "a.csv.png", style="csv", explain=Path(), out=Path("a.csv")) == 0
    assert Path("a.csv").is_file()
    assert Path("a.csv-2/explanation.png").is_file()


def test_what_a_number_does_not_promise_is_said_once(
    write_model: WriteModel, command: Command
) -> None:
    for digit in (5, 3):
        Image.fromarray(picture_of(digit)).save(f"{digit}.png")
    model = write_model(temperature=1.0, calibrated_on="validation images")
    done = command("read", "5.png", "3.png", "--model", model, "--reject", "0.9")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"digitlab: {model} was calibrated on validation images: reject = 0.9 promises nothing "
        "about other pictures, such as photographs",
        "digitlab: 2 read",
    ]
    assert "calibrated" not in command("read", "5.png", "3.png", "--model", model).stderr


@pytest.mark.parametrize("style", ["text", "json", "csv"])
def test_pages_beyond_the_limit_are_named_on_standard_error(
    style: str, write_model: WriteModel, command: Command
) -> None:
    digits = [Image.fromarray(picture_of(digit)) for digit in (5, 3, 7)]
    digits[0].save("three\n.tif", save_all=True, append_images=digits[1:])
    options = [] if style == "text" else [f"--{style}"]
    done = command("read", "three\n.tif", "--model", write_model(), "--max-pages", "2", *options)
    assert done.returncode == 0
    first, counted = done.stderr.splitlines()
    assert first == (
        "digitlab: three\\n.tif: 2 of 3 pages are read, the others are not; --max-pages reads more"
    )
    assert counted == "digitlab: 2 read"
    assert len(done.stdout.splitlines()) == 2 + (style == "csv")


@pytest.fixture(scope="module")
def reader() -> Recogniser:
    return Recogniser()  # the model that ships knows what is no digit, which pages need


TABLE = ("27  33  45", "72      54", "33  25  72")


def test_cells_of_a_page_are_written_and_named_where_they_belong(
    reader: Recogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    table = written(*TABLE)
    save("table.png", table)
    assert run(reader, "table.png", style="csv", crops=Path("cells")) == 0
    shown = capsys.readouterr()
    lines = list(csv.DictReader(shown.out.splitlines()))
    places = [one["row"] + one["column"] for one in lines]
    assert places == ["11", "12", "13", "21", "23", "31", "32", "33"]
    assert shown.err == "digitlab: cells: cells\n"
    for line in lines:
        assert line["crop"] == f"cells/table-r{line['row']}c{line['column']}.png"
        y, x = 50 + 100 * (int(line["row"]) - 1), 40 + 280 * (int(line["column"]) - 1)
        ink = table[y : y + 90, x : x + 160] < 99  # all of the number, and nothing else
        assert (load_picture(line["crop"]) < 99).sum() == ink.sum() > 0
    assert len(list(Path("cells").iterdir())) == len(lines)
    assert run(reader, "table.png", "cells", style="json") == 1  # our own are passed over
    (reading, _) = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert "crop" not in json.dumps(reading)


def test_cells_take_the_place_of_no_input_and_say_their_page(
    reader: Recogniser, documents: Pages, capsys: pytest.CaptureFixture[str]
) -> None:
    page = written("27  33")
    documents(Page(1, page), Page(2, np.full((50, 60), 220, np.uint8)))
    save("in/sheet-page-1-r1c1.png", page)
    before = Path("in/sheet-page-1-r1c1.png").read_bytes()
    Path("in/sheet.pdf").touch()
    assert run(reader, "in", style="json", crops=Path("in")) == 0
    first, blank, picture = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    crops = [one["crop"] for one in first["rows"][0]["numbers"]]
    assert crops == ["in/sheet-page-1-2-r1c1.png", "in/sheet-page-1-2-r1c2.png"]
    assert blank["rows"] == []
    assert picture["rows"][0]["numbers"][0]["crop"] == "in/sheet-page-1-r1c1-r1c1.png"
    assert Path("in/sheet-page-1-r1c1.png").read_bytes() == before


def test_cells_of_pictures_of_one_name_stay_apart(
    reader: Recogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    save("a/page.png", np.full((50, 60), 220, np.uint8))  # blank, so that it has none
    save("b/page.png", written("27  33"))
    save("c/page.png", written("27", "33  45"))
    sources = ("a/page.png", "b/page.png", "c/page.png", "b/page.png")
    assert run(reader, *sources, style="csv", crops=Path("cells")) == 0
    lines = csv.DictReader(capsys.readouterr().out.splitlines())
    assert [one["crop"] for one in lines] == [
        "",
        *(f"cells/page-{cell}.png" for cell in ("r1c1", "r1c2")),
        *(f"cells/page-2-{cell}.png" for cell in ("r1c1", "r2c1", "r2c2")),
        *(f"cells/page-3-{cell}.png" for cell in ("r1c1", "r1c2")),
    ]


def test_the_cells_of_a_page_on_its_side_are_upright_and_in_their_columns(
    reader: Recogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    upright = written(*TABLE)
    for turn in range(1, 4):
        save("lying.png", np.rot90(upright, turn))
        assert run(reader, "lying.png", style="csv", crops=Path("cells")) == 0
        lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
        places = [one["row"] + one["column"] for one in lines]
        assert places == ["11", "12", "13", "21", "23", "31", "32", "33"]
        ink = upright[50:140, 40:200] < 99
        ys, xs = np.nonzero(ink.all(axis=2))
        cell = load_picture(lines[0]["crop"])
        found_ys, found_xs = np.nonzero((cell < 99).all(axis=2))
        assert np.array_equal(found_ys - found_ys.min(), ys - ys.min())
        assert np.array_equal(found_xs - found_xs.min(), xs - xs.min())


def test_a_cell_without_room_costs_only_itself(
    pile: Recogniser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("digitlab.reading.crops.write_whole", full)
    assert run(pile, "pile/scan2.png", style="csv", crops=Path("seen"), explain=Path("why")) == 1
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "digitlab: seen/scan2-r1c1.png: the cell cannot be written: No space left on device",
        "digitlab: explanations: why",
    ]
    assert shown.out.splitlines()[1].endswith(",read,,1,1,")
