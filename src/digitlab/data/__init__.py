"""Datasets: what they are, where they come from, and the batches that are made of them.

The names here are what the rest of digitlab, and users, need of loading; no PyTorch is imported.
"""

from digitlab.data.arrays import save_npz
from digitlab.data.dataset import SPLITS, Dataset, Split
from digitlab.data.sources import join_datasets, load_dataset
from digitlab.data.streams import MAX_BYTES

__all__ = [
    "MAX_BYTES",
    "SPLITS",
    "Dataset",
    "Split",
    "join_datasets",
    "load_dataset",
    "save_npz",
]
