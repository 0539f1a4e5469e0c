"""The pages of a PDF as pixels, by PDFium: each at the resolution that its digits need.

Used by decoding.py, where a file is a PDF; nothing else imports PDFium. One that crashes or hangs
takes this process with it: reading/guard.py keeps a process for that.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digitlab.errors import PictureError
from digitlab.header import check_size

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

DPI = 200  # at which a digit of 5 mm is 40 pixels high
LONGEST = 2400  # pixels of a page's longer side at most; A4 has 2339 at 200 dpi
SHORTEST = 800  # and at least, so that a small note is not a thumbnail
_POINTS = 72  # an inch
# PDFium's codes of errors: FPDF_ERR_FILE, FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY.
_FILE, _PASSWORD, _SECURITY = 2, 4, 5

_ONE_AT_A_TIME = threading.Lock()  # PDFium is not made for several threads


def count_pages(content: bytes, name: str) -> int:
    """Return how many pages a PDF says that it has, at least 1.

    Raises:
        PictureError: `encrypted`, `no-pages` or `unreadable`; see `render_page`.
    """
    with _opened(content, name) as document:
        return len(document)


def render_page(content: bytes, number: int, name: str, max_pixels: int) -> npt.NDArray[np.uint8]:
    """Render a page of a PDF, turned as it says, with its forms and annotations, on white.

    The resolution is 200 dpi, but for pages whose longer side would then have more than 2400 or
    less than 800 pixels; and a page that is one picture is not made larger than the picture.

    Args:
        content: the bytes of the file.
        number: of the page, from 1.
        name: what to call it in an error.
        max_pixels: width times height at most, of the page and of each picture on it that is not
            within a group.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        PictureError: `encrypted` (with a password), `no-pages`, `missing` (no page of that
            number), `too-large`, or `unreadable` (damaged or cut off).
    """
    with _opened(content, name) as document:
        if not 1 <= number <= len(document):
            raise PictureError(
                f"{name} has no page {number:,}: expected 1 to {len(document):,}", "missing"
            )
        try:
            with closing(document[number - 1]) as page:
                return _rendered(page, name, max_pixels)
        except PictureError:
            raise
        except Exception as error:  # whatever PDFium's names say of a page that makes no sense
            raise _damaged(name) from error


def _rendered(page: PdfPage, name: str, max_pixels: int) -> npt.NDArray[np.uint8]:
    width, height = page.get_size()
    longer = max(width, height)
    if not (min(width, height) > 0 and math.isfinite(longer)):
        raise _damaged(name)
    # A hair less, so that rounding up to whole pixels adds none.
    scale = (1 - 1e-6) * min(
        max(DPI / _POINTS, SHORTEST / longer), LONGEST / longer, _sharpness(page, name, max_pixels)
    )
    check_size(name, math.ceil(width * scale), math.ceil(height * scale), max_pixels)
    with closing(page.render(scale, fill_color=(255,) * 4, rev_byteorder=True)) as bitmap:
        return np.array(bitmap.to_numpy())  # a copy: PDFium's pixels go with the bitmap


def _sharpness(page: PdfPage, name: str, max_pixels: int) -> float:
    """Return how many pixels a point the picture has that is all of a page; else infinity.

    Raises:
        PictureError: `too-large` for a page with a picture of more pixels than allowed.
    """
    from pypdfium2 import raw

    sharpest = 0.0
    # Not within groups: those are placed by matrices of their own, and may be nested without end.
    for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=1):
        width, height = image.get_px_size()
        check_size(f"a picture in {name}", width, height, max_pixels)
        matrix = image.get_matrix()
        sides = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
        if min(width, height, *sides) > 0:
            sharpest = max(width / sides[0], height / sides[1])
    alone = raw.FPDFPage_CountObjects(page) == 1 and raw.FPDFPage_GetAnnotCount(page) == 0
    return sharpest if alone and sharpest else math.inf


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[PdfDocument]:
    with _ONE_AT_A_TIME:
        from pypdfium2 import PdfDocument, PdfiumError, raw

        # Of a sound document without pages PDFium sets no code, and leaves the one before. Opening
        # no file sets one that nothing in memory gets.
        raw.FPDF_LoadDocument(b"", None)
        try:
            document = PdfDocument(content)
            document.init_forms()
        except PdfiumError as error:
            if error.err_code == _FILE:
                raise _no_pages(name) from error
            if error.err_code in (_PASSWORD, _SECURITY):
                raise PictureError(
                    f"{name} is encrypted: save it anew without a password", "encrypted"
                ) from error
            raise _damaged(name) from error
        with closing(document):
            if len(document) < 1:
                raise _no_pages(name)
            yield document


def _no_pages(name: str) -> PictureError:
    return PictureError(f"{name} has no pages: try another copy", "no-pages")


def _damaged(name: str) -> PictureError:
    return PictureError(f"{name} is damaged or cut off; try another copy", "unreadable")
