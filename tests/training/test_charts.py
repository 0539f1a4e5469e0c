"""The pictures of a run: what the lines say, and that labels can be read."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from digitlab import drawing, plotting
from digitlab.picture_mark import is_ours
from digitlab.training import charts
from made_fonts import make_font

pytestmark = pytest.mark.usefixtures("pictures")


def step(number: int, loss: float | None, skipped: bool = False) -> dict[str, Any]:
    accuracy = 0.1 + number % 7 / 10
    return {"kind": "step", "step": number, "loss": loss, "accuracy": accuracy, "skipped": skipped}


def epoch(number: int, loss: float | None) -> dict[str, Any]:
    return {"kind": "epoch", "step": number, "valid_loss": loss, "valid_accuracy": 0.5}


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (2.18, 2.42),  # of the recipes of the tutorial, and quick
        (1.4, 32.0),
        (0.15, 2.7),
        (0.28, 2.4),
        (0.9, 5.2),
        (0.5, 120.0),
        (1e-5, 1.2),
        (0.4, 300_000.0),
        (1e-30, 1e30),
    ],
)
def test_labels_of_losses_do_not_lie_on_each_other_and_the_scale_is_named(
    low: float, high: float
) -> None:
    losses = np.geomspace(high, low, 50)
    with plotting.look():
        figure, (axes, _) = plotting.new_figure(1000, 480, 2)
        axes.plot(losses)
        axes.set_title("loss")
        charts._scale_losses(axes, losses)
        figure.canvas.draw()
        bottom, top = axes.get_ylim()
        seen = [
            label.get_window_extent()
            for label in axes.get_yticklabels(which="both")
            if label.get_text() and bottom <= label.get_position()[1] <= top
        ]
    seen.sort(key=lambda extent: extent.y0)
    assert len(seen) >= 3
    assert all(one.y1 < other.y0 for one, other in itertools.pairwise(seen))
    assert all(extent.x0 > 0 for extent in seen)
    is_log = axes.get_yscale() == "log"
    assert is_log == (high / low > 2)
    assert ("logarithmic" in axes.get_title(loc="left")) == is_log


def test_a_window_of_means_lies_over_its_own_steps() -> None:
    at, values = np.arange(1.0, 11.0), np.array([5.0] * 4 + [1.0] * 6)
    edges, means = charts._windows(at, values, 4)
    assert edges.tolist() == [0.5, 4.5, 8.5, 10.5]
    assert means.tolist() == [5, 1, 1]  # the cliff is where it is, and no slope


def test_what_is_not_finite_is_left_out_of_means_and_is_a_gap_where_nothing_else_is() -> None:
    values = charts._column([step(1, 4.0), step(2, None), step(3, None), step(4, None)], "loss")
    _, means = charts._windows(np.arange(1.0, 5.0), values, 2)
    assert means[0] == 4
    assert np.isnan(means[1])


def colours(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def has(pixels: np.ndarray, colour: drawing.Colour) -> bool:
    return bool((np.abs(pixels.astype(int) - colour).sum(axis=2) < 30).any())


def test_the_strong_line_is_vertical_at_a_cliff(tmp_path: Path) -> None:
    lines = [step(at, 1000.0 if at <= 500 else 1.0) for at in range(1, 1001)]
    charts.draw_curves(tmp_path / "curves.png", lines, "cliff")
    left = colours(tmp_path / "curves.png")[plotting.TOP : -60, 80:480]
    blue = (np.abs(left.astype(int) - drawing.BLUE).sum(axis=2) < 60).sum(axis=0)
    assert blue.max() > 200  # a column of pixels, most of the height
    assert np.count_nonzero(blue > 20) <= 4


@pytest.mark.parametrize(
    "metrics",
    [
        [],
        [step(1, 2.3)],
        [step(1, None, skipped=True)],
        [step(1, 0.0), step(2, 0.0)],
        [step(1, 2.3), epoch(1, None), step(2, 2.2), epoch(2, 2.25)],
        [{"kind": "start", "step": 0, "accuracy": {}}, step(1, 2.0)],
        [{**step(at, 1 / at)} for at in range(1, 500)] + [epoch(at, 0.1) for at in range(1, 90)],
    ],
)
def test_any_run_can_be_drawn_and_nothing_is_said(
    metrics: list[dict[str, Any]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "curves.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        charts.draw_curves(path, metrics, "训练 $x$ नमस्ते 😀")
    assert is_ours(path)
    assert capfd.readouterr() == ("", "")
    validated = any(line["kind"] == "epoch" for line in metrics)
    skipped = any(line.get("skipped") for line in metrics)
    assert has(colours(path), drawing.ORANGE) == (validated or skipped)


def test_the_title_is_drawn(tmp_path: Path) -> None:
    drawn = []
    for title in ("one", "two"):
        charts.draw_curves(tmp_path / "curves.png", [step(1, 2.3)], title)
        drawn.append(colours(tmp_path / "curves.png"))
    rows = np.nonzero((drawn[0] != drawn[1]).any(axis=(1, 2)))[0]
    assert rows.max() < 50


def test_the_legend_says_what_the_lines_are() -> None:
    said = "".join(text for text, _ in charts._legend(8, [epoch(1, 0.5)], 3))
    assert (
        said
        == "training, mean of 8 steps   each step   validation   x  3 skipped, since not finite"
    )
    assert charts._legend(1, [], 0) == [("training, each step", drawing.BLUE)]


def test_a_user_s_settings_of_matplotlib_change_neither_picture_nor_themselves(
    tmp_path: Path,
) -> None:
    import matplotlib

    confusion = 9 * np.eye(10, dtype=np.int64)
    charts.draw_confusion(tmp_path / "ours.png", confusion)
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 30}):
        charts.draw_confusion(tmp_path / "theirs.png", confusion)
        assert matplotlib.rcParams["font.size"] == 30
    assert np.array_equal(colours(tmp_path / "ours.png"), colours(tmp_path / "theirs.png"))


def files_of_fonts(**texts: str) -> dict[str, str]:
    """Draw axes with these titles, and return the file of the font of each text in the picture."""
    with plotting.look():
        figure, (axes,) = plotting.new_figure(400, 300)
        axes.plot([0, 1000], [0.5, 2])
        axes.set(**texts)
        assert plotting.to_png(figure, "title", []).startswith(b"\x89PNG")
        drawn = [text for text in figure.findobj(Text) if text.get_text()]
    return {
        text.get_text(): Path(text.get_fontproperties().get_file() or "").name for text in drawn
    }


def test_letters_are_those_of_all_our_pictures(fonts: Path) -> None:
    make_font(fonts / "Digits.ttf", "数字")
    files = files_of_fonts(title="loss (%)\nof all", xlabel="数\n字")
    assert files.pop("数\n字") == "Digits.ttf"
    assert {"1.5", "1000", "loss (%)\nof all"} <= set(files)
    assert set(files.values()) == {"font.ttf"}


def test_where_no_file_can_be_written_matplotlib_s_font_will_do(
    monkeypatch: pytest.MonkeyPatch, fonts: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(plotting.tempfile, "tempdir", str(tmp_path / "missing"))
    plotting._folder.cache_clear()
    assert set(files_of_fonts(title="loss").values()) == {""}


def test_a_text_of_two_lines_can_be_drawn_if_its_letters_can(fonts: Path) -> None:
    make_font(fonts / "Digits.ttf", "数字")
    with plotting.look():
        figure, (axes,) = plotting.new_figure(400, 300)
        axes.set_title("two\nlines")
        assert plotting.can_be_drawn(figure, "数 字")
        assert not plotting.can_be_drawn(figure, "数五")
        axes.set_title("五\n数")
        assert not plotting.can_be_drawn(figure)


@pytest.mark.process
def test_what_a_notebook_names_as_backend_need_not_be_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from digitlab.training import charts"],
        env={**os.environ, "MPLBACKEND": "no-such-backend"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
