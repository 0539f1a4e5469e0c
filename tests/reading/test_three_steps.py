"""The three steps of reading, each by itself; together they are `Recogniser.read`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from digitlab import preparation
from digitlab.errors import ConfigError, ModelError, PictureError
from digitlab.preparation import Glyph, Step
from digitlab.reading.assembly import assemble
from digitlab.reading.glyphs import find_glyphs
from digitlab.reading.recogniser import Recogniser
from digitlab.reading.refusal import DISTURBED
from digitlab.reading.types import Digit
from small_models import WriteModel, picture_of

Templates = npt.NDArray[np.uint8]
MODELS = {
    "ten": {"temperature": 2.0},
    "eleven": {"temperature": 2.0, "no_digit": -3.0},
    "value": {"value": True},
}


class Counted:
    """A session that counts its calls and remembers how many images each had."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.sizes: list[int] = []

    def run(self, outputs: None, inputs: dict[str, npt.NDArray[np.float32]]) -> Any:
        self.sizes.append(len(inputs["images"]))
        return self._session.run(outputs, inputs)


def counted(recogniser: Recogniser) -> Counted:
    session = Counted(recogniser.model.session)
    recogniser.model = dataclasses.replace(recogniser.model, session=session)
    return session


def some_glyphs(templates: Templates, count: int) -> list[Glyph]:
    """Return glyphs of noisy digits, each with a box of its own."""
    noise = np.random.default_rng(0).integers(0, 60, (count, 28, 28))
    images = np.clip(templates[np.arange(count) % 10] + noise, 0, 255).astype(np.uint8)
    return [Glyph(image, (at, 2 * at, 20, 30)) for at, image in enumerate(images)]


def alike(one: Digit, other: Digit) -> bool:
    """Return whether two answers are one by the promise S11: equal, probabilities within 1e-6."""
    likely, theirs = (np.array(digit.probabilities or ()) for digit in (one, other))
    same = (one.digit, one.refused, one.box) == (other.digit, other.refused, other.box)
    return same and bool(np.abs(likely - theirs).max(initial=0) <= 1e-6)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("count", [1, 3, 20])
def test_many_glyphs_get_in_one_call_the_answers_that_each_gets_alone(
    write_model: WriteModel, templates: Templates, kind: str, count: int
) -> None:
    recogniser = Recogniser(write_model(**MODELS[kind]))
    glyphs = some_glyphs(templates, count)
    reject = None if kind == "value" else 0.1
    alone = [recogniser.classify([glyph], reject)[0] for glyph in glyphs]
    session = counted(recogniser)
    together = recogniser.classify(glyphs, reject)
    assert session.sizes == [count]
    assert len(together) == count
    assert all(map(alike, together, alone))
    assert [digit.box for digit in together] == [glyph.box for glyph in glyphs]
    if kind != "value":
        assert [digit.digit for digit in together] == [at % 10 for at in range(count)]
        assert [digit.confidence for digit in together] == [
            max(digit.probabilities or ()) for digit in together
        ]


def test_more_glyphs_than_a_batch_take_a_call_a_batch(
    write_model: WriteModel, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = Recogniser(write_model(no_digit=-3.0))
    glyphs = some_glyphs(templates, 20)
    at_once = recogniser.classify(glyphs)
    monkeypatch.setattr("digitlab.reading.recogniser.BATCH", 7)
    session = counted(recogniser)
    assert all(map(alike, recogniser.classify(glyphs), at_once))
    assert session.sizes == [7, 7, 6]


def test_each_glyph_is_refused_for_itself(write_model: WriteModel, templates: Templates) -> None:
    recogniser = Recogniser(write_model(temperature=2.0))
    glyphs = some_glyphs(templates, 10)
    sure = [digit.confidence or 0 for digit in recogniser.classify(glyphs)]
    reject = 1 - float(np.median(sure))
    refusals = [digit.refused for digit in recogniser.classify(glyphs, reject)]
    assert refusals == [1 - one > reject for one in sure]
    assert 0 < sum(refusals) < 10
    assert not any(digit.refused for digit in recogniser.classify(glyphs, "none"))


def test_where_there_is_no_glyph_the_network_is_not_asked(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    session = counted(recogniser)
    assert recogniser.classify([]) == ()
    assert session.sizes == []
    with pytest.raises(ModelError, match="not calibrated"):
        recogniser.classify([], 0.1)
    with pytest.raises(ConfigError, match="reject = "):
        recogniser.classify([], "all")


def test_finding_gives_the_glyph_that_was_prepared_and_where_it_is() -> None:
    (glyph,) = find_glyphs(picture_of(4))
    expected = preparation.find_glyph(picture_of(4))
    assert np.array_equal(glyph.image, expected.image)
    assert glyph.box == expected.box


def test_finding_gives_the_steps_on_the_same_way() -> None:
    for picture in (picture_of(4), np.pad(picture_of(4, 60, 4), 300, constant_values=255)):
        steps: list[Step] = []
        (glyph,) = find_glyphs(picture, record=steps.append)
        expected = preparation.explain(picture)
        assert [step.name for step in steps] == [step.name for step in expected]
        for one, other in zip(steps, expected, strict=True):
            assert np.array_equal(one.image, other.image)
        assert steps[-1].image is glyph.image


def test_on_blank_paper_there_is_nothing_and_what_is_no_picture_is_an_error() -> None:
    assert find_glyphs(np.full((50, 60), 220, np.uint8)) == ()
    with pytest.raises(PictureError, match=r"^it is float64 \[5, 5, 2\]"):
        find_glyphs(np.zeros((5, 5, 2)), "it")  # type: ignore[arg-type]


def test_reading_is_the_three_steps_one_after_the_other(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model(no_digit=-3.0))
    for picture in (picture_of(7), np.full((50, 60), 220, np.uint8)):
        rows = assemble(recogniser.classify(find_glyphs(picture)))
        assert recogniser.read(picture).rows == rows


def test_several_glyphs_are_assembled_to_one_number(
    write_model: WriteModel, templates: Templates
) -> None:
    """In any order, by one call of the network."""
    boxes = [(200, 5, 30, 40), (100, 0, 30, 50), (0, 9, 30, 40)]
    recogniser = Recogniser(write_model())
    session = counted(recogniser)
    (row,) = assemble(recogniser.classify(tuple(map(Glyph, templates[[3, 2, 1]], boxes))))
    assert (row.text, session.sizes) == ("123", [3])
    assert [digit.box for digit in row.numbers[0].digits] == boxes[::-1]
    assert row.box == (0, 0, 230, 50)


def test_a_disturbed_glyph_is_believed_less_and_read_as_the_same(
    write_model: WriteModel, templates: Templates
) -> None:
    recogniser = Recogniser(write_model(**MODELS["ten"]))
    glyphs = some_glyphs(templates, 10)
    disturbed = [dataclasses.replace(glyph, disturbed=True) for glyph in glyphs]
    for one, other in zip(recogniser.classify(glyphs), recogniser.classify(disturbed), strict=True):
        assert one.digit == other.digit
        assert other.confidence is not None
        assert one.confidence is not None
        assert other.confidence < one.confidence
        odds, lower = (np.log(np.array(digit.probabilities)) for digit in (one, other))
        # Logits are divided by the same number, so that all their differences are.
        shrunk = (odds - odds.max()) / np.minimum(lower - lower.max(), -1e-9)
        assert np.allclose(np.delete(shrunk, one.digit), DISTURBED, rtol=1e-2)
