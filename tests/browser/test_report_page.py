"""What `perfkit report` writes, opened from a disk: it asks for nothing, breaks no rule, fits, prints."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from overviews import finding, made, route
from visits import OVERFLOW, Visit

from perfkit.cli.reporting.report import page
from perfkit.core.status import Status
from perfkit.performance.snapshot import Trend
from tests.browser.test_every_page import violations

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

HOSTILE = '"><img src=https://elsewhere.example/x onerror=alert(1)><script>alert(2)</script>'


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    values = tuple(0.1 + 0.004 * (at % 17) for at in range(60))
    overview = made(
        p95=0.488,
        errors=12,
        score=62,
        status=Status.WARNING,
        findings=(finding(route="GET /products"), finding("PK201", None, message=HOSTILE)),
        routes=(*(route(f"/items/{number}", p95=0.05 * number) for number in range(1, 12)), route(HOSTILE)),
    )
    trend = Trend(step=5.0, rate=values, errors=values, p50=values, p95=values, p99=values)
    assert overview.performance is not None
    overview = replace(overview, performance=replace(overview.performance, trend=trend))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(overview), encoding="utf-8")
    return path.as_uri()


def test_a_report_asks_for_nothing_and_fits_every_screen(browser: Any, report: str) -> None:
    with closing(Visit(browser, report)) as visit:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        visit.page.reload()
        for width in (360, 768, 1440):
            visit.page.set_viewport_size({"width": width, "height": 844})
            for scheme, ground in (("light", "rgb(246, 247, 249)"), ("dark", "rgb(14, 19, 25)")):
                visit.page.emulate_media(color_scheme=scheme)
                assert visit.measure(OVERFLOW) <= 0, f"{width} wide, {scheme}"
                assert visit.measure("getComputedStyle(document.body).backgroundColor") == ground
        assert visit.measure("document.querySelectorAll('script, iframe, link, img, form, [onerror]').length") == 0
        assert visit.measure("[...document.links].every(link => link.getAttribute('href').startsWith('#'))")
        assert "<img src=https" in visit.page.inner_text("body")
        assert "A report of shop in testing as of 2027-01-1" in visit.page.inner_text("main")
        assert visit.measure("document.querySelectorAll('.ranges, .live, a.more').length") == 0
        assert asked == [report]
        assert visit.complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_axe_finds_nothing_in_a_report(browser: Any, report: str, width: int, scheme: str) -> None:
    with closing(Visit(browser, report, width, color_scheme=scheme)) as visit:
        assert violations(visit) == []


def test_the_policy_of_a_report_is_in_force(browser: Any, report: str) -> None:
    image = "document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.example/x'}))"
    with (
        closing(Visit(browser, report)) as visit,
        visit.page.expect_console_message(lambda message: "Content Security Policy" in message.text),
    ):
        visit.measure(image)


def test_a_report_prints_without_what_only_a_screen_has(browser: Any, report: str, tmp_path: Path) -> None:
    with closing(Visit(browser, report)) as visit:
        visit.page.emulate_media(media="print")
        assert not visit.page.locator("nav").first.is_visible()
        assert visit.page.get_by_text("PK101").first.is_visible()
        assert visit.page.pdf(format="A4").startswith(b"%PDF")
        assert visit.complaints == []
