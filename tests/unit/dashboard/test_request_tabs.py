"""The tabs of one request: each a link that works without script, each kind of span with all that is known of it."""

from __future__ import annotations

import msgspec
import pytest

from perfkit.dashboard import given_of, page_entry, render
from perfkit.dashboard.exchange.tabs import TABS
from perfkit.dashboard.pages.request import RequestFound
from perfkit.recorder.kept import KeptExchange
from tests.unit.dashboard.samples import HOSTILE, STATES_BY_NAME, kept
from tests.unit.dashboard.test_overview import Page

REQUEST = page_entry("request")
ID = "id=0000000000000001"


class Seen(Page):
    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source


def seen(tab: str, exchange: KeptExchange | None = None, texts: dict[str, str] | None = None) -> Seen:
    found = RequestFound(kept=exchange or kept(number=1), texts=texts or {})
    return Seen(render(REQUEST, STATES_BY_NAME["healthy"], found, given_of(REQUEST, f"{ID}&tab={tab}")))


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_links_to_all_and_says_which_one_it_is(tab: str) -> None:
    source = render(REQUEST, STATES_BY_NAME["healthy"], RequestFound(kept=kept()), given_of(REQUEST, f"{ID}&tab={tab}"))
    nav = source[source.index('<nav class="tabs"') :].partition("</nav>")[0]
    others = [each for each in TABS[1:] if f'href="./request?{ID}&amp;tab={each}"' in nav]
    assert others == list(TABS[1:])
    assert f'href="./request?{ID}"' in nav, "the first tab is meant where none is said"
    assert nav.count("aria-current") == 1
    assert nav.index("aria-current") > nav.index(f"tab={tab}" if tab != "timeline" else ID)


def test_statements_are_told_in_full_with_their_page_the_dearest_first() -> None:
    plain = kept()
    spans = (msgspec.structs.replace(plain.spans[0], variant="a1b2"), *plain.spans[1:])
    page = seen("queries", msgspec.structs.replace(plain, spans=spans), texts={"a1b2": "SELECT every FROM word"})
    assert page.row("SELECT * FROM review")[1:7] == [
        "×214",
        "407 ms",
        "66 %",
        "0.900 ms",
        "3.10 ms",
        "4 rows ×200, 3 rows ×14",
    ]
    assert page.row("SELECT every FROM word")[1:3] == ["1", "38.0 ms"]
    assert 'href="./query?id=a1b2"' in page.source
    assert page.source.index("SELECT * FROM review") < page.source.index("SELECT every FROM word")
    assert "215 statements, 445 ms, 73 % of the request" in page.text
    assert "stock.internal" not in page.text


def test_look_ups_and_calls_have_tabs_of_their_own() -> None:
    assert seen("cache").row("SET products")[2] == "2.10 ms"
    assert seen("calls").row("GET stock.internal")[2] == "72.0 ms"
    empty = msgspec.structs.replace(kept(), spans=(), span_count=0)
    assert "No look-up of this request was recorded." in seen("cache", empty).text
    assert "No statement of this request was recorded." in seen("queries", empty).text


def test_what_the_client_sent_is_on_its_tab_and_a_failure_comes_before_the_waterfall() -> None:
    sent = seen("request")
    assert "Headers of the request" in sent.text
    assert "curl -i" in sent.text
    timeline = seen("timeline")
    assert "curl -i" not in timeline.text
    assert timeline.source.index("ValueError</strong>") < timeline.source.index('id="waterfall"')
    assert "None of them was kept." in seen("request", msgspec.structs.replace(kept(), headers={})).text


@pytest.mark.parametrize("tab", TABS)
def test_hostile_words_are_text_on_every_tab(tab: str) -> None:
    spans = tuple(
        msgspec.structs.replace(each, name=HOSTILE, variant=HOSTILE, details={HOSTILE: 2}) for each in kept().spans
    )
    page = seen(tab, msgspec.structs.replace(kept(number=1), spans=spans), texts={HOSTILE: HOSTILE})
    assert HOSTILE not in page.source
