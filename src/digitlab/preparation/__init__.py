"""One glyph as the network wants it: 28 x 28, ink bright on black, as the makers of MNIST did it."""

from digitlab.preparation.glyph import SIDE, normalise
from digitlab.preparation.old import (
    MAX_PIXELS,
    VERSION,
    VERSIONS,
    Glyph,
    find_glyph,
    load_picture,
    prepare,
    prepare_images,
)

__all__ = [
    "MAX_PIXELS",
    "SIDE",
    "VERSION",
    "VERSIONS",
    "Glyph",
    "find_glyph",
    "load_picture",
    "normalise",
    "prepare",
    "prepare_images",
]
