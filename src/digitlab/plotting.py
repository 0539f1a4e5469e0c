"""Plots by matplotlib in the look of all our pictures, as bytes of a PNG or an SVG.

Used by training (the curves of a run) and by the figures of the course. The first import takes a
second, so that whoever may not draw imports it where it draws.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digitlab.drawing import (
    CAPTION,
    FRAME,
    GRID,
    PAPER,
    SOFT,
    TEXT,
    TITLE,
    Colour,
    as_hex,
    font_file,
    lettered,
    write,
)
from digitlab.durable_files import write_whole
from digitlab.picture_mark import SOFTWARE, save_png

# A notebook names by MPLBACKEND a module that may not be installed here, and importing matplotlib
# would fail; what we draw needs no backend. Where the variable is of use, it goes on to be.
_backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
finally:
    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
if _backend is not None:
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend

TOP = 108  # pixels for the title and what explains the picture
_MARGIN, _TITLE_AT, _BELOW_AT = 24, 14, 50  # pixels
_DPI = 100
# The first comes with matplotlib, and is what an SVG is laid out by; of these, whoever shows an SVG
# takes for each letter the first that has it.
_FONTS = (
    "DejaVu Sans",
    "Verdana",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
)


@contextlib.contextmanager
def look() -> Iterator[None]:
    """Have matplotlib draw in the look of all our pictures, whatever a user has set."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "axes.edgecolor": as_hex(FRAME),
                "axes.facecolor": as_hex(PAPER),
                "axes.grid": True,
                "axes.labelcolor": as_hex(TEXT),
                "axes.spines.right": False,
                "axes.spines.top": False,
                "axes.titlecolor": as_hex(TEXT),
                "axes.titlelocation": "left",
                "axes.titlesize": "medium",
                "axes.unicode_minus": False,
                "figure.facecolor": as_hex(PAPER),
                "font.sans-serif": _FONTS,
                "font.size": CAPTION * 72 / _DPI,
                "grid.color": as_hex(GRID),
                "svg.fonttype": "none",  # text that stays text
                "svg.hashsalt": SOFTWARE,  # and names that stay the same
                "text.color": as_hex(TEXT),
                "text.parse_math": False,
                "xtick.color": as_hex(TEXT),
                "ytick.color": as_hex(TEXT),
            }
        )
        yield


def new_figure(
    width: int, height: int, columns: int = 1, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Return a figure of that size in pixels, with room for a title, and its axes row by row."""
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.subplots_adjust(
        left=80 / width,
        right=1 - _MARGIN / width,
        bottom=60 / height,
        top=1 - TOP / height,
        wspace=0.24,
        hspace=0.3,
    )
    return figure, list(np.ravel(figure.subplots(rows, columns)))


def to_png(figure: Figure, title: str, below: Sequence[tuple[str, Colour]]) -> bytes:
    """Return a PNG, marked as ours, with a title and a line of parts, each in its colour, below it.

    Same figure, same bytes. All text is in the fonts of `drawing`, as in our other pictures.
    """
    _use_our_fonts(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    picture = Image.open(buffer).convert("RGB")
    draw = ImageDraw.Draw(picture)
    write(draw, (_MARGIN, _TITLE_AT), title, TITLE, width=picture.width - 2 * _MARGIN)
    x = float(_MARGIN)
    for part, colour in below:
        write(draw, (x, _BELOW_AT), part, CAPTION, colour)
        x += lettered(part, CAPTION)[1].getlength(part)
    marked = io.BytesIO()
    save_png(picture, marked)
    return marked.getvalue()


def to_svg(figure: Figure, title: str, below: str) -> bytes:
    """Return an SVG, marked as ours, with a title and a line below it; all text in it is text.

    Same figure, same bytes. Whoever shows it has the fonts, so that any letter may stand in it.
    """
    width, height = figure.get_size_inches() * _DPI
    for text, at, size, colour in (
        (title, _TITLE_AT, TITLE, TEXT),
        (below, _BELOW_AT, CAPTION, SOFT),
    ):
        figure.text(
            _MARGIN / width,
            1 - at / height,
            text,
            size=size * 72 / _DPI,
            color=as_hex(colour),
            verticalalignment="top",
        )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(
            buffer, format="svg", metadata={"Creator": SOFTWARE, "Date": None, "Title": title}
        )
    return buffer.getvalue()


def can_be_drawn(figure: Figure, *texts: str) -> bool:
    """Whether fonts of this system have all letters of a figure, and of what else is to be said."""
    drawn = (text.get_text() for text in figure.findobj(Text))
    return all(font_file(one) or _has_pillow(one) for one in map(_unspaced, (*drawn, *texts)))


def _use_our_fonts(figure: Figure) -> None:
    """Set the font of each text that `drawing` has one for; the rest keeps matplotlib's."""
    for text in figure.findobj(Text):
        letters = _unspaced(text.get_text())
        file = font_file(letters) or (_pillows() if _has_pillow(letters) else None)
        if file is not None:
            properties = text.get_fontproperties().copy()
            properties.set_file(file)
            text.set_fontproperties(properties)


def _unspaced(text: str) -> str:
    return "".join(text.split())


def _has_pillow(letters: str) -> bool:
    """Return whether the font that comes with Pillow has all letters, if no font file has."""
    return lettered(letters, CAPTION)[0] == letters


def _pillows() -> Path | None:
    """Return a file of the font that comes with Pillow; None where none can be written.

    Pillow has it as bytes, and matplotlib takes files alone.
    """
    font = ImageFont.load_default(CAPTION)
    content = font.path if isinstance(font, ImageFont.FreeTypeFont) else None
    if not isinstance(content, io.BytesIO):
        return None
    try:
        file = Path(_folder().name, "font.ttf")
        if not file.exists():
            write_whole(file, content.getvalue())
    except OSError:
        return None
    return file


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes with this process."""
    return tempfile.TemporaryDirectory(prefix="digitlab-", ignore_cleanup_errors=True)
