"""The font for a name: one that has all its letters, and where there is none no boxes."""

from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, features

from digitlab import drawing
from digitlab.drawing import TITLE, lettered, write
from made_fonts import forget_fonts, make_font

DEJAVU = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def font_of(text: str) -> str:
    """Return the file of the font that a text gets; empty for the one that comes with Pillow."""
    path = getattr(lettered(text, TITLE)[1], "path", "")
    return str(path) if isinstance(path, (str, Path)) else ""


def test_english_needs_no_other_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_system_fonts", lambda: pytest.fail("looked for fonts"))
    for text in ("", "tutorial-mlp 99.9 % (7)", "1° ± 2 …"):
        assert lettered(text, TITLE)[0] == text
        assert font_of(text) == ""


def test_a_name_gets_a_font_that_has_all_its_letters(fonts: Path) -> None:
    make_font(fonts / "Digits.ttf", "数字五 .png")
    shutil.copy(DEJAVU, fonts)
    assert lettered("数字五.png", TITLE)[0] == "数字五.png"
    assert Path(font_of("数字五.png")).name == "Digits.ttf"
    for text in ("résumé", "привет"):
        assert Path(font_of(text)).name == "DejaVuSans.ttf"
    # One font has these letters, another those; none has both.
    assert lettered("数字 привет", TITLE)[0].startswith("\\u6570\\u5b57 \\u043f")


def test_without_a_font_a_name_is_plain(fonts: Path) -> None:
    written, font = lettered("数字-5 é.png", TITLE)
    assert written == "\\u6570\\u5b57-5 \\xe9.png"
    assert font_of("数字-5 é.png") == ""
    assert isinstance(font, ImageFont.FreeTypeFont)


def test_a_font_that_cannot_be_opened_or_has_but_boxes_is_passed_over(fonts: Path) -> None:
    (fonts / "A.ttf").write_bytes(b"no font")
    make_font(fonts / "LastResort.otf", "数字")
    make_font(fonts / "Empty.ttf", "abc")
    assert font_of("数字") == ""
    make_font(fonts / "Z.ttf", "数字")
    forget_fonts()
    assert Path(font_of("数字")).name == "Z.ttf"


def test_plain_fonts_come_before_others(fonts: Path) -> None:
    for name in ("AnyBold.ttf", "NotoSansYi-Regular.ttf", "msyh.ttc", "zz.otf", "notes.txt"):
        make_font(fonts / name, "数字")
    names = [path.name for path in drawing._system_fonts()]
    assert names == ["msyh.ttc", "NotoSansYi-Regular.ttf", "AnyBold.ttf", "zz.otf"]


def test_letters_that_would_stand_in_the_wrong_order_are_escapes(
    fonts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(DEJAVU, fonts)
    monkeypatch.setattr(features, "check", lambda _: False)
    assert lettered("مرحبا", TITLE)[0] == "\\u0645\\u0631\\u062d\\u0628\\u0627"
    assert lettered("привет", TITLE)[0] == "привет"


def test_letters_and_their_accents_are_one(fonts: Path) -> None:
    shutil.copy(DEJAVU, fonts)
    assert lettered("re\u0301sume\u0301", TITLE)[0] == "r\xe9sum\xe9"


def test_what_is_not_printed_is_written_as_an_escape() -> None:
    assert lettered("a\nb\x1b[2J\udce9", TITLE)[0] == "a\\nb\\x1b[2J\\udce9"


@pytest.mark.parametrize("text", ["a/long/path/" * 40 + "five.png", "数" * 300 + "five.png"])
def test_a_long_name_keeps_its_end(text: str, fonts: Path) -> None:
    written, font = lettered(text, TITLE, 300)
    assert 250 < font.getlength(written) <= 300
    assert written.startswith("...")
    assert written.endswith("five.png")
    assert lettered("five.png", TITLE, 300)[0] == "five.png"


def test_what_is_written_is_seen(fonts: Path) -> None:
    make_font(fonts / "Digits.ttf", "数字")
    pictures = []
    for text in ("数", "字"):
        drawn = Image.new("RGB", (60, 60), drawing.PAPER)
        write(ImageDraw.Draw(drawn), (5, 5), text, TITLE)
        pictures.append(np.asarray(drawn))
        assert (pictures[-1] == drawing.TEXT).all(axis=2).any()
    assert not np.array_equal(*pictures)
