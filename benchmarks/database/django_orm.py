"""Django's ORM on SQLite in memory: the contestants on one connection, the twin on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness.rounds import Subject

__all__ = ["DJANGO"]

IN_REQUEST = 20
MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


class Scene:
    """A model with a hundred rows, in two databases: ``default`` for the contestant and ``twin``."""

    def __init__(self, **settings: Any) -> None:
        import django
        from django.conf import settings as configured

        configured.configure(
            DATABASES={"default": MEMORY, "twin": MEMORY},
            INSTALLED_APPS=["perfkit_django", *settings.pop("apps", ())],
            PERFKIT={"environment": "testing", **settings.pop("perfkit", {})},
            MIDDLEWARE=["perfkit_django.PerfkitMiddleware"],
            USE_TZ=True,
            SECRET_KEY="benchmark",
            **settings,
        )
        django.setup()
        from django.db import connections, models

        class Thing(models.Model):
            name = models.TextField()

            class Meta:
                app_label = "perfkit_django"

        self.model = Thing
        for alias in ("default", "twin"):
            with connections[alias].schema_editor() as editor:
                editor.create_model(Thing)
            Thing.objects.using(alias).bulk_create(Thing(id=number, name="x") for number in range(1, 101))

    def run(self, count: int) -> None:
        things = self.model.objects.using("default")
        for _ in range(count):
            things.get(pk=5)

    def twin(self, count: int) -> None:
        things = self.model.objects.using("twin")
        for _ in range(count):
            things.get(pk=5)


def _bare() -> Subject:
    scene = Scene()
    return Subject(run=lambda count: scene.run(2 * count), twin=scene.twin)


def _perfkit(*, requests: int, call_sites: bool = True) -> Subject:
    from django.apps import apps
    from django.db import connections

    from perfkit.core.spans import begin_exchange, seal_exchange

    scene = Scene(perfkit={"database": {"call_sites": call_sites}})
    from perfkit_django import sql

    system: Any = apps.get_app_config("perfkit_django").system  # type: ignore[attr-defined]
    sql.capture(system)
    connections["twin"].execute_wrappers.clear()
    pending = system.database.recorder.pending

    def run(count: int) -> None:
        for _ in range(count // requests):
            spans = begin_exchange()
            scene.run(requests)
            seal_exchange(spans)
            pending.clear()

    def counted() -> float:
        return float(sum(each.calls for each in system.database.get_queries()))

    return Subject(run=run, twin=scene.twin, counted=counted, close=system.stop)


def _debug_cursor() -> Subject:
    from django.db import connections

    scene = Scene()
    connection = connections["default"]
    connection.force_debug_cursor = True
    return Subject(run=scene.run, twin=scene.twin, prepare=connection.queries_log.clear)


def _opentelemetry() -> Subject:
    from opentelemetry import trace
    from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from benchmarks.database.discard import Discard

    exporter = Discard()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    scene = Scene()
    from django.db import connections

    # The instrumentation wraps connections as they are made; the one at hand is wrapped as it would have been.
    connections["default"].connection = SQLite3Instrumentor().instrument_connection(connections["default"].connection)
    tracer = trace.get_tracer("benchmark")

    def run(count: int) -> None:
        for _ in range(count // IN_REQUEST):
            with tracer.start_as_current_span("request"):
                scene.run(IN_REQUEST)
        provider.force_flush()

    return Subject(run=run, twin=scene.twin, notes=lambda: {"spans": exporter.count}, close=provider.shutdown)


def _sentry() -> Subject:
    import sentry_sdk

    from benchmarks.database.discard import start_sentry

    scene = Scene()
    seen = start_sentry()

    def run(count: int) -> None:
        for _ in range(count // IN_REQUEST):
            with sentry_sdk.start_transaction(op="http.server", name="request"):
                scene.run(IN_REQUEST)

    return Subject(run=run, twin=scene.twin, notes=lambda: {"envelopes": len(seen)})


def _silk() -> Subject:
    scene = Scene(
        apps=("django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "silk"),
        ROOT_URLCONF="silk.urls",
    )
    from django.core.management import call_command
    from django.test import RequestFactory
    from silk.collector import DataCollector
    from silk.model_factory import RequestModelFactory
    from silk.sql import execute_sql

    call_command("migrate", verbosity=0, interactive=False)
    from django.db.models.sql.compiler import SQLCompiler

    patched, original = execute_sql, SQLCompiler.execute_sql
    SQLCompiler._execute_sql = original
    request = RequestFactory().get("/things/5")

    def run(count: int) -> None:
        SQLCompiler.execute_sql = patched
        try:
            for _ in range(count // IN_REQUEST):
                DataCollector().clear()
                DataCollector().configure(RequestModelFactory(request).construct_request_model())
                scene.run(IN_REQUEST)
                DataCollector().finalise()
        finally:
            SQLCompiler.execute_sql = original

    return Subject(run=run, twin=scene.twin)


DJANGO: dict[str, Callable[[], Subject]] = {
    "the statement itself": _bare,
    "perfkit, without call sites": lambda: _perfkit(requests=IN_REQUEST, call_sites=False),
    "perfkit, in a request": lambda: _perfkit(requests=1),
    "perfkit, a loop with call sites": lambda: _perfkit(requests=IN_REQUEST),
    "Django's debug cursor": _debug_cursor,
    "OpenTelemetry": _opentelemetry,
    "Sentry": _sentry,
    "django-silk": _silk,
}
