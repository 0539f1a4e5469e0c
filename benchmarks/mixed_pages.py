"""Made pages of numbers beside words, in any font: lists, forms, tables, sentences, letters.

Used by words.py. Numbers are of MNIST's digits; words are written in fonts, such as look like
handwriting and such as are printed. Each page is a function of its seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digitlab.chance import Draws
from digitlab.data.dataset import Split
from digitlab.synthesis.drawings import CANVAS, drawn_other, scribble

Floats = np.ndarray
Box = tuple[float, float, float, float]

SIZE = (900, 660)  # pixels, before a camera takes the page
EUROPEAN = (
    "Äpfel Käse Größe Straße Müller Übung Zahl Kasse Preis Menge Gewicht Höhe Länge Milch Brot "
    "leche queso año señor niño azúcar manzana précio lait pomme été élève garçon où prénom âge"
)
SIGNS = ("€", "$", "£", "¥", "#", "%", "°", "²", "x", "@", "&", "÷", "~", "kg", "m", "h")
UNITS = ("kg", "km", "cm", "g", "ml", "l", "EUR", "pcs", "years", "min", "°C", "m²", "%", "€")


@dataclass
class MixedPage:
    """A page that is being written.

    Attributes:
        ink: float32 [H, W], 0 to 1.
        numbers: x, y, width and height of each number, with room around it.
        uneven: by how much digits differ in height, and stand higher and lower, in heights of one.
        slope: of a number, in pixels down for each across.
        is_binary: whether its numbers are of ones and zeros.
    """

    rng: np.random.Generator
    split: Split
    words: Sequence[str]
    font: str
    uneven: float
    slope: float
    is_binary: bool
    ink: Floats = field(default_factory=lambda: np.zeros(SIZE[::-1], np.float32))
    numbers: list[Box] = field(default_factory=list)

    def word(self) -> str:
        """Return a word; most pages have them with capitals, some all in small letters."""
        return str(self.rng.choice(self.words))

    def write(self, text: str, x: float, y: float, tall: float) -> float:
        """Write words, capitals `tall` pixels high from y on; return where they end."""
        like = ImageFont.truetype(self.font, 100)
        _, top, _, bottom = like.getbbox("H")
        font = ImageFont.truetype(self.font, max(6, round(100 * tall / max(1, bottom - top))))
        canvas = Image.new("L", self.ink.shape[::-1])
        ImageDraw.Draw(canvas).text((x, y - font.getbbox("H")[1]), text, 255, font=font)
        np.maximum(self.ink, np.asarray(canvas, np.float32) / 255, out=self.ink)
        return x + float(font.getlength(text))

    def number(self, text: str, x: float, y: float, tall: float) -> float:
        """Write a number, its digits about `tall` pixels high; return where it ends."""
        first = x
        wide = self.rng.uniform(-0.15 if self.rng.random() < 0.15 else 0.05, 0.25)
        for one in text:
            if one.isdigit():
                high = tall * max(0.5, 1 + self.uneven * self.rng.normal())
                ink = self._digit(int(one), high)
                top = y + tall - high + self.uneven * tall * self.rng.normal()
            else:
                ink, top = _mark(one, tall), y
            self.put(ink, x, top + self.slope * (x - first))
            x += ink.shape[1] + tall * (wide + 0.04 * abs(self.rng.normal()))
        rise = self.slope * (x - first)
        top = y - 0.3 * tall + min(0, rise)
        self.numbers.append((first - 4, top, x - first + 4, 1.6 * tall + abs(rise)))
        return x

    def put(self, ink: Floats, x: float, y: float) -> None:
        """Lay ink on the page."""
        left, top = max(0, round(x)), max(0, round(y))
        part = self.ink[top : top + ink.shape[0], left : left + ink.shape[1]]
        np.maximum(part, ink[: part.shape[0], : part.shape[1]], out=part)

    def rule(self, x: float, y: float, right: float, bottom: float) -> None:
        """Draw a straight line."""
        ends = (round(x), round(y)), (round(right), round(bottom))
        cv2.line(self.ink, *ends, 1.0, 2, cv2.LINE_AA)

    def value(self, single: float = 0.25) -> str:
        """Return a number as people note them; a share of one digit."""
        rng = self.rng
        below = 2 if self.is_binary else 10
        if rng.random() < single:
            return str(rng.integers(below))
        many = int(rng.integers(2, 6 if rng.random() < 0.8 else 12))
        text = "".join(str(one) for one in rng.integers(0, below, many))
        kind = rng.random()
        if kind < 0.35:
            at = int(rng.integers(1, many))
            return text[:at] + rng.choice([".", ",", ":"]) + text[at:]
        return "-" + text if kind < 0.4 else text

    def _digit(self, digit: int, tall: float) -> Floats:
        chosen = int(self.rng.choice(np.flatnonzero(self.split.labels == digit)))
        image = self.split.images[chosen].astype(np.float32) / 255
        rows, columns = np.nonzero(image > 0.15)
        image = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        scale = tall / image.shape[0]
        size = (max(2, round(image.shape[1] * scale)), max(2, round(tall)))
        how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        large = np.clip(cv2.resize(image, size, interpolation=how), 0, 1)
        if scale <= 1.5:
            return large
        soft = cv2.GaussianBlur(large, (0, 0), 0.35 * scale)
        return np.clip((soft - 0.5) * max(2.0, 0.8 * scale) + 0.5, 0, 1)


def _mark(mark: str, tall: float) -> Floats:
    """Return the ink of a mark beside digits of a height."""
    pen, high = max(2, round(0.1 * tall)), round(tall)
    wide = round({"-": 0.5}.get(mark, 0.2) * tall) + 2
    ink = np.zeros((high + round(0.2 * tall), wide), np.float32)
    middle, radius = wide // 2, max(1, round(0.75 * pen))
    if mark == "-":
        cv2.line(ink, (pen, high // 2), (wide - pen, high // 2), 1.0, pen, cv2.LINE_AA)
    elif mark == ",":
        foot = (wide - pen, high - pen), (1, high + round(0.15 * tall))
        cv2.line(ink, *foot, 1.0, pen, cv2.LINE_AA)
    else:
        for at in {".": (0.92,), ":": (0.3, 0.8)}[mark]:
            cv2.circle(ink, (middle, round(at * high)), radius, 1.0, -1, cv2.LINE_AA)
    return ink


def labels(page: MixedPage) -> None:
    """A list: a word or two, and a number near them or in a column."""
    rng, tall = page.rng, page.rng.integers(30, 60)
    ratio, column = rng.uniform(0.35, 1.1), rng.integers(380, 560)
    single, step, is_column = rng.choice([0, 0.3, 1]), rng.uniform(1.4, 2.2), rng.random() < 0.7
    sunk = rng.uniform(0, 1)
    for row in range(rng.integers(2, 8)):
        y = 40 + row * tall * step
        text = " ".join(page.word() for _ in range(rng.integers(1, 3)))[:14]
        x = page.write(
            text + rng.choice(["", ":"]), 50, y + tall * (1 - ratio) * sunk, tall * ratio
        )
        x = max(column if is_column else 0, x + tall * rng.uniform(0.6, 1.5))
        x = page.number(page.value(single), x, y, tall)
        if rng.random() < 0.2:
            x = page.number(page.value(single), x + tall * rng.uniform(1, 2), y, tall)


def title(page: MixedPage) -> None:
    """A title above numbers."""
    rng, tall = page.rng, page.rng.integers(30, 56)
    page.write(f"{page.word()} {page.word()}", 70, 25, tall * rng.uniform(0.6, 1.2))
    single, columns = rng.choice([0.1, 1]), rng.integers(1, 4)
    for row in range(rng.integers(1, 8)):
        for column in range(columns):
            page.number(page.value(single), 80 + 260 * column, 60 + (row + 1.2) * tall * 1.9, tall)


def units(page: MixedPage) -> None:
    """Numbers with units behind them, or what was counted."""
    rng, tall = page.rng, page.rng.integers(32, 56)
    for row in range(rng.integers(2, 7)):
        y = 40 + row * tall * 1.9
        x = page.number(page.value(), 90, y, tall)
        unit = str(rng.choice(UNITS)) if rng.random() < 0.5 else page.word()
        ratio = rng.uniform(0.5, 1)
        page.write(unit, x + tall * rng.uniform(0.15, 0.8), y + tall * (1 - ratio), tall * ratio)


def signed(page: MixedPage) -> None:
    """Numbers with the same sign before or behind each, as prices have it."""
    rng, tall = page.rng, page.rng.integers(30, 56)
    sign, is_before, ratio = str(rng.choice(SIGNS)), rng.random() < 0.5, rng.uniform(0.7, 1.1)
    many = int(rng.integers(1, 4))
    for row in range(rng.integers(2, 8)):
        for column in range(many):
            x, y = 60 + 270 * column, 40 + row * tall * 1.9
            if is_before:
                x = page.write(sign, x, y + tall * (1 - ratio), tall * ratio) + 0.15 * tall
            x = page.number(page.value(0.1)[:5].rstrip(".,:-") or "4", x, y, tall)
            if not is_before:
                page.write(sign, x + 0.05 * tall, y + tall * (1 - ratio), tall * ratio)


def sentences(page: MixedPage) -> None:
    """Lines of words, with a number in some of them."""
    rng, tall = page.rng, page.rng.integers(22, 40)
    space = tall * rng.uniform(0.28, 0.8)
    for row in range(rng.integers(2, 8)):
        x, y = 40.0, 40 + row * tall * 2.2
        where = rng.integers(1, 12)
        for at in range(8):
            if x > 700:
                break
            if at == where:
                x = (
                    page.number(page.value(0.2), x, y - 0.1 * tall, tall * 1.15)
                    + space
                    - 0.1 * tall
                )
            x = page.write(page.word(), x, y, tall * 0.85) + space


def table(page: MixedPage) -> None:
    """A ruled table with words at its head and in its first column."""
    rng, tall = page.rng, page.rng.integers(26, 40)
    edges, high, ratio = [50, 270, 440, 610, 780], tall * rng.uniform(1.5, 2), rng.uniform(0.5, 0.9)
    many = int(rng.integers(3, 7))
    for row in range(many + 1):
        page.rule(edges[0], 30 + row * high, edges[-1], 30 + row * high)
    for edge in edges:
        page.rule(edge, 30, edge, 30 + many * high)
    for row in range(many):
        y = 30 + row * high + (high - tall) / 2
        for column in range(4):
            x = edges[column] + rng.uniform(10, 30)
            if row == 0 or column == 0:
                page.write(page.word()[: 9 if column else 12], x, y + 0.2 * tall, ratio * tall)
            elif rng.random() < 0.9:
                page.number(page.value(0.4)[:4].rstrip(".,:-") or "7", x, y, tall * 0.9)


def boxes(page: MixedPage) -> None:
    """A form: a box or a comb for each number, a label to the left or above."""
    rng, tall = page.rng, page.rng.integers(32, 50)
    cell, ratio, is_above = (
        tall * rng.uniform(1.35, 1.8),
        rng.uniform(0.35, 0.8),
        rng.random() < 0.5,
    )
    y = 30.0
    for _ in range(rng.integers(2, 5)):
        many = int(rng.integers(1, 8))
        x = 60.0 if is_above else 320.0
        page.write(page.word(), 50, y + (0 if is_above else 0.4 * cell), ratio * tall)
        y += 1.5 * ratio * tall if is_above else 0
        for side in (y, y + cell):
            page.rule(x, side, x + many * cell, side)
        for at in range(many + 1):
            page.rule(x + at * cell, y, x + at * cell, y + cell)
        for at in range(many):
            high = tall * 0.95
            left = x + at * cell + 0.25 * cell + 0.04 * tall * rng.normal()
            page.number(str(rng.integers(10)), left, y + (cell - high) / 2, high)
        y += cell * 1.4


def form(page: MixedPage) -> None:
    """Words and numbers in any order, on lines to write on or none."""
    rng, tall, y = page.rng, page.rng.integers(22, 40), 30.0
    for _ in range(rng.integers(2, 6)):
        x = 40.0
        for _ in range(rng.integers(1, 4)):
            x = page.write(page.word() + rng.choice(["", ":"]), x, y, tall * 0.8) + tall * 0.6
        for _ in range(rng.integers(1, 3)):
            x += tall * rng.uniform(0.3, 2)
            x = page.number(page.value(0.4), x, y - tall * rng.uniform(0, 0.3), tall * 1.2)
        if rng.random() < 0.4:
            page.write(page.word(), x + tall * rng.uniform(0.5, 1), y, tall * 0.8)
        if rng.random() < 0.3:
            page.rule(40, y + 1.3 * tall, 860, y + 1.3 * tall)
        y += tall * rng.uniform(1.9, 3)


def words(page: MixedPage) -> None:
    """Words alone."""
    rng, y = page.rng, 30.0
    tall, width = rng.integers(14, 46), rng.uniform(0.3, 0.95)
    for _ in range(rng.integers(1, 20)):
        x = 40.0
        while x < SIZE[0] * width:
            x = page.write(page.word(), x, y, tall) + tall * rng.uniform(0.4, 0.9)
        y += tall * rng.uniform(1.5, 2.2)


def drawings(page: MixedPage) -> None:
    """Numbers beside what somebody drew: letters, signs, scribbles, rings, ticks and arrows."""
    rng, tall = page.rng, page.rng.integers(30, 56)
    for row in range(rng.integers(1, 7)):
        x, y = 50.0, 40 + row * tall * 2.1
        while x < 780:
            kind = rng.random()
            if kind < 0.3:
                x = page.number(page.value(), x, y, tall)
            elif kind < 0.7:
                ink = (drawn_other if kind < 0.5 else scribble)(Draws(rng.random(400).tolist()))
                high = round(tall * rng.uniform(1, 1.8) * CANVAS / 40)
                page.put(cv2.resize(ink, (high, high)), x - 0.3 * tall, y - 0.3 * tall)
                x += tall
            elif kind < 0.8:
                centre = round(x + tall / 2), round(y + tall / 2)
                axes = round(tall * rng.uniform(0.3, 0.8)), round(tall * rng.uniform(0.3, 0.7))
                cv2.ellipse(page.ink, centre, axes, 0, 0, 360, 1.0, 3, cv2.LINE_AA)
                x += tall
            else:
                points = np.array(
                    [(0, 0.5), (0.35, 1), (1, 0)]
                    if kind < 0.9
                    else [(0, 0.5), (2, 0.5), (1.6, 0.2), (2, 0.5), (1.6, 0.8)]
                )
                at = np.rint((points * tall + (x, y)) * 16).astype(np.int32)
                cv2.polylines(page.ink, [at[:, None]], False, 1.0, 4, cv2.LINE_AA, 4)
                x += tall * 1.5
            x += tall * rng.uniform(0.5, 3)


def numbers(page: MixedPage) -> None:
    """Numbers alone."""
    rng, tall = page.rng, page.rng.integers(24, 60)
    single = rng.choice([0, 0.3, 1])
    for row in range(rng.integers(1, 8)):
        x = 40.0
        for _ in range(rng.integers(1, 4)):
            x = page.number(page.value(single), x, 40 + row * tall * 1.8, tall)
            x += tall * rng.uniform(0.8, 3)


def alone(page: MixedPage) -> None:
    """One number, or one word, in a small picture."""
    rng, tall = page.rng, page.rng.integers(28, 80)
    x, y = tall * rng.uniform(0.4, 2, 2)
    if rng.random() < 0.7:
        end = page.number(page.value(0.1), x, y, tall)
    else:
        end = page.write(page.word(), x, y, tall)
    right, below = tall * rng.uniform(0.4, 2, 2)
    page.ink = page.ink[: round(y + tall + below), : round(end + right)]


KINDS: tuple[Callable[[MixedPage], None], ...] = (
    labels, title, units, signed, sentences, table, boxes, form, words, drawings, numbers,
    alone,
)  # fmt: skip


def mixed_page(
    split: Split, fonts: Sequence[str], seed: int, sample: int
) -> tuple[np.ndarray, list[Box]]:
    """Return a page of numbers and words, uint8 [H, W], and the boxes of its numbers.

    Args:
        split: whose digits are written.
        fonts: files; one with Chinese characters is given Chinese words, mostly.
        seed: of the whole set of pages.
        sample: of this page in the set; its kind is KINDS[sample % len(KINDS)].
    """
    rng = np.random.default_rng([seed, sample])
    font = str(rng.choice(list(fonts)))
    chosen = [str(one) for one in rng.choice(_words(_is_chinese(font) and rng.random() < 0.8), 40)]
    look = rng.random()
    as_written = str.title if look < 0.5 else str.lower if look < 0.85 else str.upper
    uneven = rng.uniform(0.01, 0.13)
    slope = rng.normal() * 0.05 * (rng.random() < 0.4)
    written = [as_written(one) for one in chosen]
    page = MixedPage(rng, split, written, font, uneven, slope, rng.random() < 0.08)
    KINDS[sample % len(KINDS)](page)
    return _taken(page)


def _taken(page: MixedPage) -> tuple[np.ndarray, list[Box]]:
    """Return the picture that a camera or a scanner takes of a page, and the numbers in it."""
    rng = page.rng
    scale, angle = rng.uniform(0.6, 1.5), rng.normal() * (rng.random() < 0.4)
    high, wide = page.ink.shape
    matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), angle, 1.0) * scale
    size = round(wide * scale), round(high * scale)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    ink = cv2.warpAffine(
        cv2.GaussianBlur(page.ink, (0, 0), max(0.3, 0.35 / scale)), matrix, size, flags=how
    )
    paper, pen = rng.uniform(190, 250), rng.uniform(20, 110)
    slope = np.add.outer(np.linspace(0, 1, size[1]), np.linspace(0, 1, size[0])) / 2
    light = 1 - rng.uniform(0, 0.3) * (slope if rng.random() < 0.5 else 1 - slope)
    picture = (paper + (pen - paper) * ink) * light
    if rng.random() < 0.08:
        picture = 255 - picture
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.2, 1.3))
    picture = np.clip(picture + rng.normal(0, rng.uniform(1, 6), picture.shape), 0, 255)
    picture = picture.astype(np.uint8)
    if rng.random() < 0.4:
        _, coded = cv2.imencode(
            ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        )
        picture = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    return picture, [_moved(box, matrix) for box in page.numbers]


def _moved(box: Box, matrix: np.ndarray) -> Box:
    x, y, wide, high = box
    middle = matrix @ (x + wide / 2, y + high / 2, 1)
    scale = float(np.hypot(*matrix[0, :2]))
    return middle[0] - wide * scale / 2, middle[1] - high * scale / 2, wide * scale, high * scale


def _words(chinese: bool) -> list[str]:
    """Return the words of this project's own front page."""
    if chinese:
        text = (Path(__file__).parents[1] / "README.zh-CN.md").read_text("utf-8")
        return sorted(one[:4] for one in set(re.findall(r"[\u4e00-\u9fff]{1,6}", text)))
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    text += (Path(__file__).parents[1] / "LICENSE").read_text("utf-8")
    return sorted({one[:12].lower() for one in re.findall(r"[A-Za-z]+", text)}) + EUROPEAN.split()


def _is_chinese(font: str) -> bool:
    """Whether a font has Chinese characters: one that it lacks looks like any other it lacks."""
    like = ImageFont.truetype(font, 32)
    return bytes(like.getmask("苹")) != bytes(like.getmask("\uffff"))
