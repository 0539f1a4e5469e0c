"""From the bytes of a picture to an upright array of grey or colour, for any file whatsoever.

Used by the preparation, and through it by data and reading. A file is judged by its header before
a pixel is decoded, and whatever a decoder raises becomes one `PictureError`. A decoder that
crashes or hangs takes this process with it: reading/guard.py keeps one in a process of its own.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

# Registered by this import; to open the first of them, Pillow would else import all its plugins.
from PIL import TiffImagePlugin as _TiffImagePlugin  # noqa: F401
from PIL import WebPImagePlugin as _WebPImagePlugin  # noqa: F401

from digitlab.array_likes import NOT_FINITE, as_array, levels
from digitlab.errors import PagesWarning, PictureError
from digitlab.header import (
    HEAD,
    check_header,
    check_size,
    format_of,
    harmless_exif,
    tiff_from,
    tiff_pages,
    too_many_pixels,
)
from digitlab.picture_source import MAX_SECONDS, open_picture

Picture = npt.NDArray[np.uint8]

MAX_PIXELS = 64_000_000
_CHANNELS = (1, 3, 4)
_DEEPEST = 65535
_UNSUPPORTED = re.compile(r"unsupported|not (supported|implemented|available)|no codec", re.I)
_STRIP = 1 << 20  # pixels; wide intermediate values are kept of so many at a time


def load_picture(
    source: str | Path | bytes,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
    page: int | None = None,
) -> Picture:
    """Decode a picture, or a page of a document, and turn it upright.

    EXIF orientation is obeyed, palettes and CMYK become RGB, 16 bits become 8, and of several
    frames the first is taken. Transparent pixels get the colour that lets the ink be seen: see
    `opaque`. Of a PDF, see `digitlab.pdf_pages.render_page`.

    Args:
        source: a file, or the bytes of one: PNG, JPEG, WebP, BMP, TIFF, GIF, PNM, PDF, AVIF where
            Pillow has it (as what pip installs has), and HEIC where pillow-heif is installed.
        max_pixels: width times height at most; checked in the header, before decoding.
        name: what to call the picture in an error; the path where there is one.
        page: of a document, from 1; None for the first.

    Returns:
        uint8 [H, W], or uint8 [H, W, 3] in RGB.

    Warns:
        PagesWarning: of a file with several pages, where no page is asked for.

    Raises:
        PictureError: in one line that names the file, with the code `missing` (also for a page
            that there is not), `not-a-picture` (no format of ours), `too-large`, `unreadable`
            (damaged, cut off, no permission), `encrypted` or `no-pages` (of a PDF), `memory` (none
            left) or `needs-extra` (what decodes AVIF or HEIC is not installed).
    """
    with open_picture(source, name) as (file, called):
        kind = check_header(file, called, max_pixels)
        if page is None:
            warn_of_pages(called, count_pages(file, called))
        return _decode(file, kind, called, max_pixels, page or 1)


def count_pages(file: IO[bytes], name: str) -> int | None:
    """Return how many pages a document has: a PDF, or a TIFF of several; None for a picture.

    Previews and masks are no pages, nor are the frames of a moving picture. What there is of a
    TIFF beyond 4,000 directories is not counted.

    Args:
        file: whose header was checked; is left at its beginning.
        name: what to call it in an error.

    Raises:
        PictureError: of a PDF, as `digitlab.pdf_pages.count_pages`.
    """
    file.seek(0)
    kind = format_of(file.read(HEAD))
    file.seek(0)
    if kind == "PDF":
        from digitlab import pdf_pages

        count = pdf_pages.count_pages(file.read(), name)
    else:
        count = len(tiff_pages(file)) if kind == "TIFF" else 1
    file.seek(0)
    return count if count > 1 or kind == "PDF" else None


def warn_of_pages(name: str, count: int | None, read: int = 1, hint: str = "") -> None:
    """Say of a document by a `PagesWarning` where only its first pages are read."""
    if count is None or count <= read:
        return
    first = f"page 1 of {count:,} is" if read == 1 else f"{read:,} of {count:,} pages are"
    told = f"{name}: {first} read, the others are not{hint}"
    warnings.warn(PagesWarning(told), stacklevel=_level_of_the_caller())


def _level_of_the_caller() -> int:
    """Return the `stacklevel` at which a warning names the line that called this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] == "digitlab":
        frame, level = frame.f_back, level + 1
    return level


def read_file(
    source: str | Path | bytes,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    max_seconds: float = MAX_SECONDS,
) -> tuple[bytes, str]:
    """Return the bytes of a file whose header is harmless, and what to call it.

    Args:
        source, max_pixels, name: as of `load_picture`.
        max_seconds: of waiting until somebody opens a pipe for writing.

    Raises:
        PictureError: `missing`, `unreadable`, `not-a-picture`, `too-large` or `timeout`.
    """
    with open_picture(source, name, max_seconds) as (file, called):
        check_header(file, called, max_pixels)
        return file.read(), called


def as_picture(array: Any, name: str = "the picture") -> Picture:
    """Return an array as an opaque picture, uint8 [H, W] or [H, W, 3].

    Args:
        array: grey [H, W], [H, W, 1] or [1, H, W], RGB [H, W, 3] or [3, H, W], RGBA [H, W, 4] or
            [4, H, W]: an array or a tensor of uint8, of truth values, of floats from 0 to 1, or of
            other integers from 0; above 255 these are scaled as files of deep grey are.
        name: what to call it in the error.

    Raises:
        TypeError: for what is no array of numbers.
        PictureError: for another shape or other values (`not-a-picture`).
    """
    pixels = as_array(array, name, "an array of pixels")
    if pixels.ndim == 3 and pixels.shape[2] not in _CHANNELS and pixels.shape[0] in _CHANNELS:
        pixels = np.moveaxis(pixels, 0, 2)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in _CHANNELS:
        raise PictureError(
            f"{name} is {pixels.dtype} {list(pixels.shape)}; expected one picture, "
            "[height, width], [height, width, 3] or [height, width, 4]"
        )
    if 0 in pixels.shape:
        raise PictureError(f"{name} is {list(pixels.shape)}: it has no pixels")
    try:
        pixels = _deep(pixels) if _is_deep(pixels) else levels(pixels)
    except ValueError as error:
        raise PictureError(f"{name} has {error}") from error
    if channels == 4:
        return opaque(pixels)
    return pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels


def upright_pixels(image: Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the pixels of a PIL image as those of its file: upright, opaque, of 8 bits.

    Args:
        image: of any mode; of several frames the one at which it stands. What is not decoded yet
            is decoded here.
        name: what to call it in an error.
        max_pixels: width times height at most.

    Returns:
        uint8 [H, W], or uint8 [H, W, 3] in RGB.

    Raises:
        PictureError: `too-large`; `unreadable`, also for an image that was closed; `not-a-picture`
            for one without pixels.
    """
    check_size(name, image.width, image.height, max_pixels)
    if 0 in image.size:
        raise PictureError(f"{name} is {image.width} x {image.height}: it has no pixels")
    try:
        upright = _upright(image)
        return _array(upright, "RGB") if _has_no_alpha(image) else _pixels(upright)
    except Exception as error:  # struct.error, SyntaxError, zlib.error, MemoryError, ...
        # Pillow asserts that there is a file where one was closed after with.
        no_file = isinstance(error, AssertionError) and getattr(image, "fp", None) is None
        if no_file or "closed" in str(error):
            raise PictureError(f"{name} was closed before it was read", "unreadable") from error
        raise _damaged(name, error) from error


def opaque(pixels: Picture) -> Picture:
    """Lay a picture with transparency on a ground that lets its ink be seen.

    Strokes on nothing may be black or white, so they are laid on the opposite of their brightness.
    A cut-out of a photograph brings its own paper: that continues into what is transparent.

    Args:
        pixels: uint8 [H, W, 4], RGBA, the colours not multiplied by alpha.

    Returns:
        uint8 [H, W, 3].
    """
    colours, alpha = pixels[..., :3], pixels[..., 3]
    strongest = int(alpha.max())
    if strongest == 0:
        return np.full_like(colours, 255)
    if alpha.min() == 255:
        return np.ascontiguousarray(colours)
    # A million pixels tell the colours of a picture as well as all do.
    step = 1 + alpha.size // (2 * _STRIP)
    seen = alpha[::step] > strongest // 2
    visible = colours[::step][seen]
    brightness = visible.mean(axis=1, dtype=np.float32)
    darkest, brightest = np.percentile(brightness, (5, 95))
    if len(visible) > seen.size / 2 and brightest - darkest > 64:
        ground = np.median(visible, axis=0).astype(np.float32)
    else:
        ground = np.full(3, 255 if brightness.mean() < 128 else 0, np.float32)
    laid: Picture = np.empty_like(colours)
    for rows in _strips(alpha.shape):
        share = alpha[rows, :, None].astype(np.float32) / 255
        laid[rows] = np.rint(ground + (colours[rows] - ground) * share)
    return laid


def out_of_memory(name: str) -> PictureError:
    """Return the error for a picture that needs more memory than there is."""
    return PictureError(
        f"{name} needs more memory than there is: make it smaller or raise the limit", "memory"
    )


def _decode(file: IO[bytes], kind: str, name: str, max_pixels: int, page: int) -> Picture:
    """Decode a page of a file whose header was checked; a picture is a page alone."""
    if kind == "PDF":
        from digitlab import pdf_pages

        return pdf_pages.render_page(file.read(), page, name, max_pixels)
    places = tiff_pages(file) if kind == "TIFF" else []
    if not 1 <= page <= max(len(places), 1):
        raise PictureError(
            f"{name} has no page {page:,}: expected 1 to {len(places) or 1:,}", "missing"
        )
    if places:
        file = tiff_from(file, places[page - 1])
        check_header(file, name, max_pixels)
    return _decode_picture(file, kind, name, max_pixels)


def _decode_picture(file: IO[bytes], kind: str, name: str, max_pixels: int) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if kind == "HEIF":
                return _pixels(_heif(file, name, max_pixels))
            if kind == "AVIF":
                _check_avif(name)
            image = Image.open(file, formats=(kind,))
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise too_many_pixels(name, "more pixels than Pillow opens", max_pixels) from error
        except UnidentifiedImageError as error:
            raise _damaged(name, "its header cannot be read") from error
        except Exception as error:  # decoders raise what they like on hostile headers
            raise _damaged(name, error) from error
        with image:
            return upright_pixels(image, name, max_pixels)


def _heif(file: IO[bytes], name: str, max_pixels: int) -> Image.Image:
    """Decode a HEIC file, which its library turns upright; pillow-heif is GPL, so an extra."""
    try:
        from pillow_heif import open_heif
    except ImportError as error:
        raise PictureError(
            f"{name} is a HEIC picture, which needs pillow-heif: pip install 'digitlab[heic]'",
            "needs-extra",
        ) from error
    pictures = open_heif(file)
    width, height = pictures.size
    check_size(name, width, height, max_pixels)
    return pictures.to_pillow()


def _check_avif(name: str) -> None:
    """Say so where Pillow cannot decode AVIF, as where a system built it without libavif."""
    from PIL import AvifImagePlugin  # loads what decodes it, and registers it

    if not AvifImagePlugin.SUPPORTED:
        raise PictureError(
            f"{name} is an AVIF picture, which this Pillow cannot decode: install another by "
            "pip install --force-reinstall pillow, or save the picture as PNG",
            "needs-extra",
        )


def _has_no_alpha(image: Image.Image) -> bool:
    """Return whether what stands for alpha was left at 0, as many programs leave it in a BMP."""
    is_claimed = image.format == "BMP" and image.mode == "RGBA"
    return is_claimed and image.getchannel("A").getbbox() is None


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    if not harmless_exif(image.info.get("exif") or b""):
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block says nothing; the pixels are still good
        return image


def _pixels(image: Image.Image) -> Picture:
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return _eight_bits(np.asarray(image))
    if image.mode == "La":  # which becomes LA, and nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        return opaque(_array(image, "RGBA"))
    return _array(image, "L" if image.mode in ("1", "L") else "RGB")


def _array(image: Image.Image, mode: str) -> Picture:
    """Return the pixels in another mode, without three more copies of a large picture."""
    channels = len(mode)
    shape = (image.height, image.width, channels)[: 2 if channels == 1 else 3]
    pixels = np.empty(shape, np.uint8)
    for rows in _strips(shape):
        strip = image.crop((0, rows.start, image.width, min(rows.stop, image.height)))
        pixels[rows] = np.asarray(strip.convert(mode))
    return pixels


def _is_deep(values: npt.NDArray[np.generic]) -> bool:
    return values.dtype.itemsize > 1 and values.dtype.kind in "iu" and bool(values.max() > 255)


def _deep(values: npt.NDArray[np.generic]) -> Picture:
    """Scale integers of more than 8 bits as those of a file.

    Raises:
        ValueError: for values that no file could have.
    """
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > _DEEPEST:
        raise ValueError(f"values from {low} to {high}; expected integers 0..{_DEEPEST}")
    return _eight_bits(values)


def _eight_bits(values: npt.NDArray[np.generic]) -> Picture:
    """Scale deep grey values, such as 12 bits kept in 16, to the range that they use."""
    if not np.isfinite(values.astype(np.float32, copy=False)).all():
        raise _PixelError(NOT_FINITE)
    lowest, highest = min(float(values.min()), 0.0), float(values.max())
    depths = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
    full = next((depth for depth in depths if highest <= depth), highest)
    levels = np.empty(values.shape, np.uint8)
    for rows in _strips(values.shape):
        levels[rows] = np.rint((values[rows].astype(np.float64) - lowest) * (255 / (full - lowest)))
    return levels


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of rows, of about `_STRIP` pixels each."""
    rows = max(1, _STRIP // max(1, shape[1]))
    return (slice(first, first + rows) for first in range(0, shape[0], rows))


class _PixelError(ValueError):
    """What is wrong with pixels that were decoded, in words of ours."""


def _damaged(name: str, error: Exception | str) -> PictureError:
    """Return the error for what cannot be decoded; a library's own words stay in the cause."""
    if isinstance(error, MemoryError):
        return out_of_memory(name)
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(str(error)):
        text = f"{name} is stored in a way that is not read: save it anew, as PNG"
    else:
        detail = f": {error}" if isinstance(error, (str, _PixelError)) else ""
        text = f"{name} is damaged or cut off{detail}; try another copy"
    return PictureError(text, "unreadable")
