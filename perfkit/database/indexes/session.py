"""One connection for one piece of advice: found, made safe, and left as it was.

An idle connection of a driver is not used itself: one of our own is opened beside it. One that is within a transaction
is used, in a savepoint that is undone, as the tables may be seen there alone.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from perfkit.core.errors import DatabaseError
from perfkit.database.query.target import Target, beside, engine_of, target_of

__all__ = ["Session", "opened"]

CATALOG_TIMEOUT_MS = 10_000
PLAN_TIMEOUT_MS = 500
LOCK_TIMEOUT_MS = 50


class Session:
    """A connection that only reads.

    Attributes:
        dialect: ``postgresql``, ``sqlite``, ``mysql`` or ``mariadb``.
    """

    def __init__(self, connection: Any, cursor: Any, dialect: str) -> None:
        """Use *cursor* of *connection*."""
        self.connection, self.cursor, self.dialect = connection, cursor, dialect

    def rows(self, query: str) -> list[Any]:
        """Return what *query* answers."""
        self.cursor.execute(query)
        return list(self.cursor.fetchall())

    def hurry(self) -> None:
        """Give plans little time from now on."""
        if self.dialect == "postgresql":
            self.cursor.execute(f"SET LOCAL statement_timeout = {PLAN_TIMEOUT_MS}")


@contextlib.contextmanager
def opened(database: Any, schema: str | None = None) -> Iterator[Session]:
    """Give a session on *database*: an engine, a connection of SQLAlchemy or of a driver, or a URL.

    Raises:
        DatabaseError: It is none of these, or a dialect that is not known here.
    """
    if isinstance(database, str):
        engine = engine_of(database)
        try:
            with opened(engine, schema) as session:
                yield session
        finally:
            engine.dispose()
        return
    target = database if isinstance(database, Target) else target_of(_plain(database))
    with target.connection() as connection:
        begin = _BEGINNINGS.get(target.system)
        if begin is None:
            raise DatabaseError(
                f"The database is {target.system}. Indexes are advised for PostgreSQL, SQLite, MySQL and MariaDB. "
                "Give a connection to one of these."
            )
        with begin(getattr(connection, "dbapi_connection", None) or connection, schema) as session:
            yield session


def _plain(database: Any) -> Any:
    """Return the driver's connection within what stands before it."""
    if hasattr(database, "ensure_connection"):  # Django's
        database.ensure_connection()
        return database.connection
    if hasattr(database, "dialect") and not hasattr(database, "raw_connection") and hasattr(database, "connection"):
        return database.connection.dbapi_connection  # SQLAlchemy's Connection
    return getattr(database, "__dict__", {}).get("_connection", database) if _is_captured(database) else database


def _is_captured(database: Any) -> bool:
    return type(database).__module__.startswith("perfkit.")


@contextlib.contextmanager
def _postgresql(connection: Any, schema: str | None) -> Iterator[Session]:
    status = _status_of(connection)
    if status == "idle":
        own = beside(connection)
        if own is not None:
            try:
                with _reading(own, schema, "BEGIN READ ONLY", "ROLLBACK") as session:
                    yield session
            finally:
                own.close()
            return
    begin, end = ("SAVEPOINT perfkit_session", "ROLLBACK TO SAVEPOINT perfkit_session")
    if status == "idle" and getattr(connection, "autocommit", False):
        begin, end = "BEGIN READ ONLY", "ROLLBACK"
    with _reading(connection, schema, begin, end) as session:
        yield session
    if status == "idle" and not getattr(connection, "autocommit", False):
        connection.rollback()


@contextlib.contextmanager
def _reading(connection: Any, schema: str | None, begin: str, end: str) -> Iterator[Session]:
    with _plain_cursor(connection) as cursor:
        cursor.execute(begin)
        try:
            if begin.startswith("SAVEPOINT"):
                cursor.execute("SET LOCAL transaction_read_only = on")
            cursor.execute(f"SET LOCAL statement_timeout = {CATALOG_TIMEOUT_MS}")
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 60000")
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            if schema:
                name = schema.replace('"', '""').replace("'", "''")
                cursor.execute(f'SET LOCAL search_path = "{name}", public')
            yield Session(connection, cursor, "postgresql")
        finally:
            with contextlib.suppress(Exception):  # a connection that broke is over anyway
                cursor.execute(end)


@contextlib.contextmanager
def _plain_cursor(connection: Any) -> Iterator[Any]:
    """Give a cursor whose rows are tuples, whatever the user's rows are."""
    try:
        rows = importlib.import_module("psycopg.rows")
        cursor = connection.cursor(row_factory=rows.tuple_row)
    except (ImportError, TypeError):
        cursor = connection.cursor()
    try:
        yield cursor
    finally:
        cursor.close()


def _status_of(connection: Any) -> str:
    """Return ``idle`` or ``busy``: psycopg and psycopg2 tell it by the numbers of libpq."""
    info = getattr(connection, "info", None)
    status = getattr(info, "transaction_status", 0)
    return "idle" if int(status) == 0 else "busy"


@contextlib.contextmanager
def _sqlite(connection: Any, schema: str | None) -> Iterator[Session]:
    sqlite3 = importlib.import_module("sqlite3")
    cursor = sqlite3.Cursor(connection)
    cursor.row_factory = None
    try:
        yield Session(connection, cursor, "sqlite")
    finally:
        cursor.close()


@contextlib.contextmanager
def _mysql(connection: Any, schema: str | None) -> Iterator[Session]:
    package = importlib.import_module(type(connection).__module__.partition(".")[0])
    plain = getattr(getattr(package, "cursors", None), "Cursor", None)
    cursor = connection.cursor(plain) if plain is not None else connection.cursor()
    try:
        cursor.execute("SELECT version()")
        dialect = "mariadb" if "mariadb" in str(cursor.fetchone()[0]).lower() else "mysql"
        if dialect == "mariadb":
            cursor.execute("SELECT @@max_statement_time")
            before = cursor.fetchone()[0]
            cursor.execute(f"SET SESSION max_statement_time = {CATALOG_TIMEOUT_MS / 1000:g}")
        else:
            cursor.execute("SELECT @@max_execution_time")
            before = cursor.fetchone()[0]
            cursor.execute(f"SET SESSION max_execution_time = {CATALOG_TIMEOUT_MS}")
        try:
            yield Session(connection, cursor, dialect)
        finally:
            name = "max_statement_time" if dialect == "mariadb" else "max_execution_time"
            cursor.execute(f"SET SESSION {name} = {before}")
    finally:
        cursor.close()


_BEGINNINGS: dict[str, Callable[[Any, str | None], contextlib.AbstractContextManager[Session]]] = {
    "postgresql": _postgresql,
    "sqlite": _sqlite,
    "mysql": _mysql,
    "mariadb": _mysql,
}
