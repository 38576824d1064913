"""The contestants of the overhead benchmark in Django: the settings that each asks for, as its documentation says."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.overhead.django_site import configure, touched
from benchmarks.overhead.layers import _fast_folder, _sum_of, _Telemetry

__all__ = ["LAYERS", "Setup"]


def _none() -> None:
    return None


@dataclass(kw_only=True)
class Setup:
    """What a contestant needs.

    Attributes:
        middleware: Its middlewares, in their order.
        counted, settle, close: As of `benchmarks.overhead.layers.Layered`.
    """

    middleware: list[str] = field(default_factory=list)
    counted: Callable[[], float | None] = _none
    settle: Callable[[], None] = _none
    close: Callable[[], None] = _none


def bare(is_async: bool) -> Setup:
    configure(is_async=is_async)
    return Setup()


class DoNothing:
    """A middleware of Django's modern kind."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction

        self.get_response, self.is_async = get_response, iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        return self.__acall__(request) if self.is_async else self.get_response(request)

    async def __acall__(self, request: Any) -> Any:
        return await self.get_response(request)


def do_nothing(is_async: bool) -> Setup:
    configure(is_async=is_async)
    return Setup(middleware=[f"{__name__}.DoNothing"])


class HandWritten(DoNothing):
    """What a careful developer writes with prometheus_client: template as label, status, in flight; native async."""

    metrics: Any = None

    def __call__(self, request: Any) -> Any:
        if self.is_async:
            return self.__acall__(request)
        self.metrics.in_flight.inc()
        started, status = time.perf_counter(), 500
        try:
            response = self.get_response(request)
            status = response.status_code
        finally:
            self.metrics.count(request, status, time.perf_counter() - started)
        return response

    async def __acall__(self, request: Any) -> Any:
        self.metrics.in_flight.inc()
        started, status = time.perf_counter(), 500
        try:
            response = await self.get_response(request)
            status = response.status_code
        finally:
            self.metrics.count(request, status, time.perf_counter() - started)
        return response


class Metrics:
    """The metrics of the hand-written middleware."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        labels, self.registry = ("method", "route", "status"), CollectorRegistry()
        self.requests = Counter("http_requests", "Requests.", labels, registry=self.registry)
        self.duration = Histogram("http_request_duration_seconds", "Duration.", labels, registry=self.registry)
        self.in_flight = Gauge("http_requests_in_flight", "Requests in flight.", registry=self.registry)

    def count(self, request: Any, status: int, seconds: float) -> None:
        match = request.resolver_match
        route = match.route if match is not None else "unmatched"
        self.requests.labels(request.method, route, status).inc()
        self.duration.labels(request.method, route, status).observe(seconds)
        self.in_flight.dec()


class CachedMetrics(Metrics):
    """The same by somebody who has profiled it: the labelled children are kept in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def count(self, request: Any, status: int, seconds: float) -> None:
        match = request.resolver_match
        key = (request.method, match.route if match is not None else "unmatched", status)
        pair = self.children.get(key)
        if pair is None:
            pair = self.children[key] = (self.requests.labels(*key), self.duration.labels(*key))
        pair[0].inc()
        pair[1].observe(seconds)
        self.in_flight.dec()


def _hand_written(is_async: bool, metrics: type[Metrics]) -> Setup:
    configure(is_async=is_async)
    HandWritten.metrics = made = metrics()
    return Setup(middleware=[f"{__name__}.HandWritten"], counted=lambda: _sum_of(made.registry, "http_requests_total"))


def hand_written(is_async: bool) -> Setup:
    return _hand_written(is_async, Metrics)


def hand_written_cached(is_async: bool) -> Setup:
    return _hand_written(is_async, CachedMetrics)


def django_prometheus(is_async: bool) -> Setup:
    from prometheus_client import REGISTRY

    configure(apps=["django_prometheus"], is_async=is_async)
    total = "django_http_requests_before_middlewares_total"
    return Setup(
        middleware=[
            "django_prometheus.middleware.PrometheusBeforeMiddleware",
            "django_prometheus.middleware.PrometheusAfterMiddleware",
        ],
        counted=lambda: _sum_of(REGISTRY, total),
    )


def django_silk(is_async: bool) -> Setup:
    folder = tempfile.mkdtemp(prefix="bench-", dir=_fast_folder())
    configure(
        apps=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "silk",
        ],
        is_async=is_async,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder, "silk.sqlite3"))}},
        STATIC_URL="static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    from django.core.management import call_command

    call_command("migrate", verbosity=0)

    def counted() -> float:
        from silk.models import Request

        return float(Request.objects.count())

    return Setup(middleware=["silk.middleware.SilkyMiddleware"], counted=counted, close=lambda: shutil.rmtree(folder))


def _opentelemetry(is_async: bool, *, sampled: bool) -> Setup:
    from opentelemetry.instrumentation.django import DjangoInstrumentor

    configure(is_async=is_async)
    from django.conf import settings

    telemetry = _Telemetry.start(sampled=sampled)
    DjangoInstrumentor().instrument(tracer_provider=telemetry.traces, meter_provider=telemetry.meters)
    middleware, settings.MIDDLEWARE = list(settings.MIDDLEWARE), []
    return Setup(middleware=middleware, counted=telemetry.counted, settle=telemetry.settle, close=telemetry.close)


def opentelemetry(is_async: bool) -> Setup:
    return _opentelemetry(is_async, sampled=True)


def opentelemetry_sampled_out(is_async: bool) -> Setup:
    return _opentelemetry(is_async, sampled=False)


def _perfkit(is_async: bool, **settings: Any) -> Setup:
    configure(apps=["perfkit_django"], is_async=is_async, PERFKIT=settings)
    from django.apps import apps

    from perfkit.core.families import Histogram
    from perfkit.core.names import REQUEST_DURATION

    life: Any = apps.get_app_config("perfkit_django")

    def counted() -> float:
        families = life.system.store.families({REQUEST_DURATION.name})
        values = (point.value for family in families for point in family.points)
        return float(sum(value.count for value in values if isinstance(value, Histogram)))

    return Setup(middleware=["perfkit_django.PerfkitMiddleware"], counted=counted, close=lambda: life.system.stop())


def perfkit_memory(is_async: bool) -> Setup:
    return _perfkit(is_async, store={"mode": "memory"})


def perfkit_shared(is_async: bool) -> Setup:
    folder = tempfile.mkdtemp(prefix="bench-", dir=_fast_folder())
    setup = _perfkit(is_async, store={"directory": folder})
    stop = setup.close

    def close() -> None:
        stop()
        shutil.rmtree(folder)

    setup.close = close
    return setup


def perfkit_everything(is_async: bool) -> Setup:
    """With the shared file, and three spans in each request, as three SQL queries would add them."""
    from perfkit.core.spans import expect_spans, record_span

    def touch(clock: Any = time.perf_counter) -> None:
        for _ in range(3):
            start = clock()
            record_span("sql", "SELECT ? FROM items", start, clock() - start, "shop/items.py:40", "3 rows")

    expect_spans("the benchmark")
    setup = perfkit_shared(is_async)
    touched.append(touch)
    return setup


LAYERS: dict[str, Callable[[bool], Setup]] = {
    "bare again (noise)": bare,
    "layer that does nothing": do_nothing,
    "perfkit, in memory": perfkit_memory,
    "perfkit, shared file": perfkit_shared,
    "perfkit, everything on": perfkit_everything,
    "hand-written": hand_written,
    "hand-written, children kept": hand_written_cached,
    "django-prometheus": django_prometheus,
    "OpenTelemetry, sampled out + metrics": opentelemetry_sampled_out,
    "OpenTelemetry, traces + metrics": opentelemetry,
    "django-silk": django_silk,
}
