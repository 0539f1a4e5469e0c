"""Recipes as files: TOML in and out, and every check of a user's choice.

Nothing else in the package checks a user's settings; studies read their files by it, too.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from digitlab.config import NETWORKS, PREPARATIONS, DataConfig, Recipe
from digitlab.errors import ConfigError
from digitlab.setting_names import (
    from_text,
    full_settings,
    nearest_choice,
    nearest_device,
    nearest_network,
)
from digitlab.wording import did_you_mean, one_of

RECIPES = Path(__file__).parent / "recipes"
DEFAULT_RECIPE = "quick"

NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]{1,100}")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


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
            + did_you_mean(nearest_network(network.name, NETWORKS))
        )
    if not NAME.fullmatch(recipe.name):
        raise ConfigError(
            f"{origin}: name is {recipe.name!r}; expected 1 to 100 characters, none of them a "
            "slash, a backslash or a control character, and no dot first"
        )
    if not _DEVICE.fullmatch(training.device):
        raise ConfigError(
            f"{origin}: training.device is {training.device!r}; "
            "expected auto, cpu, cuda, cuda:N or mps"
            + did_you_mean(nearest_device(training.device))
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
    if network.name == "two-heads" and recipe.objective.name != "cross-entropy-and-box":
        raise ConfigError(
            f"{origin}: network.name two-heads tells a box, too: it goes with objective.name "
            f"cross-entropy-and-box, not with {recipe.objective.name}"
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


def _read_toml(name: str | Path) -> tuple[dict[str, Any], str]:
    """Return the tables of a recipe and the words by which messages call it."""
    shipped = RECIPES / f"{name}.toml"
    known = str(name) in shipped_recipes()
    path = shipped if known else Path(name)
    origin = f"recipe {name}" if known else str(path)
    if not known and path.suffix != ".toml":
        raise ConfigError(
            f"there is no recipe {str(name)!r}; expected {one_of(shipped_recipes())}, "
            "or the path of a .toml file" + did_you_mean(nearest_choice(name, shipped_recipes()))
        )
    return read_toml(path, origin), origin


def read_toml(path: Path, origin: str) -> dict[str, Any]:
    """Return the tables of a TOML file; `origin` is what messages call it.

    Raises:
        ConfigError: where it cannot be read, or is no TOML.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: is not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{origin}: is not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{origin}: is not valid TOML: a value is too long or too deep") from None
    except OSError as error:
        raise ConfigError(f"{origin}: cannot be read: {error.strerror}") from None
    if _is_deep(table):
        raise ConfigError(f"{origin}: has tables too deep within each other")
    return table


def _is_deep(table: Mapping[str, Any], levels: int = 20) -> bool:
    """Whether tables and lists are more than so many levels deep: then recursion might not end."""
    inside: list[Any] = [table]
    for _ in range(levels):
        inside = [
            value
            for one in inside
            for value in (one.values() if isinstance(one, dict) else one)
            if isinstance(value, (dict, list))
        ]
        if not inside:
            return False
    return True


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
        value = from_text(value, kind)
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
        asked = did_you_mean(nearest_choice(value, choices))
        raise ConfigError(f"{where} is {value!r}; expected {one_of(choices)}{asked}")
    if "low" in limits and not limits["low"] <= value <= limits["high"]:
        low, high = limits["low"], limits["high"]
        above = kind is float and value <= 0 < low
        raise ConfigError(
            f"{where} is {value!r}; expected "
            + ("more than 0" if above else f"from {low} to {high}")
        )
    return value


def _text(text: str, where: str) -> str:
    """Return a text that TOML can hold; a name in another encoding comes as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{where} is not UTF-8 text: {text!r}") from None
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
