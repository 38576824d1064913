"""Connections that nobody keeps: made anew for each request, which costs round trips and a process of the server.

What is counted are new connections where there is no pool: Django's, and those of SQLAlchemy's NullPool. SQLite is left
out, as its connections are files that are opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perfkit.core.context import Context
from perfkit.core.families import Histogram
from perfkit.core.findings import Finding
from perfkit.core.names import REQUEST_DURATION
from perfkit.database.patterns.found import found
from perfkit.database.pool.metrics import OPENED, WAITED

__all__ = ["Churn"]

ENOUGH = 50
"""New connections from which it is told."""

OFTEN = 0.5
"""New connections a request from which it is told."""


class Churn:
    """Counts new connections. Thread-safe."""

    def __init__(self, context: Context) -> None:
        """Count in the store of *context*."""
        self._context, self._store = context, context.store
        self._is_counting = False

    def note(self, name: str, system: str) -> None:
        """Count a new connection to *name*, a database of *system*."""
        if system == "sqlite":
            return
        with self._context.errors.guarded("database", "a new connection could not be counted"):
            self._is_counting = True
            self._store.add(self._store.row(OPENED, (name, system)), 1.0)

    def findings(self) -> Iterator[Finding]:
        """Yield the databases to which connections are made about as often as requests come."""
        if not self._is_counting:
            return
        names = {OPENED.name, REQUEST_DURATION.name, WAITED.name}
        families: dict[str, Any] = {each.definition.name: each.points for each in self._store.families(names)}
        requests = sum(
            each.value.count for each in families.get(REQUEST_DURATION.name, ()) if isinstance(each.value, Histogram)
        )
        waited = {each.labels[0]: each.value for each in families.get(WAITED.name, ())}
        for point in families.get(OPENED.name, ()):
            opened, (name, system) = point.value, point.labels
            if opened >= ENOUGH and requests and opened >= OFTEN * requests:
                yield _finding(name, system, int(opened), int(requests), waited.get(name))


def _finding(name: str, system: str, opened: int, requests: int, waited: Any) -> Finding:
    evidence: dict[str, Any] = {"opened": opened, "served": requests, "system": system}
    cost = ""
    if isinstance(waited, Histogram) and waited.count:
        evidence["seconds_per_connection"] = waited.sum / waited.count
        cost = f", {1000.0 * waited.sum / waited.count:.1f} ms each"
    return found(
        "connection_churn",
        f"{opened:,} connections to {name} were made for {requests:,} requests{cost}: none is kept.",
        "Keep them over the request's end; behind a pooler such as PgBouncer, on the same machine, it matters less.",
        object=name,
        evidence=evidence,
        fix={
            "django": "'CONN_MAX_AGE': 60 in DATABASES with threads; under ASGI, with psycopg and Django 5.1 or newer, "
            "'OPTIONS': {'pool': True} and 'CONN_MAX_AGE': 0",
            "sqlalchemy": "create_engine(url)  # without poolclass=NullPool",
        },
        confidence="likely",
        estimate={"seconds_saved": waited.sum / waited.count} if "seconds_per_connection" in evidence else {},
    )
