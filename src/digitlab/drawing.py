"""The look that all our pictures share: colours, sizes of letters, and a font for any name.

Used by whatever draws. The letters are those of the font that comes with Pillow, which knows
English alone; a name in another script gets a font of the system's that has all of its letters, or
is written in escapes where there is none.
"""

from __future__ import annotations

import functools
import os
import sys
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageDraw, ImageFont, features

from digitlab.wording import printable

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

PAPER, TEXT, SOFT = (250, 250, 248), (32, 32, 38), (104, 104, 112)
GRID, FRAME, PALE = (222, 222, 224), (196, 196, 200), (168, 184, 204)
# Told apart by nearly everybody (after Okabe and Ito, 2008), and dark enough for letters on paper.
BLUE, ORANGE, GREEN = (11, 97, 189), (186, 74, 0), (0, 128, 96)
PURPLE = (142, 48, 122)

TITLE, HEADING, CAPTION = 24, 19, 14  # pixels of letters

# Files of fonts, the first that has all letters is taken: plain ones, then what else there is.
_PLAIN = (
    "DejaVuSans",
    "NotoSans-Regular",
    "segoeui",
    "Arial",
    "NotoSansCJK-Regular",
    "NotoSansCJKsc-Regular",
    "NotoSansSC-Regular",
    "SourceHanSansSC-Regular",
    "SourceHanSansCN-Regular",
    "wqy-microhei",
    "wqy-zenhei",
    "msyh",
    "PingFang",
    "Hiragino Sans GB",
    "STHeiti Light",
    "simhei",
    "DroidSansFallbackFull",
    "DroidSansFallback",
    "Arial Unicode",
)
_PLACES = {name.casefold(): place for place, name in enumerate(_PLAIN)}
_NO_LETTERS = ("lastresort", "adobeblank")  # have every character, as the same box
_NOBODYS = "\U0010ffff"  # a character that no font has


def lettered(text: str, size: int, width: float | None = None) -> tuple[str, Font]:
    """Return a text as it can be drawn, and the font that has all its letters.

    Args:
        text: any, such as a file's name; what is not printed becomes escapes.
        size: of the letters, in pixels.
        width: in pixels; a longer text loses its beginning, since a path says most at its end.
    """
    text = unicodedata.normalize("NFC", printable(text))
    path = None if text.isascii() else _font_with(frozenset(text))
    if path is None:
        font: Font = ImageFont.load_default(size)
        text = "".join(one if one in _letters(text) else _escape(one) for one in text)
    else:
        font = ImageFont.truetype(path, size)
    if width is not None and font.getlength(text) > width:
        cuts = range(1, len(text) + 1)  # the more is cut, the shorter
        cut = bisect_left(cuts, -width, key=lambda cut: -font.getlength(f"...{text[cut:]}"))
        text = f"...{text[cuts[min(cut, len(cuts) - 1)] :]}"
    return text, font


def font_file(text: str) -> Path | None:
    """Return the file of a font of the system's that has all letters of a text.

    None where there is none, and for what the font that comes with Pillow has.
    """
    return _font_with(frozenset(text))


def as_hex(colour: Colour) -> str:
    """Return a colour as CSS writes it, such as `#0b61bd`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour = TEXT,
    width: float | None = None,
) -> None:
    """Write one line, its left upper corner at a place; the rest as `lettered` has it."""
    written, font = lettered(text, size, width)
    draw.text(place, written, colour, font)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _letters(text: str) -> frozenset[str]:
    """Return which characters of a text the font that comes with Pillow has."""
    font = ImageFont.load_default(CAPTION)
    return frozenset(one for one in set(text) if one.isascii() or not _lacks(font, {one}))


@functools.cache
def _font_with(characters: frozenset[str]) -> Path | None:
    """Return the file of a font that has all characters; None for the one that Pillow has, too."""
    if not _lacks(ImageFont.load_default(CAPTION), characters):
        return None
    from_right = any(unicodedata.bidirectional(one) in ("R", "AL") for one in characters)
    if from_right and not features.check("raqm"):
        return None  # the letters would stand in the wrong order
    for path in _system_fonts():
        try:
            if not _lacks(ImageFont.truetype(path, CAPTION), characters):
                return path
        except (OSError, ValueError):  # no outlines in it, damaged, or no permission
            continue
    return None


def _lacks(font: Font, characters: set[str] | frozenset[str]) -> bool:
    """Return whether a font draws any of the characters as it draws what no font has."""
    nobodys = font.getmask(_NOBODYS)
    missing = (nobodys.size, bytes(nobodys))
    for one in characters:
        mask = font.getmask(one)
        if not one.isspace() and (mask.size, bytes(mask)) == missing:
            return True
    return False


@functools.cache
def _system_fonts() -> tuple[Path, ...]:
    """Return the files of fonts on this system, the plainest first."""
    found = {
        Path(folder, name)
        for top in _font_folders()
        for folder, _, names in os.walk(top)
        for name in names
        if name.lower().endswith((".ttf", ".otf", ".ttc")) and not _is_of_boxes(name)
    }
    return tuple(sorted(found, key=_plainness))


def _is_of_boxes(name: str) -> bool:
    return name.replace(" ", "").casefold().startswith(_NO_LETTERS)


def _plainness(path: Path) -> tuple[int, bool, str]:
    """Order fonts: those of `_PLAIN`, then Noto's for single scripts, then all others by name."""
    is_noto = path.stem.startswith("NotoSans") and path.stem.endswith("-Regular")
    return _PLACES.get(path.stem.casefold(), len(_PLACES)), not is_noto, str(path)


def _font_folders() -> Iterator[Path]:
    """Yield where systems keep fonts, and where matplotlib does if it is installed."""
    home = Path.home()
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", r"C:\Windows"), "Fonts")
        if local := os.environ.get("LOCALAPPDATA"):
            yield Path(local, "Microsoft", "Windows", "Fonts")
    elif sys.platform == "darwin":
        yield from (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
        # Where PingFang is.
        yield from Path("/System/Library/AssetsV2").glob("com_apple_MobileAsset_Font*")
    else:
        data = os.environ.get("XDG_DATA_HOME") or home / ".local/share"
        system = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        yield from (Path(folder, "fonts") for folder in (data, *system.split(":")))
        yield home / ".fonts"
    matplotlib = find_spec("matplotlib")
    if matplotlib is not None and matplotlib.origin:
        yield Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
