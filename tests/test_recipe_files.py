"""Recipes: TOML in and out, overrides, and one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.config import AugmentConfig, Recipe
from digitlab.errors import ConfigError
from digitlab.recipe_files import load_recipe, read_recorded, shipped_recipes, to_toml

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def write(table: str) -> Path:
    path = Path("mine.toml")
    path.write_text(table, encoding="utf-8")
    return path


def message(table: str, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        load_recipe(write(table), overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_recipe_that_ships_loads_and_has_at_least_4_shards() -> None:
    assert shipped_recipes() == [
        "in-number", "photo", "quick", "tutorial-cnn", "tutorial-cnn-square-error", "tutorial-mlp",
        "tutorial-mlp-square-error", "two-columns", "two-heads",
    ]  # fmt: skip
    for name in shipped_recipes():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.description
        assert recipe.training.shards >= 4


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if "tutorial" in name])
def test_the_tutorial_recipes_have_the_courses_settings(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.optimizer.name == "sgd"
    assert recipe.optimizer.learning_rate == 0.01
    assert recipe.schedule.name == "constant"
    assert (recipe.training.batch_size, recipe.training.epochs) == (100, 5)
    assert recipe.network.name == ("mlp" if "mlp" in name else "cnn")
    assert recipe.objective.name == ("square-error" if "square" in name else "cross-entropy")
    assert recipe.augment == AugmentConfig()


@given(
    sources=st.lists(text, min_size=1, max_size=3),
    description=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    rate=st.floats(0, 1e6),
    seed=st.integers(0, 2**63 - 1),
    nesterov=st.booleans(),
    start=text,
)
def test_any_recipe_survives_toml(
    sources: list[str], description: str, rate: float, seed: int, nesterov: bool, start: str
) -> None:
    recipe = load_recipe(
        "quick",
        {
            "data.sources": sources,
            "description": description,
            "optimizer.learning_rate": rate,
            "optimizer.nesterov": nesterov,
            "seed": seed,
            "start_from": start,
        },
    )
    again = load_recipe(write(to_toml(recipe, {"data_sha256": {"train": "ab"}, "cores": 2})))
    assert again == recipe


def test_recorded_facts_are_kept_and_are_no_settings() -> None:
    path = write(to_toml(Recipe(), {"torch": "2.13.0", "data_sha256": {"train": "ab"}}))
    assert read_recorded(path) == {"torch": "2.13.0", "data_sha256": {"train": "ab"}}
    assert load_recipe(path) == Recipe()


@given(st.dictionaries(text, st.one_of(st.integers(), text, st.lists(st.integers()))))
def test_any_toml_is_a_recipe_or_one_line(table: dict[str, Any]) -> None:
    lines = []
    for key, value in table.items():
        quoted = '"' + "".join(f"\\U{ord(character):08x}" for character in key) + '"'
        if isinstance(value, str):
            value = '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
        lines.append(f"{quoted} = {value}")
    path = write("\n".join(lines))
    message = ""
    try:
        load_recipe(path)
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message
    assert not message or str(path) in message


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("epoch = 3", "mine.toml: there is no setting epoch; did you mean training.epochs?"),
        ("lr = 3", "there is no setting lr; did you mean optimizer.learning_rate?"),
        ("Optimizer = 'adam'", "there is no setting Optimizer; did you mean optimizer.name?"),
        ("[trainng]\nepochs = 3", "no setting trainng.epochs; did you mean training.epochs?"),
        ("[handwriting]\nrotate = 3", "handwriting.rotate; did you mean handwriting.rotation?"),
        ("[training]\nzzz = 3", "there is no setting training.zzz; expected training.epochs, "),
        ("zzz = 3", "there is no setting zzz; expected name, description, seed, start_from, data,"),
        ("a.b.c = 3", "there is no setting a.b; expected name"),
        ("[zzz]", "there is no setting zzz; expected name"),
        ('"a\\nb" = 3', 'there is no setting "a\\nb"; expected name'),
        ("seed.x = 3", "there is no setting seed.x; did you mean seed?"),
        (
            "rotation = 3",
            "mine.toml: rotation may be augment.rotation or handwriting.rotation; give its full",
        ),
        (
            "epochs = 3\n[training]\nepochs = 3",
            "mine.toml: training.epochs is set twice, as epochs and as training.epochs",
        ),
        (
            "augment = 'none'\nshift = 3",
            "augment.shift is set twice, as augment and as shift",
        ),
        ("augment = 'spin=3'", "mine.toml: augment: 'spin=3' is not understood; expected none,"),
        ("augment = 3", "augment: '3' is not understood"),
        (
            "[training]\nepoch = 3",
            "there is no setting training.epoch; did you mean training.epochs?",
        ),
        ("[training]\nepochs = 0", "training.epochs is 0.0; expected more than 0"),
        ("[training]\nepochs = nan", "training.epochs must be a finite number, not nan"),
        ("[training]\nepochs = 1e-99", "training.epochs is 1e-99; expected from 1e-09 to"),
        ("[training]\nbatch_size = 0", "training.batch_size is 0; expected from 1 to 1000000"),
        ("[training]\nbatch_size = 2.5", "training.batch_size must be a whole number, not 2.5"),
        ("[training]\nbatch_size = true", "training.batch_size must be a whole number, not True"),
        ("training = 3", "training is a group of settings; name one of them, as training.epochs"),
        ("[optimizer]\nname = 'adm'", "optimizer.name is 'adm'; expected sgd, momentum, adagrad"),
        ("[augment]\nshift = 15", "augment.shift is 15; expected from 0 to 14"),
        ("[data]\nsources = 'mnist'", ""),
        ("[data]\nsources = []", "data.sources is empty"),
        ("[data]\nsources = [1]", "data.sources must be a list of strings, not [1]"),
        (
            "[network]\nname = 'resnet'",
            "network.name is 'resnet'; expected mlp, cnn, quick, photo, photo-wide, two-columns or "
            "two-heads, or a class of your own",
        ),
        ("[training]\ndevice = 'gpu'", "training.device is 'gpu'; expected auto, cpu, cuda"),
        (
            "[training]\nbatch_size = 3\nshards = 4",
            "training.shards is 4, more than the 3 images of a batch",
        ),
        ("[training]\nprecision = 'bf16'\ndevice = 'cpu'", "bf16 needs a CUDA device, not cpu"),
        (
            "[objective]\nname = 'square-error'\n[handwriting]\nno_digit = 0.1",
            "handwriting.no_digit goes with cross-entropy, not with square-error",
        ),
        (
            "[handwriting]\npen = 0.1",
            "handwriting ends in the preparation that reads; set data.preparation to 2",
        ),
        (
            "[data]\npreparation = '2'\n[augment]\nshift = 1\n[handwriting]\npen = 0.1",
            "handwriting and augment do not go together",
        ),
        (
            "[objective]\nname = 'square-error'\nlabel_smoothing = 0.1",
            "label_smoothing goes with cross-entropy",
        ),
        ("network = 'two-heads'", "goes with objective.name cross-entropy-and-box, not with cross"),
        ("[optimizer]\nnesterov = true\nmomentum = 0", "nesterov needs optimizer.momentum above 0"),
        ("a = = 3", "mine.toml: is not valid TOML"),
        ("name = '../out'", "name is '../out'; expected 1 to 100 characters"),
        ("name = ''", "name is ''; expected 1 to 100 characters"),
        ("[training]\nepochs = 1e308", "training.epochs is 1e+308; expected from 1e-09 to"),
        ("seed = " + "1" * 5000, "is not valid TOML: a value is too long"),
        ("[optimizer]\nepsilon = 0", "optimizer.epsilon is 0.0; expected more than 0"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(table: str, expected: str) -> None:
    if expected:
        assert expected in message(table)
    else:
        assert load_recipe(write(table)).data.sources == ("mnist",)


def test_a_missing_recipe_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no recipe 'fast'; expected in-number, photo, quick, tu"):
        load_recipe("fast")
    for wrong, meant in (
        ("mlp", "tutorial-mlp"),
        ("Quick", "quick"),
        ("tutorial_cnn", "tutorial-cnn"),
    ):
        with pytest.raises(ConfigError, match=rf"no recipe '{wrong}'; .*; did you mean {meant}\?$"):
            load_recipe(wrong)
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: No such file"):
        load_recipe("gone.toml")
    Path("latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8 text"):
        load_recipe("latin.toml")


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("network", "CNN", "cnn"),
        ("network", "mynet.py", "mynet:MyNetwork"),
        ("network", "./nets/mynet.py:Net", "nets.mynet:Net"),
        ("network", "../mynet.py:Net", "mynet:Net"),
        ("network", "nets.mynet.Net", "nets.mynet:Net"),
        ("network", "a b.py", None),
        ("network", "resnet", None),
        ("device", "gpu", "cuda"),
        ("device", "GPU:1", "cuda:1"),
        ("device", "cuda0", "cuda:0"),
        ("device", "2", "cuda:2"),
        ("device", "CPU", "cpu"),
        ("device", "metal", "mps"),
        ("device", "quantum", None),
    ],
)
def test_a_network_or_device_that_is_none_names_the_nearest(
    key: str, value: str, meant: str | None
) -> None:
    with pytest.raises(ConfigError) as error:
        load_recipe("quick", {key: value})
    asked = str(error.value).partition("; did you mean ")[2]
    assert asked == (f"{meant}?" if meant else "")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("training.epochs", "0.5", 0.5),
        ("training.epochs", ".5", 0.5),
        ("training.epochs", "3", 3.0),
        ("training.batch_size", "1e3", 1000),
        ("optimizer.nesterov", "true", True),
        ("description", "3", "3"),
        ("data.sources", '["a", "b"]', ("a", "b")),
        ("data.sources", "a.npz", ("a.npz",)),
    ],
)
def test_a_setting_from_the_command_line_is_read_as_its_key_wants(
    key: str, text: str, value: Any
) -> None:
    recipe: Any = load_recipe("quick", {key: text})
    for part in key.split("."):
        recipe = getattr(recipe, part)
    assert recipe == value
    assert type(recipe) is type(value)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("training.epochs", "many", "training.epochs must be a number, not 'many'"),
        ("training", "3", "training is a group of settings; name one of them, as training.epochs"),
        ("rotation", "3", "rotation may be augment.rotation or handwriting.rotation; give its"),
        (
            "optimizer.lr",
            "3",
            "there is no setting optimizer.lr; did you mean optimizer.learning_rate?",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(key: str, value: str, expected: str) -> None:
    assert expected in message("seed = 1\n[training]\nepochs = 2", {key: value})


def test_what_overrides_may_say_it_by_another_name_than_what_is_overridden() -> None:
    path = write("epochs = 2\n[optimizer]\nname = 'adam'\nmomentum = 0.5")
    recipe = load_recipe(path, {"training.epochs": 3, "optimizer": "momentum"})
    assert (recipe.training.epochs, recipe.optimizer.name) == (3, "momentum")
    assert load_recipe(path, {"optimizer": {"beta1": 0.5}}).optimizer.momentum == 0.5
    with pytest.raises(ConfigError, match="set twice, as epochs and as training"):
        load_recipe(path, {"epochs": 3, "training.epochs": 3})


def test_a_recipe_that_names_code_by_a_short_name_does_not_run_it_either() -> None:
    assert "give --network evil:Net on the command line" in message('network = "evil:Net"')


def test_a_recipe_file_cannot_run_code_by_itself() -> None:
    table = '[network]\nname = "evil:Net"'
    assert "give --network evil:Net on the command line" in message(table)
    assert load_recipe(write(table), {"network.name": "evil:Net"}).custom_network
    assert load_recipe(write(table), {"network.name": "cnn"}).network.name == "cnn"
