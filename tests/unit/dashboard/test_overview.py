"""The overview answers in one look, in every state, for everybody."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import msgspec
import pytest

from perfkit.advice import Targets
from perfkit.dashboard import live_interval, overview
from tests.unit.dashboard.samples import HOSTILE, check, data, health, performance, route, states, worker

STATES = states()
VOID = {"meta", "link", "wbr", "br", "input"}


class Page(HTMLParser):
    """A page as a parser sees it: elements with attributes, and text by where it stands."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.cells: list[list[str]] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert not self.stack, f"left open: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        data = data.replace("\N{NO-BREAK SPACE}", " ")  # between a figure and its unit
        self.text += data
        if "td" in self.stack or "th" in self.stack:
            self.cells[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, start: str) -> list[str]:
        return next(cells for cells in self.cells if cells[0].startswith(start))


@cache
def page(name: str) -> Page:
    return Page(overview(STATES[name]))


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_a_whole_page_without_script_or_inline_style(name: str) -> None:
    source = overview(STATES[name])
    source.encode()
    seen = Page(source)
    tags = {tag for tag, _ in seen.elements}
    assert tags >= {"header", "nav", "main", "footer", "h1", "title"}
    assert not tags & {"style", "base", "img", "iframe", "object", "form"}
    assert all(re.fullmatch(r"\./static/[a-z]+-[0-9a-f]{16}\.js", each["src"] or "") for each in seen.all("script"))
    assert not any("style" in attributes for _, attributes in seen.elements)
    assert not any(key.startswith("on") for _, attributes in seen.elements for key in attributes)


@pytest.mark.parametrize("name", STATES)
def test_every_state_can_be_heard(name: str) -> None:
    seen = page(name)
    assert len(seen.all("h1")) == len(seen.all("main")) == len(seen.all("nav")) == 1
    assert all(attributes.get("scope") in ("col", "row") for attributes in seen.all("th"))
    for attributes in seen.all("svg"):
        is_image = attributes.get("role") == "img" and attributes.get("aria-label")
        assert is_image or attributes.get("aria-hidden") == "true"
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [str(a["href"])[1:] for a in seen.all("a") if str(a.get("href", "")).startswith("#")]
    assert set(targets) <= set(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in seen.elements if "aria-labelledby" in attributes]
    assert set(labels) <= set(ids)


@pytest.mark.parametrize("name", STATES)
def test_every_url_is_relative_to_the_page(name: str) -> None:
    seen = page(name)
    urls = [str(a[key]) for _, a in seen.elements for key in ("href", "src") if key in a]
    assert urls
    assert all(re.match(r"\./|(\.\./)+[a-z/]+$|\?live=5$|#", url) for url in urls)


@pytest.mark.parametrize("name", STATES)
def test_every_state_opens_with_its_verdict_in_word_and_shape(name: str) -> None:
    source, verdict = overview(STATES[name]), STATES[name].verdict
    seen = Page(source)
    assert verdict.headline in seen.text
    assert verdict.cause in seen.text
    assert verdict.action in seen.text
    mark = {"Collecting": "◌", "Healthy": "●", "Degraded": "▲", "Failing": "■"}[verdict.status.word]
    assert f"{mark}{verdict.status.word}" in seen.text
    title = re.search(r"<title>(.*?)</title>", source)
    assert title is not None
    assert title[1].startswith(f"{mark} {verdict.status.word} · ")


def test_hostile_data_stays_text() -> None:
    source = overview(STATES["hostile"])
    assert HOSTILE not in source
    seen = Page(source)
    assert seen.text.count(HOSTILE) > 60
    assert not any("javascript:" in str(a.get("href")) for a in seen.all("a"))


def test_a_line_to_copy_cannot_carry_a_second_command() -> None:
    told = data(performance(total_requests=0), health(), page_url="http://a/;rm -rf $HOME/'`id`/", home_url="./")
    seen = Page(overview(told))
    assert """curl -i 'http://a/;rm -rf $HOME/'"'"'`id`/'""" in seen.text


def test_the_first_run_says_what_to_do_and_what_is_recorded() -> None:
    seen = page("first-run")
    for line in (
        "curl -i http://127.0.0.1:8000/",
        "curl -s http://127.0.0.1:8000/metrics",
        "curl -s http://127.0.0.1:8000/health",
    ):
        assert line in seen.text
    assert "No request yet" in seen.text
    assert "are never recorded" in seen.text
    assert "Throughput" not in seen.text


def test_the_four_numbers_are_those_of_the_snapshot() -> None:
    source = overview(STATES["degraded"])
    values = re.findall(r'<p class="value">([^<]*)<span class="unit">([^<]*)</span>', source)
    assert values == [("84.0", "req/s"), ("488", "ms"), ("0.12", "%"), ("74", "%")]
    assert "1.6× the target of 300\N{NO-BREAK SPACE}ms" in source
    assert "CPU 2.96 of 4 cores · 7 in flight" in source


def test_a_routes_row_says_its_numbers() -> None:
    seen = page("degraded")
    assert seen.row("GET /products")[1:8] == [
        "31.2",
        "41.0 ms",
        "▲488 ms (over target)",
        "927 ms",
        "216",
        "0 %",
        "71 %",
    ]
    assert seen.row("POST /checkout")[6] == "▲3.9 % (over target)"


def test_few_requests_get_a_reason_instead_of_a_percentile() -> None:
    seen = page("collecting")
    assert seen.row("GET /")[2:5] == ["—", "—", "—"]
    assert "fewer than 20 requests in the last 42 s" in seen.text
    assert "12 of 20 requests needed" in seen.text
    assert "No percentile yet: 20 requests are needed, 12 came in the last 42 s." in seen.text


def test_a_route_within_its_own_target_is_not_marked() -> None:
    allowed = Targets(routes={"POST /checkout": 2.0, "GET /products": 0.1})
    seen = Page(overview(data(performance(), health(), targets=allowed)))
    assert seen.row("POST /checkout")[3] == "840 ms"
    assert seen.row("GET /products")[3] == "▲164 ms (over target)"


def test_values_of_checks_are_said_in_their_unit() -> None:
    told = [
        ("a", 0.41, "ratio"),
        ("b", 7200.0, "seconds"),
        ("c", 0.002, "seconds"),
        ("d", 3, "files"),
        ("n", float("nan"), "seconds"),
        ("e", 2.0**20, "bytes"),
    ]
    checks = [check(name, value=value, unit=unit) for name, value, unit in told]
    seen = Page(overview(data(performance(), health(*checks))))
    assert [seen.row(name)[3] for name, *_ in told] == ["41 %", "2h 00m", "2.00 ms", "3 files", "—", "1.00 MiB"]


def test_neighbours_are_named_by_where_they_are() -> None:
    seen = Page(overview(data(performance(), health(), health_url="../../ops/health", metrics_url="")))
    assert "/ops/health" in seen.text
    assert "/metrics" not in seen.text


def test_unmatched_paths_have_a_row_with_a_name() -> None:
    assert page("healthy").row("GET (no route)")[1] == "3.40"


def test_the_top_routes_are_sorted_by_share_and_a_link_leads_to_all() -> None:
    many = tuple(route("GET", f"/r{n:03d}", 1.0, 0.02, 0.0, (n + 1) / 2000) for n in range(60))
    seen = Page(overview(data(performance(routes=many), health())))
    names = [cells[0] for cells in seen.cells if cells[0].startswith("GET /r")]
    assert names == [f"GET /r{n:03d}" for n in range(59, 49, -1)]
    assert "All 60 routes" in seen.text
    assert {"class": "more", "href": "./routes"} in seen.all("a")


def test_each_worker_has_a_row_and_the_answering_one_is_marked() -> None:
    seen = page("healthy")
    assert seen.row("2 this page") == ["2 this page", "814", "75,178", "2", "58 %", "195 MiB", "9", "33", "3d 03h"]
    assert "data from 4 workers" in seen.text


def test_many_workers_are_folded() -> None:
    seen = page("crowd")
    assert "Show the other 48 workers" in seen.text
    assert seen.row("63")[1] == "875"


def test_what_a_platform_cannot_measure_is_a_dash() -> None:
    blind = msgspec.structs.replace(worker(0), cpu=None, memory=None, threads=None, open_files=None)
    seen = Page(overview(data(performance(workers=(blind,), cpu=None), health())))
    assert seen.row("0")[4:8] == ["—", "—", "—", "—"]
    assert "CPU not measured yet" in seen.text


def test_each_call_that_blocked_an_event_loop_has_a_row_with_its_line() -> None:
    seen = page("blocked")
    row = seen.row("shop/views/sales/reports.py:99")
    assert row[0] == "shop/views/sales/reports.py:99 in daily_report"
    assert row[1:] == ["GET /reports/daily", "42", "125 ms", "4.98 s", "31", "12s ago"]
    assert seen.row("shop/stock/levels.py:17")[1] == "—"
    assert seen.row("a call that was not seen")[2] == "42"
    assert any(attributes.get("href") == "#blocked" for attributes in seen.all("a"))


def test_an_event_loop_that_runs_freely_has_no_section() -> None:
    assert "Blocked event loop" not in page("healthy").text


@pytest.mark.parametrize("word", ["performance", "health"])
def test_what_is_switched_off_says_how_to_have_it_back(word: str) -> None:
    seen = page(f"{word}-off")
    assert f"{word} is switched off. Set {word}.enabled to true to see this." in seen.text
    anchors = {str(attributes.get("href")) for attributes in seen.all("a")}
    assert ("#checks" in anchors) == (word != "health")
    assert ("#workers" in anchors) == (word != "performance")


def test_sick_checks_come_first_and_are_counted_in_the_navigation() -> None:
    seen = page("failing")
    start = next(n for n, cells in enumerate(seen.cells) if cells[0] == "Check")
    assert [cells[0] for cells in seen.cells[start + 1 : start + 4]] == ["database critical", "disk", "memory"]
    assert seen.row("database")[1:] == ["■Failing", "Connection refused.", "—", "1m 15s"]
    assert "Health checks2 not healthy" in seen.text
    assert "not ready" in seen.text


def test_numbers_of_one_worker_alone_are_announced_as_such() -> None:
    seen = page("not-shared")
    assert "These are the numbers of this worker alone." in seen.text
    assert "/dev/shm/perfkit is not writable" in seen.text


def test_an_idle_service_keeps_its_page() -> None:
    seen = page("idle")
    assert "No request in the last 5 min." in seen.text
    assert "Nothing to do: no request in the last 5 min" in seen.text


def test_charts_can_be_read_as_a_table() -> None:
    seen = page("degraded")
    start = next(n for n, cells in enumerate(seen.cells) if cells[0] == "Time")
    assert seen.cells[start] == ["Time", "req/s", "Errors", "p50", "p95", "p99"]
    assert seen.cells[start + 1][0] == "15:52:10"
    assert seen.cells[start + 60][0] == "15:47:15"


def test_charts_are_described_in_a_sentence() -> None:
    labels = [str(a.get("aria-label")) for a in page("degraded").all("svg")]
    assert any(
        re.match(r"Latency over 5 min\. p50 between .* ms, last .* The target of p95 is 300 ms\.", each)
        for each in labels
    )
    assert any(each.startswith("Requests per second over 5 min. Rate between ") for each in labels)
    assert any(each.startswith("CPU of each worker, highest first: 64 %, 61 %") for each in labels)


def test_a_page_loads_itself_again_only_when_asked() -> None:
    still, live = page("healthy"), page("degraded")
    assert not any("http-equiv" in a for a in still.all("meta"))
    assert {"http-equiv": "refresh", "content": "5"} in live.all("meta")
    assert any(a.get("href") == "./?live=5" for a in still.all("a"))
    assert not any(a.get("href") == "./?live=5" for a in live.all("a"))


@pytest.mark.parametrize(
    ("query", "interval"),
    [
        ("", None),
        ("live=5", 5),
        ("a=b&live=60", 60),
        ("live=1", None),
        ("live=61", None),
        ("live=0", None),
        ("live=-5", None),
        ("live=x", None),
        ("live=" + "9" * 5000, None),
        ("live=5;url=http://evil", None),
        ("&".join(["a=b"] * 999), None),
        ("live=5.5", None),
    ],
)
def test_the_interval_is_bounded(query: str, interval: int | None) -> None:
    assert live_interval(query) == interval


def test_times_are_those_of_the_servers_zone() -> None:
    told = data(performance(), health(), timezone=ZoneInfo("Asia/Kathmandu"))
    assert '<time datetime="2026-01-01T20:37:10+05:45"' in overview(told)
    assert "20:37:10 +0545" in overview(told)


def test_paths_that_do_not_exist_are_not_linked() -> None:
    told = data(performance(), health(), health_url="", metrics_url="")
    assert not any(str(a.get("href")).startswith("../") for a in Page(overview(told)).all("a"))
