"""Whether digits lie on their sides, as EMNIST's do where nobody turns them; needs no labels.

Used by training, evaluation, export and `digitlab data`. The model that ships is asked which way it
is surer; of the embedded MNIST it is known.
"""

from __future__ import annotations

import numpy as np

from digitlab.data.dataset import Dataset, Images
from digitlab.data.sources import MNIST, kind_of
from digitlab.reading.recogniser import NO_DIGIT, Recogniser

_ASKED = 200  # images
_CLEARLY = 0.2  # of the mean probability; MNIST, turned, falls from 0.98 to 0.35

_WAYS_OUT = {
    "idx": "Of IDX files, emnist:FOLDER turns them and idx:FOLDER does not",
    "pictures": "Of pictures, Pillow's transpose(Image.Transpose.TRANSPOSE) turns each",
    "arrays": "Of arrays [N, 28, 28], images.transpose(0, 2, 1) turns them in Python",
}


def warnings_of(dataset: Dataset) -> tuple[str, ...]:
    """Return all that may be wrong with a dataset, one line each."""
    lying = lying_warning(dataset)
    return dataset.warnings if lying is None else (*dataset.warnings, lying)


def lying_warning(dataset: Dataset) -> str | None:
    """Return a line where the digits of a dataset seem to be stored column by column, else None."""
    split = next(iter(dataset.splits.values()), None)
    if dataset.source == MNIST or split is None or not len(split) or not seem_to_lie(split.images):
        return None
    kinds = dict.fromkeys(map(kind_of, dataset.source.split(" + ")))
    return (
        f"{dataset.source}: the digits seem to lie on their sides, mirrored; look at them by "
        f"digitlab data. {'; '.join(_WAYS_OUT[kind] for kind in kinds)}"
    )


def seem_to_lie(images: Images) -> bool:
    """Return whether the model is clearly surer of images with rows and columns exchanged.

    Args:
        images: uint8 [N, 28, 28], ink bright; N at least 1.
    """
    chosen = images[np.unique(np.linspace(0, len(images) - 1, _ASKED).round().astype(int))]
    recogniser = Recogniser()

    def certainty(images: Images) -> float:
        likely = recogniser.probabilities(np.ascontiguousarray(images))[:, :NO_DIGIT]
        return float(likely.max(axis=1).mean())

    return certainty(chosen.transpose(0, 2, 1)) - certainty(chosen) > _CLEARLY
