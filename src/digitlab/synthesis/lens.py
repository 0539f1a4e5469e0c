"""What every made picture has: colours of paper and pen, gentle light, blur and a file's losses.

Used by camera.py for pictures of one digit, and by pages.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.chance import Draws
from digitlab.errors import ConfigError

Picture = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]

PENS = ((25, 25, 30), (30, 45, 130), (20, 60, 180), (165, 30, 40), (30, 100, 60), (85, 85, 85))
LINES = ((120, 150, 200), (150, 170, 190), (130, 130, 130), (200, 140, 140), (110, 170, 150))


def check_kind(kind: str, kinds: Sequence[str]) -> None:
    """Raise ConfigError for a kind of picture that is none of these."""
    if kind not in kinds:
        raise ConfigError(f"kind = {kind!r}: expected one of {', '.join(kinds)}")


def plain_sheet(shape: tuple[int, int], colour: Colour) -> Picture:
    """Return paper of one colour, uint8 [H, W, 3]."""
    sheet = np.empty((*shape, 3), np.uint8)
    sheet[:] = np.array(colour, np.uint8)
    return sheet


def colours(draws: Draws, board: bool) -> tuple[Colour, Colour]:
    """Return the colours of ground and pen."""
    if board:
        ground = draws.choice(((30, 35, 32), (35, 70, 55), (45, 45, 50), (20, 30, 60)))
        bright = draws.between(185, 250)
        return ground, (bright, bright, bright * draws.between(0.75, 1))
    bright = draws.between(185, 250)
    warm, green = draws.between(-0.1, 0.06), draws.between(-0.03, 0.03)
    paper = (bright * (1 - warm / 2), bright * (1 + green), bright * (1 + warm))
    red, leaf, blue = draws.choice(PENS)
    return tuple(min(255.0, part) for part in paper), (red, leaf, blue)  # type: ignore[return-value]


def draw_line(
    picture: Picture,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: tuple[float, ...],
    thickness: int,
) -> None:
    """Draw a line between points in fractions of pixels, in place."""
    first, second = ((round(16 * x), round(16 * y)) for x, y in (start, end))
    cv2.line(picture, first, second, colour, thickness, cv2.LINE_AA, shift=4)


def gentle_light(draws: Draws, shape: tuple[int, int]) -> Picture:
    """Return gentle uneven light, uint8 [H, W], 255 at its brightest."""
    y, x = np.mgrid[-1:1:9j, -1:1:9j]
    corner = draws.between(0, 0.12) * (x * x + y * y) / 2
    slope = draws.between(-0.12, 0.12) * x + draws.between(-0.12, 0.12) * y
    field = slope - corner
    field = (255 * (1 + field - field.max())).astype(np.float32)
    light = cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    even: Picture = np.rint(light.clip(0, 255)).astype(np.uint8)
    return even


def lit(picture: Picture, light: Picture, exposure: float = 1.0) -> Picture:
    """Return a picture in some light, uint8 [H, W], of which a part is caught."""
    return np.asarray(cv2.multiply(picture, cv2.merge([light] * 3), scale=exposure / 255))


def compressed(picture: Picture, quality: int) -> Picture:
    """Return what a JPEG file of some quality keeps."""
    file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)[..., ::-1].copy()


def blurred(draws: Draws, picture: Picture, height: float) -> Picture:
    """Return a picture out of focus, or moved while it was taken."""
    if draws.between(0, 1) < 0.5:
        sigma = height * draws.between(0.015, 0.05)
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)
    length, angle = height * draws.between(0.04, 0.13), draws.between(0, math.pi)
    reach = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    half = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    draw_line(kernel, tuple(reach - half), tuple(reach + half), (255,), 1)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)
