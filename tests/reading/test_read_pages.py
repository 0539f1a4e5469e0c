"""Reading documents: each page has its reading, and one that is broken costs only itself."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Command
from digitlab import GuardedDecoder, Limits, Recogniser
from digitlab.decoding import Picture
from digitlab.errors import ConfigError, ModelError, PagesWarning
from digitlab.reading.types import Reading, Row
from hostile_files import encoded
from made_documents import bar, document, drawn, encrypted, pdf, stream
from small_models import WriteModel, picture_of

BLANK = np.full((50, 60), 220, np.uint8)


def told(readings: list[Reading]) -> list[tuple[int | None, str]]:
    """Return the page of each reading, and its text or the code of its error."""
    return [(one.page, one.text if one.error is None else one.error.code) for one in readings]


@pytest.fixture
def recogniser(write_model: WriteModel) -> Recogniser:
    return Recogniser(write_model())


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_every_page_of_a_document_has_its_reading(kind: str, recogniser: Recogniser) -> None:
    file = document(kind, [picture_of(3), BLANK, picture_of(7, 200)])
    readings = list(recogniser.read_pages(file, name="sheet"))
    assert told(readings) == [(1, "3"), (2, ""), (3, "7")]
    assert {one.file for one in readings} == {"sheet"}
    assert all(one.picture is None for one in readings)


def test_the_first_page_is_read_as_a_picture_is_and_the_others_are_named(
    recogniser: Recogniser,
) -> None:
    file = document("PDF", [picture_of(3), picture_of(4)])
    with pytest.warns(PagesWarning) as said:
        reading = recogniser.read(file, name="sheet.pdf")
    assert [(str(one.message), one.filename) for one in said] == [
        (
            "sheet.pdf: page 1 of 2 is read, the others are not; read_pages reads more",
            __file__,
        )
    ]
    assert told([reading]) == [(1, "3")]
    assert reading.picture is not None
    with pytest.warns(PagesWarning, match="page 1 of 2"):
        assert told(list(recogniser.read_many([file]))) == [(1, "3")]
    with pytest.warns(PagesWarning, match="; a larger max_pages reads more") as said:
        assert told(list(recogniser.read_pages(file, max_pages=1))) == [(1, "3")]
    assert [one.filename for one in said] == [__file__]


def test_what_is_no_document_is_one_reading(recogniser: Recogniser, tmp_path: Path) -> None:
    file = tmp_path / "5.png"
    file.write_bytes(encoded(Image.fromarray(picture_of(5)), "PNG"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in (file, file.read_bytes(), picture_of(5), Image.open(file)):
            assert told(list(recogniser.read_pages(source))) == [(None, "5")]
        moving = document("GIF", [picture_of(5), picture_of(3)])
        assert told(list(recogniser.read_pages(moving))) == [(None, "5")]


def test_a_file_that_cannot_be_read_is_one_reading(recogniser: Recogniser, tmp_path: Path) -> None:
    empty = pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>")
    for source, code in (
        (tmp_path / "gone.pdf", "missing"),
        (b"%PDF-1.7\n", "unreadable"),
        (encrypted(b"", b"secret"), "encrypted"),
        (empty, "no-pages"),
        (b"hello", "not-a-picture"),
    ):
        assert told(list(recogniser.read_pages(source))) == [(None, code)]
        assert told([recogniser.read(source)]) == [(None, code)]


def test_a_broken_page_costs_only_itself(recogniser: Recogniser) -> None:
    """The second page of three is not there, though the list of pages names it."""
    file = document("PDF", [picture_of(digit) for digit in (3, 4, 5)])
    broken = re.sub(rb"(/Kids \[ \d+ 0 R) \d+ 0 R", rb"\1 99 0 R", file)
    assert broken != file
    readings = list(recogniser.read_pages(broken, name="sheet.pdf"))
    assert told(readings) == [(1, "3"), (2, "unreadable"), (3, "5")]
    assert readings[1].error is not None
    assert readings[1].error.message.startswith("sheet.pdf, page 2 is damaged or cut off")


@pytest.mark.process
def test_a_page_that_takes_too_long_or_too_much_costs_only_itself(recogniser: Recogniser) -> None:
    sizes = (160, 400, 160)
    for kind in ("PDF", "TIFF"):
        file = document(kind, [picture_of(3, size) for size in sizes])
        with GuardedDecoder(Limits(max_pixels=200 * 200)) as decoder:
            readings = list(recogniser.read_pages(file, decoder=decoder))
        assert told(readings) == [(1, "3"), (2, "too-large"), (3, "3")]


def bombs() -> dict[str, bytes]:
    """Return PDFs of a few kilobytes that unpack to more than there is, or never end."""
    page = b"/MediaBox [0 0 100 150] /Resources << /XObject << /F 5 0 R >> >>"
    group = b"/Type /XObject /Subtype /Form /BBox [0 0 100 150] "
    nested = b"/Resources << /XObject << /F %d 0 R >> >>"
    laughs = [stream(b"/F Do " * 30, group + nested % number) for number in range(6, 15)]
    strokes = zlib.compress(b"0 0 m 9 9 l S\n" * 10_000_000, 9)
    return {
        "strokes": drawn(b"", page.replace(b"/MediaBox", b"/Contents 5 0 R /MediaBox"), b"",
                         stream(strokes, b"/Filter /FlateDecode")),
        "group in itself": drawn(b"/F Do", page, b"",
                                 stream(b"/F Do " * 9, group + nested % 5)),
        "billion groups": drawn(b"/F Do", page, b"", *laughs, stream(b"", group)),
    }  # fmt: skip


@pytest.mark.process
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory")
@pytest.mark.parametrize("name", sorted(bombs()))
def test_a_bomb_costs_its_limits_and_no_more(name: str, recogniser: Recogniser) -> None:
    with GuardedDecoder(Limits(max_seconds=3, max_memory=256)) as decoder:
        begun = time.monotonic()
        ((page, code),) = told(list(recogniser.read_pages(bombs()[name], decoder=decoder)))
        assert time.monotonic() - begun < 30
        assert page == 1
        assert code in ("crashed", "timeout", "memory")
        assert told(list(recogniser.read_pages(document("PDF", [picture_of(3)]), decoder=decoder)))


def test_pages_are_read_when_they_are_asked_for(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(_: object, picture: Picture, *more: object) -> tuple[tuple[Row, ...], int]:
        asked.append(picture.shape[0])
        return (), 0

    monkeypatch.setattr("digitlab.reading.recogniser.read_picture", counted)
    readings = recogniser.read_pages(document("PDF", [picture_of(3)] * 3))
    assert asked == []
    next(readings)
    assert len(asked) == 1


def test_what_is_not_allowed_is_said_before_anything_is_read(recogniser: Recogniser) -> None:
    with pytest.raises(ConfigError, match="reject = 'all'"):
        recogniser.read_pages("gone.pdf", reject="all")
    with pytest.raises(ModelError, match="is not calibrated"):
        recogniser.read_pages("gone.pdf", reject=0.01)
    for wrong in (0, "2", 1.5, None, True):
        with pytest.raises(ConfigError, match=f"max_pages = {wrong!r}: expected a whole number"):
            recogniser.read_pages("gone.pdf", max_pages=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        list(recogniser.read_pages(None))  # type: ignore[arg-type]


@pytest.mark.process
def test_the_command_names_each_page(write_model: WriteModel, command: Command) -> None:
    Path("in").mkdir()
    pages = [picture_of(3), BLANK, picture_of(7)]
    Path("in/sheet.pdf").write_bytes(document("PDF", pages))
    Path("in/scan.tif").write_bytes(document("TIFF", pages[:2]))
    Path("in/locked.pdf").write_bytes(encrypted(bar(0, 0, 9, 9), b"secret"))
    model = write_model()
    done = command("read", "in", "--model", model, "--annotate", "seen", "--explain", "why")
    assert done.returncode == 1
    scan_1, scan_2, sheet_1, sheet_2, sheet_3 = done.stdout.splitlines()
    assert re.match(r"in/scan\.tif, page 1: +3 \(", scan_1)
    assert re.match(r"in/scan\.tif, page 2: +no digit found", scan_2)
    assert re.match(r"in/sheet\.pdf, page 1: +3 \(", sheet_1)
    assert re.match(r"in/sheet\.pdf, page 2: +no digit found", sheet_2)
    assert re.match(r"in/sheet\.pdf, page 3: +7 \(", sheet_3)
    assert done.stderr.splitlines() == [
        "digitlab: in/locked.pdf is encrypted: save it anew without a password",
        "digitlab: 3 read, 2 blank, 1 unreadable",
        "digitlab: annotated pictures: seen",
        "digitlab: explanations: why",
    ]
    names = {f"{name}-page-{page}" for name, page in
             [("scan", 1), ("scan", 2), ("sheet", 1), ("sheet", 2), ("sheet", 3)]}  # fmt: skip
    assert {path.stem for path in Path("seen").iterdir()} == names
    assert {path.name for path in Path("why").iterdir()} == names


@pytest.mark.process
def test_the_command_tells_programs_and_tables_the_page(
    write_model: WriteModel, command: Command
) -> None:
    file = document("TIFF", [picture_of(digit, size) for digit, size in ((3, 160), (4, 400))])
    Path("scan.tif").write_bytes(file)
    options = ("scan.tif", "--model", write_model(), "--max-pixels", "40000")
    done = command("read", *options, "--json")
    assert done.returncode == 1
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["page"], first["text"], first["error"]) == (1, "3", None)
    assert (second["page"], second["error"]["code"]) == (2, "too-large")
    table = command("read", *options, "--csv").stdout.splitlines()
    assert table[1].startswith('"scan.tif, page 1",3,')
    assert table[2] == '"scan.tif, page 2",,,unreadable,too-large,,'


@pytest.mark.process
def test_a_document_comes_through_a_pipe(
    write_model: WriteModel, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO(document("PDF", [picture_of(3), picture_of(4)]))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
    done = command("read", "-", "--model", write_model(), "--json")
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    told = [(one["file"], one["page"], one["text"]) for one in shown]
    assert told == [("-", 1, "3"), ("-", 2, "4")]


def test_no_readings_are_written_over_a_document(command: Command) -> None:
    Path("sheet.pdf").write_bytes(drawn())
    done = command("read", "sheet.pdf", "--out", "sheet.pdf")
    assert done.returncode == 2
    assert "expected a name such as digits.csv" in done.stderr
    assert os.path.getsize("sheet.pdf") == len(drawn())
