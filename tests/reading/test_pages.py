"""Pages: every kind of source gives the same upright pixels, and a document each of its pages."""

from __future__ import annotations

import io
import struct
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from digitlab import GuardedDecoder, Limits, Recogniser
from digitlab.decoding import load_picture
from digitlab.errors import ConfigError, PagesWarning, PictureError
from digitlab.header import tiff_pages
from digitlab.reading.pages import Page, Source, load_pages
from hostile_files import encoded
from made_documents import document
from small_models import WriteModel, picture_of


def refusal(source: Source, **options: object) -> PictureError:
    with pytest.raises(PictureError) as caught:
        next(load_pages(source, **options))  # type: ignore[arg-type]
    return caught.value


@pytest.mark.process
def test_a_picture_of_any_kind_is_one_page_without_a_number(tmp_path: Path) -> None:
    file = tmp_path / "3.png"
    file.write_bytes(encoded(Image.fromarray(picture_of(3)), "PNG"))
    with GuardedDecoder() as decoder:
        for source in (file, str(file), file.read_bytes(), picture_of(3)):
            for one in (None, decoder):
                (page,) = load_pages(source, decoder=one)
                assert page.number is None
                assert np.array_equal(page.picture, picture_of(3))


@pytest.mark.process
@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
@pytest.mark.parametrize("guarded", [False, True])
def test_a_document_has_pages_with_numbers(kind: str, guarded: bool, tmp_path: Path) -> None:
    file = tmp_path / f"sheet.{kind.lower()}"
    file.write_bytes(document(kind, [picture_of(digit) for digit in (3, 4, 5)]))
    with GuardedDecoder() if guarded else nullcontext() as decoder:
        for source in (file, file.read_bytes(), file.open("rb")):
            pages = list(load_pages(source, decoder=decoder))
            assert [page.number for page in pages] == [1, 2, 3]
            for page, digit in zip(pages, (3, 4, 5), strict=True):
                assert alike(page.picture, picture_of(digit))
                assert np.array_equal(page.picture, load_picture(file, page=page.number))


def alike(picture: np.ndarray, expected: np.ndarray) -> bool:
    """Return whether a page shows a picture; Pillow keeps those of a PDF as JPEG."""
    grey = picture if picture.ndim == 2 else picture[..., 0]
    return grey.shape == expected.shape and np.abs(grey.astype(int) - expected).mean() < 2


def test_a_pdf_of_one_page_is_a_document_and_a_tiff_of_one_is_a_picture() -> None:
    for kind, number in (("PDF", 1), ("TIFF", None)):
        (page,) = load_pages(document(kind, [picture_of(3)]))
        assert page.number == number


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_a_moving_picture_the_first_frame_is_the_page(kind: str) -> None:
    file = document(kind, [picture_of(3), picture_of(4)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (page,) = load_pages(file)
    assert page.number is None
    assert alike(page.picture, picture_of(3))


def test_previews_are_passed_over_and_every_page_is_found() -> None:
    """A preview before the first page, as some scanners write it, and one between two."""
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, True) as writer:
        for digit, is_preview in ((0, True), (3, False), (0, True), (4, False)):
            preview = {254: 1} if is_preview else {}
            Image.fromarray(picture_of(digit)).save(writer, "TIFF", tiffinfo=preview)
            writer.newFrame()
    pages = list(load_pages(file.getvalue()))
    assert [page.number for page in pages] == [1, 2]
    assert alike(pages[0].picture, picture_of(3))
    assert alike(pages[1].picture, picture_of(4))
    with pytest.warns(PagesWarning, match="page 1 of 2 is read"):
        assert alike(load_picture(file.getvalue()), picture_of(3))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_pages_of_a_tiff_are_stored_in_any_way(big: bool, compression: str) -> None:
    pictures = [picture_of(3), picture_of(4, 200)]
    file = document("TIFF", pictures, compression=compression, big_tiff=big)
    for page, picture in zip(load_pages(file), pictures, strict=True):
        assert alike(page.picture, picture)


@pytest.mark.process
def test_a_page_that_cannot_be_decoded_costs_none_after_it(tmp_path: Path) -> None:
    """The second page is of another size than all that a decoder allows."""
    sizes = (160, 400, 160)
    file = tmp_path / "scan.tif"
    file.write_bytes(document("TIFF", [picture_of(3, size) for size in sizes]))
    with GuardedDecoder(Limits(max_pixels=200 * 200)) as decoder:
        pages = load_pages(file, decoder=decoder)
        assert next(pages).number == 1
        with pytest.raises(PictureError) as caught:
            next(pages)
        assert (caught.value.code, caught.value.page) == ("too-large", 2)
        assert str(caught.value).startswith(f"{file}, page 2 is too large: 400 x 400 pixels")
        assert next(pages).number == 3
        assert next(pages, None) is None


@pytest.mark.parametrize("kind", ["PDF", "TIFF", "PNG"])
def test_a_page_that_there_is_not_is_named(kind: str) -> None:
    last = 1 if kind == "PNG" else 2
    file = document(kind, [picture_of(3), picture_of(4)])
    for page in (-1, last + 1):
        with pytest.raises(PictureError) as caught:
            load_picture(file, name="it", page=page)
        assert str(caught.value) == f"it has no page {page}: expected 1 to {last}"
        assert caught.value.code == "missing"


def test_pages_that_were_cut_off_are_not_passed_over() -> None:
    whole = document("TIFF", [picture_of(digit) for digit in (3, 4, 5)])
    _, second, _ = tiff_pages(io.BytesIO(whole))
    for kept in (second, second + 40, second + 2000):
        pages = load_pages(whole[:kept])
        assert alike(next(pages).picture, picture_of(3))
        with pytest.raises(PictureError, match=r"page 2 is damaged or cut off"):
            next(pages)


def test_a_directory_of_any_page_is_judged_before_it_is_decoded() -> None:
    file = bytearray(document("TIFF", [picture_of(3), picture_of(4)]))
    _, second = tiff_pages(io.BytesIO(file))
    struct.pack_into("<H", file, second, 50_000)
    pages = load_pages(bytes(file) + bytes(12 * 50_000))
    next(pages)
    with pytest.raises(PictureError, match="page 2 is too large: 50,000 tags"):
        next(pages)


def test_pages_beyond_the_limit_are_named_and_not_given() -> None:
    file = document("PDF", [picture_of(digit) for digit in (3, 4, 5)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(load_pages(file, max_pages=3))) == 3
    with pytest.warns(PagesWarning, match=r"^sheet: 2 of 3 pages are read, the others are not"):
        assert [page.of for page in load_pages(file, "sheet", max_pages=2)] == [2, 2]
    with pytest.raises(ConfigError, match="max_pages = 0: expected a whole number, at least 1"):
        load_pages(file, max_pages=0)


def test_pages_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(*arguments: Any, **options: Any) -> np.ndarray:
        asked.append(options["page"])
        return load_picture(*arguments, **options)

    monkeypatch.setattr("digitlab.reading.pages.load_picture", counted)
    pages = load_pages(document("PDF", [picture_of(digit) for digit in (3, 4, 5)]))
    assert asked == []
    next(pages)
    assert asked == [1]
    next(pages)
    assert asked == [1, 2]


def test_an_array_becomes_an_opaque_picture() -> None:
    grey = picture_of(3)
    clear = np.dstack([np.zeros((*grey.shape, 3), np.uint8), 255 - grey])
    (page,) = load_pages(clear)
    assert page.picture.shape == (*grey.shape, 3)
    assert np.array_equal(page.picture[..., 0], grey)


@pytest.mark.process
def test_what_is_no_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert str(refusal(np.zeros((5, 5, 2)))).startswith("the picture is float64 [5, 5, 2]")
    assert refusal(tmp_path / "gone.png").code == "missing"
    file = encoded(Image.fromarray(picture_of(3)), "PNG")
    assert refusal(file, max_pixels=100).code == "too-large"
    with GuardedDecoder(Limits(max_pixels=100)) as decoder:
        assert refusal(file, decoder=decoder).code == "too-large"


def test_a_page_is_read_with_its_number(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    page = Page(2, picture_of(3))
    assert list(load_pages(page)) == [page]
    reading = recogniser.read(page, name="sheet.pdf")
    assert (reading.file, reading.page, reading.text) == ("sheet.pdf", 2, "3")
    blank = recogniser.read(Page(3, np.full((50, 60), 220, np.uint8)))
    assert (blank.page, blank.text, blank.error) == (3, "", None)


def test_of_several_pages_the_first_is_read_and_no_other_is_decoded(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(*_: object) -> object:
        yield Page(1, picture_of(3))
        raise AssertionError("the second page is not asked for")

    monkeypatch.setattr("digitlab.reading.recogniser.load_pages", two)
    reading = Recogniser(write_model()).read("sheet.pdf")
    assert (reading.file, reading.page, reading.text) == ("sheet.pdf", 1, "3")
