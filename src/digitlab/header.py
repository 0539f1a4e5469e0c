"""What a picture file claims to be, judged by the lengths that it declares, before any decoder.

Used by decoding.py and by the guarded decoder. Decoders believe a header: they reserve a canvas,
read a comment of gigabytes or copy the same tag a thousand times before a pixel is asked for. So
the few parts that may be large are walked here first, without reading their content.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import IO

from digitlab.errors import PictureError

MAX_BYTES = 256 << 20  # of a file
MAX_EXTRAS = 16 << 20  # bytes of a file that are no pixels: comments, profiles, thumbnails
MAX_PARTS = 4000  # segments, blocks, frames or chunks
MAX_PIXEL_PARTS = 20_000  # of a PNG; one of 64 megapixels has some 12,000
MAX_TEXTS = 32  # compressed parts, each of which may unpack to a megabyte
MAX_TAGS = 4096  # of a TIFF directory
MAX_STRIPS = 65_536  # of a TIFF
MAX_TABLE = 256 << 10  # bytes of each table of what is in an AVIF or a HEIC
HEAD = 64  # bytes that tell the format

# The names of files that may be pictures, and of documents: of those that `format_of` knows.
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
    | {".avif", ".heic", ".heif", ".pbm", ".pgm", ".ppm", ".pnm"}
)
DOCUMENTS = frozenset({".pdf"})

_TO_PNG = "which is not read: export it as PNG"
_OFFICE = "is an office document: export it, or the picture in it, as PNG"
_VIDEO = "is a video or a sound: save a frame of it as PNG"
_TEXT = rb"(\xef\xbb\xbf)?\s*"
# What people give in place of a picture, by how it begins; of several the first.
_OTHER_KINDS = [
    (re.compile(begins, re.DOTALL | re.IGNORECASE), said)
    for begins, said in (
        (rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|docProps/|word/|xl/|ppt/)", _OFFICE),
        (rb"PK\x03\x04.{26}mimetypeapplication/", _OFFICE),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|\{\\rtf", _OFFICE),
        (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf", "is an archive: unpack it first"),
        (_TEXT + rb"<svg", f"is an SVG, {_TO_PNG}"),
        (_TEXT + rb"(<!doctype html|<html)", "is a web page: save the picture that is on it"),
        (_TEXT + rb"<\?xml", f"is XML, such as an SVG, {_TO_PNG}"),
        (rb"%!PS|\xc5\xd0\xd3\xc6", f"is PostScript, {_TO_PNG}"),
        (rb"AT&TFORM", f"is a DjVu, {_TO_PNG}"),
        (rb"8BPS|gimp xcf", f"is of an image editor, {_TO_PNG}"),
        (rb"\xff\x0a|\x00{3}\x0cJXL ", f"is a JPEG XL, {_TO_PNG}"),
        (rb"\x00{3}\x0cjP  |\xff\x4f\xff\x51", f"is a JPEG 2000, {_TO_PNG}"),
        (rb"....ftyp(iso|mp4|avc1|qt  |m4|3g|dash|msnv)|RIFF....(AVI |WAVE)|\x1aE\xdf\xa3", _VIDEO),
        (rb"version https://git-lfs", "is a pointer of Git LFS: fetch the file by git lfs pull"),
    )
]

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# The boxes of AVIF and HEIC that hold boxes, and how many bytes stand before those; and tables.
_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0}
_TABLES = (b"iinf", b"iloc", b"iref", b"ipma")
# The sizes of TIFF's types 1 to 13 and 16 to 18 (TIFF 6.0, 1992; BigTIFF).
_TYPE_SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1)) | {16: 8, 17: 8, 18: 8}
_STRIPS = (273, 279, 324, 325)  # offsets and lengths of strips and tiles
_TEXTS = (b"zTXt", b"iTXt", b"iCCP")
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")


def format_of(head: bytes) -> str | None:
    """Return Pillow's name of the format that a file begins like, or "HEIF" or "PDF".

    None is for what is no picture.

    AVIF and HEIC share a container; a file of both brands is an AVIF.

    Args:
        head: the first `HEAD` bytes, or all of a shorter file.
    """
    for prefix, name in (
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"BM", "BMP"),
    ):
        if head.startswith(prefix):
            return name
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    if re.match(rb"P[1-6fy]", head):
        return "PPM"
    return "PDF" if re.match(rb".{0,58}%PDF-", head, re.DOTALL) else None


def other_kind(head: bytes) -> str | None:
    """Return what a file that is no picture of ours is, and the way out; None where nobody knows.

    Args:
        head: its first `HEAD` bytes, or all of a shorter one.
    """
    return next((said for begins, said in _OTHER_KINDS if begins.match(head)), None)


def check_header(file: IO[bytes], name: str, max_pixels: int) -> str:
    """Return the format of a file whose declared lengths are harmless; leave it at its beginning.

    What is cut off or does not make sense passes: the decoder will say so.

    Args:
        file: can be sought.
        name: what to call it in an error.
        max_pixels: of the canvas, for formats whose decoder reserves it at once.

    Raises:
        PictureError: `not-a-picture` where the format is none of ours; `too-large` where the file,
            its canvas or what it carries beside its pixels is.
    """
    file.seek(0)
    head = file.read(HEAD)
    kind = format_of(head)
    if kind is None:
        raise no_picture(name, head)
    excess = _too_many_bytes(file) or _EXCESSES.get(kind, _no_excess)(file)
    if not excess and kind in _CANVASES:
        check_size(name, *_CANVASES[kind](file), max_pixels)
    if excess:
        raise too_large(name, excess)
    file.seek(0)
    return kind


def tiff_pages(file: IO[bytes]) -> list[int]:
    """Return where in a TIFF the directory of each page begins; previews and masks are none.

    A directory that would lie beyond the end is one: pages were cut off. What lies beyond
    `MAX_PARTS` is not counted.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(16).ljust(16, b"\0")
    order, big = _tiff_layout(head)
    number, entry, link = (
        struct.Struct(order + parts)
        for parts in (("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I"))
    )
    (place,) = link.unpack_from(head, 8 if big else 4)
    pages: list[int] = []
    seen = {0}
    while place not in seen and len(seen) <= MAX_PARTS:
        if place >= size:
            return [*pages, place]
        seen.add(place)
        file.seek(place)
        (tags,) = number.unpack(file.read(number.size).ljust(number.size, b"\0"))
        tag, kind, _, value = entry.unpack(file.read(entry.size).ljust(entry.size, b"\0"))
        # NewSubfileType, whose tag is the lowest of all, says of what is no page: 1 a preview of
        # another, 4 its mask.
        byte = 0 if order == "<" else _TYPE_SIZES.get(kind, 1) - 1
        if tag != 254 or not value[byte] & 5:
            pages.append(place)
        file.seek(min(place + number.size + tags * entry.size, size))
        (place,) = link.unpack(file.read(link.size).ljust(link.size, b"\0"))
    return pages


def tiff_from(file: IO[bytes], place: int) -> IO[bytes]:
    """Return a TIFF whose first directory is the one at a place: the file, or a copy in memory.

    So what judges and decodes the first page does so for any.
    """
    file.seek(0)
    order, big = _tiff_layout(head := file.read(16).ljust(16, b"\0"))
    link, at = struct.Struct(order + ("Q" if big else "I")), 8 if big else 4
    file.seek(0)
    if link.pack(place) == head[at : at + link.size]:
        return file
    moved = io.BytesIO(file.read())
    with moved.getbuffer() as content:
        link.pack_into(content, at, place)
    return moved


def harmless_exif(exif: bytes) -> bool:
    """Return whether the tags of an EXIF block are no larger than the block itself."""
    block = exif.removeprefix(b"Exif\0\0")
    return len(block) <= MAX_EXTRAS and not _tiff_excess(io.BytesIO(block), len(block))


def no_picture(name: str, head: bytes) -> PictureError:
    """Return the error for a file of no format of ours that begins so."""
    if (kind := other_kind(head)) is not None:
        return PictureError(f"{name} {kind}")
    if not head:
        return PictureError(f"{name} is empty: expected a picture")
    known = "PNG, JPEG, WebP, BMP, TIFF, GIF, AVIF, HEIC, PNM or PDF"
    return PictureError(f"{name} is no picture: expected {known}")


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Raise PictureError, `too-large`, for a picture of more pixels than allowed."""
    if width * height > max_pixels:
        raise too_many_pixels(name, f"{width} x {height} pixels", max_pixels)


def too_many_pixels(name: str, size: str, max_pixels: int) -> PictureError:
    """Return the error for a picture of that size."""
    return PictureError(
        f"{name} is too large: {size}; at most {max_pixels:,} are read; "
        "make it smaller or raise the limit",
        "too-large",
    )


def too_large(name: str, excess: str) -> PictureError:
    """Return the error for a file that declares something absurd, such as "50,000 tags"."""
    return PictureError(
        f"{name} is too large: {excess}, which is more than a picture needs; save it anew",
        "too-large",
    )


def _too_many_bytes(file: IO[bytes]) -> str:
    size = file.seek(0, io.SEEK_END)
    return f"{size:,} bytes" if size > MAX_BYTES else ""


def _no_excess(file: IO[bytes]) -> str:
    return ""


def _png_excess(file: IO[bytes]) -> str:
    extras = others = texts = 0
    file.seek(8)
    for _ in range(MAX_PIXEL_PARTS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return ""
        length, kind = struct.unpack(">I4s", head)
        if kind not in (b"IDAT", b"fdAT"):
            extras, others, texts = extras + length, others + 1, texts + (kind in _TEXTS)
        if extras > MAX_EXTRAS:
            return f"{extras:,} bytes beside its pixels"
        if others > MAX_PARTS or texts > MAX_TEXTS:
            return f"more than {MAX_PARTS:,} chunks or {MAX_TEXTS} compressed texts"
        file.seek(length + 4, io.SEEK_CUR)
    return f"more than {MAX_PIXEL_PARTS:,} chunks"


def _jpeg_excess(file: IO[bytes]) -> str:
    """Walk the segments up to the first scan."""
    extras = 0
    file.seek(2)
    for _ in range(MAX_PARTS):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):
            return ""
        if marker[1] == 0xFF:  # padding before a marker
            file.seek(-1, io.SEEK_CUR)
            continue
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD8:  # markers without a length
            continue
        length = int.from_bytes(file.read(2), "big")
        if length < 2:
            return ""
        extras += length
        if extras > MAX_EXTRAS:
            return f"{extras:,} bytes beside its pixels"
        file.seek(length - 2, io.SEEK_CUR)
    return f"more than {MAX_PARTS:,} segments"


def _gif_excess(file: IO[bytes]) -> str:
    """Walk the blocks up to the first frame."""
    file.seek(10)
    flags = (file.read(1) or b"\0")[0]
    file.seek(13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0))
    in_extension = False
    for _ in range(MAX_PARTS):
        byte = file.read(1)
        if not byte or (not in_extension and byte in (b",", b";")):
            return ""
        if in_extension:
            in_extension = byte != b"\0"
            file.seek(byte[0], io.SEEK_CUR)
        elif byte == b"!":
            in_extension = bool(file.read(1))
    return f"more than {MAX_PARTS:,} blocks before its first frame"


def _tiff_excess(file: IO[bytes], size: int | None = None) -> str:
    """Judge the first directory: tags cannot be larger together than the file that holds them."""
    size = file.seek(0, io.SEEK_END) if size is None else size
    file.seek(0)
    head = file.read(16)
    order, big = _tiff_layout(head)
    if len(head) < (16 if big else 8):
        return ""
    (place,) = struct.unpack_from(order + "Q" if big else order + "I", head, 8 if big else 4)
    if place >= size:
        return ""
    file.seek(place)
    count_bytes = file.read(8 if big else 2)
    count = int.from_bytes(count_bytes, "little" if order == "<" else "big")
    if count > MAX_TAGS:
        return f"{count:,} tags"
    entry = struct.Struct(order + ("HHQ8x" if big else "HHI4x"))
    tags = file.read(count * entry.size)
    total = 0
    for tag, kind, items in entry.iter_unpack(tags[: len(tags) // entry.size * entry.size]):
        total += items * _TYPE_SIZES.get(kind, 0)
        if tag in _STRIPS and items > MAX_STRIPS:
            return f"{items:,} strips"
    return f"{total:,} bytes of tags" if total > min(MAX_EXTRAS, max(size, 1024)) else ""


def _tiff_layout(head: bytes) -> tuple[str, bool]:
    """Return the order of bytes, as `struct` writes it, and whether it is a BigTIFF."""
    return "<" if head[:2] == b"II" else ">", head[2:4] in (b"+\0", b"\0+")


def _webp_excess(file: IO[bytes]) -> str:
    extras = 0
    file.seek(12)
    for _ in range(MAX_PARTS):
        head = file.read(8)
        if len(head) < 8:
            return ""
        kind, length = struct.unpack("<4sI", head)
        extras += 0 if kind in _WEBP_PIXELS else length
        if extras > MAX_EXTRAS:
            return f"{extras:,} bytes beside its pixels"
        file.seek(length + length % 2, io.SEEK_CUR)
    return f"more than {MAX_PARTS:,} chunks"


def _webp_canvas(file: IO[bytes]) -> tuple[int, int]:
    """Return width and height of the canvas, which its decoder reserves twice when it opens it."""
    file.seek(12)
    head = file.read(18).ljust(18, b"\0")
    if head[:4] == b"VP8X":
        return 1 + int.from_bytes(head[12:15], "little"), 1 + int.from_bytes(head[15:18], "little")
    if head[:4] == b"VP8L":
        bits = int.from_bytes(head[9:13], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", head[14:18])
    return width & 0x3FFF, height & 0x3FFF


def _iso_excess(file: IO[bytes]) -> str:
    """Judge what an AVIF or a HEIC says of itself; its pixels lie elsewhere in the file.

    What is in it is looked up in tables from their beginning, again and again.
    """
    extras = 0
    for parts, (kind, begin, end) in enumerate(_boxes(file), 1):
        if kind in _TABLES and end - begin > MAX_TABLE:
            return f"a table of {end - begin:,} bytes"
        if kind in (b"meta", b"moov"):
            extras += end - begin
        elif kind == b"idat":  # pixels, and within meta
            extras -= end - begin
        if parts > MAX_PARTS:
            return f"more than {MAX_PARTS:,} boxes"
    return f"{extras:,} bytes beside its pixels" if extras > MAX_EXTRAS else ""


def _iso_canvas(file: IO[bytes]) -> tuple[int, int]:
    """Return width and height of the largest picture or track that is declared; 0, 0 for none."""
    largest = (0, 0)
    for kind, begin, end in _boxes(file):
        if kind in (b"ispe", b"tkhd"):
            file.seek(begin if kind == b"ispe" else end - 12)
            width, height = struct.unpack(">4xII", file.read(12).ljust(12, b"\0"))
            if kind == b"tkhd":  # 16 bits and a fraction of 16
                width, height = width >> 16, height >> 16
            largest = max(largest, (width, height), key=lambda size: size[0] * size[1])
    return largest


def _boxes(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes of ISO/IEC 14496-12: kind, and where its content begins and ends.

    Those in a container follow the ones beside it. One that makes no sense ends its container.
    """
    waiting = [(0, file.seek(0, io.SEEK_END))]
    while waiting:
        at, end = waiting.pop()
        while at + 8 <= end:
            file.seek(at)
            length, kind, long = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
            begin = at + (16 if length == 1 else 8)
            at = {0: end, 1: at + long}.get(length, at + length)
            if at < begin:
                break
            yield kind, begin, min(at, end)
            if kind in _CONTAINERS:
                waiting.append((begin + _CONTAINERS[kind], min(at, end)))


def _pnm_excess(file: IO[bytes]) -> str:
    """Pillow reads comments byte by byte: the numbers must stand near the beginning."""
    file.seek(0)
    head = file.read(1 << 16)
    words = re.sub(rb"#[^\r\n]*[\r\n]", b" ", head).split(None, 3)
    found = len(words) > 3 and not any(word.startswith(b"#") for word in words[:3])
    return "" if found or len(head) < 1 << 16 else "no size in its first 65,536 bytes"


_EXCESSES = {
    "PNG": _png_excess,
    "JPEG": _jpeg_excess,
    "GIF": _gif_excess,
    "TIFF": _tiff_excess,
    "WEBP": _webp_excess,
    "AVIF": _iso_excess,
    "HEIF": _iso_excess,
    "PPM": _pnm_excess,
}
_CANVASES = {"WEBP": _webp_canvas, "AVIF": _iso_canvas, "HEIF": _iso_canvas}
