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
from typing import Any, get_origin, get_type_hints

from digitlab.config import AugmentConfig, Recipe
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
    shown = name if re.fullmatch(r"[\w.-]+", name) else f'"{printable(name)}"'
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
