"""The contestants of the overhead benchmark in Flask and in plain WSGI, set up as their documentation says.

A layer around plain WSGI is the same in Flask, but for the route, which it takes from the request that Werkzeug leaves
in the environ.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.overhead.layers import Layered, MakeApp, _fast_folder, _sum_of, _Telemetry

__all__ = ["LAYERS"]


def _wrap(app: Any, layer: Callable[[Any], Any]) -> Any:
    """Put *layer* around *app*: around `wsgi_app` where it is Flask."""
    if not hasattr(app, "wsgi_app"):
        return layer(app)
    app.wsgi_app = layer(app.wsgi_app)
    return app


def bare(make: MakeApp) -> Layered:
    return Layered(app=make())


class _DoNothing:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


def do_nothing(make: MakeApp) -> Layered:
    return Layered(app=_wrap(make(), _DoNothing))


class _HandWritten:
    """What a careful developer writes with prometheus_client: template as label, status, in flight, until `close`."""

    def __init__(self, app: Any, registry: Any) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.app = app
        labels = ("method", "route", "status")
        self.requests = Counter("http_requests", "Requests.", labels, registry=registry)
        self.duration = Histogram("http_request_duration_seconds", "Duration.", labels, registry=registry)
        self.in_flight = Gauge("http_requests_in_flight", "Requests in flight.", registry=registry)

    def __call__(self, environ: Any, start_response: Any, clock: Any = time.perf_counter) -> Any:
        status, route = "500", "unmatched"
        self.in_flight.inc()

        def watch(line: str, headers: Any, exc_info: Any = None) -> Any:
            nonlocal status, route
            status = line[:3]
            request = environ.get("werkzeug.request")
            if request is not None and request.url_rule is not None:
                route = request.url_rule.rule
            return start_response(line, headers, exc_info)

        started = clock()

        def count() -> None:
            self.count(environ["REQUEST_METHOD"], route, status, clock() - started)

        try:
            body = self.app(environ, watch)
        except BaseException:
            count()
            raise
        if isinstance(body, list):
            count()
            return body
        return _Closing(body, count)

    def count(self, method: str, route: str, status: str, seconds: float) -> None:
        self.requests.labels(method, route, status).inc()
        self.duration.labels(method, route, status).observe(seconds)
        self.in_flight.dec()


class _Closing:
    def __init__(self, body: Iterable[bytes], count: Callable[[], None]) -> None:
        self.body, self.count = body, count

    def __iter__(self) -> Any:
        return iter(self.body)

    def close(self) -> None:
        try:
            if hasattr(self.body, "close"):
                self.body.close()
        finally:
            self.count()


class _CachedChildren(_HandWritten):
    """The same by somebody who has profiled it: the labelled children are kept in a dict."""

    def __init__(self, app: Any, registry: Any) -> None:
        super().__init__(app, registry)
        self._children: dict[tuple[str, str, str], tuple[Any, Any]] = {}

    def count(self, method: str, route: str, status: str, seconds: float) -> None:
        key = (method, route, status)
        pair = self._children.get(key)
        if pair is None:
            pair = self._children[key] = (self.requests.labels(*key), self.duration.labels(*key))
        pair[0].inc()
        pair[1].observe(seconds)
        self.in_flight.dec()


def _hand_written(make: MakeApp, layer: type) -> Layered:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    app = _wrap(make(), lambda inner: layer(inner, registry))
    return Layered(app=app, counted=lambda: _sum_of(registry, "http_requests_total"))


def hand_written(make: MakeApp) -> Layered:
    return _hand_written(make, _HandWritten)


def hand_written_cached(make: MakeApp) -> Layered:
    return _hand_written(make, _CachedChildren)


def hand_written_hooks(make: MakeApp) -> Layered:
    """As most write it for Flask: with `before_request`, `after_request` and the proxies."""
    from flask import g, request
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    app, metrics = make(), _HandWritten(None, registry)

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        metrics.in_flight.inc()

    @app.after_request
    def end(response: Any) -> Any:
        seconds = time.perf_counter() - g.started
        route = request.url_rule.rule if request.url_rule is not None else "unmatched"
        metrics.count(request.method, route, str(response.status_code), seconds)
        return response

    return Layered(app=app, counted=lambda: _sum_of(registry, "http_requests_total"))


def flask_exporter(make: MakeApp) -> Layered:
    """By rule, as a label for each path could not be kept up."""
    from prometheus_client import CollectorRegistry
    from prometheus_flask_exporter import PrometheusMetrics

    registry, app = CollectorRegistry(), make()
    PrometheusMetrics(app, group_by="url_rule", registry=registry)
    return Layered(app=app, counted=lambda: _sum_of(registry, "flask_http_request_total"))


def monitoring_dashboard(make: MakeApp) -> Layered:
    """With its default level, and its SQLite file in memory where there is a folder for that."""
    folder = tempfile.mkdtemp(prefix="bench-", dir=_fast_folder())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after its own, which writes once more
    import flask_monitoringdashboard as dashboard

    dashboard.config.database_name = f"sqlite:///{Path(folder, 'dashboard.db')}"
    app = make()
    app.secret_key = "not secret"
    dashboard.bind(app, schedule=False)
    from flask_monitoringdashboard.database import Request, session_scope

    def counted() -> float:
        settle()
        with session_scope() as session:
            return float(session.query(Request).count())

    def settle() -> None:
        for thread in threading.enumerate():
            if type(thread).__name__ == "PerformanceProfiler":
                thread.join(60)

    return Layered(app=app, counted=counted, settle=settle)


def _opentelemetry(make: MakeApp, *, sampled: bool) -> Layered:
    telemetry, app = _Telemetry.start(sampled=sampled), make()
    if hasattr(app, "wsgi_app"):
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(
            app, tracer_provider=telemetry.traces, meter_provider=telemetry.meters, enable_commenter=False
        )
    else:
        from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

        app = OpenTelemetryMiddleware(app, tracer_provider=telemetry.traces, meter_provider=telemetry.meters)
    return Layered(app=app, counted=telemetry.counted, settle=telemetry.settle, close=telemetry.close)


def opentelemetry(make: MakeApp) -> Layered:
    return _opentelemetry(make, sampled=True)


def opentelemetry_sampled_out(make: MakeApp) -> Layered:
    return _opentelemetry(make, sampled=False)


def _perfkit(make: MakeApp, **settings: Any) -> Layered:
    from perfkit.core.families import Histogram
    from perfkit.core.names import REQUEST_DURATION

    app = make()
    if hasattr(app, "wsgi_app"):
        from perfkit_flask import Perfkit

        Perfkit(app, **settings)
        ours = app.extensions["perfkit"]
    else:
        from perfkit_wsgi import PerfkitMiddleware

        app = ours = PerfkitMiddleware(app, **settings)

    def counted() -> float:
        families = ours.system.store.families({REQUEST_DURATION.name})
        values = (point.value for family in families for point in family.points)
        return float(sum(value.count for value in values if isinstance(value, Histogram)))

    return Layered(app=app, counted=counted, close=lambda: ours.system.stop())


def perfkit_memory(make: MakeApp) -> Layered:
    return _perfkit(make, store={"mode": "memory"})


def perfkit_shared(make: MakeApp) -> Layered:
    folder = tempfile.mkdtemp(prefix="bench-", dir=_fast_folder())
    layered = _perfkit(make, store={"directory": folder})
    stop = layered.close

    def close() -> None:
        stop()
        shutil.rmtree(folder)

    layered.close = close
    return layered


def perfkit_open(make: MakeApp) -> Layered:
    """With the shared file, and an exchange open for spans that nobody adds."""
    from perfkit.core.spans import expect_spans

    expect_spans("the benchmark")
    return perfkit_shared(make)


def perfkit_everything(make: MakeApp) -> Layered:
    """With the shared file, and three spans in each request, as three SQL queries would add them."""
    from perfkit.core.spans import record_span

    def touch(clock: Any = time.perf_counter) -> None:
        for _ in range(3):
            start = clock()
            record_span("sql", "SELECT ? FROM items", start, clock() - start, "shop/items.py:40", "3 rows")

    return perfkit_open(lambda: make(touch))


LAYERS: dict[str, Callable[[MakeApp], Layered]] = {
    "bare again (noise)": bare,
    "layer that does nothing": do_nothing,
    "perfkit, in memory": perfkit_memory,
    "perfkit, shared file": perfkit_shared,
    "perfkit, exchange open": perfkit_open,
    "perfkit, everything on": perfkit_everything,
    "hand-written": hand_written,
    "hand-written, children kept": hand_written_cached,
    "hand-written, Flask's hooks": hand_written_hooks,
    "prometheus-flask-exporter": flask_exporter,
    "OpenTelemetry, sampled out + metrics": opentelemetry_sampled_out,
    "OpenTelemetry, traces + metrics": opentelemetry,
    "flask-monitoringdashboard": monitoring_dashboard,
}
