"""From an alert to the line of code, in the running demo, as somebody does who was told that something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from patience import until
from running_demo import RunningDemo, get
from visits import Visit

pytestmark = [pytest.mark.acceptance, pytest.mark.server, pytest.mark.timeout(400)]

ALERT = "RouteFails"


def firing(demo: RunningDemo) -> list[str]:
    told = get(demo.addresses["dashboard"] + "api/alerts").json()["alerts"]
    return [each["labels"]["http_route"] for each in told["active"] if each["name"] == ALERT]


def mend(page: Any, demo: RunningDemo) -> None:
    """Press the button of the shop that mends it, and see what that page says."""
    page.goto(demo.addresses["shop"] + "demo")
    row = page.locator("tr", has_text="the stock service fails")
    row.locator("td.says", has_text="PK503 at stock.py:").wait_for()
    row.get_by_role("button", name="Fix it").click()
    row.get_by_role("button", name="Break it again").wait_for()
    assert row.locator(".ok").inner_text() == "mended"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_two_clicks_lead_from_an_alert_to_the_line_of_code_and_its_fix(browser: Any, tmp_path: Path) -> None:
    demo = RunningDemo(tmp_path, "--no-story")
    visit = None
    try:
        until(lambda: firing(demo), lambda routes: "/products/{product_id}/stock" in routes)
        visit = Visit(browser, demo.addresses["dashboard"] + "alerts")
        page = visit.page
        page.locator("#active a", has_text="/stock").click()
        page.wait_for_url("**/route?*")
        finding = page.locator("#advice li.finding", has_text="PK503")
        assert finding.locator("code.site").is_visible()
        site = "".join(finding.locator("code.site").inner_text().split())
        if finding.locator("details[open]").count() == 0:
            finding.locator("summary").click()
        assert finding.locator("pre", has_text="timeout=2.0").is_visible()
        mend(page, demo)
        assert visit.complaints == []
    finally:
        if visit is not None:
            visit.close()
        demo.kill()
    path, _, line = site.rpartition(":")
    assert path.endswith("perfkit_demo/stock.py")
    assert "open(" in Path(path).read_text().splitlines()[int(line) - 1]
