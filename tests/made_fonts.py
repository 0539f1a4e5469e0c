"""Fonts that tests make, in place of those of the system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from digitlab import drawing


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder with all the fonts that there are: none yet."""
    folder = tmp_path / "fonts" / "of" / "mine"
    folder.mkdir(parents=True)
    monkeypatch.setattr(drawing, "_font_folders", lambda: iter([tmp_path / "fonts"]))
    forget_fonts()
    yield folder
    forget_fonts()


def forget_fonts() -> None:
    """Have fonts be looked for again."""
    drawing._system_fonts.cache_clear()
    drawing._font_with.cache_clear()


def make_font(path: Path, letters: str) -> None:
    """Write a font in which each letter is a bar of another height, and what it lacks a frame."""
    names = [".notdef", *(f"glyph{at}" for at in range(len(letters)))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(one): f"glyph{at}" for at, one in enumerate(letters)})
    glyphs = {}
    for at, name in enumerate(names):
        pen = TTGlyphPen(None)
        for left, top in [(0, 700), (100, 600)] if at == 0 else [(50, 100 + 30 * at)]:
            pen.moveTo((left, left))
            pen.lineTo((left, top))
            pen.lineTo((500 - left, top))
            pen.lineTo((500 - left, left))
            pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
