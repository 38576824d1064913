"""The dashboard in production, in a browser: the app's own 404 for strangers, whole pages for who has the token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from fleet import TOKEN, Fleet
from served import served
from visits import OVERFLOW, Visit

from perfkit.dashboard import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def production() -> Iterator[Fleet]:
    with served(environment="production") as running:
        yield running


def test_a_stranger_sees_the_app_s_own_404(browser: Any, production: Fleet) -> None:
    base = f"http://127.0.0.1:{production.port}"
    with closing(Visit(browser, f"{base}/no/such/page")) as visit:
        unknown = visit.page.content()
        for entry in PAGES:
            answer = visit.page.goto(f"{base}/perfkit/{entry.name}")
            assert (answer.status, visit.page.content()) == (404, unknown)


def test_the_token_opens_every_page_and_keeps_it_live_without_a_word_in_its_address(
    browser: Any, production: Fleet
) -> None:
    base = f"http://127.0.0.1:{production.port}/perfkit/"
    with closing(Visit(browser, f"{base}?t={TOKEN}")) as visit:
        assert visit.page.url == base
        for entry in PAGES:
            visit.page.goto(f"{base}{entry.name}")
            visit.wait("document.querySelector('.tools') !== null")
            assert visit.measure(OVERFLOW) <= 0
            assert visit.page.locator("form[method=post]").count() == 0
        with visit.page.expect_response(f"{base}{PAGES[-1].name}") as polled:
            pass
        assert polled.value.status in (200, 304)
        assert TOKEN not in visit.page.content()
        assert visit.complaints == []
