"""What is wrong with a page is found: errors, requests that leave, and what axe-core sees."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import own_processes
from browser import (
    OpenPage,
    Screenshot,
    errors,
    find_chromium,
    print_pdf,
    problems,
    requests_that_leave,
)

pytestmark = pytest.mark.process

GOOD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Digits</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>
body { background: white; color: black }
@media (prefers-color-scheme: dark) { body { background: black; color: white } }
@media print { body { background: rgb(0, 0, 255); color: white } }
</style></head>
<body><main><h1>Digits 数字</h1>
<img alt="nothing" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">
<img alt="a bar" src="bar.png"></main>
<script>
URL.revokeObjectURL(URL.createObjectURL(new Blob(["a"])));
</script></body></html>
"""
PICTURE = 'src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="'


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return a page that nothing is wrong with."""
    Image.new("L", (8, 8)).save(tmp_path / "bar.png")
    (tmp_path / "page.html").write_text(GOOD, "utf-8")
    return tmp_path / "page.html"


@pytest.fixture
def server(good: Path) -> Iterator[str]:
    """Return the address of a server of this machine that has the good page."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def with_this(good: Path, html: str) -> Path:
    """Put something into a page that is good but for it."""
    good.write_text(GOOD.replace("</main>", f"{html}</main>"), "utf-8")
    return good


@pytest.mark.parametrize("width", [1280, 390])
def test_a_good_page_has_nothing_wrong(good: Path, open_page: OpenPage, width: int) -> None:
    page = open_page(good, width=width)
    assert page.evaluate("innerWidth") == width
    assert (errors(page), requests_that_leave(page), problems(page)) == ([], [], [])


def test_errors_are_found(good: Path, open_page: OpenPage) -> None:
    expected = {
        "all is 5": "<script>console.error('all is', 5)</script>",
        "not so": "<script>console.assert(false, 'not so')</script>",
        "one is not defined": "<script>one()</script>",
        "refused": "<script>Promise.reject(new Error('refused'))</script>",
        "two is not defined": "<script>setTimeout(() => two())</script>",
        "missing.png": "<img alt='a' src='missing.png'>",
        "inside": "<iframe title=a srcdoc='<script>console.error(`inside`)</script>'></iframe>",
    }
    page = open_page(with_this(good, "".join(expected.values())))
    assert requests_that_leave(page) == []
    said = errors(page)
    assert len(said) == len(expected)
    for words in expected:
        assert sum(words in one for one in said) == 1, (words, said)


def test_requests_that_leave_are_found_and_reach_nobody(
    good: Path, server: str, open_page: OpenPage
) -> None:
    refused = {
        "http://example.invalid/a.png": "<img alt='a' src='{}'>",
        "https://93.184.215.14/a.png": "<img alt='a' src='{}'>",
        "https://fonts.googleapis.com/css": "<link rel=stylesheet href='{}'>",
        "http://a.invalid/": "<script>fetch('{}').catch(() => 0)</script>",
    }
    others = {
        "http://localhost:9/a.css": "<link rel=stylesheet href='{}'>",
        "ws://a.invalid/": "<script>new WebSocket('{}')</script>",
        "http://b.invalid/": "<iframe title=a src='{}'></iframe>",
    }
    everything = {**refused, **others}
    with_this(good, "".join(html.format(url) for url, html in everything.items()))
    for where in (good, f"{server}/page.html"):
        page = open_page(where)
        assert sorted(requests_that_leave(page)) == sorted(everything)
        said = errors(page)
        for url in refused:
            assert f"Failed to load resource: net::ERR_NAME_NOT_RESOLVED ({url})" in said


def test_files_of_its_own_server_do_not_leave(server: str, open_page: OpenPage) -> None:
    page = open_page(f"{server}/page.html")
    assert page.evaluate("document.images[1].naturalWidth") == 8
    assert (errors(page), requests_that_leave(page)) == ([], [])


def test_what_shuts_readers_out_is_found(good: Path, open_page: OpenPage) -> None:
    expected = {
        "(color-contrast): <p": "<p style='color: #bbb'>hardly to be seen</p>",
        "(image-alt): <img": f"<img {PICTURE}>",
        '(button-name): <button class="out"': "<button class='out'></button>",
        '(button-name): <button class="in"': (
            "<iframe title=a srcdoc='<html lang=en><button class=in></button>'></iframe>"
        ),
    }
    found = problems(open_page(with_this(good, "".join(expected.values()))))
    assert len(found) == len(expected)
    for words in expected:
        assert sum(words in one for one in found) == 1, (words, found)
    assert all(one.startswith(("serious: ", "critical: ")) for one in found)


def test_low_contrast_in_the_dark_is_found(good: Path, open_page: OpenPage) -> None:
    with_this(good, "<p style='color: #333'>to be seen by day</p>")
    assert problems(open_page(good)) == []
    (problem,) = problems(open_page(good, dark=True))
    assert "(color-contrast)" in problem


def test_a_page_is_seen_as_its_reader_wants_it(
    good: Path, open_page: OpenPage, screenshot: Screenshot
) -> None:
    for name, options, colour in [
        ("light", {}, (255, 255, 255)),
        ("dark", {"dark": True}, (0, 0, 0)),
        ("print", {"print": True}, (0, 0, 255)),
    ]:
        path = screenshot(open_page(good, width=300, height=200, **options), name)
        with Image.open(path) as picture:
            assert picture.size == (300, 200)
            assert picture.convert("RGB").getpixel((299, 199)) == colour
    page = open_page(good, language="zh-CN", reduced_motion=True)
    assert page.evaluate("navigator.language") == "zh-CN"
    assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")


def test_there_is_a_font_for_chinese(
    good: Path, open_page: OpenPage, screenshot: Screenshot
) -> None:
    drawn = []
    for letters in ("数", "字"):  # one box for both where there is none
        page = open_page(with_this(good, f"<p style='font-size: 60px'>{letters}</p>"))
        with Image.open(screenshot(page, letters)) as picture:
            drawn.append(np.asarray(picture))
    assert not np.array_equal(*drawn), "on Debian: apt install fonts-wqy-microhei"


def test_a_page_without_a_width_for_phones_is_seen_as_phones_show_it(
    good: Path, open_page: OpenPage
) -> None:
    good.write_text(GOOD.replace("viewport", "nothing"), "utf-8")
    assert open_page(good, width=390).evaluate("innerWidth") == 980


def test_a_page_is_printed(good: Path, open_page: OpenPage, tmp_path: Path) -> None:
    path = print_pdf(open_page(good), tmp_path / "page.pdf")
    assert path.read_bytes().startswith(b"%PDF-")


def test_who_opens_a_page_says_so(
    request: pytest.FixtureRequest, chromium: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_processes, "_watching", True)
    request.getfixturevalue("open_page")
    assert own_processes._started
    own_processes._started.clear()


@pytest.mark.parametrize("ci", [False, True])
def test_without_chromium_a_test_says_what_to_install(
    ci: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "yes") if ci else monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.fail.Exception if ci else pytest.skip.Exception) as told:
        find_chromium()
    assert "no Chromium; on Debian: apt install chromium" in str(told.value)
