"""The first step of reading: where in a picture is ink that may be a digit.

Used by the recogniser and by explain.py. The others are `Recogniser.classify` and `assemble`.
"""

from __future__ import annotations

from collections.abc import Callable

from digitlab.decoding import Picture
from digitlab.errors import PictureError
from digitlab.preparation import VERSION, Glyph, Step, find_glyph


def find_glyphs(
    picture: Picture,
    name: str = "the picture",
    record: Callable[[Step], None] | None = None,
    version: str = VERSION,
) -> tuple[Glyph, ...]:
    """Find what may be a digit, and make each what the network wants.

    Today that is one glyph, or none on blank paper. What is found need not be a digit: the network
    may refuse it.

    Args:
        picture: uint8 [H, W], [H, W, 3] or [H, W, 4] of any size, upright; dark ink on light ground
            or light on dark.
        name: what to call the picture in an error.
        record: is given each step of the preparation as it is done.
        version: of the preparation, as the model's property `preparation` says.

    Returns:
        Glyphs in any order, each uint8 [28, 28] with its box in pixels of the picture.

    Raises:
        PictureError: `not-a-picture` for an array of another shape or type.
    """
    try:
        return (find_glyph(picture, name, record, version),)
    except PictureError as error:
        if error.code != "blank":
            raise
        return ()
