"""Opens HTML pages in Chromium, for tests: what goes wrong in them, and how they look.

One Chromium serves all tests of a worker. No page reaches a network: names are not resolved.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Beside those that Playwright gives itself, --no-sandbox among them.
FLAGS = [
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
PHONE = 600  # narrower than this, in CSS pixels, is a phone
TIMEOUT = 120_000  # ms, for a machine that does much else

OpenPage = Callable[..., "Page"]
Screenshot = Callable[["Page", str], Path]


@dataclass
class _Heard:
    """What a page said and asked for since it was opened, with its windows, frames and workers."""

    origin: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


_heard: WeakKeyDictionary[BrowserContext, _Heard] = WeakKeyDictionary()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the folder in which people look at screenshots."""
    parser.addoption("--screenshots", metavar="FOLDER", help="where to keep screenshots of pages")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Return the Chromium of the system; without one, skip, or in continuous integration fail."""
    executable = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=FLAGS, timeout=TIMEOUT
        )
        yield browser
        browser.close()


def find_chromium() -> str:
    """Return the Chromium of the system; without one, skip or fail, as the fixture does."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    missing = "no Chromium; on Debian: apt install chromium fonts-wqy-microhei"
    if "CI" in os.environ:
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Return a function that opens a file or a URL in a profile of its own.

    It returns the Playwright page, loaded, of which the functions below tell more. Sizes are in
    CSS pixels; in a window narrower than 600 a page behaves as on a phone, so one without
    <meta name="viewport"> is laid out 980 wide. `language` is the reader's, such as "zh-CN".
    """
    sys.audit("multiprocessing", "a page of Chromium")  # Chromium starts its process unheard
    contexts = []

    def open_it(
        path_or_url: Path | str,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        print: bool = False,
        language: str = "en-US",
        reduced_motion: bool = False,
    ) -> Page:
        url = str(path_or_url)
        if "://" not in url:
            url = Path(url).resolve().as_uri()
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            is_mobile=width < PHONE,
            has_touch=width < PHONE,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if reduced_motion else "no-preference",
            locale=language,
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        _listen(context, _origin(url))
        page = context.new_page()
        if print:
            page.emulate_media(media="print")
        page.goto(url)
        return page

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture
def screenshot(request: pytest.FixtureRequest, tmp_path: Path) -> Screenshot:
    """Return a function that draws a whole page into NAME.png and returns its path.

    The folder is that of `--screenshots`, for people to look at, else one of the test's own.
    """
    config = request.config
    folder = config.invocation_params.dir / (config.getoption("screenshots") or tmp_path)

    def draw(page: Page, name: str) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return draw


def print_pdf(page: Page, path: Path) -> Path:
    """Print a page into a PDF as a reader would: by its own rules for print, else on A4."""
    page.pdf(path=path, format="A4", prefer_css_page_size=True)
    return path


def errors(page: Page) -> list[str]:
    """Return the errors in the console, and the exceptions that nothing caught."""
    _catch_up(page)
    return _heard[page.context].errors


def requests_that_leave(page: Page) -> list[str]:
    """Return the URLs that a page asked for beyond its own files, or its own server."""
    _catch_up(page)
    heard = _heard[page.context]
    near = {"file", "data", "blob", "about"}
    return [
        url
        for url in heard.requests
        if urlsplit(url).scheme not in near and _origin(url) != heard.origin
    ]


def problems(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical, a line for each place.

    It judges a page as it stands: what is folded away or comes on pointing has to be opened first.
    What it cannot decide, such as the contrast of letters on a picture, is not among them.
    """
    from axe_playwright_python.base import AXE_SCRIPT

    for frame in page.frames:
        frame.evaluate(AXE_SCRIPT)
        # A frame of a file has an origin of its own, and axe would pass it over.
        frame.evaluate("axe.configure({allowedOrigins: ['<unsafe_all_origins>']})")
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{one['impact']}: {one['help']} ({one['id']}): {node['html']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def _listen(context: BrowserContext, origin: str) -> None:
    heard = _heard[context] = _Heard(origin)

    def hear(said: ConsoleMessage) -> None:
        if said.type in ("error", "assert"):
            heard.errors.append(f"{said.text} ({said.location['url']})")

    context.on("console", hear)
    context.on("weberror", lambda raised: heard.errors.append(str(raised.error)))
    context.on("request", lambda request: heard.requests.append(request.url))
    context.on(
        "page",
        lambda page: page.on("websocket", lambda socket: heard.requests.append(socket.url)),
    )


def _catch_up(page: Page) -> None:
    """Hear all that a page said until now, its timers and frames of this moment included."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
