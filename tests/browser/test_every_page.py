"""Every page in a real browser: light, dark and high contrast, narrow and wide; nothing that axe finds."""

from __future__ import annotations

from contextlib import closing
from itertools import product
from typing import Any

import pytest
from looks import OPEN_ALL, SCHEMES, WIDTHS, dressed, overflow, violations
from visits import Visit

from perfkit.dashboard import PAGES, Entry

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

IDS = [entry.name or "overview" for entry in PAGES]
LOOKS = tuple(product(WIDTHS, SCHEMES))
OFTEN = ((360, "light"), (1440, "dark"))
"""What axe looks at each time; it takes a second for one look."""

ALWAYS = ("full", "full-hostile")
STATES = (
    *ALWAYS,
    *(
        pytest.param(state, marks=pytest.mark.acceptance)
        for state in (
            "read-only-full",
            "full-crowd",
            "full-failing",
            "full-alone",
            "healthy",
            "first-run",
            "collecting",
            "idle",
            "asleep",
            "off",
        )
    ),
)
"""The rest is for the full proof: all is laid out by the same rules, and the fullest pages break first."""


def opened(browser: Any, site: str, entry: Entry, state: str, **context: Any) -> Visit:
    return Visit(browser, f"{site}/{state}/deep/perfkit/{entry.name}", **context)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_a_page_fits_and_breaks_no_rule(browser: Any, site: str, entry: Entry, state: str) -> None:
    with closing(opened(browser, site, entry, state)) as visit:
        for width, scheme in LOOKS:
            assert overflow(visit, width, scheme) <= 0, f"{width} wide, {scheme}"
        visit.measure(OPEN_ALL)
        for width in WIDTHS:
            assert overflow(visit, width, "light") <= 0, f"{width} wide, all opened"
        assert visit.complaints == []


@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_axe_finds_nothing_on_a_page(browser: Any, site: str, entry: Entry) -> None:
    with closing(opened(browser, site, entry, "full")) as visit:
        for width, scheme in OFTEN:
            assert violations(dressed(visit, width, scheme)) == [], f"{width} wide, {scheme}"


@pytest.mark.acceptance
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_axe_finds_nothing_in_any_state_at_any_width(browser: Any, site: str, entry: Entry, state: str) -> None:
    with closing(opened(browser, site, entry, state)) as visit:
        visit.measure(OPEN_ALL)
        for width, scheme in LOOKS if state in ALWAYS else zip(WIDTHS, SCHEMES, strict=True):
            assert violations(dressed(visit, width, scheme)) == [], f"{width} wide, {scheme}"


@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_a_page_is_read_without_script(browser: Any, site: str, entry: Entry) -> None:
    with closing(opened(browser, site, entry, "full", java_script_enabled=False)) as visit:
        assert len(visit.page.locator("main").inner_text()) > 20
        assert visit.page.locator("h1").count() == 1
        assert visit.complaints == []


def test_without_script_verdict_score_numbers_routes_and_advice_are_read(browser: Any, site: str) -> None:
    with closing(opened(browser, site, PAGES[0], "full", java_script_enabled=False)) as visit:
        page = visit.page
        assert page.locator(".verdict h1").is_visible()
        assert page.get_by_role("img", name="Score 66 of 100").is_visible()
        assert [each.split("\n")[0] for each in page.locator(".figure").all_inner_texts()] == [
            "Throughput",
            "p95 latency",
            "Errors",
            "Saturation",
        ]
        assert page.get_by_role("row", name="GET /products 31.2").is_visible()
        assert page.locator(".finding").first.get_by_text("214 queries in one request").first.is_visible()


# The cells of a map are for the pointer; the table below it has the same links.
WANTED = """[...document.querySelectorAll(
    'a[href]:not(.cells a), button, summary, input:not([type=hidden]), select, textarea, perfkit-chart, [tabindex="0"]'
)].filter(each => each.checkVisibility())"""

STEP = """() => {
    const each = document.activeElement;
    if (each === document.body) return null;
    reached.add(each);
    const style = getComputedStyle(each), box = each.getClientRects()[0];
    const middle = (low, high, most) => (Math.max(0, low) + Math.min(high, most)) / 2;
    const at = [middle(box.left, box.right, innerWidth), middle(box.top, box.bottom, innerHeight)];
    const hit = document.elementFromPoint(...at);
    const is_marked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const is_seen = hit !== null && (each.contains(hit) || hit.contains(each));
    return is_marked && is_seen ? '' : `${is_marked ? 'hidden behind something' : 'not marked'}: ${each.outerHTML}`;
}"""
"""Where the focus is: null at the end, else what is wrong with how it is shown."""


@pytest.mark.parametrize("width", [1440, pytest.param(360, marks=pytest.mark.acceptance)])
@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_keys_alone_reach_everything_on_a_page_and_are_seen_there(
    browser: Any, site: str, entry: Entry, width: int
) -> None:
    with closing(opened(browser, site, entry, "full", width=width, reduced_motion="reduce")) as visit:
        visit.wait("document.querySelector('.tools') !== null")
        visit.measure(OPEN_ALL)
        total = visit.measure(f"window.reached = new Set(), {WANTED}.length")
        for _ in range(3 * total + 60):
            visit.page.keyboard.press("Tab")
            wrong = visit.measure(STEP)
            if wrong is None:
                break
            assert wrong == ""
        assert visit.measure(f"{WANTED}.filter(each => !reached.has(each)).map(each => each.outerHTML)") == []


def test_the_letters_lead_to_the_pages(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/advised/deep/perfkit/")) as visit:
        for entry in [each for each in PAGES if each.key]:
            visit.wait("document.querySelector('.tools') !== null")
            with visit.page.expect_navigation(url=f"**/advised/deep/perfkit/{entry.name}"):
                visit.page.keyboard.press("g")
                visit.page.keyboard.press(entry.key)
        assert visit.complaints == []
