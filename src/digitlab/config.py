"""What a recipe is: the dataclasses, TOML in and out, and every check of a user's choice.

The command line, the Python API and the run folder all speak of a run in these words; nothing else
in the package checks a user's settings.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import re
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from digitlab.errors import ConfigError
from digitlab.wording import one_of

NETWORKS = ("mlp", "cnn", "quick", "photo")
OBJECTIVES = ("cross-entropy", "square-error")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw")
SCHEDULES = ("constant", "step", "cosine", "one-cycle")
PRECISIONS = ("float32", "bf16")
PREPARATIONS = ("none", "2")
TRAIN_ON = ("train", "all")
VALIDATIONS = ("hash", "last")

CUSTOM_NETWORK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]{1,100}")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
RECIPES = Path(__file__).parent / "recipes"
DEFAULT_RECIPE = "quick"


def setting(default: Any, doc: str, **limits: Any) -> Any:
    """Return a dataclass field with its meaning and its limits (`low`, `high`, `choices`)."""
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


_SYNONYMS = {
    "lr": "optimizer.learning_rate",
    "rate": "optimizer.learning_rate",
    "loss": "objective.name",
    "model": "network.name",
    "batch": "training.batch_size",
    "dataset": "data.sources",
    "from": "start_from",
}
_OTHER_NAMES = {
    "mse": "square-error",
    "l2": "square-error",
    "mean-squared-error": "square-error",
    "ce": "cross-entropy",
    "nll": "cross-entropy",
    "softmax": "cross-entropy",
    "crossentropyloss": "cross-entropy",
    "nesterov": "momentum",
    "exponential": "step",
    "onecycle": "one-cycle",
}

# The names of flags and of the Python API's arguments, and the keys of a recipe that they set.
FLAGS: Mapping[str, str] = types.MappingProxyType(
    {
        "network": "network.name",
        "objective": "objective.name",
        "optimizer": "optimizer.name",
        "learning_rate": "optimizer.learning_rate",
        "schedule": "schedule.name",
        "epochs": "training.epochs",
        "batch_size": "training.batch_size",
        "augment": "augment",
        "seed": "seed",
        "device": "training.device",
        "data": "data.sources",
        "train_on": "data.train_on",
        "start_from": "start_from",
    }
)


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that ship."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe of that name or file, changed by `overrides`.

    Args:
        name: one of `shipped_recipes()`, or the path of a TOML file (a run's `config.toml`, too;
            its table `[recorded]` is for people and programs, and is passed over here).
        overrides: values by key, as `full_settings` takes them; strings are read as TOML values
            where the key wants a number, a flag or a list.

    Raises:
        ConfigError: for a name, key or value that is not allowed, and for a network of the user's
            own that the file names and `overrides` do not: code runs only when it is asked for.
    """
    table, origin = _read_toml(name)
    recorded = table.pop("recorded", None)
    values = full_settings(table, origin)
    if recorded:
        values.setdefault("data.validation", "last")  # the rule before runs wrote it down
    values.setdefault("name", Path(name).stem)
    own = str(values.get("network.name", ""))
    asked = full_settings(overrides or {})
    recipe: Recipe = _build(Recipe, {**values, **asked}, origin)
    if recipe.custom_network and asked.get("network.name") != own and own == recipe.network.name:
        module, _, name = own.partition(":")
        way = f"--network {own} on the command line"
        if module == "__main__":  # of a notebook or a script, which no command can import
            way = f"the class itself, network={name}, in Python"
        raise ConfigError(
            f"{origin}: names the network {own}, which is code of your own: give {way} to run it"
        )
    check(recipe, origin)
    return recipe


def check(recipe: Recipe, origin: str = "recipe") -> None:
    """Check what no single value shows.

    Raises:
        ConfigError: for settings that do not go together.
    """
    training, network = recipe.training, recipe.network
    if network.name not in NETWORKS and not recipe.custom_network:
        raise ConfigError(
            f"{origin}: network.name is {network.name!r}; expected {one_of(NETWORKS)}, "
            "or a class of your own as my_module:MyNetwork"
        )
    if not NAME.fullmatch(recipe.name):
        raise ConfigError(
            f"{origin}: name is {recipe.name!r}; expected 1 to 100 characters, none of them a "
            "slash, a backslash or a control character, and no dot first"
        )
    if not DEVICE.fullmatch(training.device):
        raise ConfigError(
            f"{origin}: training.device is {training.device!r}; "
            "expected auto, cpu, cuda, cuda:N or mps"
        )
    if training.shards > training.batch_size:
        raise ConfigError(
            f"{origin}: training.shards is {training.shards}, more than the "
            f"{training.batch_size} images of a batch; lower it or raise training.batch_size"
        )
    if training.precision == "bf16" and not training.device.startswith(("auto", "cuda")):
        raise ConfigError(
            f"{origin}: training.precision bf16 needs a CUDA device, not {training.device}"
        )
    if recipe.objective.name == "square-error" and recipe.objective.label_smoothing:
        raise ConfigError(
            f"{origin}: objective.label_smoothing goes with cross-entropy, not with square-error"
        )
    if recipe.objective.name == "square-error" and recipe.handwriting.no_digit:
        raise ConfigError(
            f"{origin}: handwriting.no_digit goes with cross-entropy, not with square-error"
        )
    if recipe.handwriting.is_on and recipe.data.preparation == "none":
        raise ConfigError(
            f"{origin}: handwriting ends in the preparation that reads; "
            f"set data.preparation to {one_of(PREPARATIONS[1:])}"
        )
    if recipe.handwriting.is_on and any(dataclasses.astuple(recipe.augment)):
        raise ConfigError(f"{origin}: handwriting and augment do not go together; use one of them")
    if recipe.optimizer.nesterov and not recipe.optimizer.momentum:
        raise ConfigError(f"{origin}: optimizer.nesterov needs optimizer.momentum above 0")
    if not recipe.data.sources:
        raise ConfigError(f"{origin}: data.sources is empty; name at least one, such as mnist")


def to_toml(recipe: Recipe, recorded: Mapping[str, Any] | None = None) -> str:
    """Return the recipe as TOML, every key written out, with `recorded` as a table at the end."""
    tables = recipe.to_dict()
    if recorded:
        tables["recorded"] = dict(recorded)
    scalars = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in scalars.items()]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]"]
            lines += [f"{_toml_key(key)} = {_toml_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def read_recorded(path: Path) -> dict[str, Any]:
    """Return the table `[recorded]` of a run's `config.toml` (empty where there is none)."""
    recorded = _read_toml(path)[0].get("recorded", {})
    return recorded if isinstance(recorded, dict) else {}


def read_begun_in(path: Path) -> str | None:
    """Return the folder in which the run of a `config.toml` was begun; None where it says none."""
    folder = read_recorded(path).get("begun_in")
    return folder if isinstance(folder, str) else None


def read_data_config(path: Path) -> DataConfig:
    """Return which data a run's `config.toml` names, without building its recipe.

    Raises:
        ConfigError: where it names none, or what is not allowed.
    """
    table, origin = _read_toml(path)
    values = full_settings({"data": table.get("data", {})}, origin)
    if "data.sources" not in values:
        raise ConfigError(f"{path}: names no data.sources; give --data")
    if "recorded" in table:
        values.setdefault("data.validation", "last")
    config: DataConfig = _build(DataConfig, values, origin, "data.")
    return config


def full_settings(settings: Mapping[str, Any], origin: str = "") -> dict[str, Any]:
    """Return settings by their full keys; values are not looked at.

    Args:
        settings: by full key (`training.epochs`), by short name (`epochs`, see `full_key`), or as
            tables of keys, as TOML has them. `augment` may also be a text, as `--augment` takes.
        origin: what messages call where they stand; empty: nothing.

    Raises:
        ConfigError: for a key that is none, that may be one of several, or that is there twice.
    """
    where = f"{origin}: " if origin else ""
    full: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name, value in _names(settings):
        try:
            for key, one in _meant(name, value).items():
                if key in full:
                    raise ConfigError(f"{key} is set twice, as {given[key]} and as {name}")
                full[key], given[key] = one, name
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from None
    return full


def full_key(name: str) -> str:
    """Return the full key of a recipe that a name means.

    A short name is the last part of a key, where no other key ends so, or the name of a flag.

    Raises:
        ConfigError: where it is no key, or may be one of several; names them, or the nearest.
    """
    keys = recipe_keys()
    if name in keys:
        return name
    if FLAGS.get(name) in keys:
        return FLAGS[name]
    alike = [key for key in keys if key.endswith(f".{name}")]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise ConfigError(f"{name} may be {one_of(alike)}; give its full name")
    inside = [key for key in keys if key.startswith(f"{name}.")]
    if inside:
        raise ConfigError(f"{name} is a group of settings; name one of them, as {inside[0]}")
    near = nearest_keys(name)
    group = name.partition(".")[0]
    known = [key for key in keys if key.startswith(f"{group}.")] if "." in name else []
    groups = dict.fromkeys(key.partition(".")[0] for key in keys)
    meant = f"did you mean {one_of(near)}?" if near else f"expected {one_of(known or groups)}"
    shown = name if re.fullmatch(r"[\w.-]+", name) else _toml_value(name)
    raise ConfigError(f"there is no setting {shown}; {meant}")


def nearest_keys(name: str) -> list[str]:
    """Return the full keys of a recipe that somebody may have meant by what is no key."""
    keys = recipe_keys()
    group, _, short = name.lower().replace("-", "_").rpartition(".")
    by_last: dict[str, list[str]] = {}
    for key in keys:
        by_last.setdefault(key.rpartition(".")[2], []).append(key)
    others = {**_SYNONYMS, **{flag: key for flag, key in FLAGS.items() if key in keys}}
    near = by_last.get(short) or ([others[short]] if short in others else [])
    if not near:
        for last in difflib.get_close_matches(short, by_last, 1, 0.75):
            near = by_last[last]
    near = near or difflib.get_close_matches(name, keys, 1, 0.8)
    return [key for key in near if key.startswith(f"{group}.")] or near


def nearest_choice(value: Any, choices: Iterable[str]) -> str | None:
    """Return the choice that somebody may have meant, such as adam by Adam, or None."""
    text = str(value).lower().replace("_", "-")
    known = {**{one: one for one in choices}, **_OTHER_NAMES}
    found = known.get(text) or next(
        (known[one] for one in difflib.get_close_matches(text, known, 1, 0.6)), None
    )
    return found if found in set(choices) else None


@functools.cache
def recipe_keys() -> tuple[str, ...]:
    """Return the full keys of all settings of a recipe, such as `training.epochs`."""
    hints = get_type_hints(Recipe)
    keys: list[str] = []
    for one in dataclasses.fields(Recipe):
        if dataclasses.is_dataclass(hints[one.name]):
            keys += [f"{one.name}.{inner.name}" for inner in dataclasses.fields(hints[one.name])]
        else:
            keys.append(one.name)
    return tuple(keys)


def parse_augment(text: str) -> dict[str, Any]:
    """Return the table that `--augment` means: `none`, or `shift=1,rotation=10`.

    Raises:
        ConfigError: where a part is no `name=number`.
    """
    names = [item.name for item in dataclasses.fields(AugmentConfig)]
    table: dict[str, Any] = dict.fromkeys(names, 0)
    if text.strip() in ("none", ""):
        return table
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in names or not equals:
            raise ConfigError(
                f"augment: {part.strip()!r} is not understood; expected none, or parts such as "
                f"shift=1,rotation=10 of {one_of(names)}"
            )
        table[name] = _from_text(value, float)
    return table


def parse_setting(text: str) -> tuple[str, str]:
    """Split `key=value` of `--set`.

    Raises:
        ConfigError: where there is no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set: {text!r} is not key=value; try --set momentum=0.95")
    return key.strip(), value.strip()


def _read_toml(name: str | Path) -> tuple[dict[str, Any], str]:
    """Return the tables of a recipe and the words by which messages call it."""
    shipped = RECIPES / f"{name}.toml"
    known = str(name) in shipped_recipes()
    path = shipped if known else Path(name)
    origin = f"recipe {name}" if known else str(path)
    if not known and path.suffix != ".toml":
        raise ConfigError(
            f"there is no recipe {str(name)!r}; expected {one_of(shipped_recipes())}, "
            "or the path of a .toml file"
        )
    return read_toml(path, origin), origin


def read_toml(path: Path, origin: str) -> dict[str, Any]:
    """Return the tables of a TOML file; `origin` is what messages call it.

    Raises:
        ConfigError: where it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: is not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{origin}: is not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{origin}: is not valid TOML: a value is too long or too deep") from None
    except OSError as error:
        raise ConfigError(f"{origin}: cannot be read: {error.strerror}") from None


def _names(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys of settings and of the tables in them, and their values."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield str(name), value


def _meant(name: str, value: Any) -> dict[str, Any]:
    """Return what one setting means, by full key."""
    if isinstance(value, Mapping) and any(key.startswith(f"{name}.") for key in recipe_keys()):
        return {}  # an empty table
    if name == "augment":
        return {f"augment.{key}": one for key, one in parse_augment(str(value)).items()}
    return {full_key(name): value}


def _build(cls: type[Any], values: Mapping[str, Any], origin: str, prefix: str = "") -> Any:
    """Make a dataclass of values by full key, checking types, choices and ranges."""
    hints = get_type_hints(cls)
    made: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        key, kind = f"{prefix}{item.name}", hints[item.name]
        if dataclasses.is_dataclass(kind):
            made[item.name] = _build(kind, values, origin, f"{key}.")  # type: ignore[arg-type]
        elif key in values:
            made[item.name] = _value(values[key], kind, item.metadata, f"{origin}: {key}")
    return cls(**made)


def _value(value: Any, kind: Any, limits: Mapping[str, Any], where: str) -> Any:
    """Return `value` as `kind`, within its limits."""
    if isinstance(value, str) and kind is not str:
        value = _from_text(value, kind)
    if get_origin(kind) is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ConfigError(f"{where} must be a list of strings, not {value!r}")
        if not all(isinstance(item, str | Path) and str(item) for item in value):
            raise ConfigError(f"{where} must be a list of strings, not {list(value)!r}")
        return tuple(_text(str(item), where) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not kind:
        raise ConfigError(f"{where} must be {_kind_name(kind)}, not {value!r}")
    if kind is float and not math.isfinite(value):
        raise ConfigError(f"{where} must be a finite number, not {value!r}")
    if kind is str:
        _text(value, where)
    choices = limits.get("choices")
    if choices and value not in choices:
        meant = nearest_choice(value, choices)
        asked = f"; did you mean {meant}?" if meant else ""
        raise ConfigError(f"{where} is {value!r}; expected {one_of(choices)}{asked}")
    low, high = limits.get("low"), limits.get("high")
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ConfigError(f"{where} is {value!r}; expected {span}")
    return value


def _text(text: str, where: str) -> str:
    """Return a text that TOML can hold; a name in another encoding comes as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{where} is not UTF-8 text: {text!r}") from None
    return text


def _from_text(text: str, kind: Any) -> Any:
    """Read what stands behind `=` on a command line; what is no value of TOML stays text."""
    if get_origin(kind) is tuple and not text.lstrip().startswith("["):
        return (text,)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:  # "1" and "1e-3" are TOML, "5." and ".5" are not, but people write them
        return float(text)
    except ValueError:
        return text


def _kind_name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return names[kind]


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but that TOML wants DEL escaped, too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{_toml_key(key)} = {_toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return repr(value)
