"""The mark by which the pictures that we draw are known, so that none is read as input.

A text chunk before the pixels of a PNG: `Software`, `digitlab`, and perhaps more words. In an SVG
its creator (Dublin Core), as matplotlib writes it.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SOFTWARE = "digitlab"
_CHUNK = b"tEXtSoftware\0" + SOFTWARE.encode()
_MARKS = {".png": _CHUNK, ".svg": f"<dc:title>{SOFTWARE}</dc:title>".encode()}
_WITHIN = 1024  # bytes; the header of a PNG takes 33, that of an SVG some 600 before its creator


def save_png(picture: Image.Image, to: object) -> None:
    """Save a picture as a PNG with our mark; `to` is what `Image.save` takes.

    Raises:
        OSError: where it cannot be written.
    """
    mark = PngInfo()
    mark.add_text("Software", SOFTWARE)
    picture.save(to, "PNG", pnginfo=mark)  # type: ignore[arg-type]


def is_ours(path: Path) -> bool:
    """Whether a file is a picture that we drew; false for one that cannot be read."""
    mark = _MARKS.get(path.suffix.lower())
    if mark is None or not path.is_file():  # a pipe might never be written to
        return False
    try:
        with path.open("rb") as file:
            return mark in file.read(_WITHIN)
    except OSError:  # which whoever reads it will be told
        return False
