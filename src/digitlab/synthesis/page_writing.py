"""What one writer puts on a page with one pen: digits of a dataset, and marks; used by pages.py."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws, uniform
from digitlab.synthesis.drawings import curve
from digitlab.synthesis.lens import Colour, Picture
from digitlab.synthesis.pens import Floats, drawn, thinned

Points = npt.NDArray[np.float64]

MARKS = (".", ",", "-", "/", ":")

_GRAIN_TILE = 128  # pixels
_LEVELS = np.arange(0.32, 0.68, 0.04)  # at which an enlarged image is cut: thick to thin strokes
_FAINT = 60  # of 255: what is paler is no ink of an image
_SPECK = 0.07  # of the ink of an image: what is smaller and lies apart belongs to no digit
_PENCIL = (85, 85, 85)  # the grey among the pens, whose strokes are grainy


class PageChance:
    """The draws of one page: each of its parts has its own, so that none moves another."""

    def __init__(self, seed: int, *place: int) -> None:
        """Name the page: the seed, and the coordinates of its kind and sample."""
        self._seed, self._place = seed, place

    def draws(self, *part: int, count: int = 64) -> Draws:
        """Return the draws of one part, named by coordinates."""
        numbers = uniform(self._seed, "pages", *self._place, *part, np.arange(count))
        return Draws(numbers.tolist())

    def noise(self, part: int, side: int) -> Floats:
        """Return float32 [side, side], uniform in [-1, 1)."""
        numbers = uniform(self._seed, "pages", *self._place, part, np.arange(side * side))
        return (2 * numbers - 1).reshape(side, side).astype(np.float32)


@dataclass(frozen=True)
class Ink:
    """How much ink one character lays on each pixel.

    Attributes:
        cover: float32 [H, W] in [0, 1], cut to the ink.
        top: pixels from the line of writing to the first row of `cover`; below 0 above the line.
    """

    cover: Floats
    top: float


@dataclass(frozen=True, eq=False)
class Hand:
    """One writer with one pen.

    Attributes:
        height: of a digit, in pixels.
        width: of a stroke, in pixels.
        slant: how far the top of a digit leans to the right, in heights.
        aspect: how wide digits are, 1 as in the dataset.
        round_pen: whether strokes have one width everywhere, or the dataset's own.
        colour, opacity: of the ink.
        grain: float32 [S, S] in [0, 1], what of the ink the paper takes.
    """

    height: float
    width: float
    slant: float
    aspect: float
    round_pen: bool
    colour: Colour
    opacity: float
    grain: Floats

    def of_height(self, height: float) -> Hand:
        """Return the same writer and pen at another height of digits."""
        return replace(self, height=height)


def hand_of(height: float, colour: Colour, draws: Draws, noise: Floats) -> Hand:
    """Return a writer: with a ball pen, a pencil or a marker, upright or slanting.

    Args:
        height: of digits, in pixels.
        colour: of the pen; the grey one is a pencil.
        draws: chance.
        noise: float32 [S, S] in [-1, 1), for the grain.
    """
    round_pen = draws.chance(0.6)
    low, high = (0.028, 0.12) if round_pen else (0.085, 0.14)
    width = height * math.exp(draws.between(math.log(low), math.log(high)))
    pencil = colour == _PENCIL
    roughness = draws.between(0.25, 0.5) if pencil else draws.between(0.0, 0.12)
    return Hand(
        height=height,
        width=max(1.3, width),
        slant=draws.between(-0.08, 0.25),
        aspect=draws.between(0.85, 1.12),
        round_pen=round_pen,
        colour=colour,
        opacity=draws.between(0.6, 0.9) if pencil else draws.between(0.78, 1.0),
        grain=(1 - roughness * (0.5 + 0.5 * noise)).astype(np.float32),
    )


def write_digit(image: Picture, hand: Hand, draws: Draws) -> Ink:
    """Write a digit of a dataset.

    Args:
        image: uint8 [28, 28], ink bright, not blank.
        hand: who writes it.
        draws: chance.
    """
    image = _without_specks(image)
    matrix, shape, bottom = _placed(image, hand, draws)
    if hand.round_pen:
        fine = 3 if hand.height < 60 else 2
        width = max(1, round(fine * hand.width * draws.between(0.92, 1.08)))
        large = (shape[0] * fine, shape[1] * fine)
        cover = _reduced(drawn(thinned(image), _finer(matrix, fine), large, width, True), shape)
    else:
        cover = _as_written(image, hand, matrix, shape)
    hovering = hand.height * draws.between(-0.05, 0.04)
    return _cut(cover * draws.between(0.88, 1.0), -bottom + hovering, hand, draws)


def write_mark(mark: str, hand: Hand, draws: Draws) -> Ink:
    """Write a mark, one of `MARKS`, with a stroke or two of the same pen."""
    unit, pad = hand.height, 2 * hand.width + 3
    strokes = _strokes_of(mark, hand.width / unit, draws)
    points = np.concatenate(strokes) * unit
    left, top = points.min(axis=0) - pad
    right, bottom = points.max(axis=0) + pad
    shape, fine = (math.ceil(bottom - top), math.ceil(right - left)), 3
    canvas = np.zeros((shape[0] * fine, shape[1] * fine), np.uint8)
    thick = draws.between(1.1, 1.7) if mark in ".:" else draws.between(0.9, 1.1)
    width = max(2, round(fine * hand.width * thick))
    for stroke in strokes:
        placed = np.rint((stroke * unit - (left, top)) * fine * 16).astype(np.int32)
        cv2.polylines(canvas, [placed[:, None]], False, 255, width, cv2.LINE_AA, shift=4)
    cover = _reduced((canvas / 255).astype(np.float32), shape)
    return _cut(cover, float(top), hand, draws)


def lay_ink(sheet: Picture, ink: Floats, left: int, top: int, hand: Hand) -> None:
    """Lay the ink of a character on a sheet, in place; all of it is inside."""
    tall, wide = ink.shape
    part = np.s_[top : top + tall, left : left + wide]
    ground = sheet[part].astype(np.float32)
    cover = ink[..., None] * hand.opacity
    laid = ground + (np.array(hand.colour, np.float32) - ground) * cover
    sheet[part] = np.rint(laid).astype(np.uint8)


def _without_specks(image: Picture) -> Picture:
    """Return an image without what lies apart from the digit and is far smaller."""
    inked = (image > _FAINT).astype(np.uint8)
    count, labels, found, _ = cv2.connectedComponentsWithStats(inked, connectivity=8)
    areas = found[:, cv2.CC_STAT_AREA]
    specks = [at for at in range(1, count) if areas[at] < _SPECK * areas[1:].sum()]
    if not specks:
        return image
    around = cv2.dilate(np.isin(labels, specks).astype(np.uint8), np.ones((3, 3), np.uint8))
    digit = np.isin(labels, [0, *specks], invert=True)
    return np.where((around > 0) & ~digit, 0, image).astype(np.uint8)


def _placed(image: Picture, hand: Hand, draws: Draws) -> tuple[Points, tuple[int, int], float]:
    """Return the matrix from the image to a patch, the patch's shape, and where the digit ends."""
    rows, columns = (np.flatnonzero(image.max(axis=axis) > _FAINT) for axis in (1, 0))
    tall = rows[-1] - rows[0] + 1
    scale = hand.height * draws.between(0.93, 1.07) / max(tall, 16)
    # Who wrote the image slanted in a way of his own, most of which is taken back.
    lean = 0.7 * _skew(image) - hand.slant - draws.between(-0.06, 0.06)
    turn = math.radians(draws.between(-3, 3))
    wide = hand.aspect * draws.between(0.94, 1.06)
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = scale * turned @ np.array([[wide, wide * lean], [0, 1]])
    corners = np.array([(x, y) for x in (columns[0], columns[-1]) for y in (rows[0], rows[-1])])
    reached = corners @ linear.T
    pad = hand.width + scale + 2
    low, high = reached.min(axis=0) - pad, reached.max(axis=0) + pad
    shape = (math.ceil(high[1] - low[1]), math.ceil(high[0] - low[0]))
    bottom = float(high[1] - low[1] - pad + scale / 2)
    return np.column_stack([linear, -low]), shape, bottom


def _skew(image: Picture) -> float:
    """Return by how many columns a row the ink leans to the left going down."""
    moments = cv2.moments(image)
    return float(np.clip(moments["mu11"] / max(moments["mu02"], 1e-6), -0.6, 0.6)) * -1


def _as_written(image: Picture, hand: Hand, matrix: Points, shape: tuple[int, int]) -> Floats:
    """Return the strokes of the image itself, cut at the level that fits the width of the pen."""
    scale = math.hypot(matrix[0, 1], matrix[1, 1])
    soft = cv2.warpAffine(image, matrix, shape[::-1], flags=cv2.INTER_CUBIC).astype(np.float32)
    if scale > 1.5:
        soft = np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.35 * min(scale, 8)), np.float32)
    soft /= 255
    pieces = thinned(image) @ matrix[:, :2].T
    length = max(1.0, float(np.hypot(*(pieces[:, 1] - pieces[:, 0]).T).sum()))
    widths = np.array([(soft > level).sum() / length for level in _LEVELS])
    level = float(_LEVELS[np.abs(widths - hand.width).argmin()])
    steep = max(2.0, min(scale, 8.0) / 2)
    return np.asarray(np.clip((soft - level) * steep + 0.5, 0, 1), np.float32)


def _strokes_of(mark: str, pen: float, draws: Draws) -> list[Points]:
    """Return the strokes of a mark in heights of a digit, y from the line of writing downwards."""
    lean, level = draws.between(-0.05, 0.05), draws.between(-0.04, 0.03)
    if mark == ".":
        return [_dot(0.0, level - pen / 2, draws)]
    if mark == ":":
        low, high = draws.between(-0.2, -0.05), draws.between(-0.75, -0.5)
        return [_dot(0.0, low, draws), _dot(0.08 + lean, high, draws)]
    if mark == ",":
        deep, back = draws.between(0.14, 0.26), draws.between(0.04, 0.16)
        belly = draws.between(-0.02, 0.05)
        points = [(0, level - 0.06), (belly, level + deep / 3), (-back, level + deep)]
        return [curve(np.array(points, np.float64))]
    if mark == "-":
        wide, high = draws.between(0.25, 0.5), draws.between(-0.6, -0.4)
        points = [(0, high - lean), (wide / 2, high + draws.between(-0.02, 0.02))]
        return [curve(np.array([*points, (wide, high + lean)], np.float64))]
    top, foot, wide = draws.between(-1.2, -0.95), draws.between(0.0, 0.22), draws.between(0.25, 0.5)
    middle = (0.5 * wide + draws.between(-0.03, 0.03), (top + foot) / 2)
    return [curve(np.array([(wide, top), middle, (0, foot)], np.float64))]


def _dot(x: float, y: float, draws: Draws) -> Points:
    """Return the short way of a pen that makes a dot."""
    long = draws.between(0.005, 0.07) if draws.chance(0.5) else 0.005
    angle = draws.between(0, math.pi)
    end = (x + long * math.cos(angle), y + 0.6 * long * math.sin(angle))
    return np.array([(x, y), end], np.float64)


def _finer(matrix: Points, times: int) -> Points:
    """Return a matrix to a patch of `times` the pixels, whose middles lie between the others'."""
    finer: Points = matrix * times
    finer[:, 2] += (times - 1) / 2
    return finer


def _reduced(fine: Floats, shape: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(fine, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _cut(cover: Floats, top: float, hand: Hand, draws: Draws) -> Ink:
    """Return the ink of a patch whose first row is `top` from the line, with the paper's grain."""
    rows, columns = np.flatnonzero(cover.max(axis=1) > 0.1), np.flatnonzero(cover.max(axis=0) > 0.1)
    part = cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    tall, wide = part.shape
    shift = int(draws.next() * _GRAIN_TILE)
    down, across = (np.arange(shift, shift + side) % len(hand.grain) for side in (tall, wide))
    return Ink((part * hand.grain[np.ix_(down, across)]).astype(np.float32), top + float(rows[0]))
