"""How much ink lies on each pixel of a whole picture; used to read one digit, or a page of them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.errors import PictureError
from digitlab.preparation.glyph import SIDE
from digitlab.preparation.ground import find_ground
from digitlab.preparation.pixels import along, mean_of_channels, percentiles_of, scaled
from digitlab.preparation.ruled_lines import without_lines

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Record = Callable[[str, Picture], None]

NOISY = 0.08  # of the ink's strength; such pictures are smoothed
FAINTEST_INK = 14.0  # grey levels from the ground; less is blank paper


def find_ink(pixels: Picture, name: str, record: Record | None = None) -> Floats:
    """Return how much ink lies on each pixel, without the lines of ruled and squared paper.

    Args:
        pixels: uint8 [H, W, C], grey or RGB; dark ink on light ground or light on dark.
        name: what to call the picture in an error.
        record: called with the name and the image of each step.

    Returns:
        float32 [H, W] in [0, 1].

    Raises:
        PictureError: `blank` where nothing stands out from the ground.
    """
    ground = find_ground(pixels)
    difference: Floats = pixels.astype(np.float32) - ground.colours
    if ground.gain is not None:
        difference = scaled(difference, ground.gain)
    if record is not None:
        record("ground", levels(np.broadcast_to(ground.colours, pixels.shape)))
    strength = _strength(difference, None, name)
    noise: float | None = None
    if ground.kind == "photograph":
        for _ in range(2):
            noise = _noise(strength)
            if noise < NOISY:
                break
            smooth = cv2.GaussianBlur(difference, (0, 0), 0.006 * max(pixels.shape[:2]) + 0.4)
            difference = np.asarray(smooth, np.float32).reshape(pixels.shape)
            strength, noise = _strength(difference, None, name), None
    if record is not None:
        record("difference from the ground", levels(255 * strength))
    if ground.kind in ("photograph", "even"):
        cleaned, lines = without_lines(strength)
        if lines is not None:
            kept = np.divide(cleaned, strength, out=np.ones_like(strength), where=strength > 1e-6)
            strength = _strength(difference, lines & (kept < 0.5), name) * kept
            noise = None
    steep = ground.kind in ("photograph", "checkerboard") or (
        ground.kind == "even" and max(pixels.shape) > 2 * SIDE
    )
    ink = _thresholded(strength, _noise(strength) if noise is None else noise, steep)
    if record is not None:
        record("ink without lines", levels(255 * ink))
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
    strong = smooth > peak / 2
    direction = distance[strong] @ difference[strong]
    length = float(np.linalg.norm(direction))
    reached = along(difference, (direction / max(length, 1e-6)).astype(np.float32))
    level = percentiles_of(reached[strong], 98)[0] if strong.any() else 0.0
    if peak < FAINTEST_INK or level <= 0:
        raise PictureError(f"{name} is blank: nothing stands out from its ground", "blank")
    strength: Floats = reached / np.float32(level)
    return strength


def _thresholded(strength: Floats, noise: float, steep: bool) -> Floats:
    """Return ink in [0, 1]: none below a soft threshold, which is steep for photographs."""
    floor = min(4 * noise, 0.5)
    low, high = (max(floor, 0.15), 0.6) if steep else (floor, 1.0)
    ink: Floats = np.clip((strength - low) / (high - low), 0, 1).astype(np.float32)
    return ink


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
