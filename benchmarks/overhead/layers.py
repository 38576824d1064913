"""The contestants of the overhead benchmark: one function each puts its layer on an application.

Each is set up as its own documentation shows first, with defaults. Exporters throw their data away, so that no peer
pays for a backend. Everything is imported inside the function, as each runs in a process of its own.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.overhead.apps import Touch

__all__ = ["LAYERS", "Layered"]

MakeApp = Callable[..., Any]


def _none() -> None:
    return None


@dataclass(kw_only=True)
class Layered:
    """An application with a contestant's layer.

    Attributes:
        counted: Requests that the contestant's own numbers show, or None.
        settle: Waits until the contestant's threads have done what the requests left them.
        close: Releases what the layer holds beyond the application's own shutdown.
    """

    app: Any
    counted: Callable[[], float | None] = _none
    settle: Callable[[], None] = _none
    close: Callable[[], None] = _none


def bare(make: MakeApp) -> Layered:
    return Layered(app=make())


class _DoNothing:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def do_nothing(make: MakeApp) -> Layered:
    app = make()
    app.add_middleware(_DoNothing)
    return Layered(app=app)


class _HandWritten:
    """What a careful developer writes with prometheus_client: pure ASGI, template as label, status, in flight."""

    def __init__(self, app: Any, registry: Any, *, gauge: bool = True) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.app = app
        labels = ("method", "route", "status")
        self.requests = Counter("http_requests", "Requests.", labels, registry=registry)
        self.duration = Histogram("http_request_duration_seconds", "Duration.", labels, registry=registry)
        self.in_flight = Gauge("http_requests_in_flight", "Requests in flight.", registry=registry) if gauge else None

    async def __call__(
        self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]], clock: Any = time.perf_counter
    ) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        in_flight = self.in_flight
        if in_flight is not None:
            in_flight.inc()

        async def watch(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = clock()
        try:
            await self.app(scope, receive, watch)
        finally:
            seconds = clock() - started
            route = scope.get("route")
            template = route.path if route is not None else "unmatched"
            method = scope["method"]
            self.requests.labels(method, template, status).inc()
            self.duration.labels(method, template, status).observe(seconds)
            if in_flight is not None:
                in_flight.dec()


class _CachedChildren(_HandWritten):
    """The same by somebody who has profiled it: the labelled children are kept in a dict."""

    def __init__(self, app: Any, registry: Any) -> None:
        super().__init__(app, registry)
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    async def __call__(
        self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]], clock: Any = time.perf_counter
    ) -> None:
        if scope["type"] != "http" or self.in_flight is None:
            await self.app(scope, receive, send)
            return
        status = 500
        self.in_flight.inc()

        async def watch(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = clock()
        try:
            await self.app(scope, receive, watch)
        finally:
            seconds = clock() - started
            route = scope.get("route")
            key = (scope["method"], route.path if route is not None else "unmatched", status)
            pair = self._children.get(key)
            if pair is None:
                pair = self._children[key] = (self.requests.labels(*key), self.duration.labels(*key))
            pair[0].inc()
            pair[1].observe(seconds)
            self.in_flight.dec()


def _sum_of(registry: Any, sample_name: str) -> float:
    samples = (sample for family in registry.collect() for sample in family.samples)
    return float(sum(sample.value for sample in samples if sample.name == sample_name))


def _hand_written(make: MakeApp, layer: type, **details: Any) -> Layered:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    app = make()
    app.add_middleware(layer, registry=registry, **details)
    return Layered(app=app, counted=lambda: _sum_of(registry, "http_requests_total"))


def hand_written(make: MakeApp) -> Layered:
    return _hand_written(make, _HandWritten)


def hand_written_without_gauge(make: MakeApp) -> Layered:
    return _hand_written(make, _HandWritten, gauge=False)


def hand_written_cached(make: MakeApp) -> Layered:
    return _hand_written(make, _CachedChildren)


def starlette_exporter(make: MakeApp) -> Layered:
    from prometheus_client import REGISTRY
    from starlette_exporter import PrometheusMiddleware

    app = make()
    app.add_middleware(PrometheusMiddleware)
    return Layered(app=app, counted=lambda: _sum_of(REGISTRY, "starlette_requests_total"))


def fastapi_instrumentator(make: MakeApp) -> Layered:
    from prometheus_client import CollectorRegistry
    from prometheus_fastapi_instrumentator import Instrumentator

    registry = CollectorRegistry()
    app = make()
    Instrumentator(registry=registry).instrument(app)
    return Layered(app=app, counted=lambda: _sum_of(registry, "http_requests_total"))


@dataclass
class _Telemetry:
    """OpenTelemetry's SDK with batching and an exporter that throws away."""

    traces: Any
    meters: Any
    reader: Any

    @classmethod
    def start(cls, *, sampled: bool) -> _Telemetry:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

        class Discard(SpanExporter):
            def export(self, spans: Any) -> SpanExportResult:
                return SpanExportResult.SUCCESS

        traces = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
        traces.add_span_processor(BatchSpanProcessor(Discard()))
        reader = InMemoryMetricReader()
        return cls(traces, MeterProvider(metric_readers=[reader]), reader)

    def settle(self) -> None:
        self.traces.force_flush()

    def counted(self) -> float:
        data = self.reader.get_metrics_data()
        return float(
            sum(
                point.count
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
                if metric.name in ("http.server.request.duration", "http.server.duration")
                for point in metric.data.data_points
            )
        )

    def close(self) -> None:
        self.traces.shutdown()
        self.meters.shutdown()


def _opentelemetry(make: MakeApp, *, sampled: bool) -> Layered:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    telemetry = _Telemetry.start(sampled=sampled)
    app = make()
    app.add_middleware(OpenTelemetryMiddleware, tracer_provider=telemetry.traces, meter_provider=telemetry.meters)
    return Layered(app=app, counted=telemetry.counted, settle=telemetry.settle, close=telemetry.close)


def opentelemetry(make: MakeApp) -> Layered:
    return _opentelemetry(make, sampled=True)


def opentelemetry_sampled_out(make: MakeApp) -> Layered:
    return _opentelemetry(make, sampled=False)


def fastapi_native(make: MakeApp) -> Layered:
    telemetry = _Telemetry.start(sampled=True)
    app = make(telemetry={"tracer_provider": telemetry.traces, "meter_provider": telemetry.meters})
    return Layered(app=app, counted=telemetry.counted, settle=telemetry.settle, close=telemetry.close)


def fastapi_native_metrics(make: MakeApp) -> Layered:
    telemetry = _Telemetry.start(sampled=True)
    app = make(telemetry={"meter_provider": telemetry.meters, "tracing": False, "logs": False})
    return Layered(app=app, counted=telemetry.counted, close=telemetry.close)


def _perfkit(make: MakeApp, touch: Touch | None = None, **settings: Any) -> Layered:
    from perfkit.core.families import Histogram
    from perfkit.core.names import REQUEST_DURATION
    from perfkit_asgi import PerfkitMiddleware

    app = make() if touch is None else make(touch)
    app.add_middleware(PerfkitMiddleware, **settings)

    def counted() -> float:
        node = app.middleware_stack
        while not isinstance(node, PerfkitMiddleware):
            node = node.app
        families = node.system.store.families({REQUEST_DURATION.name})
        values = (point.value for family in families for point in family.points)
        return float(sum(value.count for value in values if isinstance(value, Histogram)))

    return Layered(app=app, counted=counted)


def perfkit_memory(make: MakeApp) -> Layered:
    return _perfkit(make)


def perfkit_shared(make: MakeApp) -> Layered:
    directory = tempfile.mkdtemp(prefix="bench-", dir=_fast_folder())
    layered = _perfkit(make, store={"directory": directory})
    layered.close = lambda: shutil.rmtree(directory)
    return layered


def perfkit_exchange(make: MakeApp) -> Layered:
    """With the shared file, and an exchange opened for spans that the app then does not add."""
    from perfkit.core.spans import expect_spans

    expect_spans("benchmark")
    return perfkit_shared(make)


def perfkit_everything(make: MakeApp) -> Layered:
    """With the shared file, and three spans in each request, as three SQL queries would add them."""
    from perfkit.core.spans import expect_spans, record_span

    expect_spans("benchmark")

    def touch(clock: Any = time.perf_counter) -> None:
        for _ in range(3):
            start = clock()
            record_span("sql", "SELECT ? FROM items", start, clock() - start, "shop/items.py:40", "3 rows")

    directory = tempfile.mkdtemp(prefix="bench-", dir=_fast_folder())
    layered = _perfkit(make, touch, store={"directory": directory})
    layered.close = lambda: shutil.rmtree(directory)
    return layered


def _fast_folder() -> str | None:
    """Return the folder in memory where there is one, as a served application would use it."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


LAYERS: dict[str, Callable[[MakeApp], Layered]] = {
    "bare again (noise)": bare,
    "layer that does nothing": do_nothing,
    "perfkit, in memory": perfkit_memory,
    "perfkit, shared file": perfkit_shared,
    "perfkit, exchange open": perfkit_exchange,
    "perfkit, everything on": perfkit_everything,
    "hand-written": hand_written,
    "hand-written, no gauge": hand_written_without_gauge,
    "hand-written, children kept": hand_written_cached,
    "prometheus-fastapi-instrumentator": fastapi_instrumentator,
    "starlette-exporter": starlette_exporter,
    "OpenTelemetry, sampled out + metrics": opentelemetry_sampled_out,
    "OpenTelemetry, traces + metrics": opentelemetry,
    "FastAPI native, metrics": fastapi_native_metrics,
    "FastAPI native, traces + metrics": fastapi_native,
}
