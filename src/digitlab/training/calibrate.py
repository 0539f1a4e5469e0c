"""The temperature that makes a model's probabilities honest, found on pictures that it never saw.

Used by finish.py. They are the images of the validation split, for confidence on data like these.
That says nothing about photographs; for these, a recipe asks for made pictures: validation digits
as cameras see them (synthesis/camera.py), read by the preparation that reads files.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from digitlab.data.dataset import Images, Labels, Split
from digitlab.errors import PictureError
from digitlab.preparation import VERSION, find_glyph
from digitlab.synthesis.camera import KINDS, can_be_photographed, photograph

# All that spoil a digit; a picture of several thousand pixels is none of them, and slow to make.
_KINDS = tuple(kind for kind in KINDS if kind != "large")
# Of the spread of logits; hotter, and rounding would make equal what is not.
_COLDEST, _HOTTEST = 0.001, 100.0
_SECTIONS = 40  # each takes a third of what is left, down to a millionth


def photographed(
    split: Split,
    count: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    version: str = VERSION,
) -> tuple[Images, Labels, npt.NDArray[np.bool_]]:
    """Return `count` digits of a split as the preparation finds them in made pictures.

    Args:
        split: of which blank and faint images are passed over.
        count: pictures; the kinds take turns, and so do the images.
        seed: of the pictures.
        progress: is called with (done, all) after each picture.
        version: of the preparation that reads them.

    Returns:
        uint8 [N, 28, 28], int64 [N], and bool [N], which of them are disturbed (`Glyph`); N is less
        than `count` where nothing was found in some, and 0 where none can be seen.
    """
    images, labels, disturbed = [], [], []
    visible = can_be_photographed(split.images)
    for at in range(count if len(visible) else 0):
        sample = int(visible[at % len(visible)])
        picture = photograph(split.images[sample], _KINDS[at % len(_KINDS)], seed, at)
        try:
            glyph = find_glyph(picture, version=version)
            images.append(glyph.image)
            disturbed.append(glyph.disturbed)
            labels.append(int(split.labels[sample]))
        except PictureError:  # nothing to be seen: no digit is read, and none is wrong
            pass
        if progress is not None:
            progress(at + 1, count)
    shape = (len(images), 28, 28)
    prepared = np.array(images, np.uint8).reshape(shape)
    return prepared, np.array(labels, np.int64), np.array(disturbed, np.bool_)


def best_temperature(logits: npt.NDArray[np.floating], labels: Labels) -> float:
    """Return the temperature with the least cross-entropy (Guo, Pleiss, Sun, Weinberger, 2017).

    The truth is smoothed as if one image more had been seen, whose label nobody knows (after
    Platt, 1999). So a few images, all of them right, do not make a model certain.

    Args:
        logits: float [N, K], all finite.
        labels: int64 [N], N at least 1.

    Returns:
        Above 0, in the measure of the logits; 1 where these are all equal. Found by sections, since
        the loss has one valley over 1 / temperature.
    """
    scores = logits.astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    truth = scores[np.arange(len(labels)), labels].mean()
    unknown = 1 / (len(labels) + 1)
    target = float((1 - unknown) * truth + unknown * scores.mean())

    def loss(temperature: float) -> float:
        return float(np.log(np.exp(scores / temperature).sum(axis=1)).mean()) - target / temperature

    spread = float(scores.std())
    if not spread:
        return 1.0
    low, high = math.log(_COLDEST * spread), math.log(_HOTTEST * spread)
    for _ in range(_SECTIONS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if loss(math.exp(left)) < loss(math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)
