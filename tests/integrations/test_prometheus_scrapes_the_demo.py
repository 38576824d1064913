"""A real Prometheus scrapes `perfkit demo` with nothing set up, and can answer all that our board for Grafana asks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from grafana_board import asked, filled
from patience import until
from prometheus_server import PROMETHEUS, PrometheusServer, prometheus_server
from running_demo import RunningDemo

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        PROMETHEUS is None, reason="prometheus is not installed; install it with: apt-get install prometheus"
    ),
]

P95 = "histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket[30s])))"
ROUTES = {"/home", "/api/v1/products/{product_id}"}

RATE = "15s"
"""Grafana takes four times the interval of the scrapes; here a scrape comes each second."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that scrapes the demo."""
    demo = RunningDemo(tmp_path_factory.mktemp("demo"))
    try:
        metrics = urlsplit(demo.addresses["metrics"])
        job = {"job_name": "demo", "metrics_path": metrics.path, "static_configs": [{"targets": [metrics.netloc]}]}
        with prometheus_server(tmp_path_factory.mktemp("prometheus"), [job]) as running:
            yield running
    finally:
        demo.kill()


def test_prometheus_answers_a_query_for_the_p95_of_the_demo(prometheus: PrometheusServer) -> None:
    known = prometheus.wait_for(
        P95,
        lambda answer: {dict(labels).get("http_route") for labels in answer if answer[labels] > 0} >= ROUTES,
    )
    assert all(seconds < 60.0 for seconds in known.values() if not math.isnan(seconds)), known


def test_every_panel_of_the_dashboard_has_something_to_show(prometheus: PrometheusServer) -> None:
    empty = [filled(query, rate=RATE) for query in asked()]
    assert len(empty) > 35

    def still_empty() -> list[str]:
        empty[:] = [query for query in empty if not has_values(prometheus.query(query))]
        return empty

    until(still_empty, lambda left: not left)


def has_values(answer: dict[tuple[tuple[str, str], ...], float]) -> bool:
    return any(not math.isnan(value) for value in answer.values())


def test_what_can_be_chosen_at_the_top_is_there(prometheus: PrometheusServer) -> None:
    for label, wanted in (("job", "demo"), ("http_route", "/home")):
        values = prometheus.ask(f"label/{label}/values", **{"match[]": "http_server_request_duration_seconds_count"})
        assert wanted in values
    assert prometheus.query("perfkit_build_info")
