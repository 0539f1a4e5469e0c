"""The figures of the course: what their lines are, and that they are drawn anywhere."""

from __future__ import annotations

import itertools
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

import digitlab
from commands import Command, mistake
from digitlab import errors, flow_pictures, plotting
from digitlab.course_figures import FIGURES, titles
from digitlab.drawing import as_hex, lettered
from digitlab.parallel.pipeline import SCHEDULES
from digitlab.picture_mark import is_ours
from digitlab.wording import LANGUAGES
from made_fonts import forget_fonts, make_font

GUIDE = Path(__file__).parents[1] / "docs/guide"
each = pytest.mark.parametrize("name", FIGURES)
in_each_language = pytest.mark.parametrize("language", LANGUAGES)


def drawn(name: str, language: str = "en") -> tuple[Axes, str]:
    with plotting.look():
        _, (axes,) = plotting.new_figure(800, 440)
        return axes, FIGURES[name].draw(axes, language)


def lines(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    found = [line.get_xydata().T for line in drawn(name)[0].lines]
    return [(x, y) for x, y in found if len(x) > 1]


def numbered(name: str) -> list[Rectangle]:
    """Return the bars of a figure that have a number in them."""
    axes, _ = drawn(name)
    places = [text.get_position() for text in axes.texts]
    found = [one for one in axes.patches if isinstance(one, Rectangle)]
    return [one for one in found if one.get_width() < 60 and any(has(one, at) for at in places)]


def has(bar: Rectangle, place: tuple[float, float]) -> bool:
    x, y = place
    return 0 < x - bar.get_x() < bar.get_width() and 0 < y - bar.get_y() < bar.get_height()


def texts(svg: Path) -> list[str]:
    """Return all text of an SVG, which must be well-formed."""
    root = ElementTree.fromstring(svg.read_bytes())
    return ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_sigmoid_is_drawn_from_minus_8_to_8_with_its_slope() -> None:
    (x, y), (_, slope) = lines("sigmoid")
    assert (x.min(), x.max()) == (-8, 8)
    assert np.allclose(y, 0.5 + 0.5 * np.tanh(x / 2))
    assert np.allclose(slope[1:-1], ((y[2:] - y[:-2]) / (x[2:] - x[:-2])), atol=1e-3)
    assert slope.max() == 0.25


def test_the_logarithm_is_drawn_between_0_and_1() -> None:
    ((x, y),) = lines("log")
    assert 0 < x.min() < 0.01
    assert x.max() == 1
    assert np.allclose(np.exp(y), x)


def test_softmax_is_drawn_of_three_numbers_of_which_one_moves() -> None:
    (x, moving), (_, one), (_, zero) = lines("softmax")
    assert np.allclose(moving + one + zero, 1)
    assert np.allclose(moving / zero, np.exp(x))
    assert np.allclose(one / zero, np.e)


def test_a_pipeline_is_drawn_in_the_orders_that_stages_keep_and_idles_a_fifth() -> None:
    for name, orders in flow_pictures.ORDERS.items():
        for stage, order in enumerate(orders):
            kept = SCHEDULES[name.lower()](stage, 2, 4)
            assert order.split() == [f"{'F' if forward else 'B'}{n}" for forward, n in kept]
    left = [bar.get_x() for bar in numbered("pipeline")]
    assert len(left) == 2 * 2 * 8
    for row in np.reshape(left, (4, 8)):
        assert len({*row}) == 8
        assert round((max(left) - min(left)) / 56) + 1 == 10  # units of time: (4 + 2 - 1) x 2


def test_a_stage_waits_for_what_it_needs_and_for_nothing_else() -> None:
    for orders in flow_pictures.ORDERS.values():
        first, last = flow_pictures._timeline(orders)
        for number in "0123":
            assert first[f"F{number}"] < last[f"F{number}"] < last[f"B{number}"]
            assert last[f"B{number}"] < first[f"B{number}"]
        for stage, other in ((first, last), (last, first)):
            for work, start in stage.items():
                reasons = {0, *(t + 1 for t in stage.values()), other[work] + 1}
                assert start in reasons


@pytest.mark.parametrize("bound", range(4))
def test_staleness_is_drawn_as_servers_hold_weights_back(bound: int) -> None:
    durations = flow_pictures.DURATIONS
    starts = flow_pictures._starts(durations, bound)
    ends = (np.array(starts) + np.array(durations)).tolist()
    for worker, begins in enumerate(starts):
        for step, start in enumerate(begins):
            own = ends[worker][step - 1] if step else 0
            # The slowest must have come so far that this step is at most `bound` ahead of it.
            others = [one[step - bound - 1] for one in ends] if step > bound else []
            assert start == max(own, *others, 0)


@each
@in_each_language
def test_words_do_not_lie_on_each_other_and_none_is_cut_off(name: str, language: str) -> None:
    axes, below = drawn(name, language)
    figure = axes.figure
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters of fonts that are not there
        figure.canvas.draw()
        places = [text.get_window_extent() for text in axes.texts]
    assert places
    for one, other in itertools.combinations(places, 2):
        assert not one.overlaps(other)
    for place in places:
        assert axes.get_window_extent().x0 < place.x0 < place.x1 < axes.get_window_extent().x1
    for text, size in ((titles(language)[name], 24), (below, 14)):
        assert lettered(text, size)[1].getlength(text) < 752


@each
@in_each_language
def test_an_svg_has_its_words_as_text_and_is_the_same_bytes_each_time(
    name: str, language: str, tmp_path: Path, fonts: Path
) -> None:
    path = tmp_path / "a.svg"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph|findfont")
        digitlab.draw_figure(name, path, language)
    said, content = texts(path), path.read_bytes()
    axes, below = drawn(name, language)
    expected = {titles(language)[name], below, axes.get_xlabel(), axes.get_title(loc="left")}
    assert expected | {text.get_text() for text in axes.texts} <= {*said, ""}
    assert bool(re.search("[一-鿿]", "".join(said))) == (language == "zh")
    assert b"Noto Sans CJK SC" in content
    assert not re.search(rb"\d{4}-\d\d-\d\d|<dc:date>", content)
    digitlab.draw_figure(name, path, language)
    assert path.read_bytes() == content
    assert is_ours(path)


@each
@in_each_language
def test_a_png_is_the_same_bytes_each_time_by_a_font_of_the_system(
    name: str, language: str, tmp_path: Path, fonts: Path
) -> None:
    axes, below = drawn(name, language)
    words = {"lp", *(text.get_text() for text in axes.texts)}  # "lp" gives the height of a line
    words |= {titles(language)[name], below, axes.get_xlabel(), axes.get_title(loc="left")}
    make_font(fonts / "Chinese.ttf", "".join(sorted(set("".join(words)))))
    forget_fonts()
    path = tmp_path / "a.PNG"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph|findfont")
        digitlab.draw_figure(name, path, language)
    content = path.read_bytes()
    digitlab.draw_figure(name, path, language)
    assert path.read_bytes() == content
    assert is_ours(path)
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (800, 440))
        pixels = np.asarray(picture.convert("RGB"))
    assert as_hex(tuple(pixels[-1, -1])) == "#fafaf8"


def test_a_png_in_chinese_without_a_font_is_a_line_that_names_svg(
    tmp_path: Path, fonts: Path
) -> None:
    for name in FIGURES:
        with pytest.raises(errors.DataError, match=r"no font of .*; try a\.svg, which needs none"):
            digitlab.draw_figure(name, tmp_path / "a.png", "zh")
    assert not (tmp_path / "a.png").exists()


def test_a_figure_replaces_a_picture_of_ours_and_nothing_else(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine.svg").write_text("<svg/>")
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "link.svg").symlink_to("nowhere")
    for name in ("mine", "folder", "link"):
        said = mistake(command("figure", "log", "--out", tmp_path / f"{name}.svg"))
        assert f"{name}.svg cannot be written: something is there that is no picture" in said
    assert (tmp_path / "mine.svg").read_text() == "<svg/>"
    assert not (tmp_path / "nowhere").exists()
    for name in ("log", "softmax"):
        done = command("figure", name, "--out", tmp_path / "ours.svg")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"figure: {tmp_path / 'ours.svg'}\n"
    assert titles()["softmax"] in texts(tmp_path / "ours.svg")


def test_the_list_names_each_figure_in_the_language_asked_for(command: Command) -> None:
    for language in LANGUAGES:
        rows = command("figure", "--list", "--language", language).stdout.splitlines()
        assert [row.split(maxsplit=1) for row in rows] == [
            [name, figure.titles[language]] for name, figure in FIGURES.items()
        ]


def test_without_matplotlib_a_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path
) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda _: None)
    said = mistake(command("figure", "log", "--out", tmp_path / "a.svg"))
    assert "drawing a figure needs matplotlib, which is not installed; pip install" in said


@each
@in_each_language
def test_the_guide_shows_what_the_command_draws(name: str, language: str, tmp_path: Path) -> None:
    shown = GUIDE / f"{name}{'' if language == 'en' else '.zh-CN'}.svg"
    digitlab.draw_figure(name, tmp_path / "a.svg", language)
    assert texts(shown) == texts(tmp_path / "a.svg")
