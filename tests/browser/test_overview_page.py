"""The overview in a real browser, behind its real headers: no violation, no overflow, no injected element."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NoReturn

import pytest

from perfkit.dashboard import ASSET_HEADERS, SECURITY_HEADERS, asset, overview
from tests.unit.dashboard.advice_samples import HOSTILE, N_PLUS_ONE
from tests.unit.dashboard.samples import states

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PATIENCE = 90_000
"""Milliseconds that the browser may take for one thing on a busy machine."""

STATES = states()


class Pages(BaseHTTPRequestHandler):
    """Serves each sample under a prefix the page does not know: ``/<state>/deep/perfkit/``."""

    def do_GET(self) -> None:
        state, _, rest = self.path.lstrip("/").partition("/deep/perfkit/")
        static = re.match(r"static/([^/?]+)", rest)
        found = asset(static[1]) if static else None
        if found:
            self._answer(found.content_type, ASSET_HEADERS, found.body)
        elif state in STATES and not static:
            self._answer("text/html; charset=utf-8", SECURITY_HEADERS, overview(STATES[state]).encode())
        else:
            self.send_error(404)

    def _answer(self, content_type: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; the browser's console tells."""


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("PERFKIT_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    missing("No Chromium on the PATH. Install the package `chromium`, or name its file in PERFKIT_CHROMIUM.")


def missing(reason: str) -> NoReturn:
    if os.environ.get("PERFKIT_NO_SKIP"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed. Install it with: pip install playwright")
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Visit:
    """One page opened, with all it complained about."""

    def __init__(self, browser: Any, url: str, width: int = 1440, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **context)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on(
            "response",
            lambda answer: self.complaints.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )
        self.page.goto(url)

    def close(self) -> None:
        self.context.close()

    def measure(self, script: str) -> Any:
        return self.page.evaluate(script)


OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.mark.parametrize("state", STATES)
def test_every_state_fits_and_breaks_no_rule(browser: Any, site: str, state: str) -> None:
    grounds = {"light": "rgb(246, 247, 249)", "dark": "rgb(14, 19, 25)"}
    with closing(Visit(browser, f"{site}/{state}/deep/perfkit/")) as visit:
        for width in (320, 390, 640, 800, 1440):
            visit.page.set_viewport_size({"width": width, "height": 844})
            for scheme, ground in grounds.items():
                visit.page.emulate_media(color_scheme=scheme)
                assert visit.measure(OVERFLOW) <= 0, f"{width} wide, {scheme}"
                assert visit.measure("getComputedStyle(document.body).backgroundColor") == ground
        assert visit.measure("document.styleSheets.length") == 1
        assert visit.complaints == []


def test_hostile_data_makes_no_element(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/hostile/deep/perfkit/")) as visit:
        assert visit.measure("document.querySelectorAll('img, script, iframe, [onerror]').length") == 0
        assert HOSTILE in visit.page.locator("tbody th code").first.inner_text()
        assert visit.measure("[...document.links].every(link => link.protocol === 'http:')")
        assert visit.complaints == []


def test_the_policy_is_in_force(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/healthy/deep/perfkit/")) as visit:
        with visit.page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            visit.measure("document.body.setAttribute('style', 'margin: 77px')")
        assert visit.measure("getComputedStyle(document.body).marginTop") == "0px"


def test_the_verdict_and_the_four_numbers_are_on_the_first_screen(browser: Any, site: str) -> None:
    for width, height in ((1440, 900), (390, 844)):
        with closing(Visit(browser, f"{site}/degraded/deep/perfkit/", width)) as visit:
            last = visit.page.locator(".figure").last.bounding_box()
            assert last["y"] + last["height"] <= height


def test_keys_alone_reach_everything_and_show_where_they_are(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/degraded/deep/perfkit/")) as visit:
        reached = []
        for _ in range(30):
            visit.page.keyboard.press("Tab")
            reached.append(
                visit.measure(
                    "(e => [e.className || e.tagName, getComputedStyle(e).outlineStyle])(document.activeElement)"
                )
            )
        names = [name for name, _ in reached]
        assert names[0] == "skip"
        assert {"brand", "live on", "SUMMARY", "scroll"} <= set(names)
        assert all(outline == "solid" for name, outline in reached if name != "BODY")


def test_the_chart_opens_as_a_table_without_script(browser: Any, site: str) -> None:
    context = {"java_script_enabled": False}
    with closing(Visit(browser, f"{site}/degraded/deep/perfkit/", **context)) as visit:
        table = visit.page.locator("table.numbers")
        assert not table.is_visible()
        visit.page.get_by_text("Show as table").click()
        table.wait_for(state="visible")


def test_score_advice_and_its_fix_are_read_without_script(browser: Any, site: str) -> None:
    context = {"java_script_enabled": False}
    with closing(Visit(browser, f"{site}/advised/deep/perfkit/", **context)) as visit:
        assert visit.page.get_by_role("img", name="Score 66 of 100").is_visible()
        first = visit.page.locator(".finding").first
        assert "shop/views/products.py:48" in first.inner_text()
        assert first.get_by_label("Fix, Django").is_visible()
        waiting = visit.page.locator(".finding").nth(7)
        assert not waiting.is_visible()
        visit.page.get_by_text("Show the next 5 findings").click()
        waiting.wait_for(state="visible")


def test_a_fix_is_chosen_whole_with_one_click(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/advised/deep/perfkit/")) as visit:
        visit.page.get_by_label("Fix, Django").click()
        assert visit.measure("getSelection().toString().trim()") == N_PLUS_ONE.fix["django"]


def test_live_is_a_link_on_and_off(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/healthy/deep/perfkit/")) as visit:
        visit.page.get_by_role("link", name="Live").click()
        visit.page.wait_for_url("**/healthy/deep/perfkit/?live=5")


def test_targets_are_large_enough_to_hit(browser: Any, site: str) -> None:
    script = (
        "[...document.querySelectorAll('a:not(.skip), summary')].map(e => e.getBoundingClientRect())"
        ".filter(box => box.width < 24 || box.height < 24).length"
    )
    for state in ("failing", "advised"):
        for width in (390, 1440):
            with closing(Visit(browser, f"{site}/{state}/deep/perfkit/", width)) as visit:
                visit.measure("document.querySelectorAll('details').forEach(each => { each.open = true })")
                assert visit.measure(script) == 0


def test_high_contrast_keeps_what_colour_said(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/degraded/deep/perfkit/", forced_colors="active")) as visit:
        assert visit.measure("getComputedStyle(document.querySelector('.side [aria-current]')).borderTopWidth") == "1px"
        dashes = (
            "['p50', 'p95', 'p99'].map(n => getComputedStyle(document.querySelector('.marks .' + n)).strokeDasharray)"
        )
        assert len(set(visit.measure(dashes))) == 3
        assert visit.complaints == []
