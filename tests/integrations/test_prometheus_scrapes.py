"""A real Prometheus scrapes two real workers, and every checker accepts what they serve."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator

import pytest
from fleet import TOKEN, Fleet, Load
from patience import until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_server import PROMETHEUS, PROMTOOL, PrometheusServer, prometheus_server
from served import served

from perfkit.testing.exposition import ACCEPTS, agreement_problems, problems, progress_problems

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        PROMETHEUS is None or PROMTOOL is None,
        reason="prometheus is not installed; install it with: apt-get install prometheus",
    ),
]

COUNT = "http_server_request_duration_seconds_count"
OPENMETRICS = "application/openmetrics-text"
P95 = (
    "histogram_quantile(0.95, sum by (le, http_route) "
    '(rate(http_server_request_duration_seconds_bucket{job="negotiated"}[30s])))'
)
WORK = "/work/{number:int}"
OF_PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""What Prometheus 2.x before 2.49 sends: it always prefers OpenMetrics, so the text format is asked for by name."""


@pytest.fixture(scope="module")
def service() -> Iterator[Fleet]:
    with served(workers=2, options=("--no-access-log",)) as running:
        Load(running.port, "/t/acme/items/{number}").run(20)
        for status in (201, 404, 503):
            running.get(f"/status/{status}")
        yield running


@pytest.fixture(scope="module")
def prometheus(service: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    target = {"static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}]}
    token = {"authorization": {"type": "Bearer", "credentials": TOKEN}}
    jobs = [
        {"job_name": "negotiated", **target, **token},
        {"job_name": "text", "params": {"format": ["prometheus"]}, **target, **token},
        {"job_name": "basic", "basic_auth": {"username": "any", "password": TOKEN}, **target},
        {"job_name": "stranger", **target},
    ]
    with prometheus_server(tmp_path_factory.mktemp("prometheus"), jobs) as server:
        yield server


def page(service: Fleet, accept: str) -> tuple[str, bytes]:
    """Return content type and body of /metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    try:
        connection.request("GET", "/metrics", headers={"authorization": f"Bearer {TOKEN}", "accept": accept})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.getheader("content-type", ""), answer.read()
    finally:
        connection.close()


def by_job(answer: dict[tuple[tuple[str, str], ...], float]) -> dict[str, float]:
    return {dict(labels)["job"]: value for labels, value in answer.items()}


def test_prometheus_sees_the_service_up_and_a_stranger_sees_nothing(prometheus: PrometheusServer) -> None:
    expected = {"negotiated": 1.0, "text": 1.0, "basic": 1.0, "stranger": 0.0}
    prometheus.wait_for("up", lambda answer: by_job(answer) == expected)

    def errors() -> dict[str, str]:
        return {each["labels"]["job"]: each["lastError"] for each in prometheus.ask("targets")["activeTargets"]}

    refused = "server returned HTTP status 404 Not Found"
    until(errors, lambda found: found == {"negotiated": "", "text": "", "basic": "", "stranger": refused})


def test_prometheus_negotiates_openmetrics_and_reads_text(service: Fleet, prometheus: PrometheusServer) -> None:
    assert page(service, OF_PROMETHEUS_2)[0].startswith("application/openmetrics-text; version=1.0.0")
    # Not those without a route: the stranger's refused scrapes are among them, one more each second.
    counted = f'sum by (job) ({COUNT}{{http_route!=""}})'
    prometheus.wait_for(counted, lambda answer: len(answer) == 3 and len(set(answer.values())) == 1)
    metadata = {
        each["target"]["job"]: each
        for each in prometheus.ask("targets/metadata", metric="http_server_request_duration_seconds")
    }
    # Only OpenMetrics has units, so this is what Prometheus itself read.
    assert {job: each["unit"] for job, each in metadata.items()} == {
        "negotiated": "seconds",
        "basic": "seconds",
        "text": "",
    }
    assert {each["type"] for each in metadata.values()} == {"histogram"}


def test_the_95th_percentile_of_prometheus_agrees_with_the_overview(
    service: Fleet, prometheus: PrometheusServer
) -> None:
    load = Load(service.port, "/work/{number}")
    load.start(100_000, threads=4)
    try:
        prometheus.wait_for(P95, lambda answer: answer.get((("http_route", WORK),), 0.0) > 0.0)
        until(lambda: load.acknowledged > 500)
        quantile = prometheus.query(P95)[(("http_route", WORK),)]
        status, document = service.get("/perfkit/api/overview", token=True)
    finally:
        load.stop()
    assert status == 200
    (route,) = [each for each in json.loads(document)["performance"]["routes"] if each["route"] == WORK]
    ours = route["latency"]["p95"]
    # One request in five takes 0.15 s, or longer where the machine is busy. Prometheus knows only in which bucket.
    assert ours > 0.14
    assert quantile > 0.1
    assert 0.3 < quantile / ours < 3.0


def test_prometheus_counts_what_was_sent(service: Fleet, prometheus: PrometheusServer) -> None:
    def total() -> float:
        return sum(prometheus.query(f'{COUNT}{{job="text",http_route="/pid"}}').values())

    load = Load(service.port, "/pid").run(70)
    until(total, lambda found: found >= 70)
    assert load.explains(total())


def test_the_live_page_has_no_problem_in_either_format(service: Fleet) -> None:
    text, openmetrics = pages_of_one_moment(service)
    assert problems(text) == []
    assert problems(openmetrics, openmetrics=True) == []
    assert agreement_problems(still(text), still(openmetrics)) == []


def pages_of_one_moment(service: Fleet) -> tuple[bytes, bytes]:
    """Return the page in both formats with nothing counted in between; Prometheus comes along all the time."""

    def pages() -> tuple[bytes, bytes, bytes]:
        return page(service, "text/plain")[1], page(service, OPENMETRICS)[1], page(service, "text/plain")[1]

    text, openmetrics, _ = until(pages, lambda three: still(three[0]) == still(three[2]))
    return text, openmetrics


def still(text: bytes) -> bytes:
    """Return the lines of a page that change only when a request is counted."""
    return b"\n".join(line for line in text.split(b"\n") if not starts(line, ("process_", "perfkit_process_")))


def starts(line: bytes, names: tuple[str, ...]) -> bool:
    return line.decode().removeprefix("# HELP ").removeprefix("# TYPE ").removeprefix("# UNIT ").startswith(names)


def test_counts_never_sink_from_scrape_to_scrape(service: Fleet) -> None:
    load = Load(service.port, "/status/200")
    load.start(2_000, threads=2)
    try:
        before = page(service, "text/plain")[1]
        for _ in range(40):
            after = page(service, "text/plain")[1]
            assert progress_problems(before, after) == []
            before = after
    finally:
        load.stop()


@pytest.mark.parametrize(("accept", "expected"), ACCEPTS)
def test_the_format_is_what_the_header_asks_for(service: Fleet, accept: str, expected: str) -> None:
    if not accept.isprintable():
        accept = accept.replace("\x00", "")
    content_type, body = page(service, accept)
    assert content_type.startswith(expected)
    assert problems(body, openmetrics="openmetrics" in expected) == []


def test_promtool_accepts_the_live_page(service: Fleet) -> None:
    assert PROMTOOL is not None
    outcome = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=page(service, "text/plain")[1],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (outcome.returncode, outcome.stderr) == (0, b"")


def test_both_parsers_of_prometheus_client_read_the_live_page(service: Fleet) -> None:
    pages = pages_of_one_moment(service)
    text = list(parse_text(pages[0].decode()))
    openmetrics = list(parse_openmetrics(pages[1].decode()))
    names = [{sample.name for family in page for sample in family.samples} for page in (text, openmetrics)]
    assert names[0] == names[1]
    (duration,) = [family for family in openmetrics if family.name == "http_server_request_duration_seconds"]
    routes = {sample.labels.get("http_route", "") for sample in duration.samples}
    assert {"/t/{tenant}/items/{item}", "/status/{status:int}"} <= routes
    assert not any("acme" in route for route in routes)
