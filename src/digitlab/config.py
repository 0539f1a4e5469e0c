"""What a recipe is: the dataclasses, with the default, the meaning and the limits of each setting.

The command line, the Python API and the run folder all speak of a run in these words.
setting_names.py says what a user's names for them mean, recipe_files.py reads and checks them.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any

NETWORKS = ("mlp", "cnn", "quick", "photo", "photo-wide", "two-columns", "two-heads")
OBJECTIVES = ("cross-entropy", "square-error", "cross-entropy-and-box")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw")
SCHEDULES = ("constant", "step", "cosine", "one-cycle")
PRECISIONS = ("float32", "bf16")
PREPARATIONS = ("none", "2", "3")
TRAIN_ON = ("train", "all")
VALIDATIONS = ("hash", "last")

CUSTOM_NETWORK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def setting(default: Any, doc: str, **limits: Any) -> Any:
    """Return a dataclass field with its meaning and its limits (`low` and `high`, or `choices`)."""
    return field(default=default, metadata={"doc": doc, **limits})


@dataclass(frozen=True)
class DataConfig:
    """Which images are learned from."""

    sources: tuple[str, ...] = setting(("mnist",), "data sources, joined in this order")
    train_on: str = setting("train", "all: learn from the validation split, too", choices=TRAIN_ON)
    validation: str = setting(
        "hash", "what becomes a validation split where there is none", choices=VALIDATIONS
    )
    preparation: str = setting("none", "version of the preparation", choices=PREPARATIONS)


@dataclass(frozen=True)
class AugmentConfig:
    """How strongly training images are varied; 0 is off. See `digitlab.data.augment`."""

    shift: int = setting(0, "whole pixels, at most, each way", low=0, high=14)
    rotation: float = setting(0.0, "degrees, at most, either way", low=0, high=180)
    scale: float = setting(0.0, "fraction, at most, larger or smaller", low=0, high=0.9)
    shear: float = setting(0.0, "degrees, at most, either way", low=0, high=60)
    elastic: float = setting(0.0, "pixels of smooth displacement", low=0, high=10)
    stroke: float = setting(0.0, "pixels of thickness, more or less", low=0, high=2)


@dataclass(frozen=True)
class HandwritingConfig:
    """Other hands, pens and cameras; 0 is off. See `digitlab.synthesis.handwriting`."""

    no_digit: float = setting(
        0.0, "fraction turned into no digit, the eleventh answer", low=0, high=0.9
    )
    drawn: float = setting(0.0, "fraction drawn anew from strokes", low=0, high=1)
    styles: float = setting(0.0, "probability of strokes of other styles", low=0, high=1)
    rotation: float = setting(0.0, "degrees, at most, either way", low=0, high=180)
    slant: float = setting(0.0, "tangent of the slant, at most, either way", low=0, high=2)
    stretch: float = setting(0.0, "log of width to height, at most, either way", low=0, high=2)
    bend: float = setting(0.0, "pixels of smooth displacement", low=0, high=10)
    pen: float = setting(0.0, "probability of another pen", low=0, high=1)
    spoil: float = setting(0.0, "how often cameras and scanners spoil; 1 is usual", low=0, high=2)
    remains: float = setting(
        0.0, "how often lines, neighbours, print and gaps are left; 1 is usual", low=0, high=2
    )

    in_number: float = setting(
        0.0, "fraction shown in its place in a number, beside what touches it", low=0, high=1
    )

    @property
    def is_on(self) -> bool:
        """Whether any of it is asked for."""
        return any(dataclasses.astuple(self))


@dataclass(frozen=True)
class NetworkConfig:
    """The network: one of ours, or a class of the user's own as `my_module:MyNetwork`."""

    name: str = setting("quick", "a network's name, or my_module:MyNetwork")


@dataclass(frozen=True)
class ObjectiveConfig:
    """The loss, and how an output becomes a digit."""

    name: str = setting("cross-entropy", "the loss", choices=OBJECTIVES)
    label_smoothing: float = setting(0.0, "cross-entropy only", low=0, high=0.999)


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters move. Keys that an optimizer does not have are ignored by it."""

    name: str = setting("sgd", "the rule", choices=OPTIMIZERS)
    learning_rate: float = setting(0.01, "the schedule's highest", low=0, high=1e6)
    momentum: float = setting(0.9, "momentum only; sgd has none", low=0, high=1)
    nesterov: bool = setting(False, "momentum only")
    beta1: float = setting(0.9, "adam, adamw: decay of the mean", low=0, high=0.999999)
    beta2: float = setting(0.999, "adam, adamw: decay of the square", low=0, high=0.999999999)
    alpha: float = setting(0.99, "rmsprop: decay of the square", low=0, high=0.999999999)
    epsilon: float = setting(1e-8, "added to the root of the square", low=1e-30, high=1)
    weight_decay: float = setting(0.0, "of every parameter", low=0, high=1e3)


@dataclass(frozen=True)
class ScheduleConfig:
    """How the learning rate changes with the step. See `digitlab.optimizers.learning_rate`."""

    name: str = setting("constant", "the shape", choices=SCHEDULES)
    every: float = setting(1.0, "step: epochs between two drops", low=1e-9, high=1e9)
    factor: float = setting(0.1, "step: what a drop multiplies by", low=0, high=1)
    warmup: float = setting(0.3, "one-cycle: fraction of the steps that rise", low=0, high=1)
    initial: float = setting(0.04, "one-cycle: first rate, as a fraction", low=0, high=1)
    final: float = setting(0.0, "cosine, one-cycle: last rate, as a fraction", low=0, high=1)


@dataclass(frozen=True)
class TrainingConfig:
    """How long, in what pieces, and on what."""

    epochs: float = setting(
        1.0, "passes over the training data; may be a fraction", low=1e-9, high=1e9
    )
    batch_size: int = setting(100, "images a step", low=1, high=1_000_000)
    shards: int = setting(4, "fixed parts of a batch; part of the result", low=1, high=4096)
    moving_average: float = setting(0.0, "decay of averaged weights; 0: off", low=0, high=0.999999)
    precision: str = setting("float32", "bf16: autocast, on CUDA only", choices=PRECISIONS)
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps")
    calibrate: int = setting(
        0, "made pictures that set the temperature; 0: validation images do", low=0, high=1_000_000
    )
    max_skips: int = setting(10, "steps in a row without a finite gradient", low=1, high=10**9)


@dataclass(frozen=True)
class Recipe:
    """Everything that a run needs; a run is a pure function of it, its data and start weights."""

    name: str = setting("custom", "what reports call it")
    description: str = setting("", "one sentence for people")
    seed: int = setting(1, "of initial weights, order and augmentation", low=0, high=2**63 - 1)
    start_from: str = setting("", "a run whose weights to start with; empty: fresh weights")
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    handwriting: HandwritingConfig = field(default_factory=HandwritingConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    @property
    def custom_network(self) -> bool:
        """Whether the network is a class of the user's own."""
        return CUSTOM_NETWORK.fullmatch(self.network.name) is not None

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values, tuples as lists."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain
