"""A check that a database answers: an engine, a URL, a function that connects, or Django's connections."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from perfkit.core.checks import CheckResult
from perfkit.core.errors import ConfigurationError, MissingDependencyError
from perfkit.core.status import Status
from perfkit.health.dependencies.asked import Asked, AskedAsync

__all__ = ["database_check", "django_check", "is_known"]

QUERY = "SELECT 1"


def database_check(database: Any, *, query: str = QUERY) -> Callable[[], Any]:
    """Return a check that runs *query* on *database*.

    Args:
        database: A SQLAlchemy engine, sync or async, or its URL; a function that returns a new DB-API connection; or
            a DB-API connection, where its driver lets other threads use it.
        query: The cheapest question there is.

    Raises:
        ConfigurationError: It is none of these.
        MissingDependencyError: A URL needs SQLAlchemy, which is not installed.
    """
    if isinstance(database, str):
        return _of_url(database, query)
    if _is_async_engine(database):
        return _of_async_engine(database, query)
    if _is_engine(database):
        return Asked(f"database {database.dialect.name}", lambda: _timed(lambda: _ask_engine(database, query)))
    if _is_connection(database):
        return Asked("database", lambda: _ask_shared_connection(database, query))
    if callable(database):
        return Asked("database", lambda: _timed(lambda: _ask_new_connection(database, query)))
    raise ConfigurationError(
        f"database_check was given {type(database).__name__}. It must be a SQLAlchemy engine, a URL, a DB-API "
        "connection or a function that returns one. Give one of them."
    )


def django_check(alias: str = "default", *, query: str = QUERY) -> Callable[[], Any]:
    """Return a check of the database *alias* of Django's settings; it closes its connection after each run.

    Raises:
        MissingDependencyError: Django is not installed.
    """
    connections = _import("django.db", "django", extra="django", wanted_by="django_check").connections

    def ask() -> None:
        connection = connections[alias]
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                cursor.fetchone()
        finally:
            # Connections belong to threads; one that is kept would not notice a restart of the database.
            connection.close()

    return Asked(f"Django's database {alias}", lambda: _timed(ask))


def is_known(database: object) -> bool:
    """Return True if `database_check` can do something with *database* without being told more."""
    return isinstance(database, str) or any(look(database) for look in (_is_engine, _is_async_engine, _is_connection))


def _is_engine(database: Any) -> bool:
    return hasattr(database, "dialect") and hasattr(database, "connect")


def _is_async_engine(database: Any) -> bool:
    return hasattr(database, "sync_engine") and hasattr(database, "connect")


def _is_connection(database: Any) -> bool:
    return hasattr(database, "cursor") and hasattr(database, "commit") and not hasattr(database, "dialect")


def _import(module: str, package: str, *, extra: str, wanted_by: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(package, extra=extra, wanted_by=wanted_by) from error


def _of_url(url: str, query: str) -> Callable[[], Any]:
    sqlalchemy = _import("sqlalchemy", "sqlalchemy", extra="sql", wanted_by="A database check of a URL")
    asynchronous = importlib.import_module("sqlalchemy.ext.asyncio")
    # Without a pool of its own the check holds no connection, and proves that one can be made.
    pool = importlib.import_module("sqlalchemy.pool").NullPool
    try:
        parsed = sqlalchemy.engine.make_url(url)
        if parsed.get_dialect().is_async:
            return database_check(asynchronous.create_async_engine(parsed, poolclass=pool), query=query)
        return database_check(sqlalchemy.create_engine(parsed, poolclass=pool), query=query)
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(
            f"The URL of a database check cannot be used ({type(error).__name__}). It must be one that SQLAlchemy "
            "understands, and its driver must be installed. Write it as in postgresql+psycopg://user@host/name."
        ) from None


def _of_async_engine(engine: Any, query: str) -> Callable[[], Any]:
    async def ask() -> CheckResult:
        began = time.perf_counter()
        async with engine.connect() as connection:
            await connection.exec_driver_sql(query)
        return _answered(began)

    return AskedAsync(f"database {engine.sync_engine.dialect.name}", ask)


def _ask_engine(engine: Any, query: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(query)


def _ask_new_connection(connect: Callable[[], Any], query: str) -> None:
    with closing(connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(query)
        cursor.fetchone()


def _ask_shared_connection(connection: Any, query: str) -> CheckResult:
    """Ask over the app's own connection, if its driver allows that and no transaction is begun by it."""
    package = type(connection).__module__.partition(".")[0]
    driver = sys.modules.get(package)
    is_ours = package == "sqlite3" or (
        getattr(driver, "threadsafety", 0) >= 2 and getattr(connection, "autocommit", None) is True
    )
    unknown = "this connection cannot be asked beside the app: give an engine, a URL or a function that connects"
    if not is_ours:
        return CheckResult(Status.UNKNOWN, unknown)
    began = time.perf_counter()
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute(query)
            cursor.fetchone()
    except Exception as error:
        if "thread" in str(error):  # sqlite3, unless check_same_thread is off
            return CheckResult(Status.UNKNOWN, unknown)
        raise
    return _answered(began)


def _timed(ask: Callable[[], object]) -> CheckResult:
    began = time.perf_counter()
    ask()
    return _answered(began)


def _answered(began: float) -> CheckResult:
    return CheckResult(Status.HEALTHY, "answers", time.perf_counter() - began, "seconds")
