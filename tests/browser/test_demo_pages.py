"""The pages of the demo under its traffic: what real numbers, names and findings look like, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from looks import OPEN_ALL, SCHEMES, WIDTHS, overflow, violations
from patience import until
from running_demo import RunningDemo, get
from visits import Visit

from perfkit.dashboard import PAGES, Entry
from perfkit.dashboard.exchange.tabs import TABS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.acceptance,
    pytest.mark.timeout(900),
]

ENOUGH = 5
"""Findings from which the pages have something to show."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo's pages, once it has found something and an exchange has failed."""
    demo = RunningDemo(tmp_path_factory.mktemp("demo"), "--no-story", "--workers", "2", "--seed", "7")
    try:
        address = demo.addresses["dashboard"]
        until(lambda: get(f"{address}api/advice").json()["findings"], lambda told: len(told) >= ENOUGH, seconds=300.0)
        until(lambda: kept(address, "status=5xx"), seconds=300.0)
        yield address
    finally:
        demo.kill()


def kept(address: str, query: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = get(f"{address}api/requests?{query}").json()["requests"]
    return told


def query_of(entry: Entry, address: str) -> str:
    """Return the query of a page that needs one."""
    if entry.name == "request":
        return f"?id={kept(address, 'status=5xx')[0]['id']}"
    if entry.name == "query":
        return f"?id={quote(get(f'{address}api/database').json()['queries'][0]['id'])}"
    return "?r=GET+%2Fproducts" if entry.name == "route" else ""


@pytest.mark.parametrize("entry", PAGES, ids=[entry.name or "overview" for entry in PAGES])
def test_a_page_of_the_demo_fits_and_breaks_no_rule(browser: Any, pages: str, entry: Entry) -> None:
    check(browser, f"{pages}{entry.name}{query_of(entry, pages)}")


@pytest.mark.parametrize("tab", TABS[1:])
def test_a_tab_of_a_request_fits_and_breaks_no_rule(browser: Any, pages: str, tab: str) -> None:
    (route,) = (each["id"] for each in kept(pages, "route=GET+%2Fproducts&limit=1"))
    check(browser, f"{pages}request?id={route}&tab={tab}")


def check(browser: Any, address: str) -> None:
    with closing(Visit(browser, address)) as visit:
        visit.wait("document.querySelector('.tools') !== null")
        assert visit.measure("document.querySelector('main').innerText.length") > 20
        visit.page.keyboard.press("p")  # what axe looks at must not change meanwhile
        for width in WIDTHS:
            for scheme in SCHEMES:
                assert overflow(visit, width, scheme) <= 0, f"{width} wide, {scheme}"
        visit.measure(OPEN_ALL)
        for width, scheme in zip(WIDTHS, SCHEMES, strict=True):
            assert overflow(visit, width, scheme) <= 0, f"{width} wide, {scheme}, all opened"
            assert violations(visit) == [], f"{width} wide, {scheme}"
        assert visit.complaints == []
