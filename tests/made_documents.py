"""Documents of pages, for the tests: PDFs written by hand, by Pillow, and encrypted; TIFFs."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

# What fills up a password (PDF 1.7, ISO 32000-1, 7.6.3.3).
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_ID = bytes(16)
_ALL = b"\xfc\xff\xff\xff"  # what a reader may do, as 4 bytes and below as a number: -4


def document(kind: str, pictures: Sequence[np.ndarray], **options: object) -> bytes:
    """Return a PDF or a TIFF with a picture a page."""
    pages = [Image.fromarray(picture) for picture in pictures]
    file = io.BytesIO()
    pages[0].save(file, kind, save_all=True, append_images=pages[1:], **options)
    return file.getvalue()


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """Return a stream object of a PDF."""
    head = b"<< %s /Length %d >>\nstream\n" % (entries, len(content))
    return head + content + b"\nendstream"


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """Return a PDF of objects, which are numbered from 1; the first is the catalog."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    begin = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(places) + 1
    return bytes(out) + b"trailer\n<< /Root 1 0 R /Size %d %s >>\nstartxref\n%d\n%%%%EOF" % (
        size,
        trailer,
        begin,
    )


def drawn(
    content: bytes = b"",
    page: bytes = b"/MediaBox [0 0 100 150]",
    catalog: bytes = b"",
    *more: bytes,
    trailer: bytes = b"",
) -> bytes:
    """Return a PDF of one page.

    Args:
        content: operators that draw it; object 4.
        page: entries of the page, with its size; object 3.
        catalog: entries of the catalog; object 1.
        more: objects from 5 on.
        trailer: entries of the trailer.
    """
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R %s >>" % page,
        stream(content),
        *more,
        trailer=trailer,
    )


def bar(left: int, bottom: int, width: int, height: int) -> bytes:
    """Return what draws a black rectangle, in points from the lower left."""
    return b"0 g %d %d %d %d re f\n" % (left, bottom, width, height)


def encrypted(content: bytes, password: bytes) -> bytes:
    """Return a PDF of one page that only a password opens, which may be empty: RC4 of 40 bits."""
    user, owner = ((one + _PADDING)[:32] for one in (password, b"owner"))
    opens = _rc4(hashlib.md5(owner).digest()[:5], user)
    key = hashlib.md5(user + opens + _ALL + _ID).digest()[:5]
    of_object = hashlib.md5(key + b"\4\0\0\0\0").digest()[:10]
    handler = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<%s> <%s>]"
    values = (opens, _rc4(key, _PADDING), _ID, _ID)
    trailer = handler % tuple(value.hex().encode() for value in values)
    return drawn(_rc4(of_object, content), trailer=trailer)


# A note that was written with a pen, as tablets keep it, and a field that was filled in.
NOTE = (
    b"<< /Type /Annot /Subtype /Ink /Rect [40 20 60 130] /InkList [[50 30 50 120]] /C [0 0 0] "
    b"/BS << /W 6 >> /F 4 >>"
)
FIELD = (
    b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (n) /V (7) /F 4 /Rect [20 20 80 130] "
    b"/DA (/H 90 Tf 0 g) /P 3 0 R >>"
)
FORM = (
    b"/AcroForm << /Fields [5 0 R] /NeedAppearances true /DA (/H 90 Tf 0 g) /DR "
    b"<< /Font << /H << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
)


@functools.cache
def documents() -> dict[str, bytes]:
    """Return small documents of each kind, all but one of which can be read."""
    grey = np.full((40, 36), 255, np.uint8)
    grey[8:32, 16:20] = 0
    three = [grey, grey.T.copy(), grey]
    page = b"/MediaBox [0 0 100 150] /Annots [%s %s]"
    return {
        "PDF": document("PDF", three),
        "PDF drawn": drawn(bar(45, 30, 10, 90)),
        "PDF written on": drawn(b"", page % (b"5 0 R", NOTE), FORM, FIELD),
        "PDF locked": encrypted(bar(45, 30, 10, 90), b"secret"),
        "PDF unlocked": encrypted(bar(45, 30, 10, 90), b""),
        "TIFF": document("TIFF", three),
        "TIFF big": document("TIFF", three, big_tiff=True),
        "TIFF deflate": document("TIFF", three, compression="tiff_adobe_deflate"),
        "TIFF fax": document("TIFF", [one > 127 for one in three], compression="group4"),
    }


def _rc4(key: bytes, content: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in content:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
