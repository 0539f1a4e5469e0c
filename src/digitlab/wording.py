"""How figures, names and choices are written for people, the same on every surface."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

LANGUAGES = ("en", "zh")  # of reports and figures

# What the temperature of a model may have been found on.
VALIDATION_IMAGES, MADE_PICTURES = "validation images", "made pictures"


def percent(fraction: float, decimals: int = 2) -> str:
    """Return `99.03 %`."""
    return f"{100 * fraction:.{decimals}f} %"


def certainty(probability: float) -> str:
    """Return `99.9 %`, rounded down, so that 100 % is never claimed for what is less."""
    return f"{math.floor(probability * 1000) / 10:.1f} %"


def accuracy_text(accuracy: float | None) -> str:
    """Return `99.03 %`, or `none` where it is not known."""
    return "none" if accuracy is None else percent(accuracy)


def calibrated_on(temperature: Any, recorded: Any) -> str | None:
    """Return what a temperature was found on, as it was recorded; None where there is none.

    Before it was recorded, there was no calibration but on made pictures.
    """
    on = recorded or MADE_PICTURES
    return None if temperature is None or not isinstance(on, str) else on


def calibration_text(calibrated_on: str | None) -> str:
    """Return `calibrated on validation images`, or `not calibrated`."""
    if calibrated_on is None:
        return "not calibrated"
    return f"calibrated on {printable(calibrated_on)}"


def duration(seconds: float) -> str:
    """Return `7 s`, `3 min 20 s`, `2 h 5 min` or `3 d 4 h`."""
    whole = round(seconds)
    for size, unit, smaller, small_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {small_unit}"
    return f"{whole} s"


def counted(count: float, thing: str) -> str:
    """Return `1 epoch`, `0.2 epochs` or `1,200 epochs`."""
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {thing}" if count == 1 else f"{number} {thing}s"


def passes_done(epoch: int, epochs: float, step: int, steps: int) -> tuple[str, str]:
    """Return how far a run is and how far it will go: `2` and `3`, or `0.1` and `0.2`.

    Whole passes are counted from the one that goes on; of fractions it is what is done.

    Args:
        epoch: the pass, from 1.
        epochs: how many there will be; as many decimals are written as this number has.
        step, steps: steps done and to be done; these are the passes rounded to whole steps.
    """
    exponent = Decimal(f"{epochs:g}").as_tuple().exponent
    if float(epochs).is_integer() or not isinstance(exponent, int):
        return str(epoch), f"{epochs:g}"
    done = epochs if step == steps else min(step / round(steps / epochs), epochs)
    return f"{done:.{-exponent}f}", f"{epochs:.{-exponent}f}"


def one_of(choices: Iterable[str]) -> str:
    """Return `a, b or c`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def did_you_mean(nearest: str | None) -> str:
    """Return `; did you mean cuda?`, the end of a line, or nothing where nothing is near."""
    return f"; did you mean {nearest}?" if nearest else ""


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a cell of CSV for a formula or a command."""
    return text.startswith(("=", "+", "-", "@", "|", "%"))


def printable(text: str) -> str:
    """Return text with every character that is not printed as its escape, such as `\\n`.

    Names of files are a stranger's text: nothing in one may break a line or move a cursor.
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
