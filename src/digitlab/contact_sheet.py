"""Contact sheets: many 28 x 28 images in one picture, each with a caption; drawn with Pillow.

Used by data (what is in a source) and by evaluation (the most confident mistakes), which save their
pictures by `save_picture`, too.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from digitlab.drawing import CAPTION, FRAME, PAPER, SOFT, TEXT, TITLE, Colour, Font, lettered, write
from digitlab.errors import DataError
from digitlab.picture_mark import is_ours, save_png

_SIDE = 28
_MARGIN, _GAP = 16, 6  # pixels
_HEAD = TITLE + CAPTION + 28  # pixels of a title and what is below it
_WIDEST_TITLE = 600  # pixels to which a title widens a sheet of few images; a longer one is cut
_ARROW = "→"


def contact_sheet(
    images: npt.NDArray[np.uint8],
    captions: Sequence[str],
    columns: int,
    scale: int = 3,
    title: str = "",
    note: str = "",
) -> Image.Image:
    """Draw images row by row, each enlarged and with a caption under it.

    Args:
        images: uint8 [N, 28, 28], ink bright; they are shown so, too.
        captions: one an image, of Latin letters, digits and "→"; an empty one leaves its place
            blank, and where all are empty no place is kept. One that is wider than its image
            widens the columns.
        columns: images in a row, at least 1.
        scale: how many pixels a pixel becomes, at least 1; without smoothing, so that the pixels
            that a network sees are seen.
        title: above the sheet, any text; none where it is empty.
        note: below the title, as a caption: how to read the sheet.

    Returns:
        A picture in RGB.

    Raises:
        ValueError: the counts differ, the shape is another, or `columns` or `scale` are below 1.
    """
    if images.ndim != 3 or images.shape[1:] != (_SIDE, _SIDE) or len(images) != len(captions):
        raise ValueError(
            f"{len(captions)} captions for images of shape {images.shape}; "
            f"expected N captions for [N, {_SIDE}, {_SIDE}]"
        )
    if columns < 1 or scale < 1:
        raise ValueError(f"columns = {columns}, scale = {scale}: expected at least 1")
    font = lettered("", CAPTION)[1]  # readable at any scale, so that it does not follow the scale
    side = _SIDE * scale
    text_height = CAPTION + 6 if any(captions) else 0
    widest = max((_length(caption, font) for caption in captions), default=0.0)
    across, down = max(side, int(widest) + _GAP) + _GAP, side + text_height + _GAP
    rows = -(-len(images) // columns)
    head = _HEAD if title else 0
    width = columns * across - _GAP
    if title:
        written, title_font = lettered(title, TITLE)
        longest = max(title_font.getlength(written), _length(note, font))
        width = max(width, min(math.ceil(longest), _WIDEST_TITLE))
    size = (width + 2 * _MARGIN, head + max(rows * down - _GAP, 0) + 2 * _MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        write(draw, (_MARGIN, _MARGIN), title, TITLE, width=width)
        _write(draw, _MARGIN, _MARGIN + TITLE + 12, note, font, SOFT)
    for at, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(at, columns)
        left = _MARGIN + column * across + (across - _GAP - side) // 2
        top = head + _MARGIN + row * down
        enlarged = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
        draw.rectangle((left - 1, top - 1, left + side, top + side), outline=FRAME)
        sheet.paste(enlarged, (left, top))
        middle = left + (side - _length(caption, font)) / 2
        _write(draw, middle, top + side + 3, caption, font)
    return sheet


def sheet_by_digit(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    columns: int,
    scale: int,
    title: str = "",
    note: str = "",
) -> Image.Image:
    """Draw a row of images for each digit.

    The images of a row are spread evenly over all, so that one writer does not fill it. A digit
    with fewer images than columns leaves places black.

    Args:
        images: uint8 [N, 28, 28].
        labels: int64 [N].
        columns: images a digit.
        scale: how many pixels a pixel becomes.
        title, note: as of `contact_sheet`.
    """
    chosen_images = np.zeros((10, columns, _SIDE, _SIDE), np.uint8)
    captions = []
    for digit in range(10):
        places = np.flatnonzero(labels == digit)
        shown = min(columns, len(places))
        chosen = places[np.arange(shown) * len(places) // max(shown, 1)]
        chosen_images[digit, :shown] = images[chosen]
        captions += [str(digit)] * shown + [""] * (columns - shown)
    sheet = chosen_images.reshape(-1, _SIDE, _SIDE)
    return contact_sheet(sheet, captions, columns, scale, title, note)


def check_place(path: Path) -> None:
    """Say before long work what `save_picture` would say after it, where that can be known.

    Raises:
        DataError: for a suffix that is no picture's, or a folder that is not there.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise _not_written(path, f"unknown file extension: {path.suffix or 'none'}")
    if not path.parent.is_dir():
        raise _not_written(path, f"there is no folder {path.parent}")


def free_place(path: Path) -> Path:
    """Return where a picture goes that nobody asked for: there, but never over others' files.

    A picture of ours is replaced; beside anything else a number is added to the name.
    """
    number, place = 1, path
    while os.path.lexists(place) and not is_ours(place):
        number += 1
        place = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return place


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix.

    Raises:
        DataError: where it cannot be written.
    """
    try:
        if path.suffix.lower() == ".png":
            save_png(picture, path)
        else:
            picture.save(path)
    except (OSError, ValueError) as error:  # ValueError: a suffix that Pillow does not know
        raise _not_written(path, getattr(error, "strerror", None) or str(error)) from error


def _not_written(path: Path, reason: str) -> DataError:
    return DataError(f"{path} cannot be written: {reason}; try a .png elsewhere")


def _length(caption: str, font: Font) -> float:
    """Return how wide a caption is in pixels."""
    parts = caption.split(_ARROW)
    return sum(font.getlength(part) for part in parts) + CAPTION * (len(parts) - 1)


def _write(
    draw: ImageDraw.ImageDraw,
    left: float,
    top: float,
    caption: str,
    font: Font,
    colour: Colour = TEXT,
) -> None:
    """Write a caption; an arrow is drawn, because the font that comes with Pillow has none."""
    for at, part in enumerate(caption.split(_ARROW)):
        if at:
            middle, head = top + CAPTION * 0.55, left + CAPTION - 2
            draw.line((left + 1, middle, head, middle), colour)
            draw.line((head - 3, middle - 3, head, middle, head - 3, middle + 3), colour)
            left += CAPTION
        draw.text((left, top), part, colour, font)
        left += font.getlength(part)
