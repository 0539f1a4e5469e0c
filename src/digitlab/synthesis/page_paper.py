"""The sheet of a made page, what is printed and spilt on it, and the camera that looks at it.

Used by pages.py and blank_pages.py. Sheets are changed in place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.synthesis.lens import LINES, Colour, Picture, draw_line, gentle_light, lit
from digitlab.synthesis.page_writing import PageChance
from digitlab.synthesis.surroundings import lay_table

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Segment = tuple[float, float, float, float]

_NOISE_TILE = 512  # pixels; larger pictures repeat it
_COARSE = 4  # soft light is computed at a fourth of the pixels


@dataclass(frozen=True, eq=False)
class View:
    """Where a sheet lies in a picture.

    Attributes:
        matrix: float64 [3, 3], from the sheet's pixels to the picture's.
        size: width and height of the picture.
        table: whether a table is seen around the sheet.
    """

    matrix: Matrix
    size: tuple[int, int]
    table: bool

    @property
    def flat(self) -> bool:
        """Whether the picture is the sheet itself."""
        return bool(np.array_equal(self.matrix, np.eye(3)))


def scanned(size: tuple[int, int]) -> View:
    """Return the view of a scanner: the sheet itself."""
    return View(np.eye(3), size, table=False)


def photographed(size: tuple[int, int], draws: Draws) -> View:
    """Return the view of a camera of a sheet on a table, turned by up to 7 degrees."""
    wide, tall = size
    share = draws.between(0.45, 0.88)
    across, down = wide / math.sqrt(share), tall / math.sqrt(share)
    turn = math.radians(draws.between(-7, 7))
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    corners = (_corners(size) - (wide / 2, tall / 2)) @ turned.T
    depth = np.array([[draws.between(-0.08, 0.08) for _ in range(2)] for _ in range(4)])
    corners += depth * min(size)
    low, high = corners.min(axis=0), corners.max(axis=0)
    spare = np.maximum((across, down) - (high - low), 0.02 * np.array(size))
    place = np.array([draws.between(0.1, 0.9), draws.between(0.1, 0.9)]) * spare
    across, down = (math.ceil(side) for side in (high - low + spare).tolist())
    return View(_onto(_corners(size), corners - low + place), (across, down), table=True)


def close(size: tuple[int, int], bleed: int, draws: Draws) -> View:
    """Return the view of a camera near a sheet, of which all but some of its bleed is seen.

    Args:
        size: width and height of the sheet without its bleed.
        bleed: pixels of paper on each side of it, at least a twentieth of its longer side.
        draws: chance.
    """
    wide, tall = size
    turn = math.radians(draws.between(-1.2, 1.2))
    most = 0.03 * min(size)
    depth = np.array([[draws.between(0, most) for _ in range(2)] for _ in range(4)])
    inward = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    away = (_corners(size) + depth * inward - (wide / 2, tall / 2)) @ turned.T
    # Turned about its middle, it would leave the picture.
    fit = min(1.0, float((np.array(size) / 2 / np.abs(away).max(axis=0)).min()))
    corners = away * fit + (wide / 2, tall / 2)
    return View(_onto(_corners(size) + bleed, corners), size, table=False)


def seen(sheet: Picture, view: View, paper: Colour, draws: Draws) -> Picture:
    """Return what a view shows of a sheet, uint8 [H, W, 3]."""
    if view.flat:
        return sheet
    flags, size = cv2.INTER_LINEAR, view.size
    warped = cv2.warpPerspective(sheet, view.matrix, size, None, flags, cv2.BORDER_REPLICATE)
    if not view.table:
        return np.asarray(warped, np.uint8)
    picture = np.empty((size[1], size[0], 3), np.uint8)
    lay_table(picture, paper, draws)
    corners = _through(view.matrix, _corners(sheet.shape[1::-1]) - 0.5)
    aside = np.array([draws.between(-1, 1), draws.between(-1, 1)]) * 0.012 * max(size)
    dark = 255 - draws.between(0, 0.5) * np.float32(_soft(size, corners + aside, 0.008 * max(size)))
    picture = lit(picture, np.rint(dark).astype(np.uint8))
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(corners * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    np.copyto(picture, np.asarray(warped, np.uint8), where=mask[..., None] > 127)
    return picture


def rule(
    sheet: Picture, first: float, pitch: float, height: float, squared: bool, draws: Draws
) -> None:
    """Draw the lines of ruled or squared paper.

    Args:
        sheet: uint8 [H, W, 3].
        first: height of one of the lines.
        pitch: from line to line, in pixels; squared paper has one, two or three squares to it.
        height: of digits.
        squared: whether lines go down, too.
        draws: chance.
    """
    tall, wide = sheet.shape[:2]
    colour = _line_colour(sheet, draws)
    thickness = max(1, round(height * draws.between(0.004, 0.03)))
    pitch /= draws.choice((1, 2, 2, 3)) if squared else 1
    lean = draws.between(-0.004, 0.004)
    for at in range(-int(first / pitch) - 1, int((tall - first) / pitch) + 2):
        y = first + at * pitch
        draw_line(sheet, (0, y - lean * wide / 2), (wide, y + lean * wide / 2), colour, thickness)
    if squared:
        phase = draws.between(0, pitch)
        for at in range(int(wide / pitch) + 1):
            x = phase + at * pitch
            draw_line(
                sheet, (x + lean * tall / 2, 0), (x - lean * tall / 2, tall), colour, thickness
            )
    elif draws.chance(0.35):  # the line of the margin
        x = draws.between(0.02, 0.12) * wide
        draw_line(sheet, (x, 0), (x, tall), (205.0, 120.0, 120.0), thickness)


def print_lines(sheet: Picture, lines: Iterable[Segment], height: float, draws: Draws) -> None:
    """Print the lines of a table or of boxes, in black, grey or a colour, thick or thin."""
    thickness = max(1, round(height * math.exp(draws.between(math.log(0.012), math.log(0.08)))))
    dark = draws.between(0.05, 0.7)
    colour = tuple((sheet[0, 0] * dark).tolist())
    if draws.chance(0.2):
        colour = _line_colour(sheet, draws)
    for left, top, right, bottom in lines:
        draw_line(sheet, (left, top), (right, bottom), colour, thickness)


def soil_sheet(sheet: Picture, draws: Draws, stains: int) -> None:
    """Leave specks of dust and some stains: spots, or the ring of a cup."""
    tall, wide = sheet.shape[:2]
    for _ in range(int(draws.next() ** 2 * 14)):
        x, y = draws.between(0, wide), draws.between(0, tall)
        size, strength = draws.between(0.4, 0.0016 * max(tall, wide) + 0.6), draws.between(20, 110)
        _darken(sheet, (x, y), (size, size * draws.between(0.5, 1)), 0.0, strength, draws)
    for _ in range(stains):
        x, y = draws.between(0, wide), draws.between(0, tall)
        size = draws.between(0.03, 0.2) * max(tall, wide)
        ring = draws.between(0.03, 0.12) if draws.chance(0.4) else 0.0
        _darken(
            sheet, (x, y), (size, size * draws.between(0.6, 1)), ring, draws.between(6, 40), draws
        )


def punch(sheet: Picture, draws: Draws) -> None:
    """Punch two or four holes into the left edge, through which something darker is seen."""
    tall, wide = sheet.shape[:2]
    radius, x = 0.011 * max(tall, wide), 0.045 * max(tall, wide)
    colour = tuple(draws.between(20, 150) for _ in range(3))
    if draws.chance(0.3):
        colour = tuple(0.85 * float(part) for part in sheet[0, 0])
    places = (0.36, 0.64) if draws.chance(0.6) else (0.14, 0.37, 0.63, 0.86)
    for place in places:
        centre = (round(16 * x), round(16 * place * tall))
        cv2.circle(sheet, centre, round(16 * radius), colour, -1, cv2.LINE_AA, 4)


def fold(sheet: Picture, draws: Draws) -> Picture:
    """Return a sheet that was folded once to three times, lit from a side."""
    tall, wide = (-(-side // _COARSE) for side in sheet.shape[:2])
    y, x = np.ogrid[:tall, :wide]
    light = np.ones((tall, wide), np.float32)
    for _ in range(1 + int(draws.next() * 3)):
        upright = draws.chance(0.5)
        place = draws.choice((1 / 3, 0.5, 2 / 3, draws.between(0.2, 0.8)))
        lean = draws.between(-0.03, 0.03)
        away = (x - place * wide) + lean * y if upright else (y - place * tall) + lean * x
        reach = draws.between(0.03, 0.25) * (wide if upright else tall)
        tilt = np.sign(away) * np.exp(-np.abs(away) / reach) * draws.between(0.02, 0.09)
        crease = np.exp(-((away / draws.between(0.4, 1.2)) ** 2)) * draws.between(-0.1, 0.22)
        light *= (1 - tilt - crease).astype(np.float32)
    light /= light.max()
    fine = cv2.resize(light, sheet.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return lit(sheet, np.rint(255 * fine).astype(np.uint8))


def shaded(picture: Picture, draws: Draws) -> Picture:
    """Return a picture across which hard or softer edges of one or two shadows run."""
    tall, wide = picture.shape[:2]
    light = np.full((tall, wide), 255, np.float32)
    for _ in range(1 + draws.chance(0.4)):
        at = np.array([draws.between(0.15, 0.85) * wide, draws.between(0.15, 0.85) * tall])
        angle, far = draws.between(0, 2 * math.pi), 2.0 * (wide + tall)
        way = np.array([math.cos(angle), math.sin(angle)])
        bend = draws.between(-0.9, 0.9)
        other = np.array([math.cos(angle + math.pi + bend), math.sin(angle + math.pi + bend)])
        corners = np.array([at, at + far * way, at + far * (way + other), at + far * other])
        if abs(bend) < 0.15:  # a straight edge
            across = np.array([-way[1], way[0]]) * far
            corners = np.array([at - far * way, at + far * way, at + far * way + across])
            corners = np.concatenate([corners, [at - far * way + across]])
        soft = max(wide, tall) * math.exp(draws.between(math.log(0.0005), math.log(0.012)))
        light *= 1 - draws.between(0.25, 0.6) / 255 * _soft((wide, tall), corners, soft)
    return lit(picture, np.rint(light).astype(np.uint8))


def evenly_lit(picture: Picture, draws: Draws, scan: bool) -> Picture:
    """Return a picture in the gentle light of a room, or as a scanner lights it."""
    light = gentle_light(draws, picture.shape[:2])
    if scan:
        light = 255 - (255 - light) // 5
    return lit(picture, light)


def grained(picture: Picture, strength: float, chance: PageChance, part: int) -> Picture:
    """Return a picture with the noise of a sensor, of some strength in grey levels."""
    tall, wide = picture.shape[:2]
    tile = np.rint(strength * chance.noise(part, _NOISE_TILE)).astype(np.int16)
    repeats = (-(-tall // _NOISE_TILE), -(-wide // _NOISE_TILE))
    grain = np.tile(tile, repeats)[:tall, :wide]
    return np.asarray(cv2.add(picture, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)


def _line_colour(sheet: Picture, draws: Draws) -> tuple[float, ...]:
    fresh = np.array(draws.choice(LINES)) * draws.between(0.8, 1.15)
    return tuple(np.minimum(fresh, sheet[0, 0] * 0.92).tolist())


def _darken(
    sheet: Picture,
    middle: tuple[float, float],
    half: tuple[float, float],
    ring: float,
    strength: float,
    draws: Draws,
) -> None:
    """Darken an oval spot, or its rim, where `ring` is a part of its half."""
    tall, wide = sheet.shape[:2]
    reach = math.ceil(max(half) * 1.3) + 2
    left, top = (max(0, round(place) - reach) for place in middle)
    right, bottom = round(middle[0]) + reach + 1, round(middle[1]) + reach + 1
    part = sheet[top : min(tall, bottom), left : min(wide, right)]
    y, x = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    around = np.arctan2(y - middle[1], x - middle[0])
    uneven = 1 + draws.between(0, 0.15) * np.sin(3 * around + draws.between(0, 6.3))
    radius = np.hypot((x - middle[0]) / half[0], (y - middle[1]) / half[1]) * uneven
    away = np.abs(radius - 0.9) / ring if ring else radius
    soft = max(1.0, draws.between(0.02, 0.3) * half[0])
    cover = np.clip((1 - away) * half[0] * (ring or 1) / soft + 0.5, 0, 1)
    tint = np.array([draws.between(0.5, 0.8), draws.between(0.6, 0.9), 1.0])
    changed = part - cover[..., None] * (strength * tint)
    part[:] = np.rint(changed.clip(0, 255)).astype(np.uint8)


def _soft(size: tuple[int, int], corners: Matrix, sigma: float) -> Floats:
    """Return a polygon with soft edges, float32 [H, W], 255 inside."""
    times = _COARSE if sigma > 2 * _COARSE else 1
    wide, tall = (-(-side // times) for side in size)
    mask = np.zeros((tall, wide), np.uint8)
    fixed = np.rint(corners / times * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed[:, None]], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.4, sigma / times))
    if times > 1:
        soft = cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft, np.float32)


def _corners(size: tuple[int, ...]) -> Matrix:
    """Return the corners of a sheet of some width and height, float64 [4, 2], clockwise."""
    wide, tall = size
    return np.array([(0, 0), (wide, 0), (wide, tall), (0, tall)], np.float64)


def _onto(corners: Matrix, onto: Matrix) -> Matrix:
    found = cv2.getPerspectiveTransform(corners.astype(np.float32), onto.astype(np.float32))
    return np.asarray(found, np.float64)


def _through(matrix: Matrix, points: Matrix) -> Matrix:
    """Return points, float64 [N, 2], as a view shows them."""
    placed = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    through: Matrix = placed[:, :2] / placed[:, 2:]
    return through
