"""Stretches of time, what stands out in them, and what was before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

import msgspec
import pytest

from perfkit.advice.ledger import Release
from perfkit.dashboard import given_of, page_entry, render
from perfkit.dashboard.charts import latency_chart
from perfkit.dashboard.page import Entry
from perfkit.dashboard.timeline.moments import Moment, moment_names
from perfkit.dashboard.timeline.ranges import range_links, span_of
from perfkit.http.front import Front
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock
from tests.unit.dashboard import samples
from tests.unit.dashboard.samples import AT, STATES_BY_NAME
from tests.unit.dashboard.test_overview import Page

ROUTE = page_entry("route")
OVERVIEW = page_entry("")


@pytest.mark.parametrize(
    ("query", "start", "end", "is_live"),
    [
        ("", AT - 300.0, AT, True),
        ("range=24h", AT - 86_400.0, AT, True),
        ("range=recording", AT - 86_400.0, AT, True),
        (f"from={int(AT) - 100}&to={int(AT) - 40}", AT - 100, AT - 40, False),
        (f"from={int(AT) - 100}&to={int(AT) + 999}", AT - 100, AT, False),
        (f"from={int(AT) - 100}&to={int(AT) - 95}", AT - 300.0, AT, True),
        (f"from={int(AT) - 40}&to={int(AT) - 100}&range=1h", AT - 3600.0, AT, True),
        (f"from={int(AT) - 40 * 86_400}&to={int(AT)}", AT - 300.0, AT, True),
        ("from=-1&to=nan", AT - 300.0, AT, True),
        ("from=9999999999&to=9999999999", AT - 300.0, AT, True),
    ],
)
def test_a_view_is_of_its_range_or_of_a_part_of_the_past(query: str, start: float, end: float, is_live: bool) -> None:
    span = span_of(given_of(OVERVIEW, query), AT)
    assert (span.start, span.end, span.is_live) == (start, end, is_live)


def test_a_range_begins_with_the_last_recording() -> None:
    given = given_of(OVERVIEW, "range=recording")
    span = span_of(given, AT, (AT - 500.0, AT - 70.0))
    assert (span.start, span.end, span.is_recording) == (AT - 70.0, AT, True)
    assert span_of(given, AT, (AT - 1.0,)).seconds == 10.0


def hrefs(query: str, recordings: tuple[float, ...] = ()) -> dict[str, str]:
    made = Page("".join(range_links(given_of(ROUTE, f"r=GET+/&{query}"), AT, UTC, recordings)))
    return {each["href"]: each.get("aria-current", "") for each in made.all("a")}


def test_every_range_is_a_link_that_keeps_the_rest_of_the_view() -> None:
    links = hrefs("compare=before", (AT - 90.0,))
    named = {f"./route?r=GET+%2F{more}&compare=before" for more in ("", "&range=1h", "&range=6h", "&range=24h")}
    assert named | {"./route?r=GET+%2F&range=recording&compare=before"} <= links.keys()
    assert links["./route?r=GET+%2F&compare=before"] == "true"


def test_a_part_of_the_past_leads_to_before_after_and_out() -> None:
    start, end = int(AT) - 1000, int(AT) - 700
    links = hrefs(f"range=1h&from={start}&to={end}")
    there = "./route?r=GET+%2F&range=1h"
    assert f"{there}&from={start - 300}&to={start}" in links
    assert f"{there}&from={end}&to={end + 300}" in links
    assert [href for href, current in links.items() if current] == [there]
    # What is still to come cannot be shown.
    late = hrefs(f"from={int(AT) - 100}&to={int(AT)}")
    assert not any(f"from={int(AT)}&" in href for href in late)


def shown(entry: Entry, state: str, query: str = "") -> Page:
    given, data = given_of(entry, query), STATES_BY_NAME[state]
    return Page(render(entry, data, samples.found(entry, data, given), given))


@pytest.mark.parametrize("entry", [OVERVIEW, ROUTE], ids=["overview", "route"])
def test_releases_and_recordings_stand_in_the_charts_and_are_heard(entry: Entry) -> None:
    seen = shown(entry, "recorded")
    lines = [each for each in seen.all("line") if str(each.get("class")).startswith("moment")]
    # Two releases and a recording lie in the last five minutes: in both charts, and in the heat map.
    assert [each["class"] for each in lines] == 3 * ["moment release", "moment recording", "moment release"]
    (chart,) = seen.all("perfkit-chart")
    assert "release 2.8.1 at 15:49:50." in chart["aria-label"]
    assert "new recording at 15:51:10." in chart["aria-label"]
    assert "release 2.8.0" not in chart["aria-label"]


def test_where_nothing_was_recorded_is_drawn_and_said() -> None:
    whole = STATES_BY_NAME["healthy"].performance.trend
    rate = (*whole.rate[:20], *([None] * 5), *whole.rate[25:])
    silent = msgspec.structs.replace(whole, rate=rate)
    seen = Page(latency_chart(silent, AT, UTC, 0.3))
    assert [each["x"] for each in seen.all("rect") if each.get("class") == "gap"] == ["330.5"]
    assert "Nothing was recorded in 1 part of it." in seen.all("perfkit-chart")[0]["aria-label"]
    assert "Nothing was recorded" not in latency_chart(whole, AT, UTC, 0.3)


def test_names_that_would_overlap_are_left_out_and_late_ones_stand_before_their_line() -> None:
    made = moment_names([Moment(at, f"r{at:.0f}", "release") for at in (100.0, 105.0, 190.0)], 0.0, 200.0)
    assert made is not None
    names = Page(made).all("text")
    assert [(each["x"], each.get("class")) for each in names] == [("50.00%", None), ("95.00%", "late")]
    assert moment_names([], 0.0, 200.0) is None


def test_before_and_since_say_what_changed() -> None:
    text = shown(OVERVIEW, "recorded").text
    assert "Measured anew since 15:51:10" in text
    assert "9,000 → 1,700" in text
    assert "7.4× faster" in text
    assert "488 ms → 66.0 ms" in text
    own = shown(ROUTE, "recorded", "compare=before").text
    assert "was 488 ms" in own
    assert "4.1×" in own


def test_nothing_to_compare_with_is_said() -> None:
    assert "Nothing is kept of before." in shown(OVERVIEW, "healthy", "compare=before").text
    assert "Before and since" not in shown(OVERVIEW, "healthy").text


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    clock = FakeClock()
    with PerformanceSystem(
        {"service": "shop", "store": {"mode": "memory"}}, environment="testing", clock=clock
    ) as made:
        yield made


def serve(system: PerformanceSystem, seconds: int, took: float) -> None:
    clock = system.clock
    assert isinstance(clock, FakeClock)
    for _ in range(seconds):
        for _ in range(5):
            system.performance.record_request(True, took, {"route": "/a", "method": "GET", "status": "200"})
        clock.advance(1.0)
        system.store.tick(clock.monotonic())


def view(system: PerformanceSystem, entry: Entry, query: str = "") -> tuple[object, str]:
    front = Front(system)
    data, given = front.overview_data(), given_of(entry, query)
    found = front.found(entry, data, given)
    return found, Page(render(entry, data, found, given)).text


def test_a_new_recording_measures_anew_on_every_page_and_tells_before(system: PerformanceSystem) -> None:
    serve(system, 120, 0.4)
    system.store.past.begin_recording()
    assert system.performance.snapshot().requests == 0
    serve(system, 30, 0.01)
    _, text = view(system, OVERVIEW)
    assert "150 requests in 30 s" in text
    assert "600 → 150" in text
    assert "faster" in text
    for entry, query in ((page_entry("routes"), ""), (ROUTE, "r=GET+/a"), (ROUTE, "r=GET+/a&range=recording")):
        found, text = view(system, entry, query)
        assert found is not None
        assert "Measured anew since" in text
    assert "150 requests in 30 s" in text
    system.store.past.end_recording()
    assert "750 requests in" in view(system, OVERVIEW)[1]


def test_a_part_of_the_past_is_shown_as_it_was(system: PerformanceSystem) -> None:
    serve(system, 150, 0.4)
    serve(system, 150, 0.01)
    now = int(system.clock.time())
    for entry, more in ((OVERVIEW, ""), (ROUTE, "&r=GET+/a")):
        found, _ = view(system, entry, f"from={now - 280}&to={now - 180}{more}")
        trend = found.trend  # type: ignore[attr-defined]  # of both pages
        known = [each for each in trend.p95 if each is not None]
        assert min(known) > 0.3
        assert trend.step * len(trend.p95) == pytest.approx(100.0, abs=trend.step)
        assert len(known) >= len(trend.p95) - 1
    found, text = view(system, ROUTE, f"from={now - 280}&to={now - 180}&r=GET+/a")
    assert 0.3 < found.summary.latency.p95 < 0.5  # type: ignore[attr-defined]  # of the route's page
    assert "Compare with before" in text
    late, _ = view(system, ROUTE, f"from={now - 100}&to={now - 10}&r=GET+/a&compare=before")
    assert late.summary.latency.p95 < 0.02  # type: ignore[attr-defined]  # as above
    assert late.comparison.before.total.latency.p95 > 0.3  # type: ignore[attr-defined]  # as above


def test_a_route_is_told_by_release(system: PerformanceSystem) -> None:
    serve(system, 40, 0.1)
    system.mark_release("1.0")
    serve(system, 120, 0.1)
    system.mark_release("1.1")
    serve(system, 120, 0.4)
    found, text = view(system, ROUTE, "r=GET+/a")
    told = found.releases  # type: ignore[attr-defined]  # of the route's page
    assert [each.release for each in told][:2] == ["1.1", "1.0"]
    assert told[0].summary.latency.p50 > 0.3
    assert told[1].summary.latency.p99 < 0.15
    assert "By release" in text


def test_one_release_alone_is_nothing_to_compare(system: PerformanceSystem) -> None:
    system.mark_release("1.0")
    serve(system, 40, 0.1)
    found, text = view(system, ROUTE, "r=GET+/a")
    assert found.releases == ()  # type: ignore[attr-defined]  # of the route's page
    assert "By release" not in text
    assert Release(name="1.0", at=system.clock.time() - 40.0) in Front(system).overview_data().releases
