"""The pages of what is read: pictures, arrays and files, each decoded to upright pixels.

Used by the recogniser, and through it by `digitlab read`. A document, which is a PDF or a TIFF of
several pages, has its pages decoded one by one; every other source is one page.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import IO, TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image

from digitlab.array_likes import is_array_like
from digitlab.decoding import (
    MAX_PIXELS,
    Picture,
    as_picture,
    count_pages,
    load_picture,
    read_file,
    upright_pixels,
    warn_of_pages,
)
from digitlab.errors import ConfigError, PictureError
from digitlab.picture_source import read_pipe

if TYPE_CHECKING:
    from digitlab.reading.guard import GuardedDecoder

MAX_PAGES = 1000  # of a document

_EXPECTED = (
    "a path, the bytes of a file, an open binary file, a PIL image, an array or a tensor of one "
    "picture"
)


@dataclass(frozen=True)
class Page:
    """One page of a source.

    Attributes:
        number: from 1 in a document of pages; None for a picture.
        picture: uint8 [H, W] or [H, W, 3] in RGB, upright.
        of: how many pages of its document are given.
    """

    number: int | None
    picture: Picture
    of: int = 1


# What has `__array__`, such as a tensor, is a source, too.
Source = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | Image.Image
    | npt.NDArray[np.generic]
    | Page
)


def load_pages(
    source: Source,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    decoder: GuardedDecoder | None = None,
    max_pages: int = MAX_PAGES,
    advice: str = "",
) -> Iterator[Page]:
    """Return the pages of a source, from the first; of a document, decoded when they are asked for.

    Where one cannot be decoded, asking for it raises, and asking again gives the page after it.

    Args:
        source: a path; the bytes of a file, also as bytearray, memoryview or uint8 [N]; an open
            binary file, which is read from where it stands and not closed; a PIL image of any
            mode; an array or a tensor as `digitlab.decoding.as_picture` takes it; or a page, which
            is given back itself. Of a moving picture the first frame is taken.
        name: what to call the source in an error; the path where there is one.
        max_pixels: larger pictures and pages are not decoded.
        decoder: decodes files and bytes in a process of its own, with limits of its own, in place
            of `max_pixels`.
        max_pages: of a document with more, the first so many are given.
        advice: ends what the warning says.

    Returns:
        An iterator of one page at least.

    Warns:
        PagesWarning: of a document with more pages than that.

    Raises:
        TypeError: for a source that is none of these, a file that is open as text, and an array of
            other things than numbers.
        ConfigError: for `max_pages` that is no whole number from 1.
        PictureError: with the codes of `load_picture` or `GuardedDecoder.decode`; `not-a-picture`
            also for an array of another shape or with other values. Of a page of a document its
            `page` says which.
    """
    check_max_pages(max_pages)
    called = name or name_of(source) or "the picture"
    if isinstance(source, Page):
        return iter([source])
    if isinstance(source, Image.Image):
        return iter([Page(None, upright_pixels(source, called, max_pixels))])
    if (file := _file_of(source, called)) is not None:
        return _pages_of_file(file, name or name_of(source), max_pixels, decoder, max_pages, advice)
    if is_array_like(source) or isinstance(source, memoryview):
        return iter([Page(None, as_picture(source, called))])
    raise TypeError(f"{called} is {_kind(source)}; expected {_EXPECTED}")


def _pages_of_file(
    file: str | bytes,
    name: str | None,
    max_pixels: int,
    decoder: GuardedDecoder | None,
    max_pages: int,
    advice: str,
) -> Iterator[Page]:
    if decoder is None:
        content, called = read_file(file, name, max_pixels)
        count = count_pages(io.BytesIO(content), called)
        decode = partial(load_picture, content, max_pixels)
    else:
        content, called = decoder.read_file(file, name)
        count = decoder.count_pages(content, called)
        decode = partial(decoder.decode, content)
    if count is None:
        return iter([Page(None, decode(name=called))])
    warn_of_pages(called, count, max_pages, advice)
    given = min(count, max_pages)

    def page(number: int) -> Page:
        try:
            return Page(number, decode(name=f"{called}, page {number}", page=number), given)
        except PictureError as error:
            error.page = number
            raise

    return map(page, range(1, given + 1))


def check_max_pages(max_pages: Any) -> None:
    """Raise ConfigError for anything but a whole number from 1."""
    whole = isinstance(max_pages, Integral) and not isinstance(max_pages, bool)
    if not whole or max_pages < 1:
        raise ConfigError(f"max_pages = {max_pages!r}: expected a whole number, at least 1")


def name_of(source: object) -> str | None:
    """Return what a source is called by itself: its path, or the path of an open file."""
    if isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    name = getattr(source, "name", None) if _is_open_file(source) else None
    return name if isinstance(name, str) and name else None


def check_many(sources: object) -> None:
    """Check that something is several sources, not one.

    Raises:
        TypeError: for a path, bytes, a file or a PIL image.
    """
    one = isinstance(sources, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, Page))
    if one or _is_open_file(sources):
        raise TypeError(f"the pictures are {_kind(sources)}; expected several: read() takes one")


def _file_of(source: Any, name: str) -> str | bytes | None:
    """Return the path of a file, or its bytes; None for what is no file."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    if isinstance(source, memoryview) and (source.ndim != 1 or source.itemsize != 1):
        return None  # of an array
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, np.ndarray):
        is_bytes = source.ndim == 1 and source.dtype == np.uint8
        return source.tobytes() if is_bytes else None
    return _rest_of(source, name) if _is_open_file(source) else None


def _is_open_file(source: object) -> TypeGuard[IO[bytes]]:
    return callable(getattr(source, "read", None)) and not isinstance(source, np.ndarray)


def _rest_of(file: IO[bytes], name: str) -> bytes:
    """Read an open file from where it stands, if it begins like a picture."""
    try:
        begun: Any = file.read(1)
        if not isinstance(begun, bytes) and begun is not None:
            raise TypeError(
                f"{name} is open as text or gives no bytes ({type(begun).__name__}); "
                "expected a file that is open for reading bytes, as by open(path, 'rb')"
            )
        if begun:
            return read_pipe(file, name, begun)
    except (PictureError, TypeError):
        raise
    except Exception as error:  # a file within an archive raises what its library likes
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise PictureError(f"{name} cannot be read: {reason}", "unreadable") from error
    raise PictureError(
        f"{name} has nothing to read: the file is empty, or stands at its end (file.seek(0) goes "
        "back)"
    )


def _kind(source: object) -> str:
    """Return what a source is, with a hint where something is often meant by it."""
    if source is None:
        return "None, which cv2.imread gives for a file that it cannot read"
    kind = f"of type {type(source).__name__}"
    return f"{kind}, and read_many() takes several" if isinstance(source, (list, tuple)) else kind
