"""The documentation site in a real browser: narrow and wide, light and dark, searched without any other origin."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.acceptance, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PAGES = (
    "",
    "troubleshooting/",
    "how-to/production/",
    "reference/findings/PK101/",
    "reference/settings/",
    "reference/cli/",
)
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not Path(sys.executable).with_name("zensical").exists():
        pytest.skip("zensical is not installed; install it with: pip install --group docs")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, ROOT / "docs/build.py", "--into", folder], check=True, capture_output=True, timeout=200
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder / "site")))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_pages_fit_their_window_and_ask_no_other_origin(browser: Any, address: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page, wrong = context.new_page(), []
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:", "blob:")) else wrong.append(request.url),
    )
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        for path in PAGES:
            page.goto(address + path)
            page.wait_for_selector("h1")
            assert page.evaluate(WIDER) <= 0, path
            dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, dark.strip("rgba()").split(",")[:3])) < 200) == (scheme == "dark"), path
    finally:
        context.close()
    assert not wrong


def test_the_search_finds_a_code_without_any_other_origin(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    foreign: list[str] = []
    page = context.new_page()
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:", "blob:")) else foreign.append(request.url),
    )
    try:
        page.goto(address)
        page.keyboard.press("Control+k")
        page.keyboard.type("stampede", delay=20)
        found = page.get_by_text("PK301: Many callers miss one value at once").locator("visible=true")
        found.first.wait_for(timeout=20_000)
    finally:
        context.close()
    assert not foreign
