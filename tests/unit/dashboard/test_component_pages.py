"""The pages of single components: their figures, their links to each other, and hostile texts in all of it."""

from __future__ import annotations

import json

import msgspec
import pytest

from perfkit.core.status import Status
from perfkit.dashboard import OverviewData, encode, given_of, page_entry, render
from perfkit.dashboard.times import clock_time
from perfkit.health.snapshot import StatusChange
from tests.unit.dashboard import component_samples, samples
from tests.unit.dashboard.advice_samples import a_cache, a_database, a_load_balancer
from tests.unit.dashboard.samples import AT, HOSTILE, STATES_BY_NAME
from tests.unit.dashboard.test_overview import Page

PAGES = ("database", "query", "cache", "upstreams", "runtime", "health", "alerts", "advice")

SHOWN = msgspec.structs.replace(
    STATES_BY_NAME["degraded"],
    alerts=component_samples.alerts(AT),
    database=a_database(),
    cache=a_cache(),
    load_balancer=a_load_balancer(),
    action_token="t0ken",
)


def html(name: str, query: str = "", shown: OverviewData = SHOWN, text: str = "") -> str:
    entry = page_entry(name)
    given = given_of(entry, query)
    found = component_samples.component_found(entry, shown, given, text) if name in component_samples.NAMES else None
    return render(entry, shown, found, given)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("token", ["", "t0ken"])
def test_hostile_texts_stay_texts(name: str, token: str) -> None:
    change = StatusChange(AT - 5.0, Status.CRITICAL, HOSTILE)
    state = STATES_BY_NAME["hostile"]
    checks = tuple(
        msgspec.structs.replace(check, history=(change,), depends_on=(HOSTILE,), duration=0.1, checked_at=AT - 1.0)
        for check in state.health.checks
    )
    shown = msgspec.structs.replace(
        state,
        alerts=component_samples.alerts(AT, HOSTILE),
        health=msgspec.structs.replace(state.health, checks=checks),
        action_token=token,
    )
    source = html(name, shown=shown, text=HOSTILE)
    source.encode()
    page = Page(source)
    assert source.count("<script") == 2
    assert not page.all("img")
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert all((link.get("href") or "#").startswith(("./", "../", "#")) for link in page.all("a"))
    assert bool([form for form in page.all("form") if form.get("method") == "post"]) <= bool(token)


def test_a_statement_leads_to_its_page_and_from_there_to_its_routes() -> None:
    links = [link["href"] for link in Page(html("database")).all("a")]
    assert "./query?id=f987" in links
    source = html("query", "id=f987")
    assert "./route?r=GET+%2Fproducts" in [link["href"] for link in Page(source).all("a")]
    assert "views.py:48" in source
    assert 'value="database-explain"' in source


def test_a_statement_that_is_not_known_says_so() -> None:
    entry = page_entry("query")
    source = render(entry, SHOWN, None, given_of(entry, "id=none"))
    assert "No statement has this id" in source


def test_an_alert_leads_to_its_route_in_one_click() -> None:
    source = html("alerts")
    assert "./route?r=GET+%2Fproducts" in [link["href"] for link in Page(source).all("a")]
    assert 'value="alert-acknowledge"' in source
    assert 'value="alert-unsilence"' in source


def test_servers_are_drained_and_namespaces_cleared_by_buttons_for_who_may_act() -> None:
    assert 'value="server-drain"' in html("upstreams")
    assert 'value="cache-clear"' in html("cache")
    quiet = msgspec.structs.replace(SHOWN, action_token="")
    for name in PAGES:
        assert 'method="post"' not in html(name, shown=quiet)


def test_advice_is_shown_by_component_and_the_score_is_accounted_for() -> None:
    everything, one = html("advice"), html("advice", "of=cache")
    assert "Score" in everything
    assert everything.count('class="finding"') > one.count('class="finding"')
    entry = page_entry("advice")
    told = json.loads(encode(entry, SHOWN, None, given_of(entry, "of=database")))
    assert {each["component"] for each in told["findings"]} == {"database"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_the_same_as_json(name: str) -> None:
    entry = page_entry(name)
    given = given_of(entry, "")
    found = component_samples.component_found(entry, SHOWN, given, "") if name in component_samples.NAMES else None
    told = json.loads(encode(entry, SHOWN, found, given))
    assert told["service"] == SHOWN.service
    assert len(told) > 8


def test_pages_of_a_young_service_are_whole() -> None:
    shown = samples.STATES_BY_NAME["first-run"]
    for name in PAGES:
        entry = page_entry(name)
        assert "</html>" in render(entry, shown, None, given_of(entry, ""))


@pytest.mark.parametrize("name", ["database", "cache", "runtime"])
def test_a_page_that_no_recording_begins_anew_says_so(name: str) -> None:
    recorded = msgspec.structs.replace(SHOWN, recordings=(AT - 5000.0, AT - 60.0))
    said = f"Measured anew since {clock_time(AT - 60.0, SHOWN.timezone)} are requests and routes alone."
    assert said in html(name, shown=recorded)
    assert "since the start. Measured anew" in html(name, shown=recorded)
    assert "Measured anew" not in html(name, shown=msgspec.structs.replace(SHOWN, recordings=()))
