"""One digit as the network wants it: 28 x 28, ink bright on black, as the makers of MNIST did it.

The one preparation of pictures, used by data, training, evaluation and reading. A model names the
version that it was trained with in its property `preparation`:

- ``none``: images of a dataset, which are 28 x 28 with bright ink already, are fed as they are;
- ``2``: images of a dataset go through `normalise`, too, in training, evaluation and reading;
- ``3``: the same, and of pictures it knows more: sheets, cells, print, circles, reflections.

Pictures from files always go through `prepare`, whichever it is: they are no dataset yet. For
``none`` that is the way of VERSION.

The steps: the ground is estimated (ground.py) and what differs from it becomes ink between 0 and 1,
without the lines of ruled and squared paper (ink.py, ruled_lines.py); one digit is chosen among the
components (choice.py), its thin strokes are thickened, its longer side becomes 20 pixels and its
centre of mass the centre of 28 x 28 (glyph.py). `explain` shows each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digitlab.config import PREPARATIONS
from digitlab.decoding import MAX_PIXELS, Picture, as_picture, load_picture
from digitlab.errors import ConfigError, PictureError
from digitlab.preparation.choice import Components
from digitlab.preparation.glyph import SIDE, Box, ink_box, normalise
from digitlab.preparation.ground import array_ground, shrunk
from digitlab.preparation.ink import Record, find_ink, levels
from digitlab.preparation.reflections import without_reflections
from digitlab.preparation.sheet import Sheet, find_sheet

__all__ = [
    "MAX_PIXELS",
    "SIDE",
    "VERSION",
    "VERSIONS",
    "Glyph",
    "Step",
    "explain",
    "find_glyph",
    "load_picture",
    "normalise",
    "prepare",
    "prepare_images",
]

VERSIONS = PREPARATIONS
VERSION = VERSIONS[-1]  # where nobody says which

FIRST_LOOK = 512  # pixels; larger pictures are shrunk for the first look
SECOND_LOOK = 1024  # pixels, where nothing is seen at first
CLOSE = 0.3  # of the longer side: smaller digits are looked at again, closely


@dataclass(frozen=True)
class Glyph:
    """One digit found in a picture.

    Attributes:
        image: uint8 [28, 28], ink bright on black.
        box: x, y, width and height in pixels of the picture.
        rivals: what in the picture is as high and may be a digit of its own, with parts of this one
            that may; none where there is but one.
        disturbed: whether it was put together of pieces, cut by the picture's edge, or had other
            things taken away from around it, so that an answer deserves less confidence; never in
            version 2.
        printed: whether there seemed to be print all over the picture, which many digits also are;
            never in version 2.
        signed: whether a dash stands to its left, as a minus does.
    """

    image: Picture
    box: Box
    rivals: tuple[Glyph, ...] = ()
    disturbed: bool = False
    printed: bool = False
    signed: bool = False


@dataclass(frozen=True)
class Step:
    """One step of the way from a picture to its digit.

    Attributes:
        name: what was done, in words.
        image: uint8 [H, W] or [H, W, 3], what it gave.
    """

    name: str
    image: Picture


def prepare(picture: Picture, version: str = VERSION) -> Picture:
    """Return the digit in a picture as uint8 [28, 28]; `find_glyph` also says where it was."""
    return find_glyph(picture, version=version).image


def find_glyph(
    picture: Picture,
    name: str = "the picture",
    record: Callable[[Step], None] | None = None,
    version: str = VERSION,
) -> Glyph:
    """Find one digit and make it what the network wants.

    Args:
        picture: uint8 [H, W], [H, W, 3] or [H, W, 4] of any size; dark ink on light ground or light
            on dark, anywhere in the picture.
        name: what to call the picture in an error.
        record: is given each step of the way, from the picture to the 28 x 28. A small digit in a
            large picture is looked at twice, and both ways are given.
        version: one of VERSIONS, as a model's property `preparation` says.

    Raises:
        ConfigError: for a version that this digitlab does not know.
        PictureError: `blank` where nothing stands out from the ground, `not-a-picture` for an array
            of another shape or type.
    """
    _check(version)
    newer = version == "3"
    if record is None:
        return _find(picture, name, None, newer)
    return _find(picture, name, lambda what, image: record(Step(what, image)), newer)


def explain(
    picture: Picture, name: str = "the picture", version: str = VERSION
) -> tuple[Step, ...]:
    """Return each step from a picture to the 28 x 28 that `find_glyph` gives, which is the last.

    Args:
        picture: as of `find_glyph`.
        name: what to call the picture in an error.
        version: as of `find_glyph`.

    Raises:
        ConfigError, PictureError: as `find_glyph` does.
    """
    steps: list[Step] = []
    find_glyph(picture, name, steps.append, version)
    return tuple(steps)


def prepare_images(images: npt.NDArray[np.uint8], version: str) -> npt.NDArray[np.uint8]:
    """Prepare the images of a dataset as a model's property `preparation` says.

    Dataset images have bright ink on black by definition, so that nothing is guessed about their
    ground; a blank image stays black.

    Args:
        images: uint8 [N, 28, 28], ink bright.
        version: ``none`` gives the same array back; others normalise each image.

    Raises:
        ConfigError: for a version that this digitlab does not know.
    """
    _check(version)
    if version == "none":
        return images
    prepared = np.zeros_like(images)
    for image, place in zip(images, prepared, strict=True):
        place[:] = normalise(image.astype(np.float32) / np.float32(max(1, image.max())))
    return prepared


def _check(version: str) -> None:
    if version not in VERSIONS:
        raise ConfigError(
            f"preparation = {version!r}: expected one of {', '.join(VERSIONS)}; "
            "a newer digitlab may know it"
        )


def _find(picture: Picture, name: str, record: Record | None, newer: bool) -> Glyph:
    picture = as_picture(picture, name)
    if record is not None:
        record("picture", picture)
    pixels = picture.reshape(*picture.shape[:2], -1)
    small = shrunk(pixels, FIRST_LOOK)  # of large pictures, this takes most of the time
    sheet = find_sheet(pixels, small) if newer else None
    if sheet is not None:
        glyph = _on_sheet(sheet, picture, name, record)
    else:
        try:
            glyph = _look(picture, name, FIRST_LOOK, True, record, newer, small)
        except PictureError:
            if max(picture.shape) <= FIRST_LOOK:
                raise
            glyph = _look(picture, name, SECOND_LOOK, True, record, newer)
    if record is not None:
        record("as the network sees it", glyph.image)
    return glyph


def _on_sheet(sheet: Sheet, picture: Picture, name: str, record: Record | None) -> Glyph:
    """Find a digit on a sheet that is a part of a picture."""
    if record is not None:
        record("sheet", sheet.picture)
    glyph = _look(sheet.picture, name, FIRST_LOOK, True, record, True)

    def placed(one: Glyph) -> Glyph:
        box = sheet.box_in_photograph(one.box, (picture.shape[1], picture.shape[0]))
        return replace(one, box=box, rivals=tuple(map(placed, one.rivals)))

    return placed(glyph)


def _look(
    picture: Picture,
    name: str,
    side: int,
    closer: bool,
    record: Record | None,
    newer: bool,
    small: Picture | None = None,
) -> Glyph:
    """Find a digit in a picture shrunk to a side; if it is small there, look again, closer."""
    height, width = picture.shape[:2]
    if small is None:
        small = shrunk(picture.reshape(height, width, -1), side)
    bare = without_reflections(small) if newer else small
    found = find_ink(bare, name, record, newer)
    ink, disturbed = found.levels, newer and (found.cleared or bare is not small)
    components = Components(ink, newer)
    if array_ground(bare) is None:  # an array of few levels has no room for anything else
        if components.is_a_border():
            raise PictureError(f"{name} is blank: what stands there is a border", "blank")
        ink = components.digit()
        disturbed = disturbed or (newer and not components.is_alone())
    if record is not None:
        record("digit", levels(255 * ink))
    box = ink_box(ink)
    scale = (width / small.shape[1], height / small.shape[0])
    if box[2]:  # else normalise says what it gives
        ink = ink[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
    left, top, wide, tall = _enlarged(box, scale, (width, height))
    if not closer:  # whoever looks closer has seen what else there is
        return Glyph(normalise(ink), (left, top, wide, tall), (), disturbed, found.printed)
    rivals = tuple(
        Glyph(normalise(one), _enlarged(place, scale, (width, height)))
        for place, one in components.rivals()
    )
    signed = components.is_signed()
    if max(box[2:]) < CLOSE * max(small.shape):
        margin = max(wide, tall) // 2 + 8
        x, y = max(0, left - margin), max(0, top - margin)
        part = picture[y : top + tall + margin, x : left + wide + margin]
        if record is not None:
            record("closer look", part)
        near = _look(part, name, side, False, record, newer)
        box = (near.box[0] + x, near.box[1] + y, *near.box[2:])
        disturbed = disturbed or near.disturbed
        return Glyph(near.image, box, rivals, disturbed, found.printed, signed)
    box = (left, top, wide, tall)
    return Glyph(normalise(ink), box, rivals, disturbed, found.printed, signed)


def _enlarged(box: Box, scale: tuple[float, float], size: tuple[int, int]) -> Box:
    """Return the box in pixels of the picture, of a size, around one in the shrunk picture."""
    left, top = int(box[0] * scale[0]), int(box[1] * scale[1])
    right = min(size[0], int(np.ceil((box[0] + box[2]) * scale[0])))
    bottom = min(size[1], int(np.ceil((box[1] + box[3]) * scale[1])))
    return left, top, right - left, bottom - top
