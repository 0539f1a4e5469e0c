"""What names of settings mean, and what was meant by the wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitlab.errors import ConfigError
from digitlab.recipe_files import load_recipe, to_toml
from digitlab.setting_names import (
    full_key,
    full_settings,
    parse_augment,
    parse_setting,
    recipe_keys,
)

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def test_a_short_name_means_its_full_key_wherever_a_recipe_is_set() -> None:
    short = {
        "network": "cnn", "objective": "square-error", "optimizer": "adam", "learning_rate": 0.5,
        "schedule": "cosine", "epochs": 3.0, "batch_size": 50, "data": ["a", "b"], "momentum": 0.1,
        "max_skips": 3, "augment": "shift=2", "label_smoothing": 0.0,
    }  # fmt: skip
    full = {
        "network.name": "cnn", "objective.name": "square-error", "optimizer.name": "adam",
        "optimizer.learning_rate": 0.5, "schedule.name": "cosine", "training.epochs": 3.0,
        "training.batch_size": 50, "data.sources": ["a", "b"], "optimizer.momentum": 0.1,
        "training.max_skips": 3, "augment": {**parse_augment("none"), "shift": "2"},
        "objective.label_smoothing": 0.0,
    }  # fmt: skip
    assert load_recipe("quick", short) == load_recipe("quick", full)
    mine, empty = Path("mine.toml"), Path("mine/mine.toml")
    mine.write_text("\n".join(f"{key} = {value!r}" for key, value in short.items()))
    empty.parent.mkdir()
    empty.touch()
    file = load_recipe(mine)
    assert file == load_recipe(empty, full)
    assert file.optimizer.momentum == 0.1
    assert to_toml(file).count("\n[") == 8  # what is written down has full names


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), text),
        lambda inner: st.dictionaries(st.one_of(text, st.sampled_from(recipe_keys())), inner),
    ).filter(lambda table: isinstance(table, dict))
)
def test_any_settings_have_full_keys_or_are_one_line(table: dict[str, Any]) -> None:
    full, message = {}, ""
    try:
        full = full_settings(table)
    except ConfigError as error:
        message = str(error)
    assert set(full) <= set(recipe_keys())
    assert "\n" not in message


@given(st.sampled_from(recipe_keys()))
def test_the_last_part_of_a_key_is_its_short_name_where_no_other_ends_so(key: str) -> None:
    last = key.rpartition(".")[2]
    alike = [one for one in recipe_keys() if one.rpartition(".")[2] == last]
    assert full_key(key) == key
    if alike == [key]:
        assert full_key(last) == key
    elif last not in alike:
        with pytest.raises(ConfigError, match=f"^{last} may be {alike[0]}(, | or )"):
            full_key(last)


def test_set_wants_key_and_value() -> None:
    assert parse_setting("optimizer.momentum = 0.5") == ("optimizer.momentum", "0.5")
    for wrong in ("optimizer.momentum", "=3"):
        with pytest.raises(ConfigError, match="is not key=value"):
            parse_setting(wrong)


def test_augment_replaces_all_strengths() -> None:
    assert parse_augment("none") == dict.fromkeys(parse_augment(""), 0)
    assert parse_augment("shift=2, rotation=7.5")["rotation"] == 7.5
    for wrong in ("shift", "spin=3", "shift=1,,"):
        with pytest.raises(ConfigError, match=r"^augment: .* is not understood"):
            parse_augment(wrong)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("train.epochs", "did you mean training.epochs?"),
        ("training.learning_rate", "did you mean optimizer.learning_rate?"),
        ("optimizer.nmae", "did you mean optimizer.name?"),
        ("optimiser.nmae", "did you mean optimizer.name?"),
        ("opt.lr", "did you mean optimizer.learning_rate?"),
        ("loss.name", "did you mean objective.name?"),
        ("model.name", "did you mean network.name?"),
        ("Schedule.Warm-up", "did you mean schedule.warmup?"),
        ("nmae", "did you mean name?"),
        ("optimiser", "did you mean optimizer.name?"),
        ("Netwrk", "did you mean network.name?"),
        ("augmnt", "did you mean augment?"),
        ("dataset", "did you mean data.sources?"),
        ("objectiv", "did you mean objective.name?"),
        ("train.zzz", "expected training.epochs, training.batch_size,"),
        ("zzz.zzz", "expected name, description, seed,"),
        ("dropout", "layers are code: write a network with it, and give --network my_module:"),
        ("network.hidden-size", "layers are code: write a network with it, and give --network"),
    ],
)
def test_a_wrong_name_is_answered_with_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as error:
        full_settings({name: 1})
    assert str(error.value).startswith(f"there is no setting {name}; {meant}")
