"""How much ink lies on each pixel of a whole picture; used to read one digit, or a page of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.errors import PictureError
from digitlab.preparation.borders import find_cell
from digitlab.preparation.glyph import SIDE
from digitlab.preparation.ground import Ground, below_paper, bright_plane, find_ground
from digitlab.preparation.pixels import (
    along,
    counts,
    mean_of_channels,
    minus,
    percentiles,
    percentiles_of,
    scaled,
)
from digitlab.preparation.ruled_lines import without_lines

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Record = Callable[[str, Picture], None]

NOISY = 0.08  # of the ink's strength; such pictures are smoothed
BLOCKS = 8  # along each side of a picture
PRINTED = 0.3  # of the ink's strength: print is stronger
EVERYWHERE = 0.85  # of the blocks: no digit has ink in as many
PAPER_LIGHT = 0.5  # of the brightest; boards are darker beside chalk
LIT = 0.9  # of the blocks: paper is as bright as a plane
SHADED = 8.0  # grey levels below it
TEXTURE = 0.12  # of a picture's range: in four of five blocks, print has more
DENSE_TEXTURE = 0.2  # the same, where paper between print may look like ink
MOSTLY = 0.6  # of the blocks: a digit that fills the picture has ink in fewer
PRINT_BLUR = 0.008  # of the longer side
PRINT_LEVELS = (0.25, 0.33, 0.41, 0.49, 0.57, 0.65)  # of the ink's strength
RIM = 0.08  # of a cell
FAINTEST_INK = 14.0  # grey levels from the ground; less is blank paper


@dataclass(frozen=True)
class Ink:
    """The ink in a picture.

    Attributes:
        levels: float32 [H, W] in [0, 1], how much lies on each pixel.
        cleared: whether borders of a cell, or print, were taken away around it.
        printed: whether that was print, all over the picture.
    """

    levels: Floats
    cleared: bool = False
    printed: bool = False


def find_ink(
    pixels: Picture,
    name: str,
    record: Record | None = None,
    newer: bool = False,
    in_cell: bool = False,
) -> Ink:
    """Return how much ink lies on each pixel, without the lines of ruled and squared paper.

    Args:
        pixels: uint8 [H, W, C], grey or RGB; dark ink on light ground or light on dark.
        name: what to call the picture in an error.
        record: called with the name and the image of each step.
        newer: as version 3 does it, without the borders of cells, too.
        in_cell: whether these have been painted over already.

    Raises:
        PictureError: `blank` where nothing stands out from the ground.
    """
    ground = find_ground(pixels)
    if newer and ground.kind == "photograph" and not in_cell:
        ground = _ground_of_print(pixels, ground) or ground
    difference = minus(pixels, ground.colours)
    if ground.gain is not None:
        difference = scaled(difference, ground.gain)
    if record is not None:
        record("ground", levels(np.broadcast_to(ground.colours, pixels.shape)))
    rim = _rim(pixels.shape) if in_cell else None
    strength = _strength(difference, rim, name)
    noise: float | None = None
    if ground.kind == "photograph":
        for _ in range(2):
            noise = _noise(strength)
            if noise < NOISY:
                break
            smooth = cv2.GaussianBlur(difference, (0, 0), 0.006 * max(pixels.shape[:2]) + 0.4)
            difference = np.asarray(smooth, np.float32).reshape(pixels.shape)
            strength, noise = _strength(difference, rim, name), None
    if record is not None:
        record("difference from the ground", levels(255 * strength))
    printed = False
    if ground.kind in ("photograph", "even"):
        cleaned, lines = without_lines(strength)
        if lines is not None:
            kept = np.divide(cleaned, strength, out=np.ones_like(strength), where=strength > 1e-6)
            strength = _strength(difference, lines & (kept < 0.5), name) * kept
            noise = None
        printed = newer and ground.kind == "photograph" and _covered(strength, PRINTED) > EVERYWHERE
        if newer and not in_cell and not printed:
            noise = _noise(strength) if noise is None else noise
            bare = _without_cell(pixels, strength, noise, name)
            if bare is not None:
                if record is not None:
                    record("without the borders of its cell", levels(bare.astype(np.float32)))
                return find_ink(bare, name, record, newer, in_cell=True)
    if printed:
        return Ink(_above_print(pixels, name, record), cleared=True, printed=True)
    steep = ground.kind in ("photograph", "checkerboard") or (
        ground.kind == "even" and max(pixels.shape) > 2 * SIDE
    )
    ink = _thresholded(strength, _noise(strength) if noise is None else noise, steep)
    if record is not None:
        record("ink without lines", levels(255 * ink))
    return Ink(ink, cleared=in_cell)


def _without_cell(pixels: Picture, strength: Floats, noise: float, name: str) -> Picture | None:
    """Return a picture in which the borders of a cell are painted over; None where there are none.

    Args:
        pixels: uint8 [H, W, C].
        strength: float32 [H, W], of its ink.
        noise: the standard deviation of the ground.
        name: of the picture.
    """
    cell = find_cell(strength, noise)
    if (
        cell is not None and cell.empty
    ):  # or a thick, faint digit was taken for the ground beside dark borders
        strength = below_paper(pixels)
        cell = find_cell(strength, _noise(strength))
    if cell is None:
        return None
    if cell.empty:
        raise PictureError(f"{name} is blank: nothing stands in its cell", "blank")
    return cell.painted_over(pixels, strength)


def _rim(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return what is near to a picture's edge, bool [H, W]: there, borders leave their ends."""
    rim = np.ones(shape[:2], bool)
    high, wide = (max(1, round(RIM * side)) for side in shape[:2])
    rim[high:-high, wide:-wide] = False
    return rim


def _ground_of_print(pixels: Picture, ground: Ground) -> Ground | None:
    """Return the ground of paper that has a pattern all over; None for other pictures.

    Strokes between fine lines of print are too thick for windows that fit these, and where print is
    dense, the paper in it may be taken for bright ink. Bright paper tells its light by itself.
    """
    light = mean_of_channels(pixels)
    darkest, usual, brightest = percentiles(counts(levels(light)), 0.5, 50, 99.5)
    highest, lowest = _in_blocks(light, np.max), _in_blocks(light, np.min)
    texture = percentiles_of(highest - lowest, 20)[0] / max(brightest - darkest, 1.0)
    if texture < (DENSE_TEXTURE if ground.bright_ink else TEXTURE):
        return None
    if ground.bright_ink and usual < PAPER_LIGHT * brightest:  # chalk on a board
        return None
    plane = bright_plane(pixels)
    seen = _in_blocks(mean_of_channels(minus(pixels, plane)), np.max) > -SHADED
    return Ground(plane, "photograph") if seen.mean() >= LIT else None


def _covered(strength: Floats, level: float) -> float:
    """Return in how many of the picture's blocks something reaches a level."""
    return float((_in_blocks(strength, np.max) > level).mean())


def _in_blocks(values: Floats, extreme: Callable[..., Floats]) -> Floats:
    """Return the most or the least of each of a picture's blocks, float32 [h, w]."""
    tall, wide = (max(1, side // BLOCKS) for side in values.shape)
    rows, columns = values.shape[0] // tall, values.shape[1] // wide
    whole = values[: rows * tall, : columns * wide]
    strips = extreme(whole.reshape(rows, tall, -1), axis=1)
    return extreme(strips.reshape(rows, columns, wide), axis=2)


def _above_print(pixels: Picture, name: str, record: Record | None) -> Floats:
    """Return the ink in [0, 1] on a ground that is printed all over, which ink is darker than."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), PRINT_BLUR * max(pixels.shape) + 0.3)
    difference = minus(np.asarray(smooth, np.uint8).reshape(pixels.shape), bright_plane(pixels))
    strength = _strength(difference, None, name)
    low = next((at for at in PRINT_LEVELS if _covered(strength, at) < MOSTLY), PRINT_LEVELS[-1])
    ink: Floats = np.clip((strength - low) / 0.3, 0, 1).astype(np.float32)
    if record is not None:
        record("ink above the print", levels(255 * ink))
    return ink


def _strength(difference: Floats, lines: npt.NDArray[np.bool_] | None, name: str) -> Floats:
    """Return how far each pixel is from the ground along the colour of the ink, which is 1.

    So a pale blue pen counts whole and a grey shadow little.

    Args:
        difference: float32 [H, W, C], from the ground.
        lines: bool [H, W], pixels that say nothing about the ink; None for none.
        name: of the picture.
    """
    distance = np.sqrt(mean_of_channels(np.square(difference)))
    smooth = distance if max(distance.shape) < 64 else cv2.blur(distance, (3, 3))
    if lines is not None:
        smooth = np.where(lines, 0, smooth)
    peak = float(smooth.max())
    # Few pixels are strong: where they are is sought once.
    strong = np.flatnonzero(smooth > peak / 2)
    direction = distance.ravel()[strong] @ difference.reshape(-1, difference.shape[2])[strong]
    length = float(np.linalg.norm(direction))
    reached = along(difference, (direction / max(length, 1e-6)).astype(np.float32))
    level = percentiles_of(reached.ravel()[strong], 98)[0] if len(strong) else 0.0
    if peak < FAINTEST_INK or level <= 0:
        raise PictureError(f"{name} is blank: nothing stands out from its ground", "blank")
    reached /= np.float32(level)
    return reached


def _thresholded(strength: Floats, noise: float, steep: bool) -> Floats:
    """Return ink in [0, 1]: none below a soft threshold, which is steep for photographs."""
    floor = min(4 * noise, 0.5)
    low, high = (max(floor, 0.15), 0.6) if steep else (floor, 1.0)
    ink: Floats = strength - np.float32(low)
    ink /= np.float32(high - low)
    return np.clip(ink, 0, 1, out=ink)


def _noise(strength: Floats) -> float:
    """Return the standard deviation of the ground, whatever part of the picture the ink covers.

    Ink lies above the ground, so the lower quarter of all pixels is ground. Between its 5 % and
    25 % points lies about one standard deviation: 0.97 without ink, 1.17 where it covers 40 %.
    """
    step = max(1, max(strength.shape) // 128)
    low, high = percentiles_of(strength[::step, ::step], 5, 25)
    return (high - low) / 1.05


def levels(values: Floats) -> Picture:
    """Return values around 0 to 255 as a picture to look at, uint8 [H, W] or [H, W, 3]."""
    shown: Picture = np.rint(values.clip(0, 255)).astype(np.uint8)
    return shown[..., 0] if shown.ndim == 3 and shown.shape[2] == 1 else shown
