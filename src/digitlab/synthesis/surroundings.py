"""What stands around a digit in a picture: lines of a cell, print, neighbours, light, a table.

Used by camera.py, which says what each kind is. Colours and ink are changed in place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.synthesis.drawings import curve, drawn_digit

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]
Colour = tuple[float, float, float]
Edges = tuple[float, float, float, float]  # left, top, right and bottom, in pixels

_DRAWN = 40.0  # pixels of the canvas that a drawn digit is high


@dataclass(frozen=True)
class Cell:
    """A printed cell around a digit.

    Attributes:
        margins: from the digit's box to each edge of the picture.
        lines: from the digit's box to each line, below 0 where it crosses; None where none is left.
    """

    margins: Edges
    lines: tuple[float | None, ...]


def cell_around(draws: Draws, height: float, width: float, fewest: int = 1) -> Cell:
    """Return a cell for a digit of some height and width, with at least `fewest` lines left."""
    order = [draws.next() for _ in range(4)]
    least = sorted(order)[fewest - 1]
    margins, lines = [], []
    for side in range(4):
        there = order[side] <= max(least, 0.7)
        where, free, outside = draws.next(), draws.between(0.02, 0.5), draws.between(-0.01, 0.22)
        if where < 0.15:  # it touches or crosses; what hangs below the last line crosses far
            deepest = (0.07 if side == 1 else 0.22) if side % 2 else min(0.06, 0.2 * width / height)
            free = draws.between(-deepest, 0.02)
        else:
            draws.next()
        outside = outside if draws.chance(0.7) else 0.0
        lines.append(free * height if there else None)
        margins.append(max(free + (outside if there else 0.0), 0.02) * height + 1)
    return Cell((margins[0], margins[1], margins[2], margins[3]), tuple(lines))


def print_cell(
    picture: Picture, cell: Cell, box: Edges, height: float, paper: Colour, draws: Draws
) -> None:
    """Print the lines of a cell, straight, in one colour, through the picture or to its corners."""
    tall, wide = picture.shape[:2]
    tilt = math.tan(math.radians(draws.between(-3, 3)))
    usual = height * math.exp(draws.between(math.log(0.012), math.log(0.1)))
    dark = draws.between(0.0, 0.75)
    tint = np.array([draws.between(0.75, 1.0) for _ in range(3)])
    colour = tuple((np.array(paper) * dark * (tint if dark > 0.3 else 1)).tolist())
    closed, overshoot = draws.chance(0.4), draws.between(0, 0.1) * height
    dashed = draws.chance(0.05)
    places = [
        None if line is None else edge + (line if side > 1 else -line)
        for side, (edge, line) in enumerate(zip(box, cell.lines, strict=True))
    ]
    shaded = draws.between(0.75, 0.97) if draws.chance(0.15) else 1.0
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    for side, place in enumerate(places):
        thickness = usual * (draws.between(0.5, 2) if draws.chance(0.3) else 1.0)
        if place is None:
            continue
        across = side % 2  # whether it runs from left to right
        length = wide if across else tall
        ends = [0.0, float(length)]
        others = (places[0], places[2]) if across else (places[1], places[3])
        for end, other in enumerate(others):
            if closed and other is not None:
                ends[end] = other + (overshoot if end else -overshoot)
        beyond = np.array([place, -999.0 if side < 2 else 2.0 * max(tall, wide)])
        corners = []
        for at in ends:
            lean = tilt * (at - middle[1 - across]) * (1 if across else -1)
            corners.append((at, place + lean) if across else (place + lean, at))
        if shaded < 1:
            leans = [tilt * (at - middle[1 - across]) * (1 if across else -1) for at in (0, length)]
            outer = [(0, beyond[0] + leans[0]), (length, beyond[0] + leans[1])]
            outer += [(length, beyond[1]), (0, beyond[1])]
            points = np.array(outer if across else [(b, a) for a, b in outer])
            mask = np.zeros((tall, wide), np.uint8)
            cv2.fillConvexPoly(mask, np.rint(points).astype(np.int32), 1)
            np.copyto(
                picture, np.rint(picture * shaded).astype(np.uint8), where=mask[..., None] > 0
            )
        _stroke(picture, corners, colour, thickness, dashed)


def _stroke(
    picture: Picture,
    ends: list[tuple[float, float]],
    colour: tuple[float, ...],
    thickness: float,
    dashed: bool,
) -> None:
    """Draw a printed line with sharp ends; one thinner than a pixel is paler."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    parts = np.array(ends)
    if dashed:
        count = max(2, int(np.linalg.norm(parts[1] - parts[0]) / (6 * max(thickness, 1))))
        at = np.linspace(0, 1, 2 * count + 1)
        points = parts[0] + at[:, None] * (parts[1] - parts[0])
        pieces = [points[i : i + 2] for i in range(0, 2 * count, 2)]
    else:
        pieces = [parts]
    for piece in pieces:
        way = piece[1] - piece[0]
        across = np.array([-way[1], way[0]]) / max(1e-6, float(np.linalg.norm(way)))
        half = across * max(thickness, 1.0) / 2
        corners = np.array([piece[0] + half, piece[1] + half, piece[1] - half, piece[0] - half])
        # A pixel's middle is a whole number for OpenCV.
        fixed = np.rint((corners - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, shift=4)
    cover = mask.astype(np.float32) * (min(1.0, thickness) / 255)
    picture[:] = _mixed(picture, colour, cover)


def _mixed(picture: Picture, colour: tuple[float, ...], cover: Floats) -> Picture:
    ground = picture.astype(np.float32)
    laid = ground + (np.array(colour, np.float32) - ground) * cover[..., None]
    mixed: Picture = np.rint(laid.clip(0, 255)).astype(np.uint8)
    return mixed


def print_pattern(picture: Picture, height: float, draws: Draws) -> None:
    """Print what secures documents: waves, rosettes, dots, hatching, one or two of them."""
    tall, wide = picture.shape[:2]
    y, x = np.mgrid[:tall, :wide].astype(np.float32)
    for _ in range(1 + draws.chance(0.5)):
        kind, angle = int(draws.next() * 4), draws.between(0, math.pi)
        pitch = max(2.2, height * math.exp(draws.between(math.log(0.06), math.log(0.35))))
        strength, share = draws.between(22, 100), draws.between(0.15, 0.5)
        tint = np.array([draws.between(0.3, 1.0) for _ in range(3)])
        one, two, three = draws.next(), draws.next(), draws.next()
        across = x * math.cos(angle) + y * math.sin(angle)
        along = y * math.cos(angle) - x * math.sin(angle)
        if kind == 0:  # waves
            swing = pitch * (0.3 + 1.5 * one)
            phase = (along + swing * np.sin(across / (pitch * (0.6 + 1.5 * two)))) / pitch
        elif kind == 1:  # a rosette
            centre_x, centre_y = (one * 1.6 - 0.3) * wide, (two * 1.6 - 0.3) * tall
            around = np.arctan2(y - centre_y, x - centre_x)
            radius = np.hypot(x - centre_x, y - centre_y)
            petals, depth = 5 + int(three * 14), pitch * (0.4 + 2 * draws.next())
            phase = (radius + depth * np.sin(petals * around)) / pitch
        elif kind == 2:  # dots
            columns, rows = across / pitch, along / pitch
            away = np.hypot(columns - np.rint(columns), rows - np.rint(rows))
            cover = np.clip((share - away) * pitch + 0.5, 0, 1)
        else:  # hatching
            phase = along / pitch
        if kind != 2:
            away = np.abs(phase - np.rint(phase))
            cover = np.clip((share / 2 - away) * pitch + 0.5, 0, 1)
        change = cover[..., None] * (strength * tint).astype(np.float32)
        picture[:] = np.rint((picture - change).clip(0, 255)).astype(np.uint8)


def broken(ink: Floats, height: float, draws: Draws) -> Floats:
    """Return ink with narrow gaps, a fainter part or a dry pen's holes; a person still reads it."""
    ys, xs = np.nonzero(ink > 0.5)
    if not len(ys):
        return ink
    y, x = np.ogrid[: ink.shape[0], : ink.shape[1]]
    before, kept, faint = float(ink.sum()), ink, False
    for _ in range(1 + int(draws.next() * 3)):
        at = int(draws.next() * len(ys))
        angle = draws.between(0, math.pi) if draws.chance(0.6) else math.pi / 2
        kind, size, amount = draws.next(), draws.next(), draws.next()
        depth = (x - xs[at]) * math.cos(angle) + (y - ys[at]) * math.sin(angle)
        if kind < 0.6:  # a gap, through a stroke or the whole digit
            half = max(0.6, height * (0.012 + 0.028 * size))
            left = np.clip((np.abs(depth) - half) + 0.5, 0, 1)
            if amount < 0.6:
                left = np.maximum(left, np.hypot(x - xs[at], y - ys[at]) > 0.22 * height)
        elif kind < 0.8:  # a part that is fainter
            fade = np.clip(depth / (0.2 * height) + 0.5, 0, 1)
            left, faint = 1 - fade * (0.4 + 0.35 * amount), True
        else:  # a dry pen
            cells = np.array([[draws.next() for _ in range(6)] for _ in range(6)], np.float32)
            dry = cv2.resize(cells, ink.shape[::-1], interpolation=cv2.INTER_CUBIC)
            left = np.clip((dry - 0.05 - 0.2 * amount) * 8, 0, 1)
        less = np.asarray(kept * left, np.float32)
        if less.sum() >= 0.75 * before:
            kept = less
    if draws.chance(0.35) and not faint:  # a scan of two levels
        kept = (kept > draws.between(0.3, 0.6)).astype(np.float32)
    return kept if kept.sum() >= 0.7 * before else ink


def neighbours_beside(draws: Draws, height: float) -> tuple[Edges, Edges]:
    """Return the margins around a digit, and how much of a neighbour is seen in each, or 0."""
    margins, seen = [], []
    for side in range(4):
        there = draws.chance(0.75 if side % 2 == 0 else 0.2)
        part, gap = draws.between(0.03, 0.3) * height, draws.between(0.02, 0.25) * height
        if draws.chance(0.1):
            gap = 0.0
        free = draws.between(0.0, 0.25 if side % 2 == 0 else 0.9) * height
        seen.append(part if there else 0.0)
        margins.append((part + gap if there else free) + 1)
    return (margins[0], margins[1], margins[2], margins[3]), (seen[0], seen[1], seen[2], seen[3])


def with_neighbours(ink: Floats, seen: Edges, box: Edges, height: float, draws: Draws) -> Floats:
    """Return ink with parts of other digits at the picture's edges."""
    tall, wide = ink.shape
    for side, part in enumerate(seen):
        if not part:
            continue
        other = drawn_digit(int(draws.next() * 10), draws)
        scale = height * draws.between(0.8, 1.15) / _DRAWN
        rows = np.flatnonzero(other.max(axis=1) > 0.5)
        columns = np.flatnonzero(other.max(axis=0) > 0.5)
        # At most half of it is inside: what is whole would be another digit.
        part = min(part, 0.45 * scale * len(columns if side % 2 == 0 else rows))
        left = (box[0] + box[2]) / 2 - scale * float(columns.mean())
        top = (box[1] + box[3]) / 2 - scale * float(rows.mean())
        shift = draws.between(-0.12, 0.12) * height
        if side == 0:
            left, top = part - scale * (columns[-1] + 1), top + shift
        elif side == 2:
            left, top = wide - part - scale * columns[0], top + shift
        elif side == 1:
            left, top = left + shift, part - scale * (rows[-1] + 1)
        else:
            left, top = left + shift, tall - part - scale * rows[0]
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        placed = cv2.warpAffine(other, matrix, (wide, tall), flags=cv2.INTER_LINEAR)
        ink = np.maximum(ink, np.clip((placed - 0.5) * max(1.0, scale) + 0.5, 0, 1))
    return np.asarray(ink, np.float32)


def circled(ink: Floats, box: Edges, height: float, draws: Draws) -> Floats:
    """Return ink with a circle around the digit, of the same pen, not quite round nor closed."""
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    half = np.array([box[2] - box[0], box[3] - box[1]]) / 2
    radius = max(float(np.hypot(*half)), 0.5 * height) * draws.between(0.95, 1.3)
    wide, tall = (
        max(radius * draws.between(0.8, 1.12), side + 0.1 * height) for side in half.tolist()
    )
    begin, turn = draws.between(0, 6.28), 2 * math.pi * draws.between(0.94, 1.12)
    at = np.linspace(0, turn, 40) + begin
    ripple = 1 + draws.between(0, 0.06) * np.sin(2 * at + draws.between(0, 6.3))
    spiral = 1 + draws.between(-0.08, 0.08) * (at - begin) / turn
    points = np.column_stack([wide * np.cos(at), tall * np.sin(at)]) * (ripple * spiral)[:, None]
    return _penned(ink, points + middle, height * draws.between(0.025, 0.08))


def circle_margins(height: float, width: float, draws: Draws) -> Edges:
    """Return margins of a picture that hold a circle around a digit."""
    free = [draws.between(0.02, 0.25) * height for _ in range(4)]
    radius = 1.2 * max(math.hypot(width, height) / 2, 0.5 * height)
    across, down = radius - width / 2, radius - height / 2
    return across + free[0], down + free[1], across + free[2], down + free[3]


def underlined(ink: Floats, box: Edges, height: float, draws: Draws) -> Floats:
    """Return ink with a stroke below the digit, short or long, once or twice."""
    width = max(box[2] - box[0], 0.3 * height)
    middle = (box[0] + box[2]) / 2 + draws.between(-0.1, 0.1) * height
    level = box[3] + draws.between(0.04, 0.28) * height
    half = width * draws.between(0.4, 1.1)
    tilt, sag = draws.between(-0.1, 0.1), draws.between(-0.05, 0.05) * height
    thickness = height * draws.between(0.02, 0.09)
    for again in range(1 + draws.chance(0.15)):
        below = level + again * draws.between(0.08, 0.15) * height
        points = [(middle - half, below - tilt * half), (middle, below + sag)]
        points.append((middle + half, below + tilt * half))
        ink = _penned(ink, curve(np.array(points)), thickness)
    return ink


def underline_margins(height: float, draws: Draws) -> Edges:
    """Return margins of a picture that hold a line below a digit."""
    left, top, right = (draws.between(0.05, 0.6) * height for _ in range(3))
    return left, top, right, draws.between(0.35, 0.8) * height


def _penned(ink: Floats, points: npt.NDArray[np.float64], thickness: float) -> Floats:
    canvas = np.zeros(ink.shape, np.uint8)
    fixed = np.rint(points * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed[:, None]], False, 255, max(1, round(thickness)), cv2.LINE_AA, 4)
    return np.maximum(ink, canvas.astype(np.float32) / 255)


def reflect(picture: Picture, box: Edges, height: float, draws: Draws) -> None:
    """Lay a bright reflection beside the digit: a spot or a streak of the lamp itself."""
    tall, wide = picture.shape[:2]
    y, x = np.ogrid[:tall, :wide]
    angle = draws.between(0, 2 * math.pi)
    long, short = height * draws.between(0.15, 0.7), height * draws.between(0.06, 0.25)
    lean = draws.between(0, math.pi)
    half = np.array([box[2] - box[0], box[3] - box[1]]) / 2
    # As far from the middle as the box reaches that way, and half the spot.
    way = np.array([math.cos(angle), math.sin(angle)])
    reach = float(np.min(half / np.maximum(np.abs(way), 1e-3)))
    spot = math.hypot(long * math.cos(angle - lean), short * math.sin(angle - lean))
    away = reach + spot + draws.between(-0.02, 0.3) * height
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]) + away * way
    across = (x - centre[0]) * math.cos(lean) + (y - centre[1]) * math.sin(lean)
    along = (y - centre[1]) * math.cos(lean) - (x - centre[0]) * math.sin(lean)
    radius = np.hypot(across / long, along / short)
    soft = draws.between(0.03, 0.5)
    cover = np.clip((1 - radius) / soft + 0.5, 0, 1) * draws.between(0.75, 1.0)
    picture[:] = _mixed(picture, (255.0, 255.0, 250.0), cover.astype(np.float32))


def sheet_on_table(draws: Draws, size: tuple[float, float]) -> tuple[tuple[int, int], Affine]:
    """Return the shape of a photograph of a sheet, and where the sheet's pixels are in it.

    Args:
        draws: chance.
        size: width and height of the sheet; it covers a half, a third or a fifth of the photograph.

    Returns:
        Height and width; float64 [2, 3] from the sheet to the photograph.
    """
    share = draws.choice((1 / 2, 1 / 3, 1 / 5)) * draws.between(0.9, 1.05)
    radians = math.radians(draws.choice((0.0, -8.0, 8.0)) + draws.between(-1, 1))
    linear = np.array(
        [[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]]
    )
    needed = np.abs(linear) @ np.array(size)
    aspect = math.exp(draws.between(-0.35, 0.35)) * math.sqrt(needed[0] / needed[1])
    area = size[0] * size[1] / share
    wide = max(needed[0] + 2, math.sqrt(area) * aspect)
    tall = max(needed[1] + 2, area / wide)
    at = [
        needed[axis] / 2 + draws.next() * (side - needed[axis])
        for axis, side in enumerate((wide, tall))
    ]
    matrix = np.column_stack([linear, np.array(at) - linear @ (np.array(size) / 2)])
    return (math.ceil(tall), math.ceil(wide)), matrix


def lay_table(picture: Picture, paper: Colour, draws: Draws) -> None:
    """Fill a picture with a table darker than paper: of one colour, with grain, or with a weave."""
    tall, wide = picture.shape[:2]
    dark = draws.between(0.1, 0.72)
    tint = np.array([1.0, draws.between(0.7, 1.0), draws.between(0.5, 1.0)])
    picture[:] = np.rint(np.array(paper) * dark * tint).astype(np.uint8)
    kind, strength = draws.next(), draws.between(3, 16)
    cells = np.array([[draws.next() for _ in range(9)] for _ in range(9)], np.float32)
    if kind < 0.6:
        size = (wide, tall)
        if kind < 0.35:  # wood: long in one direction
            cells = cells.reshape(1, 81) if kind < 0.18 else cells.reshape(81, 1)
        grain = cv2.resize(cells, size, interpolation=cv2.INTER_CUBIC) - 0.5
        change = (grain * 2 * strength)[..., None]
        picture[:] = np.rint((picture + change).clip(0, 255)).astype(np.uint8)


def lay_sheet(
    picture: Picture, matrix: Affine, size: tuple[float, float], paper: Colour, draws: Draws
) -> None:
    """Lay a sheet of paper on the table, with a shadow along its edge."""
    corners = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float64)
    points = corners @ matrix[:, :2].T + matrix[:, 2]
    depth, soft = draws.between(0, 0.5), draws.between(0.01, 0.04) * max(size)
    aside = np.array([draws.between(-1, 1), draws.between(-1, 1)]) * soft
    for place, colour, most, blur in (
        (points + aside, (0.0, 0.0, 0.0), depth, soft),
        (points, paper, 1.0, 0.0),
    ):
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.rint((place - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        cover = mask.astype(np.float32) * (most / 255)
        if blur:
            cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), max(0.5, blur)), np.float32)
        picture[:] = _mixed(picture, colour, cover)


def soil(picture: Picture, draws: Draws) -> None:
    """Leave a faint fleck or stain on blank paper, or nothing."""
    tall, wide = picture.shape[:2]
    kind, longest = draws.next(), max(tall, wide)
    y, x = np.ogrid[:tall, :wide]
    middle_x, middle_y = draws.next() * wide, draws.next() * tall
    stretch, lean = draws.between(0.4, 1.0), draws.between(0, math.pi)
    across = (x - middle_x) * math.cos(lean) + (y - middle_y) * math.sin(lean)
    along = ((y - middle_y) * math.cos(lean) - (x - middle_x) * math.sin(lean)) / stretch
    radius = np.hypot(across, along)
    if kind < 0.2:
        return
    if kind < 0.6:  # a fleck
        size, strength = longest * draws.between(0.004, 0.03), draws.between(10, 60)
        cover = np.clip(size - radius + 0.5, 0, 1)
    else:  # a stain
        size, strength = longest * draws.between(0.05, 0.3), draws.between(4, 30)
        cover = np.clip((1 - radius / size) * draws.between(1, 4), 0, 1)
    tint = np.array([draws.between(0.5, 1.0) for _ in range(3)])
    change = cover[..., None] * (strength * tint)
    picture[:] = np.rint((picture - change).clip(0, 255)).astype(np.uint8)


def fill_with_a_thing(picture: Picture, draws: Draws) -> None:
    """Fill a picture with surfaces of several colours that meet at soft or hard edges."""
    tall, wide = picture.shape[:2]
    for _ in range(2 + int(draws.next() * 3)):
        side = 3 + int(draws.next() * 4)
        cells = np.array([[draws.next() for _ in range(side)] for _ in range(side)], np.float32)
        smooth = cv2.resize(cells, (wide, tall), interpolation=cv2.INTER_CUBIC)
        steep = math.exp(draws.between(0, 4))
        cover = np.clip((smooth - draws.between(0.3, 0.7)) * steep + 0.5, 0, 1)
        colour = tuple(draws.between(20, 235) for _ in range(3))
        picture[:] = _mixed(picture, colour, cover.astype(np.float32))
