"""Every page in a real browser: light and dark, narrow and wide, no violation, no complaint, nothing that axe finds."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from visits import OVERFLOW, Visit

from perfkit.dashboard import PAGES, Entry

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

IDS = [entry.name or "overview" for entry in PAGES]
RULES = {"resultTypes": ["violations"]}


@cache
def axe_source() -> str:
    """The source of axe-core, which only tests use."""
    package = pytest.importorskip("axe_playwright_python")
    return Path(str(package.__file__)).with_name("axe.min.js").read_text()


WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")
STATES = (
    "advised",
    "hostile",
    pytest.param("first-run", marks=pytest.mark.acceptance),
    pytest.param("performance-off", marks=pytest.mark.acceptance),
)


def dressed(visit: Visit, width: int, scheme: str) -> Visit:
    visit.page.set_viewport_size({"width": width, "height": 844})
    visit.page.emulate_media(color_scheme=scheme)
    return visit


def violations(visit: Visit) -> list[tuple[str, list[str]]]:
    """What axe finds wrong with the page as it is."""
    visit.measure(f"(() => {{ {axe_source()} }})()")
    found = visit.page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_a_page_fits_and_breaks_no_rule(browser: Any, site: str, entry: Entry, state: str) -> None:
    with closing(Visit(browser, f"{site}/{state}/deep/perfkit/{entry.name}")) as visit:
        for width in WIDTHS:
            for scheme in SCHEMES:
                assert dressed(visit, width, scheme).measure(OVERFLOW) <= 0, f"{width} wide, {scheme}"
        assert visit.complaints == []


@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_axe_finds_nothing_on_a_page(browser: Any, site: str, entry: Entry) -> None:
    with closing(Visit(browser, f"{site}/advised/deep/perfkit/{entry.name}")) as visit:
        for width, scheme in ((360, "light"), (1440, "dark")):
            assert violations(dressed(visit, width, scheme)) == [], f"{width} wide, {scheme}"


@pytest.mark.acceptance
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_axe_finds_nothing_in_any_state_at_any_width(browser: Any, site: str, entry: Entry, state: str) -> None:
    with closing(Visit(browser, f"{site}/{state}/deep/perfkit/{entry.name}")) as visit:
        for width in WIDTHS:
            for scheme in SCHEMES:
                assert violations(dressed(visit, width, scheme)) == [], f"{width} wide, {scheme}"


@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_a_page_is_read_without_script(browser: Any, site: str, entry: Entry) -> None:
    context = {"java_script_enabled": False}
    with closing(Visit(browser, f"{site}/advised/deep/perfkit/{entry.name}", **context)) as visit:
        assert len(visit.page.locator("main").inner_text()) > 20
        assert visit.page.locator("h1").count() == 1
        assert visit.complaints == []


@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_keys_alone_reach_everything_on_a_page(browser: Any, site: str, entry: Entry) -> None:
    wanted = "[...document.querySelectorAll('a[href], button, summary, input:not([type=hidden]), perfkit-chart')]"
    with closing(Visit(browser, f"{site}/advised/deep/perfkit/{entry.name}")) as visit:
        visit.measure("document.querySelectorAll('details').forEach(each => { each.open = true })")
        total = visit.measure(f"{wanted}.filter(each => each.checkVisibility()).length")
        visit.measure("window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))")
        for _ in range(3 * total + 60):
            visit.page.keyboard.press("Tab")
            if visit.measure("document.activeElement === document.body"):
                break
        missed = f"{wanted}.filter(each => each.checkVisibility() && !reached.has(each)).map(each => each.outerHTML)"
        assert visit.measure(missed) == []


def test_the_letters_lead_to_the_pages(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/advised/deep/perfkit/")) as visit:
        for entry in [each for each in PAGES if each.key]:
            visit.wait("document.querySelector('.tools') !== null")
            with visit.page.expect_navigation(url=f"**/advised/deep/perfkit/{entry.name}"):
                visit.page.keyboard.press("g")
                visit.page.keyboard.press(entry.key)
        assert visit.complaints == []
