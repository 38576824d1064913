"""One statement on SQLite in memory, where it costs least; requests have 20 statements each.

"The statement itself" sends each statement twice where its twin sends it once: what it adds is the bare statement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.database.django_orm import DJANGO
from benchmarks.database.shapes import SHAPES
from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race

__all__ = ["PARTS", "REFERENCES", "measure", "subject"]

BARE = "the statement itself"
PARTS = {
    "sqlalchemy": "SELECT by primary key with SQLAlchemy Core",
    "django": "Model.objects.get(pk=…)",
    "shapes": "the shape of a SELECT of 387 characters",
}
REFERENCES = {"sqlalchemy": BARE, "django": BARE, "shapes": "perfkit, new text"}
IN_REQUEST = 20
CALLS = {"sqlalchemy": 2_000, "django": 500, "shapes": 200}

BUDGETS = {
    "sqlalchemy": {
        "perfkit, outside a request": Budget(0.45, BARE),
        "perfkit, in a request": Budget(0.45, BARE),
        "perfkit, a loop with call sites": Budget(0.2, "OpenTelemetry"),
    },
    "django": {
        "perfkit, without call sites": Budget(0.05, BARE),
        "perfkit, in a request": Budget(0.1, BARE),
        "perfkit, a loop with call sites": Budget(0.1, BARE),
    },
    "shapes": {"perfkit, known text": Budget(0.05, "perfkit, new text"), "perfkit, new text": Budget(0.05, "sqlglot")},
}


class Scene:
    """A table in memory, asked through SQLAlchemy."""

    def __init__(self) -> None:
        from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, select
        from sqlalchemy.pool import StaticPool

        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata = MetaData()
        table = Table("thing", metadata, Column("id", Integer, primary_key=True), Column("name", String))
        metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(table.insert(), [{"id": number, "name": "x"} for number in range(100)])
        self.connection = self.engine.connect()
        self.query = select(table).where(table.c.id == 5)

    def run(self, count: int) -> None:
        execute, query = self.connection.execute, self.query
        for _ in range(count):
            execute(query).fetchall()


def _bare() -> Subject:
    twin, twice = Scene(), Scene()
    return Subject(run=lambda count: twice.run(2 * count), twin=twin.run)


def _perfkit(*, requests: int) -> Subject:
    """Send statements in exchanges of *requests* statements each; outside of any if that is 0."""
    from perfkit.core.spans import begin_exchange, seal_exchange
    from perfkit.database import DatabaseOptimizer

    twin, scene = Scene(), Scene()
    database = DatabaseOptimizer()
    database.instrument(scene.engine)
    pending = database.recorder.pending

    def run(count: int) -> None:
        for _ in range(count // requests):
            spans = begin_exchange()
            scene.run(requests)
            seal_exchange(spans)
            pending.clear()

    def counted() -> float:
        return float(sum(each.calls for each in database.get_queries()))

    return Subject(run=run if requests else scene.run, twin=twin.run, counted=counted, close=database.stop)


def _opentelemetry() -> Subject:
    from opentelemetry import trace
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from benchmarks.database.discard import Discard

    exporter = Discard()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    twin, scene = Scene(), Scene()
    SQLAlchemyInstrumentor().instrument(engine=scene.engine, skip_dep_check=True)
    tracer = trace.get_tracer("benchmark")

    def run(count: int) -> None:
        for _ in range(count // IN_REQUEST):
            with tracer.start_as_current_span("request"):
                scene.run(IN_REQUEST)
        provider.force_flush()

    return Subject(run=run, twin=twin.run, notes=lambda: {"spans": exporter.count}, close=provider.shutdown)


def _sentry() -> Subject:
    import sentry_sdk

    from benchmarks.database.discard import start_sentry

    seen = start_sentry()
    twin, scene = Scene(), Scene()

    def run(count: int) -> None:
        for _ in range(count // IN_REQUEST):
            with sentry_sdk.start_transaction(op="http.server", name="request"):
                scene.run(IN_REQUEST)

    # Sentry listens to all engines; the twin's is told that nobody does.
    twin.engine._has_events = False
    return Subject(run=run, twin=twin.run, notes=lambda: {"envelopes": len(seen)})


SQLALCHEMY: dict[str, Callable[[], Subject]] = {
    BARE: _bare,
    "perfkit, outside a request": lambda: _perfkit(requests=0),
    "perfkit, in a request": lambda: _perfkit(requests=1),
    "perfkit, a loop with call sites": lambda: _perfkit(requests=IN_REQUEST),
    "OpenTelemetry": _opentelemetry,
    "Sentry": _sentry,
}

SUBJECTS: dict[str, dict[str, Callable[[], Subject]]] = {"sqlalchemy": SQLALCHEMY, "django": DJANGO, "shapes": SHAPES}


def subject(argument: str) -> Subject:
    """Build the contestant of *argument*, which is ``race:name``."""
    part, _, name = argument.partition(":")
    return SUBJECTS[part][name]()


def measure(part: str, *, rounds: int, scale: float, on_round: Callable[[int], Any]) -> list[Result]:
    """Race all contestants of one *part*."""
    contestants = [
        Contestant(
            name=name,
            factory="benchmarks.database.statements:subject",
            argument=f"{part}:{name}",
            calls=CALLS[part],
            pieces=5,
            budget=BUDGETS[part].get(name),
        )
        for name in SUBJECTS[part]
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=on_round)
