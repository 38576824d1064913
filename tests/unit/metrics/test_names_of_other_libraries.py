"""The request metrics under the names of other libraries are what those libraries define themselves."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pytest
from metric_pages import build, shown

from perfkit.core.families import MetricType
from perfkit.core.names import REQUEST_DURATION
from perfkit.metrics import MetricsCollector
from perfkit.metrics.aliases import SCHEMES
from perfkit.store.boundaries import FINE
from perfkit.testing.exposition import agreement_problems, problems

LIBRARIES = tuple(name for name in SCHEMES if name != "perfkit")

ASK = {
    "starlette-exporter": """
        from starlette.applications import Starlette
        from starlette.responses import Response
        from starlette.routing import Route
        from starlette.testclient import TestClient
        from starlette_exporter import PrometheusMiddleware
        app = Starlette(routes=[Route("/", lambda request: Response())])
        app.add_middleware(PrometheusMiddleware)
        TestClient(app).get("/")
        """,
    "prometheus-fastapi-instrumentator": """
        from fastapi import FastAPI
        from prometheus_fastapi_instrumentator import Instrumentator
        from starlette.testclient import TestClient
        app = FastAPI()
        Instrumentator().instrument(app)
        TestClient(app).get("/")
        """,
    "prometheus-flask-exporter": """
        import prometheus_client
        from flask import Flask
        from prometheus_flask_exporter import PrometheusMetrics
        PrometheusMetrics(Flask("app"), registry=prometheus_client.REGISTRY)
        """,
    "django-prometheus": """
        from django.conf import settings
        settings.configure()
        from django_prometheus.middleware import Metrics
        Metrics.get_instance()
        """,
}

TELL = """
import json, sys
import prometheus_client
from prometheus_client.metrics import MetricWrapperBase
found = {}
for collector in prometheus_client.REGISTRY._collector_to_names:
    if isinstance(collector, MetricWrapperBase):
        name = collector._name + ("_total" if collector._type == "counter" else "")
        bounds = [b for b in getattr(collector, "_upper_bounds", None) or collector._kwargs.get("buckets", ())]
        if collector._type == "histogram" and not bounds:
            bounds = list(type(collector).DEFAULT_BUCKETS)
        found[name] = [collector._type, sorted(collector._labelnames), [b for b in bounds if b != float("inf")]]
print(json.dumps(found))
"""


@cache
def defined_by(library: str) -> dict[str, tuple[str, list[str], list[float]]]:
    """Return what *library* defines: type, labels and buckets by name. In a process of its own: it has global state."""
    script = textwrap.dedent(ASK[library]) + TELL
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {name: tuple(each) for name, each in json.loads(done.stdout).items()}


@pytest.mark.parametrize("library", LIBRARIES)
def test_names_types_labels_and_buckets_are_the_librarys_own(library: str) -> None:
    theirs = defined_by(library)
    for definition, _ in SCHEMES[library]:
        kind, labels, buckets = theirs[definition.name]
        assert (definition.type, sorted(definition.labels)) == (kind, labels)
        if definition.type is MetricType.HISTOGRAM:
            assert list(definition.boundaries) == [bound for bound in buckets if bound in set(FINE)]
            assert len(definition.boundaries) >= min(3, len(buckets))


def serve(metrics: MetricsCollector) -> None:
    """Count some requests of every kind."""
    store = metrics._context.store
    kinds = (
        ("GET", "/items/{id}", "200", "http", "", 0.03, 4),
        ("GET", "/items/{id}", "404", "http", "", 0.004, 1),
        ("POST", "/items", "201", "https", "", 0.3, 2),
        ("POST", "/items", "500", "https", "shop.errors.OutOfStock", 3.0, 1),
        ("GET", "/items/{id}", "503", "http", "503", 0.2, 1),
        ("GET", "/items/{id}", "", "http", "client_disconnected", 20.0, 1),
        ("GET", "", "404", "http", "", 0.001, 5),
    )
    for method, route, status, scheme, error, seconds, count in kinds:
        row = store.row(REQUEST_DURATION, (method, route, status, scheme, error))
        for _ in range(count):
            store.observe(row, seconds)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_page_is_right_and_shows_both(library: str) -> None:
    metrics = build(names=library)
    serve(metrics)
    pages = metrics.export_metrics(), metrics.export_metrics("openmetrics")
    assert problems(pages[0]) == problems(pages[1], openmetrics=True) == agreement_problems(*pages) == []
    for definition, _ in SCHEMES[library]:
        assert shown(metrics, definition.name), definition.name
    assert shown(metrics, REQUEST_DURATION.name)


def test_starlette_exporter() -> None:
    metrics = build(names="starlette-exporter")
    serve(metrics)
    assert shown(metrics, "starlette_requests_total") == {
        "starlette_requests_total{method=GET,path=/items/{id},status_code=200,app_name=app}": 4.0,
        "starlette_requests_total{method=GET,path=/items/{id},status_code=404,app_name=app}": 1.0,
        "starlette_requests_total{method=GET,path=/items/{id},status_code=499,app_name=app}": 1.0,
        "starlette_requests_total{method=GET,path=/items/{id},status_code=503,app_name=app}": 1.0,
        "starlette_requests_total{method=POST,path=/items,status_code=201,app_name=app}": 2.0,
        "starlette_requests_total{method=POST,path=/items,status_code=500,app_name=app}": 1.0,
    }
    waits = shown(metrics, "starlette_request_duration_seconds")
    labels = "method=GET,path=/items/{id},status_code=200,app_name=app"
    assert waits[f"starlette_request_duration_seconds_bucket{{{labels},le=0.025}}"] == 0.0
    assert waits[f"starlette_request_duration_seconds_bucket{{{labels},le=0.05}}"] == 4.0
    assert waits[f"starlette_request_duration_seconds_sum{{{labels}}}"] == pytest.approx(0.12)
    assert shown(metrics, "starlette_requests_in_progress") == {"starlette_requests_in_progress{app_name=app}": 0.0}


def test_prometheus_fastapi_instrumentator() -> None:
    metrics = build(names="prometheus-fastapi-instrumentator")
    serve(metrics)
    assert shown(metrics, "http_requests_total") == {
        "http_requests_total{handler=/items/{id},method=GET,status=2xx}": 4.0,
        "http_requests_total{handler=/items/{id},method=GET,status=4xx}": 2.0,
        "http_requests_total{handler=/items/{id},method=GET,status=5xx}": 1.0,
        "http_requests_total{handler=/items,method=POST,status=2xx}": 2.0,
        "http_requests_total{handler=/items,method=POST,status=5xx}": 1.0,
        "http_requests_total{handler=none,method=GET,status=4xx}": 5.0,
    }
    high = shown(metrics, "http_request_duration_highr_seconds")
    assert high["http_request_duration_highr_seconds_count"] == 15.0
    assert high["http_request_duration_highr_seconds_bucket{le=10.0}"] == 14.0


def test_prometheus_flask_exporter() -> None:
    metrics = build(names="prometheus-flask-exporter")
    serve(metrics)
    assert shown(metrics, "flask_http_request_total")["flask_http_request_total{method=GET,status=404}"] == 6.0
    assert shown(metrics, "flask_http_request_exceptions_total") == {
        "flask_http_request_exceptions_total{method=POST,status=500}": 1.0
    }


def test_django_prometheus() -> None:
    metrics = build(names="django-prometheus")
    serve(metrics)
    assert shown(metrics, "django_http_requests_before_middlewares_total") == {
        "django_http_requests_before_middlewares_total": 15.0
    }
    assert shown(metrics, "django_http_responses_before_middlewares_total") == {
        "django_http_responses_before_middlewares_total": 14.0
    }
    assert shown(metrics, "django_http_requests_total_by_transport_total") == {
        "django_http_requests_total_by_transport_total{transport=http}": 12.0,
        "django_http_requests_total_by_transport_total{transport=https}": 3.0,
    }
    name = "django_http_responses_total_by_status_view_method_total"
    assert shown(metrics, name)[f"{name}{{status=404,view=<unnamed view>,method=GET}}"] == 5.0
    assert shown(metrics, "django_http_exceptions_total_by_type_total") == {
        "django_http_exceptions_total_by_type_total{type=OutOfStock}": 1.0
    }
    waits = shown(metrics, "django_http_requests_latency_seconds_by_view_method")
    assert waits["django_http_requests_latency_seconds_by_view_method_count{view=/items,method=POST}"] == 3.0


def test_nothing_is_renamed_by_default() -> None:
    metrics = build()
    serve(metrics)
    page = metrics.export_metrics()
    assert not any(definition.name in page for library in LIBRARIES for definition, _ in SCHEMES[library])


def test_the_table_of_the_documentation_names_them_all() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "prometheus-client.md").read_text()
    for library in LIBRARIES:
        assert f"`{library}`" in page
        for definition, _ in SCHEMES[library]:
            assert f"`{definition.name}`" in page, definition.name
