"""Which characters of a row are one number, by the gaps between them and by a table's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from digitlab.layout.brackets import with_brackets
from digitlab.layout.lattice import Character
from digitlab.layout.rules import Ruled
from digitlab.layout.slashes import with_slashes

SMALL, RAISED = 0.6, 0.65  # of the digit before it: a sign that is raised, and where that ends
SIGN = 0.4  # as certain as if it stood in its row
OVER_RULES = 0.08  # of the characters are written across standing rules: no table has more
COLUMNS = 2  # standing rules that a table has at least: one alone may be that of a margin
NEAR, SQUARED = 0.3, 0.25  # heights of a digit, and of the gaps at rules that are less
LONG = 0.2  # of the page's height that a standing rule is at least
JUMP, WIDE = 1.6, 0.55  # times as wide, and heights of a digit: a gap that parts numbers
SPACED = 0.8, 1.9  # heights of a digit: where most gaps are as wide, numbers are spaced out
USUAL = 1.3  # heights of a digit: a gap that parts them where nothing else tells


def parted(
    found: Sequence[tuple[float, Sequence[Sequence[Character]]]], ruled: Ruled
) -> list[list[list[Character]]]:
    """Return the numbers of each row, which stand apart or in cells of their own.

    Args:
        found: of each row the height of its digits, and its characters from left to right, in
            stretches that share no number.
        ruled: the rules of the page; boxes are in its pixels.

    Returns:
        Of each row that has characters its numbers, and of each its characters.
    """
    rows = [(height, list(chain(*parts)), _ends(parts)) for height, parts in found]
    rows = [row for row in rows if row[1]]
    gaps = [_gaps(characters, height) for height, characters, _ in rows]
    page = _threshold(np.concatenate([np.zeros(0), *gaps]))
    written = [one for _, characters, _ in rows for one in characters]
    across = sum(_is_across(one, ruled) for one in written)
    is_ruled = _columns(ruled) >= COLUMNS and across < OVER_RULES * len(written)
    rules = [_rules(characters, ruled if is_ruled else None) for _, characters, _ in rows]
    is_table = not _is_squared(gaps, rules)
    numbers = []
    for (_, characters, ends), wide, at_rule in zip(rows, gaps, rules, strict=True):
        parts = (wide > _threshold(wide, page)) | (at_rule & is_table) | ends
        numbers.append(with_brackets([*map(_unless_raised, _split(characters, parts))]))
    return with_slashes(numbers)


def _ends(stretches: Sequence[Sequence[Character]]) -> npt.NDArray[np.bool_]:
    """Return at which gaps of a row one of its stretches ends, bool [N - 1]."""
    begins = [at == 0 for one in stretches for at in range(len(one))]
    return np.array(begins[1:], bool)


def _split(characters: Sequence[Character], parts: npt.NDArray[np.bool_]) -> list[list[Character]]:
    """Return characters as numbers, which end where `parts` is, bool [N - 1]."""
    numbers = [[characters[0]]]
    for character, is_next in zip(characters[1:], parts.tolist(), strict=True):
        if is_next:
            numbers.append([])
        numbers[-1].append(character)
    return numbers


def _unless_raised(number: list[Character]) -> list[Character]:
    """Return a number; a small last digit at its top is a sign, as of degrees and powers."""
    if len(number) < 2 or any(one.mark is not None for one in number[-2:]):
        return number
    (_, top, _, tall), (_, y, _, height) = (one.box for one in number[-2:])
    if height >= SMALL * tall or y + height > top + RAISED * tall:
        return number
    return [*number[:-1], replace(number[-1], confidence=SIGN * number[-1].confidence)]


def _gaps(characters: Sequence[Character], height: float) -> npt.NDArray[np.float64]:
    """Return the gaps between the characters of a row, in heights of its digits."""
    ends = [(one.box[0], one.box[0] + one.box[2]) for one in characters]
    return np.array([max(0, b[0] - a[1]) / height for a, b in pairwise(ends)])


def _threshold(gaps: npt.NDArray[np.float64], page: float | None = None) -> float:
    """Return the gap, in heights, that parts numbers: where the gaps fall into two clusters.

    Args:
        gaps: of a row, or of a page.
        page: what parts the numbers of the page; None while that is sought.
    """
    ordered = np.sort(gaps)
    best, limit = JUMP, np.inf
    for low, high in pairwise(ordered):
        jump = (high + 0.1) / (max(low, 0.1) + 0.1)
        if high >= WIDE and jump > best:
            best, limit = jump, (low + high) / 2
    if np.isfinite(limit):
        return float(limit)
    if page is not None:
        return page
    median = ordered[len(ordered) // 2] if len(ordered) else 0.0
    return np.inf if SPACED[0] <= median < SPACED[1] else USUAL


def _rules(characters: Sequence[Character], ruled: Ruled | None) -> npt.NDArray[np.bool_]:
    """Return at which gaps of a row a standing rule is, bool [N - 1]; at none of no rules."""
    pairs = pairwise(characters)
    return np.array([ruled is not None and _is_ruled(*pair, ruled) for pair in pairs], bool)


def _is_squared(
    gaps: Sequence[npt.NDArray[np.float64]], rules: Sequence[npt.NDArray[np.bool_]]
) -> bool:
    """Whether standing rules run through numbers, as on squared paper: at many, gaps are small.

    Args:
        gaps: of each row, in heights of its digits.
        rules: at which of these there is a rule.
    """
    near = sum(int((wide[at] < NEAR).sum()) for wide, at in zip(gaps, rules, strict=True))
    return near > SQUARED * sum(int(at.sum()) for at in rules)


def _columns(ruled: Ruled) -> int:
    """Return how many standing rules there are on a page."""
    there = ruled.down.mean(axis=0) > LONG
    return int(there[:1].sum() + np.count_nonzero(there[1:] & ~there[:-1]))


def _is_ruled(one: Character, other: Character, ruled: Ruled) -> bool:
    """Whether a standing rule of a table is between two characters."""
    left, right = one.box[0] + one.box[2] // 2, other.box[0] + other.box[2] // 2
    top, bottom = (
        min(one.box[1], other.box[1]),
        max(one.box[1] + one.box[3], other.box[1] + other.box[3]),
    )
    between = ruled.down[top:bottom, left:right]
    return bool(between.any(axis=1).mean() > 0.7) if between.size else False


def _is_across(one: Character, ruled: Ruled) -> bool:
    """Whether a character is written across a standing rule, as only squared paper has them."""
    x, y, width, height = one.box
    inner = ruled.down[y : y + height, x + width // 4 : x + width - width // 4]
    return bool(inner.any(axis=1).mean() > 0.7) if inner.size else False
