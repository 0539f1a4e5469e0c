"""The pages of what is read: pictures, arrays and files, each decoded to upright pixels.

Used by the recogniser and by `digitlab read`. Today every source is one page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digitlab.decoding import MAX_PIXELS, Picture, as_picture, load_picture
from digitlab.errors import PictureError

if TYPE_CHECKING:
    from digitlab.reading.guard import GuardedDecoder


@dataclass(frozen=True)
class Page:
    """One page of a source.

    Attributes:
        number: from 1 in a document of pages; None for a picture.
        picture: uint8 [H, W] or [H, W, 3] in RGB, upright.
    """

    number: int | None
    picture: Picture


Source = str | Path | bytes | npt.NDArray[np.generic] | Page


def load_pages(
    source: Source,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    decoder: GuardedDecoder | None = None,
) -> Iterator[Page]:
    """Yield the pages of a source, from the first, each decoded when it is asked for.

    Args:
        source: a file, the bytes of one, uint8 [H, W], [H, W, 3] or [H, W, 4], or a page, which is
            yielded itself. Of several frames the first is taken.
        name: what to call the source in an error; the path where there is one.
        max_pixels: larger pictures are not decoded.
        decoder: decodes files and bytes in a process of its own, with limits of its own, in place
            of `max_pixels`.

    Yields:
        One page at least.

    Warns:
        PagesWarning: of a file with several pages, of which the first is read today.

    Raises:
        PictureError: with the codes of `load_picture` or `GuardedDecoder.decode`; `not-a-picture`
            also for a source of another type.
    """
    if isinstance(source, Page):
        yield source
    elif isinstance(source, np.ndarray):
        yield Page(None, as_picture(source, name or "the picture"))
    elif not isinstance(source, (str, Path, bytes)):
        raise PictureError(
            f"{name or 'the picture'} is a {type(source).__name__}: "
            "expected a path, bytes or an array"
        )
    elif decoder is not None:
        yield Page(None, decoder.decode(source, name))
    else:
        yield Page(None, load_picture(source, max_pixels, name))
