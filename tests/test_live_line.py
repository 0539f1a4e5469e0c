"""The line that is drawn over itself: on a terminal alone, never longer than it, and taken away."""

from __future__ import annotations

import io
import warnings

import pytest

from digitlab.cli.program import warnings_as_lines
from digitlab.errors import PagesWarning
from digitlab.live_line import Counter, LiveLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let time pass as a test says."""
    now = [100.0]
    monkeypatch.setattr("digitlab.live_line.time.monotonic", lambda: now[0])
    return now


def test_a_line_is_drawn_over_the_one_before_and_taken_away(clock: list[float]) -> None:
    out = Terminal()
    line = LiveLine(out)
    line.draw("a long one")
    clock[0] += 0.2
    line.draw("short")
    assert out.getvalue() == "\ra long one\rshort     "
    line.clear()
    line.clear()
    assert out.getvalue().endswith("short     \r     \r")


def test_it_is_drawn_ten_times_a_second_at_most(clock: list[float]) -> None:
    out = Terminal()
    line = LiveLine(out)
    for _ in range(1000):
        line.draw("x")
        clock[0] += 0.001
    assert 5 <= out.getvalue().count("\r") <= 10


def test_it_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    LiveLine(out).draw("x" * 200)
    assert out.getvalue() == "\r" + "x" * 19


def test_wide_letters_never_wrap_and_are_drawn_over_whole(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    line = LiveLine(out)
    line.draw("学" * 200)
    clock[0] += 0.2
    line.draw("x")
    assert out.getvalue() == "\r" + "学" * 9 + "\rx" + " " * 17


@pytest.mark.parametrize("out", [io.StringIO(), None])
def test_where_there_is_no_terminal_nothing_is_drawn(
    out: io.StringIO | None, clock: list[float]
) -> None:
    line, counter = LiveLine(out), Counter(100, out)
    clock[0] += 5
    line.draw("x")
    counter.advance()
    line.clear()
    counter.clear()
    assert out is None or out.getvalue() == ""


def test_a_counter_says_how_far_how_fast_and_how_long_yet(clock: list[float]) -> None:
    out = Terminal()
    counter = Counter(1000, out)
    counter.advance()
    assert out.getvalue() == ""  # what is done at once is not shown
    clock[0] += 2
    for _ in range(98):
        counter.advance()
    clock[0] += 2
    counter.advance(failed=True)
    last = out.getvalue().rsplit("\r", 1)[-1]
    assert last.startswith("━━━╌")
    assert "100 of 1,000  1 not read  25 a second  36 s left" in last


def test_a_counter_that_goes_on_counts_what_was_done_before_but_not_for_the_speed(
    clock: list[float],
) -> None:
    out = Terminal()
    counter = Counter(1000, out, done=500, failed=2)
    clock[0] += 2
    counter.advance(failed=True)
    last = out.getvalue().rsplit("\r", 1)[-1]
    assert "501 of 1,000  3 not read  0 a second  998 s left" in last


def test_pages_are_counted_with_the_name_of_their_document(clock: list[float]) -> None:
    out = Terminal()
    counter = Counter(400, out, document="scan\n.pdf")
    clock[0] += 2
    counter.advance()
    last = out.getvalue().rsplit("\r", 1)[-1]
    assert "╌ page 1 of 400  0 a second  798 s left  scan\\n" in last


def test_of_one_thing_nothing_is_counted(clock: list[float]) -> None:
    out = Terminal()
    counter = Counter(1, out)
    clock[0] += 5
    counter.advance()
    assert out.getvalue() == ""


def test_whoever_prints_can_take_away_what_is_on_the_screen(clock: list[float]) -> None:
    LiveLine.clear_any()
    out = io.StringIO()
    line = LiveLine(out, live=True)
    clock[0] += 1
    line.draw("long work")
    LiveLine.clear_any()
    assert out.getvalue().endswith("\r" + " " * len("long work") + "\r")
    LiveLine.clear_any()
    assert out.getvalue().count("long work") == 1
    assert out.getvalue().count(" " * len("long work")) == 1


def test_a_warning_of_pictures_is_a_line_that_takes_the_place_of_the_one_on_the_screen(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    clock[0] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a user may have set for all of Python
        with warnings_as_lines():
            LiveLine(screen).draw("long work")
            warnings.warn(PagesWarning("a.tif: page 1 of 2"), stacklevel=1)
            warnings.warn("of no picture", stacklevel=1)
    cleared = "\r" + " " * len("long work") + "\r"
    assert screen.getvalue() == f"\rlong work{cleared}digitlab: a.tif: page 1 of 2\n"


def test_where_standard_error_is_closed_a_warning_gets_not_among_the_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with warnings_as_lines():
        warnings.warn(PagesWarning("a.tif: page 1 of 2"), stacklevel=1)
    assert capsys.readouterr().out == ""
