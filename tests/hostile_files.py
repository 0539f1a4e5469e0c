"""Files that are made to hurt whoever opens them, for the tests of decoding and of the command."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF")
_PNG = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return a picture as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk of PNG with its length and its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *extras: bytes) -> bytes:
    """Return a grey PNG without pixels, with chunks between its header and its (empty) data."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return _PNG + header + b"".join(extras) + chunk(b"IDAT", zlib.compress(b""))


def tiff(*entries: tuple[int, int, int, int], count: int | None = None) -> bytes:
    """Return a little-endian TIFF of one directory: (tag, type, number of values, offset)."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    number = len(entries) if count is None else count
    return b"II*\0" + struct.pack("<IH", 8, number) + packed + bytes(4)


def box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box of ISO/IEC 14496-12, as AVIF and HEIC are made of."""
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def avif(width: int, height: int, *extras: bytes, brand: bytes = b"avif") -> bytes:
    """Return what an AVIF without pixels says of its size, with further boxes beside that."""
    size = box(b"ispe", struct.pack(">4xII", width, height))
    properties = box(b"iprp", box(b"ipco", size))
    return box(b"ftyp", brand, bytes(4), b"mif1") + box(b"meta", bytes(4), properties, *extras)


def _sparse(head: bytes, size: int) -> Callable[[Path], None]:
    """Return what writes a file that begins so and goes on with zeros, without using disk."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)

    return write


def _bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def _bombs() -> dict[str, Callable[[Path], None]]:
    zeros = zlib.compress(bytes(1 << 20), 9)
    text = chunk(b"zTXt", b"a\0\0" + zeros)
    international = chunk(b"iTXt", b"a\0\1\0\0\0" + zeros)
    huge = struct.pack(">I", 200 << 20)
    size_tags = [(256, 4, 1, 28), (257, 4, 1, 28), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    strip = [(273, 4, 1, 8), (278, 4, 1, 50_000), (279, 4, 1, 1)]
    large_tags = [(256, 4, 1, 50_000), (257, 4, 1, 50_000)]
    frame = struct.pack("<4sI", b"ANMF", 1) + bytes(2)
    canvas = b"\x10" + bytes(3) + (49_999).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10)
    small = b"\x10" + bytes(3) + (27).to_bytes(3, "little") * 2
    gif = b"GIF89a" + struct.pack("<HHBBB", 28, 28, 0, 0, 0)
    track = box(b"tkhd", bytes(76), struct.pack(">II", 50_000 << 16, 50_000 << 16))
    return {
        "avif-50000": _bytes(avif(50_000, 50_000)),
        "avif-sequence-50000": _bytes(
            avif(28, 28, brand=b"avis") + box(b"moov", box(b"trak", track))
        ),
        "avif-many-items": _bytes(avif(28, 28, box(b"iinf", bytes(1 << 20)))),
        "avif-million-boxes": _bytes(avif(28, 28, box(b"free") * 1_000_000)),
        "avif-boxes-in-boxes": _bytes(
            avif(28, 28) + struct.pack(">I4s", 0, b"trak") * 1_000_000
        ),
        "avif-meta-200-mb": _sparse(
            avif(28, 28)[:20] + struct.pack(">I4s", 200 << 20, b"meta"), 201 << 20
        ),
        "heic-50000": _bytes(avif(50_000, 50_000, brand=b"heic")),
        "png-50000": _bytes(png(50_000, 50_000)),
        "png-text-200-mb": _sparse(_PNG + png(28, 28)[8:33] + huge + b"tEXt", 201 << 20),
        "png-exif-200-mb": _sparse(_PNG + png(28, 28)[8:33] + huge + b"eXIf", 201 << 20),
        "png-profile-200-mb": _sparse(_PNG + png(28, 28)[8:33] + huge + b"iCCP", 201 << 20),
        "png-hundred-text-bombs": _bytes(png(28, 28, *[text] * 100)),
        "png-hundred-itxt-bombs": _bytes(png(28, 28, *[international] * 100)),
        "png-million-empty-chunks": _bytes(png(28, 28, chunk(b"teSt", b"") * 1_000_000)),
        "jpeg-comments": _bytes(b"\xff\xd8" + (b"\xff\xfe\xff\xff" + bytes(65533)) * 400),
        "jpeg-padding": _bytes(b"\xff\xd8" + b"\xff" * 20_000_000),
        "gif-50000": _bytes(
            gif[:6]
            + struct.pack("<HHBBB", 50_000, 50_000, 0x80, 0, 0)
            + bytes(6)
            + struct.pack("<BHHHHB", 0x2C, 0, 0, 50_000, 50_000, 0)
            + b"\x02\0;"
        ),
        "gif-comments": _bytes(gif + b"!\xfe" + (b"\xff" + bytes(255)) * 100_000),
        "tiff-huge-tags": _sparse(
            tiff(*size_tags, *[(1000 + i, 7, 200 << 20, 8) for i in range(99)]), 1 << 22
        ),
        "tiff-many-tags": _bytes(tiff(*[(1000 + i, 7, 1, 0) for i in range(50_000)])),
        "tiff-overlapping-tags": _bytes(
            tiff(*size_tags, *[(1000 + i, 7, 1 << 20, 8) for i in range(3000)]) + bytes(1 << 20)
        ),
        "tiff-million-strips": _bytes(tiff(*size_tags, (273, 4, 1_000_000, 8)) + bytes(4 << 20)),
        "tiff-50000": _bytes(tiff(*large_tags, *size_tags[2:], *strip)),
        "bigtiff-countless-tags": _bytes(b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 60)),
        "webp-50000": _bytes(webp + canvas + bytes(20)),
        "webp-exif": _sparse(webp + small + b"EXIF" + struct.pack("<I", 200 << 20), 201 << 20),
        "webp-frames": _bytes(webp + small + frame * 1_000_000),
        "bmp-50000": _bytes(
            b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 50_000, 50_000, 1, 24, *[0] * 6)
        ),
        "pnm-50000": _bytes(b"P5 50000 50000 255\n"),
        "pnm-comment": _bytes(b"P5\n#" + b" 28" * 10_000_000),
        "file-of-a-gigabyte": _sparse(_PNG, 1 << 30),
    }  # fmt: skip


BOMBS = _bombs()  # name -> what writes it


@functools.cache
def originals() -> dict[str, bytes]:
    """Return a small file of a drawn stroke in each format and several modes."""
    pixels = np.full((40, 36), 255, np.uint8)
    pixels[8:32, 16:20] = 0
    grey = Image.fromarray(pixels)
    files = {kind: encoded(grey, kind) for kind in FORMATS}
    files |= {f"{kind} RGB": encoded(grey.convert("RGB"), kind) for kind in FORMATS}
    files["PNG RGBA"] = encoded(grey.convert("RGBA"), "PNG")
    files["PNG palette"] = encoded(grey.convert("P"), "PNG")
    files["PNG 16"] = encoded(Image.fromarray(pixels.astype(np.uint16) * 257), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    files["JPEG EXIF"] = encoded(grey, "JPEG", exif=exif)
    files["JPEG progressive"] = encoded(grey, "JPEG", progressive=True)
    files["WEBP lossless"] = encoded(grey, "WEBP", lossless=True)
    frames = [grey.convert("RGB"), grey.rotate(90).convert("RGB")]
    for kind in ("GIF", "WEBP", "TIFF", "AVIF"):
        files[f"{kind} frames"] = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        files[f"TIFF {compression}"] = encoded(grey, "TIFF", compression=compression)
    files["TIFF bilevel"] = encoded(grey.convert("1"), "TIFF", compression="group4")
    heic = io.BytesIO()
    pillow_heif.from_pillow(grey.convert("RGB")).save(heic)
    files["HEIF"] = heic.getvalue()
    return files


def mutated(files: list[bytes], index: int, seed: int = 0) -> bytes:
    """Return one of the files with bits flipped, cut off, or spliced with another.

    Args:
        files: whole ones.
        index: which mutation; it decides all chance together with `seed`.
    """
    chance = random.Random(f"mutation {seed} {index}")
    numbers = [chance.getrandbits(64) for _ in range(24)]
    file = bytearray(files[index % len(files)])
    way = numbers[0] % 4
    if way == 0:  # a few bits, most of them in the header
        for number in numbers[1 : 2 + numbers[1] % 12]:
            reach = len(file) if number & 1 else min(len(file), 64)
            file[(number >> 8) % reach] ^= 1 << (number >> 1) % 8
    elif way == 1:  # whole bytes, such as a length that becomes huge
        for number in numbers[1 : 2 + numbers[1] % 6]:
            file[(number >> 16) % len(file)] = (0, 1, 0x7F, 0x80, 0xFF)[number % 5]
    elif way == 2:
        del file[numbers[1] % len(file) :]
    else:
        other = files[numbers[1] % len(files)]
        first, second = numbers[2] % len(file), numbers[3] % len(other)
        file[first:] = other[second:]
    return bytes(file)
