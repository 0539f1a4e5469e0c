"""What a study is to compare: the file that says so, and every check of it.

A study's file is TOML: a recipe, the seeds, what varies, and how long each run may take.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from digitlab.config import Recipe
from digitlab.errors import ConfigError
from digitlab.recipe_files import DEFAULT_RECIPE, NAME, load_recipe, read_toml, shipped_recipes
from digitlab.setting_names import Settings, full_settings, named_settings, nearest_choice
from digitlab.wording import did_you_mean, one_of, printable

SHIPPED = Path(__file__).parent / "shipped"
_KEYS = ("name", "description", "recipe", "seeds", "settings", "vary", "variant", "budget")
_MOST = 1000  # runs; more is a slip of somebody who varies everything with everything
_MOST_VARIANTS = 100  # which make 4,950 comparisons
_OF_THE_STUDY = {  # keys of a recipe that a study says elsewhere
    "seed": "the seeds of a study are its key seeds",
    "name": "a name is given to a variant, in [[variant]]",
    "description": "a study has one description",
}
_EPOCHS = "training.epochs"


@dataclass(frozen=True)
class Variant:
    """One of what is compared.

    Attributes:
        name: what tables and figures call it.
        recipe: the name of a recipe, or the path of its file.
        settings: what overrides it, by full key.
    """

    name: str
    recipe: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Design:
    """What a study is to compare.

    Attributes:
        name: the study's.
        description: one sentence for people.
        variants: at least two; their names and settings are all different.
        seeds: of each variant; the same for all, so that runs are compared in pairs.
        epochs: of every run, a fraction allowed; None: what the recipes say, or `seconds`.
        seconds: of training, for every run, turned into epochs by a trial; None: `epochs`.
    """

    name: str
    description: str
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    epochs: float | None = None
    seconds: float | None = None

    def overrides(self, variant: Variant, seed: int) -> dict[str, Any]:
        """Return what a run changes of its recipe, by full key."""
        epochs = {} if self.epochs is None else {_EPOCHS: self.epochs}
        return {**variant.settings, **epochs, "seed": seed}

    def recipe(self, variant: Variant, seed: int) -> Recipe:
        """Return the recipe of a run.

        Raises:
            ConfigError: where the recipe, or a setting, is not allowed.
        """
        return load_recipe(variant.recipe, self.overrides(variant, seed))


def shipped_studies() -> list[str]:
    """Return the names of the studies that ship."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_design(
    name: str | Path,
    seeds: Sequence[int] | None = None,
    epochs: float | None = None,
    networks: Collection[str] = (),
) -> Design:
    """Return what a study is to compare.

    Args:
        name: one of `shipped_studies()`, or the path of a TOML file.
        seeds, epochs: in place of those of the file.
        networks: the user's own that may run, as `my_module:MyNetwork`; a file that names code
            does not make it run.

    Raises:
        ConfigError: for a file that cannot be read, and for whatever in it is not allowed; in one
            line that names the file and the key.
    """
    known = str(name) in shipped_studies()
    path = SHIPPED / f"{name}.toml" if known else Path(name)
    origin = f"study {name}" if known else str(path)
    if not known and path.suffix != ".toml":
        raise ConfigError(
            f"there is no study {str(name)!r}; expected {one_of(shipped_studies())}, the path of "
            "a .toml file, or the folders of runs"
            + did_you_mean(nearest_choice(name, shipped_studies()))
        )
    table = read_toml(path, origin)
    table.setdefault("name", path.stem)
    if seeds is not None:
        table["seeds"] = list(seeds)
    if epochs is not None:
        table["budget"] = {"epochs": epochs}
    return design_of(table, origin, path.parent, networks)


def design_of(
    table: Mapping[str, Any], origin: str, folder: Path, networks: Collection[str] = ()
) -> Design:
    """Return what the table of a study's file says.

    Args:
        table: as TOML gives it.
        origin: what messages call the file.
        folder: where it lies; the relative path of a recipe is looked for there.
        networks: see `load_design`.

    Raises:
        ConfigError: for whatever is not allowed.
    """
    _check_keys(table, _KEYS, origin, "")
    name, description = _text(table, "name", origin), _text(table, "description", origin, "")
    if not NAME.fullmatch(name) or not name.isprintable() or not name.strip():
        raise ConfigError(
            f"{origin}: name is {name!r}; expected 1 to 100 printed characters, none of them a "
            "slash or a backslash, and no dot first"
        )
    recipe = _recipe(_text(table, "recipe", origin, DEFAULT_RECIPE), folder)
    seeds = _seeds(table.get("seeds", [1, 2, 3]), origin)
    epochs, seconds = _budget(table.get("budget", {}), origin)
    if "vary" in table and "variant" in table:
        raise ConfigError(f"{origin}: has both [vary] and [[variant]]; use one of them")
    if "vary" in table:
        variants = _varied(table["vary"], recipe, origin)
    else:
        variants = _listed(table.get("variant", []), recipe, origin, folder)
    if len(variants) * len(seeds) > _MOST:
        raise ConfigError(
            f"{origin}: asks for {len(variants) * len(seeds):,} runs; at most {_MOST:,} are made"
        )
    shared = _table(table.get("settings", {}), origin, "settings")
    settings = _settings(shared, origin, "settings")
    variants = [replace(one, settings={**settings, **one.settings}) for one in variants]
    design = Design(name, description, tuple(variants), seeds, epochs, seconds)
    _check_variants(design, origin, networks)
    return design


def _check_variants(design: Design, origin: str, networks: Collection[str]) -> None:
    """Check names and settings of all variants, and that no two are the same."""
    if len(design.variants) < 2:
        raise ConfigError(
            f"{origin}: varies nothing: give [vary], with a list of values for a key, or "
            "[[variant]] tables, at least two"
        )
    names: set[str] = set()
    recipes: dict[Recipe, str] = {}
    for variant in design.variants:
        if variant.name in names:
            raise ConfigError(f"{origin}: two variants have the name {variant.name!r}")
        names.add(variant.name)
        budget = "seconds" if design.seconds else "epochs" if design.epochs else ""
        if _EPOCHS in variant.settings and budget:
            raise ConfigError(
                f"{origin}: variant {variant.name!r} sets {_EPOCHS}, and budget.{budget} sets it "
                "for all; leave one of them out"
            )
        try:
            recipe = design.recipe(variant, design.seeds[0])
        except ConfigError as error:
            raise ConfigError(
                f"{origin}: variant {variant.name!r}: {printable(str(error))}"
            ) from None
        if recipe.custom_network and recipe.network.name not in networks:
            raise ConfigError(
                f"{origin}: variant {variant.name!r} names the network {recipe.network.name}, "
                f"which is code of your own: give --network {recipe.network.name} to run it"
            )
        same = recipes.setdefault(replace(recipe, name="", description=""), variant.name)
        if same != variant.name:
            raise ConfigError(
                f"{origin}: variants {same!r} and {variant.name!r} have the same settings"
            )


def _varied(table: Any, recipe: str, origin: str) -> list[Variant]:
    """Return a variant for each combination of the values of `[vary]`."""
    lists = list(named_settings(_table(table, origin, "vary")))
    for name, values in lists:
        if not isinstance(values, list) or not values:
            raise ConfigError(
                f"{origin}: vary.{printable(name)} must be a list of values, such as [0.01, 0.1], "
                f"not {values!r}"
            )
    _check_count(math.prod(len(values) for _, values in lists), origin)
    for name, values in lists:
        twice = next((one for at, one in enumerate(values) if _among(one, values[:at])), None)
        if twice is not None:
            raise ConfigError(f"{origin}: vary.{printable(name)} has {twice!r} twice")
    names = [name for name, _ in lists]
    labels = _labels([_one_key(name, values, origin) for name, values in lists])
    variants = []
    for values in itertools.product(*(values for _, values in lists)) if lists else ():
        parts = [
            f"{label} {_shown(one)}".lstrip() for label, one in zip(labels, values, strict=True)
        ]
        settings = _settings(list(zip(names, values, strict=True)), origin, "vary")
        variants.append(Variant(printable(", ".join(parts)), recipe, settings))
    return variants


def _among(value: Any, others: Sequence[Any]) -> bool:
    """Whether a value is there already; true is not 1, and nan is like itself."""
    return any(type(one) is type(value) and repr(one) == repr(value) for one in others)


def _check_count(count: int, origin: str) -> None:
    if count > _MOST_VARIANTS:
        raise ConfigError(
            f"{origin}: asks for {count:,} variants; at most {_MOST_VARIANTS} are compared, each "
            "with each other"
        )


def _one_key(name: str, values: Sequence[Any], origin: str) -> str:
    """Return the key that a name of `[vary]` means, or the name where it sets a whole table."""
    keys = {key for value in values for key in _settings([(name, value)], origin, "vary")}
    return keys.pop() if len(keys) == 1 else name


def _labels(keys: Sequence[str]) -> list[str]:
    """Return what variants' names call keys; of a name, such as adam, nothing is needed."""
    lasts = [key.rpartition(".")[2] for key in keys]
    return [
        "" if key.endswith(".name") else (last if lasts.count(last) == 1 else key).replace("_", " ")
        for key, last in zip(keys, lasts, strict=True)
    ]


def _listed(tables: Any, recipe: str, origin: str, folder: Path) -> list[Variant]:
    """Return the variants of `[[variant]]`."""
    if not isinstance(tables, list) or not all(isinstance(one, Mapping) for one in tables):
        raise ConfigError(f"{origin}: variant must be written as [[variant]], a table each")
    _check_count(len(tables), origin)
    variants = []
    for number, table in enumerate(tables, 1):
        where = f"{origin}: variant {number}"
        name = _text(table, "name", where)
        if not name.strip() or not name.isprintable() or len(name) > 100:
            raise ConfigError(f"{where}: name is {name!r}; expected 1 to 100 printed characters")
        own = _recipe(_text(table, "recipe", where), folder) if "recipe" in table else recipe
        rest = {key: value for key, value in table.items() if key not in ("name", "recipe")}
        variants.append(Variant(name, own, _settings(rest, origin, f"variant {number}")))
    return variants


def _table(table: Any, origin: str, where: str) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{origin}: {where} must be a table of a recipe's keys, not {table!r}")
    return table


def _settings(settings: Settings, origin: str, where: str) -> dict[str, Any]:
    """Return settings of a recipe by full key, but for those that a study says elsewhere."""
    full = full_settings(settings, f"{origin}: {where}")
    for key in full:
        if key in _OF_THE_STUDY:
            raise ConfigError(f"{origin}: {where}.{key} cannot stand there: {_OF_THE_STUDY[key]}")
    return full


def _seeds(seeds: Any, origin: str) -> tuple[int, ...]:
    if not isinstance(seeds, list) or not seeds:
        raise ConfigError(f"{origin}: seeds must be a list, such as [1, 2, 3], not {seeds!r}")
    for seed in seeds:
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise ConfigError(
                f"{origin}: seeds has {seed!r}; expected whole numbers from 0 to {2**63 - 1}"
            )
        if seeds.count(seed) > 1:
            raise ConfigError(f"{origin}: seeds has {seed} twice; it would be the same run")
    return tuple(seeds)


def _budget(budget: Any, origin: str) -> tuple[float | None, float | None]:
    if not isinstance(budget, Mapping):
        raise ConfigError(f"{origin}: budget must be a table with epochs or seconds")
    _check_keys(budget, ("epochs", "seconds"), origin, "budget.")
    if len(budget) > 1:
        raise ConfigError(f"{origin}: budget has both epochs and seconds; use one of them")
    for key, value in budget.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise ConfigError(f"{origin}: budget.{key} is {value!r}; expected a number above 0")
    epochs, seconds = budget.get("epochs"), budget.get("seconds")
    return (None if epochs is None else float(epochs)), (
        None if seconds is None else float(seconds)
    )


def _text(table: Mapping[str, Any], key: str, origin: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        raise ConfigError(f"{origin}: has no {key}")
    if not isinstance(value, str):
        raise ConfigError(f"{origin}: {key} must be a string, not {value!r}")
    return value


def _recipe(name: str, folder: Path) -> str:
    """Return a recipe's name, or its path from here."""
    return name if name in shipped_recipes() else str(folder / name)


def _check_keys(table: Mapping[str, Any], keys: Sequence[str], origin: str, prefix: str) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            meant = f"did you mean {prefix}{near[0]}?" if near else f"expected {one_of(keys)}"
            raise ConfigError(
                f"{origin}: there is no key {prefix}{printable(key)} in a study; {meant}"
            )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return "+".join(_shown(one) for one in value)
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_shown(one)}" for key, one in value.items()) or "none"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
