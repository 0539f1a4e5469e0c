"""What a study's file may say, and one clear line for every mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.errors import ConfigError
from digitlab.recipe_files import shipped_recipes
from digitlab.studies.design import design_of, load_design, shipped_studies


def write(table: str, path: str = "mine.toml") -> Path:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(table, encoding="utf-8")
    return Path(path)


def message(table: str, **more: Any) -> str:
    with pytest.raises(ConfigError) as error:
        load_design(write(table), **more)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_studies_that_ship_are_those_of_the_course_and_can_be_run() -> None:
    assert shipped_studies() == [
        "augmentation", "batch-sizes", "learning-rates", "networks", "objectives", "optimizers",
        "schedules",
    ]  # fmt: skip
    for name in shipped_studies():
        design = load_design(name)
        assert design.name == name
        assert design.description
        assert len(design.seeds) >= 3
        assert design.epochs
    rates = [v.settings["optimizer.learning_rate"] for v in load_design("learning-rates").variants]
    assert rates == [0.001, 0.01, 0.1, 1.0]
    # Each at the common rate, and at its own best, which of adam is the common one.
    optimizers = [variant.settings for variant in load_design("optimizers").variants]
    at = [(one["optimizer.name"], one["optimizer.learning_rate"]) for one in optimizers]
    names = ["sgd", "momentum", "adagrad", "adam"]
    assert at[:4] == [(name, 0.01) for name in names]
    assert [name for name, _ in at[4:]] == names[:3]


def test_every_combination_of_what_varies_is_a_variant() -> None:
    design = load_design(
        write("[vary]\noptimizer.name = ['sgd', 'adam']\n'optimizer.learning_rate' = [0.01, 1]")
    )
    assert [one.name for one in design.variants] == [
        "sgd, learning rate 0.01", "sgd, learning rate 1",
        "adam, learning rate 0.01", "adam, learning rate 1",
    ]  # fmt: skip
    recipe = design.recipe(design.variants[2], 3)
    assert recipe.name == "quick"
    assert (recipe.optimizer.name, recipe.optimizer.learning_rate, recipe.seed) == ("adam", 0.01, 3)
    assert (design.name, design.seeds, design.epochs) == ("mine", (1, 2, 3), None)


def test_keys_that_end_alike_are_named_in_full() -> None:
    vary = "augment.rotation = [0, 9]\naugment.shift = [0, 1]\nhandwriting.rotation = [0]"
    design = load_design(write(f"[vary]\n{vary}"))
    assert design.variants[-1].name == "augment.rotation 9, shift 1, handwriting.rotation 0"


def test_short_names_do_wherever_a_study_sets_a_recipe() -> None:
    vary = "optimizer = ['sgd', 'adam']\nlearning_rate = [0.01, 1]"
    short = load_design(write(f"settings.epochs = 0.5\nsettings.batch_size = 50\n[vary]\n{vary}"))
    full = load_design(
        write(
            "settings.training = {epochs = 0.5, batch_size = 50}\n"
            "[vary]\noptimizer = {name = ['sgd', 'adam'], learning_rate = [0.01, 1]}"
        )
    )
    assert short == full
    assert short.variants[1].name == "sgd, learning rate 1"
    listed = load_design(
        write(
            "settings.epochs = 2\n"
            "[[variant]]\nname = 'a'\noptimizer = 'adam'\naugment = 'shift=2'\n"
            "[[variant]]\nname = 'b'\ntraining.epochs = 1\ndata = ['mnist']"
        )
    )
    a, b = (listed.recipe(one, 1) for one in listed.variants)
    assert (a.optimizer.name, a.augment.shift, a.training.epochs) == ("adam", 2, 2)
    assert (b.training.epochs, b.data.sources) == (1, ("mnist",))  # its own, in place of all's


def test_what_varies_may_be_whole_tables_lists_and_texts() -> None:
    rates = "{name = 'sgd', learning_rate = 0.1}, {name = 'adam', learning_rate = 0.001}"
    design = load_design(write(f"[vary]\noptimizer = [{rates}]\naugment = ['none', 'shift=1']"))
    assert [one.name for one in design.variants] == [
        "optimizer name sgd learning_rate 0.1, augment none",
        "optimizer name sgd learning_rate 0.1, augment shift=1",
        "optimizer name adam learning_rate 0.001, augment none",
        "optimizer name adam learning_rate 0.001, augment shift=1",
    ]
    recipe = design.recipe(design.variants[3], 1)
    assert (recipe.optimizer.name, recipe.optimizer.learning_rate) == ("adam", 0.001)
    assert (recipe.augment.shift, recipe.augment.rotation) == (1, 0)
    design = load_design(write("[vary]\ndata = ['mnist', ['mnist', 'more.npz']]"))
    assert [one.name for one in design.variants] == ["sources mnist", "sources mnist+more.npz"]
    assert design.recipe(design.variants[1], 1).data.sources == ("mnist", "more.npz")


def test_variants_are_tables_with_a_name_and_share_the_settings() -> None:
    design = load_design(
        write(
            """
            name = "hands"
            recipe = "tutorial-mlp"
            seeds = [7]
            settings.data.train_on = "all"
            budget.epochs = 0.5
            [[variant]]
            name = "plain"
            [[variant]]
            name = "conv"
            recipe = "tutorial-cnn"
            optimizer = { name = "adam", learning_rate = 0.001 }
            """
        )
    )
    plain, conv = (design.recipe(variant, 7) for variant in design.variants)
    assert (plain.network.name, conv.network.name) == ("mlp", "cnn")
    assert (plain.data.train_on, conv.data.train_on) == ("all", "all")
    assert (plain.training.epochs, conv.training.epochs) == (0.5, 0.5)
    assert conv.optimizer.learning_rate == 0.001


def test_a_recipe_is_found_beside_the_studys_file() -> None:
    write("[training]\nbatch_size = 60", "folder/own.toml")
    path = write("recipe = 'own.toml'\n[vary]\noptimizer.name = ['sgd', 'adam']", "folder/s.toml")
    design = load_design(path)
    assert design.recipe(design.variants[0], 1).training.batch_size == 60


def test_seeds_and_epochs_can_be_given_beside_the_file() -> None:
    design = load_design("networks", seeds=[5, 6], epochs=5)
    assert (design.seeds, design.epochs, design.seconds) == ((5, 6), 5.0, None)
    path = write("budget.seconds = 3\n[vary]\noptimizer.name = ['sgd', 'adam']")
    assert load_design(path).seconds == 3
    assert load_design(path, epochs=2).seconds is None


def test_a_network_of_ones_own_runs_only_where_it_is_named() -> None:
    table = "[vary]\nnetwork.name = ['cnn', 'mine:Net']"
    assert "variant 'mine:Net' names the network mine:Net, which is code" in message(table)
    assert load_design(write(table), networks=["mine:Net"]).variants[1].name == "mine:Net"


VARY = "[vary]\noptimizer.name = ['sgd', 'adam']\n"
ONE = "[[variant]]\nname = 'one'\n"
MISTAKES = [
    ("x =", "mine.toml: is not valid TOML"),
    ("", "mine.toml: varies nothing: give [vary]"),
    ("[vary]", "mine.toml: varies nothing"),
    (ONE, "mine.toml: varies nothing"),
    ("[vary]\noptimizer.name = ['sgd']", "mine.toml: varies nothing"),
    (f"seed = [1]\n{VARY}", "there is no key seed in a study; did you mean seeds?"),
    (f"colour = 1\n{VARY}", "there is no key colour in a study; expected name, description"),
    (f"'a\\nb' = 1\n{VARY}", "there is no key a\\nb in a study"),
    (f"name = 3\n{VARY}", "mine.toml: name must be a string, not 3"),
    (f"name = 'a/b'\n{VARY}", "mine.toml: name is 'a/b'; expected 1 to 100 printed"),
    (f"recipe = 'quik'\n{VARY}", "variant 'sgd': there is no recipe 'quik'"),
    (f"recipe = 'no.toml'\n{VARY}", "variant 'sgd': no.toml: cannot be read"),
    (f"seeds = 3\n{VARY}", "mine.toml: seeds must be a list, such as [1, 2, 3], not 3"),
    (f"seeds = []\n{VARY}", "mine.toml: seeds must be a list"),
    (f"seeds = [1, 1.5]\n{VARY}", "seeds has 1.5; expected whole numbers from 0"),
    (f"seeds = [true]\n{VARY}", "seeds has True; expected whole numbers"),
    (f"seeds = [1, 2, 1]\n{VARY}", "seeds has 1 twice"),
    (f"budget = 3\n{VARY}", "budget must be a table with epochs or seconds"),
    (f"budget.epoch = 3\n{VARY}", "no key budget.epoch in a study; did you mean budget.epochs?"),
    (f"budget = {{epochs = 3, seconds = 3}}\n{VARY}", "budget has both epochs and seconds"),
    (f"budget.seconds = 0\n{VARY}", "budget.seconds is 0; expected a number above 0"),
    (f"budget.epochs = nan\n{VARY}", "budget.epochs is nan; expected a number above 0"),
    (f"{VARY}{ONE}", "has both [vary] and [[variant]]"),
    ("vary = 3", "mine.toml: vary must be a table of a recipe's keys, not 3"),
    ("[vary]\noptimizer.name = 'sgd'", "vary.optimizer.name must be a list of values"),
    ("[vary]\noptimizer.name = []", "vary.optimizer.name must be a list of values"),
    ("[vary]\noptimizer.learning_rte = [1, 2]", "mean optimizer.learning_rate?"),
    ("[vary]\nlerning_rate = [1, 2]", "vary: there is no setting lerning_rate; did you mean"),
    ("[vary]\nrotation = [1, 2]", "vary: rotation may be augment.rotation or handwriting.rotation"),
    ("[vary]\noptimizer = ['sgd']\n'optimizer.name' = ['adam']", "as optimizer and as opti"),
    ("[vary]\naugment = ['shift=1']\nshift = [1, 2]", "set twice, as augment and as shift"),
    ("[vary]\naugment = ['spin=1', 'none']", "vary: augment: 'spin=1' is not understood"),
    ("[vary]\ndropout = [0, 0.5]", "vary: there is no setting dropout; layers are code"),
    (f"[settings]\nepoch = 1\n{VARY}", "settings: there is no setting epoch; did you mean"),
    (f"[settings]\nepochs = 1\ntraining.epochs = 1\n{VARY}", "twice, as epochs and as training.ep"),
    (f"[settings]\nseed = 1\n{VARY}", "settings.seed cannot stand there"),
    (f"{ONE}lr = 1", "variant 1: there is no setting lr; did you mean optimizer.learning_rate?"),
    (f"{ONE}epochs = 1\ntraining.epochs = 1", "variant 1: training.epochs is set twice"),
    (f"budget.seconds = 1\n{VARY}epochs = [1, 2]", "sets training.epochs, and budget.seconds sets"),
    ("[vary]\noptimizer.name = ['sgd', 'adm']", "variant 'adm': recipe quick: optimizer.name is"),
    ("[vary]\noptimizer.name = ['sgd', 'sgd']", "vary.optimizer.name has 'sgd' twice"),
    ("[vary]\nseed = [1, 2]", "vary.seed cannot stand there: the seeds of a study are its key"),
    ("[vary]\noptimizer.name = ['sgd']\n'optimizer.name' = ['adam']", "name is set twice"),
    ("[vary]\naugment.rotation = [0, '0']", "two variants have the name"),
    ("[vary]\naugment.rotation = [0, 0.0000]", "two variants have the name 'rotation 0'"),
    (f"budget.epochs = 1\n{VARY}training.epochs = [1, 2]", "budget.epochs sets it for all"),
    ("variant = 3", "variant must be written as [[variant]]"),
    ("[variant]\nname = 'one'", "variant must be written as [[variant]]"),
    ("[[variant]]\noptimizer.name = 'sgd'", "mine.toml: variant 1: has no name"),
    (f"{ONE}[[variant]]\nname = ''", "mine.toml: variant 2: name is ''"),
    (f"{ONE}{ONE}optimizer.name = 'sgd'", "two variants have the name 'one'"),
    (f"{ONE}[[variant]]\nname = 'two'", "variants 'one' and 'two' have the same settings"),
    (f"{ONE}[[variant]]\nname = 'two'\nrecipe = 3", "variant 2: recipe must be a string, not 3"),
    (f"settings = 3\n{VARY}", "settings must be a table of a recipe's keys"),
    (f"settings.training.epochs = -1\n{VARY}", "variant 'sgd': recipe quick: training.epochs is"),
    (f"seeds = {list(range(501))}\n{VARY}", "asks for 1,002 runs; at most 1,000"),
    (f"[vary]\nseed.a = {list(range(99))}\nseed.b = {list(range(99))}", "asks for 9,801 variants"),
    (f"[vary]\nbatch_size = {list(range(1, 102))}", "asks for 101 variants; at most 100 are"),
    ("".join(f"[[variant]]\nname = '{at}'\n" for at in range(101)), "asks for 101 variants; at"),
    (f"name = 'a\u202eb'\n{VARY}", "name is 'a\\u202eb'; expected 1 to 100 printed characters"),
    (f"name = ' '\n{VARY}", "name is ' '; expected 1 to 100 printed characters"),
    ("[vary]\nlearning_rate = [0.1, 1, 0.1]", "vary.learning_rate has 0.1 twice"),
    ("[vary]\naugment = [{shift = 1}, {shift = 1}]", "vary.augment has {'shift': 1} twice"),
    (f"[vary]\n{'a.' * 5000}b = 1", "has tables too deep within each other"),
    (f"{'a.' * 5000}b = 1", "has tables too deep within each other"),
    (f"seeds.{'a.' * 5000}b = 1", "has tables too deep within each other"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_one_line_with_the_file_and_the_key(table: str, said: str) -> None:
    found = message(table)
    assert found.startswith("mine.toml: ")
    assert said in found


def test_a_name_that_is_no_study_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no study 'optimisers'; expected .*optimizers"):
        load_design("optimisers")
    with pytest.raises(ConfigError, match=r"did you mean learning-rates\?$"):
        load_design("learning_rate")
    with pytest.raises(ConfigError, match=r"^none\.toml: cannot be read"):
        load_design("none.toml")
    assert message(VARY, seeds=[1, 1]) == "mine.toml: seeds has 1 twice; it would be the same run"


SOME_KEYS = [
    "name",
    "recipe",
    "seeds",
    "settings",
    "vary",
    "variant",
    "budget",
    "epochs",
    "seconds",
    "optimizer",
    "optimizer.name",
    "learning_rate",
    "training",
    "data",
    "sources",
    "augment",
]
keys = st.sampled_from(SOME_KEYS) | st.text(max_size=5)
scalars = (
    st.sampled_from(["sgd", "adam", *shipped_recipes(), "a\nb"])
    | st.text(max_size=5)
    | st.integers()
    | st.floats()
    | st.booleans()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(keys, values, max_size=4))
def test_any_table_is_a_design_or_one_line(table: dict[str, Any]) -> None:
    said = "any.toml: "
    try:
        assert len(design_of({"name": "any", **table}, "any.toml", Path(".")).variants) >= 2
    except ConfigError as error:
        said = str(error)
    assert said.startswith("any.toml: ")
    assert said.isprintable()
