"""From the bytes of a picture to an upright array of grey or colour, for any file whatsoever.

Used by preparation.py, and through it by data and reading. A file is judged by its header before
a pixel is decoded, and whatever a decoder raises becomes one `PictureError`.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from digitlab.errors import PictureError

Picture = npt.NDArray[np.uint8]

MAX_PIXELS = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
_KNOWN = "PNG, JPEG, WebP, BMP, TIFF, GIF or PNM"


def load_picture(
    source: str | Path | bytes, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> Picture:
    """Decode a picture and turn it upright.

    EXIF orientation is obeyed, palettes and CMYK become RGB, 16 bits become 8, and of several
    frames the first is taken. Transparent pixels get the colour that lets the ink be seen: see
    `opaque`.

    Args:
        source: a file, or the bytes of one.
        max_pixels: width times height at most; checked in the header, before decoding.
        name: what to call the picture in an error; the path where there is one.

    Returns:
        uint8 [H, W], or uint8 [H, W, 3] in RGB.

    Raises:
        PictureError: in one line that names the file, with the code `missing`, `not-a-picture`
            (no format of ours), `too-large`, or `unreadable` (damaged, cut off, no permission).
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), name or "the picture", max_pixels)
    name = name or os.fspath(source)
    try:
        with open(source, "rb") as file:
            return _decode(file, name, max_pixels)
    except FileNotFoundError as error:
        raise PictureError(f"{name}: no such file; check the path", "missing") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"{name!r} cannot be opened: {reason}", "unreadable") from error


def as_picture(array: npt.NDArray[np.generic], name: str = "the picture") -> Picture:
    """Return an array as an opaque picture, uint8 [H, W] or [H, W, 3].

    Args:
        array: uint8 [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (RGBA).
        name: what to call it in the error.

    Raises:
        PictureError: for any other shape or type (`not-a-picture`).
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise PictureError(
            f"{name} is {array.dtype} {list(array.shape)}; expected uint8 [height, width], "
            "[height, width, 3] or [height, width, 4]"
        )
    if 0 in array.shape:
        raise PictureError(f"{name} is {list(array.shape)}: it has no pixels", "blank")
    pixels = array.astype(np.uint8, copy=False)
    if channels == 4:
        return opaque(pixels)
    return pixels[..., 0] if array.ndim == 3 and channels == 1 else pixels


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
    visible = colours[alpha > strongest // 2]
    brightness = visible.mean(axis=1)
    darkest, brightest = np.percentile(brightness, (5, 95))
    if len(visible) > alpha.size / 2 and brightest - darkest > 64:
        ground = np.median(visible, axis=0).astype(np.float32)
    else:
        ground = np.full(3, 255 if brightness.mean() < 128 else 0, np.float32)
    share = alpha[..., None].astype(np.float32) / 255
    laid: Picture = np.rint(ground + (colours - ground) * share).astype(np.uint8)
    return laid


def _decode(file: IO[bytes], name: str, max_pixels: int) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise _too_large(name, "more pixels than Pillow allows", max_pixels) from error
        except UnidentifiedImageError as error:
            raise PictureError(f"{name} is no picture: expected {_KNOWN}") from error
        except Exception as error:  # decoders raise what they like on hostile headers
            raise PictureError(
                f"{name} is no picture: {_line(error)}; expected {_KNOWN}"
            ) from error
        with image:
            if image.width * image.height > max_pixels:
                raise _too_large(name, f"{image.width} x {image.height} pixels", max_pixels)
            try:
                return _pixels(_upright(image))
            except Exception as error:  # struct.error, SyntaxError, zlib.error, MemoryError, ...
                raise PictureError(
                    f"{name} is damaged or cut off: {_line(error)}; try another copy", "unreadable"
                ) from error


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block says nothing; the pixels are still good
        return image


def _pixels(image: Image.Image) -> Picture:
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return _eight_bits(np.asarray(image))
    if image.has_transparency_data:
        return opaque(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _eight_bits(values: npt.NDArray[np.generic]) -> Picture:
    """Scale deep grey values, such as 12 bits kept in 16, to the range that they use."""
    deep = values.astype(np.float64)
    if not np.isfinite(deep).all():
        raise ValueError("pixels that are not finite")
    lowest, highest = min(float(deep.min()), 0.0), float(deep.max())
    depths = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
    full = next((depth for depth in depths if highest <= depth), highest)
    return np.rint((deep - lowest) * (255 / (full - lowest))).astype(np.uint8)


def _too_large(name: str, size: str, max_pixels: int) -> PictureError:
    return PictureError(
        f"{name} is too large: {size}; at most {max_pixels:,} pixels are read; "
        "make it smaller or raise the limit",
        "too-large",
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
