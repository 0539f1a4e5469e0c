"""One glyph as the network wants it: 28 x 28, ink bright on black, as the makers of MNIST did it.

The one preparation of pictures, used by data, training, evaluation and reading. A model names the
version that it was trained with in its property `preparation`:

- ``none``: images of a dataset, which are 28 x 28 with bright ink already, are fed as they are;
- ``1``: images of a dataset go through this file, too, in training, evaluation and reading.

Pictures from files always go through `prepare`, whichever it is: they are no dataset yet.

The steps: the ground is estimated and subtracted (`_even_ground`, `_median_ground`), what differs
from it becomes ink between 0 and 1 (`_ink`), one digit is chosen among the components
(`_digit_only`), thin strokes are thickened (`_thickened`), the longer side becomes 20 pixels and
the centre of mass the centre of 28 x 28 (LeCun, Bottou, Bengio and Haffner, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.decoding import MAX_PIXELS, Picture, as_picture, load_picture
from digitlab.errors import ConfigError, PictureError

__all__ = [
    "MAX_PIXELS",
    "VERSION",
    "VERSIONS",
    "Glyph",
    "Step",
    "explain",
    "find_glyph",
    "load_picture",
    "prepare",
    "prepare_images",
]

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]

VERSION = "1"
VERSIONS = ("none", VERSION)

SIDE = 28
GLYPH_SIDE = 20
WORKING_SIDE = 1024  # pixels; larger pictures are shrunk for the first look
GROUND_SIDE = 96  # pixels; light changes slowly, so that its median is taken on a small copy
GROUND_WINDOWS = (0.45, 0.9)  # of the longer side; the wide one where strokes fill the first
THICKEST = 0.5  # of the longer side; no stroke is wider
THICK = 0.07  # of the longer side; such strokes cover a good part of the first window
FAINTEST_INK = 14.0  # grey levels from the ground; less is blank paper
INKED = 0.3  # of the ink's strength; more counts as a stroke
STROKE_WIDTH = 1.9  # pixels of the 20, thinner strokes are thickened


@dataclass(frozen=True)
class Glyph:
    """One digit found in a picture.

    Attributes:
        image: uint8 [28, 28], ink bright on black.
        box: x, y, width and height in pixels of the picture.
    """

    image: Picture
    box: Box


@dataclass(frozen=True)
class Step:
    """One step of the preparation of one picture.

    Attributes:
        name: what was done, in a few words.
        image: uint8 [H, W] or [H, W, 3], what it gave.
    """

    name: str
    image: Picture


def prepare(picture: Picture) -> Picture:
    """Return the digit in a picture as uint8 [28, 28]; `find_glyph` also says where it was."""
    return find_glyph(picture).image


def find_glyph(picture: Picture, name: str = "the picture") -> Glyph:
    """Find one digit and make it what the network wants.

    Args:
        picture: uint8 [H, W], [H, W, 3] or [H, W, 4] of any size; dark ink on light ground or light
            on dark, anywhere in the picture.
        name: what to call the picture in an error.

    Raises:
        PictureError: `blank` where nothing stands out from the ground, `not-a-picture` for an array
            of another shape or type.
    """
    return _look(as_picture(picture, name), name, closer=True)


def explain(picture: Picture, name: str = "the picture") -> tuple[Step, ...]:
    """Return the steps from a picture to what the network sees; the last is that of `prepare`.

    Raises:
        PictureError: as `find_glyph` does.
    """
    image = find_glyph(picture, name).image
    ink = _ink(as_picture(picture, name), name)
    digit = _digit_only(ink)
    crop, _ = _cropped(digit)
    shown = (
        ("ink, without its ground", ink),
        ("the digit alone", digit),
        ("cropped", crop),
        ("thin strokes thickened", _thickened(crop)),
    )
    steps = [Step(done, np.rint(values * 255).astype(np.uint8)) for done, values in shown]
    return (*steps, Step("20 pixels, centred by mass", image))


def prepare_images(images: npt.NDArray[np.uint8], version: str) -> npt.NDArray[np.uint8]:
    """Prepare the images of a dataset as a model's property `preparation` says.

    Dataset images have bright ink on black by definition, so that nothing is guessed about their
    ground; a blank image stays black.

    Args:
        images: uint8 [N, 28, 28], ink bright.
        version: ``none`` gives the same array back; ``1`` prepares each image.

    Raises:
        ConfigError: for a version that this digitlab does not know.
    """
    if version not in VERSIONS:
        raise ConfigError(
            f"preparation = {version!r}: expected one of {', '.join(VERSIONS)}; "
            "a newer digitlab may know it"
        )
    if version == "none":
        return images
    prepared = np.zeros_like(images)
    for image, place in zip(images, prepared, strict=True):
        if image.any():
            ink = image.astype(np.float32) / image.max()
            place[:] = _normalised(_cropped(ink)[0])
    return prepared


def _look(picture: Picture, name: str, closer: bool) -> Glyph:
    height, width = picture.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = picture if scale == 1 else _resized(picture, size)
    crop, box = _cropped(_digit_only(_ink(small, name)))
    across, down = width / size[0], height / size[1]
    left, top = int(box[0] * across), int(box[1] * down)
    right = min(width, int(np.ceil((box[0] + box[2]) * across)))
    bottom = min(height, int(np.ceil((box[1] + box[3]) * down)))
    if closer and scale < 1 and max(box[2:]) < WORKING_SIDE / 4:
        # A small digit in a large picture lost pixels by shrinking: look again, only there.
        margin = max(right - left, bottom - top)
        x, y = max(0, left - margin), max(0, top - margin)
        near = _look(picture[y : bottom + margin, x : right + margin], name, closer=False)
        return Glyph(near.image, (near.box[0] + x, near.box[1] + y, *near.box[2:]))
    return Glyph(_normalised(crop), (left, top, right - left, bottom - top))


def _resized(pixels: Picture, size: tuple[int, int]) -> Picture:
    """Shrink a picture to (width, height), averaging over areas."""
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _even_ground(pixels: Picture) -> Floats | None:
    """Return the one colour, float32 [C], on which a drawing lies; None for other pictures.

    Either the frame of the picture has one colour, or strokes are cut by it and half of it has
    exactly one; and what differs from that colour is no thicker than strokes are.
    """
    frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    low, colour, high = np.percentile(frame, (5, 50, 95), axis=0).astype(np.float32)
    framed = bool(np.all(high - low <= 12))
    if not framed and np.mean(np.all(np.abs(frame - colour) <= 2, axis=1)) < 0.5:
        return None
    near = np.all(np.abs(pixels - colour) <= (16 if framed else 2), axis=2)
    if near.mean() < (0.5 if framed else 0.3):
        return None
    depth = cv2.distanceTransform((~near).astype(np.uint8), cv2.DIST_L2, 3).max()
    return colour if 2 * depth <= THICKEST * max(near.shape) else None


def _median_ground(pixels: Picture, window: float) -> Floats:
    """Return the ground of a photograph, float32 [H, W, C]: a median over `window` of its side.

    Strokes cover less than half of so large a window; shadows are followed, and keep their edges.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, GROUND_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    median = cv2.medianBlur(_resized(pixels, size), max(3, int(window * max(size)) | 1))
    return cv2.resize(median, (width, height)).reshape(pixels.shape).astype(np.float32)


def _ink(picture: Picture, name: str) -> Floats:
    """Return how much ink lies on each pixel, float32 [H, W] in [0, 1].

    Raises:
        PictureError: `blank` where nothing stands out.
    """
    pixels = picture if picture.ndim == 3 else picture[..., None]
    colour = _even_ground(pixels)
    if colour is not None:
        return _stroke_ink(pixels - colour, name, steep=max(picture.shape) > 2 * SIDE)
    ink = _stroke_ink(pixels - _median_ground(pixels, GROUND_WINDOWS[0]), name, steep=True)
    depth = cv2.distanceTransform((ink > INKED).astype(np.uint8), cv2.DIST_L2, 3)
    if 2 * depth.max() > THICK * max(ink.shape):
        ink = _stroke_ink(pixels - _median_ground(pixels, GROUND_WINDOWS[1]), name, steep=True)
    return ink


def _stroke_ink(difference: Floats, name: str, steep: bool) -> Floats:
    """Return the ink, float32 [H, W] in [0, 1], of what differs from the ground, [H, W, C].

    Ink is measured along its own colour, so that a pale blue pen counts whole and a grey shadow
    little; below a soft threshold it is none. The threshold is `steep` for photographs.
    """
    distance = np.sqrt(np.square(difference).mean(axis=2))
    smooth = distance if max(distance.shape) < 64 else cv2.blur(distance, (3, 3))
    peak = float(smooth.max())
    strong = smooth > peak / 2
    direction = (difference[strong] * distance[strong, None]).sum(axis=0)
    length = float(np.linalg.norm(direction))
    along: Floats = difference @ (direction / max(length, 1e-6)).astype(np.float32)
    level = float(np.percentile(along[strong], 98)) if strong.any() else 0.0
    if peak < FAINTEST_INK or level <= 0:
        raise PictureError(f"{name} is blank: nothing stands out from its ground", "blank")
    noise = 1.4826 * float(np.median(np.abs(along - np.median(along))))
    floor = min(4 * noise, 0.5 * level)
    low, high = (max(floor, 0.15 * level), 0.6 * level) if steep else (floor, level)
    ink: Floats = np.clip((along - low) / (high - low), 0, 1).astype(np.float32)
    return ink


def _digit_only(ink: Floats) -> Floats:
    """Keep the component that is most likely the digit and its near parts; clear the rest.

    The heaviest component wins, where ink along the edge of the picture does not count (a frame, a
    ruled line), and a component that is cut by the edge counts a quarter. Parts that belong to it,
    such as the hat of a 5, are near and not too small.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats((ink > INKED).astype(np.uint8))
    if len(stats) <= 2:
        return ink
    left, top, width, height = (stats[:, side] for side in range(4))
    right, bottom = left + width, top + height
    cut = (left == 0) | (top == 0) | (right == ink.shape[1]) | (bottom == ink.shape[0])
    mass = np.bincount(labels.ravel(), ink.ravel(), len(stats))
    rows, columns = ink.shape[0] // 16, ink.shape[1] // 16
    inner = np.s_[rows : ink.shape[0] - rows, columns : ink.shape[1] - columns]
    inside = np.bincount(labels[inner].ravel(), ink[inner].ravel(), len(stats))
    inside[0] = -1
    main = int(np.argmax(np.where(cut, inside / 4, inside)))
    gap_x = np.maximum(left - right[main], left[main] - right)
    gap_y = np.maximum(top - bottom[main], top[main] - bottom)
    near = np.maximum(gap_x, gap_y) <= 0.3 * max(width[main], height[main])
    kept = near & (mass >= 0.03 * mass[main]) & (~cut | cut[main])
    kept[0] = False
    # The soft edge of a stroke lies outside its mask.
    around = cv2.dilate(kept[labels].astype(np.uint8), np.ones((5, 5), np.uint8))
    return ink * around


def _cropped(ink: Floats) -> tuple[Floats, Box]:
    """Return the ink without empty margins, and the box that it came from."""
    stroke = ink > INKED / 2
    columns, rows = np.flatnonzero(stroke.any(axis=0)), np.flatnonzero(stroke.any(axis=1))
    left, right = int(columns[0]), int(columns[-1]) + 1
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return ink[top:bottom, left:right], (left, top, right - left, bottom - top)


def _normalised(ink: Floats) -> Picture:
    """Return cropped ink as uint8 [28, 28]: 20 pixels on its longer side, centred by mass."""
    height, width = ink.shape
    scale = GLYPH_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    ink = cv2.resize(_thickened(ink), size, interpolation=method).astype(np.float32)
    ink = np.clip(ink / ink.max(), 0, 1)
    return _centred(np.rint(ink * 255).astype(np.uint8))


def _thickened(ink: Floats) -> Floats:
    """Widen strokes that would vanish when the longer side becomes 20 pixels.

    A loop is never filled: two thirds of the depth of every hole stay free. Widening that would
    close an open stroke into a loop is halved until it does not.
    """
    mask = ink > 0.5
    inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    if not mask.any():
        return ink
    # Over a strip w pixels wide, the distance to its edge has the mean w / 4 + 1 / 2.
    width = max(1.0, 4 * float(inside[mask].mean()) - 2)
    radius = (STROKE_WIDTH * max(ink.shape) / GLYPH_SIDE - width) / 2
    if radius <= 0.25:
        return ink
    border = int(np.ceil(radius))
    ink, mask = np.pad(ink, border), np.pad(mask, border)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    holes, labels = _holes(mask)
    deepest = np.zeros(int(labels.max()) + 1, np.float32)
    np.maximum.at(deepest, labels.ravel(), outside.ravel())
    free = np.isin(labels, holes) & (outside > deepest[labels] / 3)
    while radius > 0.25:
        wider = np.where(free, 0, np.clip(radius + 1 - outside, 0, 1)).astype(np.float32)
        if len(_holes(wider > 0.5)[0]) <= len(holes):
            return np.maximum(ink, wider)
        radius /= 2
    return ink


def _holes(mask: Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the labels of the holes in a mask, and those of all that is no ink, int32 [H, W]."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    height, width = mask.shape
    inner = (stats[:, 0] > 0) & (stats[:, 1] > 0)
    inner &= (stats[:, 0] + stats[:, 2] < width) & (stats[:, 1] + stats[:, 3] < height)
    inner[0] = False
    return np.flatnonzero(inner).astype(np.int64), labels.astype(np.int32)


def _centred(glyph: Picture) -> Picture:
    """Put the centre of mass of a glyph, at most 28 x 28, into the centre of uint8 [28, 28]."""
    height, width = glyph.shape
    mass = glyph.astype(np.float64)
    x = float(mass.sum(axis=0) @ np.arange(width) / mass.sum())
    y = float(mass.sum(axis=1) @ np.arange(height) / mass.sum())
    left = int(np.clip(round(SIDE / 2 - x), 0, SIDE - width))
    top = int(np.clip(round(SIDE / 2 - y), 0, SIDE - height))
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = glyph
    return image
