"""A real Prometheus scrapes `perfkit demo` with nothing set up, and knows each route's p95."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_server import PROMETHEUS, prometheus_server
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


def test_prometheus_answers_a_query_for_the_p95_of_the_demo(tmp_path: Path) -> None:
    demo = RunningDemo(tmp_path)
    try:
        metrics = urlsplit(demo.addresses["metrics"])
        job = {"job_name": "demo", "metrics_path": metrics.path, "static_configs": [{"targets": [metrics.netloc]}]}
        with prometheus_server(tmp_path, [job]) as prometheus:
            known = prometheus.wait_for(
                P95,
                lambda answer: {dict(labels).get("http_route") for labels in answer if answer[labels] > 0} >= ROUTES,
            )
        assert all(seconds < 60.0 for seconds in known.values() if not math.isnan(seconds)), known
    finally:
        demo.kill()
