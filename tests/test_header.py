"""Headers: bombs are refused by the lengths that they declare, and honest files pass."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from digitlab.decoding import load_picture
from digitlab.errors import PictureError
from digitlab.header import check_header, format_of, harmless_exif
from digitlab.picture_source import read_pipe
from hostile_files import BOMBS, FORMATS, chunk, encoded, mutated, originals, png


class Counted(io.FileIO):
    """A file that counts the bytes which are read of it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        content = super().read(-1 if size is None else size) or b""
        self.count += len(content)
        return content


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_little_read_and_little_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    BOMBS[name](path)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError) as caught:
            load_picture(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "too-large"
    assert str(path) in str(caught.value)
    assert peak < 4_000_000
    with Counted(path) as file:
        with suppress(PictureError):
            check_header(file, "bomb", 64_000_000)
        assert file.count < 200_000


@pytest.mark.filterwarnings("ignore::digitlab.errors.PagesWarning")
@pytest.mark.parametrize("kind", sorted(originals()))
def test_an_honest_file_passes_and_is_left_at_its_beginning(kind: str) -> None:
    file = io.BytesIO(originals()[kind])
    assert check_header(file, "honest", 64_000_000) == kind.split()[0]
    assert file.tell() == 0
    assert load_picture(file.getvalue()).shape[:2] in ((40, 36), (36, 40))


def test_heic_is_known_by_its_brands() -> None:
    assert format_of(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic") == "HEIF"
    assert format_of(b"\0\0\0\x1cftypmif1\0\0\0\0heic") == "HEIF"
    assert format_of(b"\0\0\0\x1cftypisom\0\0\0\0mp41avc1") is None


def test_avif_is_known_by_its_brands() -> None:
    assert format_of(b"\0\0\0\x1cftypavif\0\0\0\0mif1miaf") == "AVIF"
    assert format_of(b"\0\0\0\x1cftypavis\0\0\0\0avifmsf1") == "AVIF"
    assert format_of(b"\0\0\0\x28ftypmif1\0\0\0\0mif1miafMA1AMA1Bavif") == "AVIF"
    # What follows that box is no brand.
    assert format_of(b"\0\0\0\x14ftypheic\0\0\0\0mif1" + b"avif" * 9) == "HEIF"


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"application/vnd.oasis.opendocument.text")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (zipped("[Content_Types].xml", "word/document.xml"), "x is an office document: export it"),
        (zipped("_rels/.rels"), "x is an office document: export it"),
        (zipped("mimetype", "content.xml"), "x is an office document: export it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60), "x is an office document: export it"),
        (b"{\\rtf1\\ansi", "x is an office document: export it"),
        (zipped("scans/1.png"), "x is an archive: unpack it first"),
        (gzip.compress(b"x", mtime=0), "x is an archive: unpack it first"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "x is an SVG, which is not read: export it"),
        (b"<?xml version='1.0'?>\n<svg>", "x is XML, such as an SVG, which is not read: export it"),
        (b"\n<!DOCTYPE html><html>", "x is a web page: save the picture that is on it"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "x is PostScript, which is not read: export it as PNG"),
        (b"AT&TFORM\0\0", "x is a DjVu, which"),
        (b"8BPS\0\1", "x is of an image editor, which"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "x is a JPEG XL, which"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "x is a JPEG 2000, which"),
        (b"\0\0\0\x20ftypisom", "x is a video or a sound: save a frame of it as PNG"),
        (b"RIFF\x24\0\0\0AVI LIST", "x is a video or a sound: save"),
        (b"version https://git-lfs.github.com/spec/v1\n", "x is a pointer of Git LFS: fetch"),
        (b"", "x is empty: expected a picture"),
        (b"hello", "x is no picture: expected PNG"),
    ],
)
def test_what_is_no_picture_is_named_with_the_way_out(content: bytes, expected: str) -> None:
    with pytest.raises(PictureError) as of_file:
        load_picture(content, name="x")
    with pytest.raises(PictureError) as of_pipe:
        read_pipe(io.BytesIO(content), "x")
    assert str(of_file.value) == str(of_pipe.value)
    assert str(of_file.value).startswith(expected)
    assert of_file.value.code == "not-a-picture"


@pytest.mark.parametrize("kind", ["AVIF", "AVIF frames", "HEIF"])
def test_the_size_of_avif_and_heic_is_read_before_a_decoder_is_asked(kind: str) -> None:
    file = io.BytesIO(originals()[kind])
    width, height = (64, 64) if kind == "HEIF" else (36, 40)  # HEVC has blocks of 64
    assert check_header(file, "x", width * height) == kind.split()[0]
    with pytest.raises(PictureError, match=f"{width} x {height} pixels") as caught:
        check_header(file, "x", width * height - 1)
    assert caught.value.code == "too-large"


def test_a_picture_with_a_profile_and_texts_is_read() -> None:
    """Editors leave thumbnails, profiles and histories of a megabyte; that is no attack."""
    texts = [chunk(b"tEXt", b"key\0" + bytes([65 + at]) * 9000) for at in range(20)]
    whole = encoded(Image.new("L", (28, 28), 255), "PNG")
    with_texts = whole[:33] + b"".join(texts) + whole[33:]
    assert load_picture(with_texts).shape == (28, 28)
    large = encoded(Image.new("L", (28, 28)), "JPEG", icc_profile=bytes(3_000_000))
    assert load_picture(large).shape == (28, 28)


def test_an_exif_block_whose_tags_overlap_is_not_looked_at() -> None:
    def exif(values: int) -> bytes:
        tags = b"".join(
            b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
            if tag == 0
            else (1000 + tag).to_bytes(2, "big") + b"\0\x07" + values.to_bytes(4, "big") + bytes(4)
            for tag in range(300)
        )
        return b"Exif\0\0MM\0*\0\0\0\x08" + (300).to_bytes(2, "big") + tags + bytes(4000)

    assert harmless_exif(exif(4))
    assert not harmless_exif(exif(7000))
    upright = encoded(Image.new("L", (30, 20)), "JPEG", exif=exif(4))
    assert load_picture(upright).shape == (30, 20)
    hostile = encoded(Image.new("L", (30, 20)), "JPEG", exif=exif(7000))
    assert load_picture(hostile).shape == (20, 30)


@given(st.sampled_from(FORMATS), st.binary(max_size=200), st.integers(0, 10**6))
def test_any_bytes_pass_or_are_named(kind: str, noise: bytes, index: int) -> None:
    file = mutated([originals()[kind]], index) + noise
    with suppress(PictureError):  # whatever else is raised fails the test
        assert check_header(io.BytesIO(file), "x", 64_000_000) in (*FORMATS, "HEIF")


def test_the_canvas_of_webp_is_read_from_each_kind_of_chunk() -> None:
    """Its decoder reserves the canvas twice as soon as it opens a file."""
    image = Image.fromarray(np.zeros((30, 50), np.uint8)).convert("RGBA")
    for options in ({"lossless": True}, {"quality": 50}, {"lossless": True, "exif": b"Exif\0\0"}):
        file = encoded(image.convert("RGB") if "quality" in options else image, "WEBP", **options)
        assert load_picture(file, max_pixels=1500).shape[:2] == (30, 50)
        with pytest.raises(PictureError, match="50 x 30 pixels") as caught:
            check_header(io.BytesIO(file), "x", 1499)
        assert caught.value.code == "too-large"


def test_a_directory_that_lies_beyond_every_file_is_damaged() -> None:
    for head in (b"II+\0\x08\0\0\0" + b"\xff" * 8, b"II*\0" + b"\xff" * 12):
        with pytest.raises(PictureError) as caught:
            load_picture(head + bytes(100))
        assert caught.value.code == "unreadable"


def test_a_png_without_pixels_is_damaged() -> None:
    with pytest.raises(PictureError) as caught:
        load_picture(png(28, 28))
    assert caught.value.code == "unreadable"
