"""The overview in a real browser, behind its real headers: no violation, no overflow, no injected element."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from visits import OVERFLOW, Visit

from tests.unit.dashboard.advice_samples import HOSTILE, N_PLUS_ONE
from tests.unit.dashboard.samples import states

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

STATES = states()


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
        assert visit.measure("document.querySelectorAll('img, iframe, [onerror]').length") == 0
        assert visit.measure("[...document.scripts].every(each => each.src && !each.textContent)")
        assert HOSTILE in visit.page.locator("#routes tbody th code").first.inner_text()
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
        for _ in range(60):
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
        table = visit.page.locator("#traffic table.numbers")
        assert not table.is_visible()
        visit.page.locator("#traffic").get_by_text("Show as table").click()
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


def test_without_script_live_is_a_link_on_and_off(browser: Any, site: str) -> None:
    context = {"java_script_enabled": False}
    with closing(Visit(browser, f"{site}/healthy/deep/perfkit/", **context)) as visit:
        visit.page.get_by_role("link", name="Live").click()
        visit.page.wait_for_url("**/healthy/deep/perfkit/?live=5")
        assert visit.page.locator("noscript").first.count() == 1
        visit.page.get_by_role("link", name="Live, every 5 s").click()
        visit.page.wait_for_url("**/healthy/deep/perfkit/")


def test_targets_are_large_enough_to_hit(browser: Any, site: str) -> None:
    script = """[...document.querySelectorAll('a:not(.skip, .cells a), summary, button')]
        .filter(each => each.checkVisibility())
        .filter(each => (box => box.width < 24 || box.height < 24)(each.getBoundingClientRect()))
        .map(each => each.outerHTML)"""
    for state in ("failing", "advised"):
        for width in (390, 1440):
            with closing(Visit(browser, f"{site}/{state}/deep/perfkit/", width)) as visit:
                visit.measure("document.querySelectorAll('details').forEach(each => { each.open = true })")
                assert visit.measure(script) == []


def test_high_contrast_keeps_what_colour_said(browser: Any, site: str) -> None:
    with closing(Visit(browser, f"{site}/degraded/deep/perfkit/", forced_colors="active")) as visit:
        assert visit.measure("getComputedStyle(document.querySelector('.side [aria-current]')).borderTopWidth") == "1px"
        patterns = """() => {
            const chart = document.querySelector('perfkit-chart'), told = new Set();
            const pen = chart.canvas.getContext('2d'), set = pen.setLineDash;
            pen.setLineDash = function (dashes) { told.add(String(dashes)); set.call(this, dashes); };
            chart.draw();
            return [...told].sort();
        }"""
        assert visit.measure(patterns) == ["", "2,3", "4,4", "7,4"]
        assert visit.complaints == []
