"""Pages of PDFs: sharp enough for digits, as a reader shows them, or one clear line."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from digitlab import pdf_pages
from digitlab.decoding import load_picture
from digitlab.errors import PictureError
from digitlab.pdf_pages import LONGEST, SHORTEST, count_pages, render_page
from made_documents import FIELD, FORM, NOTE, bar, document, drawn, encrypted, pdf, stream

A4 = b"/MediaBox [0 0 595 842]"


def rendered(content: bytes, number: int = 1, max_pixels: int = 64_000_000) -> np.ndarray:
    picture = render_page(content, number, "a.pdf", max_pixels)
    assert picture.dtype == np.uint8
    assert picture.shape[2:] == (3,)
    return picture


def ink(picture: np.ndarray) -> tuple[float, float, float, float]:
    """Return where ink lies: left, top, right and bottom as shares of the sides."""
    rows, columns = np.nonzero(picture.min(axis=2) < 128)
    height, width = picture.shape[:2]
    return (
        columns.min() / width,
        rows.min() / height,
        (columns.max() + 1) / width,
        (rows.max() + 1) / height,
    )


def failure(content: bytes, number: int = 1, max_pixels: int = 64_000_000) -> PictureError:
    with pytest.raises(PictureError) as caught:
        render_page(content, number, "a.pdf", max_pixels)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_page_has_200_dpi() -> None:
    assert rendered(drawn(page=A4)).shape == (2339, 1653, 3)


@pytest.mark.parametrize(
    ("width", "height", "longer"),
    [(1684, 2384, LONGEST), (14400, 100, LONGEST), (100, 150, SHORTEST), (3, 2, SHORTEST)],
)
def test_large_pages_have_fewer_and_small_ones_more(width: int, height: int, longer: int) -> None:
    picture = rendered(drawn(page=b"/MediaBox [0 0 %d %d]" % (width, height)))
    assert max(picture.shape) == longer
    shorter = min(picture.shape[:2])
    assert shorter == pytest.approx(longer * min(width, height) / max(width, height), abs=1)


def test_a_page_that_is_one_picture_is_as_sharp_as_the_picture() -> None:
    grey = np.full((150, 100), 255, np.uint8)
    grey[20:60, 30:40] = 0
    for resolution in (10, 72, 150):
        picture = rendered(document("PDF", [grey], resolution=resolution))
        assert picture.shape == (150, 100, 3)
        assert np.abs(picture[..., 0].astype(int) - grey).mean() < 2
    assert rendered(document("PDF", [grey], resolution=400)).shape[0] == 150
    # 300 dpi are more than digits need.
    scan = np.full((3508, 2480), 255, np.uint8)
    assert rendered(document("PDF", [scan], resolution=300)).shape == (2339, 1654, 3)
    # What stands beside a picture is drawn as sharply as on any page.
    image = stream(bytes(6), b"/Subtype /Image /Width 3 /Height 2 /BitsPerComponent 8 "
                   b"/ColorSpace /DeviceGray")  # fmt: skip
    resources = b"/MediaBox [0 0 100 150] /Resources << /XObject << /I 5 0 R >> >>"
    place = b"q 90 0 0 60 5 5 cm /I Do Q\n"
    assert max(rendered(drawn(place, resources, b"", image)).shape) <= 5
    assert max(rendered(drawn(place + bar(5, 100, 9, 9), resources, b"", image)).shape) == SHORTEST


def test_a_page_is_turned_as_it_says() -> None:
    upright = rendered(drawn(bar(0, 0, 30, 50)))
    assert upright.shape[0] > upright.shape[1]
    assert ink(upright) == pytest.approx((0, 2 / 3, 0.3, 1), abs=0.01)
    turned = rendered(drawn(bar(0, 0, 30, 50), b"/MediaBox [0 0 100 150] /Rotate 90"))
    assert turned.shape[0] < turned.shape[1]
    assert ink(turned) == pytest.approx((0, 0, 1 / 3, 0.3), abs=0.01)
    cropped = rendered(drawn(bar(0, 0, 30, 50), b"/MediaBox [0 0 100 150] /CropBox [20 0 60 100]"))
    assert ink(cropped) == pytest.approx((0, 0.5, 0.25, 1), abs=0.01)


def test_what_nobody_drew_on_is_white() -> None:
    assert (rendered(drawn()) == 255).all()
    shade = b"/Resources << /ExtGState << /G << /ca 0.5 >> >> >>"
    half = rendered(drawn(b"/G gs " + bar(0, 0, 100, 150), b"/MediaBox [0 0 100 150] " + shade))
    assert np.abs(half.astype(int) - 127).max() <= 2


def test_colours_are_red_green_and_blue() -> None:
    picture = rendered(drawn(b"1 0 0 rg 0 0 100 150 re f"))
    assert (picture == (255, 0, 0)).all()
    assert picture.flags.owndata  # and no longer PDFium's


def test_handwriting_of_tablets_is_drawn() -> None:
    """An annotation of ink, as reading programs keep what was written with a pen."""
    page = b"/MediaBox [0 0 100 150] /Annots [%s]" % NOTE
    left, top, right, bottom = ink(rendered(drawn(page=page)))
    assert (left, right) == pytest.approx((0.47, 0.53), abs=0.02)
    assert (top, bottom) == pytest.approx((0.2, 0.8), abs=0.05)


def test_forms_that_are_filled_in_are_drawn() -> None:
    """A field without an appearance of its own, which a reader has to draw."""
    page = b"/MediaBox [0 0 100 150] /Annots [5 0 R]"
    left, top, right, bottom = ink(rendered(drawn(b"", page, FORM, FIELD)))
    assert 0.2 <= left < right <= 0.8
    assert bottom - top > 0.3


def test_a_password_is_named_and_an_empty_one_is_none() -> None:
    locked = encrypted(bar(0, 0, 100, 75), b"secret")
    error = failure(locked)
    assert (str(error), error.code) == (
        "a.pdf is encrypted: save it anew without a password",
        "encrypted",
    )
    with pytest.raises(PictureError, match="is encrypted"):
        count_pages(locked, "a.pdf")
    # Many are locked against printing alone: those open without a password.
    assert ink(rendered(encrypted(bar(0, 0, 100, 75), b""))) == pytest.approx(
        (0, 0.5, 1, 1), abs=0.01
    )


def test_unknown_ciphers_are_encrypted_too() -> None:
    handler = b"/Encrypt << /Filter /Other /V 1 >> /ID [<00> <00>]"
    assert failure(drawn(trailer=handler)).code == "encrypted"


def test_an_error_is_its_own_and_not_the_one_before() -> None:
    empty = pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>")
    for before in (b"%PDF-1.7\n", encrypted(b"", b"secret"), empty):
        failure(before)
        assert failure(empty).code == "no-pages"


def test_what_cannot_be_read_is_one_line_with_a_code() -> None:
    whole = drawn(bar(0, 0, 9, 9))
    for content in (b"%PDF-1.7\n", whole[:40], b"%PDF-1.4\n" + bytes(500)):
        error = failure(content)
        assert str(error) == "a.pdf is damaged or cut off; try another copy"
        assert error.code == "unreadable"
    empty = pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>")
    assert (failure(empty).code, str(failure(empty))) == (
        "no-pages",
        "a.pdf has no pages: try another copy",
    )
    assert (failure(whole, 2).code, str(failure(whole, 2))) == (
        "missing",
        "a.pdf has no page 2: expected 1 to 1",
    )
    lost = pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
    assert failure(lost).code == "unreadable"


def test_pages_and_their_pictures_have_a_limit_of_pixels() -> None:
    page = drawn()
    height, width, _ = rendered(page).shape
    assert rendered(page, max_pixels=width * height).shape[:2] == (height, width)
    error = failure(page, max_pixels=width * height - 1)
    assert error.code == "too-large"
    assert str(error).startswith(f"a.pdf is too large: {width} x {height} pixels")
    entries = (
        b"/Subtype /Image /Width 50000 /Height 50000 /BitsPerComponent 1 /ColorSpace /DeviceGray"
    )
    resources = b"/MediaBox [0 0 100 150] /Resources << /XObject << /I 5 0 R >> >>"
    bomb = drawn(b"q 90 0 0 60 5 5 cm /I Do Q", resources, b"", stream(b"", entries))
    assert str(failure(bomb)).startswith("a picture in a.pdf is too large: 50000 x 50000 pixels")


def test_a_pdf_with_a_few_bytes_before_it_is_read() -> None:
    shown = load_picture(b"\xef\xbb\xbf\r\n" + drawn(bar(0, 0, 100, 75)))
    assert ink(shown) == pytest.approx((0, 0.5, 1, 1), abs=0.01)


def test_threads_render_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """PDFium keeps what it shares among documents without a lock of its own."""
    at_once: list[int] = []
    inside = 0

    def counted(*arguments: Any) -> np.ndarray:
        nonlocal inside
        inside += 1
        at_once.append(inside)
        time.sleep(0.002)
        picture = honest(*arguments)
        inside -= 1
        return picture

    honest = pdf_pages._rendered
    monkeypatch.setattr(pdf_pages, "_rendered", counted)
    files = [drawn(bar(0, 0, 100, 15 * at)) for at in range(1, 7)]
    alone = [rendered(file) for file in files]
    with ThreadPoolExecutor(4) as pool:
        for at, picture in enumerate(pool.map(lambda at: rendered(files[at % 6]), range(24))):
            assert np.array_equal(picture, alone[at % 6])
    assert set(at_once) == {1}


@pytest.mark.process
def test_nobody_without_a_pdf_loads_pdfium() -> None:
    code = (
        "import sys, numpy, digitlab\n"
        "digitlab.Recogniser().read(numpy.zeros((40, 40), numpy.uint8))\n"
        "assert 'pypdfium2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
