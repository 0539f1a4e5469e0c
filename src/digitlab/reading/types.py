"""What a recogniser finds in one picture: rows of numbers of digits, the same on every surface.

Used by the recogniser, `digitlab read --json`, serving and the page; boxes are `[x, y, width,
height]` in pixels of the upright picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from digitlab.wording import certainty

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[int, int, int, int]

# Why a digit is refused; where several hold, the first.
SEVERAL, TOO_SMALL, NO_DIGIT, UNSURE = (
    "more than one digit",
    "too small",
    "not a digit",
    "unsure",
)
REASONS = (SEVERAL, TOO_SMALL, NO_DIGIT, UNSURE)


@dataclass(frozen=True)
class Digit:
    """One digit.

    Attributes:
        digit: 0..9, the most likely, even if it is refused.
        confidence: its probability; None for a network trained with square error.
        reason: why it is refused, one of `REASONS`; None where it is read.
        box: where it stands.
        probabilities: of 0..9; they add up to 1, or to less where it may be no digit; None where
            confidence is.
        rivals: where it is refused as more than one digit, the boxes of those that were seen, but
            for its own; pictures show them, JSON does not.
    """

    digit: int
    confidence: float | None
    reason: str | None
    box: Box
    probabilities: tuple[float, ...] | None
    rivals: tuple[Box, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether there is a reason not to read it."""
        return self.reason is not None

    @property
    def text(self) -> str:
        """The digit, or `?` where it is refused."""
        return "?" if self.refused else str(self.digit)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` and HTTP show."""
        return {
            "digit": self.digit,
            "confidence": self.confidence,
            "refused": self.refused,
            "reason": self.reason,
            "box": list(self.box),
            "probabilities": None if self.probabilities is None else list(self.probabilities),
        }


@dataclass(frozen=True)
class Mark:
    """A mark in a number: point, comma, minus, slash, colon, plus, equals, percent, bracket, dash.

    Attributes:
        mark: as it is written, such as `.` or `-`, even if it is refused.
        confidence: the probability that it is this mark; None where no probability is known.
        refused: true where it is not certain enough to be read.
        box: where it stands.
        place: how many digits of its number stand before it.
    """

    mark: str
    confidence: float | None
    refused: bool
    box: Box
    place: int

    @property
    def text(self) -> str:
        """The mark, or `?` where it is refused."""
        return "?" if self.refused else self.mark

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` and HTTP show."""
        return {
            "mark": self.mark,
            "confidence": self.confidence,
            "refused": self.refused,
            "box": list(self.box),
            "place": self.place,
        }


@dataclass(frozen=True)
class Number:
    """Digits that belong together by their distances; its confidence is that all are right.

    Attributes:
        digits: from left to right.
        box: round all that is written.
        confidence: that every digit and mark is right; None where one of them has none.
        marks: between, before or after the digits, from left to right; most numbers have none.
        crop: the picture of it that was written, where one was.
    """

    digits: tuple[Digit, ...]
    box: Box
    confidence: float | None
    marks: tuple[Mark, ...] = ()
    crop: str | None = None

    @property
    def written(self) -> tuple[Digit | Mark, ...]:
        """The digits and the marks, in the order in which they are written."""
        ordered: list[Digit | Mark] = list(self.digits)
        for mark in reversed(self.marks):
            ordered.insert(mark.place, mark)
        return tuple(ordered)

    @property
    def text(self) -> str:
        """The digits and marks as written, without spaces."""
        return "".join(one.text for one in self.written)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` and HTTP show; `marks` and `crop` only where there are any."""
        shown: dict[str, Any] = {
            "text": self.text,
            "confidence": self.confidence,
            "box": list(self.box),
            "digits": [digit.to_json() for digit in self.digits],
        }
        if self.marks:
            shown["marks"] = [mark.to_json() for mark in self.marks]
        return shown if self.crop is None else shown | {"crop": self.crop}


@dataclass(frozen=True)
class Row:
    """Numbers that stand on one line, from left to right."""

    numbers: tuple[Number, ...]
    box: Box

    @property
    def text(self) -> str:
        """The numbers, joined by a space."""
        return " ".join(number.text for number in self.numbers)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` and HTTP show."""
        return {
            "text": self.text,
            "box": list(self.box),
            "numbers": [number.to_json() for number in self.numbers],
        }


@dataclass(frozen=True)
class ReadingError:
    """Why a picture was not read: a stable word for programs, and one line for people."""

    code: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` and HTTP show."""
        return {"code": self.code, "message": self.message}


class Drawable(Protocol):
    """A picture in which a reading can be drawn."""

    def annotated(self, reading: Reading) -> Image:
        """Return a picture with what was read in it."""
        ...


@dataclass(frozen=True)
class Reading:
    """What was found in one picture, or why it could not be read.

    Attributes:
        file: the file as the caller named it; None for bytes and arrays without a name.
        rows: from top to bottom; empty where `error` is set.
        page: from 1 in a document of pages; None for a picture.
        error: None where the picture was read.
        picture: a small copy of the picture, for notebooks; only of what `Recogniser.read` gave.
        turned: by how many degrees, clockwise, the page was turned to be read: 0, 90, 180 or 270.
            Boxes are in pixels of the page as it is.
    """

    file: str | None
    rows: tuple[Row, ...] = ()
    page: int | None = None
    error: ReadingError | None = None
    picture: Drawable | None = field(default=None, compare=False)
    turned: int = 0

    def __repr__(self) -> str:
        """Return a line: the text, the file, and how certain the first number is, or the error."""
        of = "" if self.file is None else f" of {self.file!r}"
        page = "" if self.page is None else f", page {self.page}"
        if self.error is not None:
            return f"<Reading{of}{page}: {self.error.code}: {self.error.message}>"
        said = " / ".join(self.to_text().splitlines())
        return f"<Reading{of}{page}: {said}>"

    def _repr_html_(self) -> str:
        from digitlab import notebook

        parts = [notebook.note(self.to_text())]
        if self.picture is not None:
            parts += [notebook.picture(self.picture.annotated(self), self.to_text())]
        title = self.file or "picture"
        return notebook.shown(title if self.page is None else f"{title}, page {self.page}", *parts)

    @property
    def text(self) -> str:
        """The rows, joined by a newline."""
        return "\n".join(row.text for row in self.rows)

    def to_text(self) -> str:
        """Return what people read: a line a row, with how certain each number is.

        In the place of that stands why something in it is refused: `? unsure (5, 41.0 %)` for a
        digit alone, `3?5 (unsure)` for a longer number.
        """
        if self.error is not None:
            return self.error.message
        lines = ("   ".join(_said(number) for number in row.numbers) for row in self.rows)
        return "\n".join(lines) or "no digit found"

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` and HTTP show, in the order of the contract in docs/design.md.

        `turned` only where a page was.
        """
        shown = {
            "file": self.file,
            "page": self.page,
            "text": self.text,
            "error": None if self.error is None else self.error.to_json(),
            "rows": [row.to_json() for row in self.rows],
        }
        return shown | ({"turned": self.turned} if self.turned else {})


def refusal(digit: Digit) -> str:
    """Return why a digit is refused, in words: `not a digit`, or `unsure (5, 41.0 %)`."""
    if digit.reason != UNSURE:
        return digit.reason or ""
    certain = "" if digit.confidence is None else f", {certainty(digit.confidence)}"
    return f"{UNSURE} ({digit.digit}{certain})"


def refusals(written: Iterable[Digit | Mark]) -> str:
    """Return why any of these are refused: each reason once, joined by a comma."""
    reasons = (one.reason if isinstance(one, Digit) else UNSURE for one in written if one.refused)
    return ", ".join(dict.fromkeys(reason for reason in reasons if reason))


def _said(number: Number) -> str:
    if number.written == number.digits[:1] and number.digits[0].refused:
        return f"? {refusal(number.digits[0])}"
    if why := refusals(number.written):
        return f"{number.text} ({why})"
    if number.confidence is None:
        return number.text
    return f"{number.text} ({certainty(number.confidence)})"
