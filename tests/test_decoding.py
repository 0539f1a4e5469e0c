"""Decoding: every format and mode gives the same picture, and hostile files give one line."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image, ImageDraw, ImageOps, TiffImagePlugin

from digitlab.decoding import MAX_PIXELS, as_picture, load_picture, opaque
from digitlab.errors import PagesWarning, PictureError
from digitlab.header import tiff_pages


def drawing(size: tuple[int, int] = (60, 80)) -> Image.Image:
    """Return an L picture: a black stroke on white, different in each corner."""
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).line([(12, 10), (40, 20), (20, 60)], fill=0, width=5)
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float).mean(axis=2) if picture.ndim == 3 else picture.astype(float)


def _with_exif(image: Image.Image, exif: Image.Exif) -> Image.Image:
    image.info["exif"] = exif.tobytes()
    return image


def code_of(source: str | Path | bytes, **options: int) -> tuple[str, str]:
    with pytest.raises(PictureError) as caught:
        load_picture(source, **options)
    assert "\n" not in str(caught.value)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "1"),
        ("PNG", "L"),
        ("PNG", "P"),
        ("PNG", "RGB"),
        ("PNG", "LA"),
        ("PNG", "RGBA"),
        ("PNG", "I;16"),
        ("JPEG", "L"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
        ("BMP", "1"),
        ("BMP", "RGB"),
        ("TIFF", "L"),
        ("TIFF", "F"),
        ("TIFF", "I;16"),
        ("TIFF", "CMYK"),
        ("GIF", "P"),
        ("PPM", "RGB"),
        ("AVIF", "L"),
        ("AVIF", "RGB"),
        ("AVIF", "RGBA"),
    ],
)
def test_formats_and_modes_give_the_same_picture(kind: str, mode: str) -> None:
    original = drawing()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(original).astype(np.uint16) * 257)
    else:
        image = original.convert(mode)
    picture = load_picture(
        encoded(image, kind, quality=95) if kind != "PPM" else encoded(image, kind)
    )
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert np.abs(grey(picture) - np.asarray(original)).mean() < 3


def test_twelve_bits_kept_in_sixteen_use_the_whole_range() -> None:
    deep = (np.asarray(drawing()).astype(np.uint16) * 16) + 15
    picture = load_picture(encoded(Image.fromarray(deep), "PNG"))
    assert (picture.min(), picture.max()) == (1, 255)


def test_pixels_that_are_not_finite_are_unreadable() -> None:
    values = np.zeros((9, 9), np.float32)
    values[3, 3] = np.nan
    code, message = code_of(encoded(Image.fromarray(values), "TIFF"))
    assert code == "unreadable"
    assert "NaN (not a number) or infinite" in message


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(orientation: int) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = drawing()
    stored = image.transpose(turned[orientation]) if orientation > 1 else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(load_picture(encoded(stored, "PNG", exif=exif)), np.asarray(image))


def test_a_broken_exif_block_does_not_lose_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Image.Image) -> Image.Image:
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(ImageOps, "exif_transpose", broken)
    assert np.array_equal(load_picture(encoded(drawing(), "PNG")), np.asarray(drawing()))
    monkeypatch.undo()
    picture = load_picture(
        encoded(drawing(), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    )
    assert np.array_equal(picture, np.asarray(drawing()))


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("strength", [255, 90])
def test_ink_on_nothing_is_laid_on_its_opposite(ink: int, strength: int) -> None:
    pixels = np.full((80, 60, 4), ink, np.uint8)
    pixels[..., 3] = (255 - np.asarray(drawing())) // 255 * strength
    laid = grey(load_picture(encoded(Image.fromarray(pixels), "PNG")))
    assert laid[0, 0] == 255 - ink
    assert np.abs(laid[pixels[..., 3] > 0] - laid[0, 0]).min() >= strength - 1


def test_a_palette_with_a_transparent_colour_is_laid_on_the_opposite_of_its_ink() -> None:
    image = Image.fromarray(255 - np.asarray(drawing())).convert("P")
    laid = grey(load_picture(encoded(image, "GIF", transparency=image.getpixel((0, 0)))))
    assert laid[0, 0] < 10
    assert laid.max() > 245


def test_a_cut_out_of_a_photograph_brings_its_own_paper() -> None:
    pixels = np.zeros((80, 60, 4), np.uint8)
    pixels[..., :3] = np.where(np.asarray(drawing())[..., None] > 128, 210, 30)
    pixels[4:-4, 4:-4, 3] = 255
    laid = opaque(pixels)
    assert (laid[0, 0] == 210).all()
    assert laid[10, 12].max() == 30


def test_a_picture_that_is_all_transparent_is_white() -> None:
    assert (opaque(np.zeros((5, 4, 4), np.uint8)) == 255).all()


def test_an_opaque_alpha_changes_nothing() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 4)).astype(np.uint8)
    colours[..., 3] = 255
    assert np.array_equal(opaque(colours), colours[..., :3])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_gives_the_same_picture_upright(mode: str, orientation: int) -> None:
    stored = drawing() if orientation == 1 else drawing().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    heic = pillow_heif.from_pillow(stored.convert(mode))
    heic.info["exif"] = exif.tobytes()
    file = io.BytesIO()
    heic.save(file, quality=95)
    picture = load_picture(file.getvalue())
    assert picture.dtype == np.uint8
    assert np.abs(grey(picture) - np.asarray(drawing())).mean() < 3
    assert code_of(file.getvalue(), max_pixels=60 * 80 - 1)[0] == "too-large"


def test_heic_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    code, message = code_of(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic")
    assert code == "needs-extra"
    assert "pip install 'digitlab[heic]'" in message


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_upright(orientation: int) -> None:
    """Pillow writes an orientation as AVIF has it: a rotation and a mirroring of its own."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = ImageOps.exif_transpose(_with_exif(drawing(), exif))
    picture = load_picture(encoded(drawing(), "AVIF", quality=95, exif=exif))
    assert picture.shape[:2] == (upright.height, upright.width)
    assert np.abs(grey(picture) - np.asarray(upright)).mean() < 3


def test_avif_where_pillow_has_none_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    code, message = code_of(encoded(drawing(), "AVIF"))
    assert code == "needs-extra"
    assert "is an AVIF picture" in message
    assert "save the picture as PNG" in message


def bitmap(pixels: np.ndarray, masks: tuple[int, ...]) -> bytes:
    """Return a BMP of version 5, 32 bits a pixel, from uint8 [H, W, 4] in the order in the file."""
    height, width = pixels.shape[:2]
    sizes = struct.pack("<IiiHHIIiiII", 124, width, -height, 1, 32, 3, pixels.size, 0, 0, 0, 0)
    header = (sizes + struct.pack("<IIII", *masks)).ljust(124, b"\0")
    return struct.pack("<2sIHHI", b"BM", 138 + pixels.size, 0, 0, 138) + header + pixels.tobytes()


@pytest.mark.parametrize(
    "masks",
    [(0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF, 0xFF00, 0xFF0000, 0xFF000000)],
)
def test_a_bitmap_whose_alpha_was_left_at_zero_is_opaque(masks: tuple[int, ...]) -> None:
    pixels = np.repeat(np.asarray(drawing())[..., None], 4, axis=2)
    pixels[..., 3] = 0
    assert np.array_equal(grey(load_picture(bitmap(pixels, masks))), np.asarray(drawing()))


def test_a_bitmap_with_alpha_keeps_it() -> None:
    """White ink that is opaque on black that is not: as in any other format."""
    pixels = np.zeros((80, 60, 4), np.uint8)
    pixels[..., 3] = 255 - np.asarray(drawing())
    laid = grey(load_picture(bitmap(pixels, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))))
    assert np.array_equal(laid, np.asarray(drawing()))


def test_large_pictures_are_converted_in_strips_like_small_ones() -> None:
    values = (np.arange(1100 * 1000 * 4) * 31 % 253).astype(np.uint8).reshape(1100, 1000, 4)
    for mode in ("RGBA", "RGB", "L", "P", "CMYK", "1"):
        image = Image.fromarray(values).convert("RGB").convert(mode)
        if mode == "RGBA":
            image.putalpha(Image.fromarray(values[..., 3]))
        kind = "TIFF" if mode == "CMYK" else "PNG"
        small = image.crop((0, 0, 1000, 400))
        whole = load_picture(encoded(image, kind, compress_level=1))
        if mode != "RGBA":  # whose ground depends on all of it
            part = load_picture(encoded(small, kind, compress_level=1))
            assert np.array_equal(whole[:400], part)
        expected = np.asarray(image.convert("L" if mode in "L1" else "RGB"))
        if mode != "RGBA":
            assert np.array_equal(whole, expected)
        else:
            solid = values[..., 3] >= 250
            assert np.abs(whole[solid].astype(int) - expected[solid]).max() <= 6


@pytest.mark.filterwarnings("ignore::digitlab.errors.PagesWarning")
def test_the_first_frame_of_several_is_taken() -> None:
    second = Image.new("L", (60, 80), 128)
    for kind in ("GIF", "TIFF", "AVIF"):
        file = encoded(drawing(), kind, save_all=True, append_images=[second])
        assert np.abs(grey(load_picture(file)) - np.asarray(drawing())).mean() < 3


def pages(count: int, **options: object) -> bytes:
    """Return a TIFF of several pages; the first is the drawing."""
    others = [Image.new("L", (60, 80), 128)] * (count - 1)
    return encoded(drawing(), "TIFF", save_all=True, append_images=others, **options)


@pytest.mark.parametrize("big", [False, True])
def test_pages_after_the_first_are_named(big: bool) -> None:
    with pytest.warns(PagesWarning) as told:
        load_picture(pages(3, big_tiff=big), name="scan.tif")
    assert [(str(one.message), one.filename) for one in told] == [
        ("scan.tif: page 1 of 3 is read, the others are not", __file__)
    ]


def test_previews_masks_and_frames_are_no_pages() -> None:
    second = Image.new("L", (60, 80), 128)
    files = [encoded(drawing(), "TIFF")]
    files += [
        encoded(drawing(), kind, save_all=True, append_images=[second])
        for kind in ("GIF", "PNG", "WEBP", "AVIF")
    ]
    for of_kind in (1, 4):
        file = io.BytesIO()
        with TiffImagePlugin.AppendingTiffWriter(file, True) as writer:
            drawing().save(writer, "TIFF")
            writer.newFrame()
            second.save(writer, "TIFF", tiffinfo={254: of_kind})
        files.append(file.getvalue())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for file in files:
            load_picture(file)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", [3, 4])
def test_previews_are_known_in_each_form_of_the_directory(order: str, big: bool, kind: int) -> None:
    number, offset = ("Q", "Q") if big else ("H", "I")
    value = ("H" if kind == 3 else "I") + f"{(8 if big else 4) - (2 if kind == 3 else 4)}x"
    directory = struct.Struct(f"{order}{number}HH{offset}{value}{offset}")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + ("HHQ" if big else "I"), *((8, 0, 16) if big else (8,)))
    second = len(head) + directory.size
    for subfile, pages in ((0, 2), (1, 1), (2, 2), (4, 1)):
        file = head + directory.pack(1, 254, kind, 1, 0, second)
        file += directory.pack(1, 254, kind, 1, subfile, 0)
        assert len(tiff_pages(io.BytesIO(file))) == pages


def test_pages_that_lead_back_to_themselves_are_counted_once() -> None:
    file = bytearray(pages(2))
    (first,) = struct.unpack_from("<I", file, 4)
    (tags,) = struct.unpack_from("<H", file, first)
    (second,) = struct.unpack_from("<I", file, first + 2 + 12 * tags)
    (tags,) = struct.unpack_from("<H", file, second)
    struct.pack_into("<I", file, second + 2 + 12 * tags, first)
    assert len(tiff_pages(io.BytesIO(file))) == 2


def test_paths_and_bytes_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encoded(drawing(), "PNG"))
    for source in (file, str(file), file.read_bytes()):
        assert np.array_equal(load_picture(source), np.asarray(drawing()))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    code, message = code_of(tmp_path / "none.png")
    assert code == "missing"
    assert str(tmp_path / "none.png") in message


def test_a_folder_or_an_impossible_path_is_unreadable(tmp_path: Path) -> None:
    assert code_of(tmp_path)[0] == "unreadable"
    assert code_of("a\0b.png")[0] == "unreadable"


@pytest.mark.parametrize(
    "content", [b"", b"just text", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF"]
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "text.png"
    file.write_bytes(content)
    code, message = code_of(file)
    assert code in ("not-a-picture", "unreadable")
    assert str(file) in message


def test_a_format_that_is_not_ours_is_not_decoded() -> None:
    for kind in ("TGA", "PCX", "ICO"):
        code, message = code_of(encoded(drawing(), kind))
        assert code == "not-a-picture"
        assert "expected PNG, JPEG" in message


def test_text_is_not_a_picture_and_bytes_take_the_callers_name() -> None:
    with pytest.raises(PictureError, match=r"^upload 3 is no picture: expected PNG") as caught:
        load_picture(b"just text", name="upload 3")
    assert caught.value.code == "not-a-picture"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_file_that_is_cut_off_is_unreadable(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 60)).astype(np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    cut = {code_of(whole[: len(whole) * part // 8]) for part in range(2, 7)}
    texts = {message for code, message in cut if code == "unreadable"}
    assert texts
    assert {text.replace(": its header cannot be read", "") for text in texts} == {
        "the picture is damaged or cut off; try another copy"
    }


def test_what_a_decoder_says_stays_in_the_cause() -> None:
    with pytest.raises(PictureError) as caught:
        load_picture(encoded(drawing(), "WEBP")[:60])
    assert "decoder object" in str(caught.value.__cause__)
    bitmap = bytearray(encoded(drawing(), "BMP"))
    bitmap[30] = 99  # an unknown compression
    code, message = code_of(bytes(bitmap))
    assert code == "unreadable"
    assert message == "the picture is stored in a way that is not read: save it anew, as PNG"


def test_a_huge_declared_size_is_refused_before_decoding() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    for side in (8001, 50_000):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        code, message = code_of(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")))
        assert code == "too-large"
        assert f"{MAX_PIXELS:,}" in message


def test_the_limit_is_an_option() -> None:
    file = encoded(drawing(), "PNG")
    assert code_of(file, max_pixels=60 * 80 - 1)[0] == "too-large"
    assert load_picture(file, max_pixels=60 * 80).shape == (80, 60)


def test_what_the_decoder_warns_of_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_picture(encoded(drawing(), "PNG"))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    kept=st.floats(0.3, 1),
)
def test_a_mutated_file_gives_a_picture_or_a_picture_error(
    kind: str, changes: list[tuple[float, int]], kept: float
) -> None:
    file = bytearray(encoded(drawing(), kind))
    for place, value in changes:
        file[int(place * (len(file) - 1))] = value
    with suppress(PictureError):  # whatever else is raised fails the test
        picture = load_picture(bytes(file[: int(kept * len(file))]), max_pixels=1_000_000)
        assert picture.dtype == np.uint8
        assert picture.ndim in (2, 3)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5, np.uint8),
        np.zeros((5, 5, 2), np.uint8),
        np.zeros((5, 5, 5, 3), np.uint8),
        np.float32(0.5),
        np.full((5, 5), np.nan),
        np.full((5, 5), 1.01),
        np.full((5, 5), -0.01),
        np.full((5, 5), -1),
        np.full((5, 5), 65536),
    ],
)
def test_an_array_of_another_shape_or_with_other_values_is_no_picture(array: np.ndarray) -> None:
    with pytest.raises(PictureError, match=r"^the picture .*expected") as caught:
        as_picture(array)
    assert caught.value.code == "not-a-picture"


def test_an_array_without_pixels_is_no_picture() -> None:
    with pytest.raises(PictureError, match="no pixels") as caught:
        as_picture(np.zeros((0, 5), np.uint8))
    assert caught.value.code == "not-a-picture"


def test_arrays_lose_their_single_channel_and_their_alpha() -> None:
    assert as_picture(np.zeros((5, 4, 1), np.uint8)).shape == (5, 4)
    assert as_picture(np.zeros((5, 4, 4), np.uint8)).shape == (5, 4, 3)


def test_arrays_of_every_kind_of_number_are_the_same_picture() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(8, 32)
    kinds = [np.int16, np.uint16, np.int64, np.uint64]
    for array in (*map(grey.astype, kinds), grey / 255, (grey / 255).astype(np.float32)):
        assert np.array_equal(as_picture(array), grey), array.dtype
    assert np.array_equal(as_picture(grey > 99), np.where(grey > 99, 255, 0))
    assert np.array_equal(as_picture(grey.astype(np.uint16) * 257), grey)  # as a file of 16 bits
    colour = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    assert np.array_equal(as_picture(np.moveaxis(colour, 2, 0)), colour)
    assert np.array_equal(as_picture(grey[None]), grey)
    assert as_picture(colour[:3]).shape == (3, 9, 3)  # the last axis, where both could be meant


@pytest.mark.parametrize(
    "array",
    [None, "3", [["3"]], object(), np.array([[None]]), np.zeros((5, 5), complex)],
)
def test_what_holds_no_numbers_is_a_type_error(array: object) -> None:
    with pytest.raises(TypeError, match=r"^it: .*expected an array of pixels"):
        as_picture(array, "it")
