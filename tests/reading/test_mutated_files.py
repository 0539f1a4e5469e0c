"""Files whose bits were flipped, cut or spliced: each a picture or a named error, none a crash."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from digitlab import GuardedDecoder, Limits, Recogniser
from digitlab.reading.types import Reading
from hostile_files import mutated, originals
from made_documents import documents

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore::digitlab.errors.PagesWarning"),
]

NAMED = {"not-a-picture", "too-large", "unreadable"}
OF_DOCUMENTS = {*NAMED, "encrypted", "no-pages"}
LIMITS = Limits(max_pixels=2_000_000, max_seconds=60)


def read_mutations(indices: range, seed: int) -> Counter[str | None]:
    """Read mutated files as the command does; return how often each error code came."""
    files = list(originals().values())
    codes: Counter[str | None] = Counter()
    recogniser = Recogniser()
    with GuardedDecoder(LIMITS) as decoder:
        for index in indices:
            reading = recogniser.read(mutated(files, index, seed), decoder=decoder)
            check(reading)
            codes[reading.error and reading.error.code] += 1
        for file in files:
            assert recogniser.read(file, decoder=decoder).error is None
    return codes


def read_mutated_documents(indices: range, seed: int) -> Counter[str | None]:
    """Read every page of mutated documents; return how often each error code came."""
    files = list(documents().values())
    codes: Counter[str | None] = Counter()
    recogniser = Recogniser()
    with GuardedDecoder(LIMITS) as decoder:
        for index in indices:
            file = mutated(files, index, seed)
            readings = list(recogniser.read_pages(file, decoder=decoder, max_pages=5))
            assert readings
            for reading in readings:
                check(reading)
                codes[reading.error and reading.error.code] += 1
        for name, file in documents().items():
            for reading in recogniser.read_pages(file, decoder=decoder):
                assert (reading.error is None) == (name != "PDF locked")
    return codes


def check(reading: Reading) -> None:
    if reading.error is not None:
        assert reading.rows == ()
        assert "\n" not in reading.error.message
    for row in reading.rows:
        digit = row.numbers[0].digits[0]
        assert 0 <= digit.digit <= 9
        assert digit.probabilities is not None
        assert np.isfinite(digit.probabilities).all()


def test_two_thousand_mutated_files_each_give_a_reading_or_a_named_error() -> None:
    codes = read_mutations(range(2000), seed=0)
    assert set(codes) - {None} <= NAMED
    assert min(codes[None], codes["unreadable"], codes["not-a-picture"]) > 100


@pytest.mark.chaos
def test_a_hundred_thousand_mutated_files(capsys: pytest.CaptureFixture[str]) -> None:
    codes = read_mutations(range(100_000), seed=1)
    with capsys.disabled():
        print(f"\n100,000 mutated files: {dict(codes)}")
    assert set(codes) - {None} <= NAMED


def test_mutated_documents_each_give_readings_or_a_named_error() -> None:
    codes = read_mutated_documents(range(500), seed=0)
    assert set(codes) - {None} <= OF_DOCUMENTS
    assert min(codes[None], codes["unreadable"], codes["encrypted"]) > 20


@pytest.mark.chaos
def test_ten_thousand_mutated_documents(capsys: pytest.CaptureFixture[str]) -> None:
    codes = read_mutated_documents(range(10_000), seed=1)
    with capsys.disabled():
        print(f"\npages of 10,000 mutated documents: {dict(codes)}")
    assert set(codes) - {None} <= OF_DOCUMENTS
