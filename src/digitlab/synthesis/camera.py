"""Made pictures with exact truth: how a camera or a scanner sees a digit of a dataset.

Used to calibrate confidence, to evaluate by kind of degradation, in benchmarks and in tests. The
ground, the light and the lens are made up here; nothing of a photograph is needed. Each picture is
a function of its arguments, as everything that is random is (docs/design.md, invariant 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws, hashed, uniform
from digitlab.synthesis import surroundings
from digitlab.synthesis.lens import (
    LINES,
    Colour,
    blurred,
    check_kind,
    colours,
    compressed,
    draw_line,
    gentle_light,
    lit,
    plain_sheet,
)
from digitlab.synthesis.pens import brushed, drawn, thinned
from digitlab.synthesis.surroundings import Cell, Edges

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]

KINDS = (
    "plain",
    "shadow",
    "dark",
    "ruled",
    "squared",
    "thin",
    "brush",
    "blur",
    "noise",
    "jpeg",
    "low-resolution",
    "small",
    "large",
    "cell",
    "pattern",
    "broken",
    "neighbours",
    "reflection",
    "circled",
    "underlined",
    "sheet",
)
NOTHING = ("empty-cell", "soiled", "thing")

_SIDE = 28
_DRAWS = 96  # more than any kind takes for itself
_MORE = 1 << 20  # the place of the draws for what is around a digit, behind those of the noise
_MORE_DRAWS = 1200  # more than four neighbours or a thing take
_NOISE_TILE = 512  # pixels; larger pictures repeat it
_DIGIT = (50.0, 130.0)  # pixels, the height of a digit where the kind says nothing else
_HEIGHTS = {
    "cell": (15.0, 110.0),
    "pattern": (13.0, 50.0),
    "broken": (16.0, 130.0),
    "neighbours": (14.0, 110.0),
    "reflection": (18.0, 110.0),
    "circled": (18.0, 130.0),
    "underlined": (18.0, 130.0),
    "sheet": (18.0, 110.0),
}
_SMALL_FILES = ("cell", "pattern", "empty-cell")
_OPACITY = {"cell": (0.35, 1.0), "pattern": (0.42, 1.0)}


def can_be_photographed(images: Picture) -> npt.NDArray[np.int64]:
    """Return which of uint8 [N, 28, 28] have ink to be seen, int64 [M]: above 100 of 255."""
    return np.flatnonzero(images.max(axis=(1, 2), initial=0) > 100).astype(np.int64)


def photograph(image: Picture, kind: str, seed: int, sample: int) -> Picture:
    """Return a picture as somebody might take it of a digit.

    Every picture has a ground and a pen of some colour, gentle uneven light, a little noise, and
    the digit somewhere in it, slightly turned; the kind adds its own:

    - ``plain``: nothing; ``shadow``: a hard edge of shadow across the digit, 0.35 to 0.7 as bright;
    - ``dark``: chalk on a board, or paper that is underexposed;
    - ``ruled``, ``squared``: lines of any pitch and colour behind the digit;
    - ``thin``: a pen down to one pixel; ``brush``: strokes as thick as loops and gaps allow;
    - ``blur``: out of focus, or moved; ``noise``; ``jpeg``: of quality 10 to 40;
    - ``low-resolution``: 8 to 14 pixels high, then enlarged or not;
    - ``small``: about 28 pixels in all; ``large``: 2,000 to 4,000, the digit small or large in it;
    - ``cell``: cut from a printed form, one to four lines of the cell left, of any thickness and
      darkness, at the picture's edge or not; the digit faint or thin, touching a line or across it;
    - ``pattern``: few pixels on security print of waves, rosettes, dots or hatching;
    - ``broken``: gaps and faint parts, as dry pens and thresholds leave them;
    - ``neighbours``: parts of other digits at the edges, and tall, narrow crops;
    - ``reflection``: a bright spot beside the digit; ``circled``; ``underlined``;
    - ``sheet``: of which the photograph is a half, a third or a fifth, on a darker table, straight
      or turned by 8 degrees.

    Args:
        image: uint8 [28, 28], ink bright, not blank.
        kind: one of `KINDS`.
        seed: of the whole set of pictures, at least 0.
        sample: of this picture in the set, at least 0.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ConfigError: for another kind.
    """
    check_kind(kind, KINDS)
    chance = _Chance(seed, KINDS.index(kind), sample)
    height = _digit_height(chance, kind)
    scene = _framed(chance, image, kind, height)
    board = kind in ("dark", "reflection") and chance.between(0, 1) < 0.5
    paper, pen = colours(chance, board)
    picture = plain_sheet(scene.shape, paper)
    if kind in ("ruled", "squared"):
        _rule(picture, chance, height, kind == "squared")
    _lay(picture, scene, kind, height, paper, chance)
    ink = _ink(chance, image, kind, height, scene.matrix, scene.shape)
    _write(picture, _changed(ink, scene, kind, height, chance), pen, chance, kind, board)
    light = gentle_light(chance, scene.shape)
    if kind == "shadow":
        light = _shaded(chance, light, scene.matrix, height)
    exposure = chance.between(0.2, 0.45) if kind == "dark" and not board else 1.0
    if kind == "reflection" and not board:
        exposure = chance.between(0.4, 0.85)
    picture = lit(picture, light, exposure)
    if kind == "reflection":
        surroundings.reflect(picture, scene.box, height, chance.more)
    return _developed(chance, picture, kind, height)


def photograph_nothing(kind: str, seed: int, sample: int) -> Picture:
    """Return a picture in which nobody has written a digit.

    - ``empty-cell``: two or three lines of a printed cell; ``soiled``: a sheet, blank or with a
      faint fleck or stain; ``thing``: surfaces of several colours that fill the picture.

    Args:
        kind: one of `NOTHING`.
        seed: of the whole set of pictures, at least 0.
        sample: of this picture in the set, at least 0.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ConfigError: for another kind.
    """
    check_kind(kind, NOTHING)
    chance = _Chance(seed, len(KINDS) + _MORE + NOTHING.index(kind), sample)
    height = math.exp(chance.between(math.log(14), math.log(130)))
    paper, _ = colours(chance, board=False)
    cell = None
    wide, tall = (round(height * chance.between(1.1, 3)) for _ in range(2))
    if kind == "empty-cell":
        cell = surroundings.cell_around(chance.more, height, 0.6 * height, fewest=2)
        wide = math.ceil(0.6 * height + cell.margins[0] + cell.margins[2])
        tall = math.ceil(height + cell.margins[1] + cell.margins[3])
    picture = plain_sheet((tall, wide), paper)
    if cell is not None:
        left, top, right, bottom = cell.margins
        box = (left, top, wide - right, tall - bottom)
        surroundings.print_cell(picture, cell, box, height, paper, chance.more)
    elif kind == "soiled":
        surroundings.soil(picture, chance.more)
    else:
        surroundings.fill_with_a_thing(picture, chance.more)
    picture = lit(picture, gentle_light(chance, (tall, wide)))
    return _developed(chance, picture, kind, height)


@dataclass(frozen=True)
class _Scene:
    """Where everything is.

    Attributes:
        shape: height and width of the picture.
        matrix: float64 [2, 3], from the image's pixels to the picture's.
        box: of the digit, before it is turned; of a sheet in the sheet.
        cell: that is around the digit.
        seen: of neighbours, at each side.
        sheet: float64 [2, 3] from a sheet to the picture, and its width and height.
    """

    shape: tuple[int, int]
    matrix: Affine
    box: Edges
    cell: Cell | None = None
    seen: Edges | None = None
    sheet: tuple[Affine, tuple[float, float]] | None = None


class _Chance(Draws):
    """The draws of one picture, and the noise of its pixels."""

    def __init__(self, seed: int, kind: int, sample: int) -> None:
        super().__init__(uniform(seed, "camera", kind, sample, np.arange(_DRAWS)).tolist())
        self.place = (seed, kind, sample)

    @cached_property
    def more(self) -> Draws:
        """The draws for what is around a digit: those of a plain picture do not move for them."""
        seed, kind, sample = self.place
        numbers = uniform(seed, "camera", kind, sample, _MORE + np.arange(_MORE_DRAWS))
        return Draws(numbers.tolist())

    def noise(self, height: int, width: int) -> Floats:
        """Return float32 [height, width], uniform in [-1, 1), repeated beyond a large tile."""
        tall, wide = min(height, _NOISE_TILE), min(width, _NOISE_TILE)
        seed, kind, sample = self.place
        words = hashed(seed, "camera", kind, sample, _DRAWS + np.arange(-(-tall * wide // 8)))
        tile = words.astype("<u8").view(np.uint8)[: tall * wide].reshape(tall, wide)
        values = (tile.astype(np.float32) - 127.5) / 127.5
        across, down = -(-width // wide), -(-height // tall)
        return np.tile(values, (down, across))[:height, :width]


def _digit_height(chance: _Chance, kind: str) -> float:
    """Return how many pixels the digit is high, before a lower resolution."""
    if kind == "small":
        return chance.between(14, 22)
    if kind == "large":
        return math.exp(chance.between(math.log(90), math.log(1500)))
    if kind == "thin":
        return math.exp(chance.between(math.log(80), math.log(500)))
    low, high = _HEIGHTS.get(kind, _DIGIT)
    if kind in _HEIGHTS:
        return math.exp(chance.between(math.log(low), math.log(high)))
    return chance.between(low, high)


def _framed(chance: _Chance, image: Picture, kind: str, height: float) -> _Scene:
    """Return the picture's shape and where its digit is, and what else is there."""
    rows, columns = np.flatnonzero(image.max(axis=1) > 60), np.flatnonzero(image.max(axis=0) > 60)
    middle = np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2
    scale = height / (rows[-1] - rows[0] + 1)
    width = scale * (columns[-1] - columns[0] + 1)
    cell, seen, margins = None, None, None
    if kind == "cell":
        cell = surroundings.cell_around(chance.more, height, width)
        margins = cell.margins
    elif kind == "neighbours":
        margins, seen = surroundings.neighbours_beside(chance.more, height)
    elif kind == "circled":
        margins = surroundings.circle_margins(height, width, chance.more)
    elif kind == "underlined":
        margins = surroundings.underline_margins(height, chance.more)
    if kind == "large":
        size = (chance.between(2000, 4000), chance.between(2000, 4000))
    elif kind == "small":
        size = (chance.between(26, 34), chance.between(26, 34))
    elif margins is not None:
        size = (width + margins[0] + margins[2], height + margins[1] + margins[3])
    else:
        size = (max(width, height) * chance.between(1.3, 2.6), height * chance.between(1.3, 2.6))
    wide, tall = math.ceil(size[0]), math.ceil(size[1])
    turn = math.radians(chance.between(-6, 6))
    inset_x, inset_y = (1.1 * side / 2 + 2 for side in (width, height))
    if margins is not None:
        x, y = margins[0] + width / 2, margins[1] + height / 2
    else:
        x = chance.between(inset_x, max(inset_x, wide - inset_x))
        y = chance.between(inset_y, max(inset_y, tall - inset_y))
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = np.column_stack([linear, np.array([x, y]) - linear @ middle])
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if kind != "sheet":
        return _Scene((tall, wide), matrix, box, cell, seen)
    shape, onto = surroundings.sheet_on_table(chance.more, size)
    matrix = onto @ np.vstack([matrix, [0, 0, 1]])
    return _Scene(shape, matrix, box, sheet=(onto, size))


def _lay(
    picture: Picture, scene: _Scene, kind: str, height: float, paper: Colour, chance: _Chance
) -> None:
    """Lay what is printed, or a table with a sheet, under the ink, in place."""
    if scene.cell is not None:
        surroundings.print_cell(picture, scene.cell, scene.box, height, paper, chance.more)
    elif kind == "pattern":
        surroundings.print_pattern(picture, height, chance.more)
    elif scene.sheet is not None:
        onto, size = scene.sheet
        surroundings.lay_table(picture, paper, chance.more)
        surroundings.lay_sheet(picture, onto, size, paper, chance.more)


def _changed(ink: Floats, scene: _Scene, kind: str, height: float, chance: _Chance) -> Floats:
    """Return ink with what else a pen has written, or without what is lost of it."""
    if kind == "broken":
        return surroundings.broken(ink, height, chance.more)
    if scene.seen is not None:
        return surroundings.with_neighbours(ink, scene.seen, scene.box, height, chance.more)
    if kind == "circled":
        return surroundings.circled(ink, scene.box, height, chance.more)
    if kind == "underlined":
        return surroundings.underlined(ink, scene.box, height, chance.more)
    return ink


def _ink(
    chance: _Chance,
    image: Picture,
    kind: str,
    height: float,
    matrix: Affine,
    shape: tuple[int, int],
) -> Floats:
    """Return how much ink lies on each pixel, float32 [H, W] in [0, 1]."""
    often = 0.65 if kind == "cell" else 0.3
    thin_pen = chance.between(0, 1) < often and kind not in ("brush", "small", "low-resolution")
    if kind == "thin" or thin_pen:
        finest = 1.0 if kind in ("thin", "cell") else max(2.0, 0.035 * height)
        thickest = max(2.0, 0.02 * height) if kind == "thin" else 0.08 * height
        width = max(1, round(chance.between(finest, max(finest, thickest))))
        return drawn(thinned(image), matrix, shape, width, smooth=chance.between(0, 1) < 0.7)
    if kind == "brush":
        image = brushed(image, chance.between(1.2, 3.2))
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    level = 0.5 if kind == "brush" else chance.between(0.35, 0.6)
    # Enlarged smoothly, then cut at a level: a pen has sharp edges at every size.
    warped = cv2.warpAffine(image, matrix, shape[::-1], flags=cv2.INTER_CUBIC)
    soft = warped.astype(np.float32)
    if scale > 2:
        soft = cv2.GaussianBlur(soft, (0, 0), 0.35 * min(scale, 8)).astype(np.float32)
    # Of the kinds that came first, small digits lie in a veil of ink.
    steep = max(2.0 if kind in _HEIGHTS else 1.0, min(scale, 8.0) / 2)
    return np.clip((soft / 255 - level) * steep + 0.5, 0, 1).astype(np.float32)


def _write(
    picture: Picture, ink: Floats, pen: Colour, chance: _Chance, kind: str, board: bool
) -> None:
    """Lay ink on the ground, in place; chalk leaves grains free."""
    opacity = chance.between(*_OPACITY.get(kind, (0.75, 1.0)))
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cover = ink[part] * opacity
    if board:
        cover = cover * (0.85 + 0.15 * chance.noise(*cover.shape))
    ground = picture[part].astype(np.float32)
    laid = ground + (np.array(pen, np.float32) - ground) * cover[..., None]
    picture[part] = np.rint(laid).astype(np.uint8)


def _rule(picture: Picture, chance: _Chance, height: float, squared: bool) -> None:
    """Draw the lines of ruled or squared paper, in place."""
    pitch = height * (chance.between(0.15, 0.6) if squared else chance.between(0.3, 1.2))
    thickness = max(1, round(height * chance.between(0.004, 0.025)))
    fresh = np.array(chance.choice(LINES)) * chance.between(0.8, 1.15)
    colour = tuple(np.minimum(fresh, picture[0, 0] * 0.9).tolist())
    slope, phase = math.tan(math.radians(chance.between(-2, 2))), chance.between(0, 1)
    tall, wide = picture.shape[:2]
    for index in range(-2, int(tall / pitch) + 3):
        left = (index + phase) * pitch
        draw_line(picture, (0, left), (wide, left + slope * wide), colour, thickness)
    if squared:
        for index in range(-2, int(wide / pitch) + 3):
            top = (index + phase) * pitch
            draw_line(picture, (top, 0), (top - slope * tall, tall), colour, thickness)


def _shaded(chance: _Chance, light: Picture, matrix: Affine, height: float) -> Picture:
    """Return light with a hard edge of shadow that crosses the digit."""
    near = matrix @ np.array([_SIDE / 2, _SIDE / 2, 1.0])
    near = near + height * np.array([chance.between(-0.25, 0.25), chance.between(-0.25, 0.25)])
    angle = chance.between(0, 2 * math.pi)
    y, x = np.ogrid[: light.shape[0], : light.shape[1]]
    depth = (x - near[0]) * math.cos(angle) + (y - near[1]) * math.sin(angle)
    softness = chance.between(0.5, 0.03 * height + 0.5)
    shade = np.clip(depth / softness + 0.5, 0, 1) * (1 - chance.between(0.35, 0.7))
    shaded: Picture = np.rint(light * (1 - shade)).astype(np.uint8)
    return shaded


def _developed(chance: _Chance, picture: Picture, kind: str, height: float) -> Picture:
    """Return what lens, sensor and file make of a picture."""
    if kind == "blur":
        picture = blurred(chance, picture, height)
    strength = chance.between(0.5, 4.0)
    if kind == "noise":
        strength = chance.between(20, 60)
    grain = np.float32(strength) * chance.noise(*picture.shape[:2])[..., None]
    if kind == "noise":  # sensors are noisier in colour than in brightness
        stain = chance.noise(picture.shape[1], picture.shape[0]).T[..., None]
        grain = grain + stain * np.array([strength / 2, -strength / 4, -strength / 2], np.float32)
    grains = np.broadcast_to(np.rint(grain).astype(np.int16), picture.shape)
    picture = np.asarray(cv2.add(picture, grains, dtype=cv2.CV_8U), np.uint8)
    if kind == "low-resolution":
        picture = _coarse(chance, picture, height)
    if kind == "jpeg":
        picture = compressed(picture, int(chance.between(10, 41)))
    elif kind in _SMALL_FILES and chance.between(0, 1) < 0.4:
        picture = compressed(picture, int(chance.between(40, 91)))
    return picture


def _coarse(chance: _Chance, picture: Picture, height: float) -> Picture:
    """Return a picture in which the digit is few pixels high, enlarged again or not."""
    scale = chance.between(8, 14) / height
    size = tuple(max(8, round(side * scale)) for side in picture.shape[1::-1])
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if chance.between(0, 1) < 0.5:
        return np.asarray(small, np.uint8)
    by = chance.between(2, 10)
    method = chance.choice((cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC))
    return np.asarray(cv2.resize(small, None, fx=by, fy=by, interpolation=method), np.uint8)
