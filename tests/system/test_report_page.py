"""The report of a study in a real browser: by pointing, by keyboard, in the dark, on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import digitlab
from browser import OpenPage, Screenshot, errors, print_pdf, problems, requests_that_leave

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> dict[str, Path]:
    """Return the report of two networks and two objectives, two seeds each, in both languages."""
    folder = tmp_path_factory.mktemp("study")
    runs = [
        digitlab.train(
            "tutorial-mlp",
            data=small_data,
            network=network,
            objective=objective,
            seed=seed,
            epochs=1,
            run_dir=folder / f"{network}-{objective}-{seed}",
        ).path
        for network, objective in (
            ("mlp", "cross-entropy"),
            ("cnn", "cross-entropy"),
            ("mlp", "square-error"),
        )
        for seed in (1, 2)
    ]
    for language in ("en", "zh"):
        digitlab.compare(*runs, out=folder / language, language=language)
    return {language: folder / language / "index.html" for language in ("en", "zh")}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("light", {}),
        ("dark", {"dark": True}),
        ("phone", {"width": 375, "height": 700}),
        ("print", {"print": True}),
    ],
)
def test_the_page_is_sound_however_it_is_looked_at(
    pages: dict[str, Path],
    open_page: OpenPage,
    screenshot: Screenshot,
    language: str,
    name: str,
    how: dict[str, int | bool],
) -> None:
    page = open_page(pages[language], language=language, **how)
    screenshot(page, f"study-{language}-{name}")
    assert errors(page) == []
    assert requests_that_leave(page) == []
    assert problems(page) == []
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0  # nothing makes people scroll sideways but within a table
    assert page.get_attribute("html", "lang") == {"en": "en", "zh": "zh-CN"}[language]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", light)[:3])) / 3
    assert (brightness < 100) == (name == "dark")


def test_values_come_by_keyboard_and_by_pointing(
    pages: dict[str, Path], open_page: OpenPage
) -> None:
    page = open_page(pages["en"])
    chart = page.locator("#accuracy-steps")
    slider, values = chart.locator("input[type=range]"), chart.locator("output")
    last = values.inner_text()
    assert re.match(r"\d+: mlp.* \d+\.\d\d %", last)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    before = values.inner_text()
    assert before != last
    assert before.split(":")[0] in (slider.get_attribute("aria-valuetext") or "")
    page.keyboard.press("End")
    assert values.inner_text() == last
    drawing = chart.locator("svg")
    box = drawing.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    pointed = values.inner_text()
    assert int(pointed.split(":")[0]) < int(before.split(":")[0])
    here = chart.locator(".here")
    assert here.evaluate("line => getComputedStyle(line).display") != "none"
    # The line stands where the mouse is, to a point of the curve.
    at = here.evaluate("line => line.getBoundingClientRect().x")
    assert abs(at - box["x"] - box["width"] / 3) < box["width"] / 10


def test_values_reach_the_end_of_the_longest_line_and_name_all_that_began(
    pages: dict[str, Path], open_page: OpenPage
) -> None:
    page = open_page(pages["en"])
    chart = page.locator("#accuracy-seconds")
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent)")
    lines = data["charts"]["accuracy-seconds"]["lines"]
    ends, begins = [line["x"][-1] for line in lines], [line["x"][0] for line in lines]
    values = chart.locator("output")
    seconds = float(values.inner_text().split(":")[0])
    assert abs(seconds - max(ends)) <= 0.01 * max(ends)
    assert len(values.locator("b").all_inner_texts()) == 3  # the fast ones with their last values
    chart.locator("input[type=range]").focus()
    page.keyboard.press("Home")
    assert values.inner_text().startswith("0:")
    assert values.locator("b").count() == sum(begin <= 0 for begin in begins)


def test_variants_are_switched_off_and_on_by_keyboard(
    pages: dict[str, Path], open_page: OpenPage
) -> None:
    page = open_page(pages["en"])
    lines = page.locator('#accuracy-steps g.variant[data-number="0"] .mean')
    numbers = page.locator('#accuracy-steps text.number[data-number="0"]')
    values = page.locator("#accuracy-steps output")
    box = page.get_by_role("checkbox").first
    name = page.locator(".legend label").first.inner_text()
    assert lines.is_visible()
    box.focus()
    page.keyboard.press("Space")
    assert not lines.is_visible()
    assert not numbers.is_visible()
    assert page.locator('#accuracy-seconds g.variant[data-number="0"] .mean').is_hidden()
    shown = values.locator("b").all_inner_texts()
    assert len(shown) == 2
    assert all(one not in name for one in shown)
    page.keyboard.press("Space")
    assert lines.is_visible()
    assert len(values.locator("b").all_inner_texts()) == 3
    runs = page.locator('#accuracy-steps g.variant[data-number="0"] .run')
    assert runs.first.is_hidden()
    page.get_by_label("each run by itself").check()
    assert runs.count() == 2
    assert runs.first.is_visible()


def test_the_page_says_everything_without_a_script(
    pages: dict[str, Path], open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(pages["en"])
    without = tmp_path / "without.html"
    text = pages["en"].read_text("utf-8")
    without.write_text(re.sub(r"<script>.*</script>", "", text, flags=re.S), "utf-8")
    plain = open_page(without)
    assert plain.locator("#accuracy-steps .mean").first.is_visible()
    assert plain.locator("input[type=range]").first.is_hidden()
    assert plain.locator("table.figures").first.inner_text() == (
        page.locator("table.figures").first.inner_text()
    )


def test_it_prints_on_a_few_sheets(
    pages: dict[str, Path], open_page: OpenPage, tmp_path: Path
) -> None:
    path = print_pdf(open_page(pages["en"]), tmp_path / "study.pdf")
    sheets = len(re.findall(rb"/Type\s*/Page\b", path.read_bytes()))
    assert 2 <= sheets <= 12
