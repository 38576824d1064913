"""The database that perfkit was given: an engine of SQLAlchemy, a URL, a DB-API connection, or what makes one."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from perfkit.core.errors import DatabaseError, MissingDependencyError
from perfkit.database.capture.dbapi import bare, system_of

__all__ = ["Target", "beside", "engine_of", "target_of"]


class Target:
    """Where statements can be sent to.

    Attributes:
        system: ``postgresql``, ``sqlite``, ``mysql``…
        is_owner: Whether each use has a connection and so a transaction of its own.
        engine: The async engine, where it is one.
    """

    def __init__(
        self, system: str, connect: Callable[[], Any], *, is_owner: bool, engine: Any = None, lock: Any = None
    ) -> None:
        """Use what *connect* returns, a DB-API connection, one at a time where it is shared."""
        self.system, self.is_owner, self.engine = system, is_owner, engine
        self._connect, self._lock = connect, lock or threading.RLock()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Give a DB-API connection; one of our own is given back at the end, its transaction undone if it is open."""
        if not self.is_owner:
            with self._lock:
                yield self._connect()
            return
        connection = self._connect()
        try:
            yield connection
        finally:
            try:
                connection.rollback()
            finally:
                connection.close()


def target_of(database: Any) -> Target:
    """Return where to send statements for *database*.

    Raises:
        DatabaseError: There is none, or it is of a kind that is not known.
        MissingDependencyError: A URL needs SQLAlchemy, which is not installed.
    """
    if database is None:
        raise DatabaseError(
            "No database was given. optimize_query runs statements on the one given to initialize(). "
            "Call system.initialize(database) with an engine, a URL or a DB-API connection."
        )
    if isinstance(database, str):
        return target_of(engine_of(database))
    sync = getattr(database, "sync_engine", None)
    if sync is not None:
        return Target(sync.dialect.name, _no_connection, is_owner=True, engine=database)
    if hasattr(database, "dialect") and hasattr(database, "raw_connection"):
        return Target(database.dialect.name, database.raw_connection, is_owner=True)
    if hasattr(database, "cursor"):
        # One that captures would count what `optimize_query` counts itself.
        own = bare(database)
        return Target(system_of(own), lambda: own, is_owner=False)
    if callable(database):
        made = database()
        system = system_of(made)
        made.close()
        return Target(system, database, is_owner=True)
    raise DatabaseError(
        f"The database given is a {type(database).__name__}. It must be a SQLAlchemy engine, a URL, a DB-API "
        "connection or a function that returns one. Give one of them."
    )


def beside(connection: Any) -> Any:
    """Return another connection to where *connection* leads, or None where it cannot be made."""
    package = type(connection).__module__.partition(".")[0]
    info = getattr(connection, "info", None)
    if info is None or package not in ("psycopg", "psycopg2"):
        return None
    try:
        driver = importlib.import_module(package)
        where = info.get_parameters() if package == "psycopg" else dict(info.dsn_parameters)
        own = driver.connect(**where, **({"password": info.password} if info.password else {}))
        own.autocommit = True
        if package == "psycopg":
            own.prepare_threshold = None
        return own
    except Exception:  # noqa: BLE001 - no connection is left, say: then the one at hand has to do
        return None


def engine_of(url: str) -> Any:
    """Return an engine of SQLAlchemy for *url*.

    Raises:
        DatabaseError: It is none that SQLAlchemy understands, or its driver is not installed.
        MissingDependencyError: SQLAlchemy is not installed.
    """
    try:
        sqlalchemy = importlib.import_module("sqlalchemy")
    except ImportError as error:
        raise MissingDependencyError("sqlalchemy", extra="sql", wanted_by="A database given as a URL") from error
    try:
        parsed = sqlalchemy.engine.make_url(url)
        if parsed.get_dialect().is_async:
            return importlib.import_module("sqlalchemy.ext.asyncio").create_async_engine(parsed)
        return sqlalchemy.create_engine(parsed)
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        raise DatabaseError(
            f"The URL of the database cannot be used ({type(error).__name__}). It must be one that SQLAlchemy "
            "understands, and its driver must be installed. Write it as in postgresql+psycopg://user@host/name."
        ) from None


def _no_connection() -> Any:
    raise DatabaseError(
        "An async engine was used by blocking code. Its connections belong to an event loop. "
        "Await aoptimize_query or aexplain instead."
    )
