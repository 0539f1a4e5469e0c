"""The words of a study are there in each language, with the same places for figures."""

from __future__ import annotations

from string import Formatter

import pytest

from digitlab.studies.design import load_design, shipped_studies
from digitlab.studies.words import words
from digitlab.wording import LANGUAGES


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_same_words(language: str) -> None:
    tables, other = words(language).tables, words("en").tables
    assert tables.keys() == other.keys()
    for name, table in other.items():
        if name != "shipped":
            assert tables[name].keys() == table.keys()
            assert all(places(tables[name][key]) == places(text) for key, text in table.items())


def test_studies_that_ship_have_chinese_names() -> None:
    spoken = words("zh")
    for name in shipped_studies():
        design = load_design(name)
        texts = [design.description, *(one.name for one in design.variants)]
        networks = {"mlp", "cnn", "quick"}  # are names of recipes, too
        same = {text for text in texts if spoken.shipped(text) == text}
        assert same <= networks
    assert spoken.shipped("learning rate 0.01") == "学习率 0.01"
    assert words("en").shipped("learning rate 0.01") == "learning rate 0.01"


def test_between_chinese_characters_there_is_no_space() -> None:
    say = words("zh").say
    assert say("worst", names="学习率 1", accuracy="10 %").startswith("准确率最低的是学习率 1：")
    assert say("worst", names="sgd", accuracy="10 %").startswith("准确率最低的是 sgd：")


def test_a_space_in_a_name_or_a_path_stays() -> None:
    say = words("zh").say
    assert say("worst", names="我的 网络", accuracy="10 %").startswith("准确率最低的是我的 网络：")
    assert words("zh").several(["平移", "旋转"]) == "平移和旋转"
    assert words("zh").several(["sgd", "adam 0.1"]) == "sgd 和 adam 0.1"
    assert "我的 研究/（" in say("lies_in", folder="我的 研究/")
