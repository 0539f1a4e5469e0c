"""How well what was read on a page agrees with what is written there.

Used by pages.py for folders of pages, and by benchmarks for made pages. Rows are aligned in their
order, and characters within a row, so that one row or digit too many does not spoil what follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any

from digitlab.evaluation.figures import fraction_of
from digitlab.reading.types import Digit, Mark, Reading, Row

THRESHOLDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)  # of confidence

Pairs = tuple[tuple[int | None, int | None], ...]

_DIGITS = "0123456789"
_RIGHT = 1_000_000  # a right digit outweighs all edits of a page
_EDIT, _REFUSAL = 2, 1  # what is refused stands for a digit rather than beside it
_NEVER = -(10**12)


@dataclass(frozen=True)
class PageScore:
    """Counts of one page or, added, of several.

    Attributes:
        pages: that were compared.
        digits: in the truth; the sum of right, wrong, refused and missing.
        right, wrong: read as they are, or as another digit.
        refused: found, and not read.
        missing: not found.
        extra: digits that were read where there is none; what is refused there does not count.
        rows: in the truth.
        rows_right: of them, read without any mistake, spaces aside.
        rows_of_numbers: of them, those of two numbers or more.
        rows_grouped: of these, read without any mistake, spaces included.
        numbers: in the truth.
        numbers_grouped: of them, those for which one number was read, with each of their digits,
            right, wrong or refused, with no digit more, and with nothing of another number.
            Marks that are missing or too many are counted below alone.
        marks: in the truth.
        marks_right: of them, read as they are.
        marks_extra: marks that were read where there is none, or another.
        sure: for each of `THRESHOLDS`, how many digits and marks were read with at least that
            confidence.
        sure_wrong: of these, how many are wrong or extra; a digit that is read as a mark is.
    """

    pages: int = 0
    digits: int = 0
    right: int = 0
    wrong: int = 0
    refused: int = 0
    missing: int = 0
    extra: int = 0
    rows: int = 0
    rows_right: int = 0
    rows_of_numbers: int = 0
    rows_grouped: int = 0
    numbers: int = 0
    numbers_grouped: int = 0
    marks: int = 0
    marks_right: int = 0
    marks_extra: int = 0
    sure: tuple[int, ...] = (0,) * len(THRESHOLDS)
    sure_wrong: tuple[int, ...] = (0,) * len(THRESHOLDS)

    def __add__(self, other: PageScore) -> PageScore:
        """Return the counts of both; `sum(scores, PageScore())` adds many."""
        added: dict[str, Any] = {}
        for one in fields(self):
            ours, theirs = getattr(self, one.name), getattr(other, one.name)
            if isinstance(ours, tuple):
                added[one.name] = tuple(a + b for a, b in zip(ours, theirs, strict=True))
            else:
                added[one.name] = ours + theirs
        return PageScore(**added)

    @property
    def accuracy(self) -> float | None:
        """The fraction of digits that are read right; None without digits."""
        return fraction_of(self.right, self.digits)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with what is sure as a list of thresholds."""
        counts = {one.name: getattr(self, one.name) for one in fields(self)}
        sure, wrong = counts.pop("sure"), counts.pop("sure_wrong")
        by_confidence = [
            {"confidence": at, "read": count, "wrong": errors}
            for at, count, errors in zip(THRESHOLDS, sure, wrong, strict=True)
        ]
        return {**counts, "accuracy": self.accuracy, "by_confidence": by_confidence}


def score(truth: str, reading: Reading) -> PageScore:
    """Compare what was read on a page with what is written there.

    Args:
        truth: a line a row, numbers separated by spaces, as `Reading.text` has it; every character
            that is no digit is a mark.
        reading: of the page; where it has an error, all is missing.
    """
    written = [line.split() for line in truth.split("\n") if line.strip()]
    found = [_characters(row) for row in reading.rows]
    texts = ["".join(numbers) for numbers in written]
    values = [[_align(text, row)[0] for row in found] for text in texts]
    _, pairs = _best(
        values, [_EDIT * len(text) for text in texts], [_EDIT * len(row) for row in found]
    )
    total = PageScore(pages=1)
    for at, other in pairs:
        row = found[other] if other is not None else []
        text = texts[at] if at is not None else ""
        aligned = _align(text, row)[1]
        total += _characters_score(text, row, aligned)
        if at is not None:
            read = None if other is None else reading.rows[other]
            total += _row_score(written[at], read) + _numbers_score(written[at], read, aligned)
    return total


def _characters(row: Row) -> list[Digit | Mark]:
    """Return what was read in a row, from left to right."""
    return [one for number in row.numbers for one in number.written]


def _row_score(written: Sequence[str], row: Row | None) -> PageScore:
    """Return the counts of a row as a whole."""
    read = [] if row is None else row.text.split()
    several = len(written) > 1
    return PageScore(
        rows=1,
        rows_right="".join(read) == "".join(written),
        rows_of_numbers=several,
        rows_grouped=several and read == list(written),
    )


def _numbers_score(written: Sequence[str], row: Row | None, aligned: Pairs) -> PageScore:
    """Return how many numbers of a row are grouped as they are written."""
    read = () if row is None else row.numbers
    true = [(at, one in _DIGITS) for at, number in enumerate(written) for one in number]
    found = [
        (at, isinstance(one, Digit)) for at, number in enumerate(read) for one in number.written
    ]
    pairs = set()
    lacking, longer = set(), set()  # of ours a digit is missing; of theirs one is too many
    for at, other in aligned:
        if at is not None and other is not None:
            pairs.add((true[at][0], found[other][0]))
        elif at is not None and true[at][1]:
            lacking.add(true[at][0])
        elif other is not None and found[other][1]:
            longer.add(found[other][0])
    into = Counter(at for at, _ in pairs)  # how many of theirs one of ours is parted into
    of = Counter(other for _, other in pairs)  # how many of ours one of theirs joins
    grouped = sum(
        into[at] == of[other] == 1 and at not in lacking and other not in longer
        for at, other in pairs
    )
    return PageScore(numbers=len(written), numbers_grouped=grouped)


def _characters_score(text: str, row: Sequence[Digit | Mark], aligned: Pairs) -> PageScore:
    """Return the counts of the characters of a row."""
    digits = [one for one in text if one in _DIGITS]
    found = dict.fromkeys(("right", "wrong", "refused", "extra", "marks_right"), 0)
    mistakes: list[tuple[Digit | Mark, bool]] = []
    for at, other in aligned:
        read = None if other is None else row[other]
        true = None if at is None else text[at]
        if read is not None and not read.refused:
            mistakes.append((read, read.text != true))
        if isinstance(read, Mark):
            found["marks_right"] += read.text == true
        elif read is not None and read.refused:
            found["refused"] += true is not None
        elif read is not None:
            found["extra" if true is None else "right" if read.text == true else "wrong"] += 1
    sure = [_sure(mistakes, threshold) for threshold in THRESHOLDS]
    marks_read = sum(isinstance(one, Mark) and not one.refused for one in row)
    return PageScore(
        digits=len(digits),
        missing=len(digits) - found["right"] - found["wrong"] - found["refused"],
        marks=len(text) - len(digits),
        marks_extra=marks_read - found["marks_right"],
        sure=tuple(count for count, _ in sure),
        sure_wrong=tuple(wrong for _, wrong in sure),
        **found,
    )


def _sure(read: Sequence[tuple[Digit | Mark, bool]], threshold: float) -> tuple[int, int]:
    """Return how many characters have at least some confidence, and how many are mistakes."""
    wrong = [no for one, no in read if one.confidence is not None and one.confidence >= threshold]
    return len(wrong), sum(wrong)


def _align(text: str, row: Sequence[Digit | Mark]) -> tuple[int, Pairs]:
    """Return how well the characters of a row agree, and which stands for which."""
    values = [[_agreement(true, read) for read in row] for true in text]
    return _best(values, [_EDIT] * len(text), [_EDIT] * len(row))


def _agreement(true: str, read: Digit | Mark) -> int:
    """Return what it is worth that a character was read as another; a digit is never a mark."""
    if (true in _DIGITS) != isinstance(read, Digit):
        return _NEVER
    if read.refused:
        return -_REFUSAL
    if read.text != true:
        return -_EDIT
    return _RIGHT if true in _DIGITS else 0


def _best(
    values: Sequence[Sequence[int]], missing: Sequence[int], extra: Sequence[int]
) -> tuple[int, Pairs]:
    """Align two sequences in their order so that the sum of values is greatest.

    Args:
        values: of each of the first beside each of the second.
        missing, extra: what leaving out one of the first, or of the second, costs.

    Returns:
        The sum; pairs of indices, where None stands beside what is left out.
    """
    table = [list(accumulate((-cost for cost in extra), initial=0))]
    for row, cost in zip(values, missing, strict=True):
        above = table[-1]
        line = [above[0] - cost]
        for at, value in enumerate(row):
            beside = max(above[at + 1] - cost, line[at] - extra[at])
            line.append(max(above[at] + value, beside))
        table.append(line)
    pairs: list[tuple[int | None, int | None]] = []
    at, other = len(missing), len(extra)
    while at or other:
        here = table[at][other]
        if at and other and here == table[at - 1][other - 1] + values[at - 1][other - 1]:
            at, other = at - 1, other - 1
            pairs.append((at, other))
        elif at and here == table[at - 1][other] - missing[at - 1]:
            at -= 1
            pairs.append((at, None))
        else:
            other -= 1
            pairs.append((None, other))
    return table[-1][-1], tuple(reversed(pairs))
