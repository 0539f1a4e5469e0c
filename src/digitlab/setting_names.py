"""What a user's name for a setting means, and what somebody may have meant by a wrong one.

Used wherever a recipe is set: by recipe_files.py, studies, the command line and the Python API.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, get_origin, get_type_hints

from digitlab.config import CUSTOM_NETWORK, AugmentConfig, Recipe
from digitlab.errors import ConfigError
from digitlab.wording import one_of, printable

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
    "gpu": "cuda",
    "nvidia": "cuda",
    "metal": "mps",
}
# What other tools have settings for, and here is written as layers.
_OF_LAYERS = frozenset(
    (
        "activation", "batch_norm", "batchnorm", "channels", "depth", "drop_rate", "dropout",
        "filters", "hidden", "hidden_dim", "hidden_layers", "hidden_size", "hidden_units",
        "kernel_size", "layers", "num_layers", "pooling", "width",
    )
)  # fmt: skip

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


Settings = Mapping[str, Any] | Iterable[tuple[str, Any]]


def full_settings(settings: Settings, origin: str = "") -> dict[str, Any]:
    """Return settings by their full keys; values are not looked at.

    Args:
        settings: a mapping or pairs, by full key (`training.epochs`), by short name (`epochs`, see
            `full_key`), or as tables of keys, as TOML has them. `augment` may also be a text, as
            `--augment` takes.
        origin: what messages call where they stand; empty: nothing.

    Raises:
        ConfigError: for a key that is none, that may be one of several, or that is there twice.
    """
    where = f"{origin}: " if origin else ""
    full: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name, value in named_settings(settings):
        try:
            for key, one in _meant(name, value).items():
                if key in full:
                    names = "" if given[key] == name else f", as {given[key]} and as {name}"
                    raise ConfigError(f"{key} is set twice{names}")
                full[key], given[key] = one, name
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from None
    return full


def named_settings(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yield the names of settings and their values; those in a table with its name before."""
    for name, value in settings.items() if isinstance(settings, Mapping) else settings:
        if isinstance(value, Mapping) and value:
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield str(name), value


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
    known = _of_nearest_group(name.rpartition(".")[0])
    groups = dict.fromkeys(key.partition(".")[0] for key in keys)
    meant = f"did you mean {one_of(near)}?" if near else f"expected {one_of(known or groups)}"
    meant = layers_advice(name) or meant
    shown = name if re.fullmatch(r"[\w.-]+", name) else f'"{printable(name)}"'
    raise ConfigError(f"there is no setting {shown}; {meant}")


def nearest_keys(name: str) -> list[str]:
    """Return the full keys of a recipe that somebody may have meant by what is no key."""
    keys = recipe_keys()
    group, _, short = _plain(name).rpartition(".")
    others = {**_SYNONYMS, **FLAGS}
    inside = {key.rpartition(".")[2]: key for key in _of_nearest_group(group)}
    if others.get(short) in inside.values():
        return [others[short]]
    if alike := difflib.get_close_matches(short, inside, 1, 0.6):
        return [inside[alike[0]]]
    by_last: dict[str, list[str]] = {}
    for key in keys:
        by_last.setdefault(key.rpartition(".")[2], []).append(key)
    by_last |= {other: [key] for other, key in others.items() if other not in by_last}
    if short in by_last:
        near = by_last[short]
    elif alike := difflib.get_close_matches(short, by_last, 1, 0.75):
        near = by_last[alike[0]]
    else:
        near = difflib.get_close_matches(name, keys, 1, 0.8)
    return [key for key in near if "." not in key] or near  # of all names: that of the recipe


def layers_advice(name: str) -> str | None:
    """Return what to do where a name means layers, for which a recipe has no settings, or None."""
    if _plain(name).rpartition(".")[2] not in _OF_LAYERS:
        return None
    return "layers are code: write a network with it, and give --network my_module:MyNetwork"


def _of_nearest_group(group: str) -> list[str]:
    """Return the keys of the group that a name means, as training by train; none where it is not.

    What is said in place of a group's name, such as loss, means it, too.
    """
    groups = dict.fromkeys(key.partition(".")[0] for key in recipe_keys() if "." in key)
    said = _SYNONYMS.get(group, group).partition(".")[0]
    begun = [one for one in groups if len(said) > 1 and one.startswith(said)]
    found = begun if len(begun) == 1 else difflib.get_close_matches(said, groups, 1, 0.6)
    return [key for key in recipe_keys() if found and key.startswith(f"{found[0]}.")]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def nearest_choice(value: Any, choices: Iterable[str]) -> str | None:
    """Return the choice that somebody may have meant, such as adam by Adam, or None."""
    text = str(value).lower().replace("_", "-")
    there = list(choices)
    known = {other: one for other, one in _OTHER_NAMES.items() if one in there}
    known |= {one: one for one in there}
    if text in known:
        return known[text]
    if alike := difflib.get_close_matches(text, known, 1, 0.6):
        return known[alike[0]]
    around = [one for one in there if len(text) > 2 and text in one]
    return min(around, key=len, default=None)


def nearest_network(name: str, ours: Iterable[str]) -> str | None:
    """Return what somebody may have meant by a name of no network: one of ours, or of their own.

    A file, such as `mynet.py:Net`, and a class behind a dot, are named as Python imports them.
    """
    where, _, cls = name.partition(":")
    if where.endswith(".py"):
        path = PurePath(where).with_suffix("")
        parts = path.parts if not path.is_absolute() and ".." not in path.parts else path.parts[-1:]
        meant = f"{'.'.join(parts)}:{cls or 'MyNetwork'}"
    elif "." in where and not cls:
        meant = ":".join(where.rsplit(".", 1))
    else:
        return nearest_choice(name, ours)
    return meant if CUSTOM_NETWORK.fullmatch(meant) else None


def nearest_device(name: str) -> str | None:
    """Return the device that somebody may have meant, such as cuda:1 by GPU1 or 1, or None."""
    text = name.lower().strip()
    kind, _, number = re.sub(r"[ :]*(\d+)$", r"|\1", text).partition("|")
    meant = nearest_choice(kind, ("auto", "cpu", "cuda", "mps")) if kind else "cuda"
    return f"cuda:{number}" if number and meant == "cuda" else meant


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
        table[name] = from_text(value, float)
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


def _meant(name: str, value: Any) -> dict[str, Any]:
    """Return what one setting means, by full key."""
    if isinstance(value, Mapping) and any(key.startswith(f"{name}.") for key in recipe_keys()):
        return {}  # an empty table
    if name == "augment":
        return {f"augment.{key}": one for key, one in parse_augment(str(value)).items()}
    return {full_key(name): value}


def from_text(text: str, kind: Any) -> Any:
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
