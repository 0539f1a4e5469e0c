"""The words of a study in English and Chinese: `words/en.toml` and `words/zh.toml`."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from digitlab.wording import percent

_NAMED = 6
_HAN = "[\u4e00-\u9fff]"
_KEPT = "\0"  # stands for a space meanwhile
_FOLDER = Path(__file__).parent / "words"


class Words:
    """The words of one language, by table and key."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        """Give what a file of words holds."""
        self.tables = tables

    def say(self, key: str, **values: object) -> str:
        """Return a sentence, or a part of one, with what its braces name."""
        kept = {name: str(value).replace(" ", _KEPT) for name, value in values.items()}
        text = self.tables["sentences"][key].format(**kept)
        # A space of ours is beside other letters only; one in a name or a path stays.
        return re.sub(f"(?<={_HAN}) (?={_HAN})", "", text).replace(_KEPT, " ")

    def split(self, measured_on: str | None) -> str:
        """Return what a split is called."""
        return self.tables["splits"][measured_on or "other"]

    def objective(self, name: str) -> str:
        """Return what an objective is called."""
        return self.tables["objectives"].get(name, name)

    def of_objective(self, figure: str, name: str) -> str:
        """Return a figure, or what it is called, with its objective in brackets."""
        text = self.tables["report"]["of_objective"]
        return text.format(figure=figure, objective=self.objective(name))

    def shipped(self, text: str) -> str:
        """Return the description, or the name of a variant, of a study that ships."""
        known = self.tables["shipped"]
        begun = [key for key in known if text.startswith(f"{key} ")]
        if text in known or not begun:
            return known.get(text, text)
        return f"{known[begun[0]]} {text.removeprefix(begun[0]).strip()}"

    def several(self, names: Sequence[str]) -> str:
        """Return `a, b and c`; of many, how many others there are."""
        named = list(names[:_NAMED])
        if len(names) > _NAMED:
            named.append(self.say("others", count=len(names) - _NAMED))
        *others, last = named
        if not others:
            return last
        return self.say("and", others=self.say("comma").join(others), last=last)

    def span(self, interval: tuple[float, float] | None, scale: float = 100) -> str:
        """Return `98.10 to 98.40` of two fractions; nothing of None."""
        if interval is None:
            return ""
        low, high = (f"{scale * one:.2f}" for one in interval)
        return self.tables["report"]["span"].format(low=low, high=high)


@functools.cache
def words(language: str) -> Words:
    """Return the words of a language, one of `digitlab.wording.LANGUAGES`."""
    return Words(tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8")))


def shortened(name: str, letters: int) -> str:
    """Return a name that is not wider than so many letters of Latin script."""
    if cell_len(name) <= letters:
        return name
    return f"{set_cell_size(name, letters - 1).rstrip()}…"


def points(difference: float) -> str:
    """Return a difference of accuracies in points, without its sign."""
    return f"{100 * abs(difference):.2f}"


def rounded(accuracy: float) -> str:
    """Return `90 %`."""
    return percent(accuracy, 0)
